/* SPDX-License-Identifier: MIT */
#include "format.h"
#include "clock.h"
#include "error.h"
#include <errno.h>
#include <ringpost/ring.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define YEAR_NS (UINT64_C(366) * 24 * 3600 * 1000000000)

_Static_assert(sizeof(struct ring_header) == 96, "docs/ring-format.md");
_Static_assert(sizeof(struct ring_lane) == 128 && sizeof(struct gate_seat) == 64, "docs/ring-format.md");
_Static_assert(sizeof(struct ring_control) <= RING_LANES_AT - RING_CONTROL_AT, "the control's page");

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

static uint64_t seats_at(const struct ring_parameters *p) { return RING_LANES_AT + p->max_writers * sizeof(struct ring_lane); }
static uint64_t seat_bytes(const struct ring_parameters *p) {
    return sizeof(struct gate_seat) + round_up(p->max_writers * sizeof(a64), RING_LINE);
}
static uint64_t slots_at(const struct ring_parameters *p) {
    return round_up(seats_at(p) + p->max_readers * seat_bytes(p), RING_PAGE);
}

uint64_t ring_bytes(const struct ring_parameters *p) {
    return slots_at(p) + (uint64_t)p->max_writers * p->slots * p->slot_bytes; /* below 2^46 */
}

/* How many slots the largest message takes. */
static uint32_t slots_of_largest(const struct ring_parameters *p) {
    uint32_t room = p->slot_bytes - SLOT_HEAD;
    return p->message_bytes / room + (p->message_bytes % room > 0);
}

static int check_range(const char *what, uint64_t value, uint64_t low, uint64_t high) {
    if (value >= low && value <= high)
        return 0;
    return fail(-EINVAL, "%s is %llu, allowed are %llu to %llu", what, (unsigned long long)value, (unsigned long long)low,
                (unsigned long long)high);
}

static int check_ranges(const struct ring_parameters *p) {
    int result;
    if ((result = check_range("slots", p->slots, SLOTS_MIN, SLOTS_MAX)) < 0 ||
        (result = check_range("message_bytes", p->message_bytes, 1, MESSAGE_MAX)) < 0 ||
        (result = check_range("slot_bytes", p->slot_bytes, SLOT_BYTES_MIN, SLOT_BYTES_MAX)) < 0 ||
        (result = check_range("max_writers", p->max_writers, 1, WRITERS_MAX)) < 0 ||
        (result = check_range("max_readers", p->max_readers, 1, READERS_MAX)) < 0 ||
        (result = check_range("overflow", p->overflow, RP_RING_OVERWRITE, RP_RING_GATE)) < 0 ||
        (result = check_range("prefault", p->prefault, 0, 1)) < 0)
        return result;
    return p->slot_bytes % SLOT_HEAD != 0 ? fail(-EINVAL, "slot_bytes is %u, not a multiple of %d", p->slot_bytes, SLOT_HEAD)
                                          : check_range("gate_timeout_ns", p->gate_timeout_ns, 0, YEAR_NS);
}

int ring_parameters_complete(struct ring_parameters *p) {
    if (p->slot_bytes == 0 && p->message_bytes <= MESSAGE_MAX) {
        uint64_t whole = round_up((uint64_t)p->message_bytes + SLOT_HEAD, RING_LINE);
        p->slot_bytes = (uint32_t)(whole > SLOT_BYTES_MAX ? SLOT_BYTES_MAX : whole);
    }
    int result = check_ranges(p);
    if (result < 0)
        return result;
    uint64_t slots = SLOTS_MIN, least = LANE_SHARE * (uint64_t)slots_of_largest(p);
    while (slots < p->slots || slots < least)
        slots *= 2;
    p->slots = (uint32_t)slots;
    return check_range("the number of slots that four of the largest messages take", slots, SLOTS_MIN, SLOTS_MAX);
}

static uint64_t header_check_of(const struct ring_header *h) { return XXH3_64bits(h, offsetof(struct ring_header, check)); }

void ring_initialise(void *memory, const struct ring_parameters *p) {
    struct ring_header *h = memory;
    *h = (struct ring_header){
        .magic = RING_MAGIC,
        .byte_order = RING_BYTE_ORDER,
        .version = RING_VERSION,
        .word_bits = 64,
        .line_bytes = RING_LINE,
        .created_wall_ns = clock_wall_ns(),
        .parameters = *p,
    };
    h->check = header_check_of(h);
}

static int check_header(const struct ring_header *h, bool read_only) {
    if (h->magic != RING_MAGIC)
        return fail(RP_CORRUPT, "not a ring: wrong magic number at offset 0");
    if (h->byte_order != RING_BYTE_ORDER || h->word_bits != 64 || h->line_bytes != RING_LINE)
        return fail(RP_INCOMPATIBLE, "made on a machine of another byte order, word or cache-line size");
    if (h->version != RING_VERSION)
        return fail(RP_INCOMPATIBLE, "ring version %u, this library knows %u", h->version, (unsigned)RING_VERSION);
    if (h->check != header_check_of(h))
        return fail(RP_CORRUPT, "the header's checksum is wrong");
    uint64_t unknown = h->features_incompatible | (read_only ? 0 : h->features_read_only);
    if (unknown != 0)
        return fail(RP_INCOMPATIBLE, "uses features %#llx, which this library does not know", (unsigned long long)unknown);
    struct ring_parameters p = h->parameters;
    if (ring_parameters_complete(&p) < 0 || memcmp(&p, &h->parameters, sizeof p) != 0)
        return fail(RP_CORRUPT, "impossible parameters in the header");
    return 0;
}

int ring_attach(struct ring_view *v, void *memory, uint64_t bytes, bool read_only) {
    struct ring_header h;
    if (bytes < RING_LANES_AT)
        return fail(RP_CORRUPT, "truncated: %llu bytes", (unsigned long long)bytes);
    memcpy(&h, memory, sizeof h);
    int result = check_header(&h, read_only);
    if (result < 0)
        return result;
    const struct ring_parameters *p = &h.parameters;
    if (ring_bytes(p) > bytes) /* more is fine: huge pages round up */
        return fail(RP_CORRUPT, "truncated: %llu bytes, %llu are needed", (unsigned long long)bytes,
                    (unsigned long long)ring_bytes(p));
    unsigned char *base = memory;
    *v = (struct ring_view){
        .p = *p,
        .created_wall_ns = h.created_wall_ns,
        .slot_bytes = p->slot_bytes,
        .mask = p->slots - 1,
        .room = p->slot_bytes - SLOT_HEAD,
        .single = p->message_bytes < p->slot_bytes - SLOT_HEAD ? p->message_bytes : p->slot_bytes - SLOT_HEAD,
        .control = (struct ring_control *)(void *)(base + RING_CONTROL_AT),
        .lanes = (struct ring_lane *)(void *)(base + RING_LANES_AT),
        .seats = base + seats_at(p),
        .seat_bytes = seat_bytes(p),
        .slots = base + slots_at(p),
    };
    return 0;
}
