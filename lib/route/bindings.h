/* SPDX-License-Identifier: MIT */
/*
 * The bindings of an exchange in shared memory: a table of entries, and a version. The layout is in docs/exchange-format.md.
 *
 * Who changes bindings holds a lock that the kernel frees when he dies (change.h); readers take none. An entry is in effect at version v if since <= v < until. A change prepares one entry
 * for the version after the present one, where nobody looks yet, and takes effect with ONE step, the CAS that raises the version:
 *
 *   bind    1 text, since := version + 1, until := never, check, in a FREE entry    2 word := USED, generation + 1    3 version := version + 1
 *   unbind  1 until := version + 1               2 version := version + 1
 *
 * Killed before the last step, it has done nothing: what it leaves is of a version that has not come. The next changer, before anything else, clears that away (bindings_mend): USED with
 * since > version becomes FREE; until > version becomes never. And an entry with until <= version becomes FREE, to be used again with the next generation. Each of these is one store, and may be done twice.
 *
 * A reader takes the version first, then copies entries; an entry whose word changed meanwhile was not in effect at that version, or is not any more, and is passed over. So it finds
 * every binding that was in effect all the time, none that was not in effect at any time meanwhile, and a publish goes by every change that was over when it began.
 * An entry that did not change and does not fit its check is damage.
 */
#ifndef RP_ROUTE_BINDINGS_H
#define RP_ROUTE_BINDINGS_H

#include "atomic.h"
#include <ringpost/exchange.h>
#include <stddef.h>

#define EXCHANGE_MAGIC UINT64_C(0x6574756f722d7072) /* "rp-route" */

enum {
    EXCHANGE_VERSION = 1,
    EXCHANGE_BYTE_ORDER = 0x01020304,
    EXCHANGE_LINE = 64,
    EXCHANGE_CONTROL_AT = 4096,
    EXCHANGE_ENTRIES_AT = 8192,
    EXCHANGE_COUNTER_LINES = 32,
    BINDINGS_MAX = 1000000,
    BINDING_HEADERS_MAX = 32,
    BINDING_TEXT_BYTES = RP_TOPIC_MAX + 1 + RP_BINDING_QUEUE + RP_BINDING_HEADERS
};

struct exchange_header {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint32_t word_bits;
    uint32_t line_bytes;
    uint64_t features_incompatible;
    uint64_t created_wall_ns;
    uint32_t max_bindings;
    uint32_t unroutable;
    uint32_t entry_bytes;
    uint32_t reserved;
    char alternate[RP_BINDING_QUEUE];
    uint64_t check; /* XXH3-64 of all before it */
};

struct exchange_counters {
    _Alignas(EXCHANGE_LINE) a64 published;
    a64 routed, duplicates, failed, unroutable, alternate;
};

struct exchange_control {
    _Alignas(EXCHANGE_LINE) a64 version; /* read by every publish, alone in its line */
    struct exchange_counters counters[EXCHANGE_COUNTER_LINES];
};

enum entry_state { ENTRY_FREE = 0, ENTRY_USED = 1 };
#define ENTRY_NEVER UINT64_MAX

struct entry {
    _Alignas(EXCHANGE_LINE) a64 word; /* state:8 generation:56 */
    a64 since;
    a64 until;
    a64 identity; /* hash of pattern, queue and headers */
    a64 sizes;    /* pattern:16 queue:16 headers:16 count:8 match:8 */
    a64 created_wall_ns;
    a64 check;
    a64 failed;
    a64 text[BINDING_TEXT_BYTES / 8]; /* pattern, queue, headers, each from a place of its own */
};

/* An entry's content, in memory of our own. */
struct binding {
    uint64_t created_wall_ns;
    uint32_t pattern_bytes, queue_bytes, headers_bytes;
    uint32_t header_count, match;
    struct {
        char pattern[RP_TOPIC_MAX + 1];
        char queue[RP_BINDING_QUEUE];
        char headers[RP_BINDING_HEADERS]; /* name NUL value NUL ... */
    } text;
};

/* A process's view of an exchange. The header is a copy that is never read again. */
struct bindings {
    struct exchange_header header;
    struct exchange_control *control;
    struct entry *entries;
};

size_t bindings_bytes(uint32_t max_bindings);

/* Fills fresh zeroed memory that nobody sees yet. */
void bindings_initialise(void *memory, uint32_t max_bindings, uint32_t unroutable, const char *alternate);

/* The attach handshake. 0; RP_CORRUPT, RP_INCOMPATIBLE with the detail set. */
int bindings_attach(struct bindings *b, void *memory, uint64_t bytes);

/* Names that a binding may have. -EINVAL with the detail set. */
int binding_check_queue(const char *queue, size_t *bytes);

static inline uint64_t bindings_version(const struct bindings *b) { return load_acquire(&b->control->version, exchange_version); }

/* Is there a binding at `index` that is in effect at `version`? Copied and checked: 1, 0, or RP_CORRUPT. */
int bindings_read(const struct bindings *b, uint32_t index, uint64_t version, struct binding *out);

/* These under the lock. */
int bindings_mend(struct bindings *b); /* -> how many things were mended */
int bindings_add(struct bindings *b,
                 const struct binding *x); /* 0; 1: there is such a one; -ENOSPC, RP_CORRUPT, -EAGAIN: the lock was not ours */
int bindings_remove(struct bindings *b, const struct binding *x); /* 0; -ENOENT, RP_CORRUPT, -EAGAIN */

static inline uint64_t entry_word(enum entry_state state, uint64_t generation) {
    return (uint64_t)state << 56 | (generation & (UINT64_MAX >> 8));
}
static inline unsigned entry_state(uint64_t word) { return (unsigned)(word >> 56); }
static inline uint64_t entry_generation(uint64_t word) { return word & (UINT64_MAX >> 8); }

#endif
