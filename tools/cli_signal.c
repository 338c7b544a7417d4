/* SPDX-License-Identifier: MIT */
/* Signals: the first one asks to stop in order, the second one to stop now. Handlers count and interrupt the library's waits. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define STOP_SIGNALS (sizeof stop_signals / sizeof stop_signals[0])

static volatile sig_atomic_t stop_count;
static volatile sig_atomic_t stop_first;
static volatile sig_atomic_t signal_count;
static rp_queue *volatile interrupted;

/* What the program inherited and its children shall get. */
static sigset_t original_mask;
static bool original_known;

static void on_signal(int number) {
    rp_queue *q = interrupted;
    int saved = errno;
    if (number != SIGCHLD) {
        if (!stop_first)
            stop_first = number;
        stop_count = stop_count + 1;
    }
    signal_count = (sig_atomic_t)(((unsigned)signal_count + 1) & 0x3fffffff);
    if (q)
        rp_queue_interrupt(q);
    errno = saved;
}

static void handle(int number, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = flags; /* without SA_RESTART: reads and writes end with EINTR */
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void remember_mask(void) {
    if (original_known)
        return;
    sigprocmask(SIG_SETMASK, NULL, &original_mask);
    original_known = true;
}

/* Lets a signal through whatever the parent left blocked. */
static void unblock(int number) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void cli_signals_install(rp_queue *q) {
    remember_mask();
    interrupted = q;
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        struct sigaction old;
        sigaction(stop_signals[i], NULL, &old);
        /* nohup, and `&` in a script, mean that it is to be ignored */
        if (stop_signals[i] != SIGTERM && old.sa_handler == SIG_IGN)
            continue;
        handle(stop_signals[i], 0);
        unblock(stop_signals[i]);
    }
}

void cli_signals_watch_children(void) {
    remember_mask();
    handle(SIGCHLD, SA_NOCLDSTOP);
    unblock(SIGCHLD);
}

void cli_signals_release(void) { interrupted = NULL; }

void cli_signals_reset_in_child(void) {
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        struct sigaction old;
        sigaction(stop_signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN)
            signal(stop_signals[i], SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &original_mask, NULL);
}

int cli_stop_count(void) { return stop_count; }

int cli_stop_status(void) { return 128 + stop_first; }

unsigned cli_signals_seen(void) { return (unsigned)signal_count; }

void cli_signals_wait(unsigned *seen, int64_t timeout_ns) {
    sigset_t all, before;
    struct timespec time = {.tv_sec = timeout_ns / (int64_t)CLI_NS_PER_S, .tv_nsec = timeout_ns % (int64_t)CLI_NS_PER_S};
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    if (*seen == (unsigned)signal_count)
        ppoll(NULL, 0, timeout_ns < 0 ? NULL : &time, &before);
    *seen = (unsigned)signal_count;
    sigprocmask(SIG_SETMASK, &before, NULL);
}
