/* SPDX-License-Identifier: MIT */
/* ringpost work NAME -- CMD: one process, one consumer, up to -j commands at once. */
#include "work.h"

int verb_work(int argc, char **argv) {
    struct worker w = {.scale = scale_begin(1, 1), .wait_ns = -1, .status = CLI_DONE};
    const struct flag flags[] = {
        {.letter = 'j',
         .kind = FLAG_PARSE,
         .target = &w.scale,
         .value = "N|MIN..MAX",
         .parse = work_parse_jobs,
         .expects = WORK_JOBS_EXPECTED,
         .help =
             "run up to N commands at once; MIN..MAX: between MIN, which may be 0, and MAX of them, one more each time messages "
             "waited for 100ms, one less when one was not needed for 1s (1)"},
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &w.limit, "N", "stop after N messages (no limit)"),
        CLI_PARSED(
            "--rate", &w.rate, "N/s|N/m|N/h", rate_parse, "a number from 1 to 1000000 with /s, /m or /h, such as 20/s",
            "start no more than N commands per second, minute or hour; what may not start yet stays in the queue (no limit)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &w.wait_ns, "D", "stop when nothing ran and nothing came for so long (forever)"),
        CLI_STRATEGY_FLAG(&w.strategy),
        CLI_FLAG("--group", 0, FLAG_TEXT, &w.group, "GROUP", "consumer group (default)"),
        CLI_SWITCH("--no-trace", 0, &w.no_trace, "leave TRACEPARENT as it is; else it is that of the message, or unset"),
        CLI_SWITCH("--verbose", 'v', &w.verbose, "say when the number of slots changes"),
        CLI_SWITCH("--json", 0, &w.json,
                   "one JSON object a line on stdout for each message settled; with -v for each change of slots"),
    };
    const struct usage usage = {
        .verb = "work",
        .synopsis = "NAME [-j N|MIN..MAX] [--rate N/s] [-n N] [--wait D] [--wait-strategy HOW] [--group GROUP] [--no-trace] [-v] "
                    "[--json] -- CMD ...",
        .about =
            "Runs CMD for each message: the payload is its stdin, RINGPOST_ID, _QUEUE, _GROUP, _DELIVERIES, _ACQUISITIONS,\n"
            "_SENT_NS, _BYTES, _PRIORITY and _KEY (if there is one) are in its environment, and _FAILURE and _FAILURE_TEXT if a\n"
            "delivery before failed; each header as RINGPOST_HEADER_NAME, some also as RINGPOST_CONTENT_TYPE, _CORRELATION_ID and\n"
            "_REPLY_TO, and a traceparent as TRACEPARENT. Exit status 0 acks the message, 100 rejects it, anything else is a "
            "failed delivery. The\n"
            "lease is extended while CMD runs. SIGINT or SIGTERM: takes nothing new and finishes what runs; the second one\n"
            "kills the commands and gives their messages back. If the worker is killed, its commands die.",
        .examples = "  ringpost work mail -j 8 -- ./deliver --verbose\n"
                    "  ringpost work thumbnails -j 1..16 --rate 100/m -- ./shrink\n"
                    "  ringpost work lines --wait 1s -- sh -c 'echo \"$RINGPOST_ID: $(cat)\"'",
        .statuses = "3 --wait passed and nothing at all came, 7 a lease ran out while its command ran, "
                    "128+N killed the commands at the second signal N",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
        .wants_command = true,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    w.name = operands.value[0];
    w.command = operands.command;
    return work_serve(&w);
}
