/* SPDX-License-Identifier: MIT */
/* A timer interrupts everything a thousand times a second, without SA_RESTART: no call may fail, hang, or come back early for that. */
#include "lab.h"

#include <sys/time.h>

static volatile sig_atomic_t ticks;
static volatile sig_atomic_t handler_forks;

static void on_tick(int signal_number) {
    (void)signal_number;
    int saved = errno;
    ticks++;
    if (handler_forks && ticks % 8 == 0) {
        pid_t pid = fork(); /* programs do; POSIX allowed it until 2024 */
        if (pid == 0)
            _exit(0);
    }
    errno = saved;
}

static void begin_storm(void) {
    struct sigaction on = {.sa_handler = on_tick}; /* no SA_RESTART */
    struct itimerval every_ms = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    sigaction(SIGALRM, &on, NULL);
    signal(SIGCHLD, SIG_IGN);
    setitimer(ITIMER_REAL, &every_ms, NULL);
}

static void end_storm(void) {
    struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, NULL);
    signal(SIGCHLD, SIG_DFL);
}

static int hold_a_tick(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    return peer_hear(test);
}

/* Blocking waits of every kind keep their time, within the machine's. */
static int waits(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_message m;
    struct rp_send_options patient;
    struct handles h = peer_open(0);
    begin_storm();
    for (int i = 0; i < 5; i++) {
        int64_t start = time_ns();
        peer_check(rp_receive(h.c, &m, 60 * MS) == RP_EMPTY);
        peer_check(time_ns() - start >= 59 * MS);
    }
    while (send_text(h.p, "full") == 0) {
    }
    rp_send_options_init(&patient, sizeof patient);
    patient.timeout_ns = 60 * MS;
    for (int i = 0; i < 5; i++) {
        int64_t start = time_ns();
        peer_check(rp_send(h.p, "x", 1, &patient) == RP_FULL);
        peer_check(time_ns() - start >= 59 * MS);
    }
    peer_check(rp_queue_interrupt(h.q) == 0); /* this, and nothing else, makes it -EINTR */
    peer_check(rp_send(h.p, "x", 1, &patient) == -EINTR);
    while (rp_receive(h.c, &m, 0) == 0)
        peer_succeeds(rp_ack(h.c, &m));
    peer_check(ticks > 10);
    end_storm();
    peer_close(&h);
    return 0;
}

/* Creation, with pages to reserve and to touch, attaching, detaching, removal. */
static int comes_and_goes(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_queue_options o = test_options();
    char name[80];
    rp_queue *q;
    snprintf(name, sizeof name, "%s.more", queue_name);
    o.capacity = 20000;
    o.message_bytes = 512;
    begin_storm();
    for (int i = 0; i < 5; i++) {
        peer_succeeds(rp_queue_create(name, &o, &q));
        peer_succeeds(rp_queue_unlink(name));
        peer_succeeds(rp_queue_close(q));
    }
    handler_forks = argument != NULL;
    ticks = 0;
    while (ticks < 200) {
        peer_succeeds(rp_queue_open(queue_name, NULL, &q));
        peer_succeeds(rp_queue_sweep(q));
        peer_succeeds(rp_queue_close(q));
    }
    end_storm();
    return 0;
}

/* Recovering the dead takes locks and descriptors. */
static int recovers(struct peer *test, void *argument) {
    (void)test;
    struct rp_message m;
    struct handles h = peer_open(0);
    handler_forks = argument != NULL;
    for (int i = 0; i < 10; i++) {
        peer_succeeds(send_text(h.p, "work"));
        struct peer holder = peer_start(hold_a_tick, NULL);
        peer_check(peer_hear(&holder) == 'h');
        peer_kill(&holder);
        begin_storm();
        peer_succeeds(rp_receive(h.c, &m, 20 * SECOND));
        peer_check(m.acquisitions == 2);
        peer_succeeds(rp_ack(h.c, &m));
        end_storm();
    }
    peer_close(&h);
    return 0;
}

static void in_a_storm(int (*body)(struct peer *test, void *argument), void *argument) {
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    struct peer peer = peer_start(body, argument);
    siginfo_t end = {0};
    if (!eventually(waitid(P_PID, (id_t)peer.pid, &end, WEXITED | WNOWAIT | WNOHANG) == 0 && end.si_pid == peer.pid)) {
        print_message("it hangs\n");
        kill(peer.pid, SIGKILL);
    }
    assert_int_equal(peer_end(&peer), 0);
    only_ready_is_left(q, 0);
    drop_queue(q);
}

static void waiting(void **state) {
    (void)state;
    in_a_storm(waits, NULL);
}

static void coming_and_going(void **state) {
    (void)state;
    in_a_storm(comes_and_goes, NULL);
}

static void recovery(void **state) {
    (void)state;
    in_a_storm(recovers, NULL);
}

/* The handler forks: inside rp_queue_open it must not meet a mutex that its own thread holds. */
static void a_handler_that_forks(void **state) {
    (void)state;
    if (LAB_SANITIZED)
        lab_skip("sanitizers have mutexes of their own around fork");
    in_a_storm(comes_and_goes, &(int){1});
    in_a_storm(recovers, &(int){1});
}

LAB_MAIN("signals", TEST(waiting), TEST(coming_and_going), TEST(recovery), TEST(a_handler_that_forks))
