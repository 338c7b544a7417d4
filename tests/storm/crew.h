/* SPDX-License-Identifier: MIT */
/* The crew of a storm: processes that are started, killed, stopped, continued and started again. */
#ifndef STORM_CREW_H
#define STORM_CREW_H

#include "storm.h"
#include <sys/types.h>

struct member {
    pid_t pid;
    enum role role;
    bool stopped;
    uint64_t continue_ns; /* when, if stopped */
};

struct crew {
    const struct storm *storm;
    struct member members[LEDGER_WORKERS];
    unsigned count;
    bool raised; /* we come before our crew, else there are few kills where there is much work */
    uint64_t starts;
    uint64_t kills[ROLES], kills_inside[INSIDES];
    uint64_t stops, stops_inside;
};

void crew_start(struct crew *c, const struct storm *s);
/* SIGKILL, wherever it is (stopped ones, too), and another in its place. */
void crew_kill(struct crew *c, unsigned i, bool replace);
/* All at once, and others in their places later. */
void crew_kill_all(struct crew *c);
void crew_start_all(struct crew *c);
/* SIGSTOP until `continue_ns`. */
void crew_stop(struct crew *c, unsigned i, uint64_t continue_ns);
/* Continues those whose time has come, or all. */
void crew_continue(struct crew *c, uint64_t now, bool all);
/* Ends the storm: every second one is killed, the others come to their end by themselves. */
void crew_end(struct crew *c);

uint64_t crew_kills(const struct crew *c);
const char *role_name(enum role r);

/* The sum of one tally over all workers: crew_sum(offsetof(struct tallies, acks)). */
uint64_t crew_sum(size_t tally);

#endif
