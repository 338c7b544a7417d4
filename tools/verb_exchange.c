/* SPDX-License-Identifier: MIT */
/* ringpost exchange create|rm|bind|unbind|publish|ls NAME ... */
#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int exchange_open(const char *name, bool read_only, rp_exchange **out) {
    struct rp_open_options options;
    rp_open_options_init(&options, sizeof options);
    options.read_only = read_only;
    int result = rp_exchange_open(name, &options, out);
    if (result == 0)
        return CLI_DONE;
    if (result == -ENOENT) {
        cli_error("there is no exchange '%s'", name);
        return CLI_NO_QUEUE;
    }
    int status = cli_fail(result, "'%s'", name);
    return result == -EINVAL ? CLI_USAGE : status;
}

static bool parse_unroutable(const char *text, void *target) {
    uint32_t *mode = target;
    if (strcmp(text, "count") != 0 && strcmp(text, "return") != 0)
        return false;
    *mode = *text == 'c' ? RP_UNROUTABLE_COUNT : RP_UNROUTABLE_RETURN;
    return true;
}

static int exchange_create(int argc, char **argv) {
    struct rp_exchange_options o;
    bool json = false;
    rp_exchange_options_init(&o, sizeof o);
    const struct flag flags[] = {
        CLI_FLAG("--max-bindings", 0, FLAG_COUNT32, &o.max_bindings, "N", "how many there may be at once (1024)"),
        CLI_FLAG("--alternate", 0, FLAG_TEXT, &o.alternate, "QUEUE", "queue for what no binding matches (none)"),
        CLI_PARSED("--unroutable", &o.unroutable, "WHAT", parse_unroutable, "count or return",
                   "what a publish says that no binding matches: count it and say nothing, or return an error (count)"),
        CLI_PARSED("--mode", &o.mode, "MODE", cli_parse_mode, "an octal mode such as 660", "permission bits (600)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o.group, "GROUP", "the Unix group that owns it (yours)"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "exchange create",
        .synopsis =
            "NAME [--max-bindings N] [--alternate QUEUE] [--unroutable count|return] [--mode MODE] [--group GROUP] [--json]",
        .about = "Makes an exchange: a table of bindings by which messages published under a topic get to queues.",
        .examples = "  ringpost exchange create events --alternate lost",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    rp_exchange *x;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    int result = rp_exchange_create(operands.value[0], &o, &x);
    if (result == -EEXIST) {
        cli_error("there is an exchange '%s' already", operands.value[0]);
        return CLI_FAILED;
    }
    if (result < 0) {
        status = cli_fail(result, "'%s'", operands.value[0]);
        return result == -EINVAL ? CLI_USAGE : status;
    }
    rp_exchange_close(x);
    if (json)
        cli_json_print(stdout,
                       json_pack("{s:s, s:o}", "exchange", operands.value[0], "max_bindings", cli_json_u64(o.max_bindings)));
    return cli_finish(CLI_DONE);
}

static int exchange_rm(int argc, char **argv) {
    bool json = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--force", 'f', &force, "an exchange that does not exist is no error"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "exchange rm",
        .synopsis = "NAME [--force] [--json]",
        .about = "Removes an exchange with its bindings. The queues stay, with what is in them.",
        .examples = "  ringpost exchange rm events",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    int result = rp_exchange_unlink(operands.value[0]);
    status = CLI_DONE;
    if (result == -ENOENT) {
        if (!force)
            cli_error("there is no exchange '%s'", operands.value[0]);
        status = force ? CLI_DONE : CLI_NO_QUEUE;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", operands.value[0]);
        status = result == -EINVAL ? CLI_USAGE : status;
    }
    if (json && status == CLI_DONE)
        cli_json_print(stdout, json_pack("{s:s, s:b}", "exchange", operands.value[0], "removed", result == 0));
    return cli_finish(status);
}

static const struct verb exchange_verbs[] = {
    {"create", "make an exchange", exchange_create},
    {"rm", "remove an exchange; its queues stay", exchange_rm},
    {"bind", "send what matches a pattern to a queue", exchange_bind},
    {"unbind", "take a binding back", exchange_unbind},
    {"publish", "send a file or stdin to the queues bound for a topic", exchange_publish},
    {"ls", "list exchanges, or the bindings of one", exchange_ls},
    {NULL, NULL, NULL},
};

static const struct verb_family exchange_family = {
    .name = "exchange",
    .verbs = exchange_verbs,
    .about = "Usage: ringpost exchange create|rm|bind|unbind|publish|ls NAME ... [--json]\n\n"
             "A message published under a topic such as orders.eu.new goes to each queue that is bound by a pattern that matches:\n"
             "orders.*.new (any one word), orders.# (any number of words), # (everything).\n\n",
    .more = "\nringpost exchange VERB --help explains one.\n"
            "\nExample:\n  ringpost exchange create events\n  ringpost exchange bind events 'orders.#' audit\n"
            "  echo hello | ringpost exchange publish events orders.eu.new\n",
    .there_are = "there are create, rm, bind, unbind, publish and ls",
};

int verb_exchange(int argc, char **argv) { return cli_family(&exchange_family, argc, argv); }
