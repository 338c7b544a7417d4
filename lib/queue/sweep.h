/* SPDX-License-Identifier: MIT */
/*
 * The sweep: walk the cells, and for each word that names a dead owner or a time that is over do the single CAS that is due. All of it may be done by anybody,
 * any number at once; so it needs no lock and no leader, and nothing that a sweeper leaves undone is lost.
 */
#ifndef RP_QUEUE_SWEEP_H
#define RP_QUEUE_SWEEP_H

#include "handle.h"

/* What is due now: at most once a tick finds the dead and walks the cells, and walks them when a known time is over. Cheap when nothing is. */
void housekeeping(struct actor *a, uint64_t now_ms);

/* Looks whether the queue's name still means its file; if not, the process's calls return RP_GONE from now on. */
void notice_removal(struct rp_queue *q);
/* The same, for sure and now. */
bool queue_has_name(struct rp_queue *q);

/* Recovers every seat whose owner is provably dead. -> how many things were mended. */
int recover_the_dead(struct actor *a);

/* Walks all cells; also sets the bits of free cells when `mend_bits`. -> how many things were done. */
int sweep_walk(struct actor *a, uint64_t now_ms, bool mend_bits);

#endif
