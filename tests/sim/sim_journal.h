/* SPDX-License-Identifier: MIT */
/*
 * A journal for the simulator: files of a few writes each, in the program's memory, behind lib/queue/durable_store.h and durable_history.h. A write is a step at which its writer may be killed or stopped; then it lands, whatever became of the role
 * meanwhile, as a real one would. What must not happen is looked for at once: a write over a batch that counts, two who make the same file with different ends.
 *
 * Whether what is there is what it should be is asked as if the machine were started anew at that moment.
 */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "sim.h"
#include <ringpost/ringpost.h>

enum { JOURNAL_FILES = 16, JOURNAL_WRITES = 6, JOURNAL_BATCH = 640 };

struct sim_journal {
    bool there; /* the queue has one */
    bool on;    /* and what is in it is looked at */
    uint32_t fail_writes; /* the next so many fail */
    uint32_t fail_files;
    uint32_t fail_syncs;
    uint64_t needed; /* highest number of which a writer has found that files below are needed by nobody */
    struct sim_journal_file {
        uint64_t number; /* 0: free */
        uint64_t first;
        uint64_t needed; /* as its head says */
        uint32_t previous_end;
        bool sync_failed; /* whoever comes later may take less of it for synced than others did before */
        uint32_t written[JOURNAL_WRITES]; /* bytes; 0: nothing yet */
        unsigned char data[JOURNAL_WRITES][JOURNAL_BATCH];
    } files[JOURNAL_FILES];
};
extern struct sim_journal sim_journal;
extern const bool sim_journal_is_kept; /* whoever is linked with it says so */

/* How many files there are. */
unsigned sim_journal_files(void);

/* In setup, before the queue is made. All queues of the program named "sim" have it from then on. */
void sim_journal_begin(void);

/* What a queue that is made anew from the journal would have. `group` 0 only. */
enum journal_says { JOURNAL_UNKNOWN, JOURNAL_LIVE, JOURNAL_SETTLED };
enum journal_says sim_journal_of(uint32_t tag);

/* The message that the journal has for an id, 0: none; and how far producer "a" has come. */
uint64_t sim_journal_id(uint8_t once);
uint64_t sim_journal_sequence(void);

/* After each write: each message that has an id is there with it, and the other way round; of a producer all up to its sequence, each once, and none beyond. */
void sim_journal_check_ids(void);
/* Now, as the witness has it: no message is lost whose send returned and that nobody may have settled, and there is none that nobody sent. */
void sim_journal_check(void);
/* Mended and flushed: what is a dead letter here is one there. */
void sim_journal_check_dead(rp_queue *q);
/* Groups that began in the past would have all that they did not ack, and `recorded`, what they did, if all is: nothing else. */
void sim_journal_check_past(bool recorded);
/* At the end: nothing is left. */
void sim_journal_check_empty(void);

#endif
