/* SPDX-License-Identifier: MIT */
/* Command lines of the benchmarks: --name or --name VALUE, each declared in one row. */
#ifndef RP_BENCH_ARGUMENTS_H
#define RP_BENCH_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBERS_MAX = 16 };

struct numbers {
    uint64_t value[NUMBERS_MAX];
    int count;
};

/* Exactly one of the targets is set. */
struct argument {
    const char *name; /* without the dashes */
    const char *help;
    bool *flag;
    uint64_t *number;
    const char **text;
    struct numbers *list; /* replaces what is there */
};

/* Reads the command line; `rows` end with a NULL name. --help and mistakes end the program (0 and 2). */
void arguments_read(int argc, char **argv, const char *summary, const struct argument *rows);

#endif
