/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker. It sleeps inside rp_receive while it could start another command, else it keeps house; SIGCHLD and the stop signals
 * interrupt both. A message is never leased before its command may start.
 */
#include "work.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

void work_stop(struct worker *w, int status) {
    w->stopping = true;
    if (w->status == CLI_DONE)
        w->status = status;
}

static void start(struct worker *w, const struct rp_message *m) {
    struct job *job = w->jobs;
    int result;
    while (job->pid != 0)
        job++;
    memset(job, 0, sizeof *job);
    job->message = *m;
    job->started_ns = cli_clock_ns();
    job->extend_ns = job->started_ns + w->lease_ns / 3;
    job->output = -1;
    w->running++;
    if (cli_stop_count() > 0) { /* it came between the signal and the wait */
        work_return(w, job, "the worker was told to stop");
        return;
    }
    if (!w->command) { /* nothing to wait for */
        w->taken++;
        work_settle(w, job, 0);
        return;
    }
    result = work_start(w, job);
    if (result < 0) {
        cli_error("%s: cannot be started: %s", w->command[0], strerror(-result));
        work_return(w, job, NULL);
        work_stop(w, CLI_FAILED);
        return;
    }
    w->taken++;
}

static void reap(struct worker *w) {
    pid_t pid;
    int how;
    while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
        if (guard_is(pid))
            continue;
        for (size_t i = 0; i < w->scale.most; i++) {
            if (w->jobs[i].pid != pid)
                continue;
            work_settle(w, &w->jobs[i], how);
            w->idle_since_ns = cli_clock_ns();
            break;
        }
    }
}

/* The second stop signal. */
static void kill_commands(struct worker *w) {
    if (w->killed)
        return;
    w->killed = true;
    for (size_t i = 0; i < w->scale.most; i++) {
        pid_t pid = w->jobs[i].pid;
        if (pid == 0)
            continue;
        /* its group is the guard's, or its own; the guard goes too, and is not needed any more */
        if (guard_group() == 0 || kill(-guard_group(), SIGKILL) != 0)
            kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
    if (w->status == CLI_DONE)
        w->status = cli_stop_status();
}

/* Time from now to `then`, at least 0; `then` 0: for ever. */
static int64_t until(uint64_t then) {
    uint64_t now;
    if (then == 0)
        return -1;
    now = cli_clock_ns();
    return then > now ? (int64_t)(then - now) : 0;
}

/* The earlier of two times; 0: never. */
static uint64_t earlier(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

/* Lets the number of slots follow what is seen now. */
static void rescale(struct worker *w, bool backlog) {
    uint64_t before = w->scale.slots;
    w->scale = scale_next(w->scale, cli_clock_ns(), backlog, w->running);
    if (!w->verbose || w->scale.slots == before)
        return;
    if (w->json) {
        cli_json_print(stdout, json_pack("{s:o, s:o}", "slots", cli_json_u64(w->scale.slots), "before", cli_json_u64(before)));
        fflush(stdout);
    } else {
        cli_note("%" PRIu64 " slot%s: %s", w->scale.slots, cli_plural(w->scale.slots),
                 w->scale.slots > before ? "messages wait" : "one was idle");
    }
}

/* Sleeps until a signal, or `then`, and keeps house meanwhile: the worker may be the only one there. */
static void sleep_until(struct worker *w, uint64_t then) {
    int result;
    if (w->status != CLI_DONE) { /* not after it failed */
        cli_signals_wait(&w->keep.signals_seen, until(then));
        return;
    }
    result = keep_house(&w->keep, until(then));
    if (result < 0)
        work_stop(w, cli_fail(result, "'%s'", w->name));
}

#define LOOK_EVERY_NS (UINT64_C(50) * CLI_NS_PER_MS)
#define LOOK_REST 9 /* it costs a walk over the cells: a tenth of a processor at most */

/* Every slot is in use. Looks whether more would help; takes nothing. */
static void wait_for_a_slot(struct worker *w, uint64_t next_ns) {
    uint64_t now = cli_clock_ns();
    if (scale_can_grow(&w->scale)) {
        if (now >= w->look_ns) {
            struct rp_peeked m;
            uint64_t rest;
            w->backlog = rp_peek(w->keep.queue, w->group, RP_STATE_READY, 0, &m, NULL, 0) == 0;
            rest = (cli_clock_ns() - now) * LOOK_REST;
            w->look_ns = cli_clock_ns() + (rest > LOOK_EVERY_NS ? rest : LOOK_EVERY_NS);
        }
        next_ns = earlier(next_ns, w->look_ns);
    }
    rescale(w, w->backlog);
    if (!scale_has_room(&w->scale, w->running))
        sleep_until(w, next_ns);
}

/* --rate lets nothing start before `start_ns`. That is no idle time, and more slots would not help. */
static void wait_for_the_rate(struct worker *w, uint64_t start_ns, uint64_t next_ns) {
    w->backlog = false;
    rescale(w, false);
    sleep_until(w, earlier(earlier(next_ns, start_ns), scale_due_ns(&w->scale)));
    w->idle_since_ns = cli_clock_ns();
}

static void took(struct worker *w, const struct rp_message *m) {
    start(w, m);
    rescale(w, w->backlog);
    w->rate = rate_take(w->rate, cli_clock_ns());
    w->idle_since_ns = cli_clock_ns();
}

/* Waits for a message, but no longer than until `next_ns`, and starts the command for it. */
static void take(struct worker *w, uint64_t next_ns) {
    struct rp_message m;
    uint64_t give_up_ns = 0;
    int result = rp_receive(w->consumer, &m, 0);
    if (result == RP_EMPTY || result == RP_PAUSED) {
        w->backlog = false;
        rescale(w, false);
        if (w->running == 0 && w->wait_ns >= 0)
            give_up_ns = w->idle_since_ns + (uint64_t)w->wait_ns;
        next_ns = earlier(earlier(next_ns, give_up_ns), scale_due_ns(&w->scale));
        result = rp_receive(w->consumer, &m, until(next_ns));
    }
    if (result == 0) {
        took(w, &m);
    } else if (result == RP_EMPTY || result == RP_PAUSED) {
        if (give_up_ns && cli_clock_ns() >= give_up_ns)
            work_stop(w, w->taken ? CLI_DONE : CLI_EMPTY);
    } else if (result != -EINTR) {
        work_stop(w, cli_fail(result, "'%s'", w->name));
    }
}

void work_run(struct worker *w) {
    w->keep.signals_seen = cli_signals_seen();
    w->idle_since_ns = cli_clock_ns();
    for (;;) {
        uint64_t next_ns, now, pause;
        if (cli_stop_count() > 0)
            w->stopping = true;
        if (cli_stop_count() > 1)
            kill_commands(w);
        reap(w);
        next_ns = work_extend(w);
        if (w->limit && w->taken >= w->limit)
            w->stopping = true;
        if (w->stopping && w->running == 0)
            return;
        now = cli_clock_ns();
        pause = rate_wait_ns(&w->rate, now);
        if (w->stopping) {
            sleep_until(w, next_ns);
        } else if (!scale_has_room(&w->scale, w->running)) {
            wait_for_a_slot(w, next_ns);
        } else if (pause) {
            wait_for_the_rate(w, now + pause, next_ns);
        } else {
            take(w, next_ns);
            /* what came since reap() is found by the next turn, as this does not sleep */
            w->keep.signals_seen = cli_signals_seen();
        }
    }
}
