/* SPDX-License-Identifier: MIT */
/* ringpost rm NAME */
#include "cli.h"

#include <errno.h>

int verb_rm(int argc, char **argv) {
    bool json = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--force", 'f', &force, "a queue that does not exist is no error"),
        CLI_SWITCH("--json", 0, &json, "say what was removed as a JSON object"),
    };
    const struct usage usage = {
        .verb = "rm",
        .synopsis = "NAME [--force] [--json]",
        .about = "Removes a queue and what is in it. Processes that are attached notice within 100 ms.",
        .examples = "  ringpost rm orders",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    int result;
    if (status != CLI_PROCEED)
        return status;
    result = rp_queue_unlink(operands.value[0]);
    if (result == -ENOENT) {
        if (!force)
            cli_error("there is no queue '%s'", operands.value[0]);
        status = force ? CLI_DONE : CLI_NO_QUEUE;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", operands.value[0]);
        if (result == -EINVAL)
            status = CLI_USAGE;
    } else {
        status = CLI_DONE;
    }
    if (json && status == CLI_DONE) {
        cli_json_print(stdout, json_pack("{s:s, s:b}", "queue", operands.value[0], "removed", result == 0));
    }
    return cli_finish(status);
}
