/* SPDX-License-Identifier: MIT */
/**
 * @file queue.h
 * A queue: one shared-memory segment that processes attach to.
 *
 * `orders` is the POSIX shared-memory object `/ringpost.orders`, that is `/dev/shm/ringpost.orders`. A name that begins with
 * `/` is a path of a file on a tmpfs. Other names are `[A-Za-z0-9._-]{1,200}`; anything else is -EINVAL.
 *
 * Threads: an `rp_queue` may be shared by all threads of its process; one per process is enough. Producers and consumers
 * opened on it are used by one thread at a time. fork: the child must open the queue itself; every call on an
 * inherited handle returns RP_FORKED there.
 */
#ifndef RINGPOST_QUEUE_H
#define RINGPOST_QUEUE_H

#include <ringpost/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rp_queue rp_queue;

/**
 * What a send does when there is no memory for the message, or its bytes do not fit into max_bytes. A send that gives a timeout waits so
 * long under each of them; drop-oldest drops first.
 *
 * Dropping: a message goes only if that frees its memory. What is leased, on loan, dead, still viewed, not yet due by the delay of its send,
 * or needed by a group that does not lose messages (enum rp_group_overflow) stays; where nothing else is left the send gets RP_FULL. First
 * go messages that were never received, oldest first (of the lowest priority that has any; of keyed lanes, from the one with the oldest of a
 * few), then redeliveries, oldest first, then backoffs. Each drop is counted for its group, and in `dropped` of rp_queue_stats; a sender
 * that is killed in the middle may take one count with it. No more is dropped than needed, but in a queue of more than 1,024 cells one in
 * 1,024 may be free at the time. Senders that wait are woken in no order, and a large message may wait while small ones pass.
 *
 * max_bytes counts the payload and the headers of all messages that are held, whatever their state, and loans; a larger message is RP_TOO_BIG. The bound is
 * kept to the byte, but for one message of each process that is interrupted just as it frees one, while somebody counts anew. After a
 * death what the dead had counted is missing until the next count: for at most 100 ms while anybody sends or receives.
 */
enum rp_overflow {
    RP_OVERFLOW_REJECT = 0,      /**< return RP_FULL */
    RP_OVERFLOW_BLOCK = 1,       /**< wait, for ever unless the send gives a timeout */
    RP_OVERFLOW_DROP_OLDEST = 2, /**< drop the oldest messages that nobody has received yet, counted per group */
    RP_OVERFLOW_SPILL = 3        /**< write them to a file; see spill.h */
};

/** A durable queue (`journal`): what a send that returned 0 has survived. docs/durability.md has each setting against each kind of failure. */
enum rp_sync {
    RP_SYNC_ALWAYS = 1,   /**< the machine's failure: the message is on disk. Several senders share one write */
    RP_SYNC_INTERVAL = 2, /**< the death of all processes; the machine's, once `sync_interval_ns` has passed */
    RP_SYNC_NONE = 3      /**< the death of all processes; the machine's, when the kernel has written it */
};

/** What becomes of a message that expires. */
enum rp_expired {
    RP_EXPIRED_DEAD = 0, /**< to the dead ring, reason RP_DEAD_EXPIRED */
    RP_EXPIRED_DROP = 1  /**< dropped, and counted */
};

/** What happens to a death when the dead ring already holds `dead_capacity` messages. */
enum rp_dead_overflow {
    RP_DEAD_DROP_OLDEST = 0, /**< the oldest dead letter goes, and is counted */
    RP_DEAD_REFUSE = 1       /**< a reject gets RP_FULL; a message past its deliveries goes on at the longest backoff */
};

/**
 * On which NUMA nodes the memory lies. A wish: rp_queue_placement (placement.h) tells what became of it. On a machine of one node nothing is done. A node that is full is helped out by
 * others; one that has no processors is used only by name. The rings are what everybody looks at, the cells hold the messages.
 */
enum rp_numa {
    RP_NUMA_AUTO =
        0, /**< a creator that is confined to processors of one node: there. Of some: the rings on the one nearest to all, the cells on all of them
                                 in turns. Not confined: all pages in turns over all nodes */
    RP_NUMA_INTERLEAVE = 1, /**< pages in turns over all nodes */
    RP_NUMA_CONSUMER =
        2, /**< where the first consumer may run, as with a confined creator. Until it opens, where the creator was; then pages move that nobody else has mapped (the creator's own handle counts, too): make
                                 the queue, open the consumer, then producers */
    RP_NUMA_NODE = 3 /**< on `numa_node` */
};

/** How a queue is made. Fixed for its life. */
struct rp_queue_options {
    size_t size;
    uint32_t capacity;         /**< messages held at once over all states, 1 .. 4,000,000. Default 4096. So many fit whoever is
                                    stopped; RP_FULL comes between capacity and capacity + 8 per attached process */
    uint32_t message_bytes;    /**< largest payload, 1 .. 1 GiB; one cell size per queue. Default 1024 */
    uint64_t lease_ns;         /**< how long a receiver may hold a message before it is delivered again; 0: until its process
                                    dies. Fires at most 100 ms late while anybody receives, in queues of hundreds of thousands of messages
                                    at most 2 s (a look at all cells may take a twentieth of the time). Default 30 s */
    uint32_t max_deliveries;   /**< failed deliveries before the dead ring; 0: no limit. Default 5 */
    uint64_t backoff_ns;       /**< wait after a nack, expiry or death before it is ready again, in whole ms. Default 100 ms */
    uint64_t backoff_max_ns;   /**< where the growth of the wait ends. Default 30 s */
    double backoff_factor;     /**< growth per failure, 1 .. 100. Default 2 */
    double jitter;             /**< share of the wait that is random, 0 .. 1. Default 0.2: between 80 % and 120 % */
    uint32_t dead_capacity;    /**< dead letters kept per group, 1 .. capacity; 0: a quarter of capacity, at least 1. Default 0 */
    uint32_t dead_overflow;    /**< enum rp_dead_overflow. Default RP_DEAD_DROP_OLDEST */
    uint32_t overflow;         /**< enum rp_overflow. Default RP_OVERFLOW_REJECT */
    uint32_t max_groups;       /**< room for consumer groups, 1 .. 20; "default" exists from the start. Default 4 */
    uint32_t max_participants; /**< processes attached at once, 1 .. 1000. Default 64 */
    uint32_t mode;             /**< permission bits of the segment. Default 0600 */
    const char *group;         /**< Unix group that owns the segment, by name or number; NULL: the creator's. Default NULL */
    uint32_t prefault;         /**< 1: touch every page at creation, so that no later call takes a page fault. Default 1 */
    uint32_t priorities;       /**< strict levels, 1 .. 16; 0 is the lowest. Not together with `lanes`. Default 1 */
    uint64_t ageing_ns;        /**< with priorities: a message of level 0 that has waited so long takes turns with higher levels;
                                    0: never. Default 0 */
    uint32_t
        lanes; /**< keyed lanes, 1 .. 1024: messages of one key are received strictly in order, one at a time; 0: off. Default 0 */
    uint32_t
        lane_capacity;  /**< with lanes: messages that one lane holds, rounded up to a power of two, at most as many as the queue;
                                    0: four times its fair share. Default 0 */
    uint64_t ttl_ns;    /**< age at which a message that nobody has received yet expires; 0: never. Default 0 */
    uint32_t expired;   /**< enum rp_expired. Default RP_EXPIRED_DEAD */
    uint32_t reserved;  /**< 0 */
    uint64_t max_bytes; /**< bytes of payloads and headers held at once; 0: as many as there is room for. Default 0 */
    uint64_t
        dedup_window_ns; /**< a second send under the `dedup_id` of a message that was sent so recently, or up to 25 ms earlier, gets RP_DUPLICATE and stores
                                   nothing; 0: ids are not kept. At most 10 years. Default 0 */
    uint32_t
        dedup_entries; /**< with dedup_window_ns: ids kept at once, 1 .. 4,000,000, 192 bytes each; never fewer than cells. When more are sent within the window, the
                                   oldest are forgotten (roughly: a place whose send failed is used again sooner), and counted. 0: four times the capacity, at least 2 x (capacity + 8 x max_participants). Default 0 */
    uint32_t
        header_bytes; /**< room for headers beside the largest payload, 0 .. 1 MiB; headers.h says what one takes. Without it they have what the payload leaves. Default 0 */
    uint32_t max_producer_ids; /**< room for ids of producers (producer.h), 0 .. 4,000, 128 bytes each. Default 16 */
    uint32_t reserved2;        /**< 0 */
    uint32_t numa;             /**< enum rp_numa: on which NUMA nodes it lies. Default RP_NUMA_AUTO */
    uint32_t numa_node;        /**< with RP_NUMA_NODE: which, 0 .. 63. Default 0 */
    uint32_t
        hugepages; /**< 1: in huge pages: the size is rounded up to whole ones (if they have at most 2 MiB), and the kernel asked for them (on hugetlbfs there are no others). Default 0 */
    uint32_t
        lock_memory; /**< 1: each process that attaches keeps all pages from being swapped out, or none, if RLIMIT_MEMLOCK has no room for all. Default 0 */
    uint32_t
        strict; /**< 1: -ENOTSUP when not all of what numa (other than RP_NUMA_AUTO), numa_shards, hugepages and lock_memory ask for can be had. Else placement.h tells. Default 0 */
    uint32_t
        numa_shards; /**< lanes and ranges of cells that belong to NUMA nodes, 2 .. 16, or RP_NUMA_SHARDS_AUTO: one for each node that has memory and processors; 0 or 1: off. See enum rp_numa_shards. Default 0 */
    const char *
        spill_dir; /**< with RP_OVERFLOW_SPILL: the directory in which the spill file is made, on any file system that can preallocate. Default NULL */
    uint64_t spill_max_bytes; /**< with RP_OVERFLOW_SPILL: the most that the file takes, 1 TiB at most. Default 0 */
    const char *
        journal; /**< directory of the journal, made if it is missing: the queue is durable. Each process that attaches must reach it there and may write. NULL: none. Default NULL */
    uint32_t sync;               /**< enum rp_sync. Default RP_SYNC_ALWAYS; says nothing without `journal` */
    uint32_t reserved3;          /**< 0 */
    uint64_t sync_interval_ns;   /**< with RP_SYNC_INTERVAL: 1 ms .. 1 hour. Default 100 ms */
    uint64_t journal_file_bytes; /**< of each file of the journal, a multiple of 4096, 64 KiB .. 1 GiB. Default 64 MiB */
    uint64_t
        retain_ns; /**< journal files in which all is settled stay until their last message is so old, for rp_journal_reader_open; at most 100 years. 0: that keeps none. Default 0 */
    uint64_t
        retain_bytes; /**< they go, the oldest first, when they are more than that; with both given, when either says so. 0: that keeps none. Default 0 */
};

/**
 * A queue with shards has a lane for each node instead of one for all, and as many ranges of cells. A producer fills the lane of the node on which its thread runs when it is opened, and takes
 * cells of that node as long as some are free; it keeps to that when its thread moves. A consumer receives from its own node's lane, and when that is empty from the others, the nearest first; every 16th
 * receive goes through the others first, beginning with each in turn, so none is left waiting whatever comes into its own.
 *
 * Order: what one producer sends is first delivered in that order while it fills the same lane: as long as it is open. Opened again, by whatever process, it fills the same lane if it has a producer id and
 * runs on the same node, or if `shard` names the lane; else what it sends then may come before what it sent earlier. Responders (request.h) and publishers (exchange.h) have producers that the library opens
 * again. Between producers there is no order: with one lane what was sent earlier is also received earlier, here a message of another lane may come much later.
 * RP_OVERFLOW_DROP_OLDEST drops the oldest of some lanes, not strictly of all.
 *
 * Not together with `priorities`, `lanes`, RP_NUMA_CONSUMER or RP_NUMA_NODE (-EINVAL). What else of the queue's memory `numa` says. More shards than nodes go round the nodes; of
 * several on its node a process takes one by its seat, and a producer with an id one by that. rp_queue_options_get tells how many there are.
 */
enum rp_numa_shards { RP_NUMA_SHARDS_AUTO = 0x7fffffff };

/**
 * What a call does that waits, for a message or for room. Whatever it is, a wait keeps house, ends with its timeout, is ended by rp_queue_interrupt, and notices the end of
 * its queue. docs/placement.md has what each costs and how soon it wakes.
 */
enum rp_wait_strategy {
    RP_WAIT_ADAPTIVE = 0, /**< looks for some microseconds, as long as that paid lately, then sleeps in the kernel */
    RP_WAIT_SPIN =
        1, /**< looks all the time, and takes a processor for itself. It offers that to others that are runnable there every 30 us or so
                               (sched_yield); on a machine of one processor after each look. On one that it shares with others it is later than RP_WAIT_ADAPTIVE */
    RP_WAIT_SLEEP = 2 /**< sleeps at once: least work, and a wake-up for each wait */
};

/** How a queue is opened. */
struct rp_open_options {
    size_t size;
    uint32_t read_only; /**< 1: an observer. Maps without write permission, takes no seat, and may only look. Default 0 */
    uint32_t reserved;  /**< 0 */
    const char *
        journal; /**< of a queue: if there is none of that name, it is brought back from this journal with the options it was made with last; else this says nothing. Not for observers. Default NULL */
};

RP_API void rp_queue_options_init(struct rp_queue_options *o, size_t size);
RP_API void rp_open_options_init(struct rp_open_options *o, size_t size);

/**
 * Creates a queue and attaches to it. The segment is built out of sight and published in one step: nobody ever opens half a
 * queue, and of two creators at once one gets -EEXIST. All memory is reserved first.
 * Errors: -EINVAL (name or option, see rp_error_detail), -EEXIST, -ENOSPC (tmpfs full), -EACCES, -EPERM (group), -ENOMEM,
 * -ENOTSUP (a path on a file system that is not tmpfs or hugetlbfs; `strict`), -EFBIG (RLIMIT_FSIZE), -ENOENT (somebody removed it as soon as it was there).
 * May block on the file system. Crash: leaves nothing, or (where O_TMPFILE or /proc is missing) a private file that
 * `ringpost gc` removes.
 *
 * With `journal`: the path is made absolute, and the directory made if it is missing, for those who may use the queue; who may use it may use the files in it. It belongs to one queue, by name. If it has
 * a journal, the queue comes back: its groups, and every message that was durable and is not recorded as settled, with id, headers, key, times, failures, dead letters; the ids for deduplication that are within their window, and those of producers with their sequences. What was leased is ready. `o` may ask for other
 * options than before; RP_FULL, RP_TOO_BIG, -ENOSPC, -EINVAL say what they have no room for, as with rp_queue_restore. Then, and when the journal is damaged (RP_CORRUPT, the detail says where), nothing is changed.
 * RP_IN_USE: processes that had the queue open when it was removed still write to the journal, somebody brings it back just now, or it is another queue's. -ENOTSUP: not with
 * RP_OVERFLOW_DROP_OLDEST. -EINVAL: journal_file_bytes has no room for four of the largest messages. Memory: some times what the messages take. Crash: leaves one empty journal file more.
 */
RP_API int rp_queue_create(const char *name, const struct rp_queue_options *o, rp_queue **out);

/**
 * Attaches to a queue and takes a participant's seat, which the kernel frees with the process, however it ends.
 * Errors: -ENOENT, -EACCES, -EINVAL, RP_INCOMPATIBLE, RP_CORRUPT, RP_NO_SEAT, RP_NOT_READY, -ESTALE (its journal was taken over by the queue of that name in another /dev/shm, or is another one now). With `journal`, where there is no such queue: as rp_queue_create; -ENOENT: there is no journal of one either. Of several at
 * once one brings it back, the others wait, up to half a minute, and open it.
 * May block on the file system. Crash: the seat is recovered by whoever sweeps next.
 */
RP_API int rp_queue_open(const char *name, const struct rp_open_options *o, rp_queue **out);

/**
 * Detaches. RP_IN_USE, and nothing done, while producers or consumers of this handle are open. NULL is fine.
 */
RP_API int rp_queue_close(rp_queue *q);

/**
 * Removes the name, and what consumers' descriptors left beside it. Processes that are attached keep their memory and get RP_GONE within a tick (100 ms).
 * The journal of a durable queue stays, and with it the queue comes back; to be rid of that, too, remove its directory.
 * Errors: -ENOENT, -EACCES, -EINVAL.
 */
RP_API int rp_queue_unlink(const char *name);

/**
 * The options the queue was made with, defaults filled in (`group` is NULL; `strict`, which counts only then, 0; `journal` lives as long as the handle). Set `size` before, as rp_queue_options_init does: so many bytes are
 * written. Errors: -EINVAL (no queue, no place, a size that cannot be), RP_FORKED. Any thread; does not block.
 */
RP_API int rp_queue_options_get(rp_queue *q, struct rp_queue_options *out);

/** The name the handle was opened with. Never NULL; valid until close. */
RP_API const char *rp_queue_name(const rp_queue *q);

/**
 * One complete housekeeping pass: recovers the dead, ends leases that ran out, makes due messages ready, mends hints.
 * receive and send do the same in small steps, so programs need this only to force the issue. Lock-free; steps are
 * bounded by the number of cells; any number of processes may sweep at once. -> number of things mended.
 * Crash: harmless, the next pass goes on.
 */
RP_API int rp_queue_sweep(rp_queue *q);

/**
 * Keeps house for `timeout_ns` (-1: until interrupted): sleeps until the next time that is known, at most a tick, and then does what is due, to the microsecond where
 * a delayed message is. For queues in which nobody waits in a receive all the time; one such process for each queue is enough, and it may come and go.
 * -> number of things mended, when the time is over. Errors: -EINTR (rp_queue_interrupt), RP_GONE, -EROFS, RP_FORKED, -EINVAL. Any thread. Crash: harmless.
 */
RP_API int rp_queue_keep(rp_queue *q, int64_t timeout_ns);

/**
 * Makes every wait of this handle's producers and consumers return -EINTR, the one under way or else the next, and their descriptors (rp_consumer_fd) readable. Async-signal-safe;
 * the only call that may be made from a signal handler.
 */
RP_API int rp_queue_interrupt(rp_queue *q);

/** States of a message in one group, as bits. */
enum rp_state {
    RP_STATE_READY = 1,   /**< would be received now */
    RP_STATE_LEASED = 2,  /**< a receiver holds it */
    RP_STATE_DELAYED = 4, /**< waits for its time: a delayed send, or the backoff after a failure */
    RP_STATE_DEAD = 8,    /**< in the dead ring */
    RP_STATE_ALL = 15
};

/**
 * Drops the messages that are in one of `states` for `group` (NULL: "default"), counted as purged. A leased message
 * disappears under its holder, whose view stays readable and whose ack gets RP_LEASE_LOST. A delayed send that is not due yet is no
 * group's own: it goes for all groups. Messages sent meanwhile may or may not go. If the group is removed meanwhile, what was purged until
 * then counts, and no message of a later group goes. -> how many. Lock-free. Crash: what was dropped stays dropped, the rest stays.
 */
RP_API int rp_queue_purge(rp_queue *q, const char *group, unsigned states);

/**
 * Takes a message back that nobody has received yet, by the id its send wrote to `id_out`: one that waits for its time, or is ready.
 * 0: nobody will receive it any more. -ENOENT: there is no such message. RP_IN_USE: somebody has received it (in groups that have
 * not, it is gone). Any thread. Lock-free; steps bounded by the number of cells. Crash: cancelled or not.
 */
RP_API int rp_queue_cancel(rp_queue *q, uint64_t id);

#ifdef __cplusplus
}
#endif
#endif
