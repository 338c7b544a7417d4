/* SPDX-License-Identifier: MIT */
/**
 * @file ring.h
 * A broadcast ring: every reader sees every message, nobody acknowledges, and a small message costs one transfer of one cache line. For market data, telemetry,
 * state that is published again and again. Where each message must be handled by somebody, use a queue.
 *
 * `ticks` is the shared-memory object `/dev/shm/ringpost-ring.ticks`; names and paths are as those of queues (queue.h), and a queue or an exchange may have the same name.
 *
 * Each writer has a *lane* of its own: a ring of slots that lie inline, written without a read-modify-write. A lane's messages are numbered from 0 on and read in this order; between lanes there is
 * no order. A writer that is killed or stopped, wherever that is, disturbs no other and leaves no torn message: a message is complete or was never sent. A dead writer's lane is taken over, and
 * its numbers go on, by the next rp_writer_open.
 *
 * When a lane is full:
 * - RP_RING_OVERWRITE: the writer overwrites what is oldest and never waits. A reader that was overtaken is told how many messages exactly it has lost. Readers need no permission to write, and
 *   no seat, so there is no limit to their number.
 * - RP_RING_GATE: the slowest reader that lives holds the writer back, for at most gate_timeout_ns; then it is evicted, and goes on as if in the other mode until its next read. Dead readers
 *   hold nobody back. Each such reader takes a seat.
 *
 * Threads: an `rp_ring` may be shared by all threads of its process; a writer or a reader is used by one thread at a time. fork: the child must open the ring itself; inherited handles return
 * RP_FORKED.
 */
#ifndef RINGPOST_RING_H
#define RINGPOST_RING_H

#include <ringpost/export.h>
#include <ringpost/queue.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rp_ring rp_ring;
typedef struct rp_writer rp_writer;
typedef struct rp_reader rp_reader;

/** What a write does where the oldest message of its lane has not been read by all. */
enum rp_ring_overflow {
    RP_RING_OVERWRITE = 0, /**< overwrites it */
    RP_RING_GATE = 1       /**< waits for the slowest reader, and evicts it after gate_timeout_ns */
};

/** How a ring is made. Fixed for its life. */
struct rp_ring_options {
    size_t size;
    uint32_t
        slots; /**< of each lane: messages of one slot that it holds. Raised to a power of two, and to four of the largest messages. 4 .. 2^24. Default 1024 */
    uint32_t message_bytes; /**< largest message, 1 .. 2^30 - 1. Default 48 */
    uint32_t
        slot_bytes; /**< of a slot, 16 of which are not payload: a multiple of 16, 32 .. 4096; larger messages take several slots. 0: whole cache lines of 64, as many as the largest message
                                   needs, and at most 4096: no two messages share a line, so messages of up to 48 cost one line, and of up to 112 two. Default 0 */
    uint32_t max_writers; /**< writers at once, each of which has a lane, 1 .. 1000. Default 8 */
    uint32_t max_readers; /**< readers with a seat at once, of RP_RING_GATE, 1 .. 1000. Default 64 */
    uint32_t overflow;    /**< enum rp_ring_overflow. Default RP_RING_OVERWRITE */
    uint32_t mode;        /**< permission bits, 0600 among them. Writers, and readers with a seat, need to write. Default 0600 */
    uint32_t prefault;    /**< 1: touch every page at creation, and when it is opened. Default 1 */
    uint64_t gate_timeout_ns; /**< how long one write waits for readers at most; up to a year. Default 1 s */
    const char *group;        /**< Unix group that owns it, by name or number; NULL: the creator's. Default NULL */
};

RP_API void rp_ring_options_init(struct rp_ring_options *o, size_t size);

/**
 * Makes a ring, complete or not at all, and opens it. Errors: -EEXIST, -EINVAL, -EACCES, -ENOSPC, -ENOMEM, -ENOTSUP, -E2BIG, as rp_queue_create. May block on the file system.
 * Should there be no memory to open it when it has been made, -ENOMEM, it stays, for rp_ring_open or rp_ring_unlink.
 * Crash: the ring is there or is not; what an unfinished one holds is removed by rp_collect.
 */
RP_API int rp_ring_create(const char *name, const struct rp_ring_options *o, rp_ring **out);

/**
 * Attaches. With `read_only` it may be read without a seat and looked at, and needs no permission to write. Errors: -ENOENT, -EACCES, -EINVAL, RP_CORRUPT, RP_INCOMPATIBLE, -ENOMEM.
 * May block on the file system. Crash: leaves nothing.
 */
RP_API int rp_ring_open(const char *name, const struct rp_open_options *o, rp_ring **out);

/** Detaches. RP_IN_USE, and nothing done, while writers or readers are open. NULL is fine. */
RP_API int rp_ring_close(rp_ring *ring);

/**
 * Removes the name. Writers get RP_GONE with their next write, readers when they have read what is there. Where somebody removes the file by other means, only those
 * who wait learn of it, within 100 ms. What a path leads to must be a ring, or begin like one. Errors: -ENOENT, -EACCES, -EINVAL, -ENOTSUP; RP_CORRUPT: it is none.
 */
RP_API int rp_ring_unlink(const char *name);

/**
 * Every wait of this handle's readers and writers returns -EINTR: those that are under way now, and for those who do not wait now the next one. Signals alone end no wait.
 * Any thread; a signal handler may call it.
 */
RP_API int rp_ring_interrupt(rp_ring *ring);

/** The name the handle was opened with. Never NULL; valid until close. */
RP_API const char *rp_ring_name(const rp_ring *ring);

/* ---- writing ---- */

struct rp_writer_options {
    size_t size;
};

RP_API void rp_writer_options_init(struct rp_writer_options *o, size_t size);

/**
 * Takes the first lane that nobody alive has and that is not damaged. Errors: RP_NO_SEAT (all max_writers lanes have living writers), RP_CORRUPT (or are damaged), -EROFS, -ENOMEM, RP_GONE, RP_FORKED, -EINVAL. May block on the file
 * system. Crash: leaves a lane for the next.
 */
RP_API int rp_writer_open(rp_ring *ring, const struct rp_writer_options *o, rp_writer **out);

/** Gives the lane to the next rp_writer_open. Its messages stay. NULL is fine. */
RP_API void rp_writer_close(rp_writer *w);

/** Which lane it has: the `lane` that rp_reader_status tells. */
RP_API uint32_t rp_writer_lane(const rp_writer *w);

/**
 * Writes a message, of 0 or more bytes. Errors: RP_TOO_BIG, RP_GONE, RP_FORKED, -EINVAL, RP_CORRUPT; with RP_RING_GATE also -EINTR (rp_ring_interrupt while it waited). After an error nothing was
 * written. Wait-free with RP_RING_OVERWRITE, whatever others do. With RP_RING_GATE it waits for readers, at most gate_timeout_ns. Makes a system call only if a reader sleeps.
 * Crash: the message is complete or was never written.
 */
RP_API int rp_write(rp_writer *w, const void *data, size_t bytes);

struct rp_write_item {
    const void *data;
    size_t bytes;
};

/**
 * Writes `count` messages, and looks only once whether readers sleep. -> how many were written: all, or, with RP_RING_GATE, fewer when it was interrupted or the ring was removed meanwhile.
 * Errors, when none was written: those of rp_write. Crash: the first few are there, each complete.
 */
RP_API int rp_write_batch(rp_writer *w, const struct rp_write_item *items, uint32_t count);

/**
 * Room for a message of up to `bytes` where it will lie, to be filled by the caller and sent by rp_write_commit. The messages must fit into one slot: slot_bytes less 16. The place is aligned to 16
 * bytes, and belongs to the caller until the next call with this writer; rp_write instead of rp_write_commit takes it back. The message that was there, if any, is lost for readers from now on.
 * Errors and progress: those of rp_write; RP_TOO_BIG: more than one slot has.
 */
RP_API int rp_write_reserve(rp_writer *w, size_t bytes, void **out);

/** Sends what was written there, the first `bytes` of it. -EINVAL: nothing is reserved, or more than was. Never waits. Crash: as rp_write.
 * Non-temporal stores into the place need an sfence of the caller's before: the commit orders ordinary stores only. */
RP_API int rp_write_commit(rp_writer *w, size_t bytes);

/* ---- reading ---- */

/** Where a reader begins, in lanes that are in use when it is opened. Later lanes are read from their beginning. */
enum rp_reader_from {
    RP_FROM_NEWEST = 0,  /**< with the next message that is written */
    RP_FROM_OLDEST = 1,  /**< with the oldest that is still there */
    RP_FROM_SEQUENCE = 2 /**< with the numbers in `sequences`. What of these is gone already is reported with RP_LAPPED */
};

struct rp_reader_options {
    size_t size;
    uint32_t from; /**< enum rp_reader_from. Default RP_FROM_NEWEST */
    uint32_t
        observe; /**< 1: takes no seat in a ring of RP_RING_GATE, and holds nobody back. Of itself so where the ring was opened read-only. Default 0 */
    uint64_t
        poll_ns; /**< longest nap of a reader that cannot be woken, since its ring was opened read-only or the kernel has no membarrier. 50 us .. 1 s. Default 1 ms */
    const uint64_t *
        sequences; /**< for RP_FROM_SEQUENCE: entry i is the first number wanted of lane i, not UINT64_MAX; NULL: none. Default NULL */
    uint32_t sequence_count; /**< entries; of lanes beyond, the oldest that is there. Default 0 */
    uint32_t reserved;       /**< 0 */
};

RP_API void rp_reader_options_init(struct rp_reader_options *o, size_t size);

/**
 * Errors: RP_NO_SEAT (RP_RING_GATE: all max_readers seats have living readers), -ENOMEM, RP_GONE, RP_FORKED, -EINVAL. A damaged lane does not keep it from the others: rp_read tells. With a seat it may block on the file system.
 * Crash: a seat that holds writers back until one of them notices, which it does before it waits.
 */
RP_API int rp_reader_open(rp_ring *ring, const struct rp_reader_options *o, rp_reader **out);

/** Gives its seat back. NULL is fine. */
RP_API void rp_reader_close(rp_reader *r);

/**
 * The next message, copied into `buffer`; `*bytes` is its length. The lanes take turns; one that is new does so when nothing else is there, and after some 64 messages at the latest.
 * Waits up to timeout_ns (0: not at all; -1: for ever).
 * - RP_EMPTY: nothing came in time.
 * - RP_LAPPED: messages of a lane were overwritten before they were read; rp_reader_status tells how many exactly, and of which lane. The next call goes on with what is there.
 *   Without eviction a reader with a seat can be told so only of messages that were there before it was opened.
 * - RP_TOO_BIG: the buffer is too small; `*bytes` tells what is needed, and the message stays the next one, while it is there.
 * - RP_GONE: the ring was removed, and all was read. -EINTR: rp_ring_interrupt. RP_FORKED, -EINVAL.
 * - RP_CORRUPT: a lane is damaged; rp_reader_status tells which. It is said once: this reader leaves that lane out from now on, and the next call goes on with the others.
 * What it returns was complete and unchanged when it had been copied. Lock-free; wait-free but for being overtaken by writers again and again. A reader without a seat writes nothing that is shared, unless it sleeps. Crash: leaves nothing but its seat.
 */
RP_API int rp_read(rp_reader *r, void *buffer, size_t capacity, size_t *bytes, int64_t timeout_ns);

struct rp_read_item {
    void *buffer;
    size_t capacity;
    size_t bytes;      /**< written by the library, as all that follows */
    uint64_t sequence; /**< its number in its lane */
    uint32_t lane;
    uint32_t reserved;
};

/**
 * Up to `count` messages; waits only for the first. -> how many. What rp_read would return when there is none; an error that comes after some messages is returned by the next call.
 * (RP_TOO_BIG then leaves what is needed in the first item.)
 */
RP_API int rp_read_batch(rp_reader *r, struct rp_read_item *items, uint32_t count, int64_t timeout_ns);

/** What a reader has done. */
struct rp_reader_status {
    uint64_t sequence; /**< number of the last message that it returned, in its lane */
    uint64_t lost;     /**< messages that the last RP_LAPPED was about */
    uint64_t lost_all; /**< and all of them together */
    uint64_t read;     /**< messages that it returned */
    uint64_t evicted;  /**< how often it has found itself evicted */
    uint32_t lane;     /**< that the last message, or a later RP_LAPPED or RP_CORRUPT, was about */
    uint32_t lanes;    /**< lanes that it reads */
    uint64_t reserved[8];
};

/** Does not block. Errors: -EINVAL, RP_FORKED. */
RP_API int rp_reader_status(const rp_reader *r, struct rp_reader_status *out);

/**
 * The number of the first message of `lane` that it has not returned: what RP_FROM_SEQUENCE takes, to go on later. RP_EMPTY: it is not known, since the lane was damaged when the reader was opened. -EINVAL: no such lane.
 */
RP_API int rp_reader_next_sequence(const rp_reader *r, uint32_t lane, uint64_t *out);

/* ---- looking ---- */

struct rp_ring_info {
    uint64_t segment_bytes;
    uint64_t created_ns; /**< wall clock */
    uint64_t gate_timeout_ns;
    uint64_t written; /**< messages, in all lanes */
    uint64_t evictions;
    uint32_t slots;
    uint32_t slot_bytes;
    uint32_t message_bytes;
    uint32_t max_writers;
    uint32_t max_readers;
    uint32_t overflow;   /**< enum rp_ring_overflow */
    uint32_t lanes;      /**< lanes that were ever used */
    uint32_t no_wakeups; /**< 1: somebody's kernel refused membarrier, so who waits naps, for 1 ms at most */
    uint64_t reserved[8];
};

/** Any thread; does not block; works on read-only handles. Errors: RP_FORKED, -EINVAL. */
RP_API int rp_ring_info(rp_ring *ring, struct rp_ring_info *out);

/** Whose a lane or a seat is. */
enum rp_ring_holder {
    RP_HOLDER_NONE = 0, /**< nobody's: given back, or of one who died */
    RP_HOLDER_ALIVE = 1,
    RP_HOLDER_UNKNOWN = 2 /**< it cannot be told just now */
};

struct rp_ring_lane {
    uint32_t holder;    /**< enum rp_ring_holder */
    uint32_t pid;       /**< of its last writer, in that one's pid namespace */
    char name[16];      /**< of that one's executable; ends with NUL */
    uint64_t opened;    /**< how many writers it has had */
    uint64_t opened_ns; /**< when the last one opened it; wall clock */
    uint64_t written;   /**< messages */
    uint64_t reserved[4];
};

/** Lane `index`, of those that were ever used. RP_EMPTY: there is none. Makes two system calls. Any thread; works on read-only handles. Errors: RP_CORRUPT, RP_FORKED, -EINVAL. */
RP_API int rp_ring_lane(rp_ring *ring, uint32_t index, struct rp_ring_lane *out);

struct rp_ring_seat {
    uint32_t holder; /**< enum rp_ring_holder */
    uint32_t pid;
    char name[16];
    uint64_t joined_ns; /**< wall clock */
    uint64_t behind;    /**< slots that it has not read of the lane where that is most */
    uint32_t evicted;   /**< 1: it was evicted, and has not read since */
    uint32_t lane;      /**< which lane that is */
    uint64_t reserved[4];
};

/** Seat `index` of a ring of RP_RING_GATE. RP_EMPTY: no more. As rp_ring_lane. */
RP_API int rp_ring_seat(rp_ring *ring, uint32_t index, struct rp_ring_seat *out);

#ifdef __cplusplus
}
#endif
#endif
