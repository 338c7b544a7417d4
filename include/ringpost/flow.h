/* SPDX-License-Identifier: MIT */
/**
 * @file flow.h
 * Stopping the flow: pause and resume, of the send side, of the receive side, or of one consumer group; and drain.
 *
 * What is paused is a word in the segment, so it holds for every process, and for those that come later, until somebody resumes. It is nobody's: a process that pauses
 * and dies leaves the queue paused, and anybody who may write to it may resume it.
 *
 * Paused for senders: a send that begins after rp_queue_pause returned is not admitted until the resume. It waits as it would wait for room (its timeout, or the queue's
 * policy: `reject` does not wait, `block` waits for ever), and when that is over it gets RP_PAUSED. A send is admitted when it has its memory: one that is under way when the
 * pause comes, and the commit of a loan that was taken before, go through. A batch stops at the first that is not admitted. A redrive into the same queue is
 * refused with RP_PAUSED, one to another queue asks that one. An id that was sent before still gets RP_DUPLICATE. Messages sent before with a delay still become ready.
 *
 * Paused for receivers: a receive that begins after the pause gets no message. It waits up to its timeout for the resume, and then returns RP_PAUSED; with a
 * timeout of 0 at once. What a consumer has claimed ahead (prefetch) goes back uncharged with its next receive. The consumer of a removed group gets RP_GONE, paused or not.
 *
 * Never paused: rp_ack, rp_nack, rp_reject, rp_extend, purge, cancel, groups, and time. Leases run out, backoffs and delays end, messages expire, the dead are recovered;
 * those who wait in a paused call see to it.
 */
#ifndef RINGPOST_FLOW_H
#define RINGPOST_FLOW_H

#include <ringpost/export.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The sides of a queue, as bits. */
enum rp_side {
    RP_SIDE_SEND = 1,
    RP_SIDE_RECEIVE = 2 /**< of all groups */
};

/**
 * Pauses `sides`; what is paused stays so. Any thread, any process that may write. Lock-free, does not block. Errors: -EINVAL, -EROFS, RP_FORKED.
 * Crash: paused or not.
 */
RP_API int rp_queue_pause(rp_queue *q, unsigned sides);

/**
 * Resumes `sides` and wakes all who wait for that; groups that were paused one by one stay paused. Errors and threads: as rp_queue_pause. Crash: resumed or not; if it died before it
 * woke them, those who wait notice within a tick (100 ms).
 */
RP_API int rp_queue_resume(rp_queue *q, unsigned sides);

/**
 * The receive side of one group (NULL: "default"). The pause belongs to the group: one that is made later under its name, or in its place, is not paused.
 * Errors: as rp_queue_pause, and -ENOENT.
 */
RP_API int rp_group_pause(rp_queue *q, const char *group);
RP_API int rp_group_resume(rp_queue *q, const char *group);

/** -> which sides are paused: bits of enum rp_side, 0 for none. Of groups see rp_group_info. Works on read-only handles. Does not block. */
RP_API int rp_queue_paused(rp_queue *q);

struct rp_drain_options {
    size_t size;
    int64_t timeout_ns; /**< how long to wait; 0: look once. Default -1: until nothing is left */
    uint32_t dead;      /**< 1: wait for dead letters, too, until they are purged. Default 0 */
    uint32_t reserved;  /**< 0 */
};

RP_API void rp_drain_options_init(struct rp_drain_options *o, size_t size);

/**
 * Pauses the send side and waits until the queue holds no message: until all that were sent are settled in every group, and all loans are over. Keeps house while it
 * waits. -> 0: nothing is left; and nothing comes until somebody resumes: no send, loan or redrive, whenever it began, commits a message after this. So many, if
 * more than 0, are left: the timeout is over, and the send side stays paused. A program that wants to show how it goes on calls it in a loop with a short timeout.
 *
 * What counts: messages that are ready, leased, delayed (also those that are due in a year: purge or cancel them), loans, and sends under way. Dead letters count only
 * with `dead`. A group that is paused, or that nobody serves, keeps its messages, and so does a process that is stopped in the middle of a send.
 *
 * Errors: -ECANCELED (somebody resumed the send side meanwhile), -EINTR (rp_queue_interrupt), RP_GONE, -EROFS, -EINVAL, -E2BIG, RP_FORKED. Any thread, any number at once.
 * Notices the last ack within a tick (100 ms). Steps are bounded by the number of cells each time it looks. Crash: the send side is paused or not.
 */
RP_API int rp_queue_drain(rp_queue *q, const struct rp_drain_options *o);

#ifdef __cplusplus
}
#endif
#endif
