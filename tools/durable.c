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

/* A duration, a size, or both: `24h`, `10GiB`, `24h,10GiB`. `0` and `none` keep nothing. */
bool durable_parse_retain(const char *text, void *options) {
    struct rp_queue_options *o = options;
    char first[CLI_TEXT_MAX];
    const char *comma = strchr(text, ',');
    size_t length = comma != NULL ? (size_t)(comma - text) : strlen(text);
    if (length >= sizeof first)
        return false;
    memcpy(first, text, length);
    first[length] = '\0';
    o->retain_ns = o->retain_bytes = 0;
    if (comma != NULL)
        return cli_parse_duration(first, &o->retain_ns) && cli_parse_size(comma + 1, &o->retain_bytes);
    return cli_parse_duration(first, &o->retain_ns) || cli_parse_size(first, &o->retain_bytes);
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
    json_object_set_new(object, "retain_ns", cli_json_u64(o->retain_ns));
    json_object_set_new(object, "retain_bytes", cli_json_u64(o->retain_bytes));
    return object;
}

void durable_print(const struct rp_queue_options *o) {
    char a[CLI_TEXT_MAX], b[CLI_TEXT_MAX];
    if (!o->journal)
        return;
    printf("  %-18s%s, sync %s", "journal", o->journal, sync_name(o));
    if (o->sync == RP_SYNC_INTERVAL)
        printf(" %s", cli_format_duration(a, o->sync_interval_ns));
    printf(", files of %s", cli_format_size(b, o->journal_file_bytes));
    if (o->retain_ns > 0)
        printf(", kept for %s", cli_format_duration(a, o->retain_ns));
    if (o->retain_bytes > 0)
        printf("%s%s", o->retain_ns > 0 ? " or up to " : ", kept up to ", cli_format_size(b, o->retain_bytes));
    putchar('\n');
}
