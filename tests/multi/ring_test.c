/* SPDX-License-Identifier: MIT */
/* Broadcast rings between processes. */
#include "barrier.h"
#include "ring_crew.h"

static struct rp_ring_options crew_options(uint32_t slots, uint32_t overflow) {
    struct rp_ring_options o = ring_options(slots, overflow);
    o.max_writers = CREW_LANES;
    o.max_readers = CREW_READERS;
    o.slot_bytes = 64;
    o.message_bytes = 200;
    return o;
}

static int write_many(struct peer *test, void *argument) {
    peer_check(peer_hear(test) == 'g');
    return crew_write(argument, 20000);
}

/* Four write, four read, one of them without permission to write. */
static void all_see_everything_or_know_what_not(uint32_t slots, uint32_t overflow) {
    struct rp_ring_options o = crew_options(slots, overflow);
    o.gate_timeout_ns = 60 * SECOND;
    rp_ring *ring = make_ring(&o);
    struct crew *crew = crew_make();
    struct peer writers[CREW_LANES], readers[4];
    struct crew_reader parts[4];
    for (uint32_t i = 0; i < 4; i++) {
        parts[i] = (struct crew_reader){.crew = crew, .report = i, .from = i % 2, .read_only = i == 3};
        readers[i] = peer_start(crew_read, &parts[i]);
        assert_int_equal(peer_hear(&readers[i]), 'r');
    }
    for (unsigned i = 0; i < CREW_LANES; i++)
        writers[i] = peer_start(write_many, crew);
    for (unsigned i = 0; i < CREW_LANES; i++)
        peer_say(&writers[i], 'g');
    for (unsigned i = 0; i < CREW_LANES; i++)
        assert_int_equal(peer_end(&writers[i]), 0);
    crew->settled = 1;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(peer_end(&readers[i]), 0);
    crew_check_sums(ring, crew, 4);
    for (unsigned i = 0; i < 3 && overflow == RP_RING_GATE; i++)
        assert_int_equal(crew->reports[i].laps, 0);
    succeeds(rp_ring_close(ring));
    munmap(crew, sizeof *crew);
}

static void overwriting(void **state) {
    (void)state;
    all_see_everything_or_know_what_not(32, RP_RING_OVERWRITE);
    all_see_everything_or_know_what_not(4096, RP_RING_OVERWRITE);
}

static void gated(void **state) {
    (void)state;
    all_see_everything_or_know_what_not(64, RP_RING_GATE);
}

/* ---- who is dead or stopped at the gate ---- */

static int read_and_wait(struct peer *test, void *argument) {
    rp_ring *ring;
    (void)argument;
    peer_succeeds(rp_ring_open(ring_name, NULL, &ring));
    rp_reader *r;
    peer_succeeds(rp_reader_open(ring, NULL, &r));
    peer_say(test, 'r');
    uint64_t number, expected = 0;
    size_t bytes;
    peer_check(rp_read(r, &number, 8, &bytes, -1) == 0 && number == expected++);
    peer_say(test, '1');
    peer_check(peer_hear(test) == 'g');
    struct rp_reader_status s;
    while (expected < 100) {
        int result = rp_read(r, &number, 8, &bytes, -1);
        peer_succeeds(rp_reader_status(r, &s));
        if (result == RP_LAPPED) {
            expected += s.lost;
            continue;
        }
        peer_check(result == 0 && number == expected);
        expected++;
    }
    peer_check(s.lost_all > 0 && s.lost_all + s.read == 100 && s.evicted == 1);
    rp_reader_close(r);
    return rp_ring_close(ring);
}

static void a_dead_reader_holds_nobody_back(void **state) {
    (void)state;
    struct rp_ring_options o = crew_options(8, RP_RING_GATE);
    o.gate_timeout_ns = 5 * SECOND; /* were it waited for, there would be evictions */
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    rp_reader *living = make_reader(ring, RP_FROM_NEWEST);
    for (int64_t next = 0; next < 500;) {
        struct peer p = peer_start(read_and_wait, NULL);
        assert_int_equal(peer_hear(&p), 'r');
        if (next == 0) {
            succeeds(write_number(w, 0));
            assert_int_equal(read_number(living), 0);
            assert_int_equal(peer_hear(&p), '1');
            next++;
        }
        peer_kill(&p);
        for (int i = 0; i < 100; i++, next++) { /* three laps */
            succeeds(write_number(w, (uint64_t)next));
            assert_int_equal(read_number(living), next);
        }
    }
    rp_reader_close(living);
    rp_writer_close(w);
    struct rp_ring_info info;
    succeeds(rp_ring_info(ring, &info));
    assert_int_equal(info.evictions, 0);
    succeeds(rp_ring_close(ring));
}

static void a_stopped_reader_is_evicted_and_told(void **state) {
    (void)state;
    struct rp_ring_options o = crew_options(8, RP_RING_GATE);
    o.gate_timeout_ns = 20 * MS;
    rp_ring *ring = make_ring(&o);
    rp_writer *w = make_writer(ring);
    struct peer p = peer_start(read_and_wait, NULL);
    assert_int_equal(peer_hear(&p), 'r');
    succeeds(write_number(w, 0));
    assert_int_equal(peer_hear(&p), '1');
    peer_stop(&p);
    for (uint64_t i = 1; i < 50; i++)
        succeeds(write_number(w, i));
    struct rp_ring_info info;
    succeeds(rp_ring_info(ring, &info));
    assert_int_equal(info.evictions, 1);
    kill(p.pid, SIGCONT);
    peer_say(&p, 'g');
    for (uint64_t i = 50; i < 100; i++)
        succeeds(write_number(w, i));
    assert_int_equal(peer_end(&p), 0);
    rp_writer_close(w);
    succeeds(rp_ring_close(ring));
}

/* ---- joining late ---- */

static int write_numbers(struct peer *test, void *argument) {
    struct crew *crew = argument;
    rp_ring *ring;
    rp_writer *w;
    peer_succeeds(rp_ring_open(ring_name, NULL, &ring));
    peer_succeeds(rp_writer_open(ring, NULL, &w));
    peer_say(test, 'w');
    for (uint64_t i = 0; !crew->stop; i++) {
        peer_succeeds(write_number(w, i));
        crew->reports[0].read[0] = i + 1; /* so many have returned */
    }
    return 0;
}

static void late_readers_begin_where_they_say(void **state) {
    (void)state;
    struct rp_ring_options o = crew_options(64, RP_RING_OVERWRITE);
    rp_ring *ring = make_ring(&o);
    struct crew *crew = crew_make();
    struct peer p = peer_start(write_numbers, crew);
    assert_int_equal(peer_hear(&p), 'w');
    volatile uint64_t *written = &crew->reports[0].read[0];
    assert_true(until(*written > 1000));
    for (int i = 0; i < 3000; i++) {
        uint64_t before = *written, first = 0;
        rp_reader *r = make_reader(ring, i % 2 ? RP_FROM_NEWEST : RP_FROM_OLDEST);
        bool known = rp_reader_next_sequence(r, 0, &first) == 0;
        uint64_t after = *written;
        if (known)
            assert_true(first + (i % 2 ? 0 : 64) >= before && first <= after + 1);
        int64_t next = (int64_t)first;
        for (int k = 0; k < 50; k++) {
            int64_t number = read_number(r);
            if (number == RP_EMPTY)
                continue;
            if (number == RP_LAPPED) {
                next += (int64_t)status_of(r).lost;
                continue;
            }
            assert_true(known ? number == next : number >= (int64_t)before - 64);
            known = true;
            next = number + 1;
        }
        rp_reader_close(r);
    }
    crew->stop = 1;
    assert_int_equal(peer_end(&p), 0);
    succeeds(rp_ring_close(ring));
    munmap(crew, sizeof *crew);
}

/* ---- sleeping ---- */

static int answer(struct peer *test, void *argument) {
    rp_ring *ring;
    rp_reader *r;
    uint64_t number;
    size_t bytes;
    struct rp_open_options o = {.size = sizeof o, .read_only = argument != NULL};
    peer_succeeds(rp_ring_open(ring_name, &o, &ring));
    peer_succeeds(rp_reader_open(ring, NULL, &r));
    peer_say(test, 'r');
    for (uint64_t i = 0; i < 300; i++) {
        peer_check(rp_read(r, &number, 8, &bytes, -1) == 0 && number == i);
        peer_say(test, 'a');
    }
    rp_reader_close(r);
    return rp_ring_close(ring);
}

static void sleepers_wake(void *read_only, bool barrier) {
    barrier_force_none = !barrier;
    rp_ring *ring = make_ring(NULL);
    rp_writer *w = make_writer(ring);
    struct peer p = peer_start(answer, read_only);
    assert_int_equal(peer_hear(&p), 'r');
    for (uint64_t i = 0; i < 300; i++) {
        if (i % 10 == 0) /* it sleeps by now, or naps */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        succeeds(write_number(w, i));
        assert_int_equal(peer_hear(&p), 'a');
    }
    assert_int_equal(peer_end(&p), 0);
    rp_writer_close(w);
    struct rp_ring_info info;
    succeeds(rp_ring_info(ring, &info));
    assert_int_equal(info.no_wakeups, !barrier);
    succeeds(rp_ring_close(ring));
    barrier_force_none = false;
}

static void readers_sleep_and_are_woken(void **state) {
    (void)state;
    sleepers_wake(NULL, true);
}
static void readers_nap_where_there_is_no_membarrier(void **state) {
    (void)state;
    sleepers_wake(NULL, false);
}
static void readers_without_permission_to_write_nap(void **state) {
    (void)state;
    static int yes;
    sleepers_wake(&yes, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RING_TEST(overwriting),
        RING_TEST(gated),
        RING_TEST(a_dead_reader_holds_nobody_back),
        RING_TEST(a_stopped_reader_is_evicted_and_told),
        RING_TEST(late_readers_begin_where_they_say),
        RING_TEST(readers_sleep_and_are_woken),
        RING_TEST(readers_nap_where_there_is_no_membarrier),
        RING_TEST(readers_without_permission_to_write_nap),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
