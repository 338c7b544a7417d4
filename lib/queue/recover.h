/* SPDX-License-Identifier: MIT */
/*
 * Recovering the dead. Each step is a CAS from a word that names the dead to one that does not, so each is done once, by any number of recoverers,
 * and a recoverer that dies or stops hinders nobody. The shared lock on the dead one's seat, held throughout, proves the death and keeps the seat
 * from being taken meanwhile; the seat becomes CLEAN after a scan that left nothing with its name.
 */
#ifndef RP_QUEUE_RECOVER_H
#define RP_QUEUE_RECOVER_H

#include "handle.h"

/* Recovers what `seat` left, if its owner is dead. The caller holds the prober's lock. -> how many things were mended. */
int recover(struct actor *a, uint32_t seat);

#endif
