/* SPDX-License-Identifier: MIT */
/* Extents: taken, sealed, freed. Each step is one CAS of the extent's word. */
#include "error.h"
#include "groups.h"
#include "spill.h"

enum {
    READY_MOST = 16,      /* free extents that stay on disk for long */
    EXTENTS_PER_TICK = 64 /* that a sweep frees, and gives back, at most */
};

static bool take_in_state(struct actor *a, struct spill_sender *x, enum extent_state wanted) {
    const struct segment *s = a->segment;
    const uint32_t count = s->layout.spill_extent_count;
    uint32_t e = (uint32_t)(load_relaxed(&s->spill->extent_hint, hint) % count);
    for (uint32_t i = 0; i < count; i++, e = e + 1 < count ? e + 1 : 0) {
        uint64_t w = load_acquire(&s->spill_extents[e], extent);
        uint64_t mine = extent_word(EXTENT_OWNED, a->seat, extent_generation(w) + 1);
        if (extent_state(w) != wanted || !cas_seq_cst(&s->spill_extents[e], &w, mine, extent))
            continue;
        store_relaxed(&s->spill->extent_hint, e + 1, hint);
        x->extent = e;
        x->extent_word = mine;
        x->used = 0;
        return true;
    }
    return false;
}

static void become(const struct segment *s, uint32_t e, uint64_t w, enum extent_state state) {
    (void)cas_acq_rel(&s->spill_extents[e], &w, extent_word(state, NOBODY, extent_generation(w)), extent);
}

bool spill_extent_take(struct actor *a, struct spill_sender *x, bool *disk_full) {
    const struct segment *s = a->segment;
    if (take_in_state(a, x, EXTENT_READY))
        return true;
    if (!take_in_state(a, x, EXTENT_HOLE)) {
        uint64_t now_ms = actor_now_ms(a);
        bool again = now_ms >= x->barren_until_ms && spill_free_all(a) > 0 && take_in_state(a, x, EXTENT_READY);
        x->barren_until_ms = now_ms + 1;
        return again;
    }
    if (spill_file_fill(s, extent_offset(&s->layout, x->extent), s->layout.spill_extent_bytes))
        return true;
    *disk_full = true;
    become(s, x->extent, x->extent_word, EXTENT_HOLE);
    x->extent_word = 0;
    return false;
}

void spill_extent_seal(struct actor *a, struct spill_sender *x) {
    if (x->extent_word == 0)
        return;
    become(a->segment, x->extent, x->extent_word, EXTENT_SEALED);
    x->extent_word = 0;
    (void)spill_extent_free(a, x->extent);
}

/* Have all groups passed all of its frames? */
static bool is_past(const struct segment *s, uint32_t e) {
    const struct extent_head *head = extent_head(s, e);
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        uint64_t last = load_acquire(&head->last[lane], extent_last);
        if (last != 0 && (int64_t)(last - spill_lowest(s, lane, load_acquire(&s->spill_ends[lane].tail, hints))) > 0)
            return false;
    }
    return true;
}

bool spill_extent_free(struct actor *a, uint32_t e) {
    const struct segment *s = a->segment;
    uint64_t w = load_acquire(&s->spill_extents[e], extent);
    if (extent_state(w) != EXTENT_SEALED || (!is_past(s, e) && !MUTANT(spill_frees_early)) ||
        !cas_acq_rel(&s->spill_extents[e], &w, extent_word(EXTENT_READY, NOBODY, extent_generation(w)), extent))
        return false;
    eventcount_wake(&a->pool.free_event, 1);
    return true;
}

/* Gives its blocks back. Only an owner may: who does that late would else take another's frames. */
static void give_back(struct actor *a, uint32_t e) {
    const struct segment *s = a->segment;
    uint64_t w = load_acquire(&s->spill_extents[e], extent);
    const uint64_t mine = extent_word(EXTENT_OWNED, a->seat, extent_generation(w) + 1);
    if (extent_state(w) != EXTENT_READY || !cas_acq_rel(&s->spill_extents[e], &w, mine, extent))
        return;
    spill_file_punch(s, extent_offset(&s->layout, e), s->layout.spill_extent_bytes);
    become(s, e, mine, EXTENT_HOLE);
}

int spill_free_all(struct actor *a) {
    int done = 0;
    for (uint32_t e = 0; e < a->segment->layout.spill_extent_count; e++)
        done += spill_extent_free(a, e);
    return done;
}

bool spill_chunk(const struct actor *a, uint64_t offset) {
    const struct segment *s = a->segment;
    uint64_t chunk = offset / SPILL_CHUNK_BYTES, bit = UINT64_C(1) << (chunk % 64), index = spill_index_bytes(&s->layout);
    a64 *word = &s->spill_chunks[chunk / 64];
    if (load_acquire(word, chunk) & bit)
        return true;
    uint64_t first = chunk * SPILL_CHUNK_BYTES, bytes = index - first < SPILL_CHUNK_BYTES ? index - first : SPILL_CHUNK_BYTES;
    if (!spill_file_fill(s, first, bytes)) /* by any number at once */
        return false;
    (void)fetch_or_acq_rel(word, bit, chunk);
    return true;
}

int spill_sweep_extents(struct actor *a) {
    const struct segment *s = a->segment;
    const uint32_t count = s->layout.spill_extent_count, share = count < EXTENTS_PER_TICK ? count : EXTENTS_PER_TICK;
    uint32_t e = (uint32_t)(load_relaxed(&s->spill->sweep_cursor, hint) % count), ready = 0;
    int done = 0;
    for (uint32_t i = 0; i < share; i++, e = e + 1 < count ? e + 1 : 0)
        done += spill_extent_free(a, e);
    store_relaxed(&s->spill->sweep_cursor, e, hint);
    for (e = 0; e < count; e++)
        if (extent_state(load_relaxed(&s->spill_extents[e], hint)) == EXTENT_READY && ++ready > READY_MOST &&
            ready <= READY_MOST + share)
            give_back(a, e);
    return done;
}
