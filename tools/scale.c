/* SPDX-License-Identifier: MIT */
#include "scale.h"

struct scale scale_begin(uint64_t least, uint64_t most) {
    return (struct scale){.least = least, .most = most, .slots = least};
}

/* Has `condition` held for `after_ns`? `*since_ns` begins anew when it has, and when it does not hold. */
static bool lasted(bool condition, uint64_t *since_ns, uint64_t now_ns, uint64_t after_ns) {
    if (!condition) {
        *since_ns = 0;
        return false;
    }
    if (*since_ns == 0) {
        *since_ns = now_ns;
        return false;
    }
    if (now_ns - *since_ns < after_ns)
        return false;
    *since_ns = now_ns;
    return true;
}

struct scale scale_next(struct scale s, uint64_t now_ns, bool backlog, uint64_t running) {
    if (running > s.slots) /* from 0 */
        s.slots = running;
    if (lasted(backlog && running >= s.slots && s.slots < s.most, &s.pressed_ns, now_ns, SCALE_UP_AFTER_NS))
        s.slots++;
    if (lasted(running < s.slots && s.slots > s.least, &s.idle_ns, now_ns, SCALE_DOWN_AFTER_NS))
        s.slots--;
    return s;
}

uint64_t scale_due_ns(const struct scale *s) {
    if (s->pressed_ns)
        return s->pressed_ns + SCALE_UP_AFTER_NS;
    return s->idle_ns ? s->idle_ns + SCALE_DOWN_AFTER_NS : 0;
}

bool scale_has_room(const struct scale *s, uint64_t running) { return running < (s->slots ? s->slots : 1); }

bool scale_can_grow(const struct scale *s) { return s->slots < s->most; }
