/* SPDX-License-Identifier: MIT */
/* What work and forward have in common around the loop: the guard, the queue, the consumer, the summary. */
#include "work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MOST 1024

static void print_summary(const struct worker *w) {
    char done[96], extra[96] = "";
    const struct outlet *o = &w->outlet;
    if (o->name)
        snprintf(done, sizeof done, "%" PRIu64 " forwarded, %" PRIu64 " of them before, %" PRIu64 " dropped", o->sent, o->repeated,
                 o->dropped);
    else
        snprintf(done, sizeof done, "%" PRIu64 " acked", w->acked);
    if (w->lost || w->returned) {
        snprintf(extra, sizeof extra, ", %" PRIu64 " lost their lease, %" PRIu64 " given back", w->lost, w->returned);
    }
    cli_note("%" PRIu64 " message%s: %s, %" PRIu64 " failed, %" PRIu64 " rejected%s", w->taken, cli_plural(w->taken), done,
             w->failed, w->rejected, extra);
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
    w->keep.queue = q;
    w->jobs = calloc(w->scale.most, sizeof *w->jobs);
    if (!w->jobs)
        return cli_fail(-ENOMEM, "%" PRIu64 " jobs", w->scale.most);
    rp_consumer_options_init(&options, sizeof options);
    options.group = w->group;
    options.wait_strategy = w->strategy;
    status = cli_open_consumer(q, &options, &w->consumer);
    if (status == CLI_DONE && w->outlet.name)
        status = outlet_open(&w->outlet, w->consumer);
    if (status == CLI_DONE) {
        cli_signals_install(q);
        cli_signals_watch_children();
        work_run(w);
        cli_signals_release();
        print_summary(w);
        status = w->status == CLI_DONE && w->lost ? CLI_LEASE_LOST : w->status;
    }
    rp_consumer_close(w->consumer);
    outlet_close(&w->outlet);
    free(w->jobs);
    return status;
}

int work_serve(struct worker *w) {
    rp_queue *q;
    int result, status;
    result = w->command ? guard_start() : 0;
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

/* N, or MIN..MAX. */
bool work_parse_jobs(const char *text, void *target) {
    const char *dots = strstr(text, "..");
    char least[8];
    uint64_t from, to;
    if (!dots) {
        if (!cli_parse_count(text, &to) || to == 0)
            return false;
        from = to;
    } else {
        if ((size_t)(dots - text) >= sizeof least)
            return false;
        memcpy(least, text, (size_t)(dots - text));
        least[dots - text] = '\0';
        if (!cli_parse_count(least, &from) || !cli_parse_count(dots + 2, &to) || from > to || to == 0)
            return false;
    }
    if (to > JOBS_MOST)
        return false;
    *(struct scale *)target = scale_begin(from, to);
    return true;
}
