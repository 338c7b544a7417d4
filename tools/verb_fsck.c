/* SPDX-License-Identifier: MIT */
/* ringpost fsck NAME */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

static void print_audit(const char *name, const struct rp_audit *a, int mended, bool json) {
    size_t length = strnlen(a->first, sizeof a->first);
    if (json) {
        json_t *object = json_pack("{s:s}", "queue", name);
        json_object_set_new(object, "cells", cli_json_u64(a->cells));
        json_object_set_new(object, "unsettled", cli_json_u64(a->unsettled));
        json_object_set_new(object, "repairable", cli_json_u64(a->repairable));
        json_object_set_new(object, "violations", cli_json_u64(a->violations));
        if (a->violations)
            json_object_set_new(object, "first", json_stringn_nocheck(a->first, length));
        if (mended >= 0)
            json_object_set_new(object, "mended", json_integer(mended));
        cli_json_print(stdout, object);
        return;
    }
    if (mended >= 0)
        printf("%s: %d thing%s mended\n", name, mended, cli_plural((uint64_t)mended));
    printf("%s: %" PRIu64 " cells checked, %" PRIu64 " violation%s, %" PRIu64 " repairable, %" PRIu64 " in motion\n", name,
           a->cells, a->violations, cli_plural(a->violations), a->repairable, a->unsettled);
    if (a->violations) {
        printf("%s: first violation: ", name);
        cli_print_payload(stdout, a->first, length, 0, 0);
        putchar('\n');
    }
}

static int check(const char *name, bool repair, bool json) {
    rp_queue *q;
    struct rp_audit audit;
    int result = 0, mended = -1;
    int status = cli_open(name, !repair, &q);
    if (status != CLI_DONE)
        return status;
    if (repair) {
        mended = rp_queue_sweep(q);
        if (mended < 0)
            result = mended;
    }
    if (result >= 0)
        result = rp_queue_audit(q, &audit);
    if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    } else {
        print_audit(name, &audit, mended, json);
        if (audit.violations)
            status = CLI_CORRUPT;
    }
    rp_queue_close(q);
    return cli_finish(status);
}

int verb_fsck(int argc, char **argv) {
    bool json = false, repair = false;
    const struct flag flags[] = {
        CLI_SWITCH("--repair", 0, &repair, "first clear what dead processes left behind (a full sweep)"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "fsck",
        .synopsis = "NAME [--repair] [--json]",
        .about = "Checks every invariant of a queue, also while others work with it; what moves meanwhile is counted, not judged.\n"
                 "'repairable' is unfinished business of dead or stopped processes: harmless, and gone after the next sweep.",
        .examples = "  ringpost fsck orders\n  ringpost fsck orders --repair",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return check(operands.value[0], repair, json);
}
