/* SPDX-License-Identifier: MIT */
#include "steps.h"
#include "fuzz.h"
#include "layout.h"
#include "world.h"

/* The simulator's switches, as in life. */
uint64_t sim_first_lap = 1;
uint32_t sim_tag_mask = 0x3fff;
uint32_t sim_stamp_mask = 0xffffff;
uint32_t sim_lane_slots;
uint32_t sim_known_ids;
bool sim_one_hash;
uint32_t sim_min_slots = 8;
enum sim_site_defect sim_site_defect;

uint64_t steps_most, steps_most_permille;
const char *steps_most_call = "none";

static uint64_t steps, limit = UINT64_MAX, armed_at = UINT64_MAX;
static const char *current = "none";
static void (*armed_act)(void *context, volatile void *word);
static void *armed_context;

bool sim_mutant(const char *name) {
    (void)name;
    return false;
}

bool sim_site(const char *file, int line) {
    (void)file, (void)line;
    return false;
}

static void act(volatile void *word) {
    armed_at = UINT64_MAX;
    armed_act(armed_context, word);
}

void sim_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line) {
    (void)op;
    if (++steps > limit)
        finding("%s: no end after %llu steps, at %s:%d", current, (unsigned long long)steps, file, line);
    world_access(word, what);
    if (steps == armed_at)
        act((volatile void *)(uintptr_t)word);
}

/*
 * Each word of a group may need one full search of a ring by a sweep and one by a recovery, at up to four accesses a step, and each death a count of all
 * words. To open, a process makes fifty attempts at seats that somebody is about to clear.
 */
uint64_t steps_bound(const struct parameters *p, const struct layout *l) {
    uint64_t slots = l->lane_slot_count > l->slot_count ? l->lane_slot_count : l->slot_count;
    uint64_t words = (uint64_t)l->cell_count * p->max_groups;
    uint64_t searches = (words + 8) * (2 * 4 * (16 * slots + 4096) + l->cell_count);
    /* To take an entry is as many walks as there are ids, and more where a chain is damaged. */
    uint64_t ids = (2 * (uint64_t)l->known_count + 8) * 24 * (16 * (uint64_t)l->known_count + 4096);
    return (l->known_count > 0 ? ids : 0) + searches + 50 * (uint64_t)p->max_participants * (8 * words + 8 * 16);
}

void steps_begin(const char *call, uint64_t bound) {
    current = call;
    steps = 0;
    limit = bound;
}

void steps_end(void) {
    if (limit != UINT64_MAX && steps * 1000 / limit > steps_most_permille) {
        steps_most_permille = steps * 1000 / limit;
        steps_most_call = current;
    }
    if (steps > steps_most)
        steps_most = steps;
    limit = armed_at = UINT64_MAX;
}

const char *steps_call(void) { return current; }

void steps_arm(uint64_t step, void (*what)(void *context, volatile void *word), void *context) {
    armed_at = step;
    armed_act = what;
    armed_context = context;
}
