/* SPDX-License-Identifier: MIT */
/* ringpost peek NAME */
#include "cli.h"
#include "headers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct peek {
    const char *group;
    unsigned states;
    uint64_t limit;
    bool whole;
    bool json;
    bool keyed, levels; /* as the queue is */
};

static void print_json(const struct rp_peeked *m, const void *data) {
    json_t *object = json_object();
    json_object_set_new(object, "id", cli_json_u64(m->id));
    json_object_set_new(object, "state", json_string(cli_state_name(m->state)));
    json_object_set_new(object, "deliveries", cli_json_u64(m->deliveries));
    json_object_set_new(object, "acquisitions", cli_json_u64(m->acquisitions));
    json_object_set_new(object, "sent_ns", cli_json_u64(m->sent_ns));
    json_object_set_new(object, "due_ns", cli_json_u64(m->due_ns));
    json_object_set_new(object, "pid", cli_json_u64(m->pid));
    json_object_set_new(object, "bytes", cli_json_u64(m->bytes));
    cli_json_order(object, m->key, m->key_bytes, m->priority);
    cli_json_headers(object, &m->headers);
    cli_json_payload(object, data, m->bytes);
    cli_json_print(stdout, object);
}

/* "1.5s" until it is due; "-" if there is no such time. */
static const char *format_due(char out[CLI_TEXT_MAX], uint64_t due_ns) {
    uint64_t now = cli_wall_ns();
    if (due_ns == 0) {
        snprintf(out, CLI_TEXT_MAX, "-");
        return out;
    }
    if (due_ns <= now) {
        snprintf(out, CLI_TEXT_MAX, "now");
        return out;
    }
    return cli_format_duration(out, (due_ns - now) / CLI_NS_PER_MS * CLI_NS_PER_MS);
}

enum { KEY_COLUMNS = 16 };

/* Escaped, cut, and filled up to its columns. */
static void print_key(const struct rp_peeked *m) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return;
    cli_print_payload(out, m->key, m->key_bytes, m->key_bytes, KEY_COLUMNS);
    if (fclose(out) == 0)
        printf("%-*s  ", (int)KEY_COLUMNS, m->key_bytes ? text : "-");
    free(text);
}

static void print_heading(const struct peek *p) {
    printf("%-12s %-8s %6s %9s %9s %8s %8s  ", "ID", "STATE", "FAILED", "AGE", "DUE IN", "HOLDER", "BYTES");
    if (p->keyed)
        printf("%-*s  ", (int)KEY_COLUMNS, "KEY");
    if (p->levels)
        printf("%5s  ", "LEVEL");
    puts("PAYLOAD");
}

static void print_row(const struct peek *p, const struct rp_peeked *m, const void *data, size_t held) {
    char age[CLI_TEXT_MAX], due[CLI_TEXT_MAX], pid[16];
    snprintf(pid, sizeof pid, m->pid ? "%" PRIu32 : "-", m->pid);
    printf("%-12" PRIu64 " %-8s %6u %9s %9s %8s %8zu  ", m->id, cli_state_name(m->state), m->deliveries,
           cli_format_age(age, m->sent_ns), format_due(due, m->due_ns), pid, m->bytes);
    if (p->keyed)
        print_key(m);
    if (p->levels)
        printf("%5" PRIu32 "  ", m->priority);
    cli_print_payload(stdout, data, m->bytes < held ? m->bytes : held, m->bytes, p->whole ? 0 : CLI_PAYLOAD_COLUMNS);
    putchar('\n');
}

static int print_messages(rp_queue *q, const struct peek *p, size_t message_bytes, size_t header_bytes) {
    /* characters have at most 4 bytes */
    size_t capacity = p->json || p->whole || message_bytes < 4 * CLI_PAYLOAD_COLUMNS ? message_bytes : 4 * CLI_PAYLOAD_COLUMNS;
    if (p->json)
        capacity += header_bytes + HEADERS_BESIDE;
    char *buffer = malloc(capacity);
    struct rp_peeked m;
    uint64_t after = 0, shown = 0;
    int result = 0;
    if (!buffer)
        return cli_fail(-ENOMEM, "%zu bytes", capacity);
    while ((result = rp_peek(q, p->group, p->states, after, &m, buffer, capacity)) == 0) {
        if (shown == p->limit) {
            cli_note("more than %" PRIu64 "; -n N shows N", p->limit);
            break;
        }
        if (p->json) {
            print_json(&m, buffer);
        } else {
            if (shown == 0)
                print_heading(p);
            print_row(p, &m, buffer, capacity);
        }
        shown++;
        after = m.id;
        if (ferror(stdout))
            break;
    }
    free(buffer);
    if (result == RP_EMPTY)
        return shown ? CLI_DONE : CLI_EMPTY;
    if (result == -ENOENT) {
        cli_error("queue '%s' has no group '%s'", rp_queue_name(q), p->group ? p->group : "default");
        return CLI_FAILED;
    }
    if (result < 0)
        return cli_fail(result, "'%s'", rp_queue_name(q));
    return CLI_DONE;
}

int verb_peek(int argc, char **argv) {
    struct peek p = {.limit = 10};
    const struct flag flags[] = {
        CLI_PARSED("--state", &p.states, "STATES", cli_parse_states, CLI_EXPECTS_STATES,
                   "which ones: ready, leased, delayed, dead, all, or several with commas (ready,leased,delayed)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &p.limit, "N", "show at most N (10)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &p.group, "GROUP", "as seen by this consumer group (default)"),
        CLI_SWITCH("--whole", 0, &p.whole, "do not shorten payloads"),
        CLI_SWITCH("--json", 0, &p.json, "one JSON object a line, payloads whole"),
    };
    const struct usage usage = {
        .verb = "peek",
        .synopsis = "NAME [--state STATES] [-n N] [--group GROUP] [--whole] [--json]",
        .about = "Shows messages in order of their ids without taking them. Control characters are escaped, long payloads cut.",
        .examples = "  ringpost peek orders\n  ringpost peek orders --state leased,delayed -n 100",
        .statuses = "3 no such message",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    struct rp_queue_options options;
    rp_queue *q;
    int result, status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (!p.states)
        p.states = RP_STATE_READY | RP_STATE_LEASED | RP_STATE_DELAYED;
    status = cli_open(operands.value[0], true, &q);
    if (status != CLI_DONE)
        return status;
    rp_queue_options_init(&options, sizeof options);
    result = rp_queue_options_get(q, &options);
    p.keyed = options.lanes > 0;
    p.levels = options.priorities > 1;
    status = result < 0 ? cli_fail(result, "'%s'", operands.value[0])
                        : print_messages(q, &p, options.message_bytes, options.header_bytes);
    rp_queue_close(q);
    return cli_finish(status);
}
