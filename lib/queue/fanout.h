/* SPDX-License-Identifier: MIT */
/*
 * Which groups a message is for, when groups come and go. A message pends for the groups that were active when its sender looked; later
 *
 * - a group that was removed is taken out of it: by the remover's walk, by each sweep, and by the sender itself, if its commit came after the
 *   removal and the walks missed it (it looks again after the commit, so one of the two sees the other);
 * - a group that was made on the same place is not meant: the sender drops what is not taken for any group younger than its look, and so does recovery
 *   for a sender that died in between (the version it had seen stands in the cell).
 *
 * A removed group is draining until somebody has walked over all cells: then nothing committed pends for it but what is being dropped by its sender, and LIMBO
 * words, whose viewers clear their bits themselves, whenever they leave: for a new group on that place the message counts as taken. So nobody who
 * is stopped keeps a place. While a group is draining, senders do not pass its head: else the slot of a committed message could be filled again, and with
 * the slot goes the proof that it was committed.
 */
#ifndef RP_QUEUE_FANOUT_H
#define RP_QUEUE_FANOUT_H

#include "handle.h"

/*
 * Is the published cell's message committed? Its slot holds it, or some group has taken it: nobody overwrites a slot before all groups that the message is for
 * have. Any group may be the one: the lowest may be a removed one that never took it. `w` was read before; the slot is read first, then the words.
 */
bool fanout_committed(const struct segment *s, uint32_t c, uint64_t w);

/* A committed message of this incarnation, sent for the groups of `version`: drops it, where not taken, for those that are not the same any more. */
void fanout_drop_stale(struct actor *a, uint32_t c, uint64_t generation, uint32_t version);

/* The version that the cell's sender wrote down. */
uint32_t fanout_version(const struct segment *s, uint32_t c);

enum fanout_purge {
    PURGE_NOTHING, /* no message pends for the group, or only its viewers are left; or the group is active */
    PURGE_DONE,
    PURGE_NOT_YET /* its sender is between its word and its slot, and will look after it */
};

/* Drops what pends in the cell for a group that is not active. Anybody, any number at once. */
enum fanout_purge fanout_purge(struct actor *a, unsigned group, uint32_t c);

/* Goes on with the removals under way: drops what pends, and frees the places of groups of which nothing is left. -> things done. */
int fanout_sweep(struct actor *a);

/* A dead creator of groups: what it began is given up, what it finished is finished. -> things done. */
int fanout_recover(struct actor *a, uint32_t dead);

/* For people whose send got RP_FULL: "; group 'slow' is behind by about 4096 messages", of the one that is furthest; or nothing. */
void fanout_behind(const struct segment *s, char *out, size_t size);

#endif
