/* SPDX-License-Identifier: MIT */
/*
 * Groups that were in the past (lib/queue/catch_up.h) when the journal ended: what they were fed, and not said to have settled, is live again, out of the files, which need not be among those that are needed to know what else is.
 */
#ifndef RP_REPLAY_PAST_H
#define RP_REPLAY_PAST_H

#include "fold.h"

/* Is there such a group? */
bool past_any(const struct fold *f);

/* After fold_journal. 0; or why it cannot be read, with the detail set. */
int past_read(struct fold *f);

#endif
