/* SPDX-License-Identifier: MIT */
/**
 * @file producer.h
 * Sending. A producer is used by one thread at a time, may move between threads, is cheap, and a queue may have many.
 * Messages of one producer are first delivered in the order in which they were sent. In queues with shards that holds while it is open, and on in its next life only if it has an id and runs on the same node, or
 * names its shard: see enum rp_numa_shards.
 */
#ifndef RINGPOST_PRODUCER_H
#define RINGPOST_PRODUCER_H

#include <ringpost/export.h>
#include <ringpost/headers.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rp_producer rp_producer;

#define RP_PRODUCER_ID_MAX 64 /**< bytes of a producer's id */

struct rp_producer_options {
    size_t size;
    const void *
        id; /**< who this is, whichever process it is today: makes `sequence` of its sends count. NULL: nobody in particular. Default NULL */
    size_t id_bytes;        /**< 1 .. RP_PRODUCER_ID_MAX. Default 0 */
    uint32_t wait_strategy; /**< enum rp_wait_strategy: what a send does that waits for room. Default RP_WAIT_ADAPTIVE */
    uint32_t
        shard; /**< queues with numa_shards: which lane it fills, 1 .. their number (1 also in a queue that has none, as RP_NUMA_SHARDS_AUTO makes on one node); 0: that of the node on which its thread runs now. Default 0 */
};

/** A timeout that leaves the decision to the queue's overflow policy: reject does not wait, block waits for ever. */
#define RP_TIMEOUT_POLICY INT64_MIN

/** A time to live that leaves the decision to the queue's `ttl_ns`. */
#define RP_TTL_POLICY 0

#define RP_KEY_MAX 128 /**< bytes of a key */

#define RP_DEDUP_ID_MAX 128 /**< bytes of an id for deduplication */

struct rp_send_options {
    size_t size;
    int64_t timeout_ns; /**< how long to wait for room. Default RP_TIMEOUT_POLICY */
    uint64_t *id_out;   /**< where to write the message's id, before anybody can receive it; NULL: nowhere. Default NULL */
    const void *key;   /**< queues with keyed lanes: messages of one key keep their order. NULL: no order asked for. Default NULL */
    size_t key_bytes;  /**< 0 .. RP_KEY_MAX. Default 0 */
    uint32_t priority; /**< 0, the lowest, .. the queue's priorities - 1. Default 0 */
    uint32_t reserved; /**< 0 */
    uint64_t delay_ns; /**< nobody receives it before so much time has passed; 0: at once. Default 0 */
    uint64_t
        at_ns; /**< nobody receives it before this wall-clock time (ns since 1970), which follows changes of the clock; 0: at once.
                             Not together with delay_ns. Default 0 */
    int64_t ttl_ns; /**< expires when nobody has received it so long after it became ready; -1: never. Default RP_TTL_POLICY */
    const void *dedup_id;            /**< queues with a dedup window: under which id it is sent; NULL: under none. Default NULL */
    size_t dedup_id_bytes;           /**< 1 .. RP_DEDUP_ID_MAX. Default 0 */
    const struct rp_header *headers; /**< see headers.h; one whose value is NULL is not sent, nor carried. Default NULL */
    size_t header_count;             /**< 0 .. RP_HEADERS_MAX. Default 0 */
    const struct rp_headers
        *carry; /**< headers of another message, which are sent as well, but for those named in `headers`; NULL: none.
                                         `&m->headers` passes on what a received message had. Default NULL */
    uint64_t
        sequence; /**< of a producer with an id: the message's number, higher than that of its last send, not necessarily by one; 0: none. Default 0 */
};

/** One message of a batch. The library writes `id` and `result`. */
struct rp_send_item {
    const void *data;
    size_t bytes;
    uint64_t id; /**< out: set for each item that was sent, now or before */
    const struct rp_send_options
        *options;   /**< key, priority, delay and so on of this item; NULL: none. Its timeout_ns and id_out say nothing here */
    int32_t result; /**< out: 0, or RP_DUPLICATE: sent before, `id` is the first one's */
    uint32_t reserved0;
    uint64_t reserved[3];
};

/** Memory for a message that is written in place. */
struct rp_loan {
    void *data;   /**< write here, at most `bytes`; aligned to 8 bytes */
    size_t bytes; /**< as asked for; may be lowered before the commit */
    uint64_t reserved[6];
};

RP_API void rp_producer_options_init(struct rp_producer_options *o, size_t size);
RP_API void rp_send_options_init(struct rp_send_options *o, size_t size);

/**
 * Errors: -ENOMEM, -EROFS (handle opened read-only), RP_FORKED, -EINVAL.
 *
 * With an `id` the producer owns that id until it is closed or its process ends; the id itself, and the sequence of its last committed send, stay in the queue until
 * rp_producer_id_remove. Then also: RP_IN_USE, another producer with this id is open, in this process or another that is alive, stopped or not; -ENOSPC, the id is new and
 * all `max_producer_ids` places are taken; RP_CORRUPT. What a dead owner had under way is decided first, so rp_producer_sequence is right at once.
 * Lock-free; steps bounded by the number of places and of processes. Crash: the id is there or not, with the sequence it had.
 */
RP_API int rp_producer_open(rp_queue *q, const struct rp_producer_options *o, rp_producer **out);

/** Closes; open loans are abandoned. NULL is fine. */
RP_API void rp_producer_close(rp_producer *p);

/**
 * Sends a copy of `bytes` bytes (0 is fine). When it returned 0 the message is kept: it will be delivered and acked, or
 * lie in the dead ring, or be dropped by a policy that counts it. Any other result: it was not sent; but for a durable queue's RP_NOT_DURABLE, and -EINTR or RP_GONE from its wait for the disk: then it is in memory, and may come (docs/durability.md).
 * Errors: RP_FULL (no room before the timeout; the detail says why), RP_TOO_BIG, -EINTR (interrupted), RP_GONE, RP_FORKED, -EINVAL,
 * RP_CORRUPT. With a `dedup_id`: RP_DUPLICATE, a message with this id was sent within the window, `id_out` receives its id, and
 * nothing was stored (on a durable queue: that message is durable; else RP_NOT_DURABLE, -EINTR or RP_GONE, as for a send of one's own); -EBUSY, somebody who lives is sending one just now and was not done when the timeout was over (what a dead
 * sender did is decided by whoever comes next). The id is an application's own; the same id always means the same message.
 * With a `sequence`: RP_DUPLICATE, this producer's id has sent it, or a higher one, in whichever process; `id_out` receives 0, and nothing was stored. A send that failed does not use its
 * sequence up. It is looked at before the `dedup_id`; a message that is refused by that leaves the sequence unused.
 * Lock-free while there is room, no system call unless a receiver sleeps. Crash: the message was sent or not, as a
 * whole; memory of one that was not is recovered by the next sweep.
 */
RP_API int rp_send(rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *o);

/**
 * rp_send into a durable queue without waiting for the disk: rp_flush waits for all that this producer sent so. The message keeps its place; receivers get it when it is in the journal. Any other queue: rp_send.
 * Errors: as rp_send.
 */
RP_API int rp_send_async(rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *o);

/**
 * Waits until all that this producer sent is on disk, whatever the queue's `sync`; with what was settled and failed before. 0 at once in a queue without journal.
 * Errors: RP_NOT_DURABLE: the journal cannot be written; what was sent stays in memory, and goes there when it can be. -EINTR, RP_GONE, RP_FORKED, -EINVAL.
 */
RP_API int rp_flush(rp_producer *p);

/**
 * Sends `count` messages in order and wakes receivers once. -> how many were sent, which is less than `count` when the queue
 * filled up and its policy is reject; an error only if none was. A duplicate counts as sent. Each message stands for itself: a crash or an error in
 * the middle leaves those before it sent.
 */
RP_API int rp_send_batch(rp_producer *p, struct rp_send_item *items, size_t count);

/**
 * Borrows memory for a message of up to `bytes` bytes, to be filled in place and then committed or abandoned. Waits for
 * room as rp_send does by policy. Loans occupy capacity. Headers, which come with the commit, must fit beside `bytes`. Errors: as rp_send.
 * Crash: the memory is recovered by the next sweep.
 */
RP_API int rp_loan(rp_producer *p, size_t bytes, struct rp_loan *out);

/** Sends what was written into the loan; on success `l` is used up. On failure it is still open. Errors: as rp_send. */
RP_API int rp_commit(rp_producer *p, struct rp_loan *l, const struct rp_send_options *o);

/**
 * The sequence of the last send of this producer's id that was committed, by whichever process; 0: none was. What has a higher one was not sent, and is to be sent again.
 * -EINVAL: it was opened without an id. Does not block, but on a durable queue with RP_SYNC_ALWAYS: there it returns when what it says is on disk, and fails as rp_send does in waiting for that (RP_NOT_DURABLE, -EINTR, RP_GONE).
 */
RP_API int rp_producer_sequence(rp_producer *p, uint64_t *last);

/** A producer's id as rp_producer_id_next finds it. */
struct rp_producer_id {
    uint32_t index;
    uint32_t id_bytes;
    unsigned char id[RP_PRODUCER_ID_MAX];
    uint64_t sequence; /**< of its last send that is known to be committed */
    uint64_t made_ns;  /**< wall clock: when it was first used */
    uint32_t pid;      /**< of the process in which a producer with this id is open; 0: none is */
    uint32_t alive;    /**< 1: and the kernel says that it lives */
    uint64_t reserved[5];
};

/** The id with the lowest index >= `index`. RP_EMPTY: no more. Any thread; read-only handles, too; does not block. */
RP_API int rp_producer_id_next(rp_queue *q, uint32_t index, struct rp_producer_id *out);

/**
 * Forgets an id and its sequence; its place is free. -ENOENT: there is none; RP_IN_USE: a producer with this id is open; -EROFS, -EINVAL, RP_FORKED. Any thread. Lock-free.
 * Crash: it was removed or not. On a durable queue it returns when the removal is in the journal, or with RP_NOT_DURABLE, -EINTR or RP_GONE; who gets that asks again, and -ENOENT then means that it will be recorded.
 */
RP_API int rp_producer_id_remove(rp_queue *q, const void *id, size_t id_bytes);

/** Gives a loan back unsent. -EINVAL if it is not open. */
RP_API int rp_abandon(rp_producer *p, struct rp_loan *l);

#ifdef __cplusplus
}
#endif
#endif
