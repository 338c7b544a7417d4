/* SPDX-License-Identifier: MIT */
/*
 * The books, kept outside of the queue: shared anonymous memory of the parent, which survives every child that is killed. One word per message says
 * what became of it; each entry is one compare-and-swap, made BEFORE the call (an intent) and AFTER it (the outcome).
 */
#ifndef STORM_LEDGER_H
#define STORM_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LEDGER_MESSAGES = 1 << 25,
    LEDGER_CHUNK = 256, /* message numbers that a producer takes at a time */
    LEDGER_PRODUCERS = 1 << 17,
    LEDGER_WORKERS = 32,
    LEDGER_UNSURE = 12, /* letters that one call sends */
    VIOLATION_TEXTS = 12,
    VIOLATION_BYTES = 240
};

enum sent { SENT_NEVER, SENT_INTENT, SENT_DONE, SENT_REFUSED };

union mark {
    uint64_t word;
    struct {
        uint64_t sent : 2;     /* enum sent */
        uint64_t settled : 4;  /* acks and purges that returned success */
        uint64_t open : 8;     /* acks, rejects and purges whose result nobody lived to tell */
        uint64_t first : 4;    /* times it was shown with acquisitions == 1 */
        uint64_t shown : 12;   /* times it was shown */
        uint64_t most : 12;    /* the most acquisitions it was shown with */
        uint64_t redriven : 8; /* redrives that were begun */
        uint64_t rejected : 4; /* rejects that returned success */
    };
};
_Static_assert(sizeof(union mark) == 8, "one word");

/* Calls that are long enough to aim at. */
enum inside {
    OUTSIDE,
    IN_SWEEP,
    IN_ATTACH,
    IN_HANDLE,
    IN_SEND,
    IN_PUBLISH,
    IN_CHANGE,
    IN_WRITE,
    INSIDES
}; /* attach: of a queue; handle: open and close of producers and consumers; send: where letters are sent again; change: of an exchange's bindings; write: of a journal */

/* What each worker counts for itself. */
struct tallies {
    _Alignas(64) _Atomic uint64_t sends, receives, acks, nacks, extends,
        redeliveries, lost, full, no_seat, purges, redrives, opens, pauses, drains, emptied;
    _Atomic uint32_t inside; /* enum inside: where it is, or where it was when it died */
    _Atomic uint64_t sleeps, rung, unrung, again, duplicates;
    _Atomic uint32_t unrung_row;            /* sleepers: sleeps in which messages came and no ring, in a row */
    _Atomic uint64_t unsure[LEDGER_UNSURE]; /* what this worker is sending, or was when it died; 0: nothing (again.h) */
};

struct ledger {
    _Atomic uint32_t stop;
    _Atomic uint32_t next_producer;
    _Atomic uint64_t next_message;
    _Atomic uint64_t violations;
    char texts[VIOLATION_TEXTS][VIOLATION_BYTES];
    struct tallies workers[LEDGER_WORKERS];
    _Atomic uint64_t latest[LEDGER_PRODUCERS]; /* of each producer: the highest number that was shown, + 1 */
    _Atomic uint64_t marks[LEDGER_MESSAGES];
};

extern struct ledger *ledger;

/* A fresh, empty one (in place of the last). */
void ledger_create(void);

/* Something that must never be: counted, and the first ones kept for people. */
void ledger_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The next LEDGER_CHUNK message numbers; UINT64_MAX: the ledger is full. */
uint64_t ledger_take_numbers(void);

void ledger_send_begins(uint64_t number);
void ledger_send_ended(uint64_t number, bool sent);
/* True: it counts as a first delivery (acquisitions 1, and nobody ever redrove it). */
bool ledger_shown(uint64_t number, uint32_t acquisitions);
/* Keyed: a letter of this producer was shown. */
void ledger_key_shown(uint32_t producer, uint64_t number);
/* And an ack is about to be tried: the highest number that was shown, + 1. If the ack succeeds, it must be none that came after. */
uint64_t ledger_key_latest(uint32_t producer);
void ledger_settling(uint64_t number);
/* `settled`: 1 for good, 0 it was not, so the intent is closed. */
void ledger_settle_ended(uint64_t number, bool settled);
void ledger_reject_ended(uint64_t number, bool rejected);
void ledger_redriving(uint64_t number);
/* A message of an at-most-once receiver: shown and settled are one. */
void ledger_consumed(uint64_t number, uint32_t acquisitions);

union mark ledger_mark(uint64_t number);

#endif
