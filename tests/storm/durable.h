/* SPDX-License-Identifier: MIT */
/*
 * The books of storm_durable, kept outside of the queue like the ledger. What is promised of a message that was sent by a call that returned 0, and of an ack that did:
 *
 *     all processes die           both are kept
 *     the machine dies, too       the message, if the queue is RP_SYNC_ALWAYS, or a flush of its own producer returned 0 later; the ack, if anybody's flush that began later returned 0.
 *                                 Else either may be lost, but of one producer's messages no later one is there when an earlier one is lost
 */
#ifndef STORM_DURABLE_H
#define STORM_DURABLE_H

#include "crew.h"

enum { NUMBERS = 1 << 21, LIVES = 1 << 16 };

enum sending {
    SENDING_NOT,
    SENDING_BEGUN,   /* or nobody lived to tell, or the journal did not work: anything may be */
    SENDING_DONE,    /* survives the death of all processes */
    SENDING_DURABLE, /* survives the machine's */
    SENDING_REFUSED,
    SENDING_LOST /* it was not there after a restart, and never comes again */
};

struct parcel {
    _Atomic uint64_t acked; /* the clock after an ack that succeeded; 0: none has, or it may be lost */
    _Atomic uint32_t life;
    _Atomic uint8_t sending; /* enum sending */
    _Atomic uint8_t open;    /* acks whose result nobody lived to tell, or that may be lost */
    _Atomic uint8_t delayed;
};

struct durable_book {
    _Atomic uint64_t clock;      /* counts acks */
    _Atomic uint64_t flushed;    /* acks up to then are on disk */
    _Atomic uint32_t next, life; /* the last ones that were taken */
    _Atomic uint64_t flushes, again;
    struct parcel parcels[NUMBERS];
};
extern struct durable_book *durable_book;
extern struct worker *durable_worker; /* whose process this is; NULL: the parent's */

/* What lies in a message. */
struct body {
    uint64_t check;
    uint32_t number, life;
    unsigned char filler[112];
};
enum { BODY_LEAST = offsetof(struct body, filler) };

/* Is it whole, and was it sent? -> its number; 0: a violation. */
uint32_t body_check(const void *data, size_t bytes);

/* Attaches, and brings the queue back if it is gone. */
rp_queue *durable_attach(const struct storm *s);

#endif
