/* SPDX-License-Identifier: MIT */
#include "groups.h"

#include <inttypes.h>
#include <string.h>

static const char *const overflow_names[] = {"queue", "block", "drop-oldest", "dead"};
enum { OVERFLOWS = sizeof overflow_names / sizeof overflow_names[0] };

const char *group_overflow_name(uint32_t overflow) { return overflow < OVERFLOWS ? overflow_names[overflow] : "unknown"; }

bool group_parse_overflow(const char *text, void *overflow) {
    for (uint32_t i = 0; i < OVERFLOWS; i++)
        if (strcmp(text, overflow_names[i]) == 0) {
            *(uint32_t *)overflow = i;
            return true;
        }
    return false;
}

static json_t *group_json(const struct rp_group_info *g) {
    json_t *object = json_pack("{s:s, s:s}", "group", g->name, "overflow", group_overflow_name(g->overflow));
    json_object_set_new(object, "created_ns", cli_json_u64(g->created_ns));
    json_object_set_new(object, "ready", cli_json_u64(g->ready));
    json_object_set_new(object, "leased", cli_json_u64(g->leased));
    json_object_set_new(object, "delayed", cli_json_u64(g->delayed));
    json_object_set_new(object, "dead", cli_json_u64(g->dead));
    json_object_set_new(object, "lingering", cli_json_u64(g->lingering));
    json_object_set_new(object, "oldest_ready_ns", cli_json_u64(g->oldest_ready_ns));
    json_object_set_new(object, "waiting", cli_json_u64(g->waiting));
    json_object_set_new(object, "dropped", cli_json_u64(g->dropped));
    json_object_set_new(object, "expired", cli_json_u64(g->expired));
    json_object_set_new(object, "behind", cli_json_u64(g->behind));
    json_object_set_new(object, "paused", json_boolean(g->paused));
    return object;
}

json_t *groups_json(rp_queue *q) {
    json_t *array = json_array();
    struct rp_group_info g;
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1)
        json_array_append_new(array, group_json(&g));
    return array;
}

uint32_t groups_print(rp_queue *q) {
    struct rp_group_info g;
    char age[CLI_TEXT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1) {
        if (count++ == 0)
            printf("  %-20s %9s %9s %9s %9s %10s %9s  %s\n", "GROUP", "READY", "LEASED", "DELAYED", "DEAD", "OLDEST", "DROPPED",
                   "OVERFLOW");
        printf("  %-20s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10s %9" PRIu64 "  %s%s", g.name, g.ready, g.leased,
               g.delayed, g.dead, cli_format_age(age, g.oldest_ready_ns), g.dropped, group_overflow_name(g.overflow),
               g.paused ? "  paused" : "");
        if (g.behind > 0)
            printf("  %" PRIu64 " behind, in the journal", g.behind);
        printf("\n");
    }
    return count;
}
