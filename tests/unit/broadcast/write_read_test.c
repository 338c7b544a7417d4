/* SPDX-License-Identifier: MIT */
/* Writing and reading in one process, where every step can be chosen. */
#include "broadcast.h"
#include "ring_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void every_size_comes_as_it_was(void **state) {
    (void)state;
    static const uint32_t slot_bytes[] = {32, 64, 80, 4096};
    static unsigned char sent[20000], got[20000];
    for (size_t k = 0; k < sizeof slot_bytes / sizeof *slot_bytes; k++) {
        struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
        o.message_bytes = sizeof sent;
        o.slot_bytes = slot_bytes[k];
        rp_ring *ring = make_ring(&o);
        rp_writer *w = make_writer(ring);
        rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
        size_t bytes;
        for (size_t n = 0; n <= sizeof sent; n += n < 300 ? 1 : 997) {
            for (size_t i = 0; i < n; i++)
                sent[i] = (unsigned char)(n * 7 + i * 13 + i / 256);
            succeeds(rp_write(w, sent, n));
            memset(got, 0xee, sizeof got);
            assert_int_equal(rp_read(r, got, sizeof got, &bytes, 0), 0);
            assert_int_equal(bytes, n);
            assert_memory_equal(sent, got, n);
            assert_true(n == sizeof got || got[n] == 0xee);
        }
        assert_int_equal(rp_read(r, got, sizeof got, &bytes, 0), RP_EMPTY);
        assert_int_equal(rp_write(w, sent, sizeof sent + 1), RP_TOO_BIG);
        rp_writer_close(w);
        rp_reader_close(r);
        succeeds(rp_ring_close(ring));
    }
}

static void a_small_buffer_loses_nothing(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    char buffer[8];
    size_t bytes;
    succeeds(rp_write(w, "0123456789", 10));
    assert_int_equal(rp_read(r, buffer, sizeof buffer, &bytes, 0), RP_TOO_BIG);
    assert_int_equal(bytes, 10);
    char larger[10];
    assert_int_equal(rp_read(r, larger, sizeof larger, &bytes, 0), 0);
    assert_memory_equal(larger, "0123456789", 10);
    assert_int_equal(rp_read(r, NULL, 8, &bytes, 0), -EINVAL);
    assert_int_equal(rp_write(w, NULL, 1), -EINVAL);
    assert_int_equal(rp_write(NULL, "", 0), -EINVAL);
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

/* However far it is behind: what it lost and what it reads are all that was written. */
static void lost_messages_are_counted_exactly(void **state) {
    (void)state;
    for (uint32_t message = 8; message <= 200; message += 96) {
        struct rp_ring_options o = ring_options(16, RP_RING_OVERWRITE);
        o.message_bytes = 200;
        o.slot_bytes = 64;
        rp_ring *ring = make_ring(&o);
        rp_writer *w = make_writer(ring);
        rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
        unsigned char sent[200], got[200];
        uint64_t written = 0, next = 0;
        for (uint64_t burst = 0; burst < 100; burst++) {
            for (uint64_t i = 0; i < burst; i++, written++) {
                fill(sent, message, written);
                succeeds(rp_write(w, sent, message));
            }
            for (uint64_t i = 0; i < burst / 2 + 1; i++) {
                size_t bytes;
                int result = rp_read(r, got, sizeof got, &bytes, 0);
                if (result == RP_LAPPED) {
                    next += status_of(r).lost;
                    continue;
                }
                if (result == RP_EMPTY)
                    break;
                assert_int_equal(result, 0);
                assert_true(is_filled(got, message, next));
                assert_int_equal(status_of(r).sequence, next);
                next++;
            }
        }
        assert_true(status_of(r).lost_all > 1000);
        int64_t result;
        size_t bytes;
        while ((result = rp_read(r, got, sizeof got, &bytes, 0)) != RP_EMPTY)
            next += result == RP_LAPPED ? status_of(r).lost : 1;
        assert_int_equal(next, written);
        assert_int_equal(status_of(r).lost_all + status_of(r).read, written);
        rp_writer_close(w);
        rp_reader_close(r);
        succeeds(rp_ring_close(ring));
    }
}

static void readers_begin_where_they_say(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&o);
    rp_reader *before_all = make_reader(ring, RP_FROM_NEWEST), *first = make_reader(ring, RP_FROM_OLDEST);
    rp_writer *w = make_writer(ring);
    succeeds(write_number(w, 0));
    assert_int_equal(read_number(before_all), 0); /* it was there before the lane was */
    assert_int_equal(read_number(first), 0);
    for (uint64_t i = 1; i < 5; i++)
        succeeds(write_number(w, i));
    rp_reader *oldest = make_reader(ring, RP_FROM_OLDEST), *newest = make_reader(ring, RP_FROM_NEWEST);
    assert_int_equal(read_number(oldest), 0);
    assert_int_equal(read_number(newest), RP_EMPTY);
    rp_reader_close(oldest);
    for (uint64_t i = 5; i < 23; i++)
        succeeds(write_number(w, i));
    oldest = make_reader(ring, RP_FROM_OLDEST);
    assert_int_equal(read_number(oldest), 15); /* eight slots: 15 .. 22 */
    assert_int_equal(read_number(newest), RP_LAPPED);
    assert_int_equal(read_number(newest), 5 + status_of(newest).lost);
    rp_reader_close(newest);
    newest = make_reader(ring, RP_FROM_NEWEST);
    succeeds(write_number(w, 23));
    assert_int_equal(read_number(newest), 23);
    rp_reader *const all[] = {before_all, first, oldest, newest};
    for (unsigned i = 0; i < 4; i++)
        rp_reader_close(all[i]);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void readers_go_on_from_a_sequence(void **state) {
    (void)state;
    struct rp_ring_options ring_o = ring_options(8, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&ring_o);
    rp_writer *w = make_writer(ring);
    for (uint64_t i = 0; i < 23; i++)
        succeeds(write_number(w, i));
    static const struct {
        uint64_t from, lost;
        int64_t reads;
    } rows[] = {{15, 0, 15}, {20, 0, 20}, {22, 0, 22}, {23, 0, RP_EMPTY}, {30, 0, RP_EMPTY}, {3, 12, 15}, {0, 15, 15}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rp_reader_options o;
        rp_reader *r;
        rp_reader_options_init(&o, sizeof o);
        o.from = RP_FROM_SEQUENCE;
        o.sequences = &rows[i].from;
        o.sequence_count = 1;
        succeeds(rp_reader_open(ring, &o, &r));
        if (rows[i].lost > 0) {
            assert_int_equal(read_number(r), RP_LAPPED);
            assert_int_equal(status_of(r).lost, rows[i].lost);
        }
        assert_int_equal(read_number(r), rows[i].reads);
        uint64_t next;
        succeeds(rp_reader_next_sequence(r, 0, &next));
        assert_int_equal(next, rows[i].reads == RP_EMPTY ? rows[i].from : (uint64_t)rows[i].reads + 1);
        rp_reader_close(r);
    }
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

struct busy {
    rp_writer *writer;
    a32 stop;
    int result;
};

static void *write_on(void *argument) {
    struct busy *b = argument;
    for (uint64_t i = 0; b->result == 0 && load_relaxed(&b->stop, stat) == 0; i++)
        b->result = write_number(b->writer, i);
    return NULL;
}

/* Or what is overwritten before its first read would not be counted. */
static void who_joins_a_fast_writer_knows_where(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(4, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&o);
    struct busy b = {.writer = make_writer(ring)};
    unsigned unknown = 0, wrong = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &b), 0);
    for (unsigned i = 0; i < 4000; i++) {
        rp_reader *r = make_reader(ring, i % 2 ? RP_FROM_NEWEST : RP_FROM_OLDEST);
        uint64_t next, number;
        size_t bytes;
        int result = rp_reader_next_sequence(r, 0, &next);
        unknown += result != 0;
        if (result == 0) {
            while ((result = rp_read(r, &number, sizeof number, &bytes, 0)) == RP_EMPTY) {
            }
            uint64_t counted = next + status_of(r).lost_all;
            wrong += result == 0 ? number != counted || status_of(r).sequence != counted : result != RP_LAPPED;
        }
        rp_reader_close(r);
    }
    store_relaxed(&b.stop, 1, stat);
    pthread_join(thread, NULL);
    assert_int_equal(b.result, 0);
    assert_int_equal(unknown, 0);
    assert_int_equal(wrong, 0);
    rp_writer_close(b.writer);
    succeeds(rp_ring_close(ring));
}

/* In the slots stand 34 bits of it. */
static void sequences_are_compared_whole(void **state) {
    (void)state;
    struct rp_ring_options ring_o = ring_options(8, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&ring_o);
    rp_writer *w = make_writer(ring);
    for (uint64_t i = 0; i < 5; i++)
        succeeds(write_number(w, i));
    static const uint64_t wanted[] = {UINT64_C(1) << 34, (UINT64_C(1) << 34) + 4, (UINT64_C(1) << 63) + 5, UINT64_MAX - 1,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct rp_reader_options o;
        rp_reader *r;
        rp_reader_options_init(&o, sizeof o);
        o.from = RP_FROM_SEQUENCE;
        o.sequences = &wanted[i];
        o.sequence_count = 1;
        int result = rp_reader_open(ring, &o, &r);
        assert_int_equal(result, wanted[i] == UINT64_MAX ? -EINVAL : 0);
        if (result < 0)
            continue;
        uint64_t next;
        assert_int_equal(read_number(r), RP_EMPTY);
        succeeds(rp_reader_next_sequence(r, 0, &next));
        assert_int_equal(next, wanted[i]);
        rp_reader_close(r);
    }
    /* A lane that is as far. */
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    w->number = (UINT64_C(3) << 34) - 2;
    atomic_store(&ring->view.lanes[0].number, w->number);
    for (uint64_t i = 0; i < 5; i++)
        succeeds(write_number(w, i));
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(read_number(r), i == 0 ? RP_LAPPED : i - 1);
    assert_int_equal(status_of(r).lost, (UINT64_C(3) << 34) - 2 - 5);
    assert_int_equal(status_of(r).sequence, (UINT64_C(3) << 34) + 1);
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

static void lanes_take_turns(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w[3];
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    for (uint64_t k = 0; k < 3; k++) {
        w[k] = make_writer(ring);
        assert_int_equal(rp_writer_lane(w[k]), k);
        for (uint64_t i = 0; i < 4; i++)
            succeeds(write_number(w[k], 10 * k + i));
    }
    for (int64_t i = 0; i < 4; i++)
        for (int64_t k = 0; k < 3; k++) {
            assert_int_equal(read_number(r), 10 * k + i);
            assert_int_equal(status_of(r).lane, k);
        }
    assert_int_equal(read_number(r), RP_EMPTY);
    for (unsigned k = 0; k < 3; k++)
        rp_writer_close(w[k]);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void a_new_lane_is_read_though_another_is_never_empty(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *busy = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    for (uint64_t i = 0; i < 10; i++)
        succeeds(write_number(busy, i));
    assert_int_equal(read_number(r), 0);
    rp_writer *late = make_writer(ring);
    succeeds(write_number(late, 1000));
    unsigned reads = 0;
    int64_t got;
    do {
        succeeds(write_number(busy, 10 + reads));
        got = read_number(r);
    } while (got != 1000 && got >= 0 && ++reads < 70);
    assert_int_equal(got, 1000);
    rp_writer_close(busy);
    rp_writer_close(late);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void a_lane_is_handed_on(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    o.max_writers = 2;
    rp_ring *ring = make_ring(&o);
    rp_writer *a = make_writer(ring), *b = make_writer(ring), *c;
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    assert_int_equal(rp_writer_open(ring, NULL, &c), RP_NO_SEAT);
    succeeds(write_number(a, 0));
    rp_writer_close(a);
    c = make_writer(ring);
    assert_int_equal(rp_writer_lane(c), 0);
    succeeds(write_number(c, 1));
    for (int64_t i = 0; i < 2; i++) {
        assert_int_equal(read_number(r), i);
        assert_int_equal(status_of(r).sequence, i);
    }
    rp_writer_close(b);
    rp_writer_close(c);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

/* Each dies when its message is complete, and before it is noted that this is the newest. */
static void writers_may_die_one_after_the_other(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&o);
    struct ring_lane *lane = &ring->view.lanes[0];
    for (uint64_t i = 0; i < 50; i++) {
        rp_writer *w = make_writer(ring);
        uint64_t newest = atomic_load(&lane->newest), number = atomic_load(&lane->number);
        succeeds(write_number(w, i));
        atomic_store(&lane->newest, newest);
        if (i % 2 == 0)
            atomic_store(&lane->number, number);
        rp_writer_close(w);
        rp_reader *oldest = make_reader(ring, RP_FROM_OLDEST), *r = make_reader(ring, RP_FROM_NEWEST);
        uint64_t next;
        succeeds(rp_reader_next_sequence(r, 0, &next));
        assert_int_equal(next, i + 1);
        int64_t first = read_number(oldest);
        if (first == RP_LAPPED) /* `newest` may be one message behind */
            first = read_number(oldest);
        assert_int_equal(first, i < 8 ? 0 : (int64_t)i - 7);
        rp_reader_close(r);
        rp_reader_close(oldest);
    }
    succeeds(rp_ring_close(ring));
}

static void reserved_room_is_sent_without_a_copy(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    void *room;
    char got[48];
    size_t bytes;
    assert_int_equal(rp_write_commit(w, 0), -EINVAL);
    assert_int_equal(rp_write_reserve(w, 49, &room), RP_TOO_BIG);
    succeeds(rp_write_reserve(w, 48, &room));
    assert_int_equal((uintptr_t)room % 16, 0);
    memcpy(room, "0123456789abcdef0123456789abcdef0123456789abcdef", 48);
    assert_int_equal(rp_read(r, got, sizeof got, &bytes, 0), RP_EMPTY);
    assert_int_equal(rp_write_commit(w, 49), -EINVAL);
    succeeds(rp_write_commit(w, 11));
    assert_int_equal(rp_write_commit(w, 11), -EINVAL);
    assert_int_equal(rp_read(r, got, sizeof got, &bytes, 0), 0);
    assert_int_equal(bytes, 11);
    assert_memory_equal(got, "0123456789a", 11);
    succeeds(rp_write_reserve(w, 48, &room)); /* taken back by a write */
    succeeds(write_number(w, 5));
    assert_int_equal(rp_write_commit(w, 8), -EINVAL);
    assert_int_equal(read_number(r), 5);
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void batches_are_the_same_messages(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    struct rp_write_item items[20];
    struct rp_read_item got[16];
    uint64_t numbers[20], room[16];
    for (uint64_t i = 0; i < 20; i++) {
        numbers[i] = i;
        items[i] = (struct rp_write_item){&numbers[i], 8};
    }
    for (unsigned i = 0; i < 16; i++)
        got[i] = (struct rp_read_item){.buffer = &room[i], .capacity = 8};
    assert_int_equal(rp_write_batch(w, items, 20), 20);
    assert_int_equal(rp_write_batch(w, items, 0), 0);
    assert_int_equal(rp_read_batch(r, got, 16, 0), 16);
    for (uint64_t i = 0; i < 16; i++) {
        assert_int_equal(room[i], i);
        assert_int_equal(got[i].sequence, i);
        assert_int_equal(got[i].bytes, 8);
    }
    assert_int_equal(rp_read_batch(r, got, 16, 0), 4);
    assert_int_equal(rp_read_batch(r, got, 16, 0), RP_EMPTY);
    items[3].bytes = 49;
    assert_int_equal(rp_write_batch(w, items, 20), RP_TOO_BIG); /* and nothing of it */
    assert_int_equal(read_number(r), RP_EMPTY);
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void a_forked_child_is_told_so_by_each_call(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    uint64_t number = 1;
    const struct rp_write_item item = {&number, sizeof number};
    pid_t child = fork();
    if (child == 0)
        _exit(rp_write_batch(w, &item, 0) == RP_FORKED && rp_write_batch(w, &item, 1) == RP_FORKED &&
                      rp_write(w, "", 0) == RP_FORKED
                  ? 0
                  : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(rp_write_batch(w, &item, 0), 0);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

/* An error behind some messages is not lost, and comes once. */
static void a_batch_ends_before_what_was_lost(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    o.max_writers = 2;
    rp_ring *ring = make_ring(&o);
    rp_writer *a = make_writer(ring), *b = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    uint64_t room[16];
    struct rp_read_item got[16];
    for (unsigned i = 0; i < 16; i++)
        got[i] = (struct rp_read_item){.buffer = &room[i], .capacity = 8};
    succeeds(write_number(a, 1));
    for (uint64_t i = 0; i < 20; i++)
        succeeds(write_number(b, i));
    assert_int_equal(rp_read_batch(r, got, 16, 0), 1);
    assert_int_equal(rp_read_batch(r, got, 16, 0), RP_LAPPED);
    int rest = rp_read_batch(r, got, 16, 0);
    assert_int_equal(status_of(r).lost + (uint64_t)rest, 20);
    assert_int_equal(room[rest - 1], 19);
    rp_writer_close(a);
    rp_writer_close(b);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

/* What a writer that stops behind the tail of a message leaves: the first slot is still that of the last lap. */
static void a_torn_message_is_passed_over(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    o.message_bytes = 96; /* two slots */
    o.slot_bytes = 64;
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    unsigned char text[96];
    size_t bytes;
    for (uint64_t i = 0; i < 4; i++) {
        fill(text, sizeof text, i);
        succeeds(rp_write(w, text, sizeof text));
    }
    struct slot *second = slot_at(&ring->view, ring_slots(&ring->view, 0), 8 + 1);
    const uint64_t stamps[] = {STAMP_BUSY | (8 + 1 + 8), STAMP_CONTINUES | (8 + 1 + 8)};
    for (unsigned k = 0; k < 2; k++) {
        atomic_store(&second->stamp, stamps[k]);
        rp_reader *old = make_reader(ring, RP_FROM_OLDEST);
        rp_reader *const readers[] = {r, old};
        for (unsigned i = k; i < 2; i++) {
            assert_int_equal(rp_read(readers[i], text, sizeof text, &bytes, 0), RP_LAPPED);
            for (uint64_t next = status_of(readers[i]).lost; next < 4; next++) {
                assert_int_equal(rp_read(readers[i], text, sizeof text, &bytes, 0), 0);
                assert_true(is_filled(text, sizeof text, next));
            }
            assert_int_equal(rp_read(readers[i], text, sizeof text, &bytes, 0), RP_EMPTY);
            assert_int_equal(status_of(readers[i]).lost_all + status_of(readers[i]).read, 4);
        }
        rp_reader_close(old);
    }
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

/* A word that cannot be is damage, wherever it stands, and no read loops or strays. */
static void damaged_words_are_noticed(void **state) {
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
        rp_ring *ring = make_ring(&o);
        rp_writer *w = make_writer(ring);
        rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
        for (uint64_t i = 0; i < 4; i++)
            succeeds(write_number(w, i));
        struct slot *s = slot_at(&ring->view, ring_slots(&ring->view, 0), 8);
        if (k == 0)
            store_relaxed(&s->info, info_make(49, 0), init);
        else if (k == 1)
            store_relaxed(&s->stamp, 8 + 3, init); /* not this slot's */
        else if (k == 2)
            store_relaxed(&s->stamp, 8 + 8 * 1000, init); /* far beyond what the lane says */
        else
            store_relaxed(&s->info, info_make(8, (UINT64_C(1) << 34) - 5), init); /* before the first */
        assert_int_equal(read_number(r), RP_CORRUPT);
        assert_int_equal(read_number(r), RP_EMPTY); /* it is said once */
        rp_writer_close(w);
        rp_reader_close(r);
        succeeds(rp_ring_close(ring));
    }
}

/* One damaged lane of four: the others go on, whoever comes when. */
static void a_damaged_lane_shuts_nobody_out(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&o);
    rp_writer *w[4], *none;
    rp_reader *before = make_reader(ring, RP_FROM_NEWEST);
    for (uint64_t k = 0; k < 3; k++) {
        w[k] = make_writer(ring);
        succeeds(write_number(w[k], k));
    }
    rp_writer_close(w[1]);
    for (int64_t k = 0; k < 3; k++)
        assert_int_equal(read_number(before), k);
    atomic_store(&ring->view.lanes[1].newest, UINT64_MAX / 2);
    atomic_store(&slot_at(&ring->view, ring_slots(&ring->view, 1), ring->view.p.slots + 1)->stamp, STAMP_POSITION);
    w[1] = make_writer(ring);
    assert_int_equal(rp_writer_lane(w[1]), 3);
    rp_reader *newest = make_reader(ring, RP_FROM_NEWEST), *oldest = make_reader(ring, RP_FROM_OLDEST);
    for (uint64_t k = 0; k < 3; k++)
        succeeds(write_number(w[k], 10 + k));
    assert_int_equal(read_number(oldest), 0);
    assert_int_equal(read_number(oldest), RP_CORRUPT);
    assert_int_equal(read_number(oldest), 2);
    rp_reader *const readers[] = {before, newest};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(read_number(readers[i]), 10);
        assert_int_equal(read_number(readers[i]), RP_CORRUPT);
        assert_int_equal(status_of(readers[i]).lane, 1);
        assert_int_equal(read_number(readers[i]), 12);
        assert_int_equal(read_number(readers[i]), 11);
        assert_int_equal(read_number(readers[i]), RP_EMPTY);
    }
    assert_int_equal(rp_writer_open(ring, NULL, &none), RP_CORRUPT); /* all others are taken */
    for (unsigned k = 0; k < 3; k++)
        rp_writer_close(w[k]);
    for (unsigned i = 0; i < 2; i++)
        rp_reader_close(readers[i]);
    rp_reader_close(oldest);
    succeeds(rp_ring_close(ring));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RING_TEST(every_size_comes_as_it_was),
        RING_TEST(a_small_buffer_loses_nothing),
        RING_TEST(lost_messages_are_counted_exactly),
        RING_TEST(readers_begin_where_they_say),
        RING_TEST(readers_go_on_from_a_sequence),
        RING_TEST(who_joins_a_fast_writer_knows_where),
        RING_TEST(sequences_are_compared_whole),
        RING_TEST(lanes_take_turns),
        RING_TEST(a_new_lane_is_read_though_another_is_never_empty),
        RING_TEST(a_lane_is_handed_on),
        RING_TEST(writers_may_die_one_after_the_other),
        RING_TEST(reserved_room_is_sent_without_a_copy),
        RING_TEST(batches_are_the_same_messages),
        RING_TEST(a_forked_child_is_told_so_by_each_call),
        RING_TEST(a_batch_ends_before_what_was_lost),
        RING_TEST(a_torn_message_is_passed_over),
        RING_TEST(damaged_words_are_noticed),
        RING_TEST(a_damaged_lane_shuts_nobody_out),
    };
    return cmocka_run_group_tests_name("write_read", tests, NULL, NULL);
}
