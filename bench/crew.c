/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crew.h"

#include "machine.h"

#include <ringpost/error.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUEUES_MAX = 256, STALL_CHECK_S = 5, STALL_CHECKS = 12 };

/* What the signal handlers need; written before it can matter, by the parent only. */
static const char *crew_program = "bench";
static char queue_files[QUEUES_MAX][CREW_NAME_MAX + 24];
static volatile sig_atomic_t queue_file_count;
static volatile pid_t children[CREW_CHILDREN_MAX];
static volatile sig_atomic_t child_count, children_running;
static volatile sig_atomic_t checks_without_progress;
static pid_t parent_pid;

static void say(const char *text) {
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

/* Async-signal-safe. */
static void clean_up(void) {
    for (int i = 0; i < child_count; i++) {
        if (children[i] != 0) {
            kill(children[i], SIGKILL);
        }
    }
    for (int i = 0; i < queue_file_count; i++) {
        unlink(queue_files[i]);
    }
}

static void on_fatal_signal(int signal_number) {
    clean_up();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void on_child(int signal_number) {
    (void)signal_number;
    int saved_errno = errno;
    for (int i = 0; i < child_count; i++) {
        int status;
        if (children[i] == 0 || waitpid(children[i], &status, WNOHANG) != children[i]) {
            continue;
        }
        children[i] = 0;
        children_running--;
        if (status != 0) {
            say("bench: a party ended early\n");
            clean_up();
            _exit(1);
        }
    }
    errno = saved_errno;
}

/* Counts ticks of its own, so that a benchmark which is itself stopped for an hour is not taken for stalled. */
static void on_stall_check(int signal_number) {
    (void)signal_number;
    if (++checks_without_progress >= STALL_CHECKS) {
        say("bench: stalled, no slice ended for a minute: a message or a wake-up was lost\n");
        clean_up();
        _exit(1);
    }
}

static void handle(int signal_number, void (*handler)(int)) {
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigfillset(&a.sa_mask); /* clean_up() kills the children; the first cause is the one to report */
    sigaction(signal_number, &a, NULL);
}

static const int fatal_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

void crew_begin(const char *program) {
    crew_program = program;
    parent_pid = getpid();
    for (size_t i = 0; i < sizeof fatal_signals / sizeof *fatal_signals; i++) {
        handle(fatal_signals[i], on_fatal_signal);
    }
    handle(SIGCHLD, on_child);
    handle(SIGALRM, on_stall_check);
    struct itimerval every = {.it_interval = {.tv_sec = STALL_CHECK_S}, .it_value = {.tv_sec = STALL_CHECK_S}};
    setitimer(ITIMER_REAL, &every, NULL);
}

void crew_progress(void) { checks_without_progress = 0; }

void crew_queue_name(char name[CREW_NAME_MAX], const char *suffix) {
    snprintf(name, CREW_NAME_MAX, "%.16s-%ld-%.20s", crew_program, (long)getpid(), suffix);
    if (queue_file_count == QUEUES_MAX) {
        crew_fail("more than %d queues", QUEUES_MAX);
    }
    snprintf(queue_files[queue_file_count], sizeof queue_files[0], "/dev/shm/ringpost.%s", name);
    queue_file_count++;
}

void *crew_share(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED) {
        crew_fail("no %zu bytes of shared memory: %s", bytes, strerror(errno));
    }
    return p;
}

static _Noreturn void run_child(int cpu, void (*body)(void *), void *argument) {
    child_count = 0;
    queue_file_count = 0;
    for (size_t i = 0; i < sizeof fatal_signals / sizeof *fatal_signals; i++) {
        signal(fatal_signals[i], SIG_DFL);
    }
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the parent ends us */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid || !machine_pin(cpu)) {
        _exit(1);
    }
    body(argument);
    _exit(0);
}

void crew_fork(int cpu, void (*body)(void *), void *argument) {
    if (child_count == CREW_CHILDREN_MAX) {
        crew_fail("more than %d processes", CREW_CHILDREN_MAX);
    }
    fflush(NULL);
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* so that a child which ends at once is already in the list */
    pid_t pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        run_child(cpu, body, argument);
    }
    if (pid > 0) {
        children[child_count++] = pid;
        children_running++;
    }
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        crew_fail("fork: %s", strerror(error));
    }
}

void crew_join(void) {
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &before);
    while (children_running > 0) {
        sigsuspend(&before);
    }
    child_count = 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

_Noreturn void crew_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s\n", crew_program, text);
    fflush(NULL);
    clean_up();
    _exit(1);
}

int crew_check(int result, const char *call) {
    if (result < 0) {
        const char *detail = rp_error_detail();
        crew_fail("%s: %s: %s%s%s", call, rp_error_name(result), rp_error_text(result), *detail != 0 ? ": " : "", detail);
    }
    return result;
}
