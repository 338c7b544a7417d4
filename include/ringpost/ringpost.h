/* SPDX-License-Identifier: MIT */
/**
 * @file ringpost.h
 * ringpost: message queues in shared memory, without a broker, correct under `kill -9` at any instruction.
 *
 *     rp_queue *q;  rp_producer *p;  rp_consumer *c;  struct rp_message m;
 *
 *     rp_queue_create("orders", NULL, &q);            // or rp_queue_open
 *     rp_producer_open(q, NULL, &p);
 *     rp_send(p, "hello", 5, NULL);                   // 0: the message is delivered, or in the dead ring; never lost
 *
 *     rp_consumer_open(q, NULL, &c);
 *     if (rp_receive(c, &m, -1) == 0) {               // leased to this process
 *         work(m.data, m.bytes);                      // a view into shared memory, no copy
 *         rp_ack(c, &m);                              // or rp_nack, rp_reject, rp_extend
 *     }
 *
 * Conventions of all calls
 * - Results: see error.h. 0 or a positive count is success.
 * - Durations are `uint64_t` nanoseconds and end in `_ns`; timeouts are `int64_t timeout_ns` (0 polls, -1 waits for ever).
 * - Option structs begin with `size`, are filled with the real defaults by `rp_..._options_init(&o, sizeof o)`, and mean
 *   what they say from then on (0 is 0). NULL means defaults. Fields are only ever appended; a struct from a newer header
 *   with a non-zero field that this library does not know is refused with -E2BIG.
 * - Structs that the library writes have a frozen size with room in `reserved`, so arrays of them keep their stride.
 * - The library never aborts the process, prints, starts a thread or installs a signal handler.
 * - "Crash" below: what a process that is killed inside the call leaves behind, and who mends it.
 */
#ifndef RINGPOST_RINGPOST_H
#define RINGPOST_RINGPOST_H

#include <ringpost/consumer.h>
#include <ringpost/dead.h>
#include <ringpost/dump.h>
#include <ringpost/error.h>
#include <ringpost/event.h>
#include <ringpost/exchange.h>
#include <ringpost/export.h>
#include <ringpost/flow.h>
#include <ringpost/forward.h>
#include <ringpost/group.h>
#include <ringpost/headers.h>
#include <ringpost/inspect.h>
#include <ringpost/journal.h>
#include <ringpost/placement.h>
#include <ringpost/producer.h>
#include <ringpost/queue.h>
#include <ringpost/request.h>
#include <ringpost/ring.h>
#include <ringpost/spill.h>

#ifdef __cplusplus
extern "C" {
#endif

/** "0.1.0": the version of the library that is running, which may differ from the header's RP_VERSION_*. */
RP_API const char *rp_version(void);

#ifdef __cplusplus
}
#endif
#endif
