/* SPDX-License-Identifier: MIT */
/* Dumps as `dump` and `restore` read and write them: descriptors, signals, and how far it is. */
#ifndef RINGPOST_TOOLS_DUMPED_H
#define RINGPOST_TOOLS_DUMPED_H

#include "cli.h"

/* A dump behind a descriptor. */
struct dumped {
    int fd;
    const char *name; /* for messages */
    rp_dump *dump;
    bool seekable;
};

/* Opens FILE, or stdin for "-" or NULL. CLI_DONE, or a status after having said why not. */
int dumped_open(struct dumped *d, const char *file);
void dumped_close(struct dumped *d);
/* Begins to read the dump at its beginning. Where it was begun before, it must be seekable. */
int dumped_begin(struct dumped *d);
/* Reads to the end, and begins anew: so it is known to be whole. Only of what is seekable. */
int dumped_verify(struct dumped *d);
/* From a pipe into a file without a name: so it is seekable. */
int dumped_spool(struct dumped *d);
/* Says why the dump cannot be read; the status. */
int dumped_fail(const struct dumped *d, int result);

/* Prints what is in it. */
int dumped_list(struct dumped *d, bool json);

/* Sends its messages to a queue that is there. */
int dumped_send(struct dumped *d, const char *queue, bool dead, bool json);

/* On a terminal, now and then: "12345 messages". */
void dumped_progress(void *context, uint64_t done, uint64_t all);
void dumped_progress_end(void);

#endif
