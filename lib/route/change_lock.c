/* SPDX-License-Identifier: MIT */
/* The right to change bindings (attached.h). */
#include "attached.h"
#include "clock.h"
#include "error.h"
#include "futex.h"
#include <errno.h>
#include <sys/stat.h>

enum { NAP_NS = 1000000 };

/* Locks and pins what was opened. -EAGAIN: somebody has it. */
static int take(const struct rp_exchange *x, struct attach *a, struct change *c) {
    struct stat status;
    if (!shm_same(&a->identity, &x->identity))
        return fail(RP_GONE, "exchange '%.80s' was removed, and the name is another's now", x->name);
    int result = attach_lock(a, 0);
    if (result < 0)
        return result;
    if (fstat(a->fd, &status) != 0)
        return fail(-errno, "look at descriptor %d: %s", a->fd, rp_error_text(-errno));
    c->bytes = (size_t)status.st_blksize; /* hugetlbfs maps whole pages of its own size only */
    return MUTANT(exchange_unpinned) ? 0 : shm_map(a->fd, c->bytes, true, &c->pin);
}

int change_begin(struct rp_exchange *x, int64_t timeout_ns, struct change *c) {
    uint64_t end_ns = timeout_ns < 0 ? UINT64_MAX : clock_boot_ns() + (uint64_t)timeout_ns;
    *c = (struct change){0};
    for (;;) {
        struct attach a;
        int result = attach_begin(x->path, false, &a);
        if (result == -ENOENT || result == -ENOTDIR)
            return fail(RP_GONE, "exchange '%.80s' was removed", x->name);
        if (result < 0)
            return result;
        result = take(x, &a, c);
        attach_end(&a);
        if (result != -EAGAIN)
            return result;
        if (clock_boot_ns() >= end_ns)
            return fail(-EBUSY, "exchange '%.80s': another process is changing the bindings", x->name);
        a32 nobody = 0;
        (void)futex_wait(&nobody, 0, NAP_NS);
    }
}

void change_end(struct change *c) {
    if (c->pin != NULL)
        shm_unmap(c->pin, c->bytes);
    *c = (struct change){0};
}
