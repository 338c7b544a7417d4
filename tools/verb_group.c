/* SPDX-License-Identifier: MIT */
/* ringpost group create|rm|ls NAME ... */
#include "groups.h"
#include "place.h"

#include <errno.h>
#include <string.h>

static bool parse_from(const char *text, void *options) {
    struct rp_group_options *o = options;
    struct place p = {0};
    bool newest = strcmp(text, "newest") == 0, oldest = strcmp(text, "oldest") == 0;
    if (!newest && !oldest && !place_parse(text, &p))
        return false;
    o->start = newest ? RP_START_NEWEST : oldest ? RP_START_OLDEST : p.sequence != 0 ? RP_START_SEQUENCE : RP_START_TIME;
    o->start_at = p.sequence != 0 ? p.sequence : p.time_ns;
    return true;
}

static int group_create(int argc, char **argv) {
    struct rp_group_options options;
    bool json = false;
    rp_group_options_init(&options, sizeof options);
    const struct flag flags[] = {
        CLI_PARSED(
            "--overflow", &options.overflow, "POLICY", group_parse_overflow, EXPECTS_GROUP_OVERFLOW,
            "what a send does to the group's messages when the queue is full: block, drop-oldest, dead, or queue: as the queue's "
            "(queue)"),
        CLI_PARSED(
            "--from", &options, "WHERE", parse_from, "newest, oldest, " PLACE_EXPECTS,
            "with which message it begins: newest, the next one; oldest, the first in the queue's journal; the one with this "
            "sequence, or sent at this time or later (newest)"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "group create",
        .synopsis = "NAME GROUP [--overflow POLICY] [--from WHERE] [--json]",
        .about = "Makes a consumer group. It gets every message that is sent from now on, whatever other groups do with it; and, "
                 "if the queue\n"
                 "has a journal and --from says so, what was sent before, each message once, in order.",
        .examples = "  ringpost group create orders audit\n  ringpost group create orders replay --from \"2h ago\"",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
    };
    struct operands operands;
    rp_queue *q;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    const char *name = operands.value[0], *group = operands.value[1];
    status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    int result = rp_group_create(q, group, &options);
    if (result == -EEXIST) {
        cli_error("queue '%s' has a group '%s' already", name, group);
        status = CLI_FAILED;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
        if (result == -EINVAL)
            status = CLI_USAGE;
    } else if (json) {
        cli_json_print(
            stdout, json_pack("{s:s, s:s, s:s}", "queue", name, "group", group, "overflow", group_overflow_name(options.overflow)));
    }
    rp_queue_close(q);
    return cli_finish(status);
}

static int group_rm(int argc, char **argv) {
    bool json = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--force", 'f', &force, "a group that does not exist is no error"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "group rm",
        .synopsis = "NAME GROUP [--force] [--json]",
        .about = "Removes a consumer group and drops its messages; other groups keep theirs. Its receivers are told so.",
        .examples = "  ringpost group rm orders audit",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
    };
    struct operands operands;
    rp_queue *q;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    const char *name = operands.value[0], *group = operands.value[1];
    status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    int result = rp_group_remove(q, group);
    if (result == -ENOENT) {
        if (!force)
            cli_error("queue '%s' has no group '%s'", name, group);
        status = force ? CLI_DONE : CLI_FAILED;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
        if (result == -EINVAL)
            status = CLI_USAGE;
    }
    if (json && status == CLI_DONE)
        cli_json_print(stdout, json_pack("{s:s, s:s, s:b}", "queue", name, "group", group, "removed", result == 0));
    rp_queue_close(q);
    return cli_finish(status);
}

static int group_ls(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "one JSON object with all groups")};
    const struct usage usage = {
        .verb = "group ls",
        .synopsis = "NAME [--json]",
        .about =
            "Lists the consumer groups of a queue: what waits for each, what is held, delayed, dead, and how old the oldest is\n"
            "that waits.",
        .examples = "  ringpost group ls orders",
        .flags = flags,
        .flag_count = 1,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    rp_queue *q;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    status = cli_open(operands.value[0], true, &q);
    if (status != CLI_DONE)
        return status;
    if (json)
        cli_json_print(stdout, json_pack("{s:s, s:o}", "queue", operands.value[0], "groups", groups_json(q)));
    else if (groups_print(q) == 0)
        cli_note("no groups: what is sent is for nobody");
    rp_queue_close(q);
    return cli_finish(status);
}

static const struct verb group_verbs[] = {
    {"create", "make a group; it begins with the next message, or in the past", group_create},
    {"rm", "remove a group and drop its messages", group_rm},
    {"ls", "list the groups of a queue", group_ls},
    {NULL, NULL, NULL},
};

static const struct verb_family group_family = {
    .name = "group",
    .verbs = group_verbs,
    .about = "Usage: ringpost group create|rm|ls NAME ... [--json]\n\n"
             "Each consumer group gets every message once; its receivers share them. Every queue begins with \"default\".\n\n",
    .more = "\nringpost group VERB --help explains one.\n"
            "\nExample:\n  ringpost group create orders audit\n  ringpost receive orders --group audit --follow\n",
    .there_are = "there are create, rm and ls",
};

int verb_group(int argc, char **argv) { return cli_family(&group_family, argc, argv); }
