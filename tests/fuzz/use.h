/* SPDX-License-Identifier: MIT */
/* A program that uses the damaged queue, one call at a time, and checks what each call says. What a call's arguments are is read from the input. */
#ifndef FUZZ_USE_H
#define FUZZ_USE_H

#include "fuzz.h"

#include <ringpost/ringpost.h>

enum { HELD_MAX = 8, LOANS_MAX = 4 };

struct user {
    rp_queue *q, *observer;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message held[HELD_MAX];
    struct rp_loan loans[LOANS_MAX];
    unsigned held_count, loan_count;
    uint64_t bound; /* on the steps of a call */
    uint32_t message_bytes;
    uint32_t most_bytes;        /* of a message that can be sent: max_bytes may be less */
    uint32_t lanes, priorities; /* of the queue */
    bool blocks;                /* a send without a timeout may wait for ever */
    bool once;                  /* there is a dedup window */
    bool at_most_once;
    bool numbered; /* the producer has an id */
};

/* Somebody overwrites memory all the time, also while we look at what a call has just checked. */
extern bool use_among_vandals;

/* Walks through headers, which lie between `begin` and `end`. */
void use_headers(const struct rp_headers *h, const void *begin, const void *end);

/* Opens what can be opened. False: nothing. */
bool use_open(struct reader *r, struct user *u);
void use_close(struct user *u);

void use_receive(struct user *u);
void use_receive_batch(struct reader *r, struct user *u);
void use_receive_waiting(struct reader *r, struct user *u);
void use_ack(struct reader *r, struct user *u);
void use_nack(struct reader *r, struct user *u);
void use_reject(struct reader *r, struct user *u);
void use_extend(struct reader *r, struct user *u);
void use_forged_receipt(struct reader *r, struct user *u);
void use_send(struct reader *r, struct user *u);
void use_send_batch(struct reader *r, struct user *u);
void use_loan(struct reader *r, struct user *u);
void use_commit(struct reader *r, struct user *u);
void use_abandon(struct reader *r, struct user *u);
void use_peek(struct reader *r, struct user *u);
void use_dead_peek(struct reader *r, struct user *u);
void use_dead_change(struct reader *r, struct user *u);
void use_purge(struct reader *r, struct user *u);
void use_look(struct user *u);
void use_audit(struct user *u);
void use_sweep(struct user *u);
void use_reopen(struct reader *r, struct user *u);
void use_observer(struct reader *r, struct user *u);

/* The other queue of this process. */
void use_healthy_open(void);
void use_healthy(void);
void use_healthy_close(void);

/* What calls have said so far, for people: whether the damage gets anywhere. */
void use_summary(void);

/* ---- for use.c and use_look.c ---- */

/* Makes a call of the library: counts its steps, and checks that a failure is one of those listed. -> its result. */
#define CALL(u, call, ...) (steps_begin(#call, (u)->bound), use_called((call), #call, (const int[]){__VA_ARGS__, 0}))
int use_called(int result, const char *call, const int *allowed);

#endif
