/* SPDX-License-Identifier: MIT */
/* Readers with a seat, and who waits for them. */
#include "broadcast.h"
#include "ring_fixture.h"

#include <errno.h>
#include <pthread.h>

static struct rp_ring_options gate_options(uint64_t timeout_ns) {
    struct rp_ring_options o = ring_options(8, RP_RING_GATE);
    o.gate_timeout_ns = timeout_ns;
    return o;
}

static uint64_t evictions_of(rp_ring *ring) {
    struct rp_ring_info i;
    succeeds(rp_ring_info(ring, &i));
    return i.evictions;
}

struct party {
    rp_writer *writer;
    uint64_t count;
    int result;
};

static void *write_all(void *argument) {
    struct party *p = argument;
    for (uint64_t i = 0; i < p->count && p->result == 0; i++)
        p->result = write_number(p->writer, i);
    return NULL;
}

static void a_writer_waits_for_readers(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    rp_ring *ring = make_ring(&o);
    rp_reader *r[2] = {make_reader(ring, RP_FROM_NEWEST), make_reader(ring, RP_FROM_NEWEST)};
    struct party p = {.writer = make_writer(ring), .count = 3000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &p), 0);
    for (unsigned k = 0; k < 2 * 3000; k++) { /* the two are never far from each other */
        uint64_t number;
        size_t bytes;
        assert_int_equal(rp_read(r[k % 2], &number, 8, &bytes, -1), 0);
        assert_int_equal(number, k / 2);
    }
    pthread_join(thread, NULL);
    assert_int_equal(p.result, 0);
    assert_int_equal(evictions_of(ring), 0);
    for (unsigned i = 0; i < 2; i++)
        rp_reader_close(r[i]);
    rp_writer_close(p.writer);
    succeeds(rp_ring_close(ring));
}

static void a_reader_that_does_not_read_is_evicted(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(50 * MS);
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *slow = make_reader(ring, RP_FROM_NEWEST), *fast = make_reader(ring, RP_FROM_NEWEST);
    int64_t start = time_ns();
    for (uint64_t i = 0; i < 20; i++) {
        succeeds(write_number(w, i));
        assert_int_equal(read_number(fast), i);
    }
    assert_true(time_ns() - start >= 50 * MS);
    assert_int_equal(evictions_of(ring), 1);
    assert_int_equal(read_number(slow), RP_LAPPED);
    uint64_t lost = status_of(slow).lost;
    assert_int_equal(status_of(slow).evicted, 1);
    for (uint64_t i = lost; i < 20; i++)
        assert_int_equal(read_number(slow), i);
    assert_int_equal(read_number(slow), RP_EMPTY);
    /* It holds writers back again. */
    for (uint64_t i = 20; i < 28; i++) {
        succeeds(write_number(w, i));
        assert_int_equal(read_number(fast), i);
    }
    start = time_ns();
    succeeds(write_number(w, 28));
    assert_true(time_ns() - start >= 50 * MS);
    assert_int_equal(evictions_of(ring), 2);
    rp_reader_close(slow);
    rp_reader_close(fast);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void *interrupt(void *ring) {
    for (int i = 0; i < 2; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        succeeds(rp_ring_interrupt(ring));
    }
    return NULL;
}

/* Whether it comes during the wait or before it. */
static void waits_are_interrupted(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    uint64_t number;
    size_t bytes;
    pthread_t thread;
    for (uint64_t i = 0; i < 8; i++)
        succeeds(write_number(w, i));
    assert_int_equal(pthread_create(&thread, NULL, interrupt, ring), 0);
    assert_int_equal(write_number(w, 8), -EINTR);
    for (int64_t i = 0; i < 8; i++)
        assert_int_equal(read_number(r), i);
    assert_int_equal(rp_read(r, &number, 8, &bytes, -1), -EINTR); /* the first, that came while it did not wait */
    pthread_join(thread, NULL);
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void observers_hold_nobody_back(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    struct rp_reader_options reader;
    rp_reader *r;
    rp_reader_options_init(&reader, sizeof reader);
    reader.observe = 1;
    succeeds(rp_reader_open(ring, &reader, &r));
    for (uint64_t i = 0; i < 30; i++)
        succeeds(write_number(w, i));
    assert_int_equal(read_number(r), RP_LAPPED);
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void seats_run_out_and_come_back(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    o.max_readers = 2;
    rp_ring *ring = make_ring(&o);
    rp_reader *a = make_reader(ring, RP_FROM_NEWEST), *b = make_reader(ring, RP_FROM_NEWEST), *c;
    assert_int_equal(rp_reader_open(ring, NULL, &c), RP_NO_SEAT);
    rp_reader_close(a);
    succeeds(rp_reader_open(ring, NULL, &c));
    rp_writer *w = make_writer(ring);
    for (uint64_t i = 0; i < 30; i++) { /* who left holds nobody back */
        succeeds(write_number(w, i));
        assert_int_equal(read_number(b), i);
        assert_int_equal(read_number(c), i);
    }
    rp_reader_close(b);
    rp_reader_close(c);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void a_newcomer_is_not_overtaken(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(20 * MS);
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    for (uint64_t start = 0; start < 40; start++) { /* at every distance from the writer's next look at the seats */
        succeeds(write_number(w, start));
        rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
        uint64_t before = evictions_of(ring);
        for (uint64_t i = 0; i < 8; i++)
            succeeds(write_number(w, 1000 + i));
        assert_int_equal(evictions_of(ring), before);
        for (int64_t i = 0; i < 8; i++)
            assert_int_equal(read_number(r), 1000 + i);
        rp_reader_close(r);
    }
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void large_messages_and_batches_wait_too(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    o.message_bytes = 300; /* seven slots */
    o.slot_bytes = 64;
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    struct rp_ring_info info;
    succeeds(rp_ring_info(ring, &info));
    assert_int_equal(info.slots, 32);
    unsigned char got[300];
    uint64_t written = 0, next = 0;
    size_t bytes;
    for (unsigned round = 0; round < 200; round++) {
        size_t size = 8 + round % 293;
        struct rp_write_item items[4];
        unsigned char text[4][300];
        for (unsigned i = 0; i < 4; i++) {
            fill(text[i], size, written + i);
            items[i] = (struct rp_write_item){text[i], size};
        }
        assert_int_equal(rp_write_batch(w, items, 4), 4); /* fits: the reader has read everything */
        written += 4;
        while (next < written) {
            assert_int_equal(rp_read(r, got, sizeof got, &bytes, 0), 0);
            assert_int_equal(bytes, size);
            assert_true(is_filled(got, size, next++));
        }
    }
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

/* Neither who finds it damaged when it reads nor who did when it was opened. */
static void nobody_is_waited_for_in_a_damaged_lane(void **state) {
    (void)state;
    struct rp_ring_options o = gate_options(60 * SECOND);
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    succeeds(write_number(w, 0));
    atomic_store(&slot_at(&ring->view, w->slots, 8)->info, info_make(49, 0));
    assert_int_equal(read_number(r), RP_CORRUPT);
    rp_reader *late = make_reader(ring, RP_FROM_NEWEST); /* finds it damaged when it is opened */
    for (uint64_t i = 1; i < 50; i++)                    /* more than a lap */
        succeeds(write_number(w, i));
    assert_int_equal(evictions_of(ring), 0);
    assert_int_equal(read_number(r), RP_EMPTY);
    assert_int_equal(read_number(late), RP_CORRUPT);
    assert_int_equal(read_number(late), RP_EMPTY);
    rp_reader_close(late);
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RING_TEST(a_writer_waits_for_readers),
        RING_TEST(a_reader_that_does_not_read_is_evicted),
        RING_TEST(waits_are_interrupted),
        RING_TEST(observers_hold_nobody_back),
        RING_TEST(seats_run_out_and_come_back),
        RING_TEST(a_newcomer_is_not_overtaken),
        RING_TEST(large_messages_and_batches_wait_too),
        RING_TEST(nobody_is_waited_for_in_a_damaged_lane),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
