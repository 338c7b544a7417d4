/* SPDX-License-Identifier: MIT */
/**
 * @file inspect.h
 * Looking at a queue without changing it: counters, messages, participants, and the check of every invariant.
 * All of it works on read-only handles, at any time, while others work.
 */
#ifndef RINGPOST_INSPECT_H
#define RINGPOST_INSPECT_H

#include <ringpost/export.h>
#include <ringpost/producer.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Counters since creation, and what is there now. Counters are kept by each process for itself and added up here; one that
 * is killed may take its last few with it, and one that
 * is killed while it adds up a dead one's, those. The gauges are counted from the cells, one after the other, so in a queue
 * that is moving they are a blurred picture. Group figures are those of "default".
 */
struct rp_queue_stats {
    uint64_t sent;     /**< messages committed */
    uint64_t received; /**< hand-outs */
    uint64_t acked;
    uint64_t nacked; /**< charged and uncharged */
    uint64_t rejected;
    uint64_t expired_leases; /**< taken back from a living holder */
    uint64_t recovered;      /**< taken back from a dead holder */
    uint64_t died;           /**< moved to the dead ring */
    uint64_t dead_dropped;   /**< dropped from a full dead ring */
    uint64_t redriven;
    uint64_t purged;
    uint64_t full;       /**< sends that got RP_FULL */
    uint64_t lease_lost; /**< settlements that came too late */
    uint64_t deaths;     /**< processes found dead and recovered */

    uint64_t ready; /**< would be received now */
    uint64_t leased;
    uint64_t delayed;
    uint64_t dead;
    uint64_t lingering; /**< settled, memory still viewed by a process whose lease ran out */
    uint64_t free_cells;
    uint64_t owned_cells;     /**< being written, on loan, or left by the dead and not yet swept */
    uint64_t oldest_ready_ns; /**< wall clock of the send of the oldest ready message; 0: none */

    uint32_t capacity;
    uint32_t message_bytes;
    uint32_t cells;             /**< usable now: capacity + 8 per process that was attached at once */
    uint32_t participants;      /**< processes attached */
    uint32_t participants_dead; /**< of those, found dead and not yet recovered */
    uint32_t max_participants;
    uint64_t segment_bytes;
    uint64_t overhead_bytes_per_message; /**< of the segment, payload and participants' share apart */
    uint64_t created_ns;                 /**< wall clock */

    uint64_t unroutable;        /**< sent while there was no group */
    uint64_t expired;           /**< messages whose time to live ran out, per group */
    uint64_t dropped;           /**< dropped to make room (RP_OVERFLOW_DROP_OLDEST), per group */
    uint64_t cancelled;         /**< rp_queue_cancel */
    uint64_t scheduled;         /**< sent with a delay or a time */
    uint64_t bytes;             /**< bytes of payloads and headers held now */
    uint64_t dead_by_reason[7]; /**< of `dead`: how many have enum rp_dead_reason 1, 2, 4, .. 64 */
    uint64_t duplicates;        /**< sends refused with RP_DUPLICATE */
    uint64_t forgotten_ids;     /**< deduplication: ids given up before the window was over, since dedup_entries newer ones came */
    uint64_t unjournaled;       /**< durable queues: sent, and wait for the journal; nobody receives them before. A gauge, whatever their groups */
};

RP_API int rp_queue_stats(rp_queue *q, struct rp_queue_stats *out);

/** One message as seen by one group. */
struct rp_peeked {
    uint64_t id;
    size_t bytes;        /**< payload size; `buffer` got the first min(bytes, capacity) */
    uint64_t sent_ns;    /**< wall clock */
    uint64_t due_ns;     /**< leased: when the lease ends; delayed: when it is ready. Wall clock; 0: never or not known */
    uint32_t state;      /**< one of enum rp_state */
    uint32_t deliveries; /**< failed deliveries charged so far */
    uint32_t acquisitions;
    uint32_t pid;       /**< leased: the holder, 0: not known */
    uint32_t key_bytes; /**< 0: it has no key */
    uint32_t priority;  /**< its level; 0 in a queue with keyed lanes */
    unsigned char key[RP_KEY_MAX];
    struct rp_headers
        headers; /**< in `buffer`, behind the payload at the next multiple of 8; block NULL: there was no room for `headers.bytes` there */
    uint64_t reserved[6];
};

/**
 * The message with the lowest id above `after_id` that is in one of `states` (bits of enum rp_state) for `group` (NULL: "default").
 * RP_EMPTY: no more. Takes nothing. Steps are bounded by the number of cells.
 */
RP_API int rp_peek(rp_queue *q, const char *group, unsigned states, uint64_t after_id, struct rp_peeked *out, void *buffer,
                   size_t capacity);

/** A process that is attached, or was and is not yet recovered. */
struct rp_participant {
    uint32_t seat;
    uint32_t pid;         /**< in its own pid namespace */
    uint32_t alive;       /**< 1: the kernel says so */
    uint32_t generation;  /**< how often the seat was taken */
    uint64_t attached_ns; /**< wall clock */
    uint64_t held;        /**< messages leased to it, in all groups */
    uint64_t lingering;   /**< views it keeps after their lease */
    char executable[20];
    uint64_t locked_bytes; /**< of the segment, kept from being swapped out by it (`lock_memory`) */
    uint64_t reserved[4];
};

/** The participant with the lowest seat >= `seat`. RP_EMPTY: no more. */
RP_API int rp_participant_next(rp_queue *q, uint32_t seat, struct rp_participant *out);

/**
 * The invariants of docs/correctness.md, checked over the whole segment. On a queue that is at rest every violation is real.
 * While others work, cells that move during the check are skipped and counted in `unsettled`; what the dead left is counted
 * in `repairable` and goes away with rp_queue_sweep.
 */
struct rp_audit {
    uint64_t cells;      /**< looked at */
    uint64_t unsettled;  /**< moved while being looked at */
    uint64_t repairable; /**< unfinished business of dead or stopped processes */
    uint64_t violations; /**< must be 0 */
    char first[160];     /**< the first violation, for people */
    uint64_t reserved[8];
};

/** -> 0 and the findings in `out`, also when there are violations. */
RP_API int rp_queue_audit(rp_queue *q, struct rp_audit *out);

/**
 * Removes what killed creators, and killed consumers with a descriptor, left in `directory` (NULL: /dev/shm); only where O_TMPFILE or /proc is missing is there
 * ever anything. In a directory of spill files (spill.h) also those whose queues are gone. -> how many files. Errors: -ENOENT, -EACCES; and where of a spill file it cannot be told whether its queue is
 * gone, which is left alone, when all others were looked at: -EBUSY (it may be another container's), RP_CORRUPT, ..., with the first one named in the detail.
 */
RP_API int rp_collect(const char *directory);

#ifdef __cplusplus
}
#endif
#endif
