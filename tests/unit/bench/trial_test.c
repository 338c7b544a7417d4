/* SPDX-License-Identifier: MIT */
/* A slice sees what a peer does wrong, says it, and leaves the run alive; one that does nothing wrong passes in every shape. */
#include "trial.h"

#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../bench/peers/vyukov.c" /* what the peers below are made of */

enum { STALL_S = 2, PATIENCE_S = 60, PROBES = 200 };

static struct machine machine;
static char reason[CREW_REASON_MAX];
static const struct trial_outcome *outcome;
static unsigned put_count;    /* of this process */
static unsigned fault_at = 3; /* no later than a party is certain to come, however slow the machine */

/* -- peers that do one thing wrong, once -- */

static bool now_is_the_time(void) { return ++put_count == fault_at; }

static size_t put_and_lose(void *end, const unsigned char *bodies, size_t count) {
    return now_is_the_time() ? count : put(end, bodies, count);
}

static size_t put_twice(void *end, const unsigned char *bodies, size_t count) {
    if (now_is_the_time()) {
        put(end, bodies, 1);
    }
    return put(end, bodies, count);
}

static size_t put_torn(void *end, const unsigned char *bodies, size_t count) {
    if (!now_is_the_time()) {
        return put(end, bodies, count);
    }
    unsigned char torn[64];
    memcpy(torn, bodies, sizeof torn);
    torn[60] ^= 1;
    return put(end, torn, 1);
}

static size_t put_late(void *end, const unsigned char *bodies, size_t count) {
    static unsigned char kept[64];
    if (now_is_the_time()) {
        memcpy(kept, bodies, sizeof kept);
        return 1;
    }
    size_t done = put(end, bodies, count);
    if (put_count == fault_at + 1 && done > 0) {
        while (put(end, kept, 1) == 0) {
        }
    }
    return done;
}

static size_t put_never(void *end, const unsigned char *bodies, size_t count) {
    return ++put_count >= fault_at ? 0 : put(end, bodies, count);
}

static size_t put_and_die(void *end, const unsigned char *bodies, size_t count) {
    if (now_is_the_time()) {
        raise(SIGKILL);
    }
    return put(end, bodies, count);
}

static char left_behind[CREW_PATH_MAX];

static void *create_and_give_up(const struct peer_setup *setup) {
    (void)setup;
    crew_file(left_behind);
    close(open(left_behind, O_CREAT | O_WRONLY, 0600));
    crew_fail("no %s today", "rings");
}

static void *create_with_files(const struct peer_setup *setup) {
    for (int i = 0; i < 100; i++) {
        char path[CREW_PATH_MAX];
        snprintf(path, sizeof path, "/dev/shm/ringpost-trial-test.%ld.%d", (long)getpid(), i);
        crew_file(path);
    }
    return create(setup);
}

/* -- a peer in which each of two consumers has a queue of its own, which no producer's last message can be the last of -- */

static void *second_end; /* a producer's */

static void *create_two(const struct peer_setup *setup) {
    struct peer_setup two = *setup;
    two.channels = 2;
    return create(&two);
}

static void *attach_to_one(void *w, uint32_t channel, bool producer, uint32_t index) {
    (void)channel;
    second_end = attach(w, 1, producer, index);
    return attach(w, producer ? 0 : index, producer, index);
}

static size_t put_in_turns(void *end, const unsigned char *bodies, size_t count) {
    return put(++put_count % 2 == 0 ? end : second_end, bodies, count);
}

static size_t put_in_turns_and_lose(void *end, const unsigned char *bodies, size_t count) {
    return now_is_the_time() ? count : put_in_turns(end, bodies, count);
}

/* -- trials -- */

static struct trial_job job_of(const struct peer *peer, enum trial_kind kind) {
    return (struct trial_job){.peer = peer,
                              .kind = kind,
                              .bytes = 64,
                              .producers = 1,
                              .consumers = 1,
                              .batch = 1,
                              .capacity = 256,
                              .interval_ns = 100000,
                              .warm_ns = 1000000,
                              .measure_ns = 5000000,
                              .probe_rounds = PROBES,
                              .stall_s = PATIENCE_S};
}

static bool runs(struct trial_job job) {
    put_count = 0;
    reason[0] = 0;
    return trial_run(&machine, &job, &outcome, reason);
}

static void assert_passes(struct trial_job job) {
    bool good = runs(job);
    assert_string_equal(reason, "");
    assert_true(good);
    assert_true(outcome->messages > 0 && outcome->before_ns > 0 && outcome->after_ns > 0);
    assert_int_equal(outcome->bare.count, 2 * PROBES);
}

static void sound_peers_pass_in_every_shape(void **state) {
    (void)state;
    struct trial_job job = job_of(&peer_vyukov, TRIAL_TRIP);
    assert_passes(job);
    assert_true(outcome->ticks.count == outcome->messages);
    job.reply_first = true;
    assert_passes(job);
    job = job_of(&peer_vyukov, TRIAL_RATE);
    assert_passes(job);
    assert_in_range(outcome->ticks.count, 50, 51); /* 5 ms, one each 0.1 ms, sent or not */
    assert_int_equal(outcome->messages + outcome->unsent, outcome->ticks.count);
    job.interval_ns = 10; /* nobody is as fast */
    assert_passes(job);
    assert_true(outcome->unsent > 0);
    assert_int_equal(outcome->messages + outcome->unsent, outcome->ticks.count);
    job = job_of(&peer_vyukov, TRIAL_FLOW);
    assert_passes(job);
    assert_true(outcome->message_ns > 0);
    job.batch = 16;
    assert_passes(job);
    job.producers = 3;
    job.consumers = 2;
    job.mixed = true;
    assert_passes(job);
}

/* `fault` is the peer's put; the reason has `said` in it, or `or_said`. */
static void assert_noticed(size_t (*fault)(void *, const unsigned char *, size_t), enum trial_kind kind, const char *said,
                           const char *or_said) {
    struct peer bad = peer_vyukov;
    bad.put = fault;
    struct trial_job job = job_of(&bad, kind);
    job.stall_s = strcmp(said, "stalled") == 0 ? STALL_S : PATIENCE_S;
    bool good = runs(job);
    if (good || (strstr(reason, said) == NULL && strstr(reason, or_said) == NULL)) {
        print_error("'%s' is not in '%s'\n", said, reason);
        assert_true(false);
    }
}

static void faults_are_noticed_in_streams(void **state) {
    (void)state;
    assert_noticed(put_and_lose, TRIAL_FLOW, "arrived", "arrived");
    assert_noticed(put_twice, TRIAL_FLOW, "came after", "came after");
    assert_noticed(put_torn, TRIAL_FLOW, "torn", "torn");
    assert_noticed(put_late, TRIAL_FLOW, "came after", "arrived");
    assert_noticed(put_and_die, TRIAL_FLOW, "a party ended early", "a party ended early");
    assert_noticed(put_never, TRIAL_FLOW, "stalled", "stalled");
}

static void faults_are_noticed_in_round_trips(void **state) {
    (void)state;
    assert_noticed(put_and_lose, TRIAL_TRIP, "stalled", "stalled");
    assert_noticed(put_twice, TRIAL_TRIP, "in the place of", "in the place of");
    assert_noticed(put_torn, TRIAL_TRIP, "torn", "torn");
    assert_noticed(put_and_die, TRIAL_TRIP, "a party ended early", "a party ended early");
}

static void consumers_with_queues_of_their_own_end_together(void **state) {
    (void)state;
    struct peer scattering = peer_vyukov;
    scattering.create = create_two;
    scattering.attach = attach_to_one;
    scattering.put = put_in_turns;
    scattering.scatters = true;
    struct trial_job job = job_of(&scattering, TRIAL_FLOW);
    job.producers = job.consumers = 2;
    assert_passes(job);
    job.batch = 16;
    assert_passes(job);
    scattering.put = put_in_turns_and_lose;
    fault_at = 51;
    job.stall_s = STALL_S;
    assert_false(runs(job)); /* they wait for what does not come */
    assert_non_null(strstr(reason, "stalled"));
}

static void the_run_lives_on_and_files_are_gone(void **state) {
    (void)state;
    struct peer bad = peer_vyukov;
    bad.create = create_and_give_up;
    snprintf(left_behind, sizeof left_behind, "/dev/shm/ringpost-trial-test.%d", (int)getpid());
    for (int i = 0; i < 2; i++) { /* the second time its name is known already */
        assert_false(runs(job_of(&bad, TRIAL_TRIP)));
        assert_string_equal(reason, "no rings today");
        assert_int_equal(access(left_behind, F_OK), -1);
    }
    assert_passes(job_of(&peer_vyukov, TRIAL_TRIP));
}

/* Names with the pid of a trial are new ones each time. */
static void files_of_earlier_trials_do_not_count(void **state) {
    (void)state;
    struct peer many = peer_vyukov;
    many.create = create_with_files;
    for (int i = 0; i < 4; i++) {
        assert_passes(job_of(&many, TRIAL_TRIP));
    }
}

static void a_long_slice_is_no_stall(void **state) {
    (void)state;
    struct trial_job job = job_of(&peer_vyukov, TRIAL_FLOW);
    job.measure_ns = 1500000000;
    job.stall_s = 1;
    assert_passes(job);
}

static int remove_left_behind(void **state) {
    (void)state;
    unlink(left_behind);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_peers_pass_in_every_shape),
        cmocka_unit_test(faults_are_noticed_in_streams),
        cmocka_unit_test(faults_are_noticed_in_round_trips),
        cmocka_unit_test(consumers_with_queues_of_their_own_end_together),
        cmocka_unit_test(files_of_earlier_trials_do_not_count),
        cmocka_unit_test(a_long_slice_is_no_stall),
        cmocka_unit_test_teardown(the_run_lives_on_and_files_are_gone, remove_left_behind),
    };
    if (!machine_read(&machine, NULL)) {
        return 77; /* skipped: it takes two processors */
    }
    crew_begin("trial-test");
    trial_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
