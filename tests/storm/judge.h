/* SPDX-License-Identifier: MIT */
/* Looks at the queue during the storm, and settles the account after it. */
#ifndef STORM_JUDGE_H
#define STORM_JUDGE_H

#include "crew.h"

struct report {
    uint64_t audits, unsettled, sampled_ns;
    uint64_t passes;  /* sweeps until nothing was left to mend */
    uint64_t drained; /* messages that were left in the queue */
    uint64_t done;    /* sends that returned 0 */
    uint64_t unknown; /* sends whose sender died inside */
    uint64_t arrived; /* of those, the messages that were there */
    uint64_t silent;  /* acked, as the books must conclude, by one who died before he could say so */
    uint64_t missing; /* at most once only: received by one who died before he could say so */
    uint64_t purged;  /* by the parent */
    uint64_t again;   /* messages shown more than once */
};

/* An audit in the middle of the storm. */
void judge_sample(rp_queue *q, struct report *r);

/* Purges what is ready, in a variant where that is done. */
void judge_purge(const struct storm *s, rp_queue *q, struct report *r);

/* After the last process ended: sweeps, drains, and holds the books against what came out. */
void judge(const struct storm *s, const struct crew *c, rp_queue *q, struct report *r);

#endif
