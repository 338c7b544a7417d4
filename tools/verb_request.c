/* SPDX-License-Identifier: MIT */
/* ringpost request TO [DATA]: one request, and its reply. No handler for signals: there is nothing to clear up, and the reply of who gave up is skipped by whoever asks next. */
#include "cli.h"
#include "headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    const char *to, *reply_queue;
    const char *data; /* NULL: stdin */
    size_t bytes;
    int64_t timeout_ns;
    struct rp_request_options options;
    struct rp_send_options send;
    struct header_flags headers;
    bool whole, json;
    uint64_t late;
    char id[RP_CORRELATION_ID_BYTES];
};

/* All of stdin, but no more than one byte too many. 0 or negative errno. */
static int read_input(struct request *r, char *buffer, size_t room) {
    size_t length = 0;
    while (length < room) {
        ssize_t n = read(STDIN_FILENO, buffer + length, room - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    r->data = buffer;
    r->bytes = length;
    return 0;
}

static void print_reply(const struct request *r, const struct rp_message *m) {
    if (r->json) {
        json_t *object = json_object();
        json_object_set_new(object, "id", cli_json_u64(m->id));
        json_object_set_new(object, "sent_ns", cli_json_u64(m->sent_ns));
        json_object_set_new(object, "late", cli_json_u64(r->late));
        json_object_set_new(object, "bytes", cli_json_u64(m->bytes));
        cli_json_headers(object, &m->headers);
        cli_json_payload(object, m->data, m->bytes);
        cli_json_print(stdout, object);
        return;
    }
    fwrite(m->data, 1, m->bytes, stdout);
    if (!r->whole)
        putchar('\n');
}

/* Asks; the reply is acked when it was written out. */
static int ask(struct request *r, rp_producer *to, rp_consumer *replies) {
    struct rp_message reply;
    uint64_t before = cli_clock_ns();
    int result = rp_request(to, replies, r->data, r->bytes, &r->options, &reply, r->timeout_ns);
    if (result == RP_TOO_BIG && r->headers.trace_taken) { /* as `send` does */
        r->send.header_count--;
        result = rp_request(to, replies, r->data, r->bytes, &r->options, &reply, r->timeout_ns);
    }
    if (result == RP_EMPTY) {
        char waited[CLI_TEXT_MAX];
        cli_error("no reply came in %s", cli_format_duration(waited, (cli_clock_ns() - before) / CLI_NS_PER_MS * CLI_NS_PER_MS));
        return CLI_EMPTY;
    }
    if (result < 0)
        return cli_fail(result, r->id[0] ? "request to '%s' was sent" : "request to '%s' was not sent", r->to);
    print_reply(r, &reply);
    if (fflush(stdout) != 0) {
        cli_give_back(replies, &reply);
        return CLI_FAILED; /* cli_finish says why */
    }
    result = rp_ack(replies, &reply);
    return result == 0 || result == RP_LEASE_LOST ? CLI_DONE : cli_fail(result, "'%s'", r->reply_queue);
}

static int ask_with(struct request *r, rp_queue *to, rp_queue *back) {
    struct rp_consumer_options options;
    struct rp_queue_options q;
    rp_producer *producer;
    rp_consumer *replies;
    char *input = NULL;
    rp_queue_options_init(&q, sizeof q);
    rp_consumer_options_init(&options, sizeof options);
    int result = rp_queue_options_get(to, &q), status;
    if (result == 0 && !r->data) {
        input = malloc((size_t)q.message_bytes + 1);
        result = input ? read_input(r, input, (size_t)q.message_bytes + 1) : -ENOMEM;
    }
    if (result == 0)
        result = rp_producer_open(to, NULL, &producer);
    if (result < 0) {
        free(input);
        return cli_fail(result, "'%s'", r->to);
    }
    status = cli_open_consumer(back, &options, &replies);
    if (status == CLI_DONE) {
        status = ask(r, producer, replies);
        rp_consumer_close(replies);
    }
    rp_producer_close(producer);
    free(input);
    return status;
}

static int request(struct request *r) {
    rp_queue *to, *back;
    int status = cli_open(r->to, false, &to);
    if (status != CLI_DONE)
        return status;
    status = cli_open(r->reply_queue, false, &back);
    if (status == CLI_DONE) {
        status = ask_with(r, to, back);
        rp_queue_close(back);
    }
    rp_queue_close(to);
    return cli_finish(status);
}

int verb_request(int argc, char **argv) {
    struct request r = {.timeout_ns = 30 * (int64_t)CLI_NS_PER_S};
    bool expires = false;
    const char *key = NULL;
    const struct flag flags[] = {
        CLI_FLAG("--reply-queue", 0, FLAG_TEXT, &r.reply_queue, "QUEUE",
                 "where the reply comes to: a queue of this requester's own, in which nobody else receives"),
        CLI_FLAG("--timeout", 0, FLAG_TIMEOUT, &r.timeout_ns, "D",
                 "how long to wait, for room and for the reply, or forever (30s)"),
        CLI_SWITCH("--expires", 0, &expires, "the request expires when the timeout is over"),
        CLI_FLAG("--priority", 0, FLAG_COUNT32, &r.send.priority, "N", "its level, 0 is the lowest (0)"),
        CLI_FLAG("--key", 0, FLAG_TEXT, &key, "KEY", "in a queue made with --keyed: its key (none)"),
        CLI_PARSED("--header", &r.headers, "NAME=VALUE", header_parse, HEADER_EXPECTS, "a header of it; as often as wanted"),
        CLI_FLAG("--content-type", 0, FLAG_TEXT, &r.headers.content_type, "TYPE", "the header content-type"),
        CLI_SWITCH("--no-trace", 0, &r.headers.no_trace, "do not pass on the traceparent that is in our environment, TRACEPARENT"),
        CLI_SWITCH("--whole", 0, &r.whole, "print the reply as it is, no newline after it"),
        CLI_SWITCH("--json", 0, &r.json, "print the reply as a JSON object, the payload as data or data_base64"),
    };
    const struct usage usage = {
        .verb = "request",
        .synopsis = "TO --reply-queue QUEUE [--timeout D] [--expires] [--priority N] [--key KEY] [--header NAME=VALUE]\n"
                    "       [--content-type TYPE] [--no-trace] [--whole | --json] [DATA]",
        .about =
            "Sends DATA, or all of stdin, as a request and prints its reply. Replies to earlier requests are skipped. Whoever\n"
            "answers finds the headers correlation-id and reply-to; `work` gives them to its command as RINGPOST_CORRELATION_ID\n"
            "and RINGPOST_REPLY_TO, so that it can answer with `ringpost send`.",
        .examples = "  ringpost request sums --reply-queue sums.me --timeout 5s '2+3'\n"
                    "  ringpost work sums -- sh -c \\\n"
                    "    'bc | ringpost send \"$RINGPOST_REPLY_TO\" --correlation-id \"$RINGPOST_CORRELATION_ID\"'",
        .statuses = "3 no reply in time, 4 the queue of requests is full",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 2,
    };
    struct operands operands;
    rp_send_options_init(&r.send, sizeof r.send);
    rp_request_options_init(&r.options, sizeof r.options);
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (!r.reply_queue)
        return cli_usage_error("--reply-queue is missing: where should the reply come to?");
    if (r.whole && r.json)
        return cli_usage_error("--whole and --json exclude each other");
    if (key && (*key == '\0' || strlen(key) > RP_KEY_MAX))
        return cli_usage_error("a key has 1 to %d bytes", RP_KEY_MAX);
    if ((status = header_flags_done(&r.headers)) != CLI_PROCEED)
        return status;
    r.send.key = key;
    r.send.key_bytes = key ? strlen(key) : 0;
    r.send.headers = r.headers.list;
    r.send.header_count = r.headers.count;
    r.options.send = &r.send;
    r.options.expires = expires;
    r.options.late = &r.late;
    r.options.correlation_id = r.id;
    r.to = operands.value[0];
    if (operands.count > 1) {
        r.data = operands.value[1];
        r.bytes = strlen(r.data);
    }
    return request(&r);
}
