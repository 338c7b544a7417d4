/* SPDX-License-Identifier: MIT */
#include "verdict.h"
#include "fanout.h"

bool message_was_sent(const struct segment *s, uint64_t message, uint32_t dead) {
    uint32_t c;
    uint64_t w;
    if (!message_cell(s, message, &c, &w))
        return MUTANT(seen_dead_is_done);
    if (message_is_to_come(message, w))
        return (cell_state(w) == CELL_DELAYED && !MUTANT(dedup_delayed_unsent)) || cell_state(w) == CELL_JOURNALED;
    if (cell_state(w) == CELL_PUBLISHED && cell_owner(w) == dead && message_is(message, w)) {
        /* Where the verdict says no, and the word has moved: it was settled meanwhile, and the cell may carry another message, which the verdict knows nothing of. */
        return fanout_committed(s, c, w) ||
               (load_acquire(&segment_cell(s, c)->word, cell_word) != w && !MUTANT(dedup_verdict_once));
    }
    return true;
}
