/* SPDX-License-Identifier: MIT */
/*
 * Whose a journal is, just now. Each process that writes to it says so for as long as it may; who brings a queue back from it has it alone, from before the first look until the queue has its name. Nobody who writes waits
 * for anybody. That no two queues write to one journal is for both to see to, in this order:
 *
 *     who writes           1 says so    2 looks whether its queue has its name still; if not, it must not write
 *     who brings it back   1 has it alone    2 looks: no queue has the name    3 looks: nobody says that he writes
 *
 * If the first one's look came before the name was removed, he has said so before the other one's last look. A writer who finds his queue gone has said so for a moment: so look again before taking it for an answer.
 *
 * A queue of that name elsewhere, in another /dev/shm, nobody can look for. So each life of a queue has a number, which the file `lock` says as well:
 *
 *     who writes           1 says so    2 looks: this life's number is still there; if not, he must not write
 *     who brings it back   1 has it alone    2 writes another number    3 looks: nobody says that he writes; if somebody does, he takes his number back
 *
 * If the first one's look came before the new number, he has said so before the other one's look. The number need not be on disk: no queue outlives the machine.
 *
 * These are locks on bytes of the file `lock`, held by a mapping that no forked child inherits, as liveness.h does: they last as long as the process, and no longer.
 */
#ifndef RP_JOURNAL_JOURNAL_LOCK_H
#define RP_JOURNAL_JOURNAL_LOCK_H

#include "journal_dir.h"

struct journal_lock {
    void *pin; /* NULL: not held */
};

/* On failure of these two there is nothing to release: errno of the file. */
int journal_lock_writing(const struct journal_dir *d, struct journal_lock *l);
/* -EAGAIN: somebody else has it. */
int journal_lock_alone(const struct journal_dir *d, struct journal_lock *l);

/* 1: somebody says that he writes; 0; errno of the file. */
int journal_lock_is_written(const struct journal_dir *d);

/* The number of the life that has it; 0: it is not known. Whoever has it alone may set it. 0 or errno of the file. */
int journal_life(const struct journal_dir *d, uint64_t *life);
int journal_set_life(const struct journal_dir *d, uint64_t life);

/* May be called again. */
void journal_unlock(struct journal_lock *l);

#endif
