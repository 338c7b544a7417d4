/* SPDX-License-Identifier: MIT */
/*
 * Messages of one size through descriptors that carry bytes: pipes, stream sockets. One write carries as many messages as there are, and one read brings as many as there
 * is room for; what remains of a message that was cut is asked for at once.
 */
#ifndef RP_BENCH_STREAM_END_H
#define RP_BENCH_STREAM_END_H

#include "peer.h"

/* `descriptor` is non-blocking. Closes nothing. */
void *stream_end_open(int descriptor, const struct peer_setup *setup);
size_t stream_end_put(void *end, const unsigned char *bodies, size_t count);
size_t stream_end_get(void *end, struct peer_message *messages, size_t count);
void stream_end_close(void *end);

#endif
