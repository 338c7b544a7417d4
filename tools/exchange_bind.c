/* SPDX-License-Identifier: MIT */
/* ringpost exchange bind|unbind NAME PATTERN QUEUE, and ls */
#include "exchange.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool header_list_parse(const char *text, void *target) {
    struct header_list *l = target;
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || l->count == HEADERS_MOST)
        return false;
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    copy[equals - text] = '\0';
    l->copies[l->count] = copy;
    l->items[l->count++] = (struct rp_header){.name = copy, .value = copy + (equals - text) + 1};
    return true;
}

void header_list_free(struct header_list *l) {
    for (uint32_t i = 0; i < l->count; i++)
        free(l->copies[i]);
    l->count = 0;
}

/* Patterns and paths need not be UTF-8. */
static json_t *json_binding(const char *name, const char *pattern, const char *queue) {
    json_t *object = json_object();
    cli_json_bytes(object, "exchange", "exchange_base64", name, strlen(name));
    cli_json_bytes(object, "pattern", "pattern_base64", pattern, strlen(pattern));
    cli_json_bytes(object, "queue", "queue_base64", queue, strlen(queue));
    return object;
}

/* ---- bind, unbind ---- */

static int change(const struct operands *operands, struct rp_bind_options *o, struct header_list *headers, bool bind, bool force,
                  bool json) {
    const char *name = operands->value[0], *pattern = operands->value[1], *queue = operands->value[2];
    rp_exchange *x;
    int status = exchange_open(name, false, &x);
    if (status != CLI_DONE)
        return status;
    o->headers = headers->items;
    o->header_count = headers->count;
    int result = bind ? rp_exchange_bind(x, pattern, queue, o) : rp_exchange_unbind(x, pattern, queue, o);
    if (result == -ENOENT) {
        if (!force)
            cli_error("'%s' is not bound to '%s' in this way", queue, pattern);
        status = force ? CLI_DONE : CLI_FAILED;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
        status = result == -EINVAL ? CLI_USAGE : status;
    }
    if (json && status == CLI_DONE) {
        json_t *object = json_binding(name, pattern, queue);
        json_object_set_new(object, "changed", json_boolean(result == 0));
        cli_json_print(stdout, object);
    }
    rp_exchange_close(x);
    return status;
}

static int bind_or_unbind(int argc, char **argv, bool bind) {
    struct rp_bind_options o;
    struct header_list headers = {.count = 0};
    bool json = false, any = false, force = false;
    rp_bind_options_init(&o, sizeof o);
    const struct flag flags[] = {
        CLI_PARSED("--header", &headers, "NAME=VALUE", header_list_parse, EXPECTS_HEADER,
                   "and the message has this header; may be given again"),
        CLI_SWITCH("--any", 0, &any, "one of the headers is enough"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &o.timeout_ns, "D",
                 "how long to wait while another process changes bindings, or forever (1s)"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
        CLI_SWITCH("--force", 'f', &force, "a binding that does not exist is no error"),
    };
    const struct usage usage = {
        .verb = bind ? "exchange bind" : "exchange unbind",
        .synopsis = bind ? "NAME PATTERN QUEUE [--header NAME=VALUE]... [--any] [--wait D] [--json]"
                         : "NAME PATTERN QUEUE [--header NAME=VALUE]... [--any] [--wait D] [--json] [--force]",
        .about = bind ? "Binds a queue: from now on it gets what is published under a topic that matches the pattern. In a pattern "
                        "the word *\n"
                        "stands for any one word, # for any number of words. A binding that is there already is no error. The "
                        "queue need not\n"
                        "be there yet."
                      : "Takes a binding back: the one with this pattern, queue and headers.",
        .examples = bind ? "  ringpost exchange bind events 'orders.eu.*' eu-orders\n"
                           "  ringpost exchange bind events '#' big --header kind=big"
                         : "  ringpost exchange unbind events 'orders.eu.*' eu-orders",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0] - bind,
        .operands_min = 3,
        .operands_max = 3,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status == CLI_PROCEED && any && headers.count == 0)
        status = cli_usage_error("--any needs a --header");
    o.match = any ? RP_MATCH_ANY : RP_MATCH_ALL;
    if (status == CLI_PROCEED)
        status = cli_finish(change(&operands, &o, &headers, bind, force, json));
    header_list_free(&headers);
    return status;
}

int exchange_bind(int argc, char **argv) { return bind_or_unbind(argc, argv, true); }

int exchange_unbind(int argc, char **argv) { return bind_or_unbind(argc, argv, false); }

/* ---- ls ---- */

static void print_binding(const char *name, const struct rp_binding *b, bool json) {
    const char *at = b->headers;
    json_t *headers = json_object(), *coded = json_object();
    if (!json)
        printf("%-40s %-24s %9" PRIu64 " ", b->pattern, b->queue, b->failed);
    for (uint32_t i = 0; i < b->header_count; i++) {
        const char *value = at + strlen(at) + 1;
        json_t *text = json ? json_string(value) : NULL; /* NULL if it is not UTF-8 */
        if (text)
            json_object_set_new(headers, at, text);
        else if (json)
            json_object_set_new(coded, at, cli_json_base64(value, strlen(value)));
        else
            printf("%s%s=%s", i == 0 ? (b->match == RP_MATCH_ANY ? " any of " : " ") : " ", at, value);
        at = value + strlen(value) + 1;
    }
    if (json) {
        json_t *object = json_binding(name, b->pattern, b->queue);
        json_object_set(object, "headers", headers);
        if (json_object_size(coded) > 0)
            json_object_set(object, "headers_base64", coded);
        json_object_set_new(object, "match", json_string(b->match == RP_MATCH_ANY ? "any" : "all"));
        json_object_set_new(object, "failed", cli_json_u64(b->failed));
        json_object_set_new(object, "created_ns", cli_json_u64(b->created_ns));
        cli_json_print(stdout, object);
    } else {
        putchar('\n');
    }
    json_decref(headers);
    json_decref(coded);
}

static int list_bindings(const char *name, bool json) {
    rp_exchange *x;
    struct rp_binding b;
    int status = exchange_open(name, true, &x), result;
    if (status != CLI_DONE)
        return status;
    uint32_t at = 0;
    for (; (result = rp_exchange_next(x, at, &b)) == 0; at = b.index + 1) {
        if (at == 0 && !json)
            printf("%-40s %-24s %9s  %s\n", "PATTERN", "QUEUE", "FAILED", "HEADERS");
        print_binding(name, &b, json);
    }
    if (result != RP_EMPTY)
        status = cli_fail(result, "'%s'", name);
    else if (at == 0)
        cli_note("no bindings");
    rp_exchange_close(x);
    return status;
}

#define PREFIX "ringpost-exchange."

static int is_exchange(const struct dirent *entry) {
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && entry->d_name[strlen(PREFIX)] != '\0';
}

struct listing {
    bool json;
    uint64_t shown;
};

static void print_exchange(const char *name, uint64_t number, void *context) {
    struct listing *l = context;
    bool json = l->json;
    (void)number;
    struct rp_open_options o;
    struct rp_exchange_stats s;
    rp_exchange *x;
    rp_open_options_init(&o, sizeof o);
    o.read_only = 1;
    int result = rp_exchange_open(name, &o, &x);
    if (result == 0) {
        result = rp_exchange_stats(x, &s);
        rp_exchange_close(x);
    }
    if (result == -ENOENT)
        return; /* removed since we read the directory */
    if (l->shown++ == 0 && !json)
        printf("%-24s %9s %9s %12s %12s %12s %12s  %s\n", "EXCHANGE", "BINDINGS", "ROOM", "PUBLISHED", "ROUTED", "UNROUTABLE",
               "FAILED", "ALTERNATE");
    if (result < 0 && json)
        cli_json_print(stdout, json_pack("{s:s, s:s, s:s}", "exchange", name, "state", "broken", "error", rp_error_name(result)));
    else if (result < 0)
        printf("%-24s broken: %s (%s)\n", name, rp_error_name(result), rp_error_text(result));
    if (result < 0)
        return;
    if (!json) {
        printf("%-24s %9" PRIu32 " %9" PRIu32 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %s\n", name, s.bindings,
               s.max_bindings, s.published, s.routed, s.unroutable, s.failed, s.alternate_queue[0] ? s.alternate_queue : "-");
        return;
    }
    json_t *object = json_pack("{s:s, s:s, s:s}", "exchange", name, "alternate_queue", s.alternate_queue, "on_unroutable",
                               s.unroutable_mode == RP_UNROUTABLE_RETURN ? "return" : "count");
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"bindings", s.bindings},     {"max_bindings", s.max_bindings},  {"published", s.published},
                   {"routed", s.routed},         {"duplicates", s.duplicates},      {"failed", s.failed},
                   {"unroutable", s.unroutable}, {"alternate", s.alternate},        {"version", s.version},
                   {"created_ns", s.created_ns}, {"segment_bytes", s.segment_bytes}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(object, numbers[i].key, cli_json_u64(numbers[i].value));
    cli_json_print(stdout, object);
}

int exchange_each(void (*visit)(const char *name, uint64_t number, void *context), void *context) {
    struct dirent **entries = NULL;
    int count = scandir("/dev/shm", &entries, is_exchange, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        visit(entries[i]->d_name + strlen(PREFIX), (uint64_t)i, context);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int list_exchanges(bool json) {
    struct listing listing = {.json = json};
    int result = exchange_each(print_exchange, &listing);
    return result < 0 ? cli_fail(result, "/dev/shm") : CLI_DONE;
}

int exchange_ls(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "one JSON object a line")};
    const struct usage usage = {
        .verb = "exchange ls",
        .synopsis = "[NAME] [--json]",
        .about = "Lists the exchanges in /dev/shm with their counters; with NAME the bindings of that one, each with the number of "
                 "messages\n"
                 "that its queue did not take.",
        .examples = "  ringpost exchange ls\n  ringpost exchange ls events --json",
        .flags = flags,
        .flag_count = 1,
        .operands_min = 0,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return cli_finish(operands.count > 0 ? list_bindings(operands.value[0], json) : list_exchanges(json));
}
