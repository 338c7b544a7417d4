/* SPDX-License-Identifier: MIT */
/* Valid segments to begin with, made by the program itself with the calls that make them in life. */
#ifndef FUZZ_BASES_H
#define FUZZ_BASES_H

#include "segment.h"

struct base {
    const char *name;
    unsigned char *image;
    size_t bytes;
    uint64_t now_ns;        /* when it was taken */
    uint64_t holders;       /* seats, as bits, that were taken then */
    struct segment segment; /* of the image as it lies in world_bytes(), once loaded; its pointers are set by base_load */
    uint64_t bound;         /* on the steps of a call */
};

enum { BASES = 12, BASE_SMALL = 1, BASE_STATES = 2, BASE_KEYED = 8, BASE_LEVELS = 9, BASE_IDS = 10, BASE_SHARDS = 11 };
extern struct base bases[BASES];

void bases_make(void);
void bases_free(void);

/* Puts the base where the queue is. */
void base_load(struct base *b);

#endif
