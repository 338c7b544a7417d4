/* SPDX-License-Identifier: MIT */
/* What a durable queue may be asked to be. */
#ifndef RP_REPLAY_WANTED_H
#define RP_REPLAY_WANTED_H

#include "layout.h"
#include <ringpost/queue.h>

/* 0; or with the detail set -EINVAL, -ENOTSUP: not together with a journal. */
int wanted_check(const struct rp_queue_options *o);

#endif
