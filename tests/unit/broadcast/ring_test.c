/* SPDX-License-Identifier: MIT */
/* Making and opening rings, and what their calls refuse. */
#include "ring_fixture.h"
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct rp_ring_info info_of(rp_ring *ring) {
    struct rp_ring_info i;
    succeeds(rp_ring_info(ring, &i));
    return i;
}

static void defaults_are_one_line_per_message(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    struct rp_ring_info i = info_of(ring);
    assert_int_equal(i.slots, 1024);
    assert_int_equal(i.slot_bytes, 64);
    assert_int_equal(i.message_bytes, 48);
    assert_int_equal(i.overflow, RP_RING_OVERWRITE);
    assert_int_equal(i.lanes, 0);
    succeeds(rp_ring_close(ring));
}

static void sizes_are_rounded(void **state) {
    (void)state;
    static const struct {
        uint32_t slots, message_bytes, slot_bytes, have_slots, have_slot_bytes;
    } rows[] = {
        {8, 1, 0, 8, 64},     {9, 48, 0, 16, 64},    {1000, 49, 0, 1024, 128}, {8, 112, 0, 8, 128},
        {8, 113, 0, 8, 192},  {8, 4080, 0, 8, 4096}, {8, 4081, 0, 8, 4096},    {8, 100000, 0, 128, 4096}, /* four of 25 slots */
        {8, 480, 64, 64, 64},                                                                             /* four of 10 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rp_ring_options o = ring_options(rows[i].slots, RP_RING_OVERWRITE);
        o.message_bytes = rows[i].message_bytes;
        o.slot_bytes = rows[i].slot_bytes;
        rp_ring *ring = make_ring(&o);
        assert_int_equal(info_of(ring).slots, rows[i].have_slots);
        assert_int_equal(info_of(ring).slot_bytes, rows[i].have_slot_bytes);
        succeeds(rp_ring_close(ring));
    }
}

static void impossible_options_are_refused(void **state) {
    (void)state;
    rp_ring *ring;
    struct rp_ring_options good = ring_options(8, RP_RING_OVERWRITE), o;
    snprintf(ring_name, sizeof ring_name, "test.none.%d", (int)getpid());
#define REFUSED(field, value) \
    o = good;                 \
    o.field = value;          \
    assert_int_equal(rp_ring_create(ring_name, &o, &ring), -EINVAL)
    REFUSED(slots, 3);
    REFUSED(slots, (1 << 24) + 1);
    REFUSED(message_bytes, 0);
    REFUSED(message_bytes, (1 << 30) + 1);
    REFUSED(slot_bytes, 16);
    REFUSED(slot_bytes, 72);
    REFUSED(slot_bytes, 4112);
    REFUSED(max_writers, 0);
    REFUSED(max_writers, 1001);
    REFUSED(max_readers, 0);
    REFUSED(overflow, 2);
    REFUSED(mode, 01000);
    REFUSED(mode, 0466);
    REFUSED(prefault, 2);
    REFUSED(gate_timeout_ns, UINT64_MAX);
    assert_int_equal(rp_ring_create(ring_name, &good, NULL), -EINVAL);
    assert_int_equal(rp_ring_create("bad/name", &good, &ring), -EINVAL);
    assert_int_equal(rp_ring_open(ring_name, NULL, &ring), -ENOENT);
}

static void the_largest_message_fits_into_the_info_word(void **state) {
    (void)state;
    struct ring_parameters p = {.slots = 8, .message_bytes = MESSAGE_MAX, .max_writers = 1, .max_readers = 1, .gate_timeout_ns = 1};
    succeeds(ring_parameters_complete(&p));
    assert_int_equal(info_bytes(info_make(p.message_bytes, UINT64_MAX)), p.message_bytes);
    assert_int_equal(info_sequence(info_make(p.message_bytes, 5), 3), 5);
    p.message_bytes++;
    assert_int_equal(ring_parameters_complete(&p), -EINVAL);
}

static void what_is_no_ring_is_not_removed(void **state) {
    (void)state;
    char path[96];
    rp_ring *ring = make_ring(NULL);
    snprintf(path, sizeof path, "/dev/shm/ringpost.%s", ring_name);
    rp_queue *queue;
    succeeds(rp_queue_create(ring_name, NULL, &queue));
    int result = rp_ring_unlink(path);
    assert_int_equal(rp_queue_unlink(ring_name), 0); /* it is still there */
    assert_int_equal(result, RP_CORRUPT);
    succeeds(rp_queue_close(queue));
    assert_int_equal(rp_ring_unlink(path), -ENOENT);
    snprintf(path, sizeof path, "/dev/shm/ringpost-ring.%s", ring_name);
    assert_int_equal(rp_ring_unlink(path), 0);
    assert_int_equal(rp_ring_unlink(path), -ENOENT);
    succeeds(rp_ring_close(ring));
}

static void it_is_in_use_while_anybody_is_open(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    assert_int_equal(rp_ring_close(ring), RP_IN_USE);
    rp_writer_close(w);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    assert_int_equal(rp_ring_close(ring), RP_IN_USE);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void a_removed_ring_is_gone_at_once(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL), *other;
    rp_writer *w = make_writer(ring), *second;
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    succeeds(write_number(w, 7));
    succeeds(rp_ring_unlink(ring_name));
    assert_int_equal(write_number(w, 8), RP_GONE);
    assert_int_equal(read_number(r), 7); /* what was there is read first */
    assert_int_equal(read_number(r), RP_GONE);
    assert_int_equal(rp_writer_open(ring, NULL, &second), RP_GONE);
    succeeds(rp_ring_create(ring_name, NULL, &other)); /* another of the same name is no other way in */
    assert_int_equal(rp_writer_open(ring, NULL, &second), RP_GONE);
    succeeds(rp_ring_close(other));
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void who_waits_notices_a_removed_file(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    char path[128];
    size_t bytes;
    snprintf(path, sizeof path, "/dev/shm/ringpost-ring.%s", ring_name);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rp_read(r, NULL, 0, &bytes, -1), RP_GONE);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

static void a_read_only_ring_is_read_and_not_written(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_GATE);
    struct rp_open_options only = {.size = sizeof only, .read_only = 1};
    rp_ring *ring = make_ring(&o), *view;
    rp_writer *w = make_writer(ring), *none;
    succeeds(rp_ring_open(ring_name, &only, &view));
    assert_int_equal(rp_writer_open(view, NULL, &none), -EROFS);
    rp_reader *r = make_reader(view, RP_FROM_NEWEST); /* and holds nobody back */
    for (uint64_t i = 0; i < 20; i++)
        succeeds(write_number(w, i));
    assert_int_equal(read_number(r), RP_LAPPED);
    uint64_t lost = status_of(r).lost;
    for (uint64_t i = lost; i < 20; i++)
        assert_int_equal(read_number(r), i);
    assert_int_equal(read_number(r), RP_EMPTY);
    rp_reader_close(r);
    rp_writer_close(w);
    succeeds(rp_ring_close(view));
    succeeds(rp_ring_close(ring));
}

static int child(struct peer *test, void *argument) {
    void **all = argument;
    uint64_t x = 0;
    size_t bytes;
    rp_writer *w;
    (void)test;
    peer_check(rp_writer_open(all[0], NULL, &w) == RP_FORKED);
    peer_check(rp_write(all[1], &x, 8) == RP_FORKED);
    peer_check(rp_write_commit(all[1], 8) == RP_FORKED);
    peer_check(rp_read(all[2], &x, 8, &bytes, 0) == RP_FORKED);
    peer_check(rp_ring_close(all[0]) == RP_FORKED);
    return 0;
}

static void inherited_handles_are_refused(void **state) {
    (void)state;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    void *all[] = {ring, w, r};
    assert_int_equal(peer_run(child, all), 0);
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_close(ring));
}

/* What is wrong with a file is said, and nobody crashes. */
static void a_damaged_header_is_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        int result;
    } rows[] = {{0, RP_CORRUPT}, {8, RP_INCOMPATIBLE}, {12, RP_INCOMPATIBLE}, {24, RP_CORRUPT}, {48, RP_CORRUPT}, {60, RP_CORRUPT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_ring *ring = make_ring(NULL);
        char path[128];
        unsigned char byte;
        snprintf(path, sizeof path, "/dev/shm/ringpost-ring.%s", ring_name);
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, (off_t)rows[i].at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)rows[i].at), 1);
        close(fd);
        rp_ring *other;
        assert_int_equal(rp_ring_open(ring_name, NULL, &other), rows[i].result);
        succeeds(rp_ring_close(ring));
    }
    rp_ring *ring = make_ring(NULL), *other;
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/ringpost-ring.%s", ring_name);
    succeeds(rp_ring_close(ring));
    assert_int_equal(truncate(path, RING_LANES_AT + 4096), 0);
    assert_int_equal(rp_ring_open(ring_name, NULL, &other), RP_CORRUPT);
}

static void lanes_and_seats_are_listed(void **state) {
    (void)state;
    struct rp_ring_options o = ring_options(8, RP_RING_GATE);
    rp_ring *ring = make_ring(&o);
    struct rp_ring_lane lane;
    struct rp_ring_seat seat;
    assert_int_equal(rp_ring_lane(ring, 0, &lane), RP_EMPTY);
    rp_writer *w = make_writer(ring);
    rp_reader *r = make_reader(ring, RP_FROM_NEWEST);
    for (uint64_t i = 0; i < 3; i++)
        succeeds(write_number(w, i));
    succeeds(rp_ring_lane(ring, 0, &lane));
    assert_int_equal(lane.holder, RP_HOLDER_ALIVE);
    assert_int_equal(lane.pid, getpid());
    assert_int_equal(lane.opened, 1);
    assert_int_equal(lane.written, 3);
    assert_true(strncmp(lane.name, program_invocation_short_name, 15) == 0);
    succeeds(rp_ring_seat(ring, 0, &seat));
    assert_int_equal(seat.holder, RP_HOLDER_ALIVE);
    assert_int_equal(seat.behind, 3);
    assert_int_equal(read_number(r), 0);
    succeeds(rp_ring_seat(ring, 0, &seat));
    assert_int_equal(seat.behind, 2);
    rp_writer_close(w);
    rp_reader_close(r);
    succeeds(rp_ring_lane(ring, 0, &lane));
    assert_int_equal(lane.holder, RP_HOLDER_NONE);
    succeeds(rp_ring_seat(ring, 0, &seat));
    assert_int_equal(seat.holder, RP_HOLDER_NONE);
    assert_int_equal(seat.behind, 0);
    assert_int_equal(rp_ring_seat(ring, 4, &seat), RP_EMPTY);
    assert_int_equal(info_of(ring).written, 3);
    succeeds(rp_ring_close(ring));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RING_TEST(defaults_are_one_line_per_message),
        RING_TEST(sizes_are_rounded),
        RING_TEST(impossible_options_are_refused),
        RING_TEST(the_largest_message_fits_into_the_info_word),
        RING_TEST(what_is_no_ring_is_not_removed),
        RING_TEST(it_is_in_use_while_anybody_is_open),
        RING_TEST(a_removed_ring_is_gone_at_once),
        RING_TEST(who_waits_notices_a_removed_file),
        RING_TEST(a_read_only_ring_is_read_and_not_written),
        RING_TEST(inherited_handles_are_refused),
        RING_TEST(a_damaged_header_is_refused),
        RING_TEST(lanes_and_seats_are_listed),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
