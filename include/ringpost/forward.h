/* SPDX-License-Identifier: MIT */
/**
 * @file forward.h
 * Exactly once, from one queue to another, and what a consumer needs to do its work only once. docs/delivery.md, "Exactly once", says what holds and what
 * the application has to do itself.
 *
 * Both keep ids in a queue's dedup window, and so hold for as long as that is: it must be longer than the time after which the source may deliver a message again. That is
 * checked, as far as the queue can tell: the window must be longer than
 *
 *     (max_deliveries - 1, at least 1) x (lease + longest backoff with its jitter + 2 s)        of the queue that is received from
 *
 * The queue cannot tell how long a message that is ready again waits for a receiver, nor how long that one takes before it asks: make the window longer by that, for each
 * delivery. Nor does it know of give-backs that charge nothing, and of redrives; with max_deliveries 0 there is no bound to check, and only one
 * round is. With lease 0, or a lease that was extended for ever, a receiver that is stopped inside the call for longer than the window and is killed then is not covered. The
 * window's other bound is its entries: no more than `dedup_entries` ids may be used within that time (rp_queue_stats, forgotten_ids, counts those that went before
 * their time).
 */
#ifndef RINGPOST_FORWARD_H
#define RINGPOST_FORWARD_H

#include <ringpost/consumer.h>
#include <ringpost/export.h>
#include <ringpost/producer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_FORWARD_ID_BYTES 48 /**< of the id that a forwarded message is sent under */

/**
 * Sends `bytes` bytes through `to`, a producer of another queue (or of the same), under an id that follows from the message, its queue and its consumer group; then acks the
 * message. However often the message is delivered, and whoever is killed where, one output comes of it: that of the first call that sent one, whatever later
 * ones had made of it.
 * -> 0: sent and acked. 1: it had been sent by an earlier delivery, which did not live to ack; acked now. `o->id_out` is the output's id in both cases.
 *
 * RP_LEASE_LOST: the message is not ours any more. This call may have sent the output, or not; the next receiver's rp_forward finds out, and acks. If there is none, because
 * this was the message's last delivery, it is a dead letter, and its output may have been sent: redrive it within the window, and all is well. The view ends as with rp_ack.
 *
 * The message stays leased, to be tried again, nacked or rejected, with every other error: those of rp_send (RP_FULL, RP_TOO_BIG, RP_GONE, ...; -EBUSY: an
 * earlier receiver, who lives, is sending the output just now), and -EINVAL: `to` keeps no ids, or not for long enough (above; an extended lease counts as it is); a
 * `dedup_id` or a `sequence` in `o`; a consumer that acks nothing (RP_ACK_NONE); a message that was settled before. A wait for room (`o->timeout_ns`) is part of the lease. In a queue
 * that is full, forwarding to itself waits for its own ack: give no timeout then.
 *
 * Threads: consumer and producer are both used by the calling thread. Lock-free as rp_send and rp_ack are. Crash: the output is sent or not; the message is acked, or delivered
 * again, and then the output is not sent a second time.
 */
RP_API int rp_forward(rp_consumer *c, struct rp_message *m, rp_producer *to, const void *data, size_t bytes,
                      const struct rp_send_options *o);

/** Could rp_forward go from here to there? 0, or its error, which does not depend on the message: for the start of a program. Does not block. */
RP_API int rp_forward_check(rp_consumer *c, rp_producer *to);

/**
 * The id of one of several outputs of a message, RP_FORWARD_ID_BYTES of them. Output 0 is that of rp_forward; send the others first, to whichever queues, with rp_send and
 * their ids as `dedup_id` (RP_DUPLICATE: as good as sent), and the last with rp_forward; or ack when all are sent. Errors: as rp_ack. Does not block.
 */
RP_API int rp_forward_id(rp_consumer *c, const struct rp_message *m, uint32_t output, void *id);

#define RP_SEEN_ID_MAX 120 /**< bytes of an id of work */

/**
 * Is the work of this message still to be done? Call it before the work. `id`: what tells one piece of work from another, such as the number of an order; two messages may
 * have the same. NULL: the message itself. Kept in the dedup window of the queue that was received from, for this group alone.
 * -> 0: it is; until the message is settled nobody else is told so. rp_ack marks it as done, and then acks; rp_nack, rp_reject and closing the consumer leave it undone, and so
 * does death. RP_DUPLICATE: it was done, within the window: ack. -EBUSY: a receiver who lives is at it, this process's own other consumers and messages included, or as
 * many messages are being worked on as there is room for: give it back uncharged, with some delay. RP_LEASE_LOST: too late, leave the work to
 * somebody else (the view stays until the message is settled).
 *
 * A receiver who loses his lease and lives keeps the id: nobody does the same work at the same time, and others wait (-EBUSY) until he settles or dies. His rp_ack returns
 * RP_LEASE_LOST then, and the work counts as done. On a durable queue ids of work are known as long as memory stays: after a failure of the machine they are not.
 *
 * -EINVAL: the queue keeps no ids, or not for long enough (above), or `dedup_entries` is no more than capacity + 8 x max_participants; the message has an id already, or was
 * settled; the consumer acks nothing (RP_ACK_NONE). RP_CORRUPT.
 * Lock-free; does not wait. Crash: the work is not done, unless rp_ack had marked it; decided when the message is delivered again.
 */
RP_API int rp_seen(rp_consumer *c, struct rp_message *m, const void *id, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
