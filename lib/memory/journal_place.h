/* SPDX-License-Identifier: MIT */
/* Of a durable queue: the part of a segment that says where its journal is. */
#ifndef RP_MEMORY_JOURNAL_PLACE_H
#define RP_MEMORY_JOURNAL_PLACE_H

#include "atomic.h"

enum { JOURNAL_NAME_BYTES = 1024, JOURNAL_HANDOVERS = 4 };

/* Where a durable queue's journal is. */
struct journal_place {
    char path[JOURNAL_NAME_BYTES]; /* of the directory, absolute; written before anybody sees it */
    unsigned char id[16];          /* of the journal: what is at that path now may be another */
    uint64_t life;                 /* the number of this life of the queue: lib/journal/journal_lock.h */
    uint64_t reserved[3];
    /* What a writer needs to know of the point beside the word itself; whoever finds another key or check reads the file. lib/queue/durable_store.c */
    struct journal_handover {
        a64 key; /* point without its position */
        a64 ordinal;
        a64 chain;
        a64 durable;
        a64 check;
        uint64_t reserved[3];
    } handovers[JOURNAL_HANDOVERS];
};

#endif
