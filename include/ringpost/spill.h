/* SPDX-License-Identifier: MIT */
/**
 * @file spill.h
 * Queues that write to a file what they have no memory for (RP_OVERFLOW_SPILL, `spill_dir`, `spill_max_bytes`).
 *
 * Memory holds `capacity` messages; what comes when it is full goes to the file, and back into memory as receivers come to it. Senders and receivers see no difference but for speed. Order is that of a queue that spills nothing:
 * who has messages of a lane in the file sends the next ones there, too, until all groups have had all of it. Each group reads the file at its own pace, and has 64 cells of memory that no other takes, so that none starves
 * another; its leases, dead letters and views count against them where the rest of the memory is full.
 *
 * The file is made at its full size without blocks (in a tmpfs with all of them, which it keeps: -ENOSPC at creation). It takes disk space as messages come, at most `spill_max_bytes`, and gives it back as they are received, but for up to 16 pieces of 1 MiB at most. When it is full, or the disk
 * is, sends get RP_FULL, or wait as long as their timeout says; both are counted. One message takes its size, 56 bytes, and what is missing to a multiple of 64; there is room for one message per 128 bytes of the bound.
 *
 * What is in the file is safe from the death of any process, as memory is, and no more: it does not outlive the machine's next start. rp_queue_unlink removes it with the queue.
 *
 * Differences: messages with a delay are not spilled, but take memory and come when they are due; a time to live goes on in the file, and what is over ends when a receiver comes to it. rp_peek and rp_queue_cancel know only what is in memory.
 * A loan needs memory. RP_EMPTY may come while messages are in the file, if the group's share of the memory is full of messages that it holds. Purging ready messages drops those in the file. Not together with
 * dedup_window_ns, max_bytes, numa_shards, keyed lanes and more than one group (max_groups must be 1), ids of producers, groups that lose messages, and rp_queue_dump (-EINVAL, -ENOTSUP).
 */
#ifndef RINGPOST_SPILL_H
#define RINGPOST_SPILL_H

#include <ringpost/export.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is in a queue's file. Counters as in struct rp_queue_stats. */
struct rp_spill_stats {
    uint64_t messages;     /**< in the file now, for the group that is furthest behind */
    uint64_t of_group[20]; /**< the same of each group, by rp_group_info.index */
    uint64_t disk_bytes;   /**< what it takes on disk now */
    uint64_t max_bytes;    /**< `spill_max_bytes` */
    uint64_t extents;      /**< pieces of the file that messages are written to, */
    uint64_t extents_free; /**< how many of them are free, */
    uint64_t extent_bytes; /**< and how large each is */
    uint64_t spilled;      /**< messages written, since creation */
    uint64_t refilled;     /**< messages read back, by each group */
    uint64_t full;         /**< sends that got RP_FULL because of the bound */
    uint64_t disk_full;    /**< and because of the disk */
    uint64_t reserved[8];
    char path[1024]; /**< of the file */
};

/** -> 0. -ENOTSUP: the queue does not spill. -EINVAL, RP_FORKED. Any thread; reads only. */
RP_API int rp_spill_stats(rp_queue *q, struct rp_spill_stats *out);

#ifdef __cplusplus
}
#endif
#endif
