/* SPDX-License-Identifier: MIT */
#include "verdict.h"
#include "fanout.h"

bool message_was_sent(const struct segment *s, uint64_t message, uint32_t dead) {
    uint64_t c = message >> GENERATION_BITS;
    if (c >= s->layout.cell_count) /* or a consumer's id, which has none */
        return MUTANT(seen_dead_is_done);
    a64 *word = &segment_cell(s, (uint32_t)c)->word;
    uint64_t w = load_acquire(word, cell_word), before = message & GENERATION_MASK;
    if (cell_generation(w) == before)
        return (cell_state(w) == CELL_DELAYED && !MUTANT(dedup_delayed_unsent)) || cell_state(w) == CELL_JOURNALED;
    if (cell_state(w) == CELL_PUBLISHED && cell_owner(w) == dead && cell_generation(w) == ((before + 1) & GENERATION_MASK)) {
        /* Where the verdict says no, and the word has moved: it was settled meanwhile, and the cell may carry another message, which the verdict knows nothing of. */
        return fanout_committed(s, (uint32_t)c, w) || (load_acquire(word, cell_word) != w && !MUTANT(dedup_verdict_once));
    }
    return true;
}
