/* SPDX-License-Identifier: MIT */
/* ringpost ring read NAME */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_NS (INT64_C(500) * (int64_t)CLI_NS_PER_MS) /* how soon an idle reader notices that nobody reads it */
#define WAIT_UNSET INT64_MIN
enum { GATHER = 1 << 16 };

struct reading {
    const char *name;
    rp_reader *reader;
    struct ring_from from;
    struct output output;
    unsigned char *buffer;
    size_t capacity;
    int64_t wait_ns;
    uint64_t limit; /* 0: none */
    uint64_t read, lost;
    bool follow, observe, json;
    char separator;
};

static bool append_object(struct reading *r, json_t *object) {
    char *text = cli_json_text(object);
    bool done = text && output_append(&r->output, text, strlen(text)) && output_append(&r->output, "\n", 1);
    free(text);
    return done;
}

static bool append_message(struct reading *r, size_t bytes) {
    struct rp_reader_status s;
    if (!r->json)
        return output_append(&r->output, r->buffer, bytes) && output_append(&r->output, &r->separator, 1);
    if (rp_reader_status(r->reader, &s) < 0)
        return false;
    json_t *object = json_pack("{s:i}", "lane", (int)s.lane);
    json_object_set_new(object, "sequence", cli_json_u64(s.sequence));
    json_object_set_new(object, "bytes", cli_json_u64(bytes));
    cli_json_payload(object, r->buffer, bytes);
    return append_object(r, object);
}

/* What was lost is said where it would have been. */
static bool append_loss(struct reading *r) {
    struct ring_loss l = ring_loss(r->reader);
    r->lost += l.count;
    ring_say_loss(&l);
    if (!r->json)
        return true;
    json_t *object = json_pack("{s:i}", "lane", (int)l.lane);
    json_object_set_new(object, "lost", cli_json_u64(l.count));
    json_object_set_new(object, "first_sequence", cli_json_u64(l.first));
    return append_object(r, object);
}

/* 0 or negative errno. */
static int flush(struct reading *r) {
    size_t written;
    int result = ring_put(r->output.fd, r->output.bytes, r->output.length, &written);
    r->output.length = 0;
    return result;
}

static int write_failed(const struct reading *r, int result) {
    if (result == -EINTR)
        return r->follow ? CLI_DONE : cli_stop_status();
    if (result == -EPIPE)
        cli_error("nobody reads the output any more");
    else
        cli_error("writing the output: %s", strerror(-result));
    return CLI_FAILED;
}

/* How it ends when nothing more comes. */
static int ended(const struct reading *r, int result) {
    if (result == RP_EMPTY)
        return r->read + r->lost ? CLI_DONE : CLI_EMPTY;
    if (result == -EINTR || result == -EPIPE)
        return write_failed(r, result);
    if (result == RP_GONE) {
        cli_error("'%s' was removed", r->name);
        return CLI_NO_QUEUE;
    }
    return ring_fail(result, "'%s'", r->name);
}

/* The next message, or a loss: as rp_read. Looks at signals and at who reads the output now and then. */
static int take(struct reading *r, size_t *bytes) {
    int result = rp_read(r->reader, r->buffer, r->capacity, bytes, 0);
    if (result != RP_EMPTY)
        return result;
    if ((result = flush(r)) < 0)
        return result;
    uint64_t begun = cli_clock_ns();
    for (;;) {
        if (cli_stop_count() > 0)
            return -EINTR;
        if (output_reader_gone(r->output.fd))
            return -EPIPE;
        uint64_t waited = cli_clock_ns() - begun;
        int64_t left = r->wait_ns < 0 ? SLICE_NS : waited < (uint64_t)r->wait_ns ? r->wait_ns - (int64_t)waited : 0;
        result = rp_read(r->reader, r->buffer, r->capacity, bytes, left < SLICE_NS ? left : SLICE_NS);
        if (result == -EINTR || (result == RP_EMPTY && left > 0))
            continue;
        return result;
    }
}

static int read_all(struct reading *r) {
    int result = 0, failed;
    while (result == 0 && (r->limit == 0 || r->read < r->limit)) {
        size_t bytes;
        bool kept = true;
        result = cli_stop_count() > 0 ? -EINTR : take(r, &bytes);
        if (result == 0) {
            kept = append_message(r, bytes);
            r->read += kept;
        } else if (result == RP_LAPPED) {
            kept = append_loss(r);
            result = 0;
        }
        if (!kept)
            result = -ENOMEM;
        else if (result == 0 && r->output.length >= GATHER)
            result = flush(r);
    }
    failed = flush(r);
    if (r->lost > 0)
        cli_note("%" PRIu64 " message%s read, %" PRIu64 " lost", r->read, cli_plural(r->read), r->lost);
    return failed < 0 ? write_failed(r, failed) : result < 0 ? ended(r, result) : CLI_DONE;
}

static int read_ring(struct reading *r) {
    struct rp_ring_info info;
    rp_ring *ring;
    int status = ring_open(r->name, RING_TO_READ, &ring);
    if (status != CLI_DONE)
        return status;
    int result = rp_ring_info(ring, &info);
    r->capacity = info.message_bytes;
    r->buffer = result == 0 ? malloc(r->capacity) : NULL;
    if (r->buffer == NULL)
        status = ring_fail(result < 0 ? result : -ENOMEM, "'%s'", r->name);
    if (status == CLI_DONE) {
        cli_signals_install(NULL);
        status = ring_reader_open(ring, &r->from, r->observe, &r->reader);
    }
    if (status == CLI_DONE)
        status = read_all(r);
    rp_reader_close(r->reader);
    rp_ring_close(ring);
    output_free(&r->output);
    free(r->buffer);
    return status;
}

int ring_read(int argc, char **argv) {
    struct reading r = {.wait_ns = WAIT_UNSET, .output.fd = STDOUT_FILENO, .separator = '\n'};
    bool nul = false;
    const struct flag flags[] = {
        CLI_PARSED(
            "--from", &r.from, "WHERE", ring_parse_from, RING_EXPECTS_FROM,
            "begin with the newest (what is written from now on), the oldest that is there, or this number in each lane (newest)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &r.limit, "N", "at most N messages (1; with --follow no limit)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &r.wait_ns, "D",
                 "the longest idle wait for the next message, or forever (forever; with --from oldest or a number, and without "
                 "--follow: none)"),
        CLI_SWITCH("--follow", 0, &r.follow, "go on until a signal, or the idle wait, ends it"),
        CLI_SWITCH("--observe", 0, &r.observe, "hold no writer back, in a ring made with --overflow gate"),
        CLI_SWITCH("--null", '0', &nul, "end each message with NUL, not newline"),
        CLI_SWITCH("--json", 0, &r.json, "one JSON object a line, the message as data or data_base64"),
    };
    const struct usage usage = {
        .verb = "ring read",
        .synopsis = "NAME [--from newest|oldest|SEQ] [-n N] [--wait D] [--follow] [--observe] [-0 | --json]",
        .about =
            "Prints messages, one a line, and takes none away. Messages that were overwritten before they could be read are told "
            "on\n"
            "stderr, and with --json in their place, with their exact number. Needs no permission to write; without it, it holds\n"
            "nobody back. --follow --wait none takes all there is.",
        .examples = "  ringpost ring read ticks --follow\n"
                    "  ringpost ring read ticks --from oldest --follow --wait none\n"
                    "  ringpost ring read telemetry --follow --json | jq -r .data",
        .statuses = "3 nothing came, 4 all seats have readers",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (nul && r.json)
        return cli_usage_error("-0 and --json exclude each other");
    if (nul)
        r.separator = '\0';
    if (r.limit == 0 && !r.follow)
        r.limit = 1;
    if (r.wait_ns == WAIT_UNSET)
        r.wait_ns = r.follow || r.from.from == RP_FROM_NEWEST ? -1 : 0;
    r.name = operands.value[0];
    return cli_finish(read_ring(&r));
}
