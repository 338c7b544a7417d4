/* SPDX-License-Identifier: MIT */
/*
 * ringpost work NAME -- CMD: one process, one consumer, up to -j commands at once. It sleeps inside rp_receive while it could start another
 * command, else in a wait for signals; SIGCHLD and the stop signals interrupt both.
 */
#include "work.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define JOBS_MOST 1024

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
    w->running++;
    if (cli_stop_count() > 0) { /* it came between the signal and the wait */
        work_return(w, job, "the worker was told to stop");
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
        for (size_t i = 0; i < w->job_limit; i++) {
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
    for (size_t i = 0; i < w->job_limit; i++) {
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

/* Waits for a message, but no longer than until `next_ns`, and starts the command for it. */
static void take(struct worker *w, uint64_t next_ns) {
    struct rp_message m;
    uint64_t give_up_ns = 0;
    int result;
    if (w->running == 0 && w->wait_ns >= 0) {
        give_up_ns = w->idle_since_ns + (uint64_t)w->wait_ns;
        if (next_ns == 0 || give_up_ns < next_ns)
            next_ns = give_up_ns;
    }
    result = rp_receive(w->consumer, &m, until(next_ns));
    if (result == 0) {
        start(w, &m);
        w->idle_since_ns = cli_clock_ns();
    } else if (result == RP_EMPTY) {
        if (give_up_ns && cli_clock_ns() >= give_up_ns)
            work_stop(w, w->taken ? CLI_DONE : CLI_EMPTY);
    } else if (result != -EINTR) {
        work_stop(w, cli_fail(result, "'%s'", w->name));
    }
}

static void run(struct worker *w) {
    unsigned seen = cli_signals_seen();
    w->idle_since_ns = cli_clock_ns();
    for (;;) {
        uint64_t next_ns;
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
        if (!w->stopping && w->running < w->job_limit) {
            take(w, next_ns);
            seen = cli_signals_seen();
            /* what came since reap() is found by the next turn, as this does not sleep */
        } else {
            cli_signals_wait(&seen, until(next_ns));
        }
    }
}

static void print_summary(const struct worker *w) {
    char extra[96] = "";
    if (w->lost || w->returned) {
        snprintf(extra, sizeof extra, ", %" PRIu64 " lost their lease, %" PRIu64 " given back", w->lost, w->returned);
    }
    cli_note("%" PRIu64 " message%s: %" PRIu64 " acked, %" PRIu64 " failed, %" PRIu64 " rejected%s", w->taken, cli_plural(w->taken),
             w->acked, w->failed, w->rejected, extra);
}

static int work_on(struct worker *w, rp_queue *q) {
    struct rp_consumer_options options;
    struct rp_queue_options queue_options;
    int result, status;
    rp_queue_options_init(&queue_options, sizeof queue_options);
    result = rp_queue_options_get(q, &queue_options);
    if (result < 0)
        return cli_fail(result, "'%s'", w->name);
    w->lease_ns = queue_options.lease_ns;
    w->jobs = calloc(w->job_limit, sizeof *w->jobs);
    if (!w->jobs)
        return cli_fail(-ENOMEM, "%" PRIu64 " jobs", w->job_limit);
    rp_consumer_options_init(&options, sizeof options);
    options.group = w->group;
    status = cli_open_consumer(q, &options, &w->consumer);
    if (status == CLI_DONE) {
        cli_signals_install(q);
        cli_signals_watch_children();
        run(w);
        cli_signals_release();
        rp_consumer_close(w->consumer);
        print_summary(w);
        status = w->status == CLI_DONE && w->lost ? CLI_LEASE_LOST : w->status;
    }
    free(w->jobs);
    return status;
}

static int work(struct worker *w) {
    rp_queue *q;
    int result, status;
    result = guard_start();
    if (result < 0)
        return cli_fail(result, "the guard process");
    cli_signals_install(NULL); /* before anybody can see that we are there and tell us to stop */
    status = cli_open(w->name, false, &q);
    if (status == CLI_DONE) {
        status = work_on(w, q);
        rp_queue_close(q);
    }
    guard_stop();
    return cli_finish(status);
}

int verb_work(int argc, char **argv) {
    struct worker w = {.job_limit = 1, .wait_ns = -1, .status = CLI_DONE};
    const struct flag flags[] = {
        CLI_FLAG(NULL, 'j', FLAG_COUNT, &w.job_limit, "N", "run up to N commands at once (1)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &w.limit, "N", "stop after N messages (no limit)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &w.wait_ns, "D", "stop when nothing ran and nothing came for so long (forever)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &w.group, "GROUP", "consumer group (default)"),
        CLI_SWITCH("--json", 0, &w.json, "one JSON object a line on stdout for each message settled"),
    };
    const struct usage usage = {
        .verb = "work",
        .synopsis = "NAME [-j N] [-n N] [--wait D] [--group GROUP] [--json] -- CMD ...",
        .about =
            "Runs CMD for each message: the payload is its stdin, RINGPOST_ID, _QUEUE, _GROUP, _DELIVERIES, _ACQUISITIONS,\n"
            "_SENT_NS and _BYTES are in its environment, and _FAILURE and _FAILURE_TEXT if a delivery before failed. Exit status\n"
            "0 acks the message, 100 rejects it, anything else is a failed delivery. The lease is extended while CMD runs. SIGINT "
            "or SIGTERM: takes nothing new and finishes what runs;\n"
            "the second one kills the commands and gives their messages back. If the worker is killed, its commands die.",
        .examples = "  ringpost work mail -j 8 -- ./deliver --verbose\n"
                    "  ringpost work lines --wait 1s -- sh -c 'echo \"$RINGPOST_ID: $(cat)\"'",
        .statuses = "3 --wait passed and nothing at all came, 7 a lease ran out while its command ran, "
                    "128+N killed the commands at the second signal N",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
        .wants_command = true,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (w.job_limit > JOBS_MOST)
        return cli_usage_error("-j %" PRIu64 ": at most %d commands run at once", w.job_limit, JOBS_MOST);
    w.name = operands.value[0];
    w.command = operands.command;
    return work(&w);
}
