/* SPDX-License-Identifier: MIT */
/* What may befall a journal. Each scenario runs for a seed and says what went wrong. */
#ifndef DISK_SCENARIOS_H
#define DISK_SCENARIOS_H

#include "crew.h"

struct scenario {
    const char *name;
    /* Runs all of it for this seed until something is wrong, which l->wrong says then. -> how many times a disk was looked at */
    uint64_t (*run)(uint64_t seed, struct ledger *l);
    const char *about;
};
extern const struct scenario scenarios[];

uint64_t scenario_power(uint64_t seed, struct ledger *l);
uint64_t scenario_choices(uint64_t seed, struct ledger *l);
uint64_t scenario_ghost(uint64_t seed, struct ledger *l);
uint64_t scenario_faults(uint64_t seed, struct ledger *l);
uint64_t scenario_damage(uint64_t seed, struct ledger *l);
uint64_t scenario_forge(uint64_t seed, struct ledger *l);
uint64_t scenario_queue_power(uint64_t seed, struct ledger *l);
uint64_t scenario_queue_kill(uint64_t seed, struct ledger *l);
uint64_t scenario_queue_ghost(uint64_t seed, struct ledger *l);
uint64_t scenario_queue_places(uint64_t seed, struct ledger *l);
uint64_t scenario_queue_faults(uint64_t seed, struct ledger *l);
uint64_t scenario_past_power(uint64_t seed, struct ledger *l);
uint64_t scenario_past_kill(uint64_t seed, struct ledger *l);
uint64_t scenario_past_ghost(uint64_t seed, struct ledger *l);
uint64_t scenario_past_faults(uint64_t seed, struct ledger *l);

/* An empty ledger. */
void ledger_begin(struct ledger *l);

#endif
