/* SPDX-License-Identifier: MIT */
/* A journal that a durable queue might have written, record by record, and the queue that comes of it. */
#ifndef SUPPORT_REPLAY_FIXTURE_H
#define SUPPORT_REPLAY_FIXTURE_H

#include "fixture.h"

#include "durable_record.h"
#include "journal_reader.h"
#include "scratch.h"
#include <errno.h>
#include <stdlib.h>

enum { JOURNAL_FILE = 64 << 10, JOURNAL_ROOM = 48 << 10, SEQUENCE = 100 };

struct journal {
    struct scratch scratch;
    struct journal_dir dir;
    struct journal_file file;
    struct journal_point at;
    struct journal_batch batch;
    unsigned char *buffer;
    uint64_t needed; /* what the next file says */
};

static inline struct rp_queue_options durable_options(const struct journal *x) {
    struct rp_queue_options o = test_options();
    o.journal = x->scratch.path;
    o.sync = RP_SYNC_NONE;
    o.journal_file_bytes = JOURNAL_FILE;
    return o;
}

static inline uint64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static inline void journal_begin(struct journal *x) {
    memset(x, 0, sizeof *x);
    assert_int_equal(scratch_create(&x->scratch), 0);
    snprintf(queue_name, sizeof queue_name, "test.%s.%d", program_invocation_short_name, (int)getpid());
    rp_queue_unlink(queue_name);
    succeeds(journal_dir_create(x->scratch.path, queue_name, &x->dir));
    x->buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, JOURNAL_ROOM);
    assert_non_null(x->buffer);
    journal_batch_begin(&x->batch, x->buffer, JOURNAL_ROOM);
}

static inline void journal_remove(const struct scratch *s) {
    struct scratch inner;
    snprintf(inner.directory, sizeof inner.directory, "%.63s", s->path);
    scratch_destroy(&inner);
    scratch_destroy(s);
}

static inline void journal_end(struct journal *x) {
    if (x->file.number != 0)
        journal_file_close(&x->file);
    journal_dir_close(&x->dir);
    free(x->buffer);
    journal_remove(&x->scratch);
}

/* A test that failed in its middle leaves nothing behind. */
static inline int remove_all(void **state) {
    struct scratch s;
    if (scratch_create(&s) < 0)
        journal_remove(&s);
    else
        scratch_destroy(&s);
    return unlink_queue(state);
}
#define REPLAY_TEST(body) cmocka_unit_test_teardown(body, remove_all)

/* What was added is in the journal. */
static inline void commit(struct journal *x) {
    if (x->batch.records == 0)
        return;
    succeeds(journal_file_write(&x->file, &x->at, &x->batch));
    succeeds(journal_file_sync(&x->file, &x->at));
    journal_batch_begin(&x->batch, x->buffer, JOURNAL_ROOM);
}

static inline void next_file(struct journal *x, uint64_t first_sequence) {
    if (x->file.number != 0) {
        commit(x);
        journal_file_close(&x->file);
    }
    struct journal_file_options o = {.number = x->file.number + 1,
                                     .first_sequence = first_sequence,
                                     .bytes = JOURNAL_FILE,
                                     .previous = x->file.number ? &x->at : NULL,
                                     .after = x->file.number ? &x->file : NULL,
                                     .needed = x->needed};
    succeeds(journal_file_create(&x->dir, &o, JOURNAL_WRITE, &x->file));
    x->at = journal_file_begin(&x->file);
}

static inline void *add(struct journal *x, uint16_t type, uint16_t flags, uint64_t sequence, size_t bytes) {
    void *payload = journal_batch_add(&x->batch, type, flags, sequence, bytes);
    if (payload == NULL) {
        commit(x);
        payload = journal_batch_add(&x->batch, type, flags, sequence, bytes);
    }
    assert_non_null(payload);
    return payload;
}

/* ---- records ---- */

static inline void add_groups(struct journal *x, const struct record_groups *g) {
    uint16_t flags = 0;
    for (uint32_t i = 0; i < g->count; i++)
        flags |= g->groups[i].past != PAST_NONE ? RECORD_GROUPS_PAST : 0;
    record_groups_write(add(x, RECORD_GROUPS, flags, 0, record_groups_bytes(g->count, flags)), flags, g);
}

/* Groups a, b, ...: the generation of each place, 0: there is none. */
static inline void add_generations(struct journal *x, const uint64_t *generations, uint32_t places) {
    struct record_groups g = {.next_id = 1, .next_sequence = 1};
    for (uint32_t i = 0; i < places; i++)
        if (generations[i] != 0)
            g.groups[g.count++] =
                (struct record_group){.index = i, .generation = generations[i], .created_ns = 5, .name = {(char)('a' + i)}};
    add_groups(x, &g);
}
#define add_places(x, ...) \
    add_generations((x), (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static inline void add_full_message(struct journal *x, uint64_t sequence, const struct record_message *m) {
    record_message_write(add(x, RECORD_MESSAGE, 0, sequence, record_message_bytes(m)), m);
}
/* Its id is that behind its sequence. */
static inline void add_message(struct journal *x, uint64_t sequence, uint32_t groups, const char *text) {
    const struct record_message m = {.id = sequence + 1,
                                     .sent_ns = wall_ns(),
                                     .groups = groups,
                                     .data = (const unsigned char *)text,
                                     .bytes = (uint32_t)strlen(text) + 1};
    add_full_message(x, sequence, &m);
}
static inline void add_waiting(struct journal *x, uint64_t sequence, uint64_t due_ns, const char *text) {
    const struct record_message m = {.id = sequence + 1,
                                     .sent_ns = wall_ns(),
                                     .due_ns = due_ns,
                                     .flags = RP_DUMP_WAITING | RP_DUMP_SCHEDULED | RP_DUMP_BY_WALL,
                                     .data = (const unsigned char *)text,
                                     .bytes = (uint32_t)strlen(text) + 1};
    add_full_message(x, sequence, &m);
}
static inline void add_settled(struct journal *x, uint64_t sequence, uint32_t groups, uint32_t of) {
    record_settled_write(add(x, RECORD_SETTLED, 0, 0, RECORD_SETTLED_BYTES), &(struct record_settled){sequence, groups, of});
}
static inline void add_delivery(struct journal *x, uint64_t sequence, const struct record_delivery *d) {
    record_delivery_write(add(x, RECORD_DELIVERY, 0, sequence, record_delivery_bytes(d)), d);
}
static inline void add_snapshot(struct journal *x, bool end) { (void)add(x, RECORD_SNAPSHOT, end, 0, 0); }

/* ---- the queue ---- */

/* Who wrote the journal is gone, and its queue comes back. -> the result */
static inline int try_bring_back(struct journal *x, const struct rp_queue_options *o, rp_queue **q) {
    commit(x);
    return rp_queue_create(queue_name, o, q);
}
static inline rp_queue *bring_back_queue(struct journal *x) {
    struct rp_queue_options o = durable_options(x);
    rp_queue *q = NULL;
    o.max_groups = 6;
    succeeds(try_bring_back(x, &o, &q));
    audit_is_clean(q);
    return q;
}

static inline rp_consumer *consumer_of(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    rp_consumer *c = NULL;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

/* Takes all that the group has: "one two ", in the order of receiving. */
static inline void has(rp_queue *q, const char *group, const char *texts) {
    rp_consumer *c = consumer_of(q, group);
    struct rp_message m;
    char got[1024] = "";
    while (rp_receive(c, &m, 0) == 0) {
        strncat(strncat(got, m.data, 64), " ", 2);
        succeeds(rp_ack(c, &m));
    }
    assert_string_equal(got, texts);
    rp_consumer_close(c);
}

#endif
