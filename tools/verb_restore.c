/* SPDX-License-Identifier: MIT */
/* ringpost restore [NAME] [FILE] */
#include "dumped.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* All ones: not given. */
struct restore {
    struct rp_queue_options given;
    bool into, dead, json;
};

static void take32(uint32_t given, uint32_t *option) {
    if (given != UINT32_MAX)
        *option = given;
}

/* What was given, over what the dump says. What depends on the capacity follows it. */
static void override(const struct rp_queue_options *given, struct rp_queue_options *o) {
    take32(given->capacity, &o->capacity);
    take32(given->message_bytes, &o->message_bytes);
    take32(given->header_bytes, &o->header_bytes);
    take32(given->lanes, &o->lanes);
    take32(given->lane_capacity, &o->lane_capacity);
    take32(given->max_groups, &o->max_groups);
    take32(given->max_participants, &o->max_participants);
    take32(given->max_producer_ids, &o->max_producer_ids);
    take32(given->mode, &o->mode);
    if (given->max_bytes != UINT64_MAX)
        o->max_bytes = given->max_bytes;
    if (given->lease_ns != UINT64_MAX)
        o->lease_ns = given->lease_ns;
    o->group = given->group;
    if (given->capacity != UINT32_MAX || given->max_participants != UINT32_MAX)
        o->dedup_entries = 0;
    if (o->dead_capacity > o->capacity)
        o->dead_capacity = o->capacity;
    if (o->lane_capacity > o->capacity)
        o->lane_capacity = o->capacity;
    take32(given->dead_capacity, &o->dead_capacity);
}

static int explain(const struct dumped *d, const char *name, int result) {
    if (result == -EEXIST) {
        cli_error("queue '%s' exists already; --into sends it the messages", name);
        return CLI_FAILED;
    }
    if (result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == -EINTR) {
        int status = dumped_fail(d, result);
        cli_note("nothing was restored");
        return status;
    }
    int status = cli_fail(result, "'%s'", name);
    return result == -EINVAL ? CLI_USAGE : status;
}

static int restore(const struct restore *r, struct dumped *d, const char *name) {
    struct rp_queue_options o;
    struct rp_dump_summary n;
    rp_queue *q;
    rp_queue_options_init(&o, sizeof o);
    int result = rp_dump_queue_options(d->dump, &o);
    override(&r->given, &o);
    if (result == 0)
        result = rp_queue_restore(name, d->dump, &o, &q);
    if (result < 0)
        return explain(d, name, result);
    result = rp_dump_summary(d->dump, &n);
    if (result == 0 && r->json)
        cli_json_print(stdout,
                       json_pack("{s:s, s:o, s:o, s:o, s:o}", "queue", name, "messages", cli_json_u64(n.messages), "groups",
                                 cli_json_u64(n.groups), "producers", cli_json_u64(n.producers), "ids", cli_json_u64(n.ids)));
    else
        cli_note("restored %s: %" PRIu64 " message%s in %" PRIu64 " group%s", name, n.messages, cli_plural(n.messages), n.groups,
                 cli_plural(n.groups));
    rp_queue_close(q);
    return cli_finish(CLI_DONE);
}

/* What can be read twice is read through first: what is damaged costs nothing then. */
static int run(const struct restore *r, const char *name, const char *file) {
    struct dumped d;
    struct rp_dump_head head;
    cli_signals_install(NULL);
    int status = dumped_open(&d, file);
    if (status == CLI_DONE && r->into && !d.seekable)
        status = dumped_spool(&d);
    if (status == CLI_DONE)
        status = dumped_begin(&d);
    if (status == CLI_DONE && d.seekable)
        status = dumped_verify(&d);
    if (status == CLI_DONE) {
        int result = rp_dump_head(d.dump, &head);
        if (result < 0)
            status = dumped_fail(&d, result);
        else if (name == NULL && (head.name[0] == '/' || strlen(head.name) == sizeof head.name - 1))
            status = cli_usage_error("the dump is of a queue that was a file of its own: say under which NAME to restore it");
        else if (r->into)
            status = dumped_send(&d, name ? name : head.name, r->dead, r->json);
        else
            status = restore(r, &d, name ? name : head.name);
    }
    dumped_close(&d);
    return status;
}

int verb_restore(int argc, char **argv) {
    struct restore r;
    memset(&r, 0, sizeof r);
    memset(&r.given, 0xff, sizeof r.given);
    r.given.group = NULL;
    const struct rp_queue_options nothing_given = r.given;
    struct rp_queue_options *o = &r.given;
    const struct flag flags[] = {
        CLI_FLAG("--capacity", 0, FLAG_COUNT32, &o->capacity, "N", "messages held at once (these: as it was)"),
        CLI_FLAG("--message-bytes", 0, FLAG_SIZE32, &o->message_bytes, "SIZE", "largest payload"),
        CLI_FLAG("--header-bytes", 0, FLAG_SIZE32, &o->header_bytes, "SIZE", "room for headers beside it"),
        CLI_FLAG("--max-bytes", 0, FLAG_SIZE, &o->max_bytes, "SIZE", "bytes held at once"),
        CLI_FLAG("--dead-capacity", 0, FLAG_COUNT32, &o->dead_capacity, "N", "dead letters kept per group"),
        CLI_FLAG("--lease", 0, FLAG_DURATION, &o->lease_ns, "D", "how long a receiver may hold a message"),
        CLI_FLAG("--keyed", 0, FLAG_COUNT32, &o->lanes, "N", "lanes for keys"),
        CLI_FLAG("--lane-capacity", 0, FLAG_COUNT32, &o->lane_capacity, "N", "messages that one lane holds"),
        CLI_FLAG("--max-groups", 0, FLAG_COUNT32, &o->max_groups, "N", "room for consumer groups"),
        CLI_FLAG("--max-participants", 0, FLAG_COUNT32, &o->max_participants, "N", "processes attached at once"),
        CLI_FLAG("--producers", 0, FLAG_COUNT32, &o->max_producer_ids, "N", "room for ids of producers"),
        CLI_PARSED("--mode", &o->mode, "OCTAL", cli_parse_mode, "octal permission bits such as 0660",
                   "permission bits: who may attach"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o->group, "NAME", "Unix group that owns the queue, by name or number (yours)"),
        CLI_SWITCH("--into", 0, &r.into, "send the messages to a queue that is there, as new ones; without dead letters"),
        CLI_SWITCH("--dead", 0, &r.dead, "with --into: dead letters, too"),
        CLI_SWITCH("--json", 0, &r.json, "what came back as a JSON object"),
    };
    const struct usage usage = {
        .verb = "restore",
        .synopsis = "[NAME] [flags] <FILE",
        .about =
            "Makes a queue of a dump, under its old name or another, with messages in order, ids, groups, failures, delays and\n"
            "dead letters. It gets its name when all is in it; a dump that is damaged makes none. Messages that were held are\n"
            "ready. With --into the messages are sent to a queue that is there: new ids, for all its groups, nothing else.",
        .examples = "  ringpost restore <orders.dump\n"
                    "  zstd -dc orders.dump.zst | ringpost restore orders-copy --capacity 100000\n"
                    "  ringpost restore orders --into <orders.dump",
        .statuses = "4 more messages than there is room for",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 0,
        .operands_max = 2,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (r.dead && !r.into)
        return cli_usage_error("--dead is for --into; else dead letters are restored as dead letters");
    if (r.into && memcmp(&r.given, &nothing_given, sizeof nothing_given) != 0)
        return cli_usage_error("--into sends to a queue that is there, which stays as it was made");
    return run(&r, operands.count > 0 ? operands.value[0] : NULL, operands.count > 1 ? operands.value[1] : NULL);
}
