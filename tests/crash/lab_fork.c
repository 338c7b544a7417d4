/* SPDX-License-Identifier: MIT */
/*
 * Children of every kind. A child that lives on must not make its dead parent look alive: locks belong to open file descriptions, and those are
 * inherited. A child that dies must not make its living parent look dead.
 */
#include "lab_children.h"
#include "liveness.h"

static rp_queue *q;
static rp_producer *p;

static void setup_queue(uint32_t capacity) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
}

static void drop(void) {
    rp_producer_close(p);
    drop_queue(q);
}

/* Holds a message, what it sent half, and a child; then waits to be killed. */
static int holder_with_a_child(struct peer *test, void *argument) {
    struct rp_message m;
    struct rp_loan loan;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_succeeds(rp_loan(h.p, 8, &loan));
    bear(test, *(const char *)argument);
    peer_say(test, 'r');
    wait_to_be_killed();
}

static void a_child_that_lives_on(void **state) {
    (void)state;
    static const char kinds[] = "fegsvrF_";
    setup_queue(16);
    succeeds(send_text(p, "work"));
    for (const char *kind = kinds; *kind; kind++) {
        struct peer parent = peer_start(holder_with_a_child, (void *)(uintptr_t)kind);
        assert_int_equal(peer_hear(&parent), 'r');
        assert_int_equal(stats_of(q).leased, 1);
        assert_int_equal(stats_of(q).owned_cells, 1);
        kill(parent.pid, SIGKILL);
        waitpid(parent.pid, NULL, 0);
        if (!eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 1))
            print_message("the child '%c' keeps its parent's seat\n", *kind);
        only_ready_is_left(q, 1);
        peer_say(&parent, 'x');
        assert_int_equal(peer_hear(&parent), 'x'); /* it lives all the while */
        close(parent.out);
        assert_int_equal(peer_hear(&parent), 0); /* and ends */
        close(parent.in);
    }
    drop();
}

/* A vfork child has the parent's memory, so it could still write to the queue: until its end the seat is not dead. */
static int suspended_by_vfork(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, 0));
    if (vfork() == 0) {
        char byte = 'v';
        if (write(test->out, &byte, 1) == 1)
            while (read(test->in, &byte, 1) == 1 && write(test->out, &byte, 1) == 1) {
            }
        _exit(0);
    }
    return 0;
}

static void a_child_with_the_same_memory(void **state) {
    (void)state;
    if (LAB_SANITIZED)
        lab_skip("sanitizers make a fork of vfork");
    setup_queue(16);
    succeeds(send_text(p, "work"));
    struct peer parent = peer_start(suspended_by_vfork, NULL);
    assert_int_equal(peer_hear(&parent), 'v');
    kill(parent.pid, SIGKILL);
    waitpid(parent.pid, NULL, 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(rp_queue_sweep(q), 0);
    assert_int_equal(stats_of(q).leased, 1);
    close(parent.out);
    assert_int_equal(peer_hear(&parent), 0);
    only_ready_is_left(q, 1);
    close(parent.in);
    drop();
}

/*
 * The limit: _Fork and a bare clone run no pthread_atfork handlers. If one comes between attach_begin and attach_end, a matter of microseconds in another
 * thread, its child has the description, and the seat is held until the child's end or exec.
 */
static int caught_in_attaching(struct peer *test, void *argument) {
    (void)argument;
    struct attach a;
    void *memory;
    char path[SHM_PATH_MAX];
    peer_check(shm_path(queue_name, path) == 0 && attach_begin(path, false, &a) == 0);
    peer_check(shm_map(a.fd, 4096, false, &memory) == 0 && attach_lock(&a, 5) == 0);
    pid_t pid = _Fork();
    if (pid == 0)
        echo(test);
    attach_end(&a);
    peer_say(test, 'r');
    wait_to_be_killed();
}

static void a_child_that_runs_no_fork_handlers(void **state) {
    (void)state;
    char path[SHM_PATH_MAX];
    struct shm_identity identity;
    struct prober prober;
    uint64_t bytes;
    setup_queue(16);
    assert_int_equal(shm_path(queue_name, path), 0);
    int fd = shm_open_file(path, true);
    assert_true(shm_stat(fd, &identity, &bytes) > 0);
    close(fd);
    prober_init(&prober, path, &identity);
    struct peer parent = peer_start(caught_in_attaching, NULL);
    assert_int_equal(peer_hear(&parent), 'r');
    kill(parent.pid, SIGKILL);
    waitpid(parent.pid, NULL, 0);
    peer_say(&parent, 'x');
    assert_int_equal(peer_hear(&parent), 'x');
    assert_int_equal(liveness_probe(&prober, 5), LIVENESS_ALIVE);
    close(parent.out);
    assert_int_equal(peer_hear(&parent), 0);
    assert_true(eventually(liveness_probe(&prober, 5) == LIVENESS_DEAD));
    close(parent.in);
    prober_close(&prober);
    drop();
}

/* exec keeps the pid, and gives up everything else. */
static int become_another_program(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct rp_loan loan;
    struct handles h = peer_open(4);
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_succeeds(rp_loan(h.p, 8, &loan));
    peer_say(test, 'r');
    peer_hear(test);
    become_cat(test);
}

static void a_process_that_becomes_another_program(void **state) {
    (void)state;
    setup_queue(16);
    succeeds(send_text(p, "work"));
    struct peer peer = peer_start(become_another_program, NULL);
    assert_int_equal(peer_hear(&peer), 'r');
    assert_int_equal(stats_of(q).participants, 2);
    peer_say(&peer, 'e');
    peer_say(&peer, 'x');
    assert_int_equal(peer_hear(&peer), 'x');
    only_ready_is_left(q, 1);
    assert_int_equal(kill(peer.pid, 0), 0);
    peer_kill(&peer);
    drop();
}

/* ---- children that die ---- */

static struct handles inherited;
static struct rp_message held;

static void child_that_ends(int how) {
    struct rp_message m;
    peer_check(rp_receive(inherited.c, &m, -1) == RP_FORKED);
    peer_check(rp_ack(inherited.c, &held) == RP_FORKED);
    switch (how) {
    case 0: exit(0); /* with what atexit holds */
    case 1: kill(getpid(), SIGKILL); break;
    case 2: execl("/bin/true", "true", (char *)NULL); break;
    case 3: closefrom(0); break;
    case 4: munmap((void *)((uintptr_t)held.data & ~(uintptr_t)4095), 4096); break;
    default: { /* its own attachment, and a death with that */
        struct handles own = peer_open(0);
        peer_succeeds(rp_send(own.p, "child", 6, NULL));
        peer_succeeds(rp_receive(own.c, &m, 0));
        kill(getpid(), SIGKILL);
    }
    }
    _exit(0);
}

static int parent_of_the_dead(struct peer *test, void *argument) {
    (void)argument;
    enum { WAYS = 6 };
    struct rp_loan loan;
    inherited = peer_open(0);
    peer_succeeds(rp_receive(inherited.c, &held, 0));
    peer_succeeds(rp_loan(inherited.p, 8, &loan));
    memcpy(loan.data, "on loan", 8);
    for (int how = 0; how < WAYS; how++) {
        pid_t pid = fork();
        if (pid == 0)
            child_that_ends(how);
        waitpid(pid, NULL, 0);
        peer_say(test, 'c');
        peer_check(peer_hear(test) == 'g');
    }
    peer_check(says(&held, "work"));
    peer_succeeds(rp_ack(inherited.c, &held));
    peer_succeeds(rp_commit(inherited.p, &loan, NULL));
    peer_close(&inherited);
    return 0;
}

static void children_that_die(void **state) {
    (void)state;
    setup_queue(16);
    succeeds(send_text(p, "work"));
    struct peer parent = peer_start(parent_of_the_dead, NULL);
    for (int how = 0; peer_hear(&parent) == 'c'; how++) {
        assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 2));
        assert_int_equal(stats_of(q).participants_dead, 0);
        assert_int_equal(stats_of(q).leased, 1);
        assert_int_equal(stats_of(q).owned_cells, 1);
        peer_say(&parent, 'g');
        if (how >= 6)
            break;
    }
    assert_int_equal(peer_end(&parent), 0);
    only_ready_is_left(q, 2); /* the loan, and the last child's */
    drop();
}

LAB_MAIN("forks", TEST(a_child_that_lives_on), TEST(a_child_with_the_same_memory), TEST(a_child_that_runs_no_fork_handlers),
         TEST(a_process_that_becomes_another_program), TEST(children_that_die))
