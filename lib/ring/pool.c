/* SPDX-License-Identifier: MIT */
#include "pool.h"
#include "byte_room.h"
#include "pool_ranges.h"

void pool_open(struct pool *p, const struct segment *s, uint32_t seat) {
    *p = (struct pool){
        .segment = s,
        .free_event = free_event(s),
        .seat = seat,
        .cursor = seat * CELLS_PER_PARTICIPANT / 64,
        .look_words = s->layout.bitmap_words,
        .barren_ms = UINT64_MAX,
    };
}

static void set_bit(const struct segment *s, uint32_t cell) {
    (void)fetch_or_acq_rel(&s->bitmap[cell / 64], UINT64_C(1) << (cell % 64), free_bits);
}

/* Cells of the reserve are in no bitmap: who refills looks at their words. */
static void leave_out_reserve(struct pool *p) {
    const uint32_t first = reserve_cells(&p->segment->parameters, &p->segment->layout);
    for (uint32_t i = p->freed_count; i-- > 0;)
        if (p->freed[i] < first)
            p->freed[i] = p->freed[--p->freed_count];
}

void pool_flush_freed(struct pool *p) {
    int count = (int)p->freed_count;
    leave_out_reserve(p);
    while (p->freed_count > 0) { /* cells of one word with one operation */
        uint32_t word = p->freed[0] / 64, kept = 0;
        uint64_t set = 0;
        for (uint32_t i = 0; i < p->freed_count; i++)
            if (p->freed[i] / 64 == word)
                set |= UINT64_C(1) << (p->freed[i] % 64);
            else
                p->freed[kept++] = p->freed[i];
        (void)fetch_or_seq_cst(&p->segment->bitmap[word], set, free_bits);
        p->freed_count = kept;
    }
    if (count > 0)
        eventcount_wake(&p->free_event, count);
}

void pool_flush(struct pool *p) {
    p->barren_ms =
        UINT64_MAX; /* the last look before a sleep is at the words: a bit may be in somebody's batch, whose word is FREE */
    pool_flush_freed(p);
    while (p->candidate_count > 0)
        set_bit(p->segment, p->candidates[--p->candidate_count]);
}

/* Takes the lowest candidates of a bitmap word, at most a batch. */
static void draw(struct pool *p, uint32_t word) {
    uint64_t there = load_seq_cst(&p->segment->bitmap[word], free_bits), rest = there;
    if (there == 0)
        return;
    for (uint32_t n = 0; n < POOL_BATCH; n++)
        rest &= rest - 1; /* 0 stays 0 */
    uint64_t wanted = there & ~rest;
    uint64_t got = fetch_and_acq_rel(&p->segment->bitmap[word], ~wanted, free_bits) & wanted;
    for (; got != 0; got &= got - 1) {
        uint32_t cell = word * 64 + (uint32_t)__builtin_ctzll(got);
        if (segment_has_cell(p->segment, cell)) /* else the bitmap is damaged */
            p->candidates[p->candidate_count++] = cell;
    }
}

static bool refill(struct pool *p) {
    uint32_t words = p->segment->layout.bitmap_words;
    uint32_t most = p->look_words < words ? p->look_words : words;
    if (p->ranges != NULL)
        pool_ranges_begin(p);
    for (uint32_t i = 0; i < most && p->candidate_count == 0; i++) {
        draw(p, p->cursor);
        if (p->candidate_count == 0)
            p->cursor = p->ranges != NULL ? pool_ranges_next(p) : p->cursor + 1 < words ? p->cursor + 1 : 0;
    }
    a32 *starved = &p->segment->control->starved;
    if (p->candidate_count == POOL_BATCH && load_relaxed(starved, hint) != 0)
        store_relaxed(starved, 0, hint); /* plenty: bits may come in batches again */
    if (p->candidate_count > 0)
        p->look_words = words;
    return p->candidate_count > 0;
}

bool pool_search(struct pool *p, uint64_t now_ms, uint32_t *cell) {
    a32 *starved = &p->segment->control->starved;
    if (p->barren_ms == now_ms && load_relaxed(starved, hint) != 0)
        return false; /* whoever freed a cell since then has set its bit; that somebody else has drawn it is found before a sleep */
    if (!MUTANT(pool_no_starved))
        store_seq_cst(starved, 1, starved);
    uint32_t count = cells_in_play(p->segment), first = reserve_cells(&p->segment->parameters, &p->segment->layout);
    for (uint32_t i = first; i < count; i++) {
        uint32_t c = p->search_cursor >= first && p->search_cursor < count ? p->search_cursor : first;
        p->search_cursor = c + 1;
        uint64_t w = load_seq_cst(&segment_cell(p->segment, c)->word, cell_word);
        if (cell_state(w) == CELL_FREE && pool_own(p, c)) {
            *cell = c;
            p->barren_ms = UINT64_MAX; /* it was freed while nobody said that he starved: perhaps others, too */
            return true;
        }
    }
    p->barren_ms = now_ms;
    return false;
}

bool pool_take_more(struct pool *p, uint32_t *cell) {
    while (p->candidate_count > 0 || refill(p))
        if (pool_try(p, cell))
            return true;
    return false;
}

bool pool_promising(const struct pool *p) {
    uint32_t wanted = cells_in_play(p->segment) / 16 + 1, words = p->segment->layout.bitmap_words, free = 0;
    wanted = wanted < POOL_BATCH ? wanted : POOL_BATCH;
    for (uint32_t i = 0; i < words && i < 4 && free < wanted; i++)
        free += (uint32_t)__builtin_popcountll(load_relaxed(&p->segment->bitmap[(p->cursor + i) % words], hint));
    return free >= wanted;
}

void pool_give_back(struct pool *p, uint32_t cell) {
    a64 *word = &segment_cell(p->segment, cell)->word;
    uint64_t w = load_relaxed(word, own), bytes = byte_room_of(p->segment, cell);
    if (cell_state(w) == CELL_OWNED && cas_seq_cst(word, &w, cell_word(CELL_FREE, NOBODY, 0, cell_generation(w)), cell_word)) {
        byte_room_give(p->segment, bytes);
        pool_freed(p, cell);
    }
}
