/* SPDX-License-Identifier: MIT */
/*
 * One peer of `ringpost bench`, used as the benchmark uses it: 10,000 messages go from one process to another, one by one and in batches, and arrive whole and in order, while each waits as it
 * does best; then some without waiting, between two and two processes if the peer can; and in the end nothing is left behind.
 */
#include "../../bench/peers/peer.h"
#include "../../bench/payload.h"
#include "../../bench/peers/wait.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES = 10000, MESSAGES_EACH = 200, BYTES = 48, BATCH = 16, STALL_S = 120, SKIPPED = 77 };

struct shared {
    _Atomic uint64_t taken;
    _Atomic uint32_t attached;
    pid_t pids[2]; /* ours and the trial's: in the names of what peers create */
};

static const struct peer *peer;
static struct shared *shared;
static struct peer_setup setup;
static uint64_t messages; /* of each producer */
static void *world;

static void meet(void) {
    atomic_fetch_add(&shared->attached, 1);
    for (uint32_t spins = 0; atomic_load(&shared->attached) < setup.producers + setup.consumers;) {
        peer_wait(true, &spins);
    }
}

/* The first half one by one, the rest in batches. */
static void produce(void *argument) {
    uint32_t index = (uint32_t)(uintptr_t)argument, spins = 0;
    static _Alignas(64) unsigned char bodies[BYTES * BATCH];
    void *end = peer->attach(world, 0, true, index);
    meet();
    for (uint64_t next = 0; next < messages;) {
        uint64_t want = next < messages / 2 ? 1 : BATCH, count = want < messages - next ? want : messages - next;
        for (uint64_t i = 0; i < count; i++) {
            payload_write(bodies + i * BYTES, BYTES, payload_tag(index, next + i));
        }
        size_t done = peer->put(end, bodies, count);
        next += done;
        if (done == 0) {
            peer_wait(true, &spins);
        }
    }
    for (spins = 0; atomic_load(&shared->taken) < messages * setup.producers;) {
        peer_wait(true, &spins);
    }
    peer->detach(end);
}

static void consume(void *argument) {
    uint32_t spins = 0;
    uint64_t next[2] = {0}, all = messages * setup.producers;
    struct peer_message got[BATCH];
    void *end = peer->attach(world, 0, false, (uint32_t)(uintptr_t)argument);
    meet();
    while (atomic_load(&shared->taken) < all) {
        size_t count = peer->get(end, got, atomic_load(&shared->taken) < all / 2 ? 1 : BATCH);
        if (count == 0) {
            peer_wait(true, &spins);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            uint64_t tag = 0;
            if (got[i].bytes != BYTES || (uintptr_t)got[i].data % 8 != 0 || !payload_read(got[i].data, BYTES, &tag)) {
                crew_fail("a message is torn");
            }
            uint32_t producer = payload_producer(tag);
            uint64_t sequence = payload_sequence(tag);
            if (producer >= setup.producers || sequence >= messages || got[i].again) {
                crew_fail("a message that nobody sent, or a second time");
            }
            bool alone = setup.consumers == 1;
            if (sequence < next[producer] || (alone && sequence != next[producer])) {
                crew_fail("message %llu of %u came when %llu was due", (unsigned long long)sequence, producer,
                          (unsigned long long)next[producer]);
            }
            next[producer] = sequence + 1;
        }
        if (peer->ack != NULL) {
            peer->ack(end);
        }
        if (atomic_fetch_add(&shared->taken, count) + count > all) {
            crew_fail("more messages than were sent");
        }
    }
    peer->detach(end);
}

static void run(void *argument) {
    (void)argument;
    shared->pids[1] = getpid();
    world = peer->create(&setup);
    int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (uint32_t i = 0; i < setup.consumers; i++) {
        crew_fork(processors - 1, consume, (void *)(uintptr_t)i);
    }
    for (uint32_t i = 0; i < setup.producers; i++) {
        crew_fork(0, produce, (void *)(uintptr_t)i);
    }
    crew_join();
    peer->destroy(world);
}

static bool nothing_left(const char *folder) {
    bool clean = true;
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        for (int i = 0; i < 2; i++) {
            char mark[32];
            snprintf(mark, sizeof mark, "-%ld-", (long)shared->pids[i]);
            if (strstr(entry->d_name, mark) != NULL) {
                fprintf(stderr, "left behind: %s/%s\n", folder, entry->d_name);
                clean = false;
            }
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return clean;
}

static struct peer_setup setup_of(uint32_t pairs, bool may_wait) {
    return (struct peer_setup){.channels = 1,
                               .producers = pairs,
                               .consumers = pairs,
                               .capacity = 256,
                               .bytes = BYTES,
                               .batch = BATCH,
                               .may_wait = may_wait,
                               .crowded = true};
}

static bool moves(uint32_t pairs, bool may_wait, uint64_t each) {
    char reason[CREW_REASON_MAX];
    atomic_store(&shared->taken, 0);
    atomic_store(&shared->attached, 0);
    messages = each;
    setup = setup_of(pairs, may_wait);
    if (!crew_trial(STALL_S, run, NULL, reason)) {
        fprintf(stderr, "%u producers and as many consumers: %s\n", pairs, reason);
        return false;
    }
    if (atomic_load(&shared->taken) != messages * pairs) {
        fprintf(stderr, "%llu messages arrived\n", (unsigned long long)atomic_load(&shared->taken));
        return false;
    }
    return nothing_left("/dev/shm");
}

int main(int argc, char **argv) {
    const struct peer_entry *entry = peer_entries;
    while (argc == 2 && entry->name != NULL && strcmp(entry->name, argv[1]) != 0) {
        entry++;
    }
    if (argc != 2 || entry->name == NULL) {
        fprintf(stderr, "usage: bench_peer NAME\n");
        return 2;
    }
    char why[PEER_WHY_MAX];
    peer = entry->peer;
    if (peer == NULL || (peer->available != NULL && !peer->available(why))) {
        printf("skipped: %s\n", peer == NULL ? entry->needs : why);
        return SKIPPED;
    }
    crew_begin("bench-peer");
    shared = crew_share(sizeof *shared);
    shared->pids[0] = getpid();
    if (peer->start != NULL && !peer->start(why)) {
        fprintf(stderr, "not started: %s\n", why);
        return 1;
    }
    struct peer_setup two = setup_of(2, false);
    bool can_two = peer->producers_max != 1 && (peer->can == NULL || peer->can(&two, why));
    bool good = moves(1, true, MESSAGES) && moves(can_two ? 2 : 1, false, MESSAGES_EACH);
    if (peer->stop != NULL) {
        peer->stop();
    }
    const char *folder = getenv("TMPDIR");
    good = nothing_left(folder != NULL ? folder : "/tmp") && good;
    return good ? 0 : 1;
}
