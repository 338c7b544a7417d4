/* SPDX-License-Identifier: MIT */
/* Finding messages by looking at the cells, without taking anything. Whatever is found is checked again after it was read. */
#ifndef RP_QUEUE_LOOKUP_H
#define RP_QUEUE_LOOKUP_H

#include "handle.h"

struct found {
    uint64_t id;
    uint64_t word;
    uint64_t delivery;
    uint64_t sent_wall_ns;
    uint32_t bytes;      /* of its payload, and where its headers are behind it */
    uint32_t headers_at; /* 0: none */
    uint32_t headers;
    uint32_t cell;
    uint32_t state; /* enum rp_state */
};

/* 0: `*out` is the group; or a negative result with the detail set. NULL is "default". Checks the handle too. */
int lookup_group(rp_queue *q, const char *group, struct known_group *out);

/* The id of the cell's message, which may be rewritten meanwhile: its word, read before and after, tells whether it was. */
uint64_t lookup_id(const struct segment *s, uint32_t c);

/*
 * What the cell holds for the group; false: nothing in one of `states`, or it moved, or the group is gone.
 *
 * Asks for the group after both words were read, so they are not of another group that came to its place. A group that is removed leaves every message by a change of the delivery word,
 * and that word does not come back. So who changes something by a CAS from `out->delivery` does it to this group's message, or not at all, however long he slept.
 */
bool lookup_cell(const rp_queue *q, const struct known_group *group, uint32_t c, unsigned states, struct found *out);

/* The message with the lowest id above `after_id`. */
bool lookup_next(const rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, struct found *out);

/* Copies the payload (as much as fits). False: the message moved meanwhile, the copy is worth nothing. */
bool lookup_copy(const rp_queue *q, unsigned group, const struct found *f, void *buffer, size_t capacity);

/*
 * Copies its headers as lookup_copy does, behind the payload of the same buffer. Before lookup_copy, which finds out whether it moved meanwhile. -> where they are; nowhere
 * when there is no room for all.
 */
struct rp_headers lookup_headers(const rp_queue *q, const struct found *f, void *buffer, size_t capacity);

/* Copies the key (KEY_BYTES of room). -> its bytes, 0: it has none. Worth nothing if the message moved meanwhile. */
size_t lookup_key(const rp_queue *q, const struct found *f, unsigned char *key);

/* Is the seat's owner alive? Without a valid answer it counts as alive. */
bool lookup_alive(rp_queue *q, uint32_t seat);

#endif
