/* SPDX-License-Identifier: MIT */
#include "past_books.h"

#include "catch_up.h"
#include "disk.h"
#include "error.h"
#include <ringpost/journal.h>

static bool read_all(rp_journal_reader *r) {
    struct rp_journal_message m;
    int result;
    while ((result = rp_journal_reader_next(r, &m)) == 0 || result == RP_LAPPED) {
        uint32_t n = result == 0 ? books_whose(m.data, m.bytes) : 0;
        if (n == 0)
            continue;
        struct book_message *b = &books->messages[n];
        if (b->in_files)
            books_wrong("message %u is in the journal twice", n);
        b->in_files = true;
        b->sequence = m.sequence;
        b->sent_ns = m.sent_ns;
    }
    if (result != RP_EMPTY && !disk_is_off())
        books_wrong("the journal cannot be read: %s", rp_error_detail());
    return result == RP_EMPTY;
}

bool past_books_look(void) {
    rp_journal_reader *r;
    for (uint32_t n = 1; n <= books->sent; n++)
        books->messages[n].in_files = false;
    disk_look(true);
    int result = rp_journal_reader_open(DISK_PATH, 0, &r);
    if (result < 0 && !disk_is_off())
        books_wrong("the journal cannot be opened: %s", rp_error_detail());
    bool all = result == 0 && read_all(r);
    if (result == 0)
        rp_journal_reader_close(r);
    disk_look(false);
    return all;
}

void past_books_choose(struct rp_group_options *o) {
    uint32_t n = books->sent == 0 ? 0 : 1 + books_roll(books->sent), how = books_roll(3);
    const struct book_message *m = &books->messages[n];
    o->start = RP_START_OLDEST;
    /* What somebody has written who was stopped then counts for nobody yet. */
    if (n == 0 || !m->in_files || !(m->returned || m->safe) || how == 0)
        return;
    o->start = how == 1 ? RP_START_SEQUENCE : RP_START_TIME;
    o->start_at = how == 1 ? m->sequence : m->sent_ns;
}

/* The sequence of the first message that the group gets of those that are there. */
static uint64_t first_of(const struct rp_group_options *o) {
    uint64_t first = UINT64_MAX;
    for (uint32_t n = 1; n <= books->sent; n++) {
        const struct book_message *m = &books->messages[n];
        bool fits = o->start == RP_START_OLDEST || (o->start == RP_START_SEQUENCE ? m->sequence : m->sent_ns) >= o->start_at;
        if (m->in_files && fits && m->sequence < first)
            first = m->sequence;
    }
    return first;
}

void past_books_begin(unsigned g, const struct rp_group_options *o) {
    const uint64_t first = first_of(o);
    for (uint32_t n = 1; n <= books->sent; n++) {
        const struct book_message *m = &books->messages[n];
        struct book_state *s = &books->messages[n].of[g];
        if (m->delayed)
            continue; /* as for others: it comes when its time does */
        if (m->in_files && m->sequence >= first) {
            s->may = m->safe ? STATE_LIVE : STATE_LIVE | STATE_GONE;
            s->now = m->safe || (m->returned && !books->faulty) ? STATE_LIVE : 0;
        } else if (m->in_files || m->sequence != 0) {
            s->may = s->now = STATE_GONE;
        } else { /* perhaps it is written later */
            s->may = STATE_LIVE | STATE_GONE;
            s->now = 0;
        }
    }
}

void past_books_list(rp_queue *q, uint32_t index, unsigned g, uint8_t *found) {
    const struct segment *s = &q->segment;
    if (!(past_groups(s) >> index & 1))
        return;
    const uint64_t fed = load_acquire(&s->groups[index].fed, cursor);
    const uint64_t from = durable_sequence(s, fed_position(fed, load_acquire(&s->control->journal_moved, hints)));
    if (fed_done(fed))
        return;
    for (uint32_t n = 1; n <= books->sent; n++) {
        const struct book_message *m = &books->messages[n];
        if (!m->in_files || m->delayed || m->sequence < from)
            continue;
        if (found[n] != STATE_GONE)
            books_wrong("message %u is there in group %u, which was not fed it", n, g);
        found[n] = STATE_LIVE;
    }
}
