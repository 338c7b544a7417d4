/* SPDX-License-Identifier: MIT */
/* ringpost drain NAME */
#include "paused.h"

#include <errno.h>
#include <unistd.h>

#define LOOK_EVERY_NS (INT64_C(200) * (int64_t)CLI_NS_PER_MS)

struct drain {
    int64_t timeout_ns;
    bool dead;
    bool json;
};

/* Waits in short turns, to show how it goes on and to notice signals. As rp_queue_drain. */
static int wait_for_it(const struct drain *d, rp_queue *q) {
    struct rp_drain_options options;
    bool progress = isatty(STDERR_FILENO), shown = false;
    uint64_t begin = cli_clock_ns();
    int result;
    rp_drain_options_init(&options, sizeof options);
    options.dead = d->dead;
    for (;;) {
        int64_t passed = (int64_t)(cli_clock_ns() - begin), left = d->timeout_ns - passed;
        options.timeout_ns = d->timeout_ns < 0 || left > LOOK_EVERY_NS ? LOOK_EVERY_NS : left > 0 ? left : 0;
        result = cli_stop_count() > 0 ? -EINTR : rp_queue_drain(q, &options);
        if (result == -EINTR && cli_stop_count() == 0)
            continue;
        if (result <= 0 || (d->timeout_ns >= 0 && left <= LOOK_EVERY_NS))
            break;
        if (progress) {
            fprintf(stderr, "\r\033[K%d left", result);
            fflush(stderr);
            shown = true;
        }
    }
    if (shown)
        fputs("\r\033[K", stderr);
    return result;
}

static int drain(const struct drain *d, const char *name) {
    rp_queue *q;
    int result, status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(q);
    result = wait_for_it(d, q);
    cli_signals_release();
    if (result == -EINTR) {
        cli_error("interrupted; sending to '%s' stays paused", name);
        status = cli_stop_status();
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    } else {
        if (d->json)
            cli_json_print(stdout, json_pack("{s:s, s:i, s:b}", "queue", name, "left", result, "drained", result == 0));
        else if (result == 0)
            cli_note("%s: nothing is left; sending stays paused until it is resumed", name);
        else
            cli_note("%s: %d message%s left; sending stays paused until it is resumed", name, result, cli_plural((uint64_t)result));
        status = result == 0 ? CLI_DONE : CLI_EMPTY;
    }
    rp_queue_close(q);
    return cli_finish(status);
}

int verb_drain(int argc, char **argv) {
    struct drain d = {.timeout_ns = -1};
    const struct flag flags[] = {
        CLI_FLAG("--timeout", 0, FLAG_TIMEOUT, &d.timeout_ns, "D", "how long to wait, or forever (forever); none: look once"),
        CLI_SWITCH("--dead", 0, &d.dead, "wait for dead letters, too, until they are purged"),
        CLI_SWITCH("--json", 0, &d.json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "drain",
        .synopsis = "NAME [--timeout D] [--dead] [--json]",
        .about = "Pauses sending and waits until every message is settled in every group. When it says that nothing is left,\n"
                 "nothing comes until 'ringpost resume NAME'. On a terminal it shows how many are left.",
        .examples = "  ringpost drain orders --timeout 5m && ringpost rm orders",
        .statuses = "3 the time was over and messages are left",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return drain(&d, operands.value[0]);
}
