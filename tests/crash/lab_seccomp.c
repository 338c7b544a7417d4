/* SPDX-License-Identifier: MIT */
/*
 * Kernels that are older, and sandboxes that are narrower, than the one the library was written on: each system call it might use is refused in turn. Then
 * everything works by another way, or the first call that cannot work says so. And the other way round: while nobody sleeps, a process that
 * is killed for any other call than those of a tick lives.
 */
#include "lab.h"
#include "lab_filter.h"

#include <linux/futex.h>

#ifndef SYS_access /* aarch64 and newer ones have no such calls */
#define SYS_access SYS_faccessat
#define SYS_readlink SYS_readlinkat
#define SYS_unlink SYS_unlinkat
#endif

enum outcome { WORKS, NO_CREATE, NO_OPEN, NO_UNLINK };

static const struct refusal {
    const char *what;
    struct filter_rule rules[3];
    enum outcome outcome;
} refusals[] = {
#define ANSWER(error) (SECCOMP_RET_ERRNO | (error))
#define CALL(name, error) \
    { .call = SYS_##name, .action = ANSWER(error) }
#define CALL_IF(name, error, n, bits, equal) \
    { .call = SYS_##name, .action = ANSWER(error), .argument = n, .mask = bits, .value = equal }
    /* Modern calls that the library does not need. */
    {"futex_waitv", {CALL(futex_waitv, ENOSYS)}, WORKS},
    {"memfd_create", {CALL(memfd_create, ENOSYS)}, WORKS},
    {"copy_file_range", {CALL(copy_file_range, ENOSYS)}, WORKS},
    {"openat2, statx", {CALL(openat2, ENOSYS), CALL(statx, ENOSYS)}, WORKS},
    {"close_range, pidfd_open, membarrier", {CALL(close_range, ENOSYS), CALL(pidfd_open, ENOSYS), CALL(membarrier, ENOSYS)}, WORKS},
    /* What has another way. */
    {"getrandom", {CALL(getrandom, ENOSYS)}, WORKS},
    {"prlimit64", {CALL(prlimit64, EPERM)}, WORKS},
    {"readlink", {CALL(readlink, EPERM), CALL(readlinkat, EPERM)}, WORKS},
    {"access", {CALL(access, EPERM), CALL(faccessat, EPERM), CALL(faccessat2, EPERM)}, WORKS},
    {"sched_yield", {CALL(sched_yield, ENOSYS)}, WORKS},
    {"O_TMPFILE (EOPNOTSUPP)", {CALL_IF(openat, EOPNOTSUPP, 2, 020000000, 020000000)}, WORKS},
    {"O_TMPFILE (EISDIR)", {CALL_IF(openat, EISDIR, 2, 020000000, 020000000)}, WORKS},
    {"renameat2", {CALL(renameat2, ENOSYS)}, WORKS},
    {"fallocate (EOPNOTSUPP)", {CALL(fallocate, EOPNOTSUPP)}, WORKS},
    {"MADV_POPULATE_WRITE", {CALL_IF(madvise, EINVAL, 2, UINT32_MAX, 23)}, WORKS},
    {"futex between processes", {CALL_IF(futex, ENOSYS, 1, FUTEX_PRIVATE_FLAG, 0)}, WORKS}, /* at the cost of spinning */
    /* What has none. */
    {"fallocate (ENOSYS)", {CALL(fallocate, ENOSYS)}, NO_CREATE},
    {"linkat", {CALL(linkat, EPERM)}, NO_CREATE},
    {"O_TMPFILE and renameat2", {CALL_IF(openat, EOPNOTSUPP, 2, 020000000, 020000000), CALL(renameat2, ENOSYS)}, NO_CREATE},
    {"statfs", {CALL(statfs, ENOSYS)}, NO_CREATE},
    {"fchmod", {CALL(fchmod, EPERM)}, NO_CREATE},
    {"madvise", {CALL(madvise, ENOSYS)}, NO_CREATE},
    {"fstat", {CALL_IF(newfstatat, ENOSYS, 3, 0x1000, 0x1000), CALL(fstat, ENOSYS)}, NO_CREATE},
    {"MADV_WIPEONFORK", {CALL_IF(madvise, EINVAL, 2, UINT32_MAX, 18)}, NO_OPEN},
    {"fstatfs", {CALL(fstatfs, ENOSYS)}, NO_OPEN},
    {"open file description locks", {CALL_IF(fcntl, EINVAL, 1, UINT32_MAX, 37)}, NO_OPEN},
    {"unlink", {CALL(unlink, EPERM), CALL(unlinkat, EPERM)}, NO_UNLINK},
};

/* In a sandbox without some calls, the error of the first that needs one: what is refused, and where. */
static bool refused(int result) {
    if (result < 0 && result > -4096 && rp_error_detail()[0] != 0)
        return true;
    fprintf(stderr, "an unclear error: %s: '%s'\n", rp_error_name(result), rp_error_detail());
    return false;
}

static int hold(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_say(test, 'h');
    return peer_hear(test);
}

/* A whole life, inherited refusals included. */
static int live(struct peer *test, void *argument) {
    (void)test;
    const struct refusal *r = argument;
    struct rp_queue_options o = test_options();
    struct rp_message m;
    rp_queue *q = NULL;
    size_t rules = 0;
    snprintf(queue_name, sizeof queue_name, "test.refused.%d.%d", (int)getppid(), (int)getpid());
    while (rules < 3 && r->rules[rules].action != 0)
        rules++;
    if (!filter_calls(r->rules, rules, SECCOMP_RET_ALLOW))
        return PEER_SKIP;
    int result = rp_queue_create(queue_name, &o, &q);
    if (r->outcome == NO_CREATE || r->outcome == NO_OPEN) {
        peer_check(refused(result));
        peer_check((rp_queue_unlink(queue_name) == 0) == (r->outcome == NO_OPEN)); /* it was made, but cannot be used */
        return 0;
    }
    peer_succeeds(result);
    struct handles h = peer_open(4);
    there_and_back(&h, 500);
    int64_t start = time_ns();
    peer_check(rp_receive(h.c, &m, 60 * MS) == RP_EMPTY && time_ns() - start >= 59 * MS);
    peer_succeeds(send_text(h.p, "work"));
    struct peer holder = peer_start(hold, NULL);
    peer_check(peer_hear(&holder) == 'h');
    peer_kill(&holder);
    peer_succeeds(rp_receive(h.c, &m, 20 * SECOND)); /* its death is noticed */
    peer_check(says(&m, "work") && m.acquisitions == 2);
    peer_succeeds(rp_ack(h.c, &m));
    peer_close(&h);
    struct rp_queue_stats s = stats_of(q);
    peer_check(s.free_cells == s.cells && s.participants == 1);
    result = rp_queue_unlink(queue_name);
    peer_check(r->outcome == NO_UNLINK ? refused(result) : result == 0);
    peer_succeeds(rp_queue_close(q));
    return 0;
}

enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

static void refused_calls(void **state) {
    (void)state;
    struct peer peers[REFUSALS];
    int wrong = 0, skipped = 0;
    if (LAB_SANITIZED)
        lab_skip("sanitizers make calls of their own");
    for (int i = 0; i < REFUSALS; i++)
        peers[i] = peer_start(live, (void *)(uintptr_t)&refusals[i]);
    for (int i = 0; i < REFUSALS; i++) {
        siginfo_t end = {0};
        if (!eventually(waitid(P_PID, (id_t)peers[i].pid, &end, WEXITED | WNOWAIT | WNOHANG) == 0 && end.si_pid == peers[i].pid))
            kill(peers[i].pid, SIGKILL);
        snprintf(queue_name, sizeof queue_name, "test.refused.%d.%d", (int)getpid(), (int)peers[i].pid);
        int status = peer_end(&peers[i]);
        rp_queue_unlink(queue_name);
        if (status != 0 && status != PEER_SKIP)
            print_message("without %s: ended with %d\n", refusals[i].what, status);
        wrong += status != 0 && status != PEER_SKIP;
        skipped += status == PEER_SKIP;
    }
    assert_int_equal(wrong, 0);
    if (skipped > 0)
        lab_skip("no seccomp here");
}

/* ---- killed for any call but those of housekeeping ---- */

enum { ROUNDS = 20000 };

static void all_of_the_hot_path(struct handles *h) {
    struct rp_message m[4];
    struct rp_send_item items[3] = {{.data = "b", .bytes = 1}, {.data = "c", .bytes = 1}, {.data = "d", .bytes = 1}};
    struct rp_loan loan;
    peer_check(rp_send(h->p, "a", 1, NULL) == 0 && rp_send_batch(h->p, items, 3) == 3);
    peer_check(rp_receive(h->c, &m[0], 0) == 0 && rp_receive_batch(h->c, &m[1], 3, 0) == 3);
    peer_check(rp_extend(h->c, &m[0], SECOND) == 0 && rp_ack(h->c, &m[0]) == 0 && rp_ack(h->c, &m[2]) == 0);
    peer_check(rp_nack(h->c, &m[1], NULL) == 0 && rp_reject(h->c, &m[3], "poison") == 0);
    peer_check(rp_loan(h->p, 8, &loan) == 0);
    memset(loan.data, 'l', 8);
    peer_check(rp_commit(h->p, &loan, NULL) == 0);
    for (int i = 0; i < 2; i++)
        peer_check(rp_receive(h->c, &m[i], -1) == 0 && rp_ack(h->c, &m[i]) == 0);
    peer_check(rp_receive(h->c, m, 0) == RP_EMPTY);
    peer_check(rp_loan(h->p, 8, &loan) == 0 && rp_abandon(h->p, &loan) == 0);
}

static int under_penalty_of_death(struct peer *test, void *argument) {
    (void)test, (void)argument;
    static const struct filter_rule allowed[] = {
        {.call = SYS_fcntl,
         .action = SECCOMP_RET_ALLOW,
         .argument = 1,
         .mask = UINT32_MAX,
         .value = 36},                                         /* F_OFD_GETLK: who is alive? */
        {.call = SYS_newfstatat, .action = SECCOMP_RET_ALLOW}, /* is the name still there? */
        {.call = SYS_fstat, .action = SECCOMP_RET_ALLOW},
        {.call = SYS_exit_group, .action = SECCOMP_RET_ALLOW},
    };
    struct handles h = peer_open(0);
    int64_t start = time_ns();
    while (time_ns() - start < 120 * MS) /* a tick, which opens the prober's descriptor */
        all_of_the_hot_path(&h);
    if (!filter_calls(allowed, sizeof allowed / sizeof allowed[0], SECCOMP_RET_KILL_PROCESS))
        return PEER_SKIP;
    start = time_ns();
    for (int i = 0; i < ROUNDS || time_ns() - start < 300 * MS; i++) /* some more ticks */
        all_of_the_hot_path(&h);
    return 0;
}

static void no_other_call_while_nobody_sleeps(void **state) {
    (void)state;
    if (LAB_SANITIZED)
        lab_skip("sanitizers make calls of their own");
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    lab_ended_well(peer_run(under_penalty_of_death, NULL), "no seccomp here");
    succeeds(rp_dead_purge(q, NULL, NULL));
    only_ready_is_left(q, 0);
    drop_queue(q);
}

LAB_MAIN("seccomp", TEST(refused_calls), TEST(no_other_call_while_nobody_sleeps))
