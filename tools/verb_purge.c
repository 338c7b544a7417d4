/* SPDX-License-Identifier: MIT */
/* ringpost purge NAME */
#include "cli.h"

#include <errno.h>

static int purge(const char *name, const char *group, unsigned states, bool json) {
    rp_queue *q;
    int result, status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    result = rp_queue_purge(q, group, states);
    if (result == -ENOENT) {
        cli_error("queue '%s' has no group '%s'", name, group ? group : "default");
        status = CLI_FAILED;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    } else if (json) {
        cli_json_print(stdout, json_pack("{s:s, s:i}", "queue", name, "purged", result));
    } else {
        printf("%d message%s purged\n", result, cli_plural((uint64_t)result));
    }
    rp_queue_close(q);
    return cli_finish(status);
}

int verb_purge(int argc, char **argv) {
    bool json = false;
    const char *group = NULL;
    unsigned states = 0;
    const struct flag flags[] = {
        CLI_PARSED("--state", &states, "STATES", cli_parse_states, CLI_EXPECTS_STATES,
                   "which ones: ready, leased, delayed, dead, all, or several with commas (ready,delayed)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &group, "GROUP", "of which consumer group (default)"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "purge",
        .synopsis = "NAME [--state STATES] [--group GROUP] [--json]",
        .about = "Drops messages and says how many. They are gone. A leased one disappears under its receiver, who notices at\n"
                 "the ack.",
        .examples = "  ringpost purge orders\n  ringpost purge orders --state all",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return purge(operands.value[0], group, states ? states : RP_STATE_READY | RP_STATE_DELAYED, json);
}
