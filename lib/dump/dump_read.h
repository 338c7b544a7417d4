/* SPDX-License-Identifier: MIT */
/* A dump that is being read. */
#ifndef RP_DUMP_DUMP_READ_H
#define RP_DUMP_DUMP_READ_H

#include "dump_format.h"

struct rp_dump {
    rp_dump_read read;
    void *context;
    int result;         /* of the call that failed: there is nothing behind it */
    uint64_t offset;    /* of the next byte */
    uint64_t record_at; /* of the last record */
    uint64_t salt;
    uint64_t kind; /* of the last record */
    uint32_t lane; /* of the last message */
    uint64_t highest_id;
    unsigned char *body;
    size_t body_bytes, room;
    struct dump_queue queue;
    struct rp_dump_summary summary; /* counted */
    struct dump_end end;
    struct rp_group_info group;
    struct rp_producer_id producer;
    struct rp_dump_message message;
    struct rp_dump_delivery deliveries[DUMP_GROUPS_MAX];
    struct dump_headers headers;
    struct rp_dump_id id;
    struct rp_queue_stats counters;
};

#endif
