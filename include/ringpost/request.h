/* SPDX-License-Identifier: MIT */
/**
 * @file request.h
 * Request and reply, over two queues: requests go to one that any number of requesters send to and any number of responders receive from; replies come to a queue of the requester's own.
 *
 *     requester   rp_request(to, replies, "2+3", 3, NULL, &reply, timeout);   ...  rp_ack(replies, &reply);
 *     responder   rp_receive(c, &m, -1);   ...   rp_reply(responder, c, &m, "5", 1, NULL);
 *
 * The setup: **one reply queue for each requester** (each `rp_consumer` that waits; it names the queue by rp_queue_name), with the group that the requester receives in as its only one. What else
 * arrives there is taken for a late reply and acked away. Both queues are ordinary ones, and must have room for the headers that name reply queue and request: `header_bytes` of 256 will do.
 *
 * What is promised is at least once, on both ways. A responder that dies before its reply: the request is delivered again, charged as a failure. One that dies between its reply and its ack: the request is
 * delivered again, and answered again; the requester gets the first reply that comes, and the second is skipped (where the reply queue has a dedup window it is not even stored). A requester that dies or gives
 * up: the request is worked on all the same, unless it expired before (`expires`, or a time to live), and the reply lies in the reply queue until the next requester there skips it, it expires (give replies
 * or their queue a time to live), or the queue is removed; then a responder gets -ENOENT and decides what becomes of the request.
 */
#ifndef RINGPOST_REQUEST_H
#define RINGPOST_REQUEST_H

#include <ringpost/consumer.h>
#include <ringpost/export.h>
#include <ringpost/producer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_CORRELATION_ID_BYTES 64 /**< room for a correlation id that the library makes, its final zero included */

struct rp_request_options {
    size_t size;
    const struct rp_send_options *
        send; /**< of the request: its key, headers and so on; NULL: none. Its `timeout_ns` is cut to that of the call. Default NULL */
    uint32_t
        expires; /**< 1: the request gets the timeout as its time to live, if `send` gives none and there is a timeout. Default 0 */
    uint32_t reserved; /**< 0 */
    uint64_t *late;    /**< out: the replies that were skipped are added to it; NULL: nowhere. Default NULL */
    char *
        correlation_id; /**< out: RP_CORRELATION_ID_BYTES, before anybody can receive the request; for rp_request_wait. NULL: nowhere. Default NULL */
};

RP_API void rp_request_options_init(struct rp_request_options *o, size_t size);

/**
 * Sends a request and waits for its reply, which the caller then settles, with rp_ack, as any message that `replies` receives. The request gets the headers `correlation-id`, unique over all processes
 * and all time, and `reply-to`, the name of `replies`' queue; `send` may add others. The timeout covers both, sending and waiting.
 *
 * Replies to earlier requests, and whatever else comes, are acked, counted in `late`, and skipped. 0: `*reply` is the reply.
 * Errors: RP_EMPTY, the request was sent and no reply came in time; -EINTR, it was sent and the wait was interrupted (rp_request_wait goes on with both); those of rp_receive; before it was sent, those of rp_send,
 * RP_FULL being the one of a request queue that had no room in time, and -EINVAL for two handles of one queue. The `correlation_id` begins with a zero if it was not sent.
 * One thread at a time for each of the two handles. Crash: the request was sent or not.
 */
RP_API int rp_request(rp_producer *to, rp_consumer *replies, const void *data, size_t bytes, const struct rp_request_options *o,
                      struct rp_message *reply, int64_t timeout_ns);

/** Waits for the reply to a request that was sent, by its correlation id; skips and counts others as rp_request does. Errors: RP_EMPTY, and those of rp_receive. */
RP_API int rp_request_wait(rp_consumer *replies, const char *correlation_id, struct rp_message *reply, int64_t timeout_ns,
                           uint64_t *late);

/** Keeps reply queues open, so that each is opened once. Used by one thread at a time. */
typedef struct rp_responder rp_responder;

struct rp_responder_options {
    size_t size;
    uint32_t
        queues; /**< reply queues kept open at once, 1 .. 4096; the one that was used longest ago is closed for another. Default 64 */
    uint32_t reserved; /**< 0 */
};

RP_API void rp_responder_options_init(struct rp_responder_options *o, size_t size);

/** Errors: -EINVAL, -ENOMEM. */
RP_API int rp_responder_open(const struct rp_responder_options *o, rp_responder **out);

/** Closes the reply queues that are open. NULL is fine. */
RP_API void rp_responder_close(rp_responder *r);

/**
 * Answers a request that `c` holds: sends the reply to the queue that its `reply-to` names, with its `correlation-id` and `traceparent` (and the headers of `o`, which win), then acks it.
 * In a reply queue with a dedup window the reply goes under the correlation id, unless `o` has an id of its own; of two replies to one request the first is kept.
 *
 * 0: sent and acked. RP_LEASE_LOST: sent, but the request is, or was, somebody else's by now, who will answer again. Any other error: not sent, and the request is still held:
 * -EINVAL (it asks for no reply, or was settled before), -ENOENT (its reply queue is not there, or not any more), RP_FULL (that one is full, and rejects), and what else rp_queue_open and rp_send
 * return; the detail names the queue. May block on the file system when it opens one; the first reply to each takes a participant's seat there.
 * Crash: not sent, or sent and not acked, or done.
 */
RP_API int rp_reply(rp_responder *r, rp_consumer *c, struct rp_message *m, const void *data, size_t bytes,
                    const struct rp_send_options *o);

#ifdef __cplusplus
}
#endif
#endif
