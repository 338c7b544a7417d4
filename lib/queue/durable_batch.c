/* SPDX-License-Identifier: MIT */
#include "durable_batch.h"
#include "catch_up.h"
#include "delivery.h"
#include "durable_ids.h"
#include "durable_record.h"
#include "fanout.h"
#include "headers.h"
#include "lane.h"
#include "notes.h"
#include "pause.h"
#include "schedule.h"
#include <string.h>

/* ---- groups ---- */

/* How far a group came that began in the past. Read after what was settled: whatever was, was fed before. */
static void collect_past(const struct segment *s, unsigned index, uint64_t position, struct record_group *to) {
    const struct group *group = &s->groups[index];
    uint64_t told = load_acquire(&group->told, cursor), fed = load_acquire(&group->fed, cursor);
    to->past = fed_done(fed) ? PAST_ENDED : PAST_BEHIND;
    to->told = durable_sequence(s, fed_position(told, position));
    to->fed = durable_sequence(s, fed_position(fed, position));
    if (to->told > to->fed) /* it was removed, and its place is another's already */
        to->told = to->fed;
    if (fed_done(fed) && to->told == to->fed)
        to->past = PAST_NONE;
}

/* Once more, when all that the batch says of settlements is in it. `begun`: as batch_fill_live's fed, if the batch ends a snapshot. */
static void say_past(const struct segment *s, struct batch *b, uint64_t position, const uint64_t *begun) {
    for (uint32_t i = 0; b->past_at != NULL && i < b->group_count && !MUTANT(past_said_early); i++) {
        struct record_group now = {0};
        unsigned g = b->said[i].index;
        if (!(past_groups(s) >> g & 1) || group_known(s, g).generation != b->said[i].generation)
            continue;
        collect_past(s, g, position, &now);
        uint64_t told = begun != NULL ? durable_sequence(s, fed_position(begun[g], position)) : 0;
        if (begun != NULL && fed_is_of(begun[g], b->said[i].generation) && told >= now.told && told <= now.fed)
            now.told = told;
        record_groups_past(b->past_at, i, &now);
    }
}

static void collect_groups(const struct segment *s, struct record_groups *g, uint64_t position) {
    uint64_t paused = pause_load(s);
    *g =
        (struct record_groups){.next_id = load_relaxed(&s->control->next_id, hint), .next_sequence = durable_sequence(s, position)};
    g->paused = (paused & PAUSED_SEND ? RP_SIDE_SEND : 0) | (paused & PAUSED_RECEIVE ? RP_SIDE_RECEIVE : 0);
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1) {
        unsigned index = (unsigned)__builtin_ctz(rest);
        const struct group *group = &s->groups[index];
        struct record_group *one = &g->groups[g->count];
        *one = (struct record_group){.index = index,
                                     .overflow = (uint32_t)load_relaxed(&group->overflow, recheck),
                                     .generation = group_known(s, index).generation,
                                     .created_ns = load_relaxed(&group->created_wall_ns, recheck),
                                     .dropped = counter_read(&group->dropped),
                                     .expired = counter_read(&group->expired),
                                     .paused = paused >> index & 1};
        if (past_groups(s) >> index & 1)
            collect_past(s, index, position, one);
        group_name(s, index, one->name);
        g->count += group_name_valid(one->name); /* else it is going just now */
    }
}

static bool add_groups(struct actor *a, struct batch *b, uint64_t position) {
    const struct segment *s = a->segment;
    struct record_groups g;
    uint16_t flags = 0;
    do {
        b->groups = durable_groups_key(s);
        collect_groups(s, &g, position);
    } while (durable_groups_key(s) != b->groups);
    for (uint32_t i = 0; i < g.count; i++) {
        flags |= g.groups[i].past != PAST_NONE ? RECORD_GROUPS_PAST : 0;
        b->said[i] = (struct batch_group){g.groups[i].index, g.groups[i].generation};
    }
    unsigned char *to = journal_batch_add(&b->records, RECORD_GROUPS, flags, 0, record_groups_bytes(g.count, flags));
    if (to == NULL)
        return false;
    record_groups_write(to, flags, &g);
    b->past_at = flags & RECORD_GROUPS_PAST ? to : NULL;
    b->group_count = g.count;
    b->says_groups = true;
    return true;
}

/* ---- messages ---- */

static uint64_t to_wall(const struct segment *s, uint32_t flags, uint64_t t) {
    return flags & CELL_BY_WALL || t == UINT64_MAX ? t : t + load_relaxed(&s->control->wall_ahead_ns, hint);
}

/* The message in cell c whose word is `w`. False: there is no room. One that is damaged is left out. */
static bool add_message(struct actor *a, struct batch *b, uint32_t c, uint64_t w, uint64_t position) {
    const struct segment *s = a->segment;
    const struct cell *cell = segment_cell(s, c);
    const struct extra *extra = segment_extra(s, c);
    uint32_t flags = field_read(&cell->flags), version = flags >> 8;
    struct content parts;
    if (!content_parts(s, cell, cell->bytes, flags, &parts))
        return true;
    struct record_message m = {.id = cell->id, .sent_ns = cell->sent_wall_ns, .groups = cell_pending(w), .lane = lane_of(s, c)};
    if (cell_state(w) == CELL_JOURNALED) { /* some may be gone since its sender looked, or be others */
        uint64_t groups = groups_load(s);
        for (uint32_t rest = m.groups; rest != 0; rest &= rest - 1)
            if (!groups_same(s, groups, (unsigned)__builtin_ctz(rest), version))
                m.groups &= ~(rest & -rest);
        if (cell_pending(w) != 0) {
            m.groups = catch_up_mask(s, m.groups, position);
            if (m.groups == 0 && catch_up_behind(s) == 0)
                return true;
        }
    }
    m.flags = (flags & CELL_WAITS ? RP_DUMP_SCHEDULED : 0) | (flags & CELL_BY_WALL ? RP_DUMP_BY_WALL : 0) |
              (cell_pending(w) == 0 ? RP_DUMP_WAITING : 0) | (flags & CELL_EXPIRES ? RP_DUMP_EXPIRES : 0);
    m.due_ns = flags & CELL_WAITS ? to_wall(s, flags, field_read(&extra->due_ns)) : 0;
    m.expires_ns = flags & CELL_EXPIRES ? to_wall(s, flags, field_read(&extra->expires_ns)) : 0;
    m.data = cell->payload;
    m.bytes = parts.payload;
    m.headers = parts.headers_at > 0 ? cell->payload + parts.headers_at : NULL;
    m.header_bytes = parts.headers_at > 0 ? parts.headers : 0;
    if (s->parameters.keyed && flags & CELL_HAS_KEY) {
        m.flags |= RP_DUMP_KEYED;
        m.key = extra->key;
        m.key_bytes = extra->key_bytes < KEY_BYTES ? extra->key_bytes : KEY_BYTES;
    }
    const struct journal_batch before = b->records;
    const bool for_nobody = m.groups == 0 && cell_pending(w) != 0;
    unsigned char *to = journal_batch_add(&b->records, RECORD_MESSAGE, for_nobody ? RECORD_MESSAGE_FOR_NOBODY : 0,
                                          durable_sequence(s, position), record_message_bytes(&m));
    if (to == NULL)
        return false;
    record_message_write(to, &m);
    if (!record_message_read(to, record_message_bytes(&m), &m)) /* damage: one such record would keep all others from being read */
        b->records = before;
    return true;
}

/* What the ring holds at position t. False: there is no room. */
static bool add_entry(struct actor *a, struct batch *b, uint64_t t, uint64_t slot) {
    const struct segment *s = a->segment;
    uint32_t c = slot_cell(slot);
    if (!segment_has_cell(s, c))
        return true;
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word), generation = cell_generation(w);
    if (cell_state(w) != CELL_JOURNALED || !slot_is_of(slot, generation) ||
        load_acquire(&segment_extra(s, c)->journal, journal) != position_word(generation, 0, t))
        return true;
    const struct journal_batch before = b->records;
    if (add_message(a, b, c, w, t) && ids_add(b, s, c, w)) /* the ids also of one whose groups are gone */
        return true;
    b->records = before;
    return false;
}

static void add_messages(struct actor *a, struct batch *b, uint64_t end) {
    const struct segment *s = a->segment;
    struct index_ring ring = durable_ring(s);
    for (; b->end != end; b->end++) {
        uint64_t ahead = load_relaxed(ring_slot(&ring, b->end + 8), hint);
        if (slot_cell(ahead) < s->layout.cell_count)
            prefetch_read(segment_cell(s, slot_cell(ahead)));
        if (!add_entry(a, b, b->end, load_acquire(ring_slot(&ring, b->end), slot))) {
            b->more = true;
            return;
        }
    }
}

/* ---- what became of messages ---- */

/* Where the message stands in a group that has taken it, by the word d. False: there is no room. */
static bool add_delivery(struct actor *a, struct batch *b, unsigned group, uint32_t c, uint64_t d, uint64_t w, uint64_t position) {
    static const uint32_t states[] = {[DELIVERY_LEASED] = RP_STATE_LEASED,
                                      [DELIVERY_RETURNED] = RP_STATE_READY,
                                      [DELIVERY_DELAYED] = RP_STATE_DELAYED,
                                      [DELIVERY_DEAD] = RP_STATE_DEAD};
    const struct segment *s = a->segment;
    struct record_delivery r = {.delivery = {.group = group, .state = states[delivery_state(d)]}, .of = cell_pending(w)};
    if (!delivery_leaves(d)) {
        uint64_t time = load_acquire(time_at(s, group, c), time),
                 p = load_acquire(&segment_delivery(s, group, c)->position, position);
        if (r.delivery.state == RP_STATE_DELAYED && stamp_is_of(time, delivery_hold(d)) && stamp_value(time) < TIME_NEVER)
            r.delivery.due_ns = stamp_value(time) * 1000000 + load_relaxed(&s->control->wall_ahead_ns, hint);
        notes_read(s, group, c, delivery_hold(d), &r.delivery.letter);
        if (entry_stamp_is_of(p, delivery_hold(d)))
            r.delivery.turn = stamp_value(p) | UINT64_C(1) << 40;
        if (r.delivery.state != RP_STATE_DEAD)
            r.delivery.letter.reason = 0;
    }
    const struct journal_batch before = b->records;
    unsigned char *to =
        journal_batch_add(&b->records, RECORD_DELIVERY, 0, durable_sequence(s, position), record_delivery_bytes(&r));
    if (to == NULL)
        return false;
    record_delivery_write(to, &r);
    if (!record_delivery_read(to, record_delivery_bytes(&r), &r))
        b->records = before;
    return true;
}

/* `done`: groups that have no more use for the message; of those `gone` have left it. */
static bool add_settled(struct actor *a, struct batch *b, uint32_t c, uint64_t w, uint32_t done, uint32_t gone, uint64_t position) {
    const struct segment *s = a->segment;
    unsigned char *to =
        b->settled_count < SETTLED_MOST ? journal_batch_add(&b->records, RECORD_SETTLED, 0, 0, RECORD_SETTLED_BYTES) : NULL;
    if (to == NULL)
        return false;
    bool cancelled = cell_state(w) == CELL_DELAYED;
    record_settled_write(to, &(struct record_settled){.sequence = durable_sequence(s, position),
                                                      .groups = cancelled ? RECORD_ALL_GROUPS : done,
                                                      .of = cell_pending(w)});
    if (gone != 0 || cancelled)
        b->settled[b->settled_count++] = (struct settled){c, gone, cell_generation(w), cancelled};
    return true;
}

static bool add_parts(struct actor *a, struct batch *b, uint32_t c, bool whole) {
    const struct segment *s = a->segment;
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word), position = durable_position(s, c);
    if (cell_state(w) == CELL_DELAYED) {
        if (cell_owner(w) == LEAVING)
            return add_settled(a, b, c, w, 0, 0, position);
        return !whole || add_message(a, b, c, w, position);
    }
    if (cell_state(w) ==
        CELL_JOURNALED) { /* below the point, if it is in the ring already: else the position is that of the cell's message before */
        bool entered = durable_entered(s, c, cell_generation(w), &position);
        return !whole || !entered || MUTANT(durable_snapshot_moved_only) || (int64_t)(position - b->end) >= 0 ||
               add_message(a, b, c, w, position);
    }
    if (!cell_is_published(w))
        return true;
    if (whole && !add_message(a, b, c, w, position))
        return false;
    uint32_t done = 0, gone = 0, active = groups_active(s, groups_load(s));
    bool taken_by_some = false,
         again = s->parameters.keyed && !position_is_of(load_acquire(&segment_extra(s, c)->journal, journal), cell_generation(w));
    for (uint32_t rest = cell_pending(w); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        if (g >= s->parameters.max_groups)
            break;
        uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
        if (!taken(d, w) && again) /* a letter that was redriven is another message for its cell: nothing more is said of it */
            d = delivery_of_hold(DELIVERY_RETURNED, LEAVING, NOBODY, NOBODY, hold_returned(hold_make(cell_generation(w), 0)));
        else if (!taken(d, w))
            continue;
        if (delivery_state(d) == DELIVERY_SETTLED || (MUTANT(durable_limbo_goes) && delivery_state(d) == DELIVERY_LIMBO))
            gone |= UINT32_C(1) << g;
        if (delivery_state(d) == DELIVERY_SETTLED || delivery_state(d) == DELIVERY_LIMBO)
            done |= UINT32_C(1) << g;
        else if (delivery_state(d) <= DELIVERY_DEAD && delivery_seq(d) > 0 && active >> g & 1) {
            taken_by_some = true;
            if (!add_delivery(a, b, g, c, d, w, position))
                return false;
        }
    }
    bool went =
        !whole && !taken_by_some && field_read(&segment_cell(s, c)->flags) & CELL_WAITS; /* its time came: for which groups */
    return (done == 0 && !went) || add_settled(a, b, c, w, done, gone, position);
}

/* All that is to be said of the message in cell c; `whole`: and the message. All of it or nothing: a record of the message takes back what was said of it before. False: there is no room. */
static bool add_state(struct actor *a, struct batch *b, uint32_t c, bool whole) {
    const struct journal_batch records = b->records;
    const uint32_t settled = b->settled_count;
    if (add_parts(a, b, c, whole))
        return true;
    b->records = records;
    b->settled_count = settled;
    return false;
}

/* What was marked. False: there is no room for all. */
static bool add_marked(struct actor *a, struct batch *b) {
    const struct segment *s = a->segment;
    if (load_relaxed(&s->control->journal_marked, hint) == 0)
        return true;
    /* Sequentially consistent: who marks sets the bit, then looks here; we do it the other way round. */
    if (!MUTANT(durable_marked_late))
        store_seq_cst(&s->control->journal_marked, 0, dirty);
    for (uint32_t i = 0; i < s->layout.bitmap_words; i++) {
        if (load_seq_cst(&s->journal_dirty[i], dirty) == 0)
            continue;
        uint64_t marked = fetch_and_acq_rel(&s->journal_dirty[i], 0, dirty);
        for (; marked != 0; marked &= marked - 1) {
            uint32_t c = 64 * i + (uint32_t)__builtin_ctzll(marked);
            if (!segment_has_cell(s, c))
                continue;
            if (b->mark_count < MARKS_MOST && add_state(a, b, c, false)) {
                b->marks[b->mark_count++] = c;
                continue;
            }
            if (!MUTANT(durable_no_room_forgotten))
                (void)fetch_or_acq_rel(&s->journal_dirty[i], marked, dirty);
            store_seq_cst(&s->control->journal_marked, 1, dirty);
            return false;
        }
    }
    if (MUTANT(durable_marked_late))
        store_seq_cst(&s->control->journal_marked, 0, dirty);
    return true;
}

/* ---- a batch ---- */

/* `needed`: the groups are to be said in any case. */
static bool begin(struct actor *a, struct batch *b, uint64_t position, bool needed) {
    b->end = position;
    b->producer_at = b->past_at = NULL;
    b->settled_count = b->mark_count = b->left_count = 0;
    b->says_groups = b->more = false;
    return !(needed || catch_up_untold(a->segment) != 0) || add_groups(a, b, position);
}

/*
 * Have the groups changed since it was said what they are? One that began in the past since then may have settled something already, which nobody who reads this would know what to do with: all that the batch has is put in once more.
 */
static bool begins_anew(const struct segment *s, struct batch *b, const struct journal_batch *empty) {
    bool same = b->says_groups ? b->groups == durable_groups_key(s) : durable_said_groups(s);
    if (same || past_groups(s) == 0 || MUTANT(past_settles_unsaid))
        return false;
    batch_mark_again(s, b);
    b->records = *empty;
    return true;
}

bool batch_fill(struct actor *a, struct batch *b, uint64_t position, bool first) {
    const struct segment *s = a->segment;
    struct index_ring ring = durable_ring(s);
    /* The end of the ring before the groups: what was sent for a group comes after what says that there is one. */
    uint64_t end = position;
    while (!MUTANT(durable_end_last) && !ring_ends_at(&ring, end))
        end++;
    bool needed = first || !durable_said_groups(s);
    const struct journal_batch empty = b->records;
    do {
        if (!begin(a, b, position, needed)) {
            b->more = true;
            return b->records.records > 0;
        }
        while (MUTANT(durable_end_last) && !ring_ends_at(&ring, end))
            end++;
        b->more = !ids_add_left(b, s);
        b->more = !add_marked(a, b) || b->more;
    } while (begins_anew(s, b, &empty) && (needed = true));
    say_past(s, b, position, NULL);
    add_messages(a, b, end);
    return b->records.records > (b->says_groups && !needed) || b->end != position;
}

static bool say_snapshot(struct batch *b, uint16_t ends) {
    return journal_batch_add(&b->records, RECORD_SNAPSHOT, ends, 0, 0) != NULL;
}

bool batch_fill_live(struct actor *a, struct batch *b, uint64_t position, bool first, bool begins, const uint64_t *fed, uint32_t *next) {
    const struct segment *s = a->segment;
    const uint32_t cells = s->layout.cell_count, all = cells + ids_count(s), from = *next;
    const struct journal_batch empty = b->records;
    do {
        *next = from;
        if (!begin(a, b, position, first || !durable_said_groups(s)) || (begins && !say_snapshot(b, 0)))
            return false;
        while (*next < all && (*next < cells ? add_state(a, b, *next, true) : ids_add_live(b, s, *next - cells)))
            ++*next;
    } while (begins_anew(s, b, &empty));
    bool ends = *next >= all && say_snapshot(b, 1);
    say_past(s, b, position, ends ? fed : NULL);
    return ends;
}

void batch_settle(struct actor *a, const struct batch *b) {
    ids_settle(a->segment, b);
    for (uint32_t i = 0; i < b->settled_count; i++) {
        const struct settled *x = &b->settled[i];
        if (x->cancelled)
            schedule_end_cancelled(a, x->cell, x->generation);
        for (uint32_t rest = x->groups; rest != 0; rest &= rest - 1)
            (void)settle_recorded(a, (unsigned)__builtin_ctz(rest), x->cell, (uint32_t)(x->generation & 0x7fffff));
    }
}

void batch_mark_again(const struct segment *s, const struct batch *b) {
    ids_mark_left(s);
    for (uint32_t i = 0; i < b->mark_count; i++)
        durable_mark(s, b->marks[i]);
}

void batch_mark_all(const struct segment *s) {
    ids_mark_left(s);
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        if (cell_is_published(w) || cell_state(w) == CELL_DELAYED)
            durable_mark(s, c);
    }
}
