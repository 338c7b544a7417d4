/* SPDX-License-Identifier: MIT */
/* ringpost forward FROM TO [-- FILTER ...]: a worker whose messages go on to another queue. */
#include "work.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool find(const char *name, struct stat *status) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s", *name == '/' ? "" : "/dev/shm/ringpost.", name);
    return stat(path, status) == 0;
}

/* Also by different names: one may be a path. */
static bool same_queue(const char *a, const char *b) {
    struct stat one, other;
    return strcmp(a, b) == 0 || (find(a, &one) && find(b, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

int verb_forward(int argc, char **argv) {
    struct worker w = {.scale = scale_begin(1, 1), .wait_ns = -1, .status = CLI_DONE};
    const struct flag flags[] = {
        CLI_FLAG("--group", 'g', FLAG_TEXT, &w.group, "GROUP", "consumer group of FROM (default)"),
        {.letter = 'j',
         .kind = FLAG_PARSE,
         .target = &w.scale,
         .value = "N|MIN..MAX",
         .parse = work_parse_jobs,
         .expects = WORK_JOBS_EXPECTED,
         .help = "run up to N filters at once, or between MIN and MAX of them, as work does (1)"},
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &w.limit, "N", "stop after N messages (no limit)"),
        CLI_PARSED("--rate", &w.rate, "N/s|N/m|N/h", rate_parse, "a number from 1 to 1000000 with /s, /m or /h, such as 20/s",
                   "take no more than N messages per second, minute or hour; what may not go yet stays in FROM (no limit)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &w.wait_ns, "D", "stop when nothing ran and nothing came for so long (forever)"),
        CLI_STRATEGY_FLAG(&w.strategy),
        CLI_SWITCH("--verbose", 'v', &w.verbose, "say when the number of slots changes"),
        CLI_SWITCH("--json", 0, &w.json,
                   "one JSON object a line on stdout for each message settled; with -v for each change of slots"),
    };
    const struct usage usage = {
        .verb = "forward",
        .synopsis =
            "FROM TO [-g GROUP] [-j N|MIN..MAX] [--rate N/s] [-n N] [--wait D] [--wait-strategy HOW] [-v] [--json] [-- FILTER ...]",
        .about =
            "Moves messages from one queue to another, each exactly once whoever is killed where, with its key and priority.\n"
            "TO must keep ids for longer than FROM may take to deliver a message again (create --dedup); says how long\n"
            "that is. With FILTER it is run for each message, as work does, and what it writes to stdout goes on, be it nothing:\n"
            "exit status 0 forwards, 101 drops the message, 100 rejects it, anything else is a failed delivery. While TO is full,\n"
            "waits. What is larger than TO takes is rejected. Signals are those of work.",
        .examples = "  ringpost forward orders orders.eu\n"
                    "  ringpost forward lines upper -j 4 -- tr a-z A-Z\n"
                    "  ringpost forward log errors --wait 1s -- sh -c 'grep ERROR || exit 101'",
        .statuses = "3 --wait passed and nothing at all came, 7 a lease ran out before its message was forwarded, "
                    "128+N killed the filters at the second signal N",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
        .takes_command = true,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (!operands.command && (w.scale.least != 1 || w.scale.most != 1))
        return cli_usage_error("-j is for filters; run several forwarders instead");
    w.name = operands.value[0];
    w.outlet.name = operands.value[1];
    w.command = operands.command;
    if (same_queue(w.name, w.outlet.name))
        return cli_usage_error("a queue that is forwarded to itself never ends");
    return work_serve(&w);
}
