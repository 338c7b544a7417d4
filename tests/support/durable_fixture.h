/* SPDX-License-Identifier: MIT */
/* A durable queue of the test's own, its journal in a directory for it alone, and a picture of all that must survive when what is in memory goes. */
#ifndef SUPPORT_DURABLE_FIXTURE_H
#define SUPPORT_DURABLE_FIXTURE_H

#include "fixture.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SMALL_FILE = 64 << 10 };

static char journal_path[80];

static inline void make_journal_in(const char *parent) {
    snprintf(journal_path, sizeof journal_path, "%.48s/ringpost-test-XXXXXX", parent);
    assert_non_null(mkdtemp(journal_path));
}
/* On a disk, where there is one. */
static inline void make_journal_path(void) {
    const char *temporary = getenv("TMPDIR");
    make_journal_in(temporary != NULL ? temporary : "/tmp");
}
/* Where a sync costs nothing. */
static inline void make_journal_in_memory(void) { make_journal_in("/dev/shm"); }

static inline struct rp_queue_options durable_options(uint32_t sync) {
    struct rp_queue_options o = test_options();
    o.capacity = 256;
    o.journal = journal_path;
    o.sync = sync;
    o.sync_interval_ns = 5 * MS;
    o.journal_file_bytes = SMALL_FILE;
    return o;
}

/* How many files of the journal there are; *bytes of them. */
static inline unsigned journal_files(uint64_t *bytes) {
    unsigned count = 0;
    DIR *entries = opendir(journal_path);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat status;
        if (strstr(entry->d_name, ".journal") == NULL || fstatat(dirfd(entries), entry->d_name, &status, 0) != 0)
            continue;
        count++;
        if (bytes != NULL)
            *bytes += (uint64_t)status.st_size;
    }
    closedir(entries);
    return count;
}

static inline void remove_journal(void) {
    DIR *entries = opendir(journal_path);
    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;)
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    rmdir(journal_path);
}

static inline int remove_durable(void **state) {
    if (journal_path[0])
        remove_journal();
    return unlink_queue(state);
}

#define DURABLE_TEST(body) cmocka_unit_test_teardown(body, remove_durable)

/* ---- a machine's restart: nobody has it open any more, and memory is gone ---- */

static inline rp_queue *come_back_with(const struct rp_queue_options *o) {
    rp_queue *q = NULL;
    succeeds(rp_queue_create(queue_name, o, &q));
    return q;
}

static inline rp_queue *come_back(void) {
    struct rp_open_options o;
    rp_queue *q = NULL;
    rp_open_options_init(&o, sizeof o);
    o.journal = journal_path;
    succeeds(rp_queue_open(queue_name, &o, &q));
    return q;
}

static inline rp_queue *restart(rp_queue *q) {
    drop_queue(q);
    return come_back();
}

static inline rp_consumer *consumer_of(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    rp_consumer *c = NULL;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

static inline rp_producer *producer_of(rp_queue *q) {
    rp_producer *p = NULL;
    succeeds(rp_producer_open(q, NULL, &p));
    return p;
}

static inline int producer_with_id(rp_queue *q, const void *id, size_t bytes, rp_producer **out) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = id;
    o.id_bytes = bytes;
    return rp_producer_open(q, &o, out);
}

/* What was sent and settled is on disk. */
static inline void flush(rp_queue *q) {
    rp_producer *p = producer_of(q);
    succeeds(rp_flush(p));
    rp_producer_close(p);
}

/* ---- pictures ---- */

enum { PICTURE_DUES = 4096 };

struct picture {
    char *text; /* a line for each thing */
    size_t bytes;
    uint64_t dues[PICTURE_DUES]; /* times are kept, but to the millisecond */
    size_t due_count;
};

static inline void picture_due(struct picture *p, uint64_t due_ns) {
    assert_true(p->due_count < PICTURE_DUES);
    p->dues[p->due_count++] = due_ns;
}

static inline void picture_headers(FILE *to, const struct rp_headers *h) {
    struct rp_header one;
    for (size_t at = 0; rp_headers_next(h, &at, &one) == 1;)
        fprintf(to, " %s=%s", one.name, one.value);
}

static inline void picture_bytes(FILE *to, const void *data, size_t bytes) {
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++)
        fprintf(to, "%02x", byte[i]);
}

static inline void picture_group(rp_queue *q, const struct rp_group_info *g, FILE *to, struct picture *p) {
    uint64_t buffer[512];
    struct rp_peeked m;
    struct rp_dead_letter d;
    fprintf(
        to,
        "group %u %s overflow %u paused %u created %llu ready %llu leased %llu delayed %llu dead %llu dropped %llu expired %llu\n",
        g->index, g->name, g->overflow, g->paused, (unsigned long long)g->created_ns, (unsigned long long)g->ready,
        (unsigned long long)g->leased, (unsigned long long)g->delayed, (unsigned long long)g->dead, (unsigned long long)g->dropped,
        (unsigned long long)g->expired);
    for (uint64_t id = 0; rp_peek(q, g->name, RP_STATE_ALL, id, &m, buffer, sizeof buffer) == 0; id = m.id) {
        fprintf(to, "  %s %llu sent %llu state %u deliveries %u acquisitions %u priority %u key ", g->name,
                (unsigned long long)m.id, (unsigned long long)m.sent_ns, m.state, m.deliveries, m.acquisitions, m.priority);
        picture_bytes(to, m.key, m.key_bytes);
        fprintf(to, " payload ");
        picture_bytes(to, buffer, m.bytes);
        picture_headers(to, &m.headers);
        fprintf(to, "\n");
        if (m.state == RP_STATE_DELAYED)
            picture_due(p, m.due_ns);
    }
    for (uint64_t id = 0; rp_dead_peek(q, g->name, id, &d, buffer, sizeof buffer) == 0; id = d.id)
        fprintf(to, "  %s dead %llu failed %llu to %llu deliveries %u acquisitions %u reason %u last %u pid %u of %s\n", g->name,
                (unsigned long long)d.id, (unsigned long long)d.first_failed_ns, (unsigned long long)d.last_failed_ns, d.deliveries,
                d.acquisitions, d.reason, d.last_failure, d.pid, d.executable);
}

static inline int picture_by_id(const void *a, const void *b) {
    return memcmp(((const struct rp_producer_id *)a)->id, ((const struct rp_producer_id *)b)->id, RP_PRODUCER_ID_MAX);
}

/* In the order of their ids: places are not kept, nor one that sent nothing. */
static inline void picture_producers(rp_queue *q, FILE *to) {
    struct rp_producer_id ids[64], *last = ids;
    for (uint32_t i = 0; rp_producer_id_next(q, i, last) == 0; i = last++->index + 1)
        assert_true(last + 1 < ids + 64);
    qsort(ids, (size_t)(last - ids), sizeof *ids, picture_by_id);
    for (const struct rp_producer_id *id = ids; id < last; id++)
        if (id->sequence > 0)
            fprintf(to, "producer %.*s sequence %llu made %llu\n", (int)id->id_bytes, (const char *)id->id,
                    (unsigned long long)id->sequence, (unsigned long long)id->made_ns);
}

static inline void picture_take(rp_queue *q, struct picture *p) {
    struct rp_group_info g;
    *p = (struct picture){0};
    FILE *to = open_memstream(&p->text, &p->bytes);
    assert_non_null(to);
    fprintf(to, "created %llu paused %d\n", (unsigned long long)stats_of(q).created_ns, rp_queue_paused(q));
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1)
        picture_group(q, &g, to, p);
    picture_producers(q, to);
    fclose(to);
}

/* The first line that differs, for people. */
static inline void picture_differs(const char *a, const char *b) {
    size_t same = 0, line = 0;
    for (; a[same] == b[same] && a[same] != 0; same++)
        line = a[same] == '\n' ? same + 1 : line;
    fprintf(stderr, "before: %.*s\nafter:  %.*s\n", (int)strcspn(a + line, "\n"), a + line, (int)strcspn(b + line, "\n"), b + line);
}

static inline void picture_same(const struct picture *before, const struct picture *after) {
    if (strcmp(before->text, after->text) != 0)
        picture_differs(before->text, after->text);
    assert_string_equal(before->text, after->text);
    assert_int_equal(before->due_count, after->due_count);
    for (size_t i = 0; i < before->due_count; i++)
        assert_true(llabs((long long)(before->dues[i] - after->dues[i])) < SECOND);
}

/* What the queue shows before a restart it shows after it; `o`: made again with these options, NULL: opened. */
static inline rp_queue *restart_and_compare(rp_queue *q, const struct rp_queue_options *o) {
    struct picture before, after;
    picture_take(q, &before);
    drop_queue(q);
    q = o != NULL ? come_back_with(o) : come_back();
    picture_take(q, &after);
    picture_same(&before, &after);
    free(before.text);
    free(after.text);
    audit_is_clean(q);
    return q;
}

#endif
