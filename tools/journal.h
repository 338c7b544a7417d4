/* SPDX-License-Identifier: MIT */
/* ringpost journal: what its verbs share. */
#ifndef RINGPOST_TOOLS_JOURNAL_H
#define RINGPOST_TOOLS_JOURNAL_H

#include "cli.h"

/* Says what failed; the exit status. */
int journal_failed(int result, const char *path);

int journal_replay(int argc, char **argv);

#endif
