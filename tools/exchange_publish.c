/* SPDX-License-Identifier: MIT */
/* ringpost exchange publish NAME TOPIC [FILE] */
#include "exchange.h"
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESULTS_MOST = 1024, MESSAGE_MOST = 1 << 30 };

struct publishing {
    const char *name, *topic;
    rp_publisher *publisher;
    struct rp_publish_options options;
    struct rp_send_options send;
    struct rp_publish_result *results;
    uint64_t messages, copies, unroutable, failed;
    int status;
};

/* What went wrong in single queues; the others have the message. */
static void tell_failures(struct publishing *p, uint32_t matched, uint32_t took) {
    uint32_t failed = matched > took ? matched - took : 0, told = 0;
    for (uint32_t i = 0; i < matched && i < RESULTS_MOST; i++) {
        const struct rp_publish_result *r = &p->results[i];
        if (r->result >= 0 || r->result == RP_DUPLICATE)
            continue;
        told++;
        cli_error("message %" PRIu64 ": queue '%s': %s", p->messages + 1, r->queue, rp_error_text(r->result));
        p->status = p->status == CLI_DONE ? cli_status_of(r->result) : p->status;
    }
    if (failed > told) {
        cli_error("message %" PRIu64 ": %" PRIu32 " more queues did not take it", p->messages + 1, failed - told);
        p->status = p->status == CLI_DONE ? CLI_FAILED : p->status;
    }
    p->failed += failed;
}

/* CLI_DONE, or the status with which all ends. */
static int publish(struct publishing *p, const char *data, size_t bytes) {
    uint32_t matched = 0;
    p->options.matched_out = &matched;
    int result;
    do
        result = rp_publish(p->publisher, p->topic, data, bytes, &p->options);
    while (result == -EINTR && cli_stop_count() == 0);
    tell_failures(p, matched, result > 0 ? (uint32_t)result : 0);
    if (result < 0 && matched == 0 && result != RP_UNROUTABLE) {
        int status = cli_fail(result, "message %" PRIu64 " was not published by '%s'", p->messages + 1, p->name);
        return result == -EINVAL ? CLI_USAGE : status;
    }
    p->messages++;
    p->copies += result > 0 ? (uint64_t)result : 0;
    p->unroutable += matched == 0;
    if (result == RP_UNROUTABLE) {
        cli_error("message %" PRIu64 ": no queue is bound for '%s'", p->messages, p->topic);
        p->status = p->status == CLI_DONE ? CLI_EMPTY : p->status;
    }
    return cli_stop_count() > 0 ? cli_stop_status() : CLI_DONE;
}

static int publish_all(struct publishing *p, int fd, int separator) {
    struct records records;
    int status = CLI_DONE, result = records_init(&records, fd, separator, MESSAGE_MOST);
    if (result < 0)
        return cli_fail(result, "'%s'", p->name);
    while (status == CLI_DONE && (result = records_fill(&records)) != 0) {
        const char *data;
        size_t bytes;
        if (result == -EINTR && cli_stop_count() == 0)
            continue;
        if (result < 0) {
            if (result != -EINTR)
                cli_error("reading: %s", strerror(-result));
            status = result == -EINTR ? cli_stop_status() : CLI_FAILED;
        }
        while (status == CLI_DONE && records_next(&records, &data, &bytes))
            status = publish(p, data, bytes);
    }
    if (status == CLI_DONE && separator == RECORDS_WHOLE && p->messages == 0) /* an empty input is one empty message */
        status = publish(p, "", 0);
    records_free(&records);
    return status == CLI_DONE ? p->status : status;
}

/* A topic need not be UTF-8. */
static void print_counts(const struct publishing *p) {
    json_t *object = json_object();
    cli_json_bytes(object, "exchange", "exchange_base64", p->name, strlen(p->name));
    cli_json_bytes(object, "topic", "topic_base64", p->topic, strlen(p->topic));
    json_object_set_new(object, "messages", cli_json_u64(p->messages));
    json_object_set_new(object, "copies", cli_json_u64(p->copies));
    json_object_set_new(object, "unroutable", cli_json_u64(p->unroutable));
    json_object_set_new(object, "failed", cli_json_u64(p->failed));
    cli_json_print(stdout, object);
}

static int publish_file(struct publishing *p, const char *file, int separator, bool json) {
    rp_exchange *x;
    int fd = STDIN_FILENO;
    if (file && strcmp(file, "-") != 0) {
        fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            cli_error("%s: %s", file, strerror(errno));
            return CLI_FAILED;
        }
    }
    int status = exchange_open(p->name, false, &x);
    if (status == CLI_DONE) {
        int result = rp_publisher_open(x, NULL, &p->publisher);
        cli_signals_install(NULL);
        status = result < 0 ? cli_fail(result, "'%s'", p->name) : publish_all(p, fd, separator);
        cli_signals_release();
        rp_publisher_close(p->publisher);
        rp_exchange_close(x);
        if (json)
            print_counts(p);
        else
            cli_note("published %" PRIu64 " message%s, %" PRIu64 " cop%s in queues", p->messages, cli_plural(p->messages),
                     p->copies, p->copies == 1 ? "y" : "ies");
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return cli_finish(status);
}

int exchange_publish(int argc, char **argv) {
    struct publishing p = {.status = CLI_DONE};
    struct header_list headers = {.count = 0};
    bool nul = false, whole = false, json = false;
    const char *id = NULL, *key = NULL;
    rp_send_options_init(&p.send, sizeof p.send);
    rp_publish_options_init(&p.options, sizeof p.options);
    p.send.timeout_ns = 0;
    const struct flag flags[] = {
        CLI_FLAG(
            "--id", 0, FLAG_TEXT, &id, "ID",
            "with --whole: its id; a queue with a dedup window takes one message of an id, however often it is published (none)"),
        CLI_PARSED("--header", &headers, "NAME=VALUE", header_list_parse, EXPECTS_HEADER,
                   "a header of the message, for bindings that ask for it, too; may be given again"),
        CLI_FLAG("--key", 0, FLAG_TEXT, &key, "KEY", "for queues with keyed lanes (none)"),
        CLI_FLAG("--priority", 0, FLAG_COUNT32, &p.send.priority, "N", "the level, in queues that have so many (0)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &p.send.timeout_ns, "D",
                 "how long to wait for queues that are full, after all others have the message, or forever (none)"),
        CLI_SWITCH("--null", '0', &nul, "messages are separated by NUL, not newline"),
        CLI_SWITCH("--whole", 0, &whole, "all of the input is one message"),
        CLI_SWITCH("--json", 0, &json, "print the counts as a JSON object"),
    };
    const struct usage usage = {
        .verb = "exchange publish",
        .synopsis =
            "NAME TOPIC [--id ID] [--header NAME=VALUE]... [--key KEY] [--priority N] [--wait D] [-0 | --whole] [--json] [FILE]",
        .about =
            "Publishes one message a line, without the newline, from FILE or stdin: a copy to each queue that is bound for TOPIC.\n"
            "A queue that does not take its copy is named on stderr, and stops no other.",
        .examples = "  tail -f orders.log | ringpost exchange publish events orders.eu.new\n"
                    "  ringpost exchange publish events reports.daily --whole --id report-17 report.pdf",
        .statuses = "3 no queue is bound (where that is an error), 4 a queue is full",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 3,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status == CLI_PROCEED && nul && whole)
        status = cli_usage_error("-0 and --whole exclude each other");
    if (status == CLI_PROCEED && id && (!whole || *id == '\0' || strlen(id) > RP_DEDUP_ID_MAX))
        status = cli_usage_error("--id goes with --whole, and has 1 to %d bytes", RP_DEDUP_ID_MAX);
    if (status == CLI_PROCEED && key && (*key == '\0' || strlen(key) > RP_KEY_MAX))
        status = cli_usage_error("a key has 1 to %d bytes", RP_KEY_MAX);
    if (status == CLI_PROCEED && (p.results = calloc(RESULTS_MOST, sizeof *p.results)) == NULL)
        status = CLI_FAILED;
    if (status == CLI_PROCEED) {
        p.name = operands.value[0];
        p.topic = operands.value[1];
        p.send.key = key;
        p.send.key_bytes = key ? strlen(key) : 0;
        p.send.dedup_id = id;
        p.send.dedup_id_bytes = id ? strlen(id) : 0;
        p.options.send = &p.send;
        p.send.headers = headers.items;
        p.send.header_count = headers.count;
        p.options.results = p.results;
        p.options.result_room = RESULTS_MOST;
        status = publish_file(&p, operands.count > 2 ? operands.value[2] : NULL, whole ? RECORDS_WHOLE : nul ? '\0' : '\n', json);
    }
    free(p.results);
    header_list_free(&headers);
    return status;
}
