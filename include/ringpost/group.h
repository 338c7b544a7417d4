/* SPDX-License-Identifier: MIT */
/**
 * @file group.h
 * Consumer groups: each group gets every message once, its consumers share them. "default" exists from the start and is a group like any other.
 *
 * A group gets every message whose send began after rp_group_create returned, and none whose send had ended before it was called; each group has its
 * own order, leases, redeliveries and dead letters. A message's memory is free when every group that it was sent to has settled it; so a group
 * that nobody serves fills the queue (`overflow` says what then). A message that is sent while there is no group
 * at all is counted as unroutable, and its send returns 0.
 *
 * Names: 1 to 63 of [A-Za-z0-9._-].
 */
#ifndef RINGPOST_GROUP_H
#define RINGPOST_GROUP_H

#include <ringpost/export.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a send does to this group's messages when there is no memory. */
enum rp_group_overflow {
    RP_GROUP_QUEUE = 0,       /**< as the queue's `overflow` says */
    RP_GROUP_BLOCK = 1,       /**< its messages stay, whatever the queue's `overflow` says */
    RP_GROUP_DROP_OLDEST = 2, /**< its oldest messages that nobody has received go, and are counted */
    RP_GROUP_DEAD = 3         /**< they go to its dead ring */
};

/** With which message a group begins. All but the first need a queue with a journal, and find what is there of it: rp_queue_options.retain_ns, retain_bytes. */
enum rp_start {
    RP_START_NEWEST = 0,   /**< with the next one that is sent */
    RP_START_OLDEST = 1,   /**< with the first that is there */
    RP_START_SEQUENCE = 2, /**< with this one in the order in which they were sent, or the first after it that is there: rp_journal_message.sequence */
    RP_START_TIME = 3      /**< with the first that was sent at this time or later, wall clock */
};

struct rp_group_options {
    size_t size;
    uint32_t overflow; /**< enum rp_group_overflow. Default RP_GROUP_QUEUE */
    uint32_t reserved; /**< 0 */
    uint32_t start;    /**< enum rp_start. Default RP_START_NEWEST */
    uint32_t reserved32; /**< 0 */
    uint64_t start_at; /**< the sequence; or the time, ns since 1970 */
};

RP_API void rp_group_options_init(struct rp_group_options *o, size_t size);

/**
 * Makes a group. With RP_START_NEWEST messages that are there already are not for it.
 *
 * With another start it gets what was sent since then, too, each message once and in the order in which they were sent, whatever other groups did with it, and then what is sent from now on. Its receivers read it from the
 * journal's files as they come to need it; until they have come to the present the group holds no memory but that of what they were given, and the files that it still needs stay, whatever rp_queue_options.retain_bytes
 * says. Not for it are messages that were sent with a delay or for a time, unless that comes after the group was made; those that expired; and those that no group was there for when they were sent. Receives read files, and so may
 * block, also with a timeout of 0. A receiver that has nearly come to the present may ask senders to hold back for as long as it takes to read the rest, at most 100 ms.
 *
 * Errors: -EEXIST, -ENOSPC (all `max_groups` places are taken), -EINVAL
 * (name, option), -EROFS, RP_FORKED; with a start in the past -ENOTSUP (no journal), -ERANGE (that was not sent yet, or is in the future), and why the journal cannot be read. Any thread. Lock-free; steps are bounded by the number of cells.
 * To find a start it reads files, and so may block.
 * Crash: the group is there or not; a half-made one is cleared away by whoever recovers the dead. After a failure of the machine a group that was behind goes on where it was.
 */
RP_API int rp_group_create(rp_queue *q, const char *group, const struct rp_group_options *o);

/**
 * Removes a group: it gets no message whose send begins after this call, its messages are dropped and counted as purged, and its consumers get
 * RP_GONE. Messages they hold stay readable until they are settled, which gets RP_LEASE_LOST.
 * Errors: -ENOENT, -EINVAL, -EROFS, RP_FORKED. Any thread. Lock-free; steps are bounded by the number of cells.
 * Crash: removed or not; what is left of its messages is dropped by whoever sweeps next.
 */
RP_API int rp_group_remove(rp_queue *q, const char *group);

/** A group, as counted from the cells one after the other: in a queue that is moving, a blurred picture. */
struct rp_group_info {
    char name[64];
    uint32_t index;           /**< its place, 0 .. max_groups - 1 */
    uint32_t overflow;        /**< enum rp_group_overflow */
    uint64_t created_ns;      /**< wall clock */
    uint64_t ready;           /**< would be received now: how far it is behind */
    uint64_t leased;          /**< received, not settled */
    uint64_t delayed;         /**< waiting for their time */
    uint64_t dead;            /**< dead letters */
    uint64_t lingering;       /**< settled, still viewed by a process whose lease ran out */
    uint64_t oldest_ready_ns; /**< wall clock of the send of the oldest ready message; 0: none */
    uint64_t waiting;         /**< receivers that went to sleep since one was last woken: at least so many as sleep now */
    uint64_t dropped;         /**< by `overflow`, since creation */
    uint64_t expired;         /**< since creation */
    uint32_t paused;          /**< 1: by rp_group_pause; whether all groups are says rp_queue_paused */
    uint32_t reserved2;
    uint64_t behind;          /**< messages of the journal that it was not fed yet, at most: see enum rp_start */
    uint64_t reserved[6];
};

/** The group with the lowest index >= `index`. RP_EMPTY: no more. Works on read-only handles. Steps are bounded by the number of cells. */
RP_API int rp_group_next(rp_queue *q, uint32_t index, struct rp_group_info *out);

#ifdef __cplusplus
}
#endif
#endif
