/* SPDX-License-Identifier: MIT */
#include "layout.h"
#include "error.h"
#include "spill_words.h"
#include <errno.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef RP_SIM
#define MIN_SLOTS sim_min_slots
enum { SHARD_SLOTS = 8, RESERVE = 4, PAST_RESERVE = 1, EXTENT_MIN = 256, EXTENT_MAX = 256, INDEX_SLOTS_MIN = 8, EXTENT_PAGE = 256 };
#else
#define MIN_SLOTS 8u
enum {
    SHARD_SLOTS = 512, /* a lane of a shard is at least a page */
    RESERVE = 64,
    PAST_RESERVE = 16,
    EXTENT_MIN = 64 << 10,
    EXTENT_MAX = 1 << 20,
    INDEX_SLOTS_MIN = 1024,
    EXTENT_PAGE = 4096
};
#endif

static uint32_t shift_for(uint32_t count) {
    uint32_t shift = 0;
    while ((UINT32_C(1) << shift) < count)
        shift++;
    return shift;
}

static uint64_t place(uint64_t *end, uint64_t bytes) {
    uint64_t at = *end;
    *end = (at + bytes + LINE - 1) & ~(uint64_t)(LINE - 1);
    return at;
}

/* Nodes are given whole pages. */
static void next_page(uint64_t *end) { *end = (*end + SHARD_SLOTS * 8 - 1) & ~(uint64_t)(SHARD_SLOTS * 8 - 1); }

static int out_of_range(const char *what, uint64_t value, uint64_t low, uint64_t high) {
    return fail(-EINVAL, "%s is %llu, allowed are %llu to %llu", what, (unsigned long long)value, (unsigned long long)low,
                (unsigned long long)high);
}

static int check_parameters(const struct parameters *p) {
    struct {
        const char *what;
        uint64_t value, low, high;
    } const limits[] = {
        {"capacity", p->capacity, 1, 4000000},
        {"message_bytes", p->message_bytes, 1, 1 << 30},
        {"header_bytes", p->header_bytes, 0, 1 << 20},
        {"max_groups", p->max_groups, 1, MAX_GROUPS},
        {"max_participants", p->max_participants, 1, MAX_PARTICIPANTS},
        {"lanes", p->lane_count, 1, MAX_LANES},
        {"keyed", p->keyed, 0, 1},
        {"lane_capacity", p->lane_capacity, 0, p->capacity},
        {"expired", p->expired, 0, 1},
        {"dead_capacity", p->dead_capacity, 1, p->capacity},
        {"dead_overflow", p->dead_overflow, 0, 1},
        {"overflow", p->overflow, 0, 3},
        {"backoff_factor (in thousandths)", p->backoff_factor_permille, 1000, 100000},
        {"jitter (in thousandths)", p->jitter_permille, 0, 1000},
        {"prefault", p->prefault, 0, 1},
        {"mode", p->mode, 0, 0777},
        {"numa", p->numa, 0, 3},
        {"numa_node", p->numa_node, 0, 63},
        {"hugepages", p->hugepages, 0, 1},
        {"lock_memory", p->lock_memory, 0, 1},
        {"dedup_entries", p->dedup_entries, 0, 4000000},
        {"max_producer_ids", p->producer_ids, 0, MAX_PRODUCER_IDS},
        {"spill_max_bytes", p->spill_bytes, 0, SPILL_BYTES_MAX},
        {"spill_inside", p->spill_inside, 0, 1},
        {"sync", p->sync, 0, 3},
        {"first_lap", p->first_lap, 1, LAP_MASK},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value < limits[i].low || limits[i].value > limits[i].high)
            return out_of_range(limits[i].what, limits[i].value, limits[i].low, limits[i].high);
    if (!p->keyed && p->lane_count > MAX_PRIORITIES) /* names of their rings have room for so many */
        return out_of_range("lanes without keys", p->lane_count, 1, MAX_PRIORITIES);
    if (p->ageing_ns > 0 && (p->keyed || p->lane_count == 1))
        return fail(-EINVAL, "ageing is for priorities");
    if (p->numa_shards != 0 && (p->numa_shards != p->lane_count || p->lane_count == 1 || p->keyed || p->ageing_ns > 0))
        return fail(-EINVAL, "shards are lanes of a queue without keys and priorities, 2 or more");
    const uint64_t year_ns = UINT64_C(366) * 24 * 3600 * 1000000000;
    if (p->lease_ns > 10 * year_ns || p->backoff_ns > year_ns || p->backoff_max_ns > year_ns)
        return fail(-EINVAL, "a lease is at most 10 years, a backoff at most one");
    if (p->dedup_window_ns > TIMES_MAX_NS)
        return fail(-EINVAL, "a dedup window is at most 10 years");
    if ((p->dedup_window_ns == 0) != (p->dedup_entries == 0))
        return fail(-EINVAL, "dedup_entries is for queues with a dedup window");
    if ((p->overflow == 3) != (p->spill_bytes > 0))
        return fail(-EINVAL, "a queue spills with a place for that and a bound, or not at all");
    if (p->spill_bytes > 0 && (p->numa_shards > 0 || p->dedup_window_ns > 0 || p->max_bytes > 0))
        return fail(-EINVAL, "a queue that spills has no %s",
                    p->numa_shards > 0       ? "shards"
                    : p->dedup_window_ns > 0 ? "dedup window"
                                             : "max_bytes");
    if (p->spill_bytes > 0 && p->keyed &&
        p->max_groups > 1) /* a keyed lane's slots are all groups': one that receives nothing would stop the others' refills */
        return fail(-EINVAL, "a queue that spills has keyed lanes for one group only: max_groups is %u, and must be 1",
                    p->max_groups);
    if (p->ttl_ns > TIMES_MAX_NS)
        return fail(-EINVAL, "a time to live is at most 10 years");
    if (p->backoff_max_ns < p->backoff_ns)
        return fail(-EINVAL, "backoff_max_ns is less than backoff_ns");
    return 0;
}

/* A lane of its own for each key would need no more than its share; what keys leave unbalanced gets four times that. */
static uint32_t keyed_lane_slots(const struct parameters *p) {
    if (p->lane_capacity > 0)
        return p->lane_capacity;
    uint64_t slots = 4 * (uint64_t)p->capacity / p->lane_count;
    return slots < p->capacity ? (uint32_t)slots : p->capacity;
}

static uint64_t up_to(uint64_t n, uint64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* How the spill's bytes are divided: spill_words.h. */
static int divide_spill(const struct parameters *p, struct layout *l) {
    uint64_t all = p->spill_bytes / SPILL_BYTES_PER_SLOT, share = all / p->lane_count < all / 4 ? 4 * (all / p->lane_count) : all;
    while (UINT64_C(2) << l->spill_slot_shift <= share)
        l->spill_slot_shift++;
    uint64_t index = up_to((uint64_t)p->lane_count << l->spill_slot_shift << 3, EXTENT_PAGE);
    const uint64_t frame = l->cell_stride + up_to(l->extra_stride, LINE),
                   head = up_to(sizeof(struct extent_head) + UINT64_C(8) * p->lane_count, LINE);
    l->spill_extent_bytes = EXTENT_MIN;
    while (l->spill_extent_bytes < EXTENT_MAX && l->spill_extent_bytes < p->spill_bytes / 256)
        l->spill_extent_bytes *= 2;
    if (l->spill_extent_bytes < frame + head)
        l->spill_extent_bytes = up_to((frame < EXTENT_MAX ? 4 : 1) * frame + head, EXTENT_PAGE);
    uint64_t extents = p->spill_bytes > index ? (p->spill_bytes - index) / l->spill_extent_bytes : 0;
    if (UINT32_C(1) << l->spill_slot_shift < INDEX_SLOTS_MIN || extents < 2)
        return fail(
            -EINVAL, "spill_max_bytes is %llu, too little for messages of %u bytes: at least %llu are needed",
            (unsigned long long)p->spill_bytes, p->message_bytes,
            (unsigned long long)(4 * l->spill_extent_bytes + UINT64_C(2) * p->lane_count * INDEX_SLOTS_MIN * SPILL_BYTES_PER_SLOT));
    l->spill_extent_count = (uint32_t)extents;
    l->spill_area_bytes = index + extents * l->spill_extent_bytes;
    l->spill_chunk_words = (uint32_t)((index + SPILL_CHUNK_BYTES * UINT64_C(64) - 1) / (SPILL_CHUNK_BYTES * UINT64_C(64)));
    return 0;
}

int layout_compute(const struct parameters *p, struct layout *out) {
    int result = check_parameters(p);
    if (result < 0)
        return result;
    struct layout l = {0};
    const bool keeps_past = p->sync != 0 && (p->retain_ns > 0 || p->retain_bytes > 0);
    l.reserve = p->spill_bytes > 0 ? RESERVE : keeps_past ? PAST_RESERVE : 0;
    l.cell_count = reserve_cells(p, &l) + p->capacity + CELLS_PER_PARTICIPANT * p->max_participants;
    l.cell_stride =
        (uint32_t)(offsetof(struct cell, payload) + ((p->message_bytes + 7) & ~UINT32_C(7)) + p->header_bytes + LINE - 1) &
        ~(uint32_t)(LINE - 1);
    uint32_t lane_slots = p->keyed ? keyed_lane_slots(p) : l.cell_count;
    if (p->keyed && p->sync != 0) /* what is in the journal must find a place: one lane must not hold up the others */
        lane_slots = 2 * l.cell_count;
    const uint32_t least = p->numa_shards > 0 ? SHARD_SLOTS : MIN_SLOTS;
    l.lane_slot_shift = shift_for(lane_slots < least ? least : lane_slots);
#ifdef RP_SIM
    if (sim_lane_slots != 0)
        l.lane_slot_shift = shift_for(sim_lane_slots);
#endif
    l.lane_slot_count = UINT32_C(1) << l.lane_slot_shift;
    /* What one group does not receive must all have a place in early, or it would be in the way of another's refills. */
    const uint32_t again = p->spill_bytes > 0 ? l.cell_count : p->capacity;
    l.slot_shift = shift_for(again < MIN_SLOTS ? MIN_SLOTS : again);
    l.slot_count = UINT32_C(1) << l.slot_shift;
    l.death_slot_shift = shift_for(p->dead_capacity < MIN_SLOTS ? MIN_SLOTS : p->dead_capacity);
    l.death_slot_count = UINT32_C(1) << l.death_slot_shift;
    l.text_count = l.death_slot_count;
    l.bitmap_words = (l.cell_count + 63) / 64;
    l.id_count = UINT32_C(1) << (shift_for(l.cell_count + 1) - 1); /* at most as many as cells */
    l.extra_stride = sizeof(struct extra) + (p->keyed ? KEY_BYTES : 0);
    l.ready_words = p->keyed ? (p->lane_count + 63) / 64 : 0;
    uint64_t again_lanes = p->keyed ? 0 : p->lane_count; /* a failed message keeps its place in a keyed lane */

    if (p->dedup_window_ns > 0) { /* who keeps an id holds a cell meanwhile: with as many as cells, one is always to be had */
        l.known_count = p->dedup_entries > l.cell_count ? (uint32_t)p->dedup_entries : l.cell_count;
#ifdef RP_SIM
        if (sim_known_ids != 0)
            l.known_count = sim_known_ids;
#endif
        l.known_shift = shift_for(l.known_count) + KNOWN_SPREAD;
    }

    l.bell_count = BELLS_PER_PARTICIPANT * p->max_participants;
    if (p->spill_bytes > 0 && (result = divide_spill(p, &l)) < 0)
        return result;
    if (p->sync != 0) {
        l.journal_slot_shift = shift_for(l.cell_count < MIN_SLOTS ? MIN_SLOTS : l.cell_count);
        l.journal_slot_count = UINT32_C(1) << l.journal_slot_shift;
    }

    uint64_t end = 0;
    place(&end, 4096);
    l.control = place(&end, sizeof(struct control));
    l.groups = place(&end, (uint64_t)p->max_groups * sizeof(struct group));
    l.seats = place(&end, (uint64_t)p->max_participants * sizeof(struct seat));
    l.bitmap = place(&end, (uint64_t)l.bitmap_words * 8);
    l.lane_ends = place(&end, (uint64_t)p->lane_count * sizeof(struct lane_end));
    l.lane_starts = place(&end, (uint64_t)p->max_groups * p->lane_count * sizeof(struct lane_start));
    l.ready_lanes = place(&end, (uint64_t)p->max_groups * l.ready_words * sizeof(struct ready_lanes));
    if (p->numa_shards > 0)
        next_page(&end);
    l.lanes = place(&end, (uint64_t)p->lane_count * l.lane_slot_count * 8);
    l.group_rings = place(&end, (uint64_t)p->max_groups * (2 * again_lanes * l.slot_count + l.death_slot_count) * 8);
    l.deliveries = place(&end, (uint64_t)p->max_groups * l.cell_count * sizeof(struct delivery));
    l.extras = place(&end, (uint64_t)l.cell_count * l.extra_stride);
    l.timers = place(&end, timer_words(l.cell_count) * 8);
    l.ids = place(&end, (uint64_t)l.id_count * 4);
    l.texts = place(&end, (uint64_t)l.text_count * sizeof(struct failure_text));
    l.known_heads = place(&end, p->dedup_window_ns > 0 ? UINT64_C(8) << l.known_shift : 0);
    l.known_ids = place(&end, (uint64_t)l.known_count * sizeof(struct known_id));
    l.identities = place(&end, p->producer_ids * sizeof(struct identity));
    l.bells = place(&end, (uint64_t)l.bell_count * sizeof(struct bell_entry));
    if (p->spill_bytes > 0) {
        l.spill = place(&end, sizeof(struct spill));
        l.spill_ends = place(&end, (uint64_t)p->lane_count * sizeof(struct lane_end));
        l.spill_cursors = place(&end, (uint64_t)p->max_groups * p->lane_count * sizeof(struct spill_cursor));
        l.spill_extents = place(&end, (uint64_t)l.spill_extent_count * 8);
        l.spill_chunks = place(&end, (uint64_t)l.spill_chunk_words * 8);
        l.spill_area = place(&end, p->spill_inside ? l.spill_area_bytes : 0);
    }
    if (p->sync != 0) {
        l.journal = place(&end, sizeof(struct journal_place));
        l.journal_slots = place(&end, (uint64_t)l.journal_slot_count * 8);
        l.journal_dirty = place(&end, (uint64_t)l.bitmap_words * 8);
    }
    if (p->numa_shards > 0)
        next_page(&end);
    l.cells = place(&end, (uint64_t)l.cell_count * l.cell_stride);
    l.bytes = (end + 4095) & ~UINT64_C(4095);
    *out = l;
    return 0;
}

uint64_t header_check(const struct header *h) { return XXH3_64bits(h, offsetof(struct header, check)); }
