/* SPDX-License-Identifier: MIT */
/* Ids that a journal tells of, each with what it said of it last: a hash table. */
#ifndef RP_REPLAY_NAMED_H
#define RP_REPLAY_NAMED_H

#include "durable_record.h"

struct named_id {
    uint64_t number, time_ns; /* as in the record */
    uint32_t bytes;
    bool gone;
    unsigned char id[KNOWN_ID_BYTES];
};

struct named {
    struct named_id *all;
    uint32_t *slots; /* number in `all`, + 1; 0: empty */
    size_t count, room;
};

void named_close(struct named *n);

/* The entry of this id, made `gone` if there was none. Good until the next call. NULL: no memory. */
struct named_id *named_put(struct named *n, const struct record_id *r);

/* Those that are not gone come first, the earliest time before all others. -> how many there are. Afterwards nothing is found any more. */
size_t named_sort(struct named *n);

#endif
