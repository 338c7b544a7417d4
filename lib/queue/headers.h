/* SPDX-License-Identifier: MIT */
/*
 * Headers, in the cell behind the payload. Of a message with CELL_HAS_HEADERS the cell's `bytes` is the length of all this:
 *
 *     payload | to a multiple of 8 | headers | to a multiple of 8 | trailer: payload bytes:4, header bytes:4
 *     a header: value bytes:2, name bytes:1, 0, name, 0, value, 0
 *
 * So a short message and its headers lie in neighbouring lines, no memory is set aside for them, and max_bytes counts them without further ado. Whoever reads takes each
 * length once, and checks it against what is left before he uses it.
 */
#ifndef RP_QUEUE_HEADERS_H
#define RP_QUEUE_HEADERS_H

#include "segment.h"
#include <ringpost/ringpost.h>

enum { HEADER_FRAME = 6, HEADERS_TRAILER = 8 };

static inline size_t content_aligned(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

/* Where the parts are, from the cell's payload on. */
struct content {
    uint32_t payload;
    uint32_t headers_at; /* 0: none */
    uint32_t headers;
};

/* Of a message of `bytes` with these flags. False: it cannot be so. */
bool content_parts(const struct segment *s, const struct cell *cell, uint32_t bytes, uint32_t flags, struct content *out);

/* *content: the bytes of a message with `payload` bytes and what headers `o` asks for. -EINVAL, RP_TOO_BIG, RP_CORRUPT (those it carries), with the detail set. */
int headers_measure(const struct segment *s, const char *queue, size_t payload, const struct rp_send_options *o, size_t *content);

/* Writes them behind the payload, where there are `content` bytes for both. False: what it carries was changed since it was measured. */
bool headers_write(unsigned char *to, size_t payload, size_t content, const struct rp_send_options *o);

/* Copies `n` bytes of a cell that may be rewritten meanwhile. */
void content_copy(void *to, const void *from, size_t n);

#endif
