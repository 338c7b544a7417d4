/* SPDX-License-Identifier: MIT */
/* ringpost journal replay NAME | --journal DIR */
#include "headers.h"
#include "journal.h"
#include "pace.h"
#include "place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHER_BYTES (UINT64_C(64) * 1024)

struct replay {
    const char *name; /* of the queue, or the journal's directory */
    const char *path;
    const char *to;
    struct place from, until;
    uint64_t limit;
    struct pace pace;
    double speed;
    bool json, whole;
    char separator;
    rp_journal_reader *reader;
    rp_queue *target; /* NULL: stdout */
    struct rp_queue_options target_options;
    rp_producer *producer;
    struct output output;
    uint64_t replayed, payload, missing;
};

/* ---- words ---- */

static bool parse_until(const char *text, void *target) { return place_parse(text, target); }
static bool parse_from(const char *text, void *target) {
    *(struct place *)target = (struct place){0};
    return strcmp(text, "oldest") == 0 || place_parse(text, target);
}

static bool parse_speed(const char *text, void *target) { return cli_parse_real(text, target) && *(double *)target >= 0; }

static bool is_wanted(const struct replay *r, const struct rp_journal_message *m) {
    return m->sent_ns >= r->from.time_ns && (r->until.time_ns == 0 || m->sent_ns <= r->until.time_ns);
}

/* ---- where they go ---- */

static bool append_json(struct replay *r, const struct rp_journal_message *m) {
    json_t *object = json_object();
    json_object_set_new(object, "sequence", cli_json_u64(m->sequence));
    json_object_set_new(object, "id", cli_json_u64(m->id));
    json_object_set_new(object, "sent_ns", cli_json_u64(m->sent_ns));
    json_object_set_new(object, "due_ns", m->due_ns ? cli_json_u64(m->due_ns) : json_null());
    json_object_set_new(object, "expires_ns", m->expires_ns ? cli_json_u64(m->expires_ns) : json_null());
    cli_json_order(object, m->key, m->key_bytes, m->priority);
    json_object_set_new(object, "bytes", cli_json_u64(m->bytes));
    cli_json_headers(object, &m->headers);
    cli_json_payload(object, m->data, m->bytes);
    char *text = cli_json_text(object);
    bool done = text && output_append(&r->output, text, strlen(text)) && output_append(&r->output, "\n", 1);
    free(text);
    return done;
}

static int flush(struct replay *r) {
    size_t written;
    int result = output_flush(&r->output, &written);
    if (result == -EINTR)
        return cli_stop_status();
    if (result == -EPIPE)
        cli_error("nobody reads the output any more");
    else if (result < 0)
        cli_error("writing the output: %s", strerror(-result));
    return result < 0 ? CLI_FAILED : CLI_DONE;
}

static int print(struct replay *r, const struct rp_journal_message *m) {
    bool done = r->json ? append_json(r, m)
                        : output_append(&r->output, m->data, m->bytes) && (r->whole || output_append(&r->output, &r->separator, 1));
    if (!done)
        return cli_fail(-ENOMEM, "message %" PRIu64, m->sequence);
    return r->speed > 0 || r->output.length >= GATHER_BYTES ? flush(r) : CLI_DONE;
}

/* Key and priority as far as the queue has them. A full queue is waited for. */
static int send(struct replay *r, const struct rp_journal_message *m) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = -1;
    o.carry = m->headers.bytes > 0 ? &m->headers : NULL;
    if (r->target_options.lanes > 0) {
        o.key = m->key;
        o.key_bytes = m->key_bytes;
    }
    if (r->target_options.priorities > 1)
        o.priority = m->priority < r->target_options.priorities ? m->priority : r->target_options.priorities - 1;
    int result;
    do
        result = r->speed > 0 ? rp_send(r->producer, m->data, m->bytes, &o) : rp_send_async(r->producer, m->data, m->bytes, &o);
    while (result == -EINTR && cli_stop_count() == 0);
    if (result == -EINTR)
        return cli_stop_status();
    return result < 0 ? cli_fail(result, "message %" PRIu64 " was not sent to '%s'", m->sequence, r->to) : CLI_DONE;
}

/* What was sent without waiting is on disk, if the queue has one; also after a signal. */
static int finish(struct replay *r) {
    if (r->target == NULL)
        return flush(r);
    int result = rp_flush(r->producer);
    if (result == -EINTR) /* of the signal that ended it all */
        result = rp_flush(r->producer);
    return result < 0 ? cli_fail(result, "'%s'", r->to) : CLI_DONE;
}

/* ---- all of them ---- */

static int replay_one(struct replay *r, const struct rp_journal_message *m) {
    if (!is_wanted(r, m))
        return CLI_DONE;
    if (pace_wait(&r->pace, m->sent_ns) < 0)
        return cli_stop_status();
    int status = r->target != NULL ? send(r, m) : print(r, m);
    if (status == CLI_DONE) {
        r->replayed++;
        r->payload += m->bytes;
    }
    return status;
}

static void say_missing(struct replay *r, const struct rp_journal_message *m) {
    uint64_t last = m->sequence + m->missing - 1;
    if (m->missing == 1)
        cli_error("message %" PRIu64 " is not in the journal any more", m->sequence);
    else
        cli_error("messages %" PRIu64 " to %" PRIu64 " are not in the journal any more", m->sequence, last);
    r->missing += m->missing;
}

static int replay_all(struct replay *r) {
    struct rp_journal_message m;
    int status = CLI_DONE, result = 0;
    while (status == CLI_DONE && r->replayed < r->limit) {
        if (cli_stop_count() > 0) {
            status = cli_stop_status();
            break;
        }
        result = rp_journal_reader_next(r->reader, &m);
        if (result == RP_LAPPED)
            say_missing(r, &m);
        else if (result < 0 || (r->until.sequence != 0 && m.sequence > r->until.sequence))
            break;
        else
            status = replay_one(r, &m);
    }
    int ended = finish(r);
    if (status == CLI_DONE)
        status = ended;
    if (result < 0 && result != RP_EMPTY && result != RP_LAPPED && status == CLI_DONE)
        status = journal_failed(result, r->path);
    if (status == CLI_DONE && r->missing > 0)
        status = CLI_FAILED;
    return status == CLI_DONE && r->replayed == 0 ? CLI_EMPTY : status;
}

static void tell(const struct replay *r) {
    char size[CLI_TEXT_MAX], late[CLI_TEXT_MAX];
    if (r->target == NULL)
        return;
    if (r->json)
        cli_json_print(stdout, json_pack("{s:s, s:o, s:o, s:o}", "queue", r->to, "replayed", cli_json_u64(r->replayed), "bytes",
                                         cli_json_u64(r->payload), "missing", cli_json_u64(r->missing)));
    else
        cli_note("replayed %" PRIu64 " message%s (%s) to %s%s%s", r->replayed, cli_plural(r->replayed),
                 cli_format_size(size, r->payload), r->to, r->speed > 0 ? ", at most late by " : "",
                 r->speed > 0 ? cli_format_duration(late, r->pace.late_ns) : "");
}

/* ---- before ---- */

static int open_target(struct replay *r) {
    struct stat here, there;
    if (r->to == NULL || strcmp(r->to, "-") == 0)
        return CLI_DONE;
    int status = cli_open(r->to, false, &r->target);
    if (status != CLI_DONE)
        return status;
    rp_queue_options_init(&r->target_options, sizeof r->target_options);
    int result = rp_queue_options_get(r->target, &r->target_options);
    if (result == 0)
        result = rp_producer_open(r->target, NULL, &r->producer);
    if (result < 0)
        return cli_fail(result, "'%s'", r->to);
    /* Into the same queue: not also what is sent by us. */
    const char *its = r->target_options.journal;
    if (its != NULL && (r->until.time_ns == 0 || r->until.time_ns > cli_wall_ns()) && stat(its, &there) == 0 &&
        stat(r->path, &here) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        r->until.time_ns = cli_wall_ns();
    return CLI_DONE;
}

/* The directory of a queue that is there, as its options say. */
static int find_journal(struct replay *r, rp_queue **source) {
    struct rp_queue_options o;
    int status = r->path == NULL ? cli_open(r->name, true, source) : CLI_DONE;
    if (status != CLI_DONE || r->path != NULL) {
        if (status == CLI_NO_QUEUE)
            cli_note("if its journal is left: --journal DIR");
        return status;
    }
    rp_queue_options_init(&o, sizeof o);
    int result = rp_queue_options_get(*source, &o);
    if (result < 0)
        return cli_fail(result, "'%s'", r->name);
    if (o.journal == NULL) {
        cli_error("'%s' has no journal", r->name);
        return CLI_FAILED;
    }
    r->path = o.journal;
    return CLI_DONE;
}

static int replay(struct replay *r) {
    rp_queue *source = NULL; /* the path lives as long */
    int status = find_journal(r, &source);
    if (status == CLI_DONE)
        status = open_target(r);
    if (status == CLI_DONE) {
        int result = rp_journal_reader_open(r->path, r->from.sequence, &r->reader);
        if (result < 0)
            status = journal_failed(result, r->path);
    }
    if (status == CLI_DONE) {
        cli_signals_install(r->target);
        pace_begin(&r->pace, r->speed);
        status = replay_all(r);
        tell(r);
        cli_signals_release();
    }
    rp_journal_reader_close(r->reader);
    output_free(&r->output);
    rp_producer_close(r->producer);
    rp_queue_close(r->target);
    rp_queue_close(source);
    return cli_finish(status);
}

int journal_replay(int argc, char **argv) {
    struct replay r = {.limit = UINT64_MAX, .separator = '\n', .output.fd = STDOUT_FILENO};
    bool nul = false;
    const struct flag flags[] = {
        CLI_FLAG("--journal", 0, FLAG_TEXT, &r.path, "DIR", "the journal in this directory, whether its queue is there or not"),
        CLI_PARSED("--from", &r.from, "WHERE", parse_from, "oldest, " PLACE_EXPECTS,
                   "from this message on: a sequence, a time when it was sent, \"2h ago\", or oldest (oldest)"),
        CLI_PARSED("--until", &r.until, "WHERE", parse_until, PLACE_EXPECTS, "up to this one, it included (all there are)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &r.limit, "N", "at most N messages (no limit)"),
        CLI_FLAG("--to", 0, FLAG_TEXT, &r.to, "QUEUE", "send them to this queue; - is stdout (-)"),
        CLI_PARSED("--speed", &r.speed, "X", parse_speed, "a number such as 2 or 0.5",
                   "so many times as fast as they were sent; 0: as fast as can be (0)"),
        CLI_SWITCH("--null", '0', &nul, "end each payload with NUL, not newline"),
        CLI_SWITCH("--whole", 0, &r.whole, "print payloads as they are, nothing after them"),
        CLI_SWITCH("--json", 0, &r.json, "one JSON object a line; with --to the counts as one"),
    };
    const struct usage usage = {
        .verb = "journal replay",
        .synopsis = "NAME | --journal DIR [--from WHERE] [--until WHERE] [-n N] [--to QUEUE] [--speed X] [-0 | --whole] [--json]",
        .about = "Prints what was sent to a durable queue, settled or not, as far back as its journal goes (create --retain), or\n"
                 "sends it to another queue, with keys, headers and priorities, as far as that has them. The queue may be in use.\n"
                 "A full queue is waited for. Ends with what is there now.",
        .examples = "  ringpost journal replay orders --from \"2h ago\" --json\n"
                    "  ringpost journal replay --journal /var/lib/orders --from 1000 --until 2000 --to test --speed 1",
        .statuses = "3 nothing was replayed",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 0,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if ((operands.count == 1) == (r.path != NULL))
        return cli_usage_error("give the NAME of a queue, or --journal DIR");
    if ((nul || r.json) + r.whole > 1 || (nul && r.json))
        return cli_usage_error("-0, --whole and --json exclude each other");
    r.name = operands.count == 1 ? operands.value[0] : r.path;
    r.separator = nul ? '\0' : '\n';
    return replay(&r);
}
