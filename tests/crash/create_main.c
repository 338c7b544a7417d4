/* SPDX-License-Identifier: MIT */
/* Creators, and what becomes of what they leave. */
#include "create.h"
#include "figure.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct report *reports;

static struct scene scene;

static void clean(void) { scene_close(&scene); }

static bool everything(void) {
    for (int private = 0; private < 2; private ++) {
        private_names = private;
        bool done = die_creating(&scene) && collect_meanwhile(&scene) && step_creating(&scene) && race(&scene, CREATE, false) &&
                    race(&scene, CREATE_OR_OPEN, false) && race(&scene, CREATE_OR_OPEN, true) && race_removed(&scene);
        if (!done)
            return false;
    }
    private_names = false;
    return die_otherwise(&scene);
}

static bool at_random(double minutes, uint64_t seed) {
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1, end = clock_boot_ns() + (uint64_t)(minutes * 60e9);
    while (clock_boot_ns() < end)
        if (!race_at_random(&scene, &random))
            return false;
    return true;
}

static void tell(void) {
    const struct figures *f = &figures;
    printf("%llu kills, %llu instructions with %llu images, %llu schedules of two; %llu violations\n", (unsigned long long)f->kills,
           (unsigned long long)f->instructions, (unsigned long long)f->images, (unsigned long long)f->schedules,
           (unsigned long long)f->violations);
    figure("kills", f->kills);
    figure("instructions", f->instructions);
    figure("images", f->images);
    figure("violations", f->violations);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"minutes", 1, NULL, 'm'}, {"seed", 1, NULL, 's'}, {NULL, 0, NULL, 0}};
    double minutes = 0;
    uint64_t seed = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'm')
            minutes = atof(optarg);
        else if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else {
            fprintf(stderr, "crash_create [--minutes N] [--seed S]\n");
            return 2;
        }
#ifndef __x86_64__
    printf("skipped: written for x86-64\n");
    return SKIPPED;
#endif
    reports = mmap(NULL, PUPPETS * sizeof *reports, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(reports != MAP_FAILED);
    scene_open(&scene);
    atexit(clean);
    printf("seed %llu\n", (unsigned long long)seed);
    if (!everything() || !at_random(minutes, seed)) {
        printf("skipped: this process may not trace its children\n");
        return SKIPPED;
    }
    tell();
    return figures.violations != 0;
}
