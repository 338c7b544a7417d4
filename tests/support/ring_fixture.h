/* SPDX-License-Identifier: MIT */
/* A ring of the test's own, named by program and pid; removed also when the test fails. */
#ifndef SUPPORT_RING_FIXTURE_H
#define SUPPORT_RING_FIXTURE_H

#include "fixture.h"

static char ring_name[64];

static inline struct rp_ring_options ring_options(uint32_t slots, uint32_t overflow) {
    struct rp_ring_options o;
    rp_ring_options_init(&o, sizeof o);
    o.slots = slots;
    o.max_writers = 4;
    o.max_readers = 4;
    o.overflow = overflow;
    return o;
}

static inline rp_ring *make_ring(const struct rp_ring_options *o) {
    rp_ring *ring = NULL;
    snprintf(ring_name, sizeof ring_name, "test.%s.%d", program_invocation_short_name, (int)getpid());
    rp_ring_unlink(ring_name);
    succeeds(rp_ring_create(ring_name, o, &ring));
    return ring;
}

static inline rp_writer *make_writer(rp_ring *ring) {
    rp_writer *w = NULL;
    succeeds(rp_writer_open(ring, NULL, &w));
    return w;
}

static inline rp_reader *make_reader(rp_ring *ring, uint32_t from) {
    struct rp_reader_options o;
    rp_reader *r = NULL;
    rp_reader_options_init(&o, sizeof o);
    o.from = from;
    succeeds(rp_reader_open(ring, &o, &r));
    return r;
}

/* Messages that say which they are: `bytes` of them, 8 at least. */
static inline void fill(unsigned char *to, size_t bytes, uint64_t number) {
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(number + i / 8 * 31 + i);
    memcpy(to, &number, 8);
}
static inline bool is_filled(const unsigned char *from, size_t bytes, uint64_t number) {
    uint64_t found;
    memcpy(&found, from, 8);
    if (found != number)
        return false;
    for (size_t i = 8; i < bytes; i++)
        if (from[i] != (unsigned char)(number + i / 8 * 31 + i))
            return false;
    return true;
}

static inline int write_number(rp_writer *w, uint64_t number) { return rp_write(w, &number, sizeof number); }

/* The next message's number; a negative result as it is. */
static inline int64_t read_number(rp_reader *r) {
    uint64_t number = 0;
    size_t bytes = 0;
    int result = rp_read(r, &number, sizeof number, &bytes, 0);
    return result < 0 ? result : bytes == sizeof number ? (int64_t)number : -1;
}

static inline struct rp_reader_status status_of(const rp_reader *r) {
    struct rp_reader_status s;
    succeeds(rp_reader_status(r, &s));
    return s;
}

static inline int unlink_ring(void **state) {
    (void)state;
    if (ring_name[0])
        rp_ring_unlink(ring_name);
    return 0;
}

#define RING_TEST(body) cmocka_unit_test_teardown(body, unlink_ring)

#endif
