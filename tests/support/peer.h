/* SPDX-License-Identifier: MIT */
/*
 * Tests with real processes. A peer is a forked child that runs a function and talks with the test in single bytes; the test may
 * stop or kill it anywhere. Nothing sleeps for a guessed time: a test waits for a byte, an exit, or a condition with a deadline.
 */
#ifndef SUPPORT_PEER_H
#define SUPPORT_PEER_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PEER_DEADLINE_S = 120, PEER_SKIP = 77 }; /* it ends what hangs; on a busy machine much takes long */

/* True as soon as `condition` is; false if it is still not at the deadline. */
#define until(condition)                                             \
    __extension__({                                                  \
        time_t until_end = time(NULL) + PEER_DEADLINE_S;             \
        bool until_met;                                              \
        while (!(until_met = (condition)) && time(NULL) < until_end) \
            sched_yield();                                           \
        until_met;                                                   \
    })

/* In a peer, where the test framework's assertions do not work: ends it with status 1 and a line that says where. */
#define peer_check(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: peer: not so: %s\n", __FILE__, __LINE__, #condition), _exit(1)))

struct peer {
    pid_t pid;
    int in, out;
};

static inline void peer_say(struct peer *p, char byte) {
    if (write(p->out, &byte, 1) != 1)
        fprintf(stderr, "peer %d does not listen\n", (int)p->pid);
}

/* The next byte; 0 when the other side is gone or silent for too long. */
static inline char peer_hear(struct peer *p) {
    char byte;
    struct pollfd input = {.fd = p->in, .events = POLLIN};
    int ready;
    do
        ready = poll(&input, 1, PEER_DEADLINE_S * 1000);
    while (ready < 0 && errno == EINTR);
    return ready == 1 && read(p->in, &byte, 1) == 1 ? byte : 0;
}

/* Runs `body` in a child, which exits with its result. In the child the peer is the test; it dies with the test. */
static inline struct peer peer_start(int (*body)(struct peer *test, void *argument), void *argument) {
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0)
        abort();
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent && getppid() != 0) /* 0: a parent outside this pid namespace */
            _exit(1);
        signal(SIGPIPE, SIG_IGN);
        struct peer test = {.pid = parent, .in = down[0], .out = up[1]};
        _exit(body(&test, argument));
    }
    close(down[0]);
    close(up[1]);
    return (struct peer){.pid = pid, .in = up[0], .out = down[1]};
}

/* Waits for the end: the exit status, or -signal. */
static inline int peer_end(struct peer *p) {
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(p->in);
    close(p->out);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void peer_kill(struct peer *p) {
    kill(p->pid, SIGKILL);
    peer_end(p);
}

/* Returns when the peer has stopped. */
static inline void peer_stop(struct peer *p) {
    kill(p->pid, SIGSTOP);
    while (waitpid(p->pid, NULL, WUNTRACED) < 0 && errno == EINTR) {
    }
}

/* Runs `body` to its end. */
static inline int peer_run(int (*body)(struct peer *test, void *argument), void *argument) {
    struct peer p = peer_start(body, argument);
    return peer_end(&p);
}

#endif
