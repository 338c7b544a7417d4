/* SPDX-License-Identifier: MIT */
/*
 * Writers and readers of a broadcast ring that are processes, and what must be true of what they see: each message whole, each writer's messages in ascending order, and in each lane what was read
 * and what was reported as lost together all that was written.
 */
#ifndef SUPPORT_RING_CREW_H
#define SUPPORT_RING_CREW_H

#include "ring_fixture.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { CREW_LANES = 4, CREW_READERS = 8, CREW_BYTES = 600, CREW_BATCH = 5 };

/* What all processes of a test share, besides the ring. */
struct crew {
    volatile uint32_t stop;    /* writers: no more messages */
    volatile uint32_t settled; /* readers: nothing more will come */
    _Atomic uint32_t writers;  /* so many were started: each has a number of its own */
    struct crew_report {
        volatile uint64_t read[CREW_LANES], lost[CREW_LANES], first[CREW_LANES], laps; /* one process writes each */
    } reports[CREW_READERS];
};

struct crew_reader {
    struct crew *crew;
    uint32_t report;
    uint32_t from;
    uint32_t read_only;
};

static inline struct crew *crew_make(void) {
    void *memory = mmap(NULL, sizeof(struct crew), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

/* A message: who wrote it, its number among that one's, and bytes that follow from both. */
static inline size_t crew_fill(unsigned char *to, uint64_t writer, uint64_t count, size_t most) {
    size_t bytes = 16 + (size_t)((count * 2654435761u >> 7) % (most - 16 + 1));
    memcpy(to, &writer, 8);
    memcpy(to + 8, &count, 8);
    for (size_t i = 16; i < bytes; i++)
        to[i] = (unsigned char)(writer * 17 + count * 5 + i);
    return bytes;
}

static inline bool crew_is_whole(const unsigned char *message, size_t bytes, size_t most, uint64_t *writer, uint64_t *count) {
    unsigned char right[CREW_BYTES];
    if (bytes < 16)
        return false;
    memcpy(writer, message, 8);
    memcpy(count, message + 8, 8);
    return crew_fill(right, *writer, *count, most) == bytes && memcmp(right, message, bytes) == 0;
}

/* Writes until it is told to stop, or killed: one by one, in batches, and without a copy. */
static inline int crew_write(struct crew *crew, uint64_t most_messages) {
    rp_ring *ring;
    rp_writer *w;
    struct rp_ring_info info;
    peer_succeeds(rp_ring_open(ring_name, NULL, &ring));
    peer_succeeds(rp_ring_info(ring, &info));
    size_t room = info.slot_bytes - 16, most = info.message_bytes;
    int result = rp_writer_open(ring, NULL, &w);
    peer_check(result == 0);
    uint64_t me = 1 + atomic_fetch_add_explicit(&crew->writers, 1, memory_order_relaxed), count = 0;
    while (!crew->stop && count < most_messages) {
        static unsigned char text[CREW_BATCH][CREW_BYTES];
        struct rp_write_item items[CREW_BATCH];
        for (uint64_t i = 0; i < CREW_BATCH; i++)
            items[i] = (struct rp_write_item){text[i], crew_fill(text[i], me, count + i, most)};
        void *place;
        if (count % 3 == 0) {
            peer_check(rp_write_batch(w, items, CREW_BATCH) == CREW_BATCH);
            count += CREW_BATCH;
        } else if (count % 3 == 1 && items[0].bytes <= room) {
            peer_succeeds(rp_write_reserve(w, room, &place));
            memcpy(place, items[0].data, items[0].bytes);
            peer_succeeds(rp_write_commit(w, items[0].bytes));
            count++;
        } else {
            peer_succeeds(rp_write(w, items[0].data, items[0].bytes));
            count++;
        }
    }
    rp_writer_close(w);
    return rp_ring_close(ring) == 0 ? 0 : 1;
}

/* Reads until all is settled and read. What it saw it writes down. */
static inline int crew_read(struct peer *test, void *argument) {
    struct crew_reader *me = argument;
    struct crew_report *report = &me->crew->reports[me->report];
    struct rp_open_options o = {.size = sizeof o, .read_only = me->read_only};
    struct rp_reader_options reader;
    rp_ring *ring;
    rp_reader *r;
    struct rp_ring_info info;
    peer_succeeds(rp_ring_open(ring_name, &o, &ring));
    peer_succeeds(rp_ring_info(ring, &info));
    rp_reader_options_init(&reader, sizeof reader);
    reader.from = me->from;
    peer_succeeds(rp_reader_open(ring, &reader, &r));
    for (uint32_t i = 0; i < CREW_LANES && i < info.max_writers; i++) {
        uint64_t first = 0;
        report->first[i] = rp_reader_next_sequence(r, i, &first) == 0 ? first : 0;
    }
    peer_say(test, 'r');
    uint64_t writer_of[CREW_LANES] = {0}, count_of[CREW_LANES] = {0};
    for (;;) {
        unsigned char message[CREW_BYTES];
        size_t bytes;
        bool last = me->crew->settled;
        int result = rp_read(r, message, sizeof message, &bytes, last ? 0 : 20 * MS);
        struct rp_reader_status s;
        peer_succeeds(rp_reader_status(r, &s));
        if (result == RP_EMPTY && last)
            break;
        if (result == RP_EMPTY)
            continue;
        if (result == RP_LAPPED) {
            report->lost[s.lane] += s.lost;
            report->laps++;
            continue;
        }
        uint64_t writer, count;
        peer_succeeds(result);
        peer_check(crew_is_whole(message, bytes, info.message_bytes, &writer, &count));
        peer_check(s.sequence == report->first[s.lane] + report->read[s.lane] + report->lost[s.lane]);
        peer_check(writer != writer_of[s.lane] ? writer > writer_of[s.lane] : count > count_of[s.lane]);
        writer_of[s.lane] = writer;
        count_of[s.lane] = count;
        report->read[s.lane]++;
    }
    rp_reader_close(r);
    return rp_ring_close(ring) == 0 ? 0 : 1;
}

/* What these readers saw and lost is all that lies in the ring's lanes. */
static inline void crew_check_sums(rp_ring *ring, const struct crew *crew, uint32_t readers) {
    struct rp_ring_lane lane;
    for (uint32_t i = 0; rp_ring_lane(ring, i, &lane) == 0; i++)
        for (uint32_t k = 0; k < readers; k++) {
            const struct crew_report *r = &crew->reports[k];
            assert_int_equal(r->first[i] + r->read[i] + r->lost[i], lane.written);
        }
}

#endif
