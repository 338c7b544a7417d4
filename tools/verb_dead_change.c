/* SPDX-License-Identifier: MIT */
/* ringpost dead redrive|purge NAME: in slices, so that a signal or a rate is met, and with what died before it began, each once. */
#include "dead.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct change {
    struct dead_choice choice;
    bool purge;
    const char *to; /* another queue; NULL: none */
    double rate;    /* letters per second; 0: as fast as it goes */
    rp_queue *queue;
    uint64_t done;
};

/* "10/s", "90/m", "5/h", or "10", which is per second. */
static bool parse_rate(const char *text, void *rate) {
    char number[32];
    size_t length = strcspn(text, "/");
    double per_s = 1;
    if (length >= sizeof number)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (strcmp(text + length, "/m") == 0)
        per_s = 60;
    else if (strcmp(text + length, "/h") == 0)
        per_s = 3600;
    else if (text[length] && strcmp(text + length, "/s") != 0)
        return false;
    if (!cli_parse_real(number, rate) || !(*(double *)rate > 0))
        return false;
    *(double *)rate /= per_s;
    return true;
}

/* How many may go now. */
static uint64_t allowance(const struct change *c, uint64_t elapsed_ns, uint64_t at_once) {
    uint64_t most = at_once;
    if (c->rate > 0) {
        double due = (double)elapsed_ns / CLI_NS_PER_S * c->rate + 1 - (double)c->done;
        most = due < 1 ? 0 : due < (double)at_once ? (uint64_t)due : at_once;
    }
    if (c->choice.which.limit && c->choice.which.limit - c->done < most)
        most = c->choice.which.limit - c->done;
    return most;
}

/* 0: all is done; -EINTR; or why it could not go on. */
static int change_all(struct change *c, rp_producer *to) {
    enum { NAP_MS = 10, SLACK_MS = 10 };
    struct rp_queue_stats stats;
    unsigned seen = cli_signals_seen();
    int result = rp_queue_sweep(c->queue); /* deaths that nobody lived to write down get a time */
    uint64_t start = cli_clock_ns();
    if (result < 0 || (result = rp_queue_stats(c->queue, &stats)) < 0)
        return result;
    uint64_t last_id = 0, at_once = 4096 + stats.cells / 8; /* each slice looks at every cell */
    for (;;) {
        struct rp_redrive_options o = c->choice.which;
        uint64_t elapsed = cli_clock_ns() - start;
        if (cli_stop_count() > 0)
            return -EINTR;
        if (o.limit && c->done >= o.limit)
            return 0;
        if ((o.limit = allowance(c, elapsed, at_once)) == 0) {
            double next_ns = (double)c->done / c->rate * CLI_NS_PER_S - (double)elapsed;
            cli_signals_wait(&seen, next_ns > NAP_MS * CLI_NS_PER_MS ? (int64_t)next_ns : (int64_t)(NAP_MS * CLI_NS_PER_MS));
            continue;
        }
        /* The letters that were there when it began, by their age, and each once, by its id, although it may die again. */
        o.min_age_ns += elapsed > SLACK_MS * CLI_NS_PER_MS ? elapsed - SLACK_MS * CLI_NS_PER_MS : 0;
        if (o.max_age_ns)
            o.max_age_ns += elapsed;
        o.to = to;
        o.after_id = last_id;
        o.last_id = &last_id;
        result = c->purge ? rp_dead_purge(c->queue, c->choice.group, &o) : rp_dead_redrive(c->queue, c->choice.group, &o);
        if (result == -ENOENT && o.id && c->done > 0)
            return 0;
        if (result <= 0)
            return result;
        c->done += (uint64_t)result;
        if (o.id)
            return 0;
    }
}

static int say_done(const struct change *c, int status) {
    const char *done = c->purge ? "purged" : "redriven";
    if (c->choice.json)
        cli_json_print(stdout, json_pack("{s:s, s:o, s:b}", "queue", rp_queue_name(c->queue), done, cli_json_u64(c->done),
                                         "dry_run", (int)c->choice.dry_run));
    else
        printf("%" PRIu64 " message%s %s%s%s%s\n", c->done, cli_plural(c->done), c->choice.dry_run ? "would be " : "", done,
               c->to ? " to " : "", c->to ? c->to : "");
    return status;
}

/* -ENOENT has two meanings: no such group, or no such id. */
static int not_there(rp_queue *q, const struct dead_choice *c) {
    struct rp_dead_letter d;
    if (!c->which.id || rp_dead_peek(q, c->group, 0, &d, NULL, 0) == -ENOENT)
        return dead_no_group(q, c->group);
    cli_error("message %" PRIu64 " is not in the dead ring, or is not one of those", c->which.id);
    return CLI_EMPTY;
}

static int explain(const struct change *c, int result) {
    if (result == -ENOENT)
        return not_there(c->queue, &c->choice);
    if (result == -EINTR)
        cli_note("interrupted after %" PRIu64 " message%s; the others are as they were", c->done, cli_plural(c->done));
    else
        cli_fail(result, "after %" PRIu64 " message%s", c->done, cli_plural(c->done));
    return say_done(c, result == -EINTR ? cli_stop_status() : cli_status_of(result));
}

static int run(struct change *c, rp_producer *to) {
    if (c->choice.dry_run) {
        uint64_t shown;
        int status = c->choice.json ? CLI_DONE : dead_print(c->queue, &c->choice, false, &shown);
        if (status != CLI_DONE && status != CLI_EMPTY)
            return status;
        struct rp_redrive_options o = c->choice.which;
        o.dry_run = 1;
        int result = c->purge ? rp_dead_purge(c->queue, c->choice.group, &o) : rp_dead_redrive(c->queue, c->choice.group, &o);
        if (result < 0)
            return result == -ENOENT ? not_there(c->queue, &c->choice) : cli_fail(result, "'%s'", rp_queue_name(c->queue));
        c->done = (uint64_t)result;
        return say_done(c, CLI_DONE);
    }
    int result = change_all(c, to);
    return result < 0 ? explain(c, result) : say_done(c, CLI_DONE);
}

/* With the other queue open. */
static int run_to(struct change *c) {
    rp_queue *q;
    rp_producer *to;
    int status = cli_open(c->to, false, &q), result;
    if (status != CLI_DONE)
        return status;
    if ((result = rp_producer_open(q, NULL, &to)) < 0) {
        status = cli_fail(result, "'%s'", c->to);
    } else {
        status = run(c, to);
        rp_producer_close(to);
    }
    rp_queue_close(q);
    return status;
}

static int change(const char *name, struct change *c) {
    int status = cli_open(name, false, &c->queue);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(c->queue);
    status = c->to ? run_to(c) : run(c, NULL);
    cli_signals_release();
    rp_queue_close(c->queue);
    return cli_finish(status);
}

static int change_verb(int argc, char **argv, bool purge) {
    struct change c = {.purge = purge};
    const struct flag flags[] = {
        DEAD_FLAG_GROUP(c.choice),
        DEAD_FLAGS_WHICH(c.choice),
        DEAD_FLAG_LIMIT(c.choice),
        CLI_PARSED("--rate", &c.rate, "N/s", parse_rate, "a number of letters per second, such as 10/s, or 30/m, 5/h",
                   "not faster than so many per second (or /m, /h)"),
        CLI_SWITCH("--dry-run", 0, &c.choice.dry_run, "only list them and say how many it would be"),
        CLI_SWITCH("--json", 0, &c.choice.json, "as a JSON object"),
        CLI_FLAG("--to", 0, FLAG_TEXT, &c.to, "QUEUE", "send them to another queue instead, where they are new messages"),
    };
    const struct usage usage = {
        .verb = purge ? "dead purge" : "dead redrive",
        .synopsis = purge ? "NAME [--group GROUP] [which] [--limit N] [--rate N/s] [--dry-run] [--json]"
                          : "NAME [--group GROUP] [which] [--limit N] [--to QUEUE] [--rate N/s] [--dry-run] [--json]",
        .about =
            purge
                ? "Drops dead letters and says how many."
                : "Makes dead letters ready again, lowest ids first, as if they had never failed, and says how many.\n"
                  "A letter that dies again meanwhile is not redriven a second time. With --to, one may be in both queues if this\n"
                  "command is killed.",
        .examples = purge ? "  ringpost dead purge orders --reason rejected --older 7d"
                          : "  ringpost dead redrive orders --limit 1\n  ringpost dead redrive orders --text timeout --rate 10/s\n"
                            "  ringpost dead redrive orders --to orders.retry",
        .statuses = purge ? "3 the --id is not there, 128+N signal N came"
                          : "3 the --id is not there, 4 the queue of --to is full, 128+N signal N came",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0] - purge, /* purged letters go nowhere */
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status;
    rp_redrive_options_init(&c.choice.which, sizeof c.choice.which);
    status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if ((status = dead_check(&c.choice)) != CLI_DONE)
        return status;
    return change(operands.value[0], &c);
}

int dead_redrive(int argc, char **argv) { return change_verb(argc, argv, false); }

int dead_purge(int argc, char **argv) { return change_verb(argc, argv, true); }
