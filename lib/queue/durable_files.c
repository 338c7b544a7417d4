/* SPDX-License-Identifier: MIT */
/* From file to file: sealing, making the next, dropping those of which nothing is needed. */
#include "byte_room.h"
#include "catch_up.h"
#include "durable_ids.h"
#include "durable_role.h"

uint64_t writer_file(const struct segment *s, struct durable_point p) {
    uint64_t near = load_acquire(&s->control->journal_file, hints), mask = (UINT64_C(1) << POINT_FILE_BITS) - 1;
    uint64_t ahead = (p.file - near) & mask; /* the hint is raised before the point */
    return ahead <= mask / 2 ? near + ahead : near - (mask + 1 - ahead);
}

bool writer_seal(struct writer *x, uint64_t point) {
    return point_of(point).sealed ||
           cas_acq_rel(&x->actor->segment->control->journal_point, &point, point | UINT64_C(1) << 63, journaled);
}

bool writer_seal_unsynced(struct writer *x, uint64_t point) {
    const struct segment *s = x->actor->segment;
    struct durable_point p = point_of(point);
    (void)snapshot_ask(s);
    p.sealed = true;
    p.unit = store_durable_unit(x->store);
    return cas_acq_rel(&s->control->journal_point, &point, point_word(p), journaled);
}

/* At most what a snapshot says of a message with this word. */
static uint64_t record_bytes_most(const struct segment *s, uint32_t c, uint64_t w) {
    enum { MESSAGE_BYTES = 128 + KEY_BYTES, GROUP_BYTES = 256 };
    return MESSAGE_BYTES + byte_room_in(s, c) + GROUP_BYTES * (uint64_t)__builtin_popcount(cell_pending(w));
}

/* The sequence below which all messages are in no more use, and at most what would be said of those that are. */
static uint64_t lowest_live(const struct segment *s, uint64_t position, uint64_t *bytes) {
    uint64_t lowest = position;
    *bytes = 0;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        if (cell_state(w) == CELL_FREE || cell_state(w) == CELL_OWNED)
            continue;
        uint64_t p = durable_position(s, c);
        lowest = (int64_t)(p - lowest) < 0 ? p : lowest;
        *bytes += record_bytes_most(s, c, w);
    }
    return durable_sequence(s, lowest);
}

/* Whatever was once right stays so: who was stopped before he stores it makes it lower again, at worst. */
void writer_needs(const struct segment *s, uint64_t needed) {
    if (!MUTANT(durable_drops_too_little))
        store_relaxed(&s->control->journal_needed, needed, hint);
}

/*
 * One message that stays keeps its file, and all later ones. When they are many, and little of them is needed, that is written again: only if that halves their number, for it happens in here, too. A file is at least a third full,
 * whatever did not fit into it any more. Where ids are known they may be in any file: then only a snapshot lets files go (durable_ids.h).
 */
void writer_drop_files(struct writer *x, uint64_t point) {
    const struct segment *s = x->actor->segment;
    uint64_t number = writer_file(s, point_of(point)),
             position = point_position(point, load_acquire(&s->control->journal_moved, hints));
    a64 *oldest = &s->control->journal_oldest;
    uint64_t needed = load_relaxed(&s->control->journal_needed, hint), bytes, lowest = lowest_live(s, position, &bytes);
    const uint64_t ids = ids_bytes(s);
    const bool untold = catch_up_untold(s) != 0; /* what such a group settled may be said in any file since the last snapshot */
    if ((ids == 0 || MUTANT(durable_id_dropped)) && (!untold || MUTANT(past_needs_less)))
        needed = store_needed(x->store, needed, number, lowest + MUTANT(durable_drops_too_far));
    writer_needs(s, needed);
    /* Groups that are behind need more than who starts; but not to know what lives. */
    const uint64_t oldest_now = load_relaxed(oldest, hint), behind = writer_past_lowest(s, durable_sequence(s, position));
    /* What is known now goes when the next file's head says it: so whoever starts knows which files must be there. */
    uint64_t said = MUTANT(durable_drops_unsaid) ? needed : store_said(x->store);
    if (untold && !MUTANT(past_drops_files) && oldest_now != 0 && oldest_now < said)
        said = store_first(x->store, oldest_now, said, behind);
    store_relaxed(oldest, store_drop(x->store, oldest_now, said), hint);
    uint64_t again = 2 + 3 * (bytes + ids) / s->parameters.journal_file_bytes;
    if (number - needed > 2 * again && !snapshot_is_wanted(s)) /* it may be in the middle of one */
        (void)snapshot_ask(s);
}

/* Not less than this file's head says, by which others went: somebody who was stopped may have made the word lower again. And not more than can be, if the word is damaged. */
static uint64_t say_needed(const struct writer *x, uint64_t number) {
    uint64_t needed = load_relaxed(&x->actor->segment->control->journal_needed, hint) + MUTANT(durable_claims_too_far),
             said = store_said(x->store);
    return (needed < said && !MUTANT(durable_unsays)) || needed > number ? said : needed;
}

int writer_next_file(struct writer *x, uint64_t sealed) {
    const struct segment *s = x->actor->segment;
    struct durable_point p = point_of(sealed);
    uint64_t number = writer_file(s, p), position = point_position(sealed, load_acquire(&s->control->journal_moved, hints));
    int result = store_seek(x->store, number, p.unit);
    if (result == 0 && !MUTANT(durable_end_unsynced) && store_sync(x->store) < 0)
        return writer_seal_unsynced(x, sealed) ? NEXT_UNSYNCED : NEXT_LOST;
    if (result == 0)
        result = store_next(x->store, durable_sequence(s, position), say_needed(x, number));
    if (result < 0)
        return result;
    hint_raise(&s->control->journal_file, number + 1);
    p.sealed = false;
    p.file = (uint32_t)bits(number + 1, 0, POINT_FILE_BITS);
    p.unit = STORE_HEAD_UNITS;
    if (!cas_acq_rel(&s->control->journal_point, &sealed, point_word(p), journaled)) {
        /* We were stopped before we made it, and others made, filled and dropped it meanwhile. Who reads goes past it: their files say that it is not needed. */
        if (load_relaxed(&s->control->journal_oldest, hint) > number + 1)
            store_unmake(x->store, number + 1);
        return NEXT_LOST;
    }
    return 0;
}
