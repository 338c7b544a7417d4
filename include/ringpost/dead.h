/* SPDX-License-Identifier: MIT */
/**
 * @file dead.h
 * The dead ring: messages that failed too often, were rejected, or must not be delivered any more, kept aside per group until a
 * person looks.
 * At most `dead_capacity` of them; listed by id, redriven and purged in any order.
 */
#ifndef RINGPOST_DEAD_H
#define RINGPOST_DEAD_H

#include <ringpost/export.h>
#include <ringpost/producer.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why a message died; as bits, for filters. */
enum rp_dead_reason {
    RP_DEAD_UNKNOWN = 1,        /**< the process that buried it was killed before it could say */
    RP_DEAD_REJECTED = 2,       /**< rp_reject */
    RP_DEAD_MAX_DELIVERIES = 4, /**< failed too often; the last failure is in `last_failure` */
    RP_DEAD_HELD = 8,           /**< its lease ran out while two living processes already hung on to it */
    RP_DEAD_EXPIRED = 16,       /**< its time to live was over before anybody was done with it */
    RP_DEAD_OVERFLOW = 32,      /**< it had to make room for younger ones */
    RP_DEAD_CORRUPT = 64        /**< its length cannot be right: somebody wrote over it */
};

/** How a delivery failed. */
enum rp_failure {
    RP_FAILURE_NONE = 0,
    RP_FAILURE_NACK = 1,   /**< rp_nack */
    RP_FAILURE_REJECT = 2, /**< rp_reject */
    RP_FAILURE_LEASE = 3,  /**< the lease ran out with its holder alive */
    RP_FAILURE_DEATH = 4   /**< the holder died */
};

/** A dead letter. Fields that could not be recorded (see RP_DEAD_UNKNOWN) are 0 or empty. */
struct rp_dead_letter {
    uint64_t id;
    size_t bytes;             /**< payload size; `buffer` got the first min(bytes, capacity) */
    uint64_t sent_ns;         /**< wall clock */
    uint64_t first_failed_ns; /**< wall clock of the first failed delivery */
    uint64_t last_failed_ns;  /**< wall clock of the death */
    uint32_t deliveries;      /**< failed deliveries charged */
    uint32_t acquisitions;    /**< how often it was handed out */
    uint32_t reason;          /**< enum rp_dead_reason */
    uint32_t last_failure;    /**< enum rp_failure */
    uint32_t pid;             /**< the last holder that failed, as seen in its own pid namespace; 0: nobody did */
    char executable[20];      /**< its name, at most 15 bytes */
    char text[96];            /**< the reason given with the last nack or reject */
    struct rp_headers
        headers; /**< in `buffer`, behind the payload at the next multiple of 8; block NULL: there was no room for `headers.bytes` there */
    uint64_t reserved[6];
};

/** Which dead letters, and what of them. All that is given must be so of a letter. */
struct rp_redrive_options {
    size_t size;
    uint64_t id;         /**< only this one; 0: all. Default 0 */
    uint64_t limit;      /**< at most so many, oldest ids first; 0: no limit. Default 0 */
    uint32_t reasons;    /**< bits of enum rp_dead_reason; 0: any. Default 0 */
    uint32_t dry_run;    /**< 1: only count. Default 0 */
    const void *key;     /**< only those with this key. Default NULL */
    size_t key_bytes;    /**< 0: any key or none. Default 0 */
    uint64_t min_age_ns; /**< only those that died at least so long ago (elapsed time, good to a few ms). Default 0 */
    uint64_t max_age_ns; /**< and at most so long ago; 0: any age. Default 0 */
    const char *text;    /**< only those whose `text` contains this; NULL: any. Default NULL */
    rp_producer *to;     /**< rp_dead_redrive sends them to this producer's queue instead; NULL: here. Default NULL */
    uint64_t after_id;   /**< only those with higher ids. Default 0 */
    uint64_t
        *last_id; /**< out: the id of the last one that went, left alone if none did; for who goes on from there. Default NULL */
    const char *header;       /**< only those that have this header; NULL: any. Default NULL */
    const char *header_value; /**< and with this value; NULL: with any. Default NULL */
};

RP_API void rp_redrive_options_init(struct rp_redrive_options *o, size_t size);

/**
 * The dead letter with the lowest id above `after_id` in `group` (NULL: "default"). Copies its payload into `buffer` (may be
 * NULL with `capacity` 0). RP_EMPTY: no more. Works on read-only handles. Takes nothing; steps bounded by the number of cells.
 * A loop in which each call gets the id that the one before found costs about one look at each cell, and may miss what dies meanwhile.
 */
RP_API int rp_dead_peek(rp_queue *q, const char *group, uint64_t after_id, struct rp_dead_letter *out, void *buffer,
                        size_t capacity);

/** The same, but only those that `which` describes (NULL: all; `limit`, `dry_run` and `to` say nothing here). */
RP_API int rp_dead_next(rp_queue *q, const char *group, const struct rp_redrive_options *which, uint64_t after_id,
                        struct rp_dead_letter *out, void *buffer, size_t capacity);

/**
 * Makes dead letters ready again, in order of their ids, counters reset; those that are dead when the call begins, each once. -> how many.
 * With an `id`: -ENOENT if no such letter is there; RP_IN_USE if three processes still view it. Without, such letters are passed over.
 * If the group is removed meanwhile, what was redriven until then counts, and no letter of a later group is touched. Crash: each was redriven or not.
 * In a keyed queue a letter comes to its lane's end once nobody else needs it where it is: views it, or has yet to ack it in
 * another group. One that is dead in two groups waits until it is redriven, or purged, in the other one, too.
 *
 * With `to`: each is sent to that queue, where it is a new message with a new id and the same headers, then dropped here. No waiting: the call ends at
 * the first that cannot be sent, and says how many went, or if none did why: RP_FULL, RP_TOO_BIG and what else rp_send returns.
 * -EINVAL if it is this queue, or has no group. The producer is used by the calling thread. Crash: each was moved or not, and one may be in both
 * queues; so it may if somebody redrives the same letter at the same time, and twice in that one if he sends it there, too.
 */
RP_API int rp_dead_redrive(rp_queue *q, const char *group, const struct rp_redrive_options *o);

/** Drops dead letters; a removed group as above. -> how many. Crash: each was dropped or not. */
RP_API int rp_dead_purge(rp_queue *q, const char *group, const struct rp_redrive_options *o);

#ifdef __cplusplus
}
#endif
#endif
