/* SPDX-License-Identifier: MIT */
/* ringpost gc */
#include "exchange.h"

#include <errno.h>
#include <string.h>

struct collection {
    bool json;
    int status;
    uint64_t queues;
    uint64_t mended;
};

static void report(struct collection *c, const char *name, int mended) {
    c->queues++;
    c->mended += (uint64_t)mended;
    if (c->json) {
        cli_json_print(stdout, json_pack("{s:s, s:i}", "queue", name, "mended", mended));
    } else {
        printf("%s: %d thing%s mended\n", name, mended, cli_plural((uint64_t)mended));
    }
}

static int visit(const char *name, void *context) {
    struct collection *c = context;
    struct rp_open_options options;
    rp_queue *q;
    int result;
    rp_open_options_init(&options, sizeof options);
    result = rp_queue_open(name, &options, &q);
    if (result == -ENOENT)
        return 0;
    if (result == -EACCES) {
        cli_note("%s: skipped, it belongs to somebody else", name);
        return 0;
    }
    if (result == 0) {
        result = rp_queue_sweep(q);
        rp_queue_close(q);
    }
    if (result >= 0) {
        report(c, name, result);
    } else {
        int status = cli_fail(result, "'%s'", name);
        if (status > c->status)
            c->status = status;
    }
    return 0;
}

/* Half-made changes of bindings. */
static void mend_exchange(const char *name, uint64_t number, void *context) {
    struct collection *c = context;
    struct rp_open_options options;
    rp_exchange *x;
    (void)number;
    rp_open_options_init(&options, sizeof options);
    int result = rp_exchange_open(name, &options, &x);
    if (result == 0) {
        result = rp_exchange_sweep(x);
        rp_exchange_close(x);
    }
    if (result == -ENOENT || result == RP_GONE)
        return;
    if (result == -EACCES) {
        cli_note("exchange %s: skipped, it belongs to somebody else", name);
    } else if (result < 0) {
        int status = cli_fail(result, "exchange '%s'", name);
        c->status = status > c->status ? status : c->status;
    } else if (c->json) {
        cli_json_print(stdout, json_pack("{s:s, s:i}", "exchange", name, "mended", result));
    } else {
        printf("exchange %s: %d thing%s mended\n", name, result, cli_plural((uint64_t)result));
    }
}

int verb_gc(int argc, char **argv) {
    struct collection c = {.status = CLI_DONE};
    const char *spill = NULL;
    const struct flag flags[] = {
        CLI_FLAG("--spill", 0, FLAG_TEXT, &spill, "DIR", "also remove spill files in DIR whose queues are gone"),
        CLI_SWITCH("--json", 0, &c.json, "one JSON object a line"),
    };
    const struct usage usage = {
        .verb = "gc",
        .synopsis = "[--spill DIR] [--json]",
        .about = "Sweeps every queue in /dev/shm, so that messages and memory held by dead processes come back, clears away\n"
                 "half-made changes of bindings, and removes what killed creators and consumers left behind. No message is\n"
                 "dropped, and no queue, exchange, binding or ring removed.",
        .examples = "  ringpost gc",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    int result, removed;
    if (status != CLI_PROCEED)
        return status;
    result = cli_each_queue(visit, &c);
    if (result < 0 && result != -ENOENT)
        c.status = cli_fail(result, "/dev/shm");
    (void)exchange_each(mend_exchange, &c); /* where the directory cannot be read, that was said */
    removed = rp_collect(NULL);
    if (removed >= 0 && spill) {
        int files = rp_collect(spill);
        removed = files < 0 ? files : removed + files;
    }
    if (removed < 0) {
        status = cli_fail(removed, "leftovers in %s", spill ? spill : "/dev/shm");
        if (status > c.status)
            c.status = status;
    } else if (c.json) {
        cli_json_print(stdout, json_pack("{s:i}", "leftovers_removed", removed));
    } else if (removed > 0) {
        printf("%d leftover file%s of killed processes removed\n", removed, cli_plural((uint64_t)removed));
    }
    return cli_finish(c.status);
}
