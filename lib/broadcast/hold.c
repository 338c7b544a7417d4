/* SPDX-License-Identifier: MIT */
/* Seats: locks on bytes of the file (broadcast.h). */
#include "barrier.h"
#include "broadcast.h"
#include "error.h"
#include <errno.h>
#include <sys/stat.h>

static int take(const struct rp_ring *ring, struct attach *a, uint32_t first, uint32_t count, struct hold *h, uint32_t *taken) {
    struct stat status;
    if (!shm_same(&a->identity, &ring->identity))
        return fail(RP_GONE, "ring '%.80s' was removed, and the name is another's now", ring->name);
    if (fstat(a->fd, &status) != 0)
        return fail(-errno, "look at descriptor %d: %s", a->fd, rp_error_text(-errno));
    for (uint32_t i = 0; i < count; i++) {
        int result = attach_lock(a, first + i);
        if (result == -EAGAIN)
            continue;
        if (result < 0)
            return result;
        *taken = i;
        h->bytes = (size_t)status.st_blksize; /* hugetlbfs maps whole pages of its own size only */
        return shm_map(a->fd, h->bytes, true, &h->pin);
    }
    return RP_NO_SEAT;
}

int hold_take(const struct rp_ring *ring, uint32_t first, uint32_t count, struct hold *h, uint32_t *taken) {
    struct attach a;
    *h = (struct hold){0};
    int result = attach_begin(ring->path, false, &a);
    if (result == -ENOENT || result == -ENOTDIR)
        return fail(RP_GONE, "ring '%.80s' was removed", ring->name);
    if (result < 0)
        return result;
    result = take(ring, &a, first, count, h, taken);
    attach_end(&a);
    return result;
}

void hold_release(struct hold *h) {
    if (h->pin != NULL)
        shm_unmap(h->pin, h->bytes);
    *h = (struct hold){0};
}

void hold_register(const struct rp_ring *ring) {
    if (!barrier_register())
        store_relaxed(&ring->view.control->no_barrier, 1, hint);
}
