/* SPDX-License-Identifier: MIT */
/* ringpost ls */
#include "cli.h"
#include "paused.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct listing {
    bool json;
    uint64_t shown;
};

static void print_header(struct listing *l) {
    if (l->json || l->shown++ > 0)
        return;
    printf("%-24s %9s %9s %9s %9s %9s %9s %10s  %s\n", "QUEUE", "READY", "LEASED", "DELAYED", "DEAD", "CAPACITY", "ATTACHED",
           "MEMORY", "STATE");
}

static void print_broken(struct listing *l, const char *name, int result) {
    print_header(l);
    if (l->json) {
        cli_json_print(stdout, json_pack("{s:s, s:s, s:s, s:s}", "queue", name, "state", "broken", "error", rp_error_name(result),
                                         "text", rp_error_text(result)));
        return;
    }
    printf("%-24s %9s %9s %9s %9s %9s %9s %10s  broken: %s (%s)\n", name, "-", "-", "-", "-", "-", "-", "-", rp_error_name(result),
           rp_error_text(result));
}

/* Stale: no living process is attached. */
static const char *state_of(rp_queue *q) {
    struct rp_participant p;
    for (uint32_t seat = 0; rp_participant_next(q, seat, &p) == 0; seat = p.seat + 1) {
        if (p.alive)
            return "in use";
    }
    return "stale";
}

static void print_queue(struct listing *l, rp_queue *q, const struct rp_queue_stats *s) {
    const char *name = rp_queue_name(q);
    char size[CLI_TEXT_MAX], paused[PAUSED_TEXT_MAX];
    print_header(l);
    if (l->json) {
        json_t *object = json_pack("{s:s, s:s}", "queue", name, "state", state_of(q));
        json_object_set_new(object, "paused", paused_json(q));
        json_object_set_new(object, "ready", cli_json_u64(s->ready));
        json_object_set_new(object, "leased", cli_json_u64(s->leased));
        json_object_set_new(object, "delayed", cli_json_u64(s->delayed));
        json_object_set_new(object, "dead", cli_json_u64(s->dead));
        json_object_set_new(object, "bytes", cli_json_u64(s->bytes));
        json_object_set_new(object, "capacity", cli_json_u64(s->capacity));
        json_object_set_new(object, "message_bytes", cli_json_u64(s->message_bytes));
        json_object_set_new(object, "participants", cli_json_u64(s->participants));
        json_object_set_new(object, "participants_dead", cli_json_u64(s->participants_dead));
        json_object_set_new(object, "segment_bytes", cli_json_u64(s->segment_bytes));
        json_object_set_new(object, "created_ns", cli_json_u64(s->created_ns));
        cli_json_print(stdout, object);
        return;
    }
    paused_text(q, paused);
    printf("%-24s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu32 " %9" PRIu32 " %10s  %s%s%s\n", name, s->ready,
           s->leased, s->delayed, s->dead, s->capacity, s->participants, cli_format_size(size, s->segment_bytes), state_of(q),
           paused[0] ? "; paused: " : "", paused);
}

static int visit(const char *name, void *context) {
    struct rp_open_options options;
    struct rp_queue_stats stats;
    rp_queue *q;
    int result;
    rp_open_options_init(&options, sizeof options);
    options.read_only = 1;
    result = rp_queue_open(name, &options, &q);
    if (result == -ENOENT)
        return 0; /* removed since we read the directory */
    if (result < 0) {
        print_broken(context, name, result);
        return 0;
    }
    result = rp_queue_stats(q, &stats);
    if (result < 0) {
        print_broken(context, name, result);
    } else {
        print_queue(context, q, &stats);
    }
    rp_queue_close(q);
    return 0;
}

int verb_ls(int argc, char **argv) {
    struct listing listing = {0};
    const struct flag flags[] = {
        CLI_SWITCH("--json", 0, &listing.json, "one JSON object a line"),
    };
    const struct usage usage = {
        .verb = "ls",
        .synopsis = "[--json]",
        .about = "Lists the queues in /dev/shm. 'stale': no living process is attached (what is in it is still there);\n"
                 "'broken': it cannot be opened, and why.",
        .examples = "  ringpost ls\n  ringpost ls --json",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    int result;
    if (status != CLI_PROCEED)
        return status;
    result = cli_each_queue(visit, &listing);
    if (result < 0 && result != -ENOENT)
        status = cli_fail(result, "/dev/shm");
    return cli_finish(status == CLI_PROCEED ? CLI_DONE : status);
}
