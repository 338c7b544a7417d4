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

/* Raises it until `end_ns`. */
typedef void weather(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns);

/* Runs the variants one after the other, in rounds that are short enough for the books. -> the exit status. */
int run_variants(const struct arguments *a, const struct variant *variants, size_t count, weather *body);

#endif
