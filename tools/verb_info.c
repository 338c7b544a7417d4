/* SPDX-License-Identifier: MIT */
/* ringpost info NAME */
#include "durable.h"
#include "groups.h"
#include "paused.h"
#include "placed.h"
#include "producers.h"

#include <inttypes.h>
#include <string.h>

static const char *overflow_name(uint32_t overflow) {
    switch (overflow) {
    case RP_OVERFLOW_REJECT: return "reject";
    case RP_OVERFLOW_BLOCK: return "block";
    case RP_OVERFLOW_DROP_OLDEST: return "drop-oldest";
    case RP_OVERFLOW_SPILL: return "spill";
    default: return "unknown";
    }
}

static const char *dead_overflow_name(uint32_t overflow) {
    return overflow == RP_DEAD_DROP_OLDEST ? "drop-oldest" : overflow == RP_DEAD_REFUSE ? "refuse" : "unknown";
}

static const char *expired_name(uint32_t expired) {
    return expired == RP_EXPIRED_DEAD ? "dead" : expired == RP_EXPIRED_DROP ? "drop" : "unknown";
}

static json_t *options_json(const struct rp_queue_options *o) {
    char numa[PLACED_NUMA_MAX];
    json_t *object = json_object();
    json_object_set_new(object, "capacity", cli_json_u64(o->capacity));
    json_object_set_new(object, "message_bytes", cli_json_u64(o->message_bytes));
    json_object_set_new(object, "header_bytes", cli_json_u64(o->header_bytes));
    json_object_set_new(object, "lease_ns", cli_json_u64(o->lease_ns));
    json_object_set_new(object, "max_deliveries", cli_json_u64(o->max_deliveries));
    json_object_set_new(object, "backoff_ns", cli_json_u64(o->backoff_ns));
    json_object_set_new(object, "backoff_max_ns", cli_json_u64(o->backoff_max_ns));
    json_object_set_new(object, "backoff_factor", json_real(o->backoff_factor));
    json_object_set_new(object, "jitter", json_real(o->jitter));
    json_object_set_new(object, "dead_capacity", cli_json_u64(o->dead_capacity));
    json_object_set_new(object, "dead_overflow", json_string(dead_overflow_name(o->dead_overflow)));
    json_object_set_new(object, "overflow", json_string(overflow_name(o->overflow)));
    if (o->overflow == RP_OVERFLOW_SPILL) {
        json_object_set_new(object, "spill_dir", json_string_nocheck(o->spill_dir == NULL ? "" : o->spill_dir));
        json_object_set_new(object, "spill_max_bytes", cli_json_u64(o->spill_max_bytes));
    }
    json_object_set_new(object, "priorities", cli_json_u64(o->priorities));
    json_object_set_new(object, "ageing_ns", cli_json_u64(o->ageing_ns));
    json_object_set_new(object, "lanes", cli_json_u64(o->lanes));
    json_object_set_new(object, "lane_capacity", cli_json_u64(o->lane_capacity));
    json_object_set_new(object, "ttl_ns", cli_json_u64(o->ttl_ns));
    json_object_set_new(object, "expired", json_string(expired_name(o->expired)));
    json_object_set_new(object, "max_bytes", cli_json_u64(o->max_bytes));
    json_object_set_new(object, "dedup_window_ns", cli_json_u64(o->dedup_window_ns));
    json_object_set_new(object, "dedup_entries", cli_json_u64(o->dedup_entries));
    json_object_set_new(object, "max_groups", cli_json_u64(o->max_groups));
    json_object_set_new(object, "max_participants", cli_json_u64(o->max_participants));
    json_object_set_new(object, "max_producer_ids", cli_json_u64(o->max_producer_ids));
    json_object_set_new(object, "mode", json_sprintf("%04o", o->mode));
    json_object_set_new(object, "numa", json_string(placed_numa(numa, o->numa, o->numa_node)));
    json_object_set_new(object, "numa_shards", cli_json_u64(o->numa_shards));
    json_object_set_new(object, "hugepages", json_boolean(o->hugepages));
    json_object_set_new(object, "prefault", json_boolean(o->prefault));
    json_object_set_new(object, "lock_memory", json_boolean(o->lock_memory));
    json_object_set_new(object, "journal", durable_json(o));
    return object;
}

static json_t *participants_json(rp_queue *q) {
    json_t *array = json_array();
    struct rp_participant p;
    for (uint32_t seat = 0; rp_participant_next(q, seat, &p) == 0; seat = p.seat + 1) {
        json_t *object = json_pack("{s:I, s:I, s:b}", "seat", (json_int_t)p.seat, "pid", (json_int_t)p.pid, "alive", (int)p.alive);
        json_object_set_new(object, "executable", json_stringn_nocheck(p.executable, strnlen(p.executable, sizeof p.executable)));
        json_object_set_new(object, "attached_ns", cli_json_u64(p.attached_ns));
        json_object_set_new(object, "held", cli_json_u64(p.held));
        json_object_set_new(object, "lingering", cli_json_u64(p.lingering));
        json_object_set_new(object, "locked_bytes", cli_json_u64(p.locked_bytes));
        json_array_append_new(array, object);
    }
    return array;
}

static void print_json(rp_queue *q, const struct rp_queue_options *o, const struct rp_queue_stats *s,
                       const struct rp_placement *p) {
    json_t *object = json_pack("{s:s, s:o}", "queue", rp_queue_name(q), "options", options_json(o));
    json_object_set_new(object, "created_ns", cli_json_u64(s->created_ns));
    json_object_set_new(object, "segment_bytes", cli_json_u64(s->segment_bytes));
    json_object_set_new(object, "overhead_bytes_per_message", cli_json_u64(s->overhead_bytes_per_message));
    json_object_set_new(object, "placement", placed_json(p));
    json_object_set_new(object, "paused", paused_json(q));
    json_object_set_new(object, "groups", groups_json(q));
    json_object_set_new(object, "producers", producers_json(q));
    json_object_set_new(object, "participants", participants_json(q));
    cli_json_print(stdout, object);
}

static void print_order(const struct rp_queue_options *o) {
    char a[CLI_TEXT_MAX];
    if (o->priorities > 1) {
        printf("  %-18s%u levels", "priorities", o->priorities);
        if (o->ageing_ns)
            printf(", level 0 takes turns after %s", cli_format_duration(a, o->ageing_ns));
        putchar('\n');
    }
    if (o->lanes)
        printf("  %-18s%u, of %u messages each\n", "keyed lanes", o->lanes, o->lane_capacity);
}

static void print_options(const struct rp_queue_options *o, const struct rp_queue_stats *s) {
    char a[CLI_TEXT_MAX], b[CLI_TEXT_MAX];
    printf("  %-18s%u messages of up to %u bytes\n", "capacity", o->capacity, o->message_bytes);
    if (o->header_bytes)
        printf("  %-18s%u bytes beside the payload\n", "headers", o->header_bytes);
    printf("  %-18s%s, %" PRIu64 " bytes per message beside the payload\n", "memory", cli_format_size(a, s->segment_bytes),
           s->overhead_bytes_per_message);
    printf("  %-18s%s\n", "lease", o->lease_ns ? cli_format_duration(a, o->lease_ns) : "until the receiver's process dies");
    if (o->max_deliveries) {
        printf("  %-18s%u failed deliveries, then the dead ring\n", "max deliveries", o->max_deliveries);
    } else {
        printf("  %-18sno limit\n", "max deliveries");
    }
    printf("  %-18s%s to %s, times %g per failure, jitter %g\n", "backoff", cli_format_duration(a, o->backoff_ns),
           cli_format_duration(b, o->backoff_max_ns), o->backoff_factor, o->jitter);
    printf("  %-18s%u messages per group, when full: %s\n", "dead ring", o->dead_capacity, dead_overflow_name(o->dead_overflow));
    printf("  %-18s%s", "overflow", overflow_name(o->overflow));
    if (o->overflow == RP_OVERFLOW_SPILL)
        printf(", at most %s in %s", cli_format_size(a, o->spill_max_bytes), o->spill_dir == NULL ? "?" : o->spill_dir);
    putchar('\n');
    print_order(o);
    if (o->ttl_ns)
        printf("  %-18s%s, then: %s\n", "time to live", cli_format_duration(a, o->ttl_ns),
               o->expired == RP_EXPIRED_DEAD ? "the dead ring" : "dropped");
    if (o->max_bytes)
        printf("  %-18s%s of payload\n", "at most", cli_format_size(a, o->max_bytes));
    if (o->dedup_window_ns)
        printf("  %-18s%s, at most the last %u ids\n", "deduplication", cli_format_duration(a, o->dedup_window_ns),
               o->dedup_entries);
    printf("  %-18sat most %u\n", "groups", o->max_groups);
    printf("  %-18sat most %u\n", "producer ids", o->max_producer_ids);
    printf("  %-18s%04o\n", "mode", o->mode);
    durable_print(o);
}

static void print_participants(rp_queue *q, uint32_t most) {
    struct rp_participant p;
    uint32_t seat = 0, count = 0;
    char age[CLI_TEXT_MAX];
    for (; rp_participant_next(q, seat, &p) == 0; seat = p.seat + 1) {
        if (count++ == 0)
            printf("\n  %5s %8s  %-16s %-6s %10s %8s %10s\n", "SEAT", "PID", "EXECUTABLE", "ALIVE", "ATTACHED", "HELD",
                   "LINGERING");
        printf("  %5u %8u  ", p.seat, p.pid);
        cli_print_payload(stdout, p.executable, strnlen(p.executable, sizeof p.executable), 0, 0);
        printf("%*s %-6s %10s %8" PRIu64 " %10" PRIu64 "\n", (int)(16 - strnlen(p.executable, 16)), "", p.alive ? "yes" : "no",
               cli_format_age(age, p.attached_ns), p.held, p.lingering);
    }
    printf("\n  %u of %u seats taken\n", count, most);
}

static int show(const char *name, bool json) {
    rp_queue *q;
    struct rp_queue_options options = {.size = sizeof options};
    struct rp_queue_stats stats;
    struct rp_placement placement;
    char created[CLI_TEXT_MAX], paused[PAUSED_TEXT_MAX];
    int status = cli_open(name, true, &q);
    int result;
    if (status != CLI_DONE)
        return status;
    rp_queue_options_init(&options, sizeof options);
    result = rp_queue_options_get(q, &options);
    if (result == 0)
        result = rp_queue_stats(q, &stats);
    if (result == 0)
        result = rp_queue_placement(q, &placement);
    if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    } else if (json) {
        print_json(q, &options, &stats, &placement);
    } else {
        printf("%s, created %s\n", name, cli_format_time(created, stats.created_ns));
        print_options(&options, &stats);
        placed_print(q, &placement);
        if (paused_text(q, paused)[0])
            printf("  %-18s%s\n", "paused", paused);
        printf("\n");
        groups_print(q);
        producers_print(q, "\n");
        print_participants(q, options.max_participants);
    }
    rp_queue_close(q);
    return cli_finish(status);
}

int verb_info(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "info",
        .synopsis = "NAME [--json]",
        .about = "Describes a queue: the options it was made with, the memory it takes and where that lies, its consumer\n"
                 "groups, the ids of producers, and the processes attached.",
        .examples = "  ringpost info orders",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    return show(operands.value[0], json);
}
