/* SPDX-License-Identifier: MIT */
/* ringpost pause NAME, ringpost resume NAME */
#include "groups.h"
#include "paused.h"

#include <errno.h>

struct order {
    bool pause;
    bool send;
    bool receive;
    bool json;
    const char *group;
};

static int act(const struct order *o, rp_queue *q) {
    unsigned sides = (o->send ? RP_SIDE_SEND : 0u) | (o->receive ? RP_SIDE_RECEIVE : 0u);
    int result = 0;
    if (o->group)
        result = o->pause ? rp_group_pause(q, o->group) : rp_group_resume(q, o->group);
    if (result == 0 && sides)
        result = o->pause ? rp_queue_pause(q, sides) : rp_queue_resume(q, sides);
    return result;
}

/* How it is now: after a resume something may still be paused. */
static void tell(const struct order *o, const char *name, rp_queue *q) {
    char text[PAUSED_TEXT_MAX];
    if (o->json) {
        cli_json_print(stdout, json_pack("{s:s, s:o, s:o}", "queue", name, "paused", paused_json(q), "groups", groups_json(q)));
        return;
    }
    paused_text(q, text);
    cli_note("%s: %s%s", name, text[0] ? "paused: " : "nothing is paused", text);
}

static int run(struct order *o, const struct usage *usage, int argc, char **argv) {
    struct operands operands;
    rp_queue *q;
    int result, status = cli_parse(usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (o->receive && o->group)
        return cli_usage_error("--receive is about all groups, --group about one");
    if (!o->send && !o->receive && !o->group)
        o->send = o->receive = true;
    status = cli_open(operands.value[0], false, &q);
    if (status != CLI_DONE)
        return status;
    result = act(o, q);
    if (result == -ENOENT) {
        cli_error("queue '%s' has no group '%s'", operands.value[0], o->group);
        status = CLI_FAILED;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", operands.value[0]);
    } else {
        tell(o, operands.value[0], q);
    }
    rp_queue_close(q);
    return cli_finish(status);
}

int verb_pause(int argc, char **argv) {
    struct order o = {.pause = true};
    const struct flag flags[] = {
        CLI_SWITCH("--send", 0, &o.send, "senders wait, or are told that it is paused"),
        CLI_SWITCH("--receive", 0, &o.receive, "so do receivers, of all groups; without any flag both sides are paused"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o.group, "GROUP", "only the receivers of this group"),
        CLI_SWITCH("--json", 0, &o.json, "what is paused now, as a JSON object"),
    };
    const struct usage usage = {
        .verb = "pause",
        .synopsis = "NAME [--send] [--receive | --group GROUP] [--json]",
        .about = "Pauses a queue, or a side of it, until somebody resumes; who paused may end. Messages that are held can be\n"
                 "settled, and time goes on. Sends wait as they would for room, receives up to their timeout.",
        .examples = "  ringpost pause orders --receive\n  ringpost pause orders --group slow",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    return run(&o, &usage, argc, argv);
}

int verb_resume(int argc, char **argv) {
    struct order o = {.pause = false};
    const struct flag flags[] = {
        CLI_SWITCH("--send", 0, &o.send, "senders go on"),
        CLI_SWITCH("--receive", 0, &o.receive, "receivers go on; without any flag both sides do"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o.group, "GROUP", "the receivers of this group go on"),
        CLI_SWITCH("--json", 0, &o.json, "what is paused now, as a JSON object"),
    };
    const struct usage usage = {
        .verb = "resume",
        .synopsis = "NAME [--send] [--receive | --group GROUP] [--json]",
        .about = "Ends a pause, whoever began it, and wakes all who waited for that. Groups that were paused one by one are\n"
                 "resumed one by one. Says what is still paused.",
        .examples = "  ringpost resume orders\n  ringpost resume orders --group slow",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    return run(&o, &usage, argc, argv);
}
