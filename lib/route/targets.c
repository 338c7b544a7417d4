/* SPDX-License-Identifier: MIT */
#include "targets.h"
#include "error.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct target *target_create(struct target_numbers *n, const char *name) {
    if (n->top >= n->free_room) { /* so that giving a number back needs no memory */
        uint32_t room = n->free_room > 0 ? 2 * n->free_room : 64;
        uint32_t *more = realloc(n->free, room * sizeof *more);
        if (more == NULL)
            return NULL;
        n->free = more;
        n->free_room = room;
    }
    struct target *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    memccpy(t->name, name, 0, sizeof t->name - 1);
    t->number = n->free_count > 0 ? n->free[--n->free_count] : n->top++;
    store_relaxed(&t->references, 1, init);
    return t;
}

bool target_hold(struct target *t) {
    uint32_t references = load_acquire(&t->references, references);
    while (references != 0)
        if (cas_acq_rel(&t->references, &references, references + 1, references))
            return true;
    return false;
}

void target_release(struct target_numbers *n, struct target *t) {
    uint32_t references = load_acquire(&t->references, references);
    while (!cas_acq_rel(&t->references, &references, references - 1, references)) {
    }
    if (references > 1)
        return;
    if (t->attachment != NULL)
        attachment_release(n, t->attachment);
    n->free[n->free_count++] = t->number;
    free(t);
}

static int open_queue(const char *name, struct attachment *a) {
    struct rp_queue_options o;
    int result = rp_queue_open(name, NULL, &a->queue);
    if (result < 0)
        return result;
    rp_queue_options_init(&o, sizeof o);
    result = rp_queue_options_get(a->queue, &o);
    if (result < 0) {
        (void)rp_queue_close(a->queue);
        return result;
    }
    a->keyed = o.lanes > 0;
    a->priorities = o.lanes > 0 ? 0 : o.priorities - 1;
    a->dedup = o.dedup_window_ns > 0;
    a->waits = o.overflow == RP_OVERFLOW_BLOCK;
    return 0;
}

int target_attach(struct target_numbers *n, struct target *t, struct attachment **out) {
    if (t->attachment == NULL) {
        struct attachment *a = calloc(1, sizeof *a);
        if (a == NULL)
            return fail(-ENOMEM, "no memory to attach queue '%.100s'", t->name);
        int result = open_queue(t->name, a);
        if (result < 0) {
            free(a);
            return result;
        }
        a->references = 1;
        n->attached++;
        t->attachment = a;
    }
    t->attachment->references++;
    *out = t->attachment;
    return 0;
}

void attachment_release(struct target_numbers *n, struct attachment *a) {
    if (--a->references > 0)
        return;
    (void)rp_queue_close(a->queue); /* all producers are closed */
    n->attached--;
    free(a);
}

void target_forget(struct target_numbers *n, struct target *t, const struct attachment *gone) {
    if (t->attachment != gone)
        return;
    t->attachment = NULL;
    attachment_release(n, (struct attachment *)(uintptr_t)gone);
}
