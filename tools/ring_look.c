/* SPDX-License-Identifier: MIT */
/* ringpost ring ls; ringpost ring stat NAME */
#include "ring.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- ls ---- */

#define PREFIX "ringpost-ring."

static int is_ring(const struct dirent *entry) {
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && entry->d_name[strlen(PREFIX)] != '\0';
}

struct listing {
    bool json;
    uint64_t shown;
};

/* Lanes that have a writer, seats that have a reader. */
static void count_holders(rp_ring *ring, uint32_t *writers, uint32_t *readers) {
    struct rp_ring_lane lane;
    struct rp_ring_seat seat;
    *writers = *readers = 0;
    for (uint32_t i = 0; rp_ring_lane(ring, i, &lane) != RP_EMPTY && i < 1000; i++)
        *writers += lane.holder == RP_HOLDER_ALIVE;
    for (uint32_t i = 0; rp_ring_seat(ring, i, &seat) == 0; i++)
        *readers += seat.holder == RP_HOLDER_ALIVE;
}

static void list_ring(const char *name, struct listing *l) {
    struct rp_open_options o;
    struct rp_ring_info i;
    uint32_t writers = 0, readers = 0;
    rp_ring *ring;
    char size[CLI_TEXT_MAX];
    rp_open_options_init(&o, sizeof o);
    o.read_only = 1;
    int result = rp_ring_open(name, &o, &ring);
    if (result == 0) {
        result = rp_ring_info(ring, &i);
        count_holders(ring, &writers, &readers);
        rp_ring_close(ring);
    }
    if (result == -ENOENT)
        return; /* removed since we read the directory */
    if (l->shown++ == 0 && !l->json)
        printf("%-24s %9s %9s %9s %9s %9s %14s %10s\n", "RING", "OVERFLOW", "SLOTS", "MESSAGE", "WRITERS", "SEATS", "WRITTEN",
               "MEMORY");
    if (result < 0 && l->json)
        cli_json_print(stdout, json_pack("{s:s, s:s, s:s, s:s}", "ring", name, "state", "broken", "error", rp_error_name(result),
                                         "text", rp_error_text(result)));
    else if (result < 0)
        printf("%-24s broken: %s (%s)\n", name, rp_error_name(result), rp_error_text(result));
    if (result < 0)
        return;
    if (!l->json) {
        printf("%-24s %9s %9" PRIu32 " %9" PRIu32 " %9" PRIu32 " %9" PRIu32 " %14" PRIu64 " %10s\n", name,
               ring_overflow_name(i.overflow), i.slots, i.message_bytes, writers, readers, i.written,
               cli_format_size(size, i.segment_bytes));
        return;
    }
    json_t *object = json_pack("{s:s, s:s, s:s}", "ring", name, "state", writers + readers > 0 ? "in use" : "stale", "overflow",
                               ring_overflow_name(i.overflow));
    json_object_set_new(object, "slots", cli_json_u64(i.slots));
    json_object_set_new(object, "message_bytes", cli_json_u64(i.message_bytes));
    json_object_set_new(object, "writers", cli_json_u64(writers));
    json_object_set_new(object, "readers", cli_json_u64(readers));
    json_object_set_new(object, "written", cli_json_u64(i.written));
    json_object_set_new(object, "segment_bytes", cli_json_u64(i.segment_bytes));
    json_object_set_new(object, "created_ns", cli_json_u64(i.created_ns));
    cli_json_print(stdout, object);
}

int ring_ls(int argc, char **argv) {
    struct listing listing = {0};
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &listing.json, "one JSON object a line")};
    const struct usage usage = {
        .verb = "ring ls",
        .synopsis = "[--json]",
        .about = "Lists the rings in /dev/shm, with the writers and the readers with a seat that live. 'broken': it cannot be "
                 "opened, and\n"
                 "why.",
        .examples = "  ringpost ring ls\n  ringpost ring ls --json",
        .flags = flags,
        .flag_count = 1,
    };
    struct operands operands;
    struct dirent **entries = NULL;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    int count = scandir("/dev/shm", &entries, is_ring, alphasort);
    if (count < 0)
        return cli_fail(-errno, "/dev/shm");
    for (int i = 0; i < count; i++) {
        list_ring(entries[i]->d_name + strlen(PREFIX), &listing);
        free(entries[i]);
    }
    free(entries);
    return cli_finish(CLI_DONE);
}

/* ---- stat ---- */

static const char *holder_name(uint32_t holder) {
    return holder == RP_HOLDER_ALIVE ? "alive" : holder == RP_HOLDER_NONE ? "none" : "unknown";
}

/* CLI_DONE, or what is wrong with a lane. */
static int show_lanes(rp_ring *ring, json_t *list) {
    struct rp_ring_lane l;
    char age[CLI_TEXT_MAX];
    int status = CLI_DONE, result;
    for (uint32_t i = 0; (result = rp_ring_lane(ring, i, &l)) != RP_EMPTY; i++) {
        if (result < 0) {
            int worst = ring_fail(result, "'%s': lane %" PRIu32, rp_ring_name(ring), i);
            status = worst > status ? worst : status;
            if (result != RP_CORRUPT)
                break;
            continue;
        }
        if (list) {
            json_t *object = json_pack("{s:i, s:s, s:i, s:s}", "lane", (int)i, "writer", holder_name(l.holder), "pid", (int)l.pid,
                                       "executable", l.name);
            json_object_set_new(object, "opened", cli_json_u64(l.opened));
            json_object_set_new(object, "opened_ns", cli_json_u64(l.opened_ns));
            json_object_set_new(object, "written", cli_json_u64(l.written));
            json_array_append_new(list, object);
            continue;
        }
        if (i == 0)
            printf("%-6s %-9s %10s %-16s %8s %14s  %s\n", "LANE", "WRITER", "PID", "PROGRAM", "OPENED", "WRITTEN", "SINCE");
        printf("%-6" PRIu32 " %-9s %10" PRIu32 " %-16s %8" PRIu64 " %14" PRIu64 "  %s\n", i, holder_name(l.holder), l.pid, l.name,
               l.opened, l.written, cli_format_age(age, l.opened_ns));
    }
    return status;
}

/* Seats with a reader. */
static void show_readers(rp_ring *ring, json_t *list) {
    struct rp_ring_seat s;
    char age[CLI_TEXT_MAX];
    uint32_t shown = 0;
    for (uint32_t i = 0; rp_ring_seat(ring, i, &s) == 0; i++) {
        if (s.holder == RP_HOLDER_NONE)
            continue;
        if (list) {
            json_t *object = json_pack("{s:i, s:s, s:i, s:s, s:b}", "seat", (int)i, "reader", holder_name(s.holder), "pid",
                                       (int)s.pid, "executable", s.name, "evicted", (int)s.evicted);
            json_object_set_new(object, "joined_ns", cli_json_u64(s.joined_ns));
            json_object_set_new(object, "behind", cli_json_u64(s.behind));
            json_object_set_new(object, "lane", cli_json_u64(s.lane));
            json_array_append_new(list, object);
            continue;
        }
        if (shown++ == 0)
            printf("%-6s %-9s %10s %-16s %8s %14s  %s\n", "SEAT", "READER", "PID", "PROGRAM", "LANE", "SLOTS BEHIND", "SINCE");
        printf("%-6" PRIu32 " %-9s %10" PRIu32 " %-16s %8" PRIu32 " %14" PRIu64 "  %s\n", i,
               s.evicted ? "evicted" : holder_name(s.holder), s.pid, s.name, s.lane, s.behind, cli_format_age(age, s.joined_ns));
    }
}

static int stat_json(rp_ring *ring, const struct rp_ring_info *i) {
    json_t *lanes = json_array(), *readers = json_array();
    int status = show_lanes(ring, lanes);
    show_readers(ring, readers);
    json_t *object = json_pack("{s:s, s:s}", "ring", rp_ring_name(ring), "overflow", ring_overflow_name(i->overflow));
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"slots", i->slots},
                   {"slot_bytes", i->slot_bytes},
                   {"message_bytes", i->message_bytes},
                   {"max_writers", i->max_writers},
                   {"max_readers", i->max_readers},
                   {"gate_timeout_ns", i->gate_timeout_ns},
                   {"written", i->written},
                   {"evictions", i->evictions},
                   {"no_wakeups", i->no_wakeups},
                   {"created_ns", i->created_ns},
                   {"segment_bytes", i->segment_bytes}};
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
        json_object_set_new(object, numbers[n].key, cli_json_u64(numbers[n].value));
    json_object_set_new(object, "lanes", lanes);
    json_object_set_new(object, "readers", readers);
    cli_json_print(stdout, object);
    return status;
}

static int stat_text(rp_ring *ring, const struct rp_ring_info *i) {
    char text[CLI_TEXT_MAX], age[CLI_TEXT_MAX];
    printf("%s: %s, %" PRIu32 " slots of %" PRIu32 " bytes a lane, messages of up to %s, %s in memory, made %s ago\n",
           rp_ring_name(ring), ring_overflow_name(i->overflow), i->slots, i->slot_bytes, cli_format_size(text, i->message_bytes),
           cli_format_size((char[CLI_TEXT_MAX]){0}, i->segment_bytes), cli_format_age(age, i->created_ns));
    printf("%" PRIu64 " message%s written; at most %" PRIu32 " writers", i->written, cli_plural(i->written), i->max_writers);
    if (i->overflow == RP_RING_GATE)
        printf(" and %" PRIu32 " readers with a seat; a write waits %s at most; %" PRIu64 " eviction%s", i->max_readers,
               cli_format_duration(text, i->gate_timeout_ns), i->evictions, cli_plural(i->evictions));
    printf("\n%s", i->no_wakeups ? "somebody's kernel has no membarrier: who waits naps\n" : "");
    int status = show_lanes(ring, NULL);
    show_readers(ring, NULL);
    return status;
}

int ring_stat(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "as a JSON object")};
    const struct usage usage = {
        .verb = "ring stat",
        .synopsis = "NAME [--json]",
        .about =
            "Shows how a ring was made, its lanes with their writers, and, of a ring made with --overflow gate, the readers that\n"
            "have a seat, with how far behind they are in the lane where that is most. Changes nothing; needs no permission to "
            "write.",
        .examples = "  ringpost ring stat ticks\n  ringpost ring stat ticks --json | jq '.lanes[].written'",
        .flags = flags,
        .flag_count = 1,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    struct rp_ring_info info;
    rp_ring *ring;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED || (status = ring_open(operands.value[0], RING_TO_LOOK, &ring)) != CLI_DONE)
        return status;
    int result = rp_ring_info(ring, &info);
    status = result < 0 ? ring_fail(result, "'%s'", operands.value[0]) : json ? stat_json(ring, &info) : stat_text(ring, &info);
    rp_ring_close(ring);
    return cli_finish(status);
}
