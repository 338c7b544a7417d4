/* SPDX-License-Identifier: MIT */
/* The kernel's word on who is alive, against everything that a process can do to itself or have done to it. */
#include "liveness.h"

#include "atomic.h"
#include "check.h"
#include "peer.h"
#include "scratch.h"

#include <pthread.h>
#include <ringpost/error.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { BYTES = 4096, SEATS = 8 };

static struct scratch scratch;
static struct prober prober;

/* A new segment under the path. */
static void make(void) {
    struct shm_build build;
    if (shm_create(scratch.path, BYTES, 0600, NULL, true, &build) != 0 || shm_publish(&build) != 0)
        abort();
    shm_discard(&build);
}

static int setup(void **state) {
    (void)state;
    struct attach attach;
    if (scratch_create(&scratch) != 0)
        return -1;
    make();
    if (attach_begin(scratch.path, true, &attach) != 0)
        return -1;
    attach_end(&attach);
    prober_init(&prober, scratch.path, &attach.identity);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    prober_close(&prober);
    scratch_destroy(&scratch);
    return 0;
}

/* Takes the seat as a participant does: the mapping, or NULL if somebody has it. */
static void *join(uint32_t seat) {
    struct attach attach;
    void *memory = NULL;
    if (attach_begin(scratch.path, false, &attach) != 0)
        return NULL;
    if (attach_lock(&attach, seat) == 0 && shm_map(attach.fd, attach.bytes, false, &memory) != 0)
        abort();
    attach_end(&attach);
    return memory;
}

static void leave(void *memory) { shm_unmap(memory, BYTES); }

static enum liveness seat_of(uint32_t seat) { return liveness_probe(&prober, seat); }

/* A participant on seat 1: says 'j' and then does what a byte tells it to, until its test goes away. */
static int participant(struct peer *test, void *argument) {
    (void)argument;
    void *memory = join(1);
    peer_check(memory);
    peer_say(test, 'j');
    switch (peer_hear(test)) {
    case 'u': leave(memory); break;
    case 'p': peer_check(mprotect(memory, BYTES, PROT_NONE) == 0); break;
    case 'c': /* daemons and shells close what they do not know; the pipes are kept to be able to say so */
        for (int fd = 0; fd < 1024; fd++)
            if (fd != test->in && fd != test->out)
                close(fd);
        break;
    case 'x': /* cat writes the answer to the byte of the test */
        dup2(test->in, 0);
        dup2(test->out, 1);
        execlp("cat", "cat", (char *)NULL);
        _exit(1);
    case 'f': /* a child that lives on: it answers in place of its parent */
        if (fork() > 0)
            for (;;)
                pause();
        break;
    default: return 0;
    }
    do
        peer_say(test, 'd');
    while (peer_hear(test));
    return 0;
}

/* Starts a participant and lets it do `what`. */
static struct peer participant_that(char what) {
    struct peer peer = peer_start(participant, NULL);
    assert_int_equal(peer_hear(&peer), 'j');
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    if (what) {
        peer_say(&peer, what);
        assert_int_equal(peer_hear(&peer), 'd');
    }
    return peer;
}

static void a_seat_is_alive_from_attach_to_unmap(void **state) {
    (void)state;
    assert_int_equal(seat_of(3), LIVENESS_DEAD);
    void *memory = join(3);
    assert_non_null(memory);
    assert_int_equal(seat_of(3), LIVENESS_ALIVE); /* asked by the owner itself */
    assert_int_equal(seat_of(2), LIVENESS_DEAD);
    assert_int_equal(seat_of(4), LIVENESS_DEAD);
    assert_null(join(3));
    leave(memory);
    assert_int_equal(seat_of(3), LIVENESS_DEAD);
}

static void a_seat_that_was_given_back_is_free(void **state) {
    (void)state;
    struct attach attach;
    assert_int_equal(attach_begin(scratch.path, false, &attach), 0);
    assert_int_equal(attach.bytes, BYTES);
    assert_int_equal(attach_lock(&attach, 0), 0);
    assert_int_equal(seat_of(0), LIVENESS_ALIVE);
    attach_unlock(&attach, 0);
    assert_int_equal(seat_of(0), LIVENESS_DEAD);
    attach_end(&attach);
}

static void attaching_to_nothing_fails_and_lets_forks_go_on(void **state) {
    (void)state;
    struct attach attach;
    assert_int_equal(attach_begin("/dev/shm/ringpost.nonexistent", false, &attach), -ENOENT);
    assert_int_equal(attach_begin(scratch.path, true, &attach), 0);
    assert_true(attach_lock(&attach, 0) < 0); /* read-only */
    attach_end(&attach);
}

static void killed(void **state) {
    (void)state;
    struct peer peer = participant_that(0);
    peer_kill(&peer);
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
}

static void stopped_is_not_dead(void **state) {
    (void)state;
    struct peer peer = participant_that(0);
    peer_stop(&peer);
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    peer_kill(&peer);
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
}

static void ended(void **state) {
    (void)state;
    struct peer peer = participant_that(0);
    peer_say(&peer, 'e');
    assert_int_equal(peer_end(&peer), 0);
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
}

static void unmapped_in_a_living_process(void **state) {
    (void)state;
    struct peer peer = participant_that('u');
    assert_int_equal(seat_of(1), LIVENESS_DEAD);
    peer_kill(&peer);
}

static void another_program_by_exec(void **state) {
    (void)state;
    struct peer peer = peer_start(participant, NULL);
    assert_int_equal(peer_hear(&peer), 'j');
    peer_say(&peer, 'x');
    peer_say(&peer, 'y');
    assert_int_equal(peer_hear(&peer), 'y'); /* by cat */
    assert_int_equal(seat_of(1), LIVENESS_DEAD);
    peer_kill(&peer);
}

static void all_descriptors_closed(void **state) {
    (void)state;
    struct peer peer = participant_that('c');
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    peer_kill(&peer);
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
}

static void protected_memory(void **state) {
    (void)state;
    struct peer peer = participant_that('p');
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    peer_kill(&peer);
}

static void killed_while_a_child_lives_on(void **state) {
    (void)state;
    struct peer peer = participant_that('f');
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    kill(peer.pid, SIGKILL);
    waitpid(peer.pid, NULL, 0);
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
    peer_say(&peer, 'a');
    assert_int_equal(peer_hear(&peer), 'd'); /* the child, which now reads the end of its input and ends */
    close(peer.in);
    close(peer.out);
}

static int in_a_pid_namespace(struct peer *test, void *argument) {
    if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)) != 0)
        _exit(PEER_SKIP);
    struct peer peer = peer_start(participant, argument);
    peer_check(peer_hear(&peer) == 'j');
    peer_say(test, 'j');
    peer_hear(test);
    peer_kill(&peer);
    peer_say(test, 'k');
    return peer_hear(test);
}

static void in_another_pid_namespace(void **state) {
    (void)state;
    struct peer peer = peer_start(in_a_pid_namespace, NULL);
    if (peer_hear(&peer) != 'j') {
        assert_int_equal(peer_end(&peer), PEER_SKIP);
        skip();
    }
    assert_int_equal(seat_of(1), LIVENESS_ALIVE);
    peer_say(&peer, 'k');
    assert_int_equal(peer_hear(&peer), 'k');
    assert_true(until(seat_of(1) == LIVENESS_DEAD));
    peer_kill(&peer);
}

static void removed_is_gone(void **state) {
    (void)state;
    struct prober opened = prober;
    void *memory = join(2);
    assert_int_equal(liveness_probe(&opened, 2), LIVENESS_ALIVE);
    assert_int_equal(liveness_file(&opened), LIVENESS_ALIVE);
    shm_remove(scratch.path);
    for (int remade = 0; remade < 2; remade++) {
        struct prober fresh;
        struct death death;
        if (remade)
            make();
        prober_init(&fresh, scratch.path, &prober.identity);
        assert_int_equal(liveness_probe(&opened, 2), LIVENESS_GONE);
        assert_int_equal(liveness_file(&opened), LIVENESS_GONE);
        assert_int_equal(liveness_probe(&fresh, 2), LIVENESS_GONE);
        assert_int_equal(liveness_file(&fresh), LIVENESS_GONE);
        assert_int_equal(death_claim(&opened, 2, &death), RP_GONE);
        death_release(&death);
        prober_close(&fresh);
    }
    prober_close(&opened);
    leave(memory);
}

/* What a program does to descriptors that are not its own. The number may then name a file of the program: it must stay open. */
static void the_probers_descriptor_was_closed_or_reused(void **state) {
    (void)state;
    void *memory = join(2);
    assert_int_equal(seat_of(2), LIVENESS_ALIVE);
    close(prober.fd);
    assert_int_equal(seat_of(2), LIVENESS_ALIVE);
    assert_int_equal(seat_of(1), LIVENESS_DEAD);

    int number = prober.fd, theirs = open("/dev/null", O_RDWR);
    assert_int_equal(dup2(theirs, number), number);
    assert_int_equal(seat_of(2), LIVENESS_ALIVE);
    assert_int_not_equal(prober.fd, number);
    assert_int_equal(seat_of(1), LIVENESS_DEAD);
    assert_true(fcntl(number, F_GETFD) >= 0);

    int again = prober.fd;
    dup2(theirs, again);
    prober_close(&prober);
    assert_true(fcntl(again, F_GETFD) >= 0);

    shm_remove(scratch.path);
    assert_int_equal(seat_of(2), LIVENESS_GONE);
    close(theirs);
    close(number);
    close(again);
    leave(memory);
}

/* An answer that cannot be had is not a death. */
static void no_answer_without_descriptors(void **state) {
    (void)state;
    struct rlimit before, none;
    struct death death;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum liveness seat = seat_of(1), file = liveness_file(&prober);
    int claim = death_claim(&prober, 1, &death);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(seat, LIVENESS_UNKNOWN);
    assert_int_equal(file, LIVENESS_UNKNOWN);
    assert_int_equal(claim, -EMFILE);
    assert_int_equal(seat_of(1), LIVENESS_DEAD);
}

static void the_living_cannot_be_claimed(void **state) {
    (void)state;
    struct death death;
    void *memory = join(2);
    assert_int_equal(death_claim(&prober, 2, &death), -EAGAIN);
    death_release(&death);
    leave(memory);
    assert_int_equal(death_claim(&prober, 2, &death), 0);
    death_release(&death);
}

/* A recoverer: claims seat 2, says so, and releases it when told. */
static int recoverer(struct peer *test, void *argument) {
    (void)argument;
    struct death death;
    struct prober mine;
    prober_init(&mine, scratch.path, &prober.identity);
    peer_check(death_claim(&mine, 2, &death) == 0);
    for (int fd = 3; fd < 1024; fd++) /* the claim needs no descriptor */
        if (fd != test->in && fd != test->out)
            close(fd);
    peer_say(test, 'c');
    peer_hear(test);
    death_release(&death);
    peer_say(test, 'r');
    return peer_hear(test);
}

static void many_recoverers_at_once_and_no_newcomer(void **state) {
    (void)state;
    struct death death;
    struct peer other = peer_start(recoverer, NULL), doomed = peer_start(recoverer, NULL);
    assert_int_equal(peer_hear(&other), 'c');
    assert_int_equal(peer_hear(&doomed), 'c');
    assert_int_equal(death_claim(&prober, 2, &death), 0);
    assert_int_equal(seat_of(2), LIVENESS_DEAD);
    assert_null(join(2));

    void *neighbour = join(3);
    assert_non_null(neighbour);
    leave(neighbour);

    death_release(&death);
    death_release(&death);
    assert_null(join(2));
    peer_say(&other, 'r');
    assert_int_equal(peer_hear(&other), 'r');
    assert_null(join(2));
    peer_stop(&doomed);
    assert_null(join(2));
    peer_kill(&doomed);
    void *memory = NULL;
    assert_true(until((memory = join(2))));
    leave(memory);
    peer_kill(&other);
}

static int live_on(struct peer *test, void *argument) {
    (void)argument;
    peer_say(test, 'l');
    return peer_hear(test);
}

static void a_claim_is_not_inherited(void **state) {
    (void)state;
    struct death death;
    assert_int_equal(death_claim(&prober, 2, &death), 0);
    struct peer child = peer_start(live_on, NULL);
    assert_int_equal(peer_hear(&child), 'l');
    death_release(&death);
    void *memory = join(2);
    assert_non_null(memory);
    leave(memory);
    peer_kill(&child);
}

static a32 stop_forking;

static void *attach_and_leave(void *argument) {
    (void)argument;
    while (!load_acquire(&stop_forking, stop_forking)) {
        struct death death;
        void *memory = join(1);
        if (memory)
            leave(memory);
        if (death_claim(&prober, 2, &death) == 0)
            death_release(&death);
    }
    return NULL;
}

/* A fork in the middle of attaching would hand the lock to a child that does not know of it. */
static void no_fork_ever_catches_an_attachment(void **state) {
    (void)state;
    enum { CHILDREN = 60 };
    struct peer children[CHILDREN];
    pthread_t thread;
    store_relaxed(&stop_forking, 0, init);
    assert_int_equal(pthread_create(&thread, NULL, attach_and_leave, NULL), 0);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = peer_start(live_on, NULL);
        assert_int_equal(peer_hear(&children[i]), 'l');
    }
    store_release(&stop_forking, 1, stop_forking);
    pthread_join(thread, NULL);
    for (uint32_t seat = 1; seat <= 2; seat++) {
        void *memory = join(seat);
        assert_non_null(memory);
        leave(memory);
    }
    for (int i = 0; i < CHILDREN; i++)
        peer_kill(&children[i]);
}

#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_seat_is_alive_from_attach_to_unmap),
        TEST(a_seat_that_was_given_back_is_free),
        TEST(attaching_to_nothing_fails_and_lets_forks_go_on),
        TEST(killed),
        TEST(stopped_is_not_dead),
        TEST(ended),
        TEST(unmapped_in_a_living_process),
        TEST(another_program_by_exec),
        TEST(all_descriptors_closed),
        TEST(protected_memory),
        TEST(killed_while_a_child_lives_on),
        TEST(in_another_pid_namespace),
        TEST(removed_is_gone),
        TEST(the_probers_descriptor_was_closed_or_reused),
        TEST(no_answer_without_descriptors),
        TEST(the_living_cannot_be_claimed),
        TEST(many_recoverers_at_once_and_no_newcomer),
        TEST(a_claim_is_not_inherited),
        TEST(no_fork_ever_catches_an_attachment),
    };
    return cmocka_run_group_tests_name("liveness", tests, NULL, NULL);
}
