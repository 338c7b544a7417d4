/* SPDX-License-Identifier: MIT */
#include "storm.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t worker_random(struct worker *w, uint64_t below) {
    uint64_t x = w->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    w->random = x;
    return (x >> 11) % below;
}

static uint64_t seed_of(uint64_t number, uint32_t producer) { return (number * 2654435761u ^ (uint64_t)producer << 40) | 1; }

static unsigned char next_byte(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned char)(*state >> 56);
}

void letter_way(const struct variant *v, const uint32_t *producer, struct rp_send_options *o) {
    rp_send_options_init(o, sizeof *o);
    if (v->lanes > 0) {
        o->key = producer;
        o->key_bytes = sizeof *producer;
    } else if (v->priorities > 0) {
        o->priority = *producer % v->priorities;
    }
}

void letter_write(struct letter *to, uint64_t number, uint32_t producer, uint32_t bytes) {
    uint64_t state = seed_of(number, producer);
    to->number = number;
    to->producer = producer;
    to->bytes = bytes;
    for (size_t i = 0; i < bytes - LETTER_BYTES_MIN; i++)
        to->pattern[i] = next_byte(&state);
}

bool letter_check(const void *data, size_t bytes, const char *when) {
    const struct letter *l = data;
    if (bytes < LETTER_BYTES_MIN || bytes > LETTER_BYTES_MAX || l->bytes != bytes || l->number >= LEDGER_MESSAGES) {
        ledger_violation("%s: not a letter: %zu bytes", when, bytes);
        return false;
    }
    uint64_t state = seed_of(l->number, l->producer);
    for (size_t i = 0; i < bytes - LETTER_BYTES_MIN; i++)
        if (l->pattern[i] != next_byte(&state)) {
            ledger_violation("%s: message %llu of producer %u: byte %zu of %zu is wrong", when, (unsigned long long)l->number,
                             l->producer, i, bytes);
            return false;
        }
    return true;
}

void order_open(struct order *o) {
    o->last = calloc(LEDGER_PRODUCERS, sizeof *o->last);
    if (o->last == NULL)
        abort();
}

void order_close(struct order *o) { free(o->last); }

void order_check(struct order *o, const struct letter *l) {
    uint64_t *last = &o->last[l->producer % LEDGER_PRODUCERS];
    if (l->number < *last)
        ledger_violation("order: producer %u's message %llu came for the first time after its %llu", l->producer,
                         (unsigned long long)l->number, (unsigned long long)*last - 1);
    *last = l->number + 1;
}

void worker_breathe(struct worker *w, uint64_t most_us) {
    nanosleep(&(struct timespec){.tv_nsec = (long)(worker_random(w, most_us * 1000))}, NULL);
}

rp_queue *worker_attach(struct worker *w) {
    rp_queue *q = NULL;
    while (!storm_ends()) {
        worker_enters(w, IN_ATTACH);
        int result = rp_queue_open(w->storm->queue, NULL, &q);
        worker_enters(w, OUTSIDE);
        if (result == 0) {
            atomic_fetch_add(&w->tallies->opens, 1);
            return q;
        }
        if (result != RP_NO_SEAT) {
            ledger_violation("open: %s: %s", rp_error_name(result), rp_error_detail());
            return NULL;
        }
        atomic_fetch_add(&w->tallies->no_seat, 1);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* a poll's pace */
    }
    return NULL;
}

void worker_detach(struct worker *w, rp_queue *q) {
    worker_enters(w, IN_ATTACH);
    int result = rp_queue_close(q);
    worker_enters(w, OUTSIDE);
    if (result < 0)
        ledger_violation("close: %s: %s", rp_error_name(result), rp_error_detail());
}
