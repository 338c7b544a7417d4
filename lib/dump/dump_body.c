/* SPDX-License-Identifier: MIT */
/* Putting the body of a record together, and taking it apart. */
#include "dump_format.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t dump_check(const void *data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

const char *dump_kind_name(uint64_t kind) {
    static const char *const names[] = {"nothing", "queue", "group", "message", "producer", "id", "counters", "end"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

/* ---- writing ---- */

enum { ROOM_FIRST = 512 };

static unsigned char *grow(struct dump_body *b, size_t bytes) {
    if (b->room - b->bytes < bytes && !b->failed) {
        size_t room = b->room < ROOM_FIRST ? ROOM_FIRST : b->room;
        while (room - b->bytes < bytes)
            room *= 2;
        unsigned char *more = realloc(b->data, room);
        b->failed = more == NULL;
        if (!b->failed) {
            b->data = more;
            b->room = room;
        }
    }
    if (b->failed)
        return NULL;
    unsigned char *at = b->data + b->bytes;
    b->bytes += bytes;
    return at;
}

void dump_body_begin(struct dump_body *b) {
    b->bytes = 0;
    unsigned char *at = grow(b, 8);
    if (at != NULL)
        dump_put64(at, 0);
}

void dump_body_number(struct dump_body *b, uint64_t value) {
    unsigned char *at = grow(b, 8);
    if (at == NULL)
        return;
    dump_put64(at, value);
    dump_put64(b->data, dump_get64(b->data) + 1);
}

void dump_body_bytes(struct dump_body *b, const void *data, size_t bytes) {
    unsigned char *at = bytes > 0 ? grow(b, bytes) : NULL;
    if (at != NULL)
        memcpy(at, data, bytes);
}

/* ---- reading ---- */

bool dump_scan_begin(struct dump_scan *x, const unsigned char *data, size_t bytes) {
    *x = (struct dump_scan){.at = data, .left = bytes};
    if (bytes < 8) {
        x->wrong = "it has no numbers";
        return false;
    }
    x->numbers = dump_get64(data);
    x->at += 8;
    x->left -= 8;
    if (x->numbers > DUMP_NUMBERS_MAX || x->numbers * 8 > x->left) {
        x->numbers = 0;
        x->wrong = "it has more numbers than bytes";
    }
    return x->wrong == NULL;
}

static uint64_t next_number(struct dump_scan *x) {
    uint64_t value = dump_get64(x->at);
    x->at += 8;
    x->left -= 8;
    x->numbers--;
    return value;
}

uint64_t dump_scan_number(struct dump_scan *x, uint64_t most, const char *what) {
    if (x->wrong != NULL)
        return 0;
    if (x->numbers == 0) {
        x->wrong = "numbers are missing";
        return 0;
    }
    uint64_t value = next_number(x);
    if (value <= most)
        return value;
    x->wrong = what;
    return 0;
}

void dump_scan_numbers_end(struct dump_scan *x) {
    while (x->wrong == NULL && x->numbers > 0)
        if (next_number(x) != 0) {
            x->wrong = "it says something that this library does not know";
            x->newer = true;
        }
}

const void *dump_scan_bytes(struct dump_scan *x, size_t bytes) {
    if (x->wrong == NULL && bytes > x->left)
        x->wrong = "it is shorter than it says";
    if (x->wrong != NULL)
        return "";
    const void *at = x->at;
    x->at += bytes;
    x->left -= bytes;
    return at;
}

bool dump_scan_end(struct dump_scan *x) {
    if (x->wrong == NULL && x->left > 0)
        x->wrong = "it is longer than it says";
    return x->wrong == NULL;
}
