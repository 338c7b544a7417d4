/* SPDX-License-Identifier: MIT */
#include "claim.h"
#include "keyed.h"
#include "lane.h"
#include "spill.h"
#include <errno.h>

/* What a claim and whoever is shown the message look at, beside the words. */
static inline void prefetch_message(const struct segment *s, uint32_t c) {
    prefetch_read(segment_extra(s, c));
    if (s->layout.cell_stride > LINE)
        prefetch_read((const unsigned char *)segment_cell(s, c) + LINE);
}

/*
 * The first entry that holds the lane, if it can be taken. 0, and *last: no other entry follows it yet; RP_EMPTY: the lane is empty (*last), or held; RP_CORRUPT,
 * -ENOBUFS.
 */
static int claim_first(struct rp_consumer *c, uint32_t lane, uint64_t now_ms, struct view **v, bool *last) {
    const struct segment *s = c->actor.segment;
    const struct index_ring *ring = &c->lanes[lane].lane;
    a64 *shared_head = &c->lanes[lane].start->lane_head;
    uint64_t h = load_acquire(shared_head, hints), first = h, slot, d;
    uint32_t hold;
    int result = RP_EMPTY;
    *last = false;
    for (uint64_t steps = 16 * ring_slots(ring) + 4096;; steps--) {
        enum ring_look_at look = ring_look(ring, shared_head, &h, &slot);
        *last = look == RING_END;
        if (*last)
            break;
        if (look == RING_BROKEN || steps == 0 || !segment_has_cell(s, slot_cell(slot)))
            return claim_broken(c, "lane", lane, h);
        if (look == RING_PAST)
            continue;
        prefetch_message(s, slot_cell(slot));
        enum keyed_entry entry = keyed_judge(s, c->group, lane, h, slot, &d, &hold);
        if (entry == KEYED_HELD)
            break;
        if (entry == KEYED_READY) {
            bool again = delivery_hold(d) == hold; /* else the word is left from another message */
            uint64_t mine = delivery_of_hold(DELIVERY_LEASED, c->actor.seat, again ? delivery_viewer1(d) : NOBODY,
                                             again ? delivery_viewer2(d) : NOBODY, hold);
            enum attempt attempt = claim(c, slot_cell(slot), d, mine, now_ms, v);
            if (attempt == CLAIM_MISSED)
                continue; /* somebody was faster, or a viewer left: look at this position again */
            result = claim_outcome(attempt);
            *last = slot_lap(load_relaxed(ring_slot(ring, h + 1), hint)) != ring_lap(ring, h + 1);
            break;
        }
        h++;
    }
    if (h != first)
        hint_raise(shared_head, h);
    return result;
}

/* The same; when the lane is empty, what is spilled of it comes into memory. */
static int claim_from(struct rp_consumer *c, uint32_t lane, uint64_t now_ms, struct view **v, bool *last) {
    int result = claim_first(c, lane, now_ms, v, last);
    while (result == RP_EMPTY && *last && c->spill != NULL && (result = spill_refill(c, lane)) == 0)
        result = claim_first(c, lane, now_ms, v, last);
    return result;
}

/* The next lane after `lane` whose bit is set, going round; -1: none is. */
static int64_t next_ready(const struct rp_consumer *c, uint32_t lane) {
    const struct segment *s = c->actor.segment;
    const struct ready_lanes *words = s->ready_lanes + (size_t)c->group * s->layout.ready_words;
    uint32_t count = s->layout.ready_words, from = lane + 1 < c->lane_count ? lane + 1 : 0, word = from / 64;
    uint64_t set = load_relaxed(&words[word].bits, hint) & ~UINT64_C(0) << (from % 64);
    for (uint32_t left = count;; left--) { /* the first word once more at the end, for the bits below */
        if (set != 0 && word * 64 + (uint32_t)__builtin_ctzll(set) < c->lane_count)
            return word * 64 + (uint32_t)__builtin_ctzll(set);
        if (left == 0)
            return -1;
        word = word + 1 < count ? word + 1 : 0;
        set = load_relaxed(&words[word].bits, hint);
    }
}

int claim_keyed(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    const struct segment *s = c->actor.segment;
    int64_t lane;
    for (uint32_t looks = 2 * c->lane_count; looks > 0 && (lane = next_ready(c, c->lane_turn)) >= 0; looks--) {
        c->lane_turn = (uint32_t)lane;
        bool last;
        int result = claim_from(c, c->lane_turn, now_ms, v, &last);
        if (result == 0 && last) /* whoever comes next says so: a sender, or we when we let go of the lane */
            keyed_unready(s, c->group, c->lane_turn);
        if (result != RP_EMPTY)
            return result;
        keyed_unready(s, c->group, c->lane_turn);
        result = claim_from(c, c->lane_turn, now_ms, v, &last); /* what came before the bit was cleared */
        if (result != RP_EMPTY)
            return result;
    }
    /* The bits are hints; before anybody believes that there is nothing, the lanes themselves are asked. */
    for (uint32_t i = 0; i < c->lane_count && !MUTANT(keyed_believes_bits); i++) {
        bool last;
        int result = claim_from(c, i, now_ms, v, &last);
        if (result != RP_EMPTY)
            return result;
    }
    return RP_EMPTY;
}
