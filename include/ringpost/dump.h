/* SPDX-License-Identifier: MIT */
/**
 * @file dump.h
 * Dump and restore: a queue with all that is in it as a stream of bytes, for a backup, another machine, another version of this library, or the same queue with other
 * options. docs/dump-format.md has the bytes.
 *
 * What is in a dump: how the queue was made; its groups, with their policies and whether they are paused; the ids of producers with their sequences; every message that a group has not settled, once,
 * with payload, headers, key, priority, id, times, and for each group that needs it, where it stands there; the ids that deduplication knows; counters, for people.
 *
 * Consistent while others work: the dump has a moment, soon after the call began. In it is
 * - each message whose send returned before the call, for each group that was there then and had not settled it when it was looked at; so everything that nobody settled before the call returned;
 * - of the sends that run beside it: those of a moment, for each lane: if a message is in the dump, so are, unless they were settled, all that were sent into its lane before. Delayed messages stand for
 *   themselves;
 * - no message twice, and none half.
 * What a message's groups have done with it is that of the time when it was looked at, later than the moment. So of a message that is acked meanwhile the dump may or may not have it.
 * - The id for deduplication of each message in the dump, and of those settled before; never that of a message that was sent after the moment: who sends again what the dump does not have is not refused, and what it has
 *   is not stored twice.
 * - Of each producer with an id the sequence of its last message before the moment: what has a higher one is not in the dump. But for what it sends with a delay after the moment, which may be in it; and where producers with ids never pause
 *   for as long as a thousand looks at their sequences take, the last ones of one of them.
 * A group that is removed meanwhile is in the dump, without some or all of its messages.
 *
 * Not in a dump: who holds what (a leased message is one that is ready, for whoever restores), loans and sends under way, consumers, where memory lies.
 */
#ifndef RINGPOST_DUMP_H
#define RINGPOST_DUMP_H

#include <ringpost/consumer.h>
#include <ringpost/dead.h>
#include <ringpost/export.h>
#include <ringpost/flow.h>
#include <ringpost/group.h>
#include <ringpost/headers.h>
#include <ringpost/inspect.h>
#include <ringpost/producer.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Takes the next `bytes` bytes of a dump. 0, or a negative result, which ends the dump and is returned by it. */
typedef int (*rp_dump_write)(void *context, const void *data, size_t bytes);

/** Reads up to `bytes` bytes of a dump. -> how many, 0 at its end, or a negative result. */
typedef int64_t (*rp_dump_read)(void *context, void *buffer, size_t bytes);

struct rp_dump_options {
    size_t size;
    void (*progress)(void *context, uint64_t done,
                     uint64_t all); /**< called now and then: messages looked at; NULL: not. Default NULL */
    void *progress_context;         /**< for it. Default NULL */
};

/** What a dump has, or a restore brought back. */
struct rp_dump_summary {
    uint64_t bytes; /**< of the dump */
    uint64_t groups;
    uint64_t producers; /**< ids of producers */
    uint64_t messages;
    uint64_t payload_bytes;
    uint64_t ids;     /**< for deduplication */
    uint64_t ready;   /**< these four: of messages in a group, so one message may count in several */
    uint64_t leased;  /**< held when they were looked at; ready in a restored queue */
    uint64_t delayed; /**< waiting out a backoff; and messages whose send has a delay that is not over, once each */
    uint64_t dead;
    uint64_t damaged; /**< messages that somebody wrote over, left out */
    uint64_t reserved[5];
};

RP_API void rp_dump_options_init(struct rp_dump_options *o, size_t size);

/**
 * Writes a dump of the queue. Works on read-only handles; takes and changes nothing, and nobody waits for it. Memory: 32 bytes for each message, and the largest one; with deduplication 8 bytes for each id.
 * `out` may be NULL. Errors: what `write` returned; -EINVAL, -ENOMEM, RP_CORRUPT, RP_FORKED. Any thread. Steps are bounded by the number of cells, and by how often others change what is being looked at.
 * Crash: the dump ends where it ends, and is refused by whoever reads it.
 */
RP_API int rp_queue_dump(rp_queue *q, rp_dump_write write, void *context, const struct rp_dump_options *o,
                         struct rp_dump_summary *out);

/** A dump that is being read. Used by one thread at a time. */
typedef struct rp_dump rp_dump;

/** How a dump begins. */
struct rp_dump_head {
    char name[256];      /**< of the queue, cut if need be */
    uint64_t dumped_ns;  /**< wall clock */
    uint64_t created_ns; /**< wall clock: of the queue */
    uint32_t version;    /**< of the format */
    uint32_t paused;     /**< bits of enum rp_side */
    uint64_t reserved[10];
};

/** Where a message stands in a group. */
struct rp_dump_delivery {
    uint32_t group;  /**< the number of the group among those of the dump, from 0 */
    uint32_t state;  /**< one of enum rp_state */
    uint64_t due_ns; /**< delayed by a backoff: when it is ready; wall clock. Else 0 */
    uint64_t turn;   /**< among the redeliveries, or the dead, of its group, lowest first; 0: a first delivery, or none */
    struct rp_dead_letter letter; /**< counts and the last failure, as far as they are known; payload and headers are not in it */
    uint64_t reserved[4];
};

enum rp_dump_flag {
    RP_DUMP_WAITING =
        1, /**< its send has a delay or time that is not over: it is of all groups there will be, and has no deliveries */
    RP_DUMP_SCHEDULED = 2, /**< it was sent with a delay or a time */
    RP_DUMP_BY_WALL =
        4, /**< its times follow the wall clock; else they are elapsed time, as seen from the wall clock of the dump */
    RP_DUMP_EXPIRES = 8, /**< it has a time to live */
    RP_DUMP_KEYED = 16   /**< it has a key, perhaps an empty one */
};

/** A message of a dump. */
struct rp_dump_message {
    uint64_t id;
    uint64_t sent_ns;    /**< wall clock */
    uint64_t due_ns;     /**< RP_DUMP_SCHEDULED: when it is, or was, ready; wall clock */
    uint64_t expires_ns; /**< RP_DUMP_EXPIRES; wall clock. 2^64-1: not any more */
    uint32_t flags;      /**< bits of enum rp_dump_flag */
    uint32_t lane;       /**< its priority; in queues with shards, which; in keyed queues, where its key led */
    const void *data;
    size_t bytes;
    const void *key; /**< NULL: none */
    size_t key_bytes;
    struct rp_headers headers;
    const struct rp_dump_delivery *deliveries; /**< one for each group that needs it */
    size_t delivery_count;
    uint64_t reserved[4];
};

/** An id that deduplication knows. */
struct rp_dump_id {
    uint32_t kind;       /**< 0: of a send; 1, 2: of a consumer's work (rp_seen) on a message, or under an id of its own */
    uint32_t group;      /**< of kinds 1 and 2 */
    uint64_t message_id; /**< kind 0: the id of the message that was sent under it */
    uint64_t until_ns;   /**< wall clock: how long it is known */
    unsigned char id[RP_DEDUP_ID_MAX];
    size_t id_bytes;
    uint64_t reserved[2];
};

enum rp_dump_kind {
    RP_DUMP_GROUP = 2,
    RP_DUMP_MESSAGE = 3,
    RP_DUMP_PRODUCER = 4,
    RP_DUMP_ID = 5,
    RP_DUMP_COUNTERS = 6,
    RP_DUMP_END = 7
};

/** One thing after the other, in the order of enum rp_dump_kind; messages lane by lane, in the order of their first delivery. What is pointed to lives until the next call. */
struct rp_dump_item {
    uint32_t kind; /**< enum rp_dump_kind: which of these it is */
    uint32_t reserved0;
    uint64_t offset;                       /**< in the dump */
    const struct rp_group_info *group;     /**< name, index, overflow, created_ns, dropped, expired, paused */
    const struct rp_producer_id *producer; /**< id, sequence, made_ns */
    const struct rp_dump_message *message;
    const struct rp_dump_id *id;
    const struct rp_queue_stats *counters; /**< the counters, not the gauges */
    const struct rp_dump_summary *summary; /**< RP_DUMP_END, where all before it has been found to be whole */
    uint64_t reserved[6];
};

/**
 * Begins to read a dump: as far as the queue's options. Errors: what `read` returned; -EINVAL, -ENOMEM; RP_CORRUPT: no dump, damaged, or it ends too early; RP_INCOMPATIBLE: a newer version, or one that uses what this
 * library does not know. The detail says at which offset, and what. Does not trust the bytes: any are refused in an orderly way, and memory is taken only for what is there.
 */
RP_API int rp_dump_open(rp_dump_read read, void *context, rp_dump **out);

/** Ends that. NULL is fine. */
RP_API void rp_dump_close(rp_dump *d);

RP_API int rp_dump_head(const rp_dump *d, struct rp_dump_head *out);

/** The options of the queue that was dumped. As rp_queue_options_get: set `size` before. `numa` and `strict` are the defaults: another machine has other nodes. */
RP_API int rp_dump_queue_options(const rp_dump *d, struct rp_queue_options *out);

/**
 * The next item. RP_EMPTY: after the end. Errors as rp_dump_open; after one there is nothing more. Whoever has read to the end knows that the dump is whole: checksums, order, counts, and that nothing follows.
 */
RP_API int rp_dump_next(rp_dump *d, struct rp_dump_item *out);

/**
 * Makes a queue of a dump of which no item was read yet, under a name that nothing has, and attaches to it. `o`: how it is to be made; NULL: as it was. The queue is built out of sight, while the dump is read, and gets
 * its name when all is in it: nobody sees half of it, and after an error there is none.
 *
 * As before: messages in order, with their ids; new ones get higher ids than any that the old queue gave. Deliveries, acquisitions, failures, dead letters. Delays and backoffs by the wall clock: what became due meanwhile is
 * ready. Ids for deduplication and sequences. What is paused. When the queue was created.
 * Otherwise: leased messages are ready, behind no others of the redeliveries, not charged, their hand-out counted. Counters begin with 0, but for a group's `dropped` and `expired`. It is another queue for those who
 * forward from it (rp_forward): what was forwarded and not acked when it was dumped is forwarded once more. Reasons of failures may be lost where there are many, as always.
 *
 * Errors: as rp_dump_open and rp_queue_create; and where `o` asks for less than the dump needs: RP_FULL (capacity, lane_capacity), RP_TOO_BIG (message_bytes, header_bytes), -ENOSPC (max_groups, max_producer_ids; tmpfs full), -EINVAL
 * (priorities, keys without lanes). -EINVAL too if items were read. Crash: as rp_queue_create.
 */
RP_API int rp_queue_restore(const char *name, rp_dump *d, const struct rp_queue_options *o, rp_queue **out);

/** What has been read so far, or all of it after the end. */
RP_API int rp_dump_summary(const rp_dump *d, struct rp_dump_summary *out);

#ifdef __cplusplus
}
#endif
#endif
