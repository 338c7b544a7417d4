/* SPDX-License-Identifier: MIT */
/**
 * @file consumer.h
 * Receiving. A consumer is used by one thread at a time, may move between threads, is cheap, and a queue may have many.
 *
 * The life of a message for its receiver: received (leased to this process) -> rp_ack, and it is done; or rp_nack, and it is
 * delivered again after the backoff; or rp_reject, and it lies in the dead ring. If the process dies, or the
 * lease runs out, it is delivered again to somebody; after `max_deliveries` failures it goes to the dead ring.
 */
#ifndef RINGPOST_CONSUMER_H
#define RINGPOST_CONSUMER_H

#include <ringpost/export.h>
#include <ringpost/headers.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rp_consumer rp_consumer;

enum rp_ack_mode {
    RP_ACK_EXPLICIT = 0, /**< at least once: the program settles each message */
    RP_ACK_NONE = 1      /**< at most once: settled before the call returns; `data` is a copy, valid until the next receive */
};

struct rp_consumer_options {
    size_t size;
    const char *group; /**< consumer group. Default NULL: "default" */
    uint32_t ack;      /**< enum rp_ack_mode. Default RP_ACK_EXPLICIT */
    uint32_t prefetch; /**< messages claimed ahead of the program, leases running; 0 or 1: none. Default 0 */
    uint64_t
        batch_wait_ns; /**< rp_receive_batch: how long it waits for more after the first message; 0: not at all. Shorter than the queue's lease,
                                 for the leases of the first run meanwhile. Default 0 */
    uint32_t wait_strategy; /**< enum rp_wait_strategy: what it does while it waits. Default RP_WAIT_ADAPTIVE */
    uint32_t
        shard; /**< queues with numa_shards: from whose lane it receives first, 1 .. their number (1 also in a queue that has none, as RP_NUMA_SHARDS_AUTO makes on one node); 0: of the node on which its thread runs now. Default 0 */
};

/**
 * A received message. `data` is a view into shared memory: immutable, and readable in this process until the message is acked,
 * nacked, rejected or its consumer closed, even after the lease ran out. The struct may be copied; one of the copies settles it.
 */
struct rp_message {
    const void *data; /**< aligned to 8 bytes */
    size_t bytes;
    uint64_t id;           /**< unique in the queue, ascending per producer */
    uint64_t sent_ns;      /**< wall clock of the send, ns since 1970, good to a few ms */
    uint32_t deliveries;   /**< failed deliveries charged so far + 1 */
    uint32_t acquisitions; /**< how often it was handed out, this time included */
    uint64_t receipt[3];   /**< the library's */
    const void *key;       /**< valid as long as `data`; NULL: none */
    uint32_t key_bytes;
    uint32_t priority;
    struct rp_headers
        headers; /**< valid as long as `data`; read with rp_message_header, rp_headers_next. `&m.headers` as `carry` of a send passes them on */
    uint64_t reserved[4];
};

/** The value of a header of the message, or NULL: rp_headers_get(&m->headers, name). */
RP_API const char *rp_message_header(const struct rp_message *m, const char *name);

/** Why a message is delivered again. Fields that could not be recorded are 0 or empty. */
struct rp_last_failure {
    uint32_t kind;            /**< enum rp_failure, see dead.h */
    uint32_t pid;             /**< who held it then, as seen in its own pid namespace */
    uint64_t failed_ns;       /**< wall clock */
    uint64_t first_failed_ns; /**< wall clock of its first failed delivery */
    char executable[20];      /**< the holder's name, at most 15 bytes; only in the first group */
    char text[96];            /**< the reason given with the nack */
    uint64_t reserved[8];
};

struct rp_nack_options {
    size_t size;
    int64_t delay_ns;   /**< wait before it is ready again; -1: the queue's backoff. Default -1 */
    uint32_t charge;    /**< 1: counts as a failed delivery; 0: given back, no harm done (and no backoff by default). Default 1 */
    const char *reason; /**< kept with the message, at most RP_REASON_MAX bytes; NULL: none. Default NULL */
};

#define RP_REASON_MAX 79 /**< bytes of a reason, without the final zero; a longer one is -EINVAL */

RP_API void rp_consumer_options_init(struct rp_consumer_options *o, size_t size);
RP_API void rp_nack_options_init(struct rp_nack_options *o, size_t size);

/**
 * Errors: -ENOENT (no such group), -EINVAL, -E2BIG, -ENOMEM, -EROFS (handle opened read-only), RP_FORKED. The first one of a queue made with RP_NUMA_CONSUMER moves its pages, on a
 * machine of several nodes: some seconds, if they are gigabytes.
 */
RP_API int rp_consumer_open(rp_queue *q, const struct rp_consumer_options *o, rp_consumer **out);

/** Closes. What it still holds is given back at once, uncharged; views end. NULL is fine. */
RP_API void rp_consumer_close(rp_consumer *c);

/**
 * Receives one message, waiting up to `timeout_ns` for it: spins, yields, then sleeps in the kernel.
 * Errors: RP_EMPTY, RP_PAUSED (flow.h), -EINTR (rp_queue_interrupt), RP_GONE, RP_FORKED, RP_CORRUPT, -EINVAL, -ENOBUFS (this
 * consumer keeps more views than twice the cells of the queue).
 * Lock-free, no system call while there is something to receive. Crash: the message is delivered again, charged as
 * one failed delivery, after the backoff.
 */
RP_API int rp_receive(rp_consumer *c, struct rp_message *m, int64_t timeout_ns);

/**
 * Receives 1 .. `max` messages: waits for the first like rp_receive, then takes what else is there, and with `batch_wait_ns` waits for more until it has `max`, or so
 * much time has passed since the first. -> how many. Errors: as rp_receive, and only if there is none; an interrupt, a pause or the end of the group ends the wait for more, and the
 * next call that would wait says so. An at-most-once consumer gets one at a time. Crash: as rp_receive, for each of them.
 */
RP_API int rp_receive_batch(rp_consumer *c, struct rp_message *m, size_t max, int64_t timeout_ns);

/**
 * Done with it: the message is settled for this group and its memory freed. RP_LEASE_LOST: the lease ran out and the message
 * is, or was, somebody else's; the view ends all the same. -EINVAL: the message was settled before, or belongs to another
 * consumer. Lock-free. Crash: acked or not, as a whole; the follow-up is done by whoever sweeps next.
 */
RP_API int rp_ack(rp_consumer *c, struct rp_message *m);

/**
 * The last failure of a message that this consumer holds: how, who, when, and what was said. RP_EMPTY: it never failed, or was redriven
 * since, or nobody lived to write it down. Giving it back uncharged and without a reason is no failure. -EINVAL: as rp_ack. Lock-free.
 */
RP_API int rp_message_failure(rp_consumer *c, const struct rp_message *m, struct rp_last_failure *out);

/** Failed: deliver it again later. Errors and crash: as rp_ack; -EINVAL also for a reason that is too long. */
RP_API int rp_nack(rp_consumer *c, struct rp_message *m, const struct rp_nack_options *o);

/** Hopeless: straight to the dead ring. `reason` as in rp_nack. RP_FULL: the dead ring refuses more (the message stays leased). */
RP_API int rp_reject(rp_consumer *c, struct rp_message *m, const char *reason);

/**
 * Holds the message for `lease_ns` more, counted from now (0: until the process dies). 0 means: from this moment until then no
 * lease expiry will take it. RP_LEASE_LOST: too late (the view stays until the message is settled with rp_ack, rp_nack or rp_reject).
 */
RP_API int rp_extend(rp_consumer *c, struct rp_message *m, uint64_t lease_ns);

#ifdef __cplusplus
}
#endif
#endif
