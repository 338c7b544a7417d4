/* SPDX-License-Identifier: MIT */
/**
 * @file exchange.h
 * Publishing by topic. An exchange is a table of bindings in shared memory, common to all processes: a message that is published under a topic goes to
 * every queue that is bound by a pattern that matches. The queues are ordinary ones; nobody needs to know of the exchange to receive from them.
 *
 * `orders` is the shared-memory object `/dev/shm/ringpost-exchange.orders`; names and paths are as those of queues (queue.h), and a queue may have the same name.
 *
 * A topic is 1 to 255 bytes: words separated by `.`, none of them empty, without `*`, `#` and control characters. A pattern is written the same way, and a
 * word of it may be `*`, any one word, or `#`, any number of words, none included: `orders.eu.*`, `orders.#`, `#` (everything).
 *
 * A queue that is bound by several patterns that match gets the message once. Bindings may change at any time; a publish that begins after
 * rp_exchange_bind or rp_exchange_unbind returned, in whatever process, goes by the new table.
 *
 * Threads: an `rp_exchange` may be shared by all threads of its process; a publisher is used by one thread at a time. fork: the child must open
 * the exchange itself; inherited handles return RP_FORKED. Programs that link liburcu-bp themselves must not call urcu_bp_before_fork around fork: the library does.
 */
#ifndef RINGPOST_EXCHANGE_H
#define RINGPOST_EXCHANGE_H

#include <ringpost/export.h>
#include <ringpost/headers.h>
#include <ringpost/producer.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_TOPIC_MAX 255       /**< bytes of a topic or pattern */
#define RP_BINDING_QUEUE 256   /**< bytes of a bound queue's name, the final NUL included */
#define RP_BINDING_HEADERS 512 /**< bytes of a binding's header matches: names and values, each with a NUL */

typedef struct rp_exchange rp_exchange;
typedef struct rp_publisher rp_publisher;

/** What becomes of a message that matches no binding. It is counted in any case. */
enum rp_unroutable {
    RP_UNROUTABLE_COUNT = 0, /**< rp_publish returns 0 */
    RP_UNROUTABLE_RETURN = 1 /**< rp_publish returns RP_UNROUTABLE */
};

/** Which of a binding's headers a message must have. */
enum rp_match {
    RP_MATCH_ALL = 0,
    RP_MATCH_ANY = 1 /**< one is enough */
};

/** How an exchange is made. Fixed for its life. */
struct rp_exchange_options {
    size_t size;
    uint32_t max_bindings; /**< 1 .. 1,000,000; 1,088 bytes each. Default 1024 */
    uint32_t unroutable;   /**< enum rp_unroutable. Default RP_UNROUTABLE_COUNT */
    uint32_t mode;         /**< permission bits. Who publishes needs to write. Default 0600 */
    uint32_t reserved;     /**< 0 */
    const char *group;     /**< Unix group that owns it, by name or number; NULL: the creator's. Default NULL */
    const char *alternate; /**< queue that gets what matches no binding, whatever `unroutable` says; NULL: none. Default NULL */
};

RP_API void rp_exchange_options_init(struct rp_exchange_options *o, size_t size);

/**
 * Makes an exchange, complete or not at all, and opens it. The alternate queue need not be there yet.
 * Errors: -EEXIST, -EINVAL, -EACCES, -ENOSPC, -ENOMEM, -ENOTSUP, as rp_queue_create. May block on the file system. Crash: as rp_queue_create.
 */
RP_API int rp_exchange_create(const char *name, const struct rp_exchange_options *o, rp_exchange **out);

/**
 * Attaches. With `read_only` it may be listed only, and needs no permission to write. Errors: -ENOENT, -EACCES, -EINVAL, RP_CORRUPT, RP_INCOMPATIBLE, -ENOMEM.
 * May block on the file system. Crash: leaves nothing.
 */
RP_API int rp_exchange_open(const char *name, const struct rp_open_options *o, rp_exchange **out);

/** Detaches. RP_IN_USE, and nothing done, while publishers are open. NULL is fine. */
RP_API int rp_exchange_close(rp_exchange *x);

/**
 * Removes the name; the queues stay. Who is attached gets RP_GONE within a tick (100 ms), at once where he changes bindings; until then he publishes by
 * the last table. Errors: -ENOENT, -EACCES, -EINVAL.
 */
RP_API int rp_exchange_unlink(const char *name);

/** The name the handle was opened with. Never NULL; valid until close. */
RP_API const char *rp_exchange_name(const rp_exchange *x);

struct rp_bind_options {
    size_t size;
    const struct rp_header *headers; /**< what a message's headers must be, besides the topic. NULL: nothing. Default NULL */
    uint32_t header_count;           /**< 0 .. 32, RP_BINDING_HEADERS bytes in all. Default 0 */
    uint32_t match;                  /**< enum rp_match. Default RP_MATCH_ALL */
    int64_t timeout_ns;              /**< how long to wait while another process changes bindings; -1: for ever. Default 1 s */
};

RP_API void rp_bind_options_init(struct rp_bind_options *o, size_t size);

/**
 * Binds a queue, which need not be there yet; `/dev/shm/ringpost.NAME` is kept as NAME, so that one queue is not bound twice. -> 0, or 1 when there was such a binding already (same pattern, queue and headers): then nothing changed.
 * Errors: -EINVAL, -ENOSPC (all max_bindings are taken), -EROFS, -EBUSY, RP_GONE, RP_FORKED, RP_CORRUPT, -EACCES, -ENFILE.
 * Any thread. One process at a time changes bindings; publishers never wait for it. One who is *stopped* in the middle keeps others from changing (a documented exception
 * to "nobody blocks anybody"): they get -EBUSY when their timeout is over. Crash: bound or not; the next change clears away what is half-made. Steps are bounded by max_bindings.
 */
RP_API int rp_exchange_bind(rp_exchange *x, const char *pattern, const char *queue, const struct rp_bind_options *o);

/** Takes the binding with this pattern, queue and headers back. What was published is in the queue already. -ENOENT: there is none. Otherwise as rp_exchange_bind. */
RP_API int rp_exchange_unbind(rp_exchange *x, const char *pattern, const char *queue, const struct rp_bind_options *o);

/** A binding, as rp_exchange_next writes it. */
struct rp_binding {
    uint32_t index;
    uint32_t match; /**< enum rp_match */
    uint32_t header_count;
    uint32_t header_bytes;
    uint64_t created_ns;              /**< wall clock */
    uint64_t failed;                  /**< messages that its queue did not take */
    char pattern[RP_TOPIC_MAX + 1];   /**< ends with NUL */
    char queue[RP_BINDING_QUEUE];     /**< ends with NUL */
    char headers[RP_BINDING_HEADERS]; /**< name, NUL, value, NUL, and so on */
    uint64_t reserved[8];
};

/** The binding with the lowest index >= `index`. RP_EMPTY: no more. Any thread; lock-free; works on read-only handles. Errors: RP_CORRUPT, RP_FORKED, -EINVAL. */
RP_API int rp_exchange_next(rp_exchange *x, uint32_t index, struct rp_binding *out);

/** Counters since creation, each kept in several places and added up here; a process that is killed may take its last one with it. */
struct rp_exchange_stats {
    uint64_t published;  /**< messages for which rp_publish looked for queues */
    uint64_t routed;     /**< copies that queues took */
    uint64_t duplicates; /**< copies that a queue had already, by dedup_id */
    uint64_t failed;     /**< copies that a queue did not take */
    uint64_t unroutable; /**< messages that matched no binding */
    uint64_t alternate;  /**< of those, that went to the alternate queue */
    uint64_t version;    /**< raised by every change of bindings */
    uint64_t created_ns; /**< wall clock */
    uint64_t segment_bytes;
    uint32_t bindings;
    uint32_t max_bindings;
    uint32_t unroutable_mode;               /**< enum rp_unroutable */
    uint32_t attached_queues;               /**< by this handle, just now */
    char alternate_queue[RP_BINDING_QUEUE]; /**< "": none */
    uint64_t reserved[8];
};

/** Any thread; steps are bounded by max_bindings; works on read-only handles. Errors: RP_CORRUPT, RP_FORKED, -EINVAL. */
RP_API int rp_exchange_stats(rp_exchange *x, struct rp_exchange_stats *out);

/** Clears away what changers that were killed left. The next change does it anyway. -> how many things. Errors as rp_exchange_bind. */
RP_API int rp_exchange_sweep(rp_exchange *x);

struct rp_publisher_options {
    size_t size;
};

RP_API void rp_publisher_options_init(struct rp_publisher_options *o, size_t size);

/**
 * A publisher. It opens a queue when it first has a message for it, once for all publishers of the exchange handle, and a producer of its own on it. A queue that is no
 * longer bound is closed when the publishers that used it publish again, or close. Errors: -ENOMEM, -EROFS, RP_CORRUPT, RP_FORKED, -EINVAL.
 */
RP_API int rp_publisher_open(rp_exchange *x, const struct rp_publisher_options *o, rp_publisher **out);

/** Closes its producers. NULL is fine. */
RP_API void rp_publisher_close(rp_publisher *p);

/** What happened in one queue. */
struct rp_publish_result {
    char queue[RP_BINDING_QUEUE];
    int32_t
        result; /**< 0: sent. RP_DUPLICATE: it was there already. Else why it was not: RP_FULL, -ENOENT (no such queue), RP_TOO_BIG, ... */
    uint32_t reserved;
    uint64_t id; /**< of the message in that queue: its own, or of the one that is there already */
    uint64_t reserved2[3];
};

struct rp_publish_options {
    size_t size;
    /**
     * How it is sent to each queue; NULL: plainly. Headers go to every queue, and are what bindings may ask for; `carry` as well. A queue gets what it has: a key where there are keyed lanes, the priority at most its highest, `dedup_id` where there is a dedup
     * window. timeout_ns: how long to wait, all queues together, for those that were full, or paused, after every other queue has its message; RP_TIMEOUT_POLICY does not wait here, whatever
     * the queues' policy. id_out is not used. Default NULL
     */
    const struct rp_send_options *send;
    struct rp_publish_result *results; /**< where to write what happened in each queue; NULL: nowhere. Default NULL */
    uint32_t *matched_out; /**< where to write for how many queues it was, so many results there would be. Default NULL */
    uint32_t result_room;  /**< how many `results` has room for. Default 0 */
    uint32_t reserved;     /**< 0 */
};

RP_API void rp_publish_options_init(struct rp_publish_options *o, size_t size);

/**
 * Sends a copy to each queue that is bound for `topic`. -> how many of them have it now (RP_DUPLICATE counts); 0: it matches no binding. A queue that fails stops no other; if all
 * fail, the first one's error is returned. Nothing matched: 0 or RP_UNROUTABLE, as the exchange was made; with an alternate queue that one's result, 1 when it took it.
 * Errors: RP_UNROUTABLE, -EINVAL (topic, options), RP_GONE (the exchange was removed), RP_FORKED, RP_CORRUPT (a damaged binding), -ENOMEM, and those of rp_send where no queue took it.
 *
 * The look-up takes no lock and writes nothing that is shared. The first message after a change of bindings compiles them anew (about 1 us per binding), the first for a queue opens
 * it (that may block on the file system). A queue that was removed and made anew is opened anew, within a tick.
 *
 * Crash: each queue has the message once or not at all; some may have it, others not. Publish it again under the same `dedup_id`: every queue with a dedup window has it
 * exactly once then, if that is done within the window.
 */
RP_API int rp_publish(rp_publisher *p, const char *topic, const void *data, size_t bytes, const struct rp_publish_options *o);

#ifdef __cplusplus
}
#endif
#endif
