/* SPDX-License-Identifier: MIT */
/* ringpost dead ls|show NAME: looking into the dead ring; also finds the other two verbs. */
#include "dead.h"
#include "headers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int dead_no_group(rp_queue *q, const char *group) {
    cli_error("queue '%s' has no group '%s'", rp_queue_name(q), group ? group : "default");
    return CLI_FAILED;
}

static void print_json(const struct rp_dead_letter *d, const void *data, size_t held) {
    json_t *object = json_object();
    json_object_set_new(object, "id", cli_json_u64(d->id));
    json_object_set_new(object, "reason", json_string(cli_reason_name(d->reason)));
    json_object_set_new(object, "last_failure", json_string(cli_failure_name(d->last_failure)));
    json_object_set_new(object, "text", json_stringn(d->text, strnlen(d->text, sizeof d->text)));
    json_object_set_new(object, "deliveries", cli_json_u64(d->deliveries));
    json_object_set_new(object, "acquisitions", cli_json_u64(d->acquisitions));
    json_object_set_new(object, "sent_ns", cli_json_u64(d->sent_ns));
    json_object_set_new(object, "first_failed_ns", cli_json_u64(d->first_failed_ns));
    json_object_set_new(object, "last_failed_ns", cli_json_u64(d->last_failed_ns));
    json_object_set_new(object, "pid", cli_json_u64(d->pid));
    json_object_set_new(object, "executable", json_stringn(d->executable, strnlen(d->executable, sizeof d->executable)));
    json_object_set_new(object, "bytes", cli_json_u64(d->bytes));
    cli_json_headers(object, &d->headers);
    cli_json_payload(object, data, d->bytes < held ? d->bytes : held);
    cli_json_print(stdout, object);
}

static void print_row(const struct rp_dead_letter *d, const void *data, size_t held, bool whole) {
    char age[CLI_TEXT_MAX];
    printf("%-12" PRIu64 " %-14s %6u %9s %8zu  ", d->id, cli_reason_name(d->reason), d->deliveries,
           cli_format_age(age, d->last_failed_ns), d->bytes);
    cli_print_payload(stdout, data, d->bytes < held ? d->bytes : held, d->bytes, whole ? 0 : CLI_PAYLOAD_COLUMNS);
    if (d->text[0]) {
        fputs("  (", stdout);
        cli_print_payload(stdout, d->text, strnlen(d->text, sizeof d->text), 0, 0);
        putchar(')');
    }
    putchar('\n');
}

static void print_letter(const struct rp_dead_letter *d, const void *data, size_t held, bool whole) {
    char time[CLI_TEXT_MAX];
    printf("message %" PRIu64 "\n", d->id);
    printf("  %-14s%s\n", "reason", cli_reason_name(d->reason));
    printf("  %-14s%s", "last failure", cli_failure_name(d->last_failure));
    if (d->text[0]) {
        fputs(": ", stdout);
        cli_print_payload(stdout, d->text, strnlen(d->text, sizeof d->text), 0, 0);
    }
    printf("\n  %-14s%u failed, handed out %u times\n", "deliveries", d->deliveries, d->acquisitions);
    printf("  %-14s%s\n", "sent", cli_format_time(time, d->sent_ns));
    printf("  %-14s%s\n", "first failed", cli_format_time(time, d->first_failed_ns));
    printf("  %-14s%s\n", "last failed", cli_format_time(time, d->last_failed_ns));
    printf("  %-14s", "last holder");
    if (d->pid) {
        printf("pid %" PRIu32 " ", d->pid);
        cli_print_payload(stdout, d->executable, strnlen(d->executable, sizeof d->executable), 0, 0);
    } else {
        putchar('-');
    }
    printf("\n  %-14s%zu bytes: ", "payload", d->bytes);
    cli_print_payload(stdout, data, d->bytes < held ? d->bytes : held, d->bytes, whole ? 0 : 10 * CLI_PAYLOAD_COLUMNS);
    putchar('\n');
    if (d->headers.bytes > 0)
        puts("  headers");
    headers_print(stdout, &d->headers, "    ");
}

bool dead_parse_filter(const char *text, void *filter) {
    static const char prefix[] = "header.";
    const char **kept = filter;
    if (*kept ||
        strncmp(text, prefix, sizeof prefix - 1) != 0) /* of two, one would say nothing, and a purge take more than was meant */
        return false;
    *kept = text + sizeof prefix - 1;
    return true;
}

int dead_check(struct dead_choice *c) {
    c->which.key_bytes = c->which.key ? strlen(c->which.key) : 0;
    if (c->which.key && (c->which.key_bytes == 0 || c->which.key_bytes > RP_KEY_MAX))
        return cli_usage_error("--key: a key has 1 to %d bytes", RP_KEY_MAX);
    if (c->filter) {
        size_t length = strcspn(c->filter, "=");
        if (length < 1 || length > RP_HEADER_NAME_MAX)
            return cli_usage_error("--filter: a header's name has 1 to %d characters", RP_HEADER_NAME_MAX);
        memcpy(c->header, c->filter, length);
        c->which.header = c->header;
        c->which.header_value = c->filter[length] ? c->filter + length + 1 : NULL;
    }
    if (c->which.max_age_ns && c->which.max_age_ns < c->which.min_age_ns)
        return cli_usage_error("no letter is older than --older and younger than --younger here");
    return CLI_DONE;
}

int dead_print(rp_queue *q, const struct dead_choice *c, bool in_full, uint64_t *shown) {
    struct rp_queue_options options;
    rp_queue_options_init(&options, sizeof options);
    int result = rp_queue_options_get(q, &options);
    if (result < 0)
        return cli_fail(result, "'%s'", rp_queue_name(q));
    size_t message_bytes = options.message_bytes;
    size_t columns = (in_full ? 10 : 1) * CLI_PAYLOAD_COLUMNS;
    size_t capacity = c->json || c->whole || in_full || message_bytes < 4 * columns ? message_bytes : 4 * columns;
    if (c->json || in_full)
        capacity += options.header_bytes + HEADERS_BESIDE;
    char *buffer = malloc(capacity);
    struct rp_dead_letter d;
    uint64_t after = 0;
    *shown = 0;
    if (!buffer)
        return cli_fail(-ENOMEM, "%zu bytes", capacity);
    while ((c->which.limit == 0 || *shown < c->which.limit) &&
           (result = rp_dead_next(q, c->group, &c->which, after, &d, buffer, capacity)) == 0) {
        after = d.id;
        if (c->json) {
            print_json(&d, buffer, capacity);
        } else if (in_full) {
            print_letter(&d, buffer, capacity, c->whole);
        } else {
            if (*shown == 0)
                printf("%-12s %-14s %6s %9s %8s  %s\n", "ID", "REASON", "FAILED", "DIED", "BYTES", "PAYLOAD (LAST ERROR)");
            print_row(&d, buffer, capacity, c->whole);
        }
        ++*shown;
        if (ferror(stdout))
            break;
    }
    free(buffer);
    if (result == -ENOENT)
        return dead_no_group(q, c->group);
    if (result < 0 && result != RP_EMPTY)
        return cli_fail(result, "'%s'", rp_queue_name(q));
    if (*shown == 0 && c->which.id)
        cli_error("message %" PRIu64 " is not in the dead ring, or is not one of those", c->which.id);
    return *shown ? CLI_DONE : CLI_EMPTY;
}

static int look(const char *name, const struct dead_choice *c, bool in_full) {
    rp_queue *q;
    uint64_t shown;
    int status = cli_open(name, true, &q);
    if (status != CLI_DONE)
        return status;
    status = dead_print(q, c, in_full, &shown);
    rp_queue_close(q);
    return cli_finish(status);
}

static int look_verb(int argc, char **argv, bool in_full) {
    struct dead_choice c = {0};
    const struct flag flags[] = {
        DEAD_FLAG_GROUP(c),
        DEAD_FLAGS_WHICH(c),
        DEAD_FLAG_LIMIT(c),
        CLI_SWITCH("--whole", 0, &c.whole, "do not shorten payloads"),
        CLI_SWITCH("--json", 0, &c.json, "one JSON object a line, payloads whole"),
    };
    const struct usage usage = {
        .verb = in_full ? "dead show" : "dead ls",
        .synopsis = "NAME [--group GROUP] [which] [--limit N] [--whole] [--json]",
        .about = in_full ? "Shows dead letters with everything that is known about them."
                         : "Lists dead letters, one a line. Takes nothing.",
        .examples = in_full ? "  ringpost dead show orders --id 4711" : "  ringpost dead ls orders --reason rejected",
        .statuses = "3 no such dead letter",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status;
    rp_redrive_options_init(&c.which, sizeof c.which);
    status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if ((status = dead_check(&c)) != CLI_DONE)
        return status;
    return look(operands.value[0], &c, in_full);
}

int dead_ls(int argc, char **argv) { return look_verb(argc, argv, false); }

int dead_show(int argc, char **argv) { return look_verb(argc, argv, true); }

static const struct verb dead_verbs[] = {
    {"ls", "list dead letters", dead_ls},
    {"show", "show them in full", dead_show},
    {"redrive", "make them ready again", dead_redrive},
    {"purge", "drop them", dead_purge},
    {NULL, NULL, NULL},
};

static const struct verb_family dead_family = {
    .name = "dead",
    .verbs = dead_verbs,
    .about = "Usage: ringpost dead ls|show|redrive|purge NAME ... [--json]\n\n"
             "The dead ring keeps messages that failed too often or were rejected, until a person looks.\n\n",
    .more = "\nringpost dead VERB --help explains one.\n"
            "\nExample:\n  ringpost dead ls orders\n  ringpost dead redrive orders --reason max-deliveries --limit 100\n",
    .there_are = "there are ls, show, redrive and purge",
};

int verb_dead(int argc, char **argv) { return cli_family(&dead_family, argc, argv); }
