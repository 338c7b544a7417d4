/* SPDX-License-Identifier: MIT */
/* What a process keeps of a broadcast ring, of its writers and its readers. */
#ifndef RP_BROADCAST_BROADCAST_H
#define RP_BROADCAST_BROADCAST_H

#include "cursor.h"
#include "eventcount.h"
#include "liveness.h"
#include <pthread.h>
#include <ringpost/ring.h>

enum { RING_TICK_MS = 50, RING_NAP_MS = 1 }; /* longest sleep of who can be woken, and of who cannot be sure of it */

struct rp_ring {
    struct ring_view view;
    void *memory;
    uint64_t bytes;
    struct shm_identity identity;
    const volatile uint32_t *canary; /* 0 in a forked child */
    bool read_only;
    a32 gone;    /* somebody who waited saw that the name was removed */
    a32 handles; /* writers and readers that are open */
    a32 interrupts;
    pthread_mutex_t prober_mutex;
    struct prober prober;
    char path[SHM_PATH_MAX];
    char name[SHM_PATH_MAX];
};

/*
 * A seat: an exclusive lock on a byte of the file, through a description of its own that lives as long as one page mapped through it. So the kernel frees it with the process, after the last
 * store that it could have made, and no forked child keeps it. Byte i is lane i's, byte max_writers + i that of seat i.
 */
struct hold {
    void *pin;
    size_t bytes;
};

struct rp_writer {
    struct rp_ring *ring;
    const volatile uint32_t *canary;
    struct ring_view view;
    unsigned char *slots;
    struct ring_lane *lane;
    uint64_t position; /* of the next message */
    uint64_t number;   /* its sequence number */
    uint64_t limit;    /* up to here the slots are free to be overwritten; RP_RING_OVERWRITE: for ever */
    uint64_t reserved; /* position that rp_write_reserve gave out; 0: none */
    size_t reserved_bytes;
    uint32_t index;
    uint32_t interrupts_seen;
    struct hold hold;
};

struct rp_reader {
    struct rp_ring *ring;
    const volatile uint32_t *canary;
    struct ring_view view;
    uint32_t lanes; /* that were in use when it looked last */
    uint32_t turn;  /* the lane that is asked first */
    uint32_t spin;
    uint32_t interrupts_seen;
    struct gate_seat *seat; /* NULL: it has none */
    uint64_t seat_word;
    uint64_t poll_ns;
    uint64_t checked_ns; /* when it asked last whether the name is still there */
    struct rp_reader_status status;
    int pending; /* an error that a batch left for the next call; 0: none */
    bool alone;  /* on a machine of one processor */
    struct hold hold;
    struct cursor cursors[]; /* of all lanes, also those that nobody has used yet */
};

/* After a message is complete: the lane's end, for those who join. The writer's own line, that others rarely look at. */
static ALWAYS_INLINE void note_newest(rp_writer *w, uint64_t position, uint64_t number) {
    store_relaxed(&w->lane->number, number, own);
    store_release(&w->lane->newest, position, newest);
}

/* Every public call begins with one of these. */
int ring_check(const struct rp_ring *ring);
static ALWAYS_INLINE bool ring_is_inherited(const volatile uint32_t *canary) { return *canary == 0; }

static inline bool ring_removed(const struct rp_ring *ring) {
    return load_relaxed(&ring->view.control->removed, hint) != 0 || load_relaxed(&ring->gone, hint) != 0;
}
/* Was there an interrupt that this writer or reader has not been told of? It has, now. */
static inline bool ring_interrupted(struct rp_ring *ring, uint32_t *seen) {
    uint32_t now = load_acquire(&ring->interrupts, interrupts);
    bool yes = now != *seen;
    *seen = now;
    return yes;
}
/* Asks the file system. Makes a few system calls. */
bool ring_notice_removal(struct rp_ring *ring);

static inline struct eventcount ring_sleepers(const struct ring_view *v) {
    return (struct eventcount){.epoch = &v->control->epoch, .tickets = &v->control->tickets};
}
static inline struct eventcount ring_waiting_writers(const struct ring_view *v) {
    return (struct eventcount){.epoch = &v->control->room_epoch, .tickets = &v->control->room_tickets};
}

/* Takes the lock of the first of `count` bytes from `first` on that nobody has. 0 and which; RP_NO_SEAT, RP_GONE, or a negative errno. */
int hold_take(const struct rp_ring *ring, uint32_t first, uint32_t count, struct hold *h, uint32_t *taken);
void hold_release(struct hold *h);
/* Takes part in membarrier, or notes for all sleepers that this process does not. */
void hold_register(const struct rp_ring *ring);

/* The waiting half of rp_read: until it finds what `look` finds. RP_EMPTY after the timeout; RP_GONE, -EINTR. */
int reader_wait(struct rp_reader *r, int64_t timeout_ns, int (*look)(void *context), void *context);

#endif
