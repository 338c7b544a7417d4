/* SPDX-License-Identifier: MIT */
/*
 * While nobody sleeps, send, receive and ack neither enter the kernel nor allocate. Counted from outside: system calls by a tracer, allocations by
 * the linker (--wrap).
 */
#include "fixture.h"
#include "handle.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>

enum { MESSAGES = 1000, HOUSEKEEPING_MAX = 30 /* what a tick may need */, MARK = SYS_getppid };

static unsigned long allocations;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void *__wrap_malloc(size_t bytes) {
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes) {
    allocations++;
    return __real_calloc(n, bytes);
}

void *__wrap_realloc(void *old, size_t bytes) {
    allocations++;
    return __real_realloc(old, bytes);
}

/* Every way of the hot path, once. */
static void there_and_back(struct handles *h) {
    struct rp_message m[4];
    struct rp_send_item items[4] = {{.data = "b", .bytes = 1}, {.data = "c", .bytes = 1}, {.data = "d", .bytes = 1}};
    struct rp_loan loan;
    peer_check(rp_send(h->p, "a", 1, NULL) == 0 && rp_send_batch(h->p, items, 3) == 3);
    for (int i = 0; i < 4; i++)
        peer_check(rp_receive(h->c, &m[i], 0) == 0);
    for (int i = 0; i < 4; i++)
        peer_check(rp_ack(h->c, &m[i]) == 0);
    peer_check(rp_loan(h->p, 8, &loan) == 0);
    memset(loan.data, 'l', 8);
    peer_check(rp_commit(h->p, &loan, NULL) == 0);
    peer_check(rp_receive_batch(h->c, m, 4, 0) == 1);
    peer_check(rp_extend(h->c, m, SECOND) == 0 && rp_ack(h->c, m) == 0);
    peer_check(rp_receive(h->c, m, 0) == RP_EMPTY);
}

static int worker(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    there_and_back(&h);
    peer_say(test, 'r');
    peer_hear(test); /* the tracer is there */
    syscall(MARK);
    unsigned long before = allocations;
    for (int i = 0; i < MESSAGES; i++)
        there_and_back(&h);
    unsigned long during = allocations - before;
    syscall(MARK);
    peer_say(test, during == 0 ? '0' : '+');
    return peer_hear(test);
}

/* Runs it to its next system call. -> the call's number; -1: it ended. */
static long next_call(pid_t pid) {
    struct __ptrace_syscall_info info;
    int status;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, NULL, 0L) != 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            return -1;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80))
            continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY)
            return (long)info.entry.nr;
    }
}

static void no_system_call_and_no_allocation(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they enter the kernel and allocate as they like */
#endif
    struct rp_queue_options o = test_options();
    unsigned long calls = 0, wakes = 0;
    long call;
    rp_queue *q = make_queue(&o);
    struct peer peer = peer_start(worker, NULL);
    assert_int_equal(peer_hear(&peer), 'r');
    if (ptrace(PTRACE_SEIZE, peer.pid, NULL, PTRACE_O_TRACESYSGOOD) != 0) {
        print_message("no permission to trace\n");
        peer_kill(&peer);
        drop_queue(q);
        skip();
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, peer.pid, NULL, NULL), 0);
    assert_int_equal(waitpid(peer.pid, NULL, 0), peer.pid);
    peer_say(&peer, 'g');
    while ((call = next_call(peer.pid)) != MARK)
        assert_int_not_equal(call, -1);
    int64_t start = time_ns();
    while ((call = next_call(peer.pid)) != MARK) {
        assert_int_not_equal(call, -1);
        calls++;
        wakes += call == SYS_futex;
    }
    int64_t ticks = 2 + (time_ns() - start) / (TICK_MS * MS); /* on a busy machine it takes longer, and more ticks */
    assert_int_equal(ptrace(PTRACE_DETACH, peer.pid, NULL, NULL), 0);
    assert_int_equal(peer_hear(&peer), '0');
    print_message("%d messages, %lu system calls (housekeeping), %lu of them futexes, no allocation\n", 5 * MESSAGES, calls, wakes);
    assert_int_equal(wakes, 0);
    assert_true(calls <= (uint64_t)ticks * HOUSEKEEPING_MAX);
    peer_kill(&peer);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(no_system_call_and_no_allocation),
    };
    return cmocka_run_group_tests_name("quiet", tests, NULL, NULL);
}
