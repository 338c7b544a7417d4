/* SPDX-License-Identifier: MIT */
/*
 * Which consumer groups there are. One word of the control page decides, and each change of it raises its version:
 *
 *     control.active   version:24 | draining:20 | active:20
 *         active       gets every message whose send begins from now on
 *         draining     removed; messages of it may still be there, so senders do not pass its head
 *     group.word       state:4 | creator's seat:10 | generation:50
 *
 * Life of a group's place (lib/queue/group.c), and what a crash after each step leaves:
 *
 *     UNUSED   --creator, CAS-->     CREATING(seat), generation + 1    recovery makes it UNUSED: nothing was sent to it
 *     name, policy, heads, walk over the cells                         the same
 *     CREATING --creator, CAS of control.active: active-->             the group exists; recovery and remover make the word USED
 *     CREATING --creator, recovery, remover--> USED                    nothing
 *     USED     --remover, CAS of control.active: draining-->           it is gone; every sweep drops what pends for it
 *     USED     --anybody, after a walk over all cells:
 *                CAS of control.active: neither; then the word--> UNUSED   any sweep makes it UNUSED
 *
 * The CAS of control.active is where a group begins and ends. Of two creators of one name the second one's CAS fails, and it finds the other's
 * name when it looks again. Names are written while the place is CREATING, by its one owner, and are true while the group is active.
 * Nobody waits for anybody: a creator that is stopped keeps one place.
 */
#ifndef RP_MEMORY_GROUPS_H
#define RP_MEMORY_GROUPS_H

#include "segment.h"

#define GROUPS_VERSION_MASK UINT64_C(0xffffff)
#define GROUP_GENERATION_MASK ((UINT64_C(1) << 50) - 1)

static inline uint64_t groups_word(uint64_t version, uint32_t draining, uint32_t active) {
    return (version & GROUPS_VERSION_MASK) << 40 | (uint64_t)draining << 20 | active;
}
static inline uint32_t groups_version(uint64_t w) { return (uint32_t)(w >> 40); }

/* Bits of groups that cannot exist are damage, and nobody's. */
static inline uint32_t groups_possible(const struct segment *s) { return (UINT32_C(1) << s->parameters.max_groups) - 1; }
static inline uint32_t groups_active(const struct segment *s, uint64_t w) { return (uint32_t)w & groups_possible(s); }
static inline uint32_t groups_draining(const struct segment *s, uint64_t w) { return (uint32_t)(w >> 20) & groups_possible(s); }

static inline uint64_t groups_load(const struct segment *s) { return load_acquire(&s->control->active, active); }

static inline bool groups_has(const struct segment *s, unsigned group) { return groups_active(s, groups_load(s)) >> group & 1; }

/* The next value of control.active, unless it has changed since `*seen` was read. */
bool groups_change(const struct segment *s, uint64_t *seen, uint32_t draining, uint32_t active);

static inline uint64_t group_word(enum group_state state, uint32_t owner, uint64_t generation) {
    return (uint64_t)state << 60 | (uint64_t)owner << 50 | (generation & GROUP_GENERATION_MASK);
}
static inline uint32_t group_state(uint64_t w) { return (uint32_t)(w >> 60); }
static inline uint32_t group_owner(uint64_t w) { return (uint32_t)bits(w, 50, 10); }
static inline uint64_t group_generation(uint64_t w) { return w & GROUP_GENERATION_MASK; }

/* Is `group` active in `w`, and has it been since version `then`? Versions are compared by serial difference. */
static inline bool groups_same(const struct segment *s, uint64_t w, unsigned group, uint32_t then) {
    uint32_t since = (uint32_t)load_acquire(&s->groups[group].since, active);
    return (groups_active(s, w) >> group & 1) && ((then - since) & GROUPS_VERSION_MASK) < (GROUPS_VERSION_MASK + 1) / 2;
}

/* A group as somebody looked it up; another may come to its place. */
struct known_group {
    unsigned index;
    uint64_t generation;
};

static inline struct known_group group_known(const struct segment *s, unsigned group) {
    return (struct known_group){group, group_generation(load_acquire(&s->groups[group].word, active))};
}

/* Is it still there? Generations only grow: one that had begun, and is the same while the bit is set, was there when the bit was read. */
static inline bool group_is_still(const struct segment *s, const struct known_group *k) {
    return groups_has(s, k->index) && group_generation(load_acquire(&s->groups[k->index].word, active)) == k->generation;
}

/* May a group be called that? [A-Za-z0-9._-]{1,63} */
bool group_name_valid(const char *name);

/* The active group of this name: its index, and its generation unless that is NULL; or -1. */
int groups_find(const struct segment *s, const char *name, uint64_t *generation);

/* The same among those of `w`, a value of control.active; right if that is still its value. */
int groups_find_in(const struct segment *s, uint64_t w, const char *name);

/* A group's name for people: at most 63 bytes, damage replaced by '?'. */
void group_name(const struct segment *s, unsigned group, char out[GROUP_NAME_BYTES]);

/* Names a place that the caller is CREATING. */
void group_set_name(const struct segment *s, unsigned group, const char *name);

#endif
