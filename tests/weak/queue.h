/* SPDX-License-Identifier: MIT */
/* What the programs over the public API share: handles, a ledger of what was sent and received, and the end of a run. */
#ifndef WEAK_QUEUE_H
#define WEAK_QUEUE_H

#include "delivery.h"
#include "weak.h"
#include <ringpost/ringpost.h>

enum {
    PROCESSES = 5, /* the threads, and one that holds what must not take part, and judges */
    HOARDER = 4,
    LEASE_MS = 1000,
    LETTERS = 16
};
#define ALL_CELLS UINT32_MAX /* of plan.free_cells: nothing is on loan */

struct office {
    rp_queue *queue[PROCESSES];
    rp_producer *producer[PROCESSES];
    rp_consumer *consumer[PROCESSES];
    struct rp_message held[PROCESSES];
    uint32_t sent[PROCESSES];          /* letters whose send returned 0, as bits */
    uint32_t tried[PROCESSES];         /* letters whose send was begun */
    uint8_t got[PROCESSES][LETTERS];   /* how often received */
    uint8_t acked[PROCESSES][LETTERS]; /* acks that returned 0 */
    uint32_t receives[PROCESSES];      /* 1: has called receive */
    uint64_t note[PROCESSES];          /* for the program */
};
extern struct office *office;

struct plan {
    unsigned processes; /* threads that have one; the judge comes on top */
    uint32_t free_cells;
    unsigned warm_up; /* letters that are sent, received and acked beforehand, one after the other */
    uint32_t max_deliveries;
    bool keyed;          /* one lane, and all letters in it */
    uint32_t max_groups; /* 0: one */
    bool dedup;          /* it keeps ids of sends, for longer than anything here takes */
    uint32_t producer_ids;
    uint64_t max_bytes;     /* 0: as many as there is room for */
    uint64_t spill_bytes;   /* what has no memory is spilled; 0: it is not */
    uint32_t lane_capacity; /* keyed: 0: as much as usual */
    bool durable;       /* what a send that returned did is on disk */
};
/* A queue, with a producer and a consumer for each process. All cells but `free_cells` are on loan to the judge. */
void open_office(const struct plan *plan);

/* Sends a letter, which is a number below LETTERS. -> the result. */
int send_letter(unsigned me, unsigned letter);
/* Receives, reads and notes a letter into office->held[me]. False: EMPTY. */
bool receive_letter(unsigned me);
/* Reads the held letter again: nobody may have touched it. */
unsigned read_letter(unsigned me);
int ack_letter(unsigned me);
/* Receives and acks up to `tries` times. */
void work(unsigned me, unsigned tries);

/* As wait.c does it: looks, announces itself, looks again, sleeps, until there is one; and acks it. */
void receive_or_sleep(unsigned me);

a64 *word_of_cell(uint32_t c);

enum { AS_SENT = 0, MAY_COME_AGAIN = 1 };
/*
 * The end of each run: those who receive take what is left, without help of a sweep unless `sweep`; then everything that was sent was received, once or
 * (MAY_COME_AGAIN) at least once, and acked once, and all cells are free.
 */
void judge(bool sweep, int duplicates);

/* What counts of a durable queue's journal (store_weak.c). */
struct written {
    uint32_t letters;
    uint64_t sent, settled; /* sequences of messages, as bits */
};
struct written on_disk(void);

#endif
