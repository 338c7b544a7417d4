/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { END_DEADLINE_S = 20, PRECEDENCE = 10 };

const char *role_name(enum role r) {
    static const char *const names[ROLES] = {"producer", "consumer",  "sweeper", "visitor",    "undertaker", "passer",
                                             "operator", "publisher", "binder",  "subscriber", "sender",     "settler"};
    return names[r];
}

uint64_t crew_sum(size_t tally) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < LEDGER_WORKERS; i++)
        sum += atomic_load_explicit((_Atomic uint64_t *)((char *)&ledger->workers[i] + tally), memory_order_relaxed);
    return sum;
}

uint64_t crew_kills(const struct crew *c) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROLES; i++)
        sum += c->kills[i];
    return sum;
}

static void work(struct worker *w, enum role role) {
    switch (role) {
    case ROLE_PRODUCER: produce(w); break;
    case ROLE_CONSUMER: consume(w); break;
    case ROLE_SWEEPER: sweep(w); break;
    case ROLE_VISITOR: visit(w); break;
    case ROLE_UNDERTAKER: bury(w); break;
    case ROLE_OPERATOR: operate(w); break;
    case ROLE_PUBLISHER: publish_numbers(w); break;
    case ROLE_BINDER: bind_about(w); break;
    case ROLE_SUBSCRIBER: subscribe(w); break;
    case ROLE_SENDER: send_parcels(w); break;
    case ROLE_SETTLER: settle_parcels(w); break;
    default: pass(w);
    }
}

static void start(struct crew *c, unsigned i) {
    struct member *m = &c->members[i];
    pid_t parent = getpid();
    uint64_t seed = (c->storm->seed + ++c->starts) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    m->stopped = false;
    m->pid = fork();
    if (m->pid < 0)
        abort();
    if (m->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (c->raised)
        (void)nice(PRECEDENCE);
    struct worker w = {.storm = c->storm, .slot = i, .random = seed, .tallies = &ledger->workers[i]};
    worker_enters(&w, OUTSIDE); /* the last one may have died elsewhere */
    work(&w, m->role);
    exit(0); /* not _exit: leaks are looked for */
}

void crew_start(struct crew *c, const struct storm *s) {
    *c = (struct crew){.storm = s};
    errno = 0;
    c->raised = nice(-PRECEDENCE) != -1 || errno == 0;
    for (enum role r = 0; r < ROLES; r++)
        for (unsigned n = 0; n < s->variant->crew[r]; n++)
            c->members[c->count++].role = r;
    for (unsigned i = 0; i < c->count; i++)
        start(c, i);
}

/* How it ended. Only our own signals, and a quiet end, are right. */
static void judge_end(struct member *m, int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        ledger_violation("a %s ended with signal %d (%s)", role_name(m->role), WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        ledger_violation("a %s exited with %d", role_name(m->role), WEXITSTATUS(status));
    m->pid = 0;
}

void crew_kill(struct crew *c, unsigned i, bool replace) {
    struct member *m = &c->members[i];
    int status = 0;
    kill(m->pid, SIGKILL);
    if (c->raised)
        setpriority(PRIO_PROCESS, (id_t)m->pid, getpriority(PRIO_PROCESS, 0)); /* dying takes time of the processor, too */
    while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR) {
    }
    judge_end(m, status);
    if (WIFSIGNALED(status)) { /* else it had come to its end by itself */
        c->kills[m->role]++;
        c->kills_inside[atomic_load(&ledger->workers[i].inside)]++;
    }
    if (replace)
        start(c, i);
}

void crew_kill_all(struct crew *c) {
    for (unsigned i = 0; i < c->count; i++)
        kill(c->members[i].pid, SIGKILL);
    for (unsigned i = 0; i < c->count; i++)
        crew_kill(c, i, false);
}

void crew_start_all(struct crew *c) {
    for (unsigned i = 0; i < c->count; i++)
        start(c, i);
}

void crew_stop(struct crew *c, unsigned i, uint64_t continue_ns) {
    struct member *m = &c->members[i];
    int status;
    kill(m->pid, SIGSTOP);
    if (waitpid(m->pid, &status, WUNTRACED) == m->pid && !WIFSTOPPED(status)) {
        judge_end(m, status); /* it had come to its end by itself */
        start(c, i);
        return;
    }
    m->stopped = true;
    m->continue_ns = continue_ns;
    c->stops++;
    c->stops_inside += atomic_load(&ledger->workers[i].inside) != OUTSIDE;
}

void crew_continue(struct crew *c, uint64_t now, bool all) {
    for (unsigned i = 0; i < c->count; i++)
        if (c->members[i].stopped && (all || now >= c->members[i].continue_ns)) {
            kill(c->members[i].pid, SIGCONT);
            c->members[i].stopped = false;
        }
}

void crew_end(struct crew *c) {
    if (c->raised)
        (void)nice(PRECEDENCE);
    uint64_t deadline = now_ns() + END_DEADLINE_S * UINT64_C(1000000000);
    crew_continue(c, 0, true);
    for (unsigned i = 0; i < c->count; i += 2)
        crew_kill(c, i, false);
    atomic_store(&ledger->stop, 1);
    for (unsigned i = 1; i < c->count; i += 2) {
        struct member *m = &c->members[i];
        int status = 0;
        while (waitpid(m->pid, &status, WNOHANG) == 0 && now_ns() < deadline)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* a poll's pace */
        if (now_ns() >= deadline) {
            ledger_violation("a %s did not come to its end", role_name(m->role));
            crew_kill(c, i, false);
        } else {
            judge_end(m, status);
        }
    }
}
