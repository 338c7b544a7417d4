/* SPDX-License-Identifier: MIT */
/*
 * A producer with an id is killed after instruction k of a send, and of opening, sending and closing. Its heir knows what became of it: he sends what is missing, and nothing twice.
 */
#include "fixture.h"

#include <errno.h>
#include <sys/ptrace.h>

enum { SEND, LEND, LIFE, OPERATIONS };
static const char *const names[OPERATIONS] = {"rp_send", "rp_commit, delayed", "open, send, close"};
enum { DEATHS = 60 }; /* of each operation, evenly; with --all after each instruction, which takes long */

static rp_queue *q;
static rp_consumer *c;

static rp_producer *open_as(rp_queue *queue) {
    struct rp_producer_options o;
    rp_producer *p = NULL;
    rp_producer_options_init(&o, sizeof o);
    o.id = "meter";
    o.id_bytes = 5;
    if (named(rp_producer_open(queue, &o, &p), "rp_producer_open", __FILE__, __LINE__) < 0)
        exit(1);
    return p;
}

static int send_number(rp_producer *p, uint64_t n, bool lent) {
    struct rp_send_options o;
    struct rp_loan loan;
    rp_send_options_init(&o, sizeof o);
    o.sequence = n;
    if (!lent)
        return rp_send(p, &n, sizeof n, &o);
    o.delay_ns = 1000;
    if (rp_loan(p, sizeof n, &loan) < 0)
        return -EIO;
    memcpy(loan.data, &n, sizeof n);
    return rp_commit(p, &loan, &o);
}

/* The victim, from its stop on. */
static void live(unsigned operation, uint64_t n) {
    rp_queue *mine;
    rp_producer *p = NULL;
    if (rp_queue_open(queue_name, NULL, &mine) < 0)
        _exit(3);
    if (operation != LIFE)
        p = open_as(mine);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(PEER_SKIP);
    raise(SIGSTOP);
    if (operation == LIFE)
        p = open_as(mine);
    int result = send_number(p, n, operation == LEND);
    if (operation == LIFE)
        rp_producer_close(p);
    _exit(result == 0 ? 0 : 2);
}

/* Lets it do `*steps` instructions and kills it. 1: killed; 0: it had ended by itself, after *steps; -1: processes may not be traced here. */
static int die_after(unsigned operation, uint64_t n, unsigned *steps) {
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        live(operation, n);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(1);
    if (WIFEXITED(status) && WEXITSTATUS(status) == PEER_SKIP)
        return -1;
    unsigned limit = *steps;
    for (*steps = 0; *steps < limit && WIFSTOPPED(status); ++*steps)
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
            exit(1);
    if (!WIFSTOPPED(status)) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "the victim ended with status %x\n", (unsigned)status);
            exit(1);
        }
        return 0;
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status)) {
    }
    return 1;
}

static void check(bool so, const char *what, unsigned operation, unsigned steps) {
    if (so)
        return;
    fprintf(stderr, "%s, killed after %u instructions: %s\n", names[operation], steps, what);
    rp_queue_unlink(queue_name);
    exit(1);
}

/* -> how many messages there were; all of them the sequence n. */
static unsigned receive(uint64_t n, unsigned operation, unsigned steps) {
    struct rp_message m;
    unsigned count = 0;
    while (rp_receive(c, &m, count == 0 ? SECOND : 2 * MS) == 0) {
        check(m.bytes == sizeof n && memcmp(m.data, &n, sizeof n) == 0, "another message", operation, steps);
        check(rp_ack(c, &m) == 0, "an ack is refused", operation, steps);
        count++;
    }
    return count;
}

static void heir(unsigned operation, unsigned steps, uint64_t n, bool killed, unsigned *before, unsigned *after) {
    rp_producer *p = open_as(q);
    uint64_t last;
    check(rp_producer_sequence(p, &last) == 0 && (last == n || last == n - 1), "the last sequence", operation, steps);
    check(killed || last == n, "it was sent, and is not known to be", operation, steps);
    check(send_number(p, n, false) == (last == n ? RP_DUPLICATE : 0), "the heir's send", operation, steps);
    rp_producer_close(p);
    check(receive(n, operation, steps) == 1, "not once", operation, steps);
    ++*(last == n ? after : before);
}

int main(int argc, char **argv) {
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 4;
    o.message_bytes = 64;
    o.lease_ns = 0;
    o.max_participants = 4;
    o.prefault = 0;
    snprintf(queue_name, sizeof queue_name, "test.sequence.%d", (int)getpid());
    rp_queue_unlink(queue_name);
    if (rp_queue_create(queue_name, &o, &q) != 0 || rp_consumer_open(q, NULL, &c) != 0)
        return 1;
    uint64_t n = 1;
    for (unsigned operation = 0; operation < OPERATIONS; operation++) {
        unsigned before = 0, after = 0, total = UINT32_MAX;
        if (die_after(operation, n, &total) < 0) {
            rp_queue_unlink(queue_name);
            return PEER_SKIP;
        }
        heir(operation, total, n++, false, &before, &after);
        before = after = 0;
        unsigned stride = all || total < DEATHS ? 1 : total / DEATHS;
        for (unsigned at = (unsigned)getpid() % stride; at < total; at += stride, n++) {
            unsigned steps = at;
            bool killed = die_after(operation, n, &steps) > 0;
            heir(operation, steps, n, killed, &before, &after);
        }
        printf("%s: %u instructions; %u deaths before its commit, %u after\n", names[operation], total, before, after);
        fflush(stdout);
        check(before > 0 && after > 0, "the deaths are all on one side", operation, 0);
    }
    rp_consumer_close(c);
    struct rp_audit audit;
    check(rp_queue_sweep(q) >= 0 && rp_queue_audit(q, &audit) == 0 && audit.violations == 0 && audit.repairable == 0, "the audit",
          0, 0);
    rp_queue_close(q);
    rp_queue_unlink(queue_name);
    return 0;
}
