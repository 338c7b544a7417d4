/* SPDX-License-Identifier: MIT */
/* What scenarios are made of. Each is a sim_program on the public API, made through the witness. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "witness.h"

#define MS UINT64_C(1000000)
#define LEASE_NS (1000 * MS)
#define PAST_LEASE_NS (LEASE_NS + 200 * MS)

/* Lists of programs, each ends with NULL. */
extern const struct sim_program *const scenarios_pairs[];
extern const struct sim_program *const scenarios_time[];
extern const struct sim_program *const scenarios_death[];
extern const struct sim_program *const scenarios_room[];
extern const struct sim_program *const scenarios_dead[];
extern const struct sim_program *const scenarios_bury[];
extern const struct sim_program *const scenarios_overflow[];
extern const struct sim_program *const scenarios_wrap[];
extern const struct sim_program *const scenarios_threads[];
extern const struct sim_program *const scenarios_groups[];
extern const struct sim_program *const scenarios_timers[];
extern const struct sim_program *const scenarios_schedule[];
extern const struct sim_program *const scenarios_crowd[];
extern const struct sim_program *const scenarios_keys[];
extern const struct sim_program *const scenarios_levels[];
extern const struct sim_program *const scenarios_shards[];
extern const struct sim_program *const scenarios_leave[];
extern const struct sim_program *const scenarios_operators[];
extern const struct sim_program *const scenarios_forward[];
extern const struct sim_program *const scenarios_onward[];
extern const struct sim_program *const scenarios_seen[];
extern const struct sim_program *const scenarios_drops[];
extern const struct sim_program *const scenarios_key_groups[];
extern const struct sim_program *const scenarios_identity[];
extern const struct sim_program *const scenarios_wait_groups[];
extern const struct sim_program *const scenarios_once[];
extern const struct sim_program *const scenarios_headers[];
extern const struct sim_program *const scenarios_flow[];
extern const struct sim_program *const scenarios_event[];
extern const struct sim_program *const scenarios_dump[];
extern const struct sim_program *const scenarios_spill[];
extern const struct sim_program *const scenarios_exchange[];
extern const struct sim_program *const scenarios_durable[];
extern const struct sim_program *const scenarios_durable_ids[];
extern const struct sim_program *const scenarios_past[];
extern const struct sim_program *const scenarios_ring[];
/* All of them; ends with NULL. */
extern const struct sim_program *const *const scenario_lists[];

/* A queue for `capacity` messages of 8 bytes with a lease of one second, no backoff, and `messages` in it. */
struct rp_queue_options scenario_options(uint32_t capacity);
void scenario_create(uint32_t capacity, unsigned messages);
/* Sends `messages` from a process that then detaches. Only in setup. */
void scenario_preload(unsigned messages);
/* Receives, without waiting, so many times, and acks each message at once. */
void scenario_receive_and_ack(struct desk *d, unsigned times);
uint64_t scenario_free_cells(struct desk *d);

#define FINISH .interim = witness_interim, .finish = witness_finish
/* Most programs: two participants, explored to the end (README.md). Names stand in front of it, where CMakeLists.txt finds them. */
#define PAIR(make, does) \
    .participants = 2, .setup = make, .body = does, FINISH, .budget = {.preemptions = 2, .kills = 1, .freezes = 1}

#endif
