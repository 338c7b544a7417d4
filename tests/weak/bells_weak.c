/* SPDX-License-Identifier: MIT */
/*
 * lib/platform/bell.h for the threads of a program: names, and whether they were rung. What rings orders nothing: whatever the one who is rung must see, the words of the segment have to tell him. A timer is
 * over at once or never: sleep has no timeout here.
 */
#include "bell.h"
#include "error.h"
#include "futex.h"
#include "weak.h"

#include <errno.h>

enum { BELLS = 8 };

static struct kernel_bell {
    uint64_t generation;
    uint32_t slot, process;
    bool named;
    uint32_t rung, over;
} * bells;

static struct kernel_bell *find(const struct bell_name *name) {
    for (unsigned i = 0; i < BELLS; i++)
        if (bells[i].named && bells[i].slot == name->slot && bells[i].generation == name->generation)
            return &bells[i];
    return NULL;
}

void weak_bells(void) { bells = weak_allocate(BELLS * sizeof *bells); }

void weak_bell_wait(int descriptor) {
    struct kernel_bell *b = &bells[descriptor];
    run_point(&b->rung, 4, true);
    while (!b->rung && !b->over)
        run_sleep(&b->rung);
}

int bell_open(struct bell *b) {
    for (int i = 0; i < BELLS; i++)
        if (bells[i].process == 0) {
            bells[i] = (struct kernel_bell){.process = run_process() + 1, .over = 1};
            *b = (struct bell){.descriptor = i, .timer = i, .socket = i};
            return 0;
        }
    return fail(-EMFILE, "no more bells");
}
void bell_close(struct bell *b) { bells[b->descriptor].process = 0; }
int bell_bind(struct bell *b, const struct bell_name *name) {
    if (find(name) != NULL)
        return -EADDRINUSE;
    bells[b->descriptor].slot = name->slot;
    bells[b->descriptor].generation = name->generation;
    bells[b->descriptor].named = true;
    return 0;
}
bool bell_has_name(const struct bell_name *name) { return find(name) != NULL; }
void bell_remove(const struct bell_name *name) {
    if (find(name) != NULL)
        find(name)->named = false;
}
void bell_drain(const struct bell *b) {
    if (run.on)
        run_point(&bells[b->descriptor].rung, 4, true);
    bells[b->descriptor].rung = 0;
}
void bell_after(const struct bell *b, uint64_t ns) {
    bells[b->descriptor].over = ns == 0;
    if (ns == 0)
        (void)run_wake(&bells[b->descriptor].rung, 1);
}

int bell_ringer_open(void) { return 0; }
void bell_ringer_close(int ringer) { (void)ringer; }
bool bell_ring(int ringer, const struct bell_name *name) {
    (void)ringer;
    struct kernel_bell *b = find(name);
    if (b == NULL)
        return true; /* nobody's any more */
    if (run.on)
        run_point(&b->rung, 4, true);
    b->rung = 1;
    (void)run_wake(&b->rung, 1);
    return true;
}

int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    (void)words, (void)expected, (void)count, (void)timeout_ns;
    return -ENOSYS;
}
