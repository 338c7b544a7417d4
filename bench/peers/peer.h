/* SPDX-License-Identifier: MIT */
/*
 * What `ringpost bench` asks of a system that it measures. A peer is one constant of type `struct peer`; peers.c lists them.
 *
 * The life of a peer in a run:
 *   available, start    once, in the program's own process: is the library or the server there? A server is started here.
 *   create              once per slice, in a process of that slice's own, before its parties are forked: what they share. Whatever is not shared or
 *                       does not survive a fork (threads, contexts, connections) belongs into attach.
 *   attach              once per end, in the party's own process, pinned already. A party may have two ends (round trips).
 *   put, get, ack       the measured ones
 *   detach, destroy     the reverse of attach and create. After an error neither is called: names of files go to crew_file.
 *   stop                once, the reverse of start.
 *
 * Errors are told by crew_fail, which ends the slice, and the peer's part in the run, but not the run.
 *
 * Who waits: put and get return 0 when there is no room or nothing there, and the caller pauses and calls again, as peer_wait says. A peer that has waiting of
 * its own which serves it better does that instead, if `may_wait` allows it.
 */
#ifndef RP_BENCH_PEER_H
#define RP_BENCH_PEER_H

#include "../crew.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PEER_WHY_MAX = 160, PEER_PARTIES_MAX = 16, PEER_BATCH_MAX = 256 };

/* What one slice needs. */
struct peer_setup {
    uint32_t channels;  /* queues that know nothing of each other. Round trips: 2, 0 for questions and 1 for answers; else 1 */
    uint32_t producers; /* of each channel, each a process of its own */
    uint32_t consumers; /* the same */
    uint32_t capacity;  /* messages that a channel holds, a power of two; a peer that counts otherwise comes as near as it can */
    uint32_t bytes;     /* of each message, a multiple of 8 */
    uint32_t batch;     /* the most that put is given and get is asked for */
    bool broadcast;     /* each consumer gets each message; only for peers that say so */
    bool may_wait; /* put and get may wait by their own means; else they return at once, as whoever keeps a schedule needs it */
    bool crowded;  /* more parties than processors: whoever waits gives his up */
};

struct peer_message {
    const void *data; /* 8-byte aligned, valid until the next get or ack of this end */
    size_t bytes;
    bool again; /* it may have been delivered before: it may come late, and twice */
};

enum peer_kind {
    PEER_RING,   /* in shared memory; the system is asked only to sleep, if at all */
    PEER_KERNEL, /* each message goes through the kernel */
    PEER_SERVER  /* a process in between */
};

struct peer {
    const char *name;    /* as in --peers: letters, digits, dashes and underscores */
    const char *setting; /* how it is used, one line: its best for this purpose */
    enum peer_kind kind;
    bool acks;          /* what a consumer got and did not ack goes to another when it dies */
    bool survives_kill; /* kill -9 of any party at any instruction: nobody else is blocked, nothing that was sent is lost or torn */
    bool broadcasts;    /* can do setup.broadcast */
    uint32_t producers_max, consumers_max, bytes_max; /* 0: no bound that matters here */

    /* False: no, and `why` says what is missing. NULL: always. */
    bool (*available)(char why[PEER_WHY_MAX]);
    /* False: it could not be started, and `why` says why. NULL: nothing to start. Here crew_fail would end the run. */
    bool (*start)(char why[PEER_WHY_MAX]);
    void (*stop)(void);

    /* False: not in this shape, and `why` says why; that is no failure. NULL: whatever the bounds above allow. */
    bool (*can)(const struct peer_setup *setup, char why[PEER_WHY_MAX]);

    void *(*create)(const struct peer_setup *setup);
    void *(*attach)(void *world, uint32_t channel, bool producer, uint32_t index);

    /* Sends up to `count` messages that lie one after the other; -> how many, 0: no room now. They are on their way when it returns: nothing is held back. */
    size_t (*put)(void *end, const unsigned char *bodies, size_t count);
    /* -> how many came, up to `count`; 0: nothing now. */
    size_t (*get)(void *end, struct peer_message *messages, size_t count);
    /* Done with all that the last get returned. NULL: the peer knows no acks. */
    void (*ack)(void *end);

    void (*detach)(void *end);
    void (*destroy)(void *world);

    /*
     * Messages go to a consumer before it asks, so of several consumers none can be told from outside that nothing will come: they end when together they have
     * what was sent, and a get that waits does so for some milliseconds only.
     */
    bool scatters;
};

/* One that was not built in has no `peer`. */
struct peer_entry {
    const struct peer *peer;
    const char *name;
    const char *needs; /* what was missing when this was built */
};

extern const struct peer_entry peer_entries[]; /* in the order of tables; ends with a NULL name */

#ifdef __cplusplus
}
#endif

#endif
