/* SPDX-License-Identifier: MIT */
#include "fold.h"
#include "clock.h"
#include "error.h"
#include <errno.h>
#include <stdlib.h>

#define NUMBER_MOST (UINT64_MAX / 4) /* of messages: ids and sequences */

/* ---- what is wrong ---- */

static int wrong(const struct fold *f, const struct journal_record *r, int result, const char *what) {
    return fail(result, "journal '%.100s': file %016llx, byte %llu, record of type %u, sequence %llu: %s", f->path,
                (unsigned long long)r->file, (unsigned long long)r->at, r->type, (unsigned long long)r->sequence, what);
}
static int damaged(const struct fold *f, const struct journal_record *r, const char *what) { return wrong(f, r, RP_CORRUPT, what); }
static int no_memory(const struct fold *f) {
    return fail(-ENOMEM, "journal '%.100s': no memory for its %zu messages", f->path, f->into->live.count);
}

static bool sequence_seen(struct fold *f, uint64_t sequence) {
    if (sequence >= f->next_sequence)
        f->next_sequence = sequence + 1;
    return sequence > 0 && sequence < NUMBER_MOST;
}

/* ---- groups ---- */

static struct record_group *group_in(struct record_groups *g, uint32_t index) {
    for (uint32_t i = 0; i < g->count; i++)
        if (g->groups[i].index == index)
            return &g->groups[i];
    return NULL;
}

uint32_t fold_fed_to(const struct fold *f, uint64_t sequence) {
    uint32_t groups = 0;
    for (uint32_t i = 0; i < f->groups.count; i++) {
        const struct record_group *g = &f->groups.groups[i];
        if (g->past != PAST_NONE && sequence >= g->told && sequence < g->fed)
            groups |= UINT32_C(1) << g->index;
    }
    return groups;
}

/* What is aside counts for groups that are the same, and as far as it is not told. */
static void forget_aside(struct fold *f, uint32_t gone) {
    struct live_message *m;
    bool moved = gone != 0;
    for (uint32_t i = 0; i < f->groups.count; i++) {
        const struct record_group *g = &f->groups.groups[i];
        moved = moved || (g->past != PAST_NONE && g->told != f->told_to[g->index]);
        f->told_to[g->index] = g->told;
    }
    for (size_t at = 0; moved && (m = live_next(&f->aside, &at)) != NULL;) {
        uint32_t keep = fold_fed_to(f, m->sequence) & ~gone;
        m->pending &= keep;
        live_undeliver(m, ~keep);
        if (m->pending != 0 || m->deliveries != NULL)
            at++;
        else
            live_drop(&f->aside, m);
    }
}

static struct live_message *aside(struct fold *f, uint64_t sequence) {
    struct live_message *m = live_find(&f->aside, sequence);
    return m != NULL ? m : live_put(&f->aside, sequence, "", 0);
}

static void forget_groups(struct live *l, uint32_t gone) {
    struct live_message *m;
    for (size_t at = 0; gone != 0 && (m = live_next(l, &at)) != NULL;) {
        bool waits = m->pending == 0;
        m->pending &= ~gone;
        live_undeliver(m, gone); /* another group in its place may be fed the message */
        if (waits || m->pending != 0)
            at++;
        else
            live_drop(l, m);
    }
}

static int fold_groups(struct fold *f, const struct journal_record *r) {
    struct record_groups now;
    uint32_t gone = 0;
    if (!record_groups_read(r->payload, r->bytes, r->flags, &now))
        return damaged(f, r, "its groups cannot be");
    if (now.next_id > NUMBER_MOST || now.next_sequence > NUMBER_MOST)
        return damaged(f, r, "the next message cannot be");
    for (uint32_t i = 0; i < f->groups.count; i++) {
        const struct record_group *before = &f->groups.groups[i];
        struct record_group *same = group_in(&now, before->index);
        if (same == NULL || same->generation != before->generation)
            gone |= UINT32_C(1) << before->index;
        else if (same->told < before->told) /* a writer died before he could say that his snapshot had its end */
            same->told = before->told < same->fed ? before->told : same->fed;
    }
    forget_groups(&f->told.live, gone);
    forget_groups(&f->snapshot.live, gone);
    f->groups = now;
    forget_aside(f, gone);
    f->file = r->file;
    f->mask = 0;
    for (uint32_t i = 0; i < now.count; i++) {
        uint64_t *highest = &f->generations[now.groups[i].index];
        *highest = *highest > now.groups[i].generation ? *highest : now.groups[i].generation;
        if (now.groups[i].fed > f->next_sequence) /* or it would not get the next messages */
            f->next_sequence = now.groups[i].fed;
        f->mask |= UINT32_C(1) << now.groups[i].index;
    }
    f->next_id = f->next_id > now.next_id ? f->next_id : now.next_id;
    f->next_sequence = f->next_sequence > now.next_sequence ? f->next_sequence : now.next_sequence;
    return 0;
}

/* ---- messages ---- */

static int fold_message(struct fold *f, const struct journal_record *r) {
    struct record_message m;
    if (!sequence_seen(f, r->sequence) || !record_message_read(r->payload, r->bytes, &m) || m.id > NUMBER_MOST)
        return damaged(f, r, "no message can be like this");
    f->next_id = f->next_id > m.id ? f->next_id : m.id + 1;
    f->messages++;
    const uint32_t pending = m.groups & f->mask;
    struct live_message *live = live_find(&f->into->live, r->sequence);
    if (live != NULL && live->pending != 0 &&
        f->into == &f->snapshot) { /* it was fed to a group beside those that it was sent for; that may be gone */
        live->pending |= pending;
        return 0;
    }
    if (pending == 0 && !(m.flags & RP_DUMP_WAITING)) {
        if (live != NULL)
            live_drop(&f->into->live, live);
        return 0;
    }
    live = live_put(&f->into->live, r->sequence, r->payload, (uint32_t)r->bytes);
    if (live == NULL)
        return no_memory(f);
    live->pending = pending;
    return 0;
}

/* If it waited, it went to these groups when its time came; `done` of them do not need it any more. */
static void go_on(struct fold *f, struct live_message *m, uint32_t of, uint32_t done) {
    if (m->pending == 0)
        m->pending = of & f->mask;
    m->pending &= ~done;
    if (m->pending == 0)
        live_drop(&f->into->live, m);
}

static int fold_settled(struct fold *f, const struct journal_record *r) {
    const unsigned char *at = r->payload;
    if (r->bytes % RECORD_SETTLED_BYTES != 0)
        return damaged(f, r, "it ends in the middle of a message");
    for (size_t i = 0; i < r->bytes; i += RECORD_SETTLED_BYTES) {
        struct record_settled s;
        record_settled_read(at + i, &s);
        if (!sequence_seen(f, s.sequence) || (s.groups | s.of) > RECORD_ALL_GROUPS)
            return damaged(f, r, "no message can have been settled like this");
        struct live_message *m = live_find(&f->into->live, s.sequence);
        uint32_t fed = s.groups != RECORD_ALL_GROUPS ? fold_fed_to(f, s.sequence) & s.groups : 0;
        struct live_message *beside = fed != 0 ? aside(f, s.sequence) : NULL;
        if (fed != 0 && beside == NULL)
            return no_memory(f);
        if (beside != NULL)
            beside->pending |= fed;
        bool waits = m != NULL && m->pending == 0 && s.of == 0 && s.groups != RECORD_ALL_GROUPS;
        if (m != NULL && !waits)
            go_on(f, m, s.of, s.groups);
    }
    return 0;
}

static int fold_delivery(struct fold *f, const struct journal_record *r) {
    struct record_delivery d;
    if (!sequence_seen(f, r->sequence) || !record_delivery_read(r->payload, r->bytes, &d))
        return damaged(f, r, "no delivery can be like this");
    struct live_message *m = live_find(&f->into->live, r->sequence);
    if (m != NULL && m->pending == 0 && d.of != 0)
        go_on(f, m, d.of, 0);
    m = live_find(&f->into->live, r->sequence);
    if (m == NULL || !(m->pending >> d.delivery.group & 1)) {
        if (!(fold_fed_to(f, r->sequence) >> d.delivery.group & 1))
            return 0;
        m = aside(f, r->sequence);
    }
    if (m == NULL)
        return no_memory(f);
    return live_deliver(m, d.delivery.group, r->payload, (uint32_t)r->bytes) < 0 ? no_memory(f) : 0;
}

/* ---- ids ---- */

static int no_memory_for_ids(const struct fold *f) {
    return fail(-ENOMEM, "journal '%.100s': no memory for its %zu ids", f->path, f->into->ids.count + f->into->producers.count);
}

static int fold_id(struct fold *f, const struct journal_record *r) {
    struct record_id id;
    if (!record_id_read(r->payload, r->bytes, KNOWN_ID_BYTES, &id) || id.number == 0 || id.number > NUMBER_MOST)
        return damaged(f, r, "no message can have been sent under an id like this");
    if (id.time_ns <= f->now_ns)
        return 0;
    struct named_id *e = named_put(&f->into->ids, &id);
    if (e == NULL)
        return no_memory_for_ids(f);
    if (e->gone || e->time_ns < id.time_ns) {
        e->number = id.number;
        e->time_ns = id.time_ns;
        e->gone = false;
    }
    return 0;
}

static int fold_producer(struct fold *f, const struct journal_record *r) {
    struct record_id id;
    const bool leaves = r->flags != 0;
    if (!record_id_read(r->payload, r->bytes, PRODUCER_ID_BYTES, &id) || leaves != (id.number == 0))
        return damaged(f, r, "no producer can be like this");
    struct named_id *e = named_put(&f->into->producers, &id);
    if (e == NULL)
        return no_memory_for_ids(f);
    if (leaves) {
        e->gone = e->gone || e->time_ns == id.time_ns;
        return 0;
    }
    e->number = id.number;
    e->time_ns = id.time_ns;
    e->gone = false;
    return 0;
}

/* ---- snapshots ---- */

static void told_close(struct told *t) {
    live_close(&t->live);
    named_close(&t->ids);
    named_close(&t->producers);
}

/* One that was begun and not ended is begun anew by whoever writes next. An end alone: the file with its begin is gone, as all before, since nothing in them is needed. */
static int fold_snapshot(struct fold *f, const struct journal_record *r) {
    const bool ends = r->flags != 0;
    if (r->bytes != 0)
        return damaged(f, r, "a snapshot has no payload");
    if (ends && f->into == &f->told)
        return 0;
    told_close(ends ? &f->told : &f->snapshot);
    if (ends)
        f->told = f->snapshot;
    f->into = ends ? &f->told : &f->snapshot;
    f->snapshot = (struct told){.ids.count = 0};
    return live_open(&f->snapshot.live) < 0 ? no_memory(f) : 0;
}

/* ---- all ---- */

int fold_record(struct fold *f, const struct journal_record *r) {
    const bool has_flag = r->type <= RECORD_MESSAGE || r->type == RECORD_SNAPSHOT || r->type == RECORD_PRODUCER;
    if (r->type < RECORD_GROUPS || r->type > RECORD_PRODUCER || r->flags > has_flag)
        return wrong(f, r, RP_INCOMPATIBLE, "this library does not know such a record");
    if (r->type != RECORD_GROUPS && r->file != f->file)
        return damaged(f, r, "the file does not begin with its groups");
    switch (r->type) {
    case RECORD_GROUPS: return fold_groups(f, r);
    case RECORD_MESSAGE: return fold_message(f, r);
    case RECORD_SETTLED: return fold_settled(f, r);
    case RECORD_DELIVERY: return fold_delivery(f, r);
    case RECORD_ID: return fold_id(f, r);
    case RECORD_PRODUCER: return fold_producer(f, r);
    default: return fold_snapshot(f, r);
    }
}

static int read_all(struct fold *f, struct journal_reader *reader) {
    struct journal_record record;
    int result;
    while ((result = journal_reader_next(reader, &record)) == JOURNAL_RECORD)
        if ((result = fold_record(f, &record)) < 0)
            return result;
    f->stop = *journal_reader_stop(reader);
    if (result == JOURNAL_DAMAGED)
        return fail(RP_CORRUPT, "%s", rp_error_detail());
    return result < 0 ? result : 0;
}

int fold_journal(struct fold *f, const struct journal_dir *d) {
    struct journal_reader *reader;
    uint64_t *numbers;
    size_t count;
    *f = (struct fold){.path = d->path, .next_sequence = 1, .next_id = 1, .now_ns = clock_wall_ns()};
    f->into = &f->told;
    int result = live_open(&f->told.live) < 0 || live_open(&f->snapshot.live) < 0 || live_open(&f->aside) < 0 ? no_memory(f) : 0;
    if (result < 0)
        return result;
    if ((result = journal_dir_list(d, &numbers, &count)) < 0)
        return result;
    f->oldest = count > 0 ? numbers[0] : 0;
    free(numbers);
    if ((result = journal_reader_open(&reader, d, 0)) < 0)
        return result;
    result = read_all(f, reader);
    journal_reader_close(reader);
    if (result == 0 && f->file == 0 && f->stop.needed > 1) /* files go only when a later one says what groups there are */
        return fail(RP_CORRUPT, "journal '%.100s': files before %016llx are gone, and no later one says what groups there are",
                    d->path, (unsigned long long)f->stop.needed);
    return result;
}

void fold_close(struct fold *f) {
    told_close(&f->told);
    told_close(&f->snapshot);
    live_close(&f->aside);
}
