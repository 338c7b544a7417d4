/* SPDX-License-Identifier: MIT */
#include "wanted.h"
#include "error.h"
#include <errno.h>

enum { FILE_MULTIPLE = 4096, MESSAGES_IN_A_FILE = 4, BESIDE_A_MESSAGE = KEY_BYTES + 4096 };
static const uint64_t file_least = UINT64_C(64) << 10, file_most = UINT64_C(1) << 30;
static const uint64_t interval_least_ns = 1000000, interval_most_ns = UINT64_C(3600000000000);
static const uint64_t retain_most_ns = UINT64_C(100) * 366 * 24 * 3600 * 1000000000;

int wanted_check(const struct rp_queue_options *o) {
    const uint64_t needed = MESSAGES_IN_A_FILE * ((uint64_t)o->message_bytes + o->header_bytes + BESIDE_A_MESSAGE);
    if (o->overflow == RP_OVERFLOW_DROP_OLDEST)
        return fail(-ENOTSUP, "a queue with a journal does not drop its oldest messages: overflow is to be reject or block");
    if (o->overflow == RP_OVERFLOW_SPILL)
        return fail(-ENOTSUP, "a queue with a journal does not spill: overflow is to be reject or block");
    if (o->sync < RP_SYNC_ALWAYS || o->sync > RP_SYNC_NONE)
        return fail(-EINVAL, "sync is %u, which is no value of enum rp_sync", o->sync);
    if (o->sync == RP_SYNC_INTERVAL && (o->sync_interval_ns < interval_least_ns || o->sync_interval_ns > interval_most_ns))
        return fail(-EINVAL, "sync_interval_ns is %llu, allowed are 1 ms to 1 hour", (unsigned long long)o->sync_interval_ns);
    if (o->journal_file_bytes % FILE_MULTIPLE != 0 || o->journal_file_bytes < file_least || o->journal_file_bytes > file_most)
        return fail(-EINVAL, "journal_file_bytes is %llu, allowed are multiples of 4096 from 64 KiB to 1 GiB",
                    (unsigned long long)o->journal_file_bytes);
    if (o->journal_file_bytes < needed)
        return fail(-EINVAL, "journal_file_bytes is %llu, messages of up to %u bytes and %u of headers need %llu",
                    (unsigned long long)o->journal_file_bytes, o->message_bytes, o->header_bytes, (unsigned long long)needed);
    if (o->retain_ns > retain_most_ns)
        return fail(-EINVAL, "retain_ns is %llu, allowed are up to 100 years", (unsigned long long)o->retain_ns);
    return 0;
}
