/* SPDX-License-Identifier: MIT */
#include "spilled.h"

#include <inttypes.h>

json_t *spilled_json(rp_queue *q) {
    struct rp_spill_stats s;
    if (rp_spill_stats(q, &s) != 0)
        return NULL;
    json_t *object = json_object();
    json_object_set_new(object, "messages", cli_json_u64(s.messages));
    json_object_set_new(object, "disk_bytes", cli_json_u64(s.disk_bytes));
    json_object_set_new(object, "max_bytes", cli_json_u64(s.max_bytes));
    json_object_set_new(object, "extents", cli_json_u64(s.extents));
    json_object_set_new(object, "extents_free", cli_json_u64(s.extents_free));
    json_object_set_new(object, "extent_bytes", cli_json_u64(s.extent_bytes));
    json_object_set_new(object, "spilled", cli_json_u64(s.spilled));
    json_object_set_new(object, "refilled", cli_json_u64(s.refilled));
    json_object_set_new(object, "full", cli_json_u64(s.full));
    json_object_set_new(object, "disk_full", cli_json_u64(s.disk_full));
    json_object_set_new(object, "path", json_string_nocheck(s.path));
    json_t *groups = json_object();
    struct rp_group_info g;
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1)
        json_object_set_new(groups, g.name, cli_json_u64(s.of_group[g.index]));
    json_object_set_new(object, "groups", groups);
    return object;
}

void spilled_print(rp_queue *q) {
    struct rp_spill_stats s;
    char disk[CLI_TEXT_MAX], most[CLI_TEXT_MAX];
    if (rp_spill_stats(q, &s) != 0)
        return;
    printf("\nspilled to %s\n", s.path);
    printf("  %-16s%14" PRIu64 "  messages in the file, for the group that is furthest behind\n", "spilled_now", s.messages);
    printf("  %-16s%14s  on disk, of at most %s\n", "disk", cli_format_size(disk, s.disk_bytes),
           cli_format_size(most, s.max_bytes));
    printf("  %-16s%14" PRIu64 "  messages since creation\n", "spilled", s.spilled);
    printf("  %-16s%14" PRIu64 "  read back, by each group\n", "refilled", s.refilled);
    printf("  %-16s%14" PRIu64 "  sends refused because of the bound\n", "spill_full", s.full);
    printf("  %-16s%14" PRIu64 "  because the disk was full\n", "disk_full", s.disk_full);
}
