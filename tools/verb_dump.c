/* SPDX-License-Identifier: MIT */
/* ringpost dump NAME, ringpost dump --list FILE */
#include "dumped.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* To stdout, whole. Nothing is done about a signal until the write that it interrupts. */
static int write_all(void *context, const void *data, size_t bytes) {
    (void)context;
    while (bytes > 0) {
        if (cli_stop_count() > 0)
            return -EINTR;
        ssize_t n = write(STDOUT_FILENO, data, bytes);
        if (n >= 0) {
            data = (const char *)data + n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int explain(const char *name, int result) {
    if (result == -EINTR) {
        cli_error("interrupted; what was written is no whole dump");
        return cli_stop_status();
    }
    if (result == -EPIPE)
        cli_error("nobody reads the output any more");
    else if (result == -ENOSPC || result == -EFBIG || result == -EIO || result == -EDQUOT)
        cli_error("writing the dump: %s; what was written is no whole dump", strerror(-result));
    else
        return cli_fail(result, "'%s'", name);
    return CLI_FAILED;
}

static int dump(const char *name) {
    struct rp_dump_options options;
    struct rp_dump_summary n;
    char size[CLI_TEXT_MAX];
    rp_queue *q;
    int status = cli_open(name, true, &q);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like others */
    rp_dump_options_init(&options, sizeof options);
    options.progress = dumped_progress;
    int result = rp_queue_dump(q, write_all, NULL, &options, &n);
    dumped_progress_end();
    /* Where it is a file: on the disk, or an error. Pipes and the like cannot be synced. */
    if (result == 0 && fsync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        result = -errno;
    if (result < 0) {
        status = explain(name, result);
    } else {
        cli_note("dumped %s: %" PRIu64 " message%s, %s%s", name, n.messages, cli_plural(n.messages), cli_format_size(size, n.bytes),
                 n.damaged ? "; some were damaged and are left out" : "");
    }
    rp_queue_close(q);
    return status;
}

static int list(const char *file, bool json) {
    struct dumped d;
    cli_signals_install(NULL);
    int status = dumped_open(&d, file);
    if (status == CLI_DONE)
        status = dumped_begin(&d);
    if (status == CLI_DONE)
        status = dumped_list(&d, json);
    dumped_close(&d);
    return cli_finish(status);
}

int verb_dump(int argc, char **argv) {
    bool show = false, json = false;
    const struct flag flags[] = {
        CLI_SWITCH("--list", 'l', &show, "say what is in FILE (- is stdin), and whether it is whole"),
        CLI_SWITCH("--json", 0, &json, "with --list: everything, one JSON object a line"),
    };
    const struct usage usage = {
        .verb = "dump",
        .synopsis = "NAME >FILE | --list FILE [--json]",
        .about =
            "Writes a queue with all that is in it to stdout: options, groups, messages with their state in each group, dead\n"
            "letters, producers, ids. Others may send and receive meanwhile; nothing is taken and nobody waits. The dump is that\n"
            "of a moment soon after the begin, but for what is settled before it is looked at.",
        .examples = "  ringpost dump orders >orders.dump\n"
                    "  ringpost dump orders | zstd >orders.dump.zst\n"
                    "  ringpost dump --list orders.dump",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (json && !show)
        return cli_usage_error("--json is for --list; a dump is bytes");
    if (show)
        return list(operands.value[0], json);
    if (isatty(STDOUT_FILENO))
        return cli_usage_error("a dump is not for a terminal: redirect stdout, as in ringpost dump %s >FILE", operands.value[0]);
    return dump(operands.value[0]);
}
