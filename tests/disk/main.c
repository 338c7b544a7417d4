/* SPDX-License-Identifier: MIT */
/*
 * disk [--scenario NAME] [--seed S] [--seeds N] [--seconds N] [--trace] | --mutants: runs scenarios, each with so many seeds, or as long as there is time; or seeds defects and looks whether each is noticed.
 */
#include "books.h"
#include "figure.h"
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int mutants_run(void);

static struct ledger ledger;

static uint64_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static bool run(const struct scenario *s, uint64_t seed, uint64_t seeds, uint64_t most_seconds) {
    uint64_t looks = 0, i = 0, begin = seconds();
    for (; i < seeds && (i == 0 || seconds() - begin < most_seconds); i++) {
        ledger_begin(&ledger);
        looks += s->run(seed + i, &ledger);
        if (ledger.wrong[0]) {
            printf("disk: %s: seed %llu: %s\n", s->name, (unsigned long long)(seed + i), ledger.wrong);
            return false;
        }
    }
    printf("disk: %s: %llu seeds, %llu disks looked at\n", s->name, (unsigned long long)i, (unsigned long long)looks);
    figure("disks", looks);
    return true;
}

int main(int argc, char **argv) {
    const char *only = NULL;
    uint64_t seed = 1, seeds = 10, most_seconds = 20;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--mutants") == 0)
            return mutants_run();
        if (strcmp(argv[i], "--trace") == 0) { /* of whole queues: their calls */
            books_trace = true;
            i--;
        } else if (strcmp(argv[i], "--scenario") == 0)
            only = value;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--seconds") == 0)
            most_seconds = strtoull(value, NULL, 0);
        else {
            fprintf(stderr, "disk [--scenario NAME] [--seed S] [--seeds N] [--seconds N] [--trace] | --mutants\n");
            return 2;
        }
    }
    bool good = true, any = false;
    uint64_t count = 0;
    for (const struct scenario *s = scenarios; s->name != NULL; s++)
        count += only == NULL || strcmp(only, s->name) == 0;
    for (const struct scenario *s = scenarios; s->name != NULL; s++) {
        if (only == NULL || strcmp(only, s->name) == 0) {
            any = true;
            good &= run(s, seed, seeds, most_seconds / count);
        }
    }
    return good && any ? 0 : 1;
}
