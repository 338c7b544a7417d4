/* SPDX-License-Identifier: MIT */
/* ringpost producer ls|rm NAME ... */
#include "producers.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

json_t *producers_json(rp_queue *q) {
    json_t *array = json_array();
    struct rp_producer_id p;
    for (uint32_t i = 0; rp_producer_id_next(q, i, &p) == 0; i = p.index + 1) {
        json_t *object = json_object();
        cli_json_bytes(object, "id", "id_base64", p.id, p.id_bytes);
        json_object_set_new(object, "sequence", cli_json_u64(p.sequence));
        json_object_set_new(object, "made_ns", cli_json_u64(p.made_ns));
        json_object_set_new(object, "pid", p.pid ? cli_json_u64(p.pid) : json_null());
        json_object_set_new(object, "alive", json_boolean(p.alive));
        json_array_append_new(array, object);
    }
    return array;
}

uint32_t producers_print(rp_queue *q, const char *before) {
    struct rp_producer_id p;
    char age[CLI_TEXT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; rp_producer_id_next(q, i, &p) == 0; i = p.index + 1) {
        if (count++ == 0)
            printf("%s  %20s %10s %8s  %s\n", before, "LAST SEQUENCE", "FIRST USED", "PID", "PRODUCER");
        printf("  %20" PRIu64 " %10s ", p.sequence, cli_format_age(age, p.made_ns));
        if (p.pid)
            printf("%8u", p.pid);
        else
            printf("%8s", "-");
        fputs("  ", stdout);
        cli_print_payload(stdout, p.id, p.id_bytes, p.id_bytes, 0);
        fputs(p.pid && !p.alive ? " (dead)\n" : "\n", stdout);
    }
    return count;
}

static int producer_ls(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "one JSON object with all ids")};
    const struct usage usage = {
        .verb = "producer ls",
        .synopsis = "NAME [--json]",
        .about =
            "Lists the ids of producers: the last sequence of each that is in the queue, and the process that sends as it now.",
        .examples = "  ringpost producer ls orders",
        .flags = flags,
        .flag_count = 1,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    rp_queue *q;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    status = cli_open(operands.value[0], true, &q);
    if (status != CLI_DONE)
        return status;
    if (json)
        cli_json_print(stdout, json_pack("{s:s, s:o}", "queue", operands.value[0], "producers", producers_json(q)));
    else if (producers_print(q, "") == 0)
        cli_note("no ids of producers");
    rp_queue_close(q);
    return cli_finish(status);
}

static int producer_rm(int argc, char **argv) {
    bool json = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--force", 'f', &force, "an id that does not exist is no error"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "producer rm",
        .synopsis = "NAME ID [--force] [--json]",
        .about = "Forgets the id of a producer and its last sequence, and makes room for another. Whoever sends as that producer\n"
                 "again begins anew: what was sent before is not known any more. Messages stay.",
        .examples = "  ringpost producer rm orders import-7",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
    };
    struct operands operands;
    rp_queue *q;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    const char *name = operands.value[0], *id = operands.value[1];
    status = cli_open(name, false, &q);
    if (status != CLI_DONE)
        return status;
    int result = rp_producer_id_remove(q, id, strlen(id));
    if (result == -ENOENT && !force) {
        cli_error("queue '%s' has no producer with the id '%s'", name, id);
        status = CLI_FAILED;
    } else if (result < 0 && result != -ENOENT) {
        status = cli_fail(result, "'%s'", name);
        if (result == -EINVAL)
            status = CLI_USAGE;
    }
    if (json && status == CLI_DONE)
        cli_json_print(stdout, json_pack("{s:s, s:s, s:b}", "queue", name, "id", id, "removed", result == 0));
    rp_queue_close(q);
    return cli_finish(status);
}

static const struct verb producer_verbs[] = {
    {"ls", "list ids and their last sequences", producer_ls},
    {"rm", "forget an id", producer_rm},
    {NULL, NULL, NULL},
};

static const struct verb_family producer_family = {
    .name = "producer",
    .verbs = producer_verbs,
    .about = "Usage: ringpost producer ls|rm NAME ... [--json]\n\n"
             "A producer with an id sends each sequence once, whichever process it is today; see 'ringpost send --producer'.\n\n",
    .more = "\nringpost producer VERB --help explains one.\n"
            "\nExample:\n  ringpost send orders --producer import-7 orders.txt\n  ringpost producer ls orders\n",
    .there_are = "there are ls and rm",
};

int verb_producer(int argc, char **argv) { return cli_family(&producer_family, argc, argv); }
