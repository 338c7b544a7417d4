/* SPDX-License-Identifier: MIT */
/*
 * How a durable queue was made last, kept beside its journal in the file `options`: so it can be brought back by who knows nothing but where that is. Written under another name first, and synced: there is all of it, or
 * what was there before. docs/journal-records.md has the bytes.
 */
#ifndef RP_REPLAY_KEPT_H
#define RP_REPLAY_KEPT_H

#include "dump_format.h"
#include "journal_dir.h"

enum { KEPT_GROUP_BYTES = 256 };

struct kept {
    struct dump_queue queue; /* name and when it was created first; the options, `group` in: */
    char group[KEPT_GROUP_BYTES];
};

/* For options that were given. -EINVAL: the group's name is too long. */
int kept_make(struct kept *k, const char *name, uint64_t created_ns, const struct rp_queue_options *o);

/* -ENOENT: there is none, without a detail; RP_CORRUPT, RP_INCOMPATIBLE, -ENOMEM, errno. */
int kept_read(const struct journal_dir *d, struct kept *k);

/* Unless that is what is there already. */
int kept_write(const struct journal_dir *d, const struct kept *k);

#endif
