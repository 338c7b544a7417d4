/* SPDX-License-Identifier: MIT */
/* The segment of a broadcast ring, byte by byte in docs/ring-format.md. Who may write what, and when, is said in slot.h (lanes) and gate.h (seats). */
#ifndef RP_BROADCAST_FORMAT_H
#define RP_BROADCAST_FORMAT_H

#include "atomic.h"
#include <stddef.h>

#define RING_MAGIC UINT64_C(0x676e69722d7072ff) /* "\xff" "rp-ring" */

enum {
    RING_VERSION = 1,
    RING_BYTE_ORDER = 0x01020304,
    RING_LINE = 64,
    RING_CONTROL_AT = 4096,
    RING_LANES_AT = 8192,
    RING_PAGE = 4096,
    SLOT_HEAD = 16, /* bytes of a slot that are not payload */
    SLOT_BYTES_MIN = 32,
    SLOT_BYTES_MAX = 4096,
    SLOTS_MIN = 4,
    SLOTS_MAX = 1 << 24,
    LANE_SHARE = 4, /* a lane holds so many of the largest messages */
    WRITERS_MAX = 1000,
    READERS_MAX = 1000,
    MESSAGE_MAX = (1 << 30) - 1 /* 30 bits: slot.h */
};

struct ring_parameters {
    uint32_t slots; /* of a lane, a power of two */
    uint32_t slot_bytes;
    uint32_t message_bytes;
    uint32_t max_writers;
    uint32_t max_readers;
    uint32_t overflow;
    uint32_t prefault;
    uint32_t reserved;
    uint64_t gate_timeout_ns;
};

struct ring_header {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint32_t word_bits;
    uint32_t line_bytes;
    uint64_t features_incompatible; /* whoever does not know them must not attach */
    uint64_t features_read_only;    /* ... only to read */
    uint64_t created_wall_ns;
    struct ring_parameters parameters;
    uint64_t check; /* XXH3-64 of all before it */
};

struct ring_control {
    _Alignas(RING_LINE) a64 tickets;      /* of readers that sleep. This line is read by every write */
    a64 removed;                          /* 1: the name was removed */
    a64 no_barrier;                       /* 1: somebody who wakes others could not register for membarrier */
    _Alignas(RING_LINE) a32 epoch;        /* what they sleep on */
    _Alignas(RING_LINE) a64 room_tickets; /* of writers that wait for readers */
    _Alignas(RING_LINE) a32 room_epoch;
    _Alignas(RING_LINE) a64 lanes_used; /* lanes from here on were never anybody's */
    a64 evictions;
};

struct ring_lane {
    _Alignas(
        RING_LINE) a64 newest; /* position of the newest message, or an earlier one's, 0: none yet. This line is its writer's */
    a64 number;                /* its sequence number, or one near it */
    _Alignas(RING_LINE) a64 opened; /* how often */
    a64 opened_wall_ns;
    a64 pid;
    a64 name[2];
};

struct gate_seat {
    _Alignas(RING_LINE) a64 word;
    a64 joined_wall_ns;
    a64 pid;
    a64 name[2];
    _Alignas(RING_LINE) a64 position[]; /* one of each lane: the next that the reader will read */
};

struct slot {
    a64 stamp;
    a64 info;
    a64 payload[];
};

/* A process's view of a ring. The parameters are a copy that is never read again from shared memory. */
struct ring_view {
    size_t slot_bytes;
    uint64_t mask;   /* slots - 1 */
    uint32_t room;   /* payload of a slot */
    uint32_t single; /* the largest message that takes one slot */
    struct ring_parameters p;
    uint64_t created_wall_ns;
    struct ring_control *control;
    struct ring_lane *lanes;
    unsigned char *seats;
    size_t seat_bytes;
    unsigned char *slots;
};

/* Fills in what was left open (slot_bytes 0, slots). 0; -EINVAL with the detail set. */
int ring_parameters_complete(struct ring_parameters *p);

uint64_t ring_bytes(const struct ring_parameters *p);

/* Fills fresh zeroed memory that nobody sees yet. */
void ring_initialise(void *memory, const struct ring_parameters *p);

/* The attach handshake. 0; RP_CORRUPT, RP_INCOMPATIBLE with the detail set. */
int ring_attach(struct ring_view *v, void *memory, uint64_t bytes, bool read_only);

static inline struct gate_seat *ring_seat(const struct ring_view *v, uint32_t i) {
    return (struct gate_seat *)(void *)(v->seats + i * v->seat_bytes);
}
static inline unsigned char *ring_slots(const struct ring_view *v, uint32_t lane) {
    return v->slots + (uint64_t)lane * v->p.slots * v->p.slot_bytes;
}

#endif
