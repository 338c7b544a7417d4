/* SPDX-License-Identifier: MIT */
/* ringpost dead redrive|purge NAME */
#include "dead.h"

#include <errno.h>
#include <inttypes.h>

/* -ENOENT has two meanings: no such group, or no such id. */
static int not_there(rp_queue *q, const struct dead_choice *c) {
    struct rp_dead_letter d;
    if (!c->which.id || rp_dead_peek(q, c->group, 0, &d, NULL, 0) == -ENOENT)
        return dead_no_group(q, c->group);
    cli_error("message %" PRIu64 " is not in the dead ring", c->which.id);
    return CLI_EMPTY;
}

static int change(const char *name, struct dead_choice *c, bool purge) {
    const char *done = purge ? "purged" : "redriven";
    rp_queue *q;
    int result, status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    c->which.dry_run = c->dry_run;
    result = purge ? rp_dead_purge(q, c->group, &c->which) : rp_dead_redrive(q, c->group, &c->which);
    if (result == -ENOENT) {
        status = not_there(q, c);
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    } else if (c->json) {
        cli_json_print(stdout, json_pack("{s:s, s:i, s:b}", "queue", name, done, result, "dry_run", (int)c->dry_run));
    } else {
        printf("%d message%s %s%s\n", result, cli_plural((uint64_t)result), c->dry_run ? "would be " : "", done);
    }
    rp_queue_close(q);
    return cli_finish(status);
}

static int change_verb(int argc, char **argv, bool purge) {
    struct dead_choice c = {0};
    const struct flag flags[] = {
        DEAD_FLAG_GROUP(c),
        DEAD_FLAG_ID(c),
        DEAD_FLAG_REASON(c),
        DEAD_FLAG_LIMIT(c),
        CLI_SWITCH("--dry-run", 0, &c.dry_run, "only say how many it would be"),
        CLI_SWITCH("--json", 0, &c.json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = purge ? "dead purge" : "dead redrive",
        .synopsis = "NAME [--group GROUP] [--id ID] [--reason REASONS] [--limit N] [--dry-run] [--json]",
        .about = purge ? "Drops dead letters and says how many."
                       : "Makes dead letters ready again, lowest ids first, as if they had never failed, and says how many.",
        .examples = purge ? "  ringpost dead purge orders --reason rejected"
                          : "  ringpost dead redrive orders --limit 1\n  ringpost dead redrive orders",
        .statuses = "3 the --id is not there",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status;
    rp_redrive_options_init(&c.which, sizeof c.which);
    status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return change(operands.value[0], &c, purge);
}

int dead_redrive(int argc, char **argv) { return change_verb(argc, argv, false); }

int dead_purge(int argc, char **argv) { return change_verb(argc, argv, true); }
