/* SPDX-License-Identifier: MIT */
/* ringpost receive NAME: a message is acked only after the kernel took all of its bytes; whatever goes wrong before, it goes back. */
#include "cli.h"
#include "headers.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_MOST 32
#define SLICE_NS (INT64_C(500) * (int64_t)CLI_NS_PER_MS) /* how soon an idle receiver notices that nobody reads it */

struct receiver {
    rp_consumer *consumer;
    const char *name;
    const char *group;
    struct output output;
    int64_t wait_ns;
    uint64_t limit; /* 0: none */
    uint64_t received;
    uint64_t within_ns; /* 0: for any time */
    uint64_t lost;
    uint32_t strategy;
    bool follow;
    bool no_ack;
    bool create_group;
    bool json;
    bool whole;
    char separator;
};

/* Messages in hand, and where each ends in the output. */
struct hand {
    struct rp_message message[BATCH_MOST];
    size_t end[BATCH_MOST];
    size_t count;
    size_t settled;  /* the first so many are done */
    size_t gathered; /* the first so many are in the output */
};

static bool append_json(struct receiver *r, const struct rp_message *m) {
    json_t *object = json_object();
    struct rp_last_failure failure;
    char *text;
    bool done;
    json_object_set_new(object, "id", cli_json_u64(m->id));
    json_object_set_new(object, "deliveries", cli_json_u64(m->deliveries));
    json_object_set_new(object, "acquisitions", cli_json_u64(m->acquisitions));
    json_object_set_new(object, "sent_ns", cli_json_u64(m->sent_ns));
    cli_json_order(object, m->key, m->key_bytes, m->priority);
    json_object_set_new(object, "bytes", cli_json_u64(m->bytes));
    if (m->acquisitions > 1 && !r->no_ack && rp_message_failure(r->consumer, m, &failure) == 0)
        json_object_set_new(object, "last_failure", cli_json_failure(&failure));
    cli_json_headers(object, &m->headers);
    cli_json_payload(object, m->data, m->bytes);
    text = cli_json_text(object);
    done = text && output_append(&r->output, text, strlen(text));
    free(text);
    return done && output_append(&r->output, "\n", 1);
}

static bool append(struct receiver *r, const struct rp_message *m) {
    if (r->json)
        return append_json(r, m);
    if (!output_append(&r->output, m->data, m->bytes))
        return false;
    return r->whole || output_append(&r->output, &r->separator, 1);
}

/* Gives back what is still in hand. */
static void drop_hand(struct receiver *r, struct hand *h) {
    uint64_t back = h->count - h->settled;
    if (back == 0)
        return;
    if (r->no_ack) {
        cli_error("%" PRIu64 " message%s lost: it was settled before it was written (--no-ack)", back, cli_plural(back));
        return;
    }
    for (size_t i = h->settled; i < h->count; i++)
        cli_give_back(r->consumer, &h->message[i]);
    h->settled = h->count;
    cli_note("%" PRIu64 " message%s given back", back, cli_plural(back));
}

static int write_failed(int result) {
    if (result == -EINTR)
        return cli_stop_status();
    if (result == -EPIPE) {
        cli_error("nobody reads the output any more");
    } else {
        cli_error("writing the output: %s", strerror(-result));
    }
    return CLI_FAILED;
}

/* Acks the first message not yet settled. A lost lease is counted: the message was printed, and will be delivered again. */
static int settle(struct receiver *r, struct hand *h) {
    struct rp_message *m = &h->message[h->settled++];
    int result = r->no_ack ? 0 : rp_ack(r->consumer, m);
    if (result == RP_LEASE_LOST) {
        cli_error("message %" PRIu64 ": its lease ran out before it was written; it will be delivered again", m->id);
        r->lost++;
    } else if (result < 0) {
        return cli_fail(result, "message %" PRIu64, m->id);
    }
    r->received++;
    return CLI_DONE;
}

/* Writes what was gathered and acks every message of which all bytes went out. */
static int write_gathered(struct receiver *r, struct hand *h) {
    size_t written;
    int result = output_flush(&r->output, &written);
    while (h->settled < h->gathered && (result == 0 || h->end[h->settled] <= written)) {
        int status = settle(r, h);
        if (status != CLI_DONE)
            return status;
    }
    return result < 0 ? write_failed(result) : CLI_DONE;
}

/* Prints the messages in hand: several in one write as long as the kernel takes them as a whole, a long one by itself. */
static int print_hand(struct receiver *r, struct hand *h) {
    int status = CLI_DONE;
    h->settled = h->gathered = 0;
    while (status == CLI_DONE && h->gathered < h->count) {
        size_t before = r->output.length;
        if (!append(r, &h->message[h->gathered])) {
            r->output.length = before;
            status = write_gathered(r, h);
            if (status == CLI_DONE)
                status = cli_fail(-ENOMEM, "message %" PRIu64, h->message[h->gathered].id);
            break;
        }
        h->end[h->gathered++] = r->output.length;
        if (r->output.length >= PIPE_BUF / 2 || h->gathered == h->count)
            status = write_gathered(r, h);
    }
    drop_hand(r, h);
    return status;
}

/* Takes up to BATCH_MOST messages: waits until `deadline` (0: for ever), noticing when the reader goes. */
static int take(struct receiver *r, struct hand *h, uint64_t deadline_ns, bool forever) {
    for (;;) {
        uint64_t now = cli_clock_ns();
        int64_t wait = forever ? SLICE_NS : now < deadline_ns ? (int64_t)(deadline_ns - now) : 0;
        bool last = !forever && wait <= SLICE_NS;
        size_t most = r->limit == 0 || r->limit - r->received > BATCH_MOST ? BATCH_MOST : (size_t)(r->limit - r->received);
        int result;
        if (cli_stop_count() > 0)
            return -EINTR;
        if (output_reader_gone(r->output.fd))
            return -EPIPE;
        if (wait > SLICE_NS)
            wait = SLICE_NS;
        /* Without acks the data lasts until the next receive only: one at a time. */
        if (r->no_ack) {
            result = rp_receive(r->consumer, &h->message[0], wait);
            if (result == 0)
                result = 1;
        } else {
            result = rp_receive_batch(r->consumer, h->message, most, wait);
        }
        if ((result == RP_EMPTY || result == RP_PAUSED) && !last)
            continue;
        if (result == -EINTR && cli_stop_count() == 0)
            continue;
        h->count = result > 0 ? (size_t)result : 0;
        return result;
    }
}

/* How it ends when nothing more comes. */
static int ended(struct receiver *r, int result) {
    if (result == RP_PAUSED)
        cli_error("receiving from '%s' is paused", r->name);
    if (result == RP_EMPTY || result == RP_PAUSED)
        return r->received ? CLI_DONE : CLI_EMPTY;
    if (result == -EINTR)
        return r->follow ? CLI_DONE : cli_stop_status();
    if (result == -EPIPE)
        return write_failed(result);
    return cli_fail(result, "'%s'", r->name);
}

static int receive_all(struct receiver *r) {
    struct hand *hand = malloc(sizeof *hand);
    uint64_t end_ns = 0; /* known when the first has come */
    int status = CLI_DONE;
    if (!hand)
        return cli_fail(-ENOMEM, "'%s'", r->name);
    while (status == CLI_DONE && (r->limit == 0 || r->received < r->limit)) {
        uint64_t now = cli_clock_ns(), wait = (uint64_t)r->wait_ns;
        bool forever = r->wait_ns < 0 || wait > UINT64_MAX - now;
        uint64_t until_ns = now + wait;
        int result;
        if (end_ns != 0 && now >= end_ns)
            break;
        if (end_ns != 0 && (forever || end_ns < until_ns)) {
            until_ns = end_ns;
            forever = false;
        }
        result = take(r, hand, until_ns, forever);
        if (result < 0) {
            status = ended(r, result);
            break;
        }
        if (end_ns == 0 && r->within_ns != 0)
            end_ns = cli_clock_ns() + r->within_ns;
        status = print_hand(r, hand);
    }
    /* Interrupted in the middle of a write: for --follow an end like any other. */
    if (r->follow && status > 128)
        status = CLI_DONE;
    if (status == CLI_DONE && r->lost)
        status = CLI_LEASE_LOST;
    free(hand);
    return status;
}

static int receive(struct receiver *r) {
    struct rp_consumer_options options;
    rp_queue *q;
    int status = cli_open(r->name, false, &q);
    if (status != CLI_DONE)
        return status;
    if (r->create_group) {
        int result = rp_group_create(q, r->group, NULL);
        if (result < 0 && result != -EEXIST) {
            status = cli_fail(result, "'%s'", r->name);
            rp_queue_close(q);
            return result == -EINVAL ? CLI_USAGE : status;
        }
    }
    rp_consumer_options_init(&options, sizeof options);
    options.group = r->group;
    options.ack = r->no_ack ? RP_ACK_NONE : RP_ACK_EXPLICIT;
    options.wait_strategy = r->strategy;
    status = cli_open_consumer(q, &options, &r->consumer);
    if (status == CLI_DONE) {
        cli_signals_install(q);
        status = receive_all(r);
        cli_signals_release();
        rp_consumer_close(r->consumer);
    }
    output_free(&r->output);
    rp_queue_close(q);
    return status;
}

#define WAIT_UNSET INT64_MIN

int verb_receive(int argc, char **argv) {
    struct receiver r = {.wait_ns = WAIT_UNSET, .output.fd = STDOUT_FILENO, .separator = '\n'};
    bool nul = false;
    const struct flag flags[] = {
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &r.limit, "N", "at most N messages (1; with --follow no limit)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &r.wait_ns, "D",
                 "the longest idle wait for the next message, or forever (none; with --follow forever)"),
        CLI_FLAG("--within", 0, FLAG_DURATION, &r.within_ns, "D", "end so long after the first message, also if fewer than N came"),
        CLI_SWITCH("--follow", 0, &r.follow, "go on until a signal, or the idle wait, ends it"),
        CLI_STRATEGY_FLAG(&r.strategy),
        CLI_FLAG("--group", 0, FLAG_TEXT, &r.group, "GROUP", "consumer group (default)"),
        CLI_SWITCH("--create-group", 0, &r.create_group, "make the group first, unless it is there"),
        CLI_SWITCH("--no-ack", 0, &r.no_ack, "at most once: settled when taken, lost if it cannot be written"),
        CLI_SWITCH("--null", '0', &nul, "end each payload with NUL, not newline"),
        CLI_SWITCH("--whole", 0, &r.whole, "print payloads as they are, nothing after them"),
        CLI_SWITCH("--json", 0, &r.json, "one JSON object a line, the payload as data or data_base64"),
    };
    const struct usage usage = {
        .verb = "receive",
        .synopsis = "NAME [-n N] [--wait D] [--within D] [--follow] [--wait-strategy HOW] [--group GROUP [--create-group]] "
                    "[--no-ack] [-0 | --whole] [--json]",
        .about = "Prints payloads, one a line, and acks each message after it was written. If it cannot be written (the reader\n"
                 "of the pipe went away, the disk is full) it is given back uncharged. --follow --wait none takes all there is.",
        .examples = "  ringpost receive orders\n"
                    "  ringpost receive orders --follow --json | jq -r .data\n"
                    "  ringpost receive orders -n 100 --wait forever --within 5s >batch.txt",
        .statuses = "3 nothing at all came, or receiving is paused, 7 a lease ran out before its message was written",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if ((nul || r.json) + r.whole > 1)
        return cli_usage_error("-0, --whole and --json exclude each other");
    if (nul && r.json)
        return cli_usage_error("-0, --whole and --json exclude each other");
    if (r.create_group && !r.group)
        return cli_usage_error("--create-group goes with --group");
    if (nul)
        r.separator = '\0';
    if (r.limit == 0 && !r.follow)
        r.limit = 1;
    if (r.wait_ns == WAIT_UNSET)
        r.wait_ns = r.follow ? -1 : 0;
    r.name = operands.value[0];
    return receive(&r);
}
