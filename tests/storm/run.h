/* SPDX-License-Identifier: MIT */
/* What both storms share: the queue's life, the account, the table. */
#ifndef STORM_RUN_H
#define STORM_RUN_H

#include "judge.h"

struct arguments {
    double seconds;      /* of all rounds of all variants together */
    const char *variant; /* NULL: all */
    uint64_t seed;
};

/* --seconds N or --minutes N, --variant NAME, --seed N. Ends the program if it cannot be. */
struct arguments arguments_parse(int argc, char **argv, double seconds);

/* A directory for the journal of a durable queue, and its end. */
void journal_make(struct storm *s);
void journal_remove(const struct storm *s);

/* Prints what was wrong in the storm that has just ended, and its figures. -> the exit status. */
int run_verdict(const struct crew *c);

/* Raises it until `end_ns`. */
typedef void weather(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns);

/* One storm. -> the exit status. */
typedef int storm_round(const struct variant *v, double seconds, uint64_t seed, weather *body);

/* Runs the variants one after the other, in rounds that are short enough for the books. -> the exit status. */
int run_rounds(const struct arguments *a, const struct variant *variants, size_t count, double round_max_s, storm_round *one,
               weather *body);
/* The same, of one queue. */
int run_variants(const struct arguments *a, const struct variant *variants, size_t count, weather *body);

#endif
