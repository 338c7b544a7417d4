/* SPDX-License-Identifier: MIT */
/* A dump on its way out: head and records. */
#ifndef RP_DUMP_DUMP_WRITE_H
#define RP_DUMP_DUMP_WRITE_H

#include "dump_format.h"

struct dump_writer {
    rp_dump_write write;
    void *context;
    unsigned char *buffer;
    size_t held;
    uint64_t offset; /* of what was put */
    uint64_t salt;
    int result; /* of the first write that failed; from then on nothing is written */
    struct dump_body body;
};

/* Writes the head. 0 or a negative result. */
int dump_writer_open(struct dump_writer *w, rp_dump_write write, void *context, uint64_t salt, uint64_t now_ns);
void dump_writer_close(struct dump_writer *w);

/* Writes w->body. */
int dump_writer_record(struct dump_writer *w, uint32_t kind);
/* Gives what is held to `write`. */
int dump_writer_flush(struct dump_writer *w);

#endif
