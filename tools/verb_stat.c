/* SPDX-License-Identifier: MIT */
/* ringpost stat NAME */
#include "groups.h"
#include "paused.h"
#include "spilled.h"

#include <inttypes.h>
#include <stddef.h>

struct field {
    const char *name;
    size_t offset;
    const char *help;
};

#define FIELD(name, help) \
    { #name, offsetof(struct rp_queue_stats, name), help }

static const struct field gauges[] = {
    FIELD(ready, "would be received now"),
    FIELD(leased, "held by a receiver"),
    FIELD(delayed, "wait for their time"),
    FIELD(dead, "in the dead ring"),
    FIELD(lingering, "settled, still viewed by a process whose lease ran out"),
    FIELD(free_cells, "room"),
    FIELD(owned_cells, "being written, on loan, or not yet swept"),
    FIELD(unjournaled, "sent, wait for the journal"),
    FIELD(bytes, "of payload held"),
};

static const struct field counters[] = {
    FIELD(sent, "messages committed"),
    FIELD(received, "hand-outs"),
    FIELD(acked, NULL),
    FIELD(nacked, "failed or given back"),
    FIELD(rejected, NULL),
    FIELD(expired_leases, "taken back from a living holder"),
    FIELD(recovered, "taken back from a dead holder"),
    FIELD(died, "moved to the dead ring"),
    FIELD(dead_dropped, "dropped from a full dead ring"),
    FIELD(redriven, NULL),
    FIELD(purged, NULL),
    FIELD(full, "sends that found no room"),
    FIELD(lease_lost, "settlements that came too late"),
    FIELD(deaths, "processes found dead and recovered"),
    FIELD(scheduled, "sent with a delay or a time"),
    FIELD(cancelled, "taken back before anybody received them"),
    FIELD(expired, "nobody received them in time"),
    FIELD(dropped, "to make room"),
    FIELD(unroutable, "sent while there was no group"),
    FIELD(duplicates, "refused, since their id was sent before"),
    FIELD(forgotten_ids, "given up before the dedup window was over"),
};

static uint64_t value_of(const struct rp_queue_stats *s, const struct field *f) {
    return *(const uint64_t *)(const void *)((const char *)s + f->offset);
}

static void add_json(json_t *object, const struct rp_queue_stats *s, const struct field *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, fields[i].name, cli_json_u64(value_of(s, &fields[i])));
}

#define REASONS (sizeof((struct rp_queue_stats *)0)->dead_by_reason / sizeof(uint64_t))

static json_t *reasons_json(const struct rp_queue_stats *s) {
    json_t *object = json_object();
    for (unsigned i = 0; i < REASONS; i++)
        if (s->dead_by_reason[i])
            json_object_set_new(object, cli_reason_name(UINT32_C(1) << i), cli_json_u64(s->dead_by_reason[i]));
    return object;
}

static void print_reasons(const struct rp_queue_stats *s) {
    for (unsigned i = 0; i < REASONS; i++)
        if (s->dead_by_reason[i])
            printf("    %-14s%14" PRIu64 "  of the dead\n", cli_reason_name(UINT32_C(1) << i), s->dead_by_reason[i]);
}

static void print_json(rp_queue *q, const char *name, const struct rp_queue_stats *s) {
    json_t *object = json_pack("{s:s}", "queue", name);
    add_json(object, s, gauges, sizeof gauges / sizeof gauges[0]);
    json_object_set_new(object, "oldest_ready_ns", cli_json_u64(s->oldest_ready_ns));
    json_object_set_new(object, "dead_by_reason", reasons_json(s));
    add_json(object, s, counters, sizeof counters / sizeof counters[0]);
    json_object_set_new(object, "capacity", cli_json_u64(s->capacity));
    json_object_set_new(object, "message_bytes", cli_json_u64(s->message_bytes));
    json_object_set_new(object, "cells", cli_json_u64(s->cells));
    json_object_set_new(object, "participants", cli_json_u64(s->participants));
    json_object_set_new(object, "participants_dead", cli_json_u64(s->participants_dead));
    json_object_set_new(object, "max_participants", cli_json_u64(s->max_participants));
    json_object_set_new(object, "segment_bytes", cli_json_u64(s->segment_bytes));
    json_object_set_new(object, "overhead_bytes_per_message", cli_json_u64(s->overhead_bytes_per_message));
    json_object_set_new(object, "created_ns", cli_json_u64(s->created_ns));
    json_object_set_new(object, "paused", paused_json(q));
    json_object_set_new(object, "groups", groups_json(q));
    json_t *spilled = spilled_json(q);
    if (spilled)
        json_object_set_new(object, "spill", spilled);
    cli_json_print(stdout, object);
}

static void print_fields(const struct rp_queue_stats *s, const struct field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        printf("  %-16s%14" PRIu64 "%s%s\n", fields[i].name, value_of(s, &fields[i]), fields[i].help ? "  " : "",
               fields[i].help ? fields[i].help : "");
    }
}

static void print_table(rp_queue *q, const char *name, const struct rp_queue_stats *s) {
    char text[CLI_TEXT_MAX], paused[PAUSED_TEXT_MAX];
    printf("%s, created %s\n", name, cli_format_time(text, s->created_ns));
    if (paused_text(q, paused)[0])
        printf("paused: %s\n", paused);
    printf("\nnow, of %u messages of up to %u bytes\n", s->capacity, s->message_bytes);
    print_fields(s, gauges, sizeof gauges / sizeof gauges[0]);
    print_reasons(s);
    printf("  %-16s%14s  since the oldest ready message was sent\n", "oldest_ready", cli_format_age(text, s->oldest_ready_ns));
    printf("  %-16s%14u  processes attached, of %u", "participants", s->participants, s->max_participants);
    if (s->participants_dead)
        printf("; %u dead and not yet recovered", s->participants_dead);
    printf("\n\nsince creation\n");
    print_fields(s, counters, sizeof counters / sizeof counters[0]);
    spilled_print(q);
}

int verb_stat(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "stat",
        .synopsis = "NAME [--json]",
        .about = "Shows what is in a queue now, and its counters since creation. Figures per group are those of \"default\".\n"
                 "A process that is killed may take its last few counts with it; the messages themselves are never lost.",
        .examples = "  ringpost stat orders\n  ringpost stat orders --json",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    struct rp_queue_stats stats;
    rp_queue *q;
    int result;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    status = cli_open(operands.value[0], true, &q);
    if (status != CLI_DONE)
        return status;
    result = rp_queue_stats(q, &stats);
    if (result < 0) {
        status = cli_fail(result, "'%s'", operands.value[0]);
    } else if (json) {
        print_json(q, operands.value[0], &stats);
    } else {
        print_table(q, operands.value[0], &stats);
        printf("\n");
        groups_print(q);
    }
    rp_queue_close(q);
    return cli_finish(status);
}
