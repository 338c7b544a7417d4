/* SPDX-License-Identifier: MIT */
/*
 * threads: runs the scenarios of tests/sim as threads, many times. Each scenario in a process of its own: ThreadSanitizer ends it at the first race, and
 * whatever happens to it, its queues are removed.
 */
#include "../support/figure.h"
#include "../support/scratch.h"
#include "party.h"
#include "proc.h"
#include "scenario.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ull;

enum {
    RACE = 66, /* ThreadSanitizer's */
    NO_SUCH_THING = 2,
    RUNS_MIN = 10 /* however slow the machine */
};

static struct {
    const char *scenario;
    const char *expect;
    bool list, all;
    uint64_t seed, runs;
    double seconds;
} given;

static void usage(void) {
    fputs("usage: threads --list\n"
          "       threads --scenario NAME [--seconds S] [--runs N] [--seed N]\n"
          "       threads --all [--seconds S] [--seed N]         every scenario in S seconds\n"
          "       ... [--mutant NAME] [--weaken ACCESSES]        with a defect: MUTANT(name) in lib/; or accesses made relaxed, "
          "named by\n"
          "                                                      label or by operation and label: 'cell_word', 'cas_acq_rel "
          "delivery,slot'\n"
          "       ... --expect race | failure | 'failure or race' succeeds if some scenario ends so\n",
          stderr);
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(const char *directory, double seconds) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    processes_begin(directory);
    double end = seconds_now() + seconds;
    uint64_t n = 0;
    do
        run(given.seed + n++);
    while (given.runs ? n < given.runs : n < RUNS_MIN || seconds_now() < end);
    if (GET(points_passed) == 0) {
        printf("FAILED: no point was passed; is tests/threads/points.h still what lib/platform/atomic.h expects?\n");
        exit(1);
    }
    exit(0);
}

static const char *outcome(int status) {
    static char text[40];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return "passed";
    if (WIFEXITED(status) && WEXITSTATUS(status) == RACE)
        return "race";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        return "failure";
    if (WIFEXITED(status))
        snprintf(text, sizeof text, "status %d", WEXITSTATUS(status));
    else
        snprintf(text, sizeof text, "%s", strsignal(WTERMSIG(status)));
    return text;
}

/* A worker must not outlive its queues' directory, nor the directory the program. */
static volatile sig_atomic_t asked_to_stop;
static void stop(int signal_number) { asked_to_stop = signal_number; }

static int wait_for(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        kill(pid, SIGKILL);
    return status;
}

/* -> how it ended */
static const char *one(const struct sim_program *p, double seconds) {
    struct scratch s;
    double begin = seconds_now();
    ull runs = GET(counts->runs), kills = GET(counts->kills), freezes = GET(counts->freezes), jumps = GET(counts->jumps);
    if (scratch_create(&s) != 0) {
        perror(s.directory);
        exit(NO_SUCH_THING);
    }
    scenario = p;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (given.expect) { /* nobody wants to see it */
            freopen("/dev/null", "w", stdout);
            freopen("/dev/null", "w", stderr);
        }
        work(s.directory, seconds);
    }
    int status = wait_for(pid);
    scratch_destroy(&s);
    if (asked_to_stop)
        exit(1);
    const char *how = outcome(status);
    printf("%-20s %6llu runs, %llu killed, %llu stopped, %llu jumps, seed %llu, %.1f s: %s\n", p->name, GET(counts->runs) - runs,
           GET(counts->kills) - kills, GET(counts->freezes) - freezes, GET(counts->jumps) - jumps, (ull)given.seed,
           seconds_now() - begin, how);
    return how;
}

static void figures(unsigned violations) {
    figure("thread_runs", GET(counts->runs));
    figure("violations", violations);
}

static double share_of(const struct sim_program *p) { return p->share > 0 ? p->share : 1; }
static bool chosen(const struct sim_program *p) { return (given.all && !p->bare) || strcmp(p->name, given.scenario) == 0; }

/* -> scenarios that did not end as they should. */
static int go(void) {
    unsigned bad = 0, count = 0;
    double shares = 0;
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++)
            shares += chosen(scenario_lists[l][i]) ? share_of(scenario_lists[l][i]) : 0;
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++) {
            const struct sim_program *p = scenario_lists[l][i];
            if (!chosen(p))
                continue;
            const char *how = one(p, given.seconds * share_of(p) / shares);
            count++;
            bad += strcmp(how, "passed") != 0;
            if (given.expect && strstr(given.expect, how) != NULL)
                return 0;
        }
    if (count == 0) {
        fprintf(stderr, "threads: no scenario '%s'; see --list\n", given.scenario);
        return NO_SUCH_THING;
    }
    if (given.expect) {
        printf("none of %u ended in a %s\n", count, given.expect);
        return 1;
    }
    figures(bad);
    printf("%u passed, %u failed\n", count - bad, bad);
    return bad != 0;
}

/* -> how many words were used; 0: not understood. */
static int option(const char *name, const char *value) {
    if (strcmp(name, "--list") == 0 || strcmp(name, "--all") == 0) {
        *(name[2] == 'l' ? &given.list : &given.all) = true;
        return 1;
    }
    if (!value)
        return 0;
    if (strcmp(name, "--scenario") == 0)
        given.scenario = value;
    else if (strcmp(name, "--mutant") == 0)
        mutant = value;
    else if (strcmp(name, "--weaken") == 0)
        weakened_accesses = value;
    else if (strcmp(name, "--expect") == 0)
        given.expect = value;
    else if (strcmp(name, "--seconds") == 0)
        given.seconds = atof(value);
    else if (strcmp(name, "--runs") == 0)
        given.runs = strtoull(value, NULL, 0);
    else if (strcmp(name, "--seed") == 0)
        given.seed = strtoull(value, NULL, 0);
    else
        return 0;
    return 2;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc;) {
        int used = option(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (used == 0) {
            usage();
            return NO_SUCH_THING;
        }
        i += used;
    }
    if (given.list)
        for (unsigned l = 0; scenario_lists[l]; l++)
            for (unsigned i = 0; scenario_lists[l][i]; i++)
                printf("%-20s %s\n", scenario_lists[l][i]->name, scenario_lists[l][i]->about);
    if (given.list)
        return 0;
    if (!given.all && !given.scenario) {
        usage();
        return NO_SUCH_THING;
    }
    if (given.seed == 0)
        given.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    if (given.seconds <= 0)
        given.seconds = given.all ? 30 : 2;
    const struct sigaction act = {.sa_handler = stop}; /* no SA_RESTART: waitpid shall notice */
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return counts == MAP_FAILED ? NO_SUCH_THING : go();
}
