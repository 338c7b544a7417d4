/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crew.h"

#include "machine.h"
#include "tree.h"

#include <ringpost/error.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 256, STALL_CHECK_S = 1, STALL_S = 60 };

/* What all processes of a run write to and the first one cleans up from: a trial may be killed before it can. */
struct record {
    _Atomic unsigned count; /* of files, those that are being entered included */
    struct {
        _Atomic bool entered;
        char path[CREW_PATH_MAX];
    } files[FILES_MAX];
    _Atomic bool failed; /* in the present trial; the first to set it writes the reason */
    char reason[CREW_REASON_MAX];
};

/* What the signal handlers need; written before it can matter. */
static const char *crew_program = "bench";
static struct record *record;
static volatile pid_t children[CREW_CHILDREN_MAX];
static volatile sig_atomic_t child_count, children_running;
static volatile pid_t trial; /* 0: none */
static volatile sig_atomic_t stall_checks_left, stall_checks;
static bool in_trial;
static int policy = SCHED_OTHER, priority; /* that we were started with */
static pid_t run_pid, parent_pid;          /* the first process, and of a child the one that forks it */

/* The first cause is the one to report. Async-signal-safe; `text` ends in a newline. */
static void say(const char *text) {
    if (!in_trial) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    } else if (!atomic_exchange(&record->failed, true)) {
        size_t length = strcspn(text, "\n");
        length = length < CREW_REASON_MAX ? length : CREW_REASON_MAX - 1;
        memcpy(record->reason, text, length);
        record->reason[length] = 0;
    }
}

/* Async-signal-safe. A trial's files are removed by whoever runs the trial. */
static void clean_up(void) {
    for (int i = 0; i < child_count; i++) {
        if (children[i] != 0) {
            kill(children[i], SIGKILL);
        }
    }
    if (trial != 0) {
        kill(trial, SIGKILL);
    }
    for (unsigned i = 0; record != NULL && !in_trial && i < FILES_MAX; i++) {
        if (atomic_load(&record->files[i].entered)) {
            unlink(record->files[i].path);
        }
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
    if (--stall_checks_left <= 0) {
        say("bench: stalled, nothing ended for too long: a message or a wake-up was lost\n");
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

/* Under a real-time policy parties that spin for ever would keep us from noticing it: whoever leads stands above them. */
static void stand_above(void) {
    struct sched_param s;
    if (policy != SCHED_OTHER && sched_getparam(0, &s) == 0 && s.sched_priority < sched_get_priority_max(policy)) {
        s.sched_priority++;
        sched_setscheduler(0, policy, &s);
    }
}

void crew_schedule(bool ordinary) {
    int wanted = ordinary ? SCHED_OTHER : policy;
    struct sched_param s = {.sched_priority = ordinary ? 0 : priority};
    if (policy != SCHED_OTHER && sched_setscheduler(0, wanted, &s) != 0) {
        crew_fail("sched_setscheduler: %s", strerror(errno));
    }
}

/* This process forks a crew from now on. */
static void lead(unsigned stall_s) {
    stand_above();
    parent_pid = getpid();
    stall_checks = stall_checks_left = (sig_atomic_t)((stall_s + STALL_CHECK_S - 1) / STALL_CHECK_S);
    for (size_t i = 0; i < sizeof fatal_signals / sizeof *fatal_signals; i++) {
        handle(fatal_signals[i], on_fatal_signal);
    }
    handle(SIGCHLD, on_child);
    handle(SIGALRM, on_stall_check);
    struct itimerval every = {.it_interval = {.tv_sec = STALL_CHECK_S}, .it_value = {.tv_sec = STALL_CHECK_S}};
    setitimer(ITIMER_REAL, &every, NULL);
}

/*
 * A process that sleeps until all others of the run are gone, and then removes what they had no time to: after kill -9 nobody else can. They hold the other end of its
 * pipe; whatever else we have open it closes, so that nobody waits for its end.
 */
static void leave_a_cleaner(void) {
    enum { PIPE = 3 };
    int ends[2];
    char nothing;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        crew_fail("pipe2: %s", strerror(errno));
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        crew_fail("fork: %s", strerror(errno));
    }
    if (pid > 0) {
        close(ends[0]);
        return;
    }
    setsid(); /* a Ctrl-C is not for us */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < PIPE; fd++) {
        dup2(null, fd);
    }
    dup2(ends[0], PIPE);
    close_range(PIPE + 1, ~0u, 0);
    while (read(PIPE, &nothing, 1) < 0 && errno == EINTR) {
    }
    clean_up();
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (atomic_load(&record->files[i].entered)) {
            tree_remove(record->files[i].path); /* a directory, or already gone */
        }
    }
    _exit(0);
}

void crew_begin(const char *program) {
    crew_program = program;
    run_pid = getpid();
    struct sched_param s;
    policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if ((policy != SCHED_FIFO && policy != SCHED_RR) || sched_getparam(0, &s) != 0) {
        policy = SCHED_OTHER;
    } else {
        priority = s.sched_priority;
    }
    record = crew_share(sizeof *record);
    leave_a_cleaner();
    lead(STALL_S);
}

void crew_progress(void) { stall_checks_left = stall_checks; }

void crew_file(const char *path) {
    for (unsigned i = 0; i < FILES_MAX && i < atomic_load(&record->count); i++) {
        if (strcmp(record->files[i].path, path) == 0) {
            atomic_store(&record->files[i].entered, true);
            return;
        }
    }
    unsigned at = atomic_fetch_add(&record->count, 1);
    if (at >= FILES_MAX || strlen(path) >= CREW_PATH_MAX) {
        crew_fail("more than %d files, or too long a name", FILES_MAX);
    }
    strcpy(record->files[at].path, path);
    atomic_store(&record->files[at].entered, true);
}

void crew_directory(const char *path) {
    crew_file(path);
    if (mkdir(path, 0700) != 0) {
        crew_fail("%s: %s", path, strerror(errno));
    }
}

void crew_queue_name(char name[CREW_NAME_MAX], const char *suffix) {
    char path[CREW_PATH_MAX];
    snprintf(name, CREW_NAME_MAX, "%.16s-%ld-%.20s", crew_program, (long)run_pid, suffix);
    snprintf(path, sizeof path, "/dev/shm/ringpost.%s", name);
    crew_file(path);
}

void *crew_share(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED) {
        crew_fail("no %zu bytes of shared memory: %s", bytes, strerror(errno));
    }
    return p;
}

/* A child just forked: nobody's parent, and it dies with its own. */
static void become_child(void) {
    child_count = 0;
    trial = 0;
    for (size_t i = 0; i < sizeof fatal_signals / sizeof *fatal_signals; i++) {
        signal(fatal_signals[i], SIG_DFL);
    }
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the parent ends us */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid) {
        _exit(1);
    }
}

static _Noreturn void run_child(int cpu, void (*body)(void *), void *argument) {
    become_child();
    crew_schedule(false);
    if (!machine_pin(cpu)) {
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

/* -- trials -- */

/* Those from `first` on; their places are the next trial's. One that went well has removed them itself. */
static void forget_files_of_trial(unsigned first, bool unlink_them) {
    for (unsigned i = first; i < FILES_MAX; i++) {
        if (atomic_exchange(&record->files[i].entered, false) && unlink_them) {
            unlink(record->files[i].path);
        }
    }
    atomic_store(&record->count, first);
}

/* With all signals blocked, so that the pid is known before anything can happen. */
static pid_t fork_trial(void) {
    fflush(NULL);
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    int error = errno;
    if (pid > 0) {
        trial = pid;
    } else if (pid == 0) {
        become_child();
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        crew_fail("fork: %s", strerror(error));
    }
    return pid;
}

bool crew_trial(unsigned stall_s, void (*body)(void *), void *argument, char reason[CREW_REASON_MAX]) {
    atomic_store(&record->failed, false);
    unsigned first_file = atomic_load(&record->count);
    if (fork_trial() == 0) {
        in_trial = true;
        lead(stall_s);
        body(argument);
        _exit(0);
    }
    int status = 0;
    stall_checks_left = INT_MAX; /* it has a check of its own */
    while (waitpid(trial, &status, 0) < 0 && errno == EINTR) {
    }
    trial = 0;
    crew_progress();
    bool good = status == 0 && !atomic_load(&record->failed);
    if (!good) {
        snprintf(reason, CREW_REASON_MAX, "%s", atomic_load(&record->failed) ? record->reason : "its first process died");
    }
    forget_files_of_trial(first_file, !good);
    return good;
}

void crew_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char text[512], line[560];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "%s%s%s\n", in_trial ? "" : crew_program, in_trial ? "" : ": ", text);
    say(line);
    if (!in_trial) {
        fflush(NULL);
    }
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
