/* SPDX-License-Identifier: MIT */
/* ringpost cancel NAME ID... */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>

struct cancelled {
    rp_queue *queue;
    bool json;
    uint64_t count;
    uint64_t missing; /* there is no such message any more */
    uint64_t taken;   /* somebody has received it */
};

static void say(const struct cancelled *c, uint64_t id, const char *outcome) {
    if (c->json) {
        cli_json_print(stdout, json_pack("{s:o, s:s}", "id", cli_json_u64(id), "outcome", outcome));
    } else if (outcome[0] != 'c') {
        cli_error("message %" PRIu64 ": %s", id, outcome);
    }
}

/* CLI_DONE, also for a message that cannot be cancelled; anything else ends the verb. */
static int cancel(struct cancelled *c, uint64_t id) {
    int result = rp_queue_cancel(c->queue, id);
    if (result == 0) {
        c->count++;
        say(c, id, "cancelled");
    } else if (result == -ENOENT) {
        c->missing++;
        say(c, id, "not there");
    } else if (result == RP_IN_USE) {
        c->taken++;
        say(c, id, "received already");
    } else {
        return cli_fail(result, "message %" PRIu64, id);
    }
    return CLI_DONE;
}

static int cancel_all(const char *name, const uint64_t *ids, size_t count, bool json) {
    struct cancelled c = {.json = json};
    int status = cli_open(name, false, &c.queue);
    if (status != CLI_DONE)
        return status;
    for (size_t i = 0; i < count && status == CLI_DONE; i++)
        status = cancel(&c, ids[i]);
    rp_queue_close(c.queue);
    if (!json)
        printf("%" PRIu64 " message%s cancelled\n", c.count, cli_plural(c.count));
    if (status == CLI_DONE && c.missing + c.taken > 0)
        status = c.taken ? CLI_FAILED : CLI_EMPTY;
    return cli_finish(status);
}

int verb_cancel(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {
        CLI_SWITCH("--json", 0, &json, "one JSON object a line for each ID"),
    };
    const struct usage usage = {
        .verb = "cancel",
        .synopsis = "NAME ID... [--json]",
        .about = "Takes back messages that nobody has received yet, whether they wait for their time or are ready. 'send\n"
                 "--print-ids' and 'peek' tell the ids. Says how many, and why not the others.",
        .examples = "  ringpost cancel orders 4711\n"
                    "  id=$(echo 'wake up' | ringpost send orders --delay 8h --print-ids); ringpost cancel orders $id",
        .statuses = "3 one is not there, and none was received already",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = CLI_OPERANDS_MOST,
    };
    struct operands operands;
    uint64_t ids[CLI_OPERANDS_MOST];
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    for (size_t i = 1; i < operands.count; i++) {
        if (!cli_parse_count(operands.value[i], &ids[i - 1]) || ids[i - 1] == 0)
            return cli_usage_error("'%s' is not the id of a message", operands.value[i]);
    }
    return cancel_all(operands.value[0], ids, operands.count - 1, json);
}
