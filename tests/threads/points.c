/* SPDX-License-Identifier: MIT */
/* What happens at a point: nothing, mostly; or others go first, time jumps, the thread stops or dies. */
#include "party.h"
#include "proc.h"

#include <sched.h>
#include <string.h>

void pass_point(const char *what);
bool sim_mutant(const char *name);

extern _Thread_local bool point_weakened;
_Thread_local bool point_weakened;
const char *weakened_accesses;
const char *mutant;
_Atomic uint64_t points_passed;

/* `what` is "OPERATION LABEL". */
static bool is_weakened(const char *what) {
    const char *label = strrchr(what, ' ') + 1;
    for (const char *item = weakened_accesses; *item;) {
        size_t bytes = strcspn(item, ",");
        if ((strlen(what) == bytes && memcmp(item, what, bytes) == 0) ||
            (strlen(label) == bytes && memcmp(item, label, bytes) == 0))
            return true;
        item += bytes + (item[bytes] == ',');
    }
    return false;
}

bool sim_mutant(const char *name) { return mutant && strcmp(mutant, name) == 0; }

/* Until others have passed `count` points, or a while has passed. */
static void let_others_go(uint32_t count) {
    uint32_t before = 0;
    for (unsigned tries = 0; tries < 60; tries++) {
        uint32_t others = 0;
        bool anybody = false;
        for (unsigned i = 0; i < scenario->participants; i++) {
            if (&parties[i] == me)
                continue;
            others += GET(parties[i].progress);
            anybody = anybody || state_of_party(&parties[i]) == RUNNING;
        }
        if (tries == 0)
            before = others;
        if (!anybody || others - before >= count)
            return;
        sched_yield();
    }
}

static void pass(struct party *p) {
    uint32_t n = GET(p->progress) + 1;
    SET(p->progress, n);
    if (n == p->jump_at) {
        clock_jump(p->jump_ns);
        ADD(counts->jumps, 1);
    }
    if (n == p->kill_at)
        party_die();
    if (n == p->freeze_at)
        party_freeze();
    for (unsigned i = 0; i < PAUSES; i++)
        if (n == p->pause_at[i])
            let_others_go(p->pause_for[i]);
    if (p->yield_one_in && random_next(&p->random) % p->yield_one_in == 0)
        sched_yield();
}

void pass_point(const char *what) {
    if (me && me->running)
        pass(me);
    point_weakened = weakened_accesses && me && is_weakened(what);
}

/* ---- plans ---- */

static uint32_t somewhere(struct party *p) { return 1 + (uint32_t)(random_next(&p->random) % (p->usual_points + 3)); }

void plan(struct party *p, uint64_t seed) {
    static const uint32_t yields[] = {0, 0, 256, 64, 16, 4};
    p->random = seed + p->who * UINT64_C(0xd1342543de82ef95);
    p->kill_at = p->freeze_at = p->jump_at = 0;
    uint64_t dice = random_next(&p->random);
    p->yield_one_in = yields[dice % 6];
    for (unsigned i = 0; i < PAUSES; i++) {
        p->pause_at[i] = dice >> (8 + i) & 1 ? somewhere(p) : 0;
        p->pause_for[i] = 1u << random_next(&p->random) % 9;
    }
}
