/* SPDX-License-Identifier: MIT */
#include "durable.h"

#include <string.h>

static const char *const names[] = {[RP_SYNC_ALWAYS] = "always", [RP_SYNC_INTERVAL] = "interval", [RP_SYNC_NONE] = "none"};

bool durable_parse_sync(const char *text, void *sync) {
    for (uint32_t i = RP_SYNC_ALWAYS; i <= RP_SYNC_NONE; i++) {
        if (strcmp(text, names[i]) == 0) {
            *(uint32_t *)sync = i;
            return true;
        }
    }
    return false;
}

static const char *sync_name(const struct rp_queue_options *o) {
    return o->sync >= RP_SYNC_ALWAYS && o->sync <= RP_SYNC_NONE ? names[o->sync] : "unknown";
}

json_t *durable_json(const struct rp_queue_options *o) {
    if (!o->journal)
        return json_null();
    json_t *object =
        json_pack("{s:o, s:s}", "directory", json_stringn_nocheck(o->journal, strlen(o->journal)), "sync", sync_name(o));
    json_object_set_new(object, "sync_interval_ns", o->sync == RP_SYNC_INTERVAL ? cli_json_u64(o->sync_interval_ns) : json_null());
    json_object_set_new(object, "file_bytes", cli_json_u64(o->journal_file_bytes));
    return object;
}

void durable_print(const struct rp_queue_options *o) {
    char a[CLI_TEXT_MAX], b[CLI_TEXT_MAX];
    if (!o->journal)
        return;
    printf("  %-18s%s, sync %s", "journal", o->journal, sync_name(o));
    if (o->sync == RP_SYNC_INTERVAL)
        printf(" %s", cli_format_duration(a, o->sync_interval_ns));
    printf(", files of %s\n", cli_format_size(b, o->journal_file_bytes));
}
