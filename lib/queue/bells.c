/* SPDX-License-Identifier: MIT */
#include "bells.h"
#include "error.h"
#include "eventcount.h"
#include <errno.h>

enum { NAME_ATTEMPTS = 64 };

#define TAKEN (UINT64_C(1) << 63)

static uint64_t bell_word(uint32_t seat, unsigned group, uint64_t generation) {
    return TAKEN | (uint64_t)seat << 53 | (uint64_t)group << 48 | bits(generation, 0, 48);
}
static uint32_t bell_owner(uint64_t w) { return (uint32_t)bits(w, 53, 10); }
static unsigned bell_group(uint64_t w) { return (unsigned)bits(w, 48, 5); }
static uint64_t bell_generation(uint64_t w) { return bits(w, 0, 48); }

static struct bell_name name_of(const struct segment *s, uint32_t slot, uint64_t w) {
    return (struct bell_name){s->path, s->inode, slot, bell_generation(w)};
}

/* How many entries need a look. */
static uint32_t bells_used(const struct segment *s) {
    uint64_t top = load_acquire(&s->control->bells_top, bell);
    return s->path == NULL ? 0 : top < s->layout.bell_count ? (uint32_t)top : s->layout.bell_count;
}

/* ---- ringing ---- */

static void ring_armed(const struct segment *s, unsigned group) {
    int ringer = -1;
    for (uint32_t i = 0, n = bells_used(s); i < n; i++) {
        struct bell_entry *e = &s->bells[i];
        uint64_t armed = load_acquire(&e->armed, bell), w = load_acquire(&e->word, bell);
        if (!(armed & 1) || !(w & TAKEN) || bell_group(w) != group)
            continue;
        if (ringer < 0 && (ringer = bell_ringer_open()) < 0)
            return; /* no descriptor to be had, or a sandbox: their ticks must do */
        const struct bell_name name = name_of(s, i, w);
        if (bell_ring(ringer, &name))
            (void)cas_acq_rel(&e->armed, &armed, armed & ~UINT64_C(1), bell);
    }
    if (ringer >= 0)
        bell_ringer_close(ringer);
}

void bells_wake(const struct segment *s, unsigned group, uint64_t tickets, int count) {
    struct eventcount e = {.epoch = &s->control->sleepers[group].epoch, .tickets = &s->control->tickets[group]};
    if (eventcount_rouse(&e, count))
        return;
    ring_armed(s, group);
    eventcount_drained(&e, tickets);
}

void bells_interrupt(const struct segment *s, uint32_t seat) {
    int ringer = -1, before = errno;
    for (uint32_t i = 0, n = bells_used(s); i < n; i++) {
        uint64_t w = load_acquire(&s->bells[i].word, bell);
        if (!(w & TAKEN) || bell_owner(w) != seat)
            continue;
        if (ringer < 0 && (ringer = bell_ringer_open()) < 0)
            break;
        const struct bell_name name = name_of(s, i, w);
        (void)bell_ring(ringer, &name);
    }
    if (ringer >= 0)
        bell_ringer_close(ringer);
    errno = before; /* a handler's program expects that */
}

/* ---- entries ---- */

static void release(const struct segment *s, uint32_t slot, uint64_t w) {
    const struct bell_name name = name_of(s, slot, w);
    bell_remove(&name);
    (void)cas_acq_rel(&s->bells[slot].word, &w, bell_generation(w), bell);
}

void bells_recover(const struct segment *s, uint32_t seat) {
    for (uint32_t i = 0, n = bells_used(s); i < n; i++) {
        uint64_t w = load_acquire(&s->bells[i].word, bell);
        if (w & TAKEN && bell_owner(w) == seat && !MUTANT(recover_no_bells))
            release(s, i, w);
    }
}

static void raise_top(const struct segment *s, uint64_t top) {
    uint64_t now = load_acquire(&s->control->bells_top, bell);
    while (now < top && !cas_acq_rel(&s->control->bells_top, &now, top, bell)) {
    }
}

/* The first entry that is free. -> its slot, or the number of entries. */
static uint32_t take_entry(const struct segment *s, uint32_t seat, unsigned group, uint64_t *w) {
    for (uint32_t i = 0; i < s->layout.bell_count; i++) {
        struct bell_entry *e = &s->bells[i];
        uint64_t free = load_acquire(&e->word, bell);
        *w = bell_word(seat, group, bell_generation(free) + 1);
        if (free & TAKEN)
            continue;
        if (!MUTANT(bells_top_late))
            raise_top(s, (uint64_t)i + 1); /* first: recovery looks no further */
        if (!cas_acq_rel(&e->word, &free, *w, bell))
            continue;
        uint64_t armed = load_relaxed(&e->armed, recheck); /* by whoever had it before */
        store_release(&e->armed, (armed | 1) + 1, bell);
        if (MUTANT(bells_top_late))
            raise_top(s, (uint64_t)i + 1);
        return i;
    }
    return s->layout.bell_count;
}

int bells_take(const struct segment *s, uint32_t seat, unsigned group, struct bell *b, struct bell_seat *out) {
    for (unsigned i = 0; i < NAME_ATTEMPTS; i++) {
        uint64_t w;
        uint32_t slot = take_entry(s, seat, group, &w);
        if (slot == s->layout.bell_count)
            return fail(-ENOSPC, "all %u descriptors that the queue's consumers can have are in use", slot);
        const struct bell_name name = name_of(s, slot, w);
        int result = bell_bind(b, &name);
        if (result == 0) {
            *out = (struct bell_seat){slot, w};
            return 0;
        }
        /* The name is there: left by somebody of another segment with this inode, who does not matter here. The next generation has another. */
        (void)cas_acq_rel(&s->bells[slot].word, &w, bell_generation(w), bell);
        if (result != -EADDRINUSE)
            return result;
    }
    return fail(-EADDRINUSE, "the names of bells beside '%.100s' are taken: `ringpost gc` removes those of the dead", s->path);
}

bool bells_hold(const struct segment *s, const struct bell_seat *mine) {
    const struct bell_name name = name_of(s, mine->slot, mine->word);
    return load_acquire(&s->bells[mine->slot].word, bell) == mine->word && bell_has_name(&name);
}

void bells_leave(const struct segment *s, const struct bell_seat *mine) { release(s, mine->slot, mine->word); }

uint64_t bells_arm(const struct segment *s, const struct bell_seat *mine) {
    a64 *armed = &s->bells[mine->slot].armed;
    uint64_t next = (load_relaxed(armed, recheck) | 1) + 2; /* others only take it back, and only if it is as they read it */
    store_release(armed, next, bell);
    return next;
}
