/* SPDX-License-Identifier: MIT */
#include "durable_ids.h"
#include "durable_record.h"
#include "id_table.h"
#include "identity.h"
#include "verdict.h"

/* ---- ids of messages ---- */

/* Does the message that was written down (verdict.h) count, up to `end`? Asked by who has the role, of one that was sent or is under way. */
static bool counts(const struct segment *s, uint64_t message, uint64_t end) {
    uint32_t c;
    uint64_t w, position;
    if (!message_cell(s, message, &c, &w) || MUTANT(durable_id_early))
        return true; /* of an earlier life */
    if (!message_is(message, w))
        return !message_is_to_come(message, w);
    bool entered = durable_entered(s, c, cell_generation(w), &position);
    return cell_state(w) != CELL_JOURNALED || (entered && (int64_t)(position - end) < 0);
}

static bool say_id(struct batch *b, const struct segment *s, const struct id_copy *x) {
    bool decided = id_state(x->word) == ID_COMMITTED;
    uint64_t until_ns = decided ? x->until_ns : segment_now_ns(s) + s->parameters.dedup_window_ns;
    struct record_id r = {.number = x->message_id,
                          .time_ns = until_ns + load_relaxed(&s->control->wall_ahead_ns, hint),
                          .id = (const unsigned char *)x->id,
                          .bytes = id_bytes(x->message)};
    if (r.number == 0 || r.number > UINT64_MAX / 4) /* damage: one such record would keep all others from being read */
        return true;
    unsigned char *to = journal_batch_add(&b->records, RECORD_ID, 0, 0, record_id_bytes(&r));
    if (to == NULL)
        return false;
    record_id_write(to, &r);
    return true;
}

static bool add_id(struct batch *b, const struct segment *s, uint32_t c, uint64_t w) {
    uint32_t i = segment_extra(s, c)->known;
    uint64_t message = (uint64_t)c << GENERATION_BITS | ((cell_generation(w) - 1) & GENERATION_MASK);
    struct id_copy x;
    if (MUTANT(durable_id_lost) || i >= s->layout.known_count || !id_table_read(s, i, &x))
        return true; /* it was forgotten meanwhile: more were sent than there are places */
    return id_kind(x.message) != ID_OF_SEND || id_message(x.message) != message || say_id(b, s, &x);
}

/* Is it kept still? */
static bool is_live(const struct segment *s, const struct id_copy *x) {
    return id_kind(x->message) == ID_OF_SEND && (id_state(x->word) == ID_PENDING || x->until_ns > segment_now_ns(s));
}

static bool add_live_id(struct batch *b, const struct segment *s, uint32_t i) {
    struct id_copy x;
    if (!id_table_read(s, i, &x) || !is_live(s, &x) || !counts(s, id_message(x.message), b->end) || MUTANT(durable_id_not_again))
        return true;
    /* As long as it is not decided its cell is not given back: so it was about this message. */
    return load_acquire(&s->known_ids[i].word, known_word) != x.word && id_state(x.word) == ID_PENDING ? add_live_id(b, s, i)
                                                                                                       : say_id(b, s, &x);
}

/* ---- ids of producers ---- */

/* The record of this place; *to: its payload. False: there is no room. */
static bool say_producer(struct batch *b, const struct identity *e, uint64_t sequence, bool gone, unsigned char **to) {
    uint64_t id[PRODUCER_ID_BYTES / 8];
    for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8; i++)
        id[i] = load_acquire(&e->id[i], identity);
    struct record_id r = {sequence, load_relaxed(&e->made_wall_ns, recheck), (const unsigned char *)id,
                          load_acquire(&e->bytes, identity)};
    *to = NULL;
    if (r.bytes < 1 || r.bytes > PRODUCER_ID_BYTES) /* damage */
        return true;
    *to = journal_batch_add(&b->records, RECORD_PRODUCER, gone, 0, record_id_bytes(&r));
    if (*to == NULL)
        return false;
    record_id_write(*to, &r);
    return true;
}

/* Of several messages of one producer in a row the last says it. */
static bool add_sequence(struct batch *b, const struct segment *s, uint32_t c) {
    const struct extra *extra = segment_extra(s, c);
    const uint32_t place = extra->producer;
    if (place >= s->parameters.producer_ids || MUTANT(durable_sequence_lost))
        return true;
    if (b->producer_at != NULL && b->producer == place) {
        record_id_number(b->producer_at, extra->sequence);
        return true;
    }
    b->producer = place;
    return say_producer(b, &s->identities[place], extra->sequence, false, &b->producer_at);
}

bool ids_add(struct batch *b, const struct segment *s, uint32_t c, uint64_t w) {
    uint32_t flags = field_read(&segment_cell(s, c)->flags);
    return (!(flags & CELL_HAS_ID) || add_id(b, s, c, w)) && (!(flags & CELL_NUMBERED) || add_sequence(b, s, c));
}

/* What the place has come to, whether it counts or not. False: the place has become another's, or its next send is over. */
static bool read_sequence(const struct segment *s, const struct identity *e, uint64_t w, uint64_t end, uint64_t *sequence) {
    uint64_t next = load_acquire(&e->next, identity), message = load_acquire(&e->message, identity);
    *sequence = identity_sequence(e, w);
    if (identity_state(w) == IDENTITY_OWNED) {
        /* Its owner died or was stopped before he could say so. While it is under way its cell is not given back. */
        if (next != *sequence && counts(s, message, end) && !MUTANT(durable_sequence_behind))
            *sequence = next;
    }
    return load_acquire(&e->message, identity) == message && load_acquire(&e->next, identity) == next &&
           load_acquire(&e->word, identity_word) == w;
}

/*
 * The same of the message that the place names, which nobody may have entered yet: its sender died before he did, and whoever goes on as he has not come to it. False: it moved on meanwhile.
 */
__attribute__((no_sanitize("thread"))) static bool before_the_last(const struct segment *s, uint32_t place, uint64_t from,
                                                                   uint64_t *sequence) {
    uint64_t message = load_acquire(&s->identities[place].message, identity), position, w;
    uint32_t c;
    if (!message_cell(s, message, &c, &w) || MUTANT(durable_sequence_unentered))
        return true;
    const struct cell *cell = segment_cell(s, c);
    const struct extra *extra = segment_extra(s, c);
    if (cell_state(w) != CELL_JOURNALED || !message_is(message, w) || !(field_read(&cell->flags) & CELL_NUMBERED) ||
        extra->producer != place ||
        (durable_entered(s, c, cell_generation(w), &position) && (int64_t)(position - from) < 0))
        return true;
    uint64_t before = extra->sequence_before;
    fence_acquire();
    if (load_acquire(&cell->word, cell_word) != w)
        return false;
    *sequence = before < *sequence ? before : *sequence;
    return true;
}

/* What is read of a cell counts if its word is the same afterwards: a dump asks, too, while others go on. */
__attribute__((no_sanitize("thread"))) uint64_t ids_sequence_before(const struct segment *s, uint32_t place, uint64_t from,
                                                                    uint64_t sequence) {
    struct index_ring ring = durable_ring(s);
    if (MUTANT(durable_sequence_ahead))
        return sequence;
    for (uint64_t t = from; !ring_ends_at(&ring, t); t++) {
        uint64_t slot = load_acquire(ring_slot(&ring, t), slot);
        uint32_t c = slot_cell(slot);
        if (!segment_has_cell(s, c))
            continue;
        const struct cell *cell = segment_cell(s, c);
        uint64_t w = load_acquire(&cell->word, cell_word);
        if (!durable_waits(s, c, w) || !slot_is_of(slot, cell_generation(w)) || !(field_read(&cell->flags) & CELL_NUMBERED) ||
            segment_extra(s, c)->producer != place)
            continue;
        uint64_t before = segment_extra(s, c)->sequence_before;
        fence_acquire();
        if (load_acquire(&cell->word, cell_word) == w)
            return before;
        t--; /* it has moved on, but perhaps not yet into its lane: the same once more */
    }
    return before_the_last(s, place, from, &sequence) ? sequence : ids_sequence_before(s, place, from, sequence);
}

static bool add_live_producer(struct batch *b, const struct segment *s, uint32_t place) {
    const struct identity *e = &s->identities[place];
    uint64_t w, sequence;
    unsigned char *at;
    do {
        w = load_acquire(&e->word, identity_word);
        if (!identity_exists(w))
            return true;
    } while (!read_sequence(s, e, w, b->end, &sequence));
    sequence = ids_sequence_before(s, place, b->end, sequence);
    return sequence == 0 || say_producer(b, e, sequence, false, &at);
}

/* ---- ids of producers that were removed ---- */

bool ids_add_left(struct batch *b, const struct segment *s) {
    a64 *leaving = &s->control->journal_leaving;
    if (load_relaxed(leaving, hint) == 0)
        return true;
    store_seq_cst(leaving, 0, dirty);
    for (uint32_t i = 0; i < s->parameters.producer_ids; i++) {
        const struct identity *e = &s->identities[i];
        uint64_t w = load_acquire(&e->word, identity_word);
        unsigned char *at;
        if (identity_state(w) != IDENTITY_LEAVING)
            continue;
        if (b->left_count == LEFT_MOST || !say_producer(b, e, 0, true, &at)) {
            store_seq_cst(leaving, 1, dirty);
            return false;
        }
        b->left[b->left_count++] = (struct left){i, w};
    }
    return true;
}

void ids_settle(const struct segment *s, const struct batch *b) {
    for (uint32_t i = 0; i < b->left_count; i++) {
        uint64_t w = b->left[i].word;
        (void)cas_acq_rel(&s->identities[b->left[i].place].word, &w,
                          identity_word(IDENTITY_UNUSED, NOBODY, false, identity_generation(w)), identity_word);
    }
}

void ids_mark_left(const struct segment *s) {
    for (uint32_t i = 0; i < s->parameters.producer_ids && !MUTANT(durable_left_dies); i++)
        if (identity_state(load_acquire(&s->identities[i].word, identity_word)) == IDENTITY_LEAVING)
            store_seq_cst(&s->control->journal_leaving, 1, dirty);
}

/* ---- snapshots ---- */

/* Producers first: there are always as many. */
uint32_t ids_count(const struct segment *s) { return (uint32_t)s->parameters.producer_ids + id_table_used(s); }

bool ids_add_live(struct batch *b, const struct segment *s, uint32_t n) {
    const uint32_t producers = (uint32_t)s->parameters.producer_ids;
    return n < producers ? add_live_producer(b, s, n) : add_live_id(b, s, n - producers);
}

uint64_t ids_bytes(const struct segment *s) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->parameters.producer_ids; i++)
        if (identity_state(load_acquire(&s->identities[i].word, identity_word)) != IDENTITY_UNUSED)
            bytes += journal_record_bytes(RECORD_ID_BYTES + PRODUCER_ID_BYTES);
    for (uint32_t i = 0, used = id_table_used(s); i < used;
         i++) { /* one line of each: there may be very many, and one that changes meanwhile is in no old file */
        const struct known_id *e = &s->known_ids[i];
        const struct id_copy x = {.word = load_acquire(&e->word, known_word),
                                  .until_ns = load_acquire(&e->until_ns, known_id),
                                  .message = load_acquire(&e->message, known_id)};
        if ((id_state(x.word) == ID_PENDING || id_state(x.word) == ID_COMMITTED) && is_live(s, &x))
            bytes += journal_record_bytes(RECORD_ID_BYTES + id_bytes(x.message));
    }
    return bytes;
}
