/* SPDX-License-Identifier: MIT */
/**
 * @file event.h
 * Receiving in event loops, and from several queues at once.
 */
#ifndef RINGPOST_EVENT_H
#define RINGPOST_EVENT_H

#include <ringpost/consumer.h>
#include <ringpost/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A descriptor that is readable while a receive may have something to say: for poll, epoll, libuv, asyncio and the like. It belongs to the consumer: wait for it and nothing else (no read, no
 * close), take it out of the event loop before rp_consumer_close ends it. Each call returns the same.
 *
 *     when it is readable: rp_receive(c, &m, 0) until that says RP_EMPTY, or once, and the rest when it is still readable
 *
 * The promise: the descriptor is readable from the first call on, and stays so until a receive of this consumer returns RP_EMPTY or RP_PAUSED. From then on it becomes readable when there is something to receive: a
 * message came, was given back, became due, or its holder's lease ended or its process died; when rp_queue_interrupt was called on the consumer's queue handle (the receive says -EINTR, once); when the
 * queue, or the consumer's group, was removed (RP_GONE). That holds for level-triggered and for edge-triggered waiting; for the latter receive until RP_EMPTY. Of several
 * consumers of a group all become readable, and those who come too late find RP_EMPTY: at most once for each message.
 *
 * It also becomes readable once a tick (50 ms) for house-keeping, which is done by the receive: an idle consumer wakes 20 times a second, as one in a blocking receive does. That bounds what a wake-up
 * costs that was lost because its sender was killed or could not reach the bell: a tick. So act on it even if you expect nothing.
 *
 * It is an epoll descriptor over a socket and a timer: three descriptors of the process, closed on exec. The socket's name lies beside the queue's file, with its mode, owner and group, and goes with the
 * consumer; `ringpost gc` removes those of killed processes. A forked child inherits copies, which mean nothing to it: rp_consumer_fd says RP_FORKED there. A program that closes descriptors that
 * it did not open must close the consumer first. Whoever sends while such a consumer sleeps makes three more system calls, and one for each further sleeping consumer with a descriptor; a receiver that
 * blocks in rp_receive is woken first, and then the descriptors stay quiet.
 *
 * A receive of such a consumer that finds nothing makes two system calls. Errors: -EMFILE, -ENFILE, -ENOMEM; -ENOSPC (no room for the name, or four times max_participants have one), -EACCES, -EROFS,
 * -EPERM (a sandbox), -ENAMETOOLONG (a long path where there is no /proc), -EADDRINUSE; RP_FORKED; -EINVAL. After an error the consumer is as before.
 * Crash: a name that refuses connections, removed by recovery.
 */
RP_API int rp_consumer_fd(rp_consumer *c);

/**
 * Waits up to `timeout_ns` (0: looks only; -1: for ever) until one of `count` consumers has something to receive. -> its index: the next rp_receive of that consumer returns the message, which this call
 * claimed ahead (its lease runs; at most once: it is settled), or says what is wrong, such as RP_GONE for a queue or a group that was removed.
 * Fair: it looks first at the consumer that follows the one it named last, so none is starved by those before it. They may be of one queue or of many, and may be named twice. Each is used by this
 * call, so no other thread may use it meanwhile. House-keeping and due times of all their queues are seen to. It does not spin.
 *
 * RP_EMPTY: nothing came. -EINTR: rp_queue_interrupt was called for one of the queues. -EINVAL: count is 0, an entry is NULL, or the timeout is negative. RP_FORKED.
 * Up to 128 consumers sleep on futexes (futex_waitv, Linux 5.16); more, or where that is missing, on their descriptors, with the errors of rp_consumer_fd.
 * Crash: as rp_receive.
 */
RP_API int rp_wait(rp_consumer *const *consumers, size_t count, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif
#endif
