/* SPDX-License-Identifier: MIT */
/* Messages that memory has no room for: they come in order, from a bounded file that is this queue's and no other's. */
#include "spill.h"

#include "fixture.h"
#include "groups.h"
#include "keyed.h"
#include "scratch.h"
#include <errno.h>
#include <linux/magic.h>
#include <ringpost/group.h>
#include <stdlib.h>
#include <sys/statfs.h>

enum { MANY = 20000 };

static struct scratch scratch;                    /* in memory, */
static char disk[] = "/tmp/ringpost-test-XXXXXX"; /* and on a disk, as a rule */
static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static struct rp_queue_options spilling_options(uint64_t most) {
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_SPILL;
    o.spill_dir = scratch.directory;
    o.spill_max_bytes = most;
    return o;
}
static void open_queue(const struct rp_queue_options *o) {
    q = make_queue(o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}
static void close_queue(void) {
    rp_consumer_close(c);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
    assert_int_equal(scratch_count(&scratch, 0), 0); /* the file goes with the queue */
}

static int send_number(uint32_t n) { return rp_send(p, &n, sizeof n, NULL); }
static void send_from_to(uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; n++)
        succeeds(send_number(n));
}
static uint32_t number(const struct rp_message *m) {
    uint32_t n;
    assert_int_equal(m->bytes, sizeof n);
    memcpy(&n, m->data, sizeof n);
    return n;
}
static void take_from_to(rp_consumer *from, uint32_t first, uint32_t end) {
    for (uint32_t n = first; n < end; n++) {
        struct rp_message m;
        succeeds(rp_receive(from, &m, 0));
        assert_int_equal(number(&m), n);
        succeeds(rp_ack(from, &m));
    }
}
static void nothing_is_left(rp_consumer *from) {
    struct rp_message m;
    assert_int_equal(rp_receive(from, &m, 0), RP_EMPTY);
}
static struct rp_spill_stats spilled(void) {
    struct rp_spill_stats s;
    succeeds(rp_spill_stats(q, &s));
    return s;
}

static bool is_tmpfs(const char *directory) {
    struct statfs where;
    assert_int_equal(statfs(directory, &where), 0);
    return where.f_type == TMPFS_MAGIC;
}

static void in_order(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(64 << 20);
    o.spill_dir = disk;
    open_queue(&o);
    for (unsigned round = 0; round < 3; round++) {
        send_from_to(0, MANY);
        uint64_t behind = spilled().messages;
        assert_true(behind > MANY - 1000 && behind < MANY);
        assert_true(spilled().disk_bytes >= behind * 64);
        take_from_to(c, 0, MANY);
        nothing_is_left(c);
        assert_int_equal(spilled().messages, 0);
        succeeds(rp_queue_sweep(q));
        assert_true(is_tmpfs(disk) || spilled().disk_bytes < 8 << 20); /* given back, but for a few */
    }
    assert_int_equal(spilled().spilled, spilled().refilled);
    send_from_to(0, 10); /* memory has room again */
    assert_int_equal(spilled().messages, 0);
    take_from_to(c, 0, 10);
    close_queue();
}

/* Where who reads a hole needs a page, there are none: what is missing is told at creation, and nobody is killed for it later. */
static void no_holes_in_memory(void **state) {
    (void)state;
    if (!is_tmpfs(scratch.directory))
        skip();
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    const uint64_t all = q->segment.layout.spill_area_bytes;
    assert_true(spilled().disk_bytes >= all);
    send_from_to(0, MANY);
    take_from_to(c, 0, MANY);
    succeeds(rp_queue_sweep(q));
    assert_true(spilled().disk_bytes >= all);
    close_queue();
    struct statfs where;
    assert_int_equal(statfs(scratch.directory, &where), 0);
    const uint64_t too_much = (uint64_t)where.f_blocks * (uint64_t)where.f_bsize + (UINT64_C(1) << 30);
    o = spilling_options(too_much);
    assert_int_equal(rp_queue_create("test.spill.too-much", &o, &q), -ENOSPC);
    assert_int_equal(scratch_count(&scratch, 0), 0);
}

/* Nothing goes past what lies in the file, though there is memory. */
static void nobody_overtakes(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    send_from_to(0, 1000);
    take_from_to(c, 0, 500);
    send_from_to(1000, 1100);
    take_from_to(c, 500, 1099);
    send_from_to(1100, 1200);
    take_from_to(c, 1099, 1200);
    nothing_is_left(c);
    close_queue();
}

static void a_bound(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(1 << 20);
    open_queue(&o);
    uint32_t n = 0;
    while (send_number(n) == 0)
        n++;
    assert_int_equal(send_number(n), RP_FULL);
    assert_non_null(strstr(rp_error_detail(), "spill file"));
    assert_true(n > 4000); /* of 64 bytes, and memory besides */
    assert_int_equal(spilled().full, 2);
    struct rp_send_options brief;
    rp_send_options_init(&brief, sizeof brief);
    brief.timeout_ns = 1;
    assert_int_equal(rp_send(p, &n, sizeof n, &brief), RP_FULL);
    take_from_to(c, 0, 3000);
    send_from_to(n, n + 1000);
    take_from_to(c, 3000, n + 1000);
    nothing_is_left(c);
    close_queue();
}

static void groups_at_their_own_pace(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(16 << 20);
    open_queue(&o);
    succeeds(rp_group_create(q, "slow", NULL));
    rp_consumer *slow;
    struct rp_consumer_options of = {.size = sizeof of};
    rp_consumer_options_init(&of, sizeof of);
    of.group = "slow";
    succeeds(rp_consumer_open(q, &of, &slow));
    send_from_to(0, 5000); /* memory is full of what the slow one has not received */
    take_from_to(c, 0, 5000);
    nothing_is_left(c);
    send_from_to(5000, 6000);
    take_from_to(c, 5000, 6000);
    assert_int_equal(spilled().of_group[0], 0);
    assert_true(spilled().of_group[1] > 5000);
    take_from_to(slow, 0, 6000);
    nothing_is_left(slow);
    rp_consumer_close(slow);
    assert_int_equal(
        rp_group_create(q, "late",
                        &(struct rp_group_options){.size = sizeof(struct rp_group_options), .overflow = RP_GROUP_DROP_OLDEST}),
        -ENOTSUP);
    send_from_to(6000, 8000);
    succeeds(rp_group_create(q, "late", NULL)); /* nothing of what was sent before */
    send_from_to(8000, 8010);
    of.group = "late";
    succeeds(rp_consumer_open(q, &of, &slow));
    take_from_to(slow, 8000, 8010);
    nothing_is_left(slow);
    rp_consumer_close(slow);
    succeeds(rp_group_remove(q, "slow"));
    take_from_to(c, 6000, 8010);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(spilled().messages, 0);
    close_queue();
}

static void levels_and_keys(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(16 << 20);
    o.priorities = 3;
    open_queue(&o);
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    for (uint32_t n = 0; n < 3000; n++) {
        s.priority = n % 3;
        succeeds(rp_send(p, &n, sizeof n, &s));
    }
    for (uint32_t level = 3; level-- > 0;)
        for (uint32_t n = level; n < 3000; n += 3) {
            struct rp_message m;
            succeeds(rp_receive(c, &m, 0));
            assert_int_equal(number(&m), n);
            assert_int_equal(m.priority, level);
            succeeds(rp_ack(c, &m));
        }
    close_queue();

    o.priorities = 1;
    o.max_groups = 1;
    o.lanes = 8;
    open_queue(&o);
    rp_send_options_init(&s, sizeof s);
    for (uint32_t n = 0; n < 3000; n++) {
        char key = (char)('a' + n % 20);
        s.key = &key;
        s.key_bytes = 1;
        succeeds(rp_send(p, &n, sizeof n, &s));
    }
    uint32_t last[20] = {0};
    for (uint32_t n = 0; n < 3000; n++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.key_bytes, 1);
        assert_int_equal(*(const char *)m.key, 'a' + (char)(number(&m) % 20));
        assert_true(last[number(&m) % 20] <= number(&m));
        last[number(&m) % 20] = number(&m);
        succeeds(rp_ack(c, &m));
    }
    nothing_is_left(c);
    close_queue();
}

/* Headers and the time to live travel along; a message with a delay takes memory. */
static void what_travels_along(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    o.header_bytes = 256;
    o.expired = RP_EXPIRED_DROP;
    open_queue(&o);
    send_from_to(0, 400);
    struct rp_header header = {.name = "colour", .value = "red"};
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    s.headers = &header;
    s.header_count = 1;
    uint32_t n = 400;
    uint64_t id;
    s.id_out = &id;
    succeeds(rp_send(p, &n, sizeof n, &s));
    rp_send_options_init(&s, sizeof s);
    s.ttl_ns = 1;
    succeeds(rp_send(p, &n, sizeof n, &s));
    s.ttl_ns = 3600 * SECOND;
    n++;
    succeeds(rp_send(p, &n, sizeof n, &s));
    rp_send_options_init(&s, sizeof s);
    s.delay_ns = 3600 * SECOND;
    assert_int_equal(rp_send(p, &n, sizeof n, &s), RP_FULL);
    take_from_to(c, 0, 400);
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(number(&m), 400);
    assert_int_equal(m.id, id);
    assert_string_equal(rp_message_header(&m, "colour"), "red");
    succeeds(rp_ack(c, &m));
    take_from_to(c, 401, 402); /* the one between is over */
    nothing_is_left(c);
    assert_int_equal(stats_of(q).expired, 1);
    close_queue();
}

static void loans_and_batches(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    struct rp_loan loan;
    succeeds(rp_loan(p, sizeof(uint32_t), &loan));
    send_from_to(0, 500);
    memcpy(loan.data, &(uint32_t){500}, sizeof(uint32_t));
    succeeds(rp_commit(p, &loan, NULL));
    uint32_t numbers[100];
    struct rp_send_item items[100];
    for (uint32_t i = 0; i < 100; i++) {
        numbers[i] = 501 + i;
        items[i] = (struct rp_send_item){.data = &numbers[i], .bytes = sizeof numbers[i]};
    }
    assert_int_equal(rp_send_batch(p, items, 100), 100);
    take_from_to(c, 0, 601);
    nothing_is_left(c);
    close_queue();
}

static void purge_and_drain(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    send_from_to(0, 1000);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 1000);
    assert_int_equal(spilled().messages, 0);
    nothing_is_left(c);
    send_from_to(0, 1000);
    struct rp_drain_options look;
    rp_drain_options_init(&look, sizeof look);
    look.timeout_ns = 0;
    assert_int_equal(rp_queue_drain(q, &look), 1000);
    assert_int_equal(send_number(0), RP_PAUSED);
    take_from_to(c, 0, 1000);
    assert_int_equal(rp_queue_drain(q, &look), 0);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    send_from_to(0, 1);
    take_from_to(c, 0, 1);
    close_queue();
}

/* Held messages fill the group's share: there is nothing to receive until one is acked. */
static void what_is_held(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    send_from_to(0, 1000);
    struct rp_message held[400];
    uint32_t n = 0;
    while (n < 400 && rp_receive(c, &held[n], 0) == 0)
        n++;
    assert_true(n >= 16 + 64 && n < 400);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(number(&held[i]), i);
        succeeds(rp_ack(c, &held[i]));
    }
    take_from_to(c, n, 1000);
    close_queue();
}

static void sizes(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(64 << 20);
    o.message_bytes = 300000;
    open_queue(&o);
    static unsigned char bytes[300000];
    for (unsigned i = 0; i < 120; i++) {
        memset(bytes, (int)i, sizeof bytes);
        succeeds(rp_send(p, bytes, i % 2 ? sizeof bytes - i : i, NULL));
    }
    for (unsigned i = 0; i < 120; i++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.bytes, i % 2 ? sizeof bytes - i : i);
        for (size_t at = 0; at < m.bytes; at += 997)
            assert_int_equal(((const unsigned char *)m.data)[at], i);
        succeeds(rp_ack(c, &m));
    }
    close_queue();
}

static void what_cannot_be(void **state) {
    (void)state;
    rp_queue *none;
    struct rp_queue_options o = spilling_options(64 << 20);
    struct {
        const char *what;
        struct rp_queue_options options;
        int result;
    } cases[] = {{"no directory", o, -EINVAL}, {"no bound", o, -EINVAL}, {"not spill", o, -EINVAL},
                 {"too little", o, -EINVAL},   {"too much", o, -EINVAL}, {"dedup", o, -EINVAL},
                 {"max_bytes", o, -EINVAL},    {"shards", o, -EINVAL},   {"not there", o, -ENOENT}};
    cases[0].options.spill_dir = NULL;
    cases[1].options.spill_max_bytes = 0;
    cases[2].options.overflow = RP_OVERFLOW_REJECT;
    cases[3].options.spill_max_bytes = 1000;
    cases[4].options.spill_max_bytes = UINT64_C(1) << 50;
    cases[5].options.dedup_window_ns = 1;
    cases[6].options.max_bytes = 1000;
    cases[7].options.numa_shards = 2;
    cases[8].options.spill_dir = "/nowhere";
    snprintf(queue_name, sizeof queue_name, "test.spill.%d", (int)getpid());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int result = rp_queue_create(queue_name, &cases[i].options, &none);
        if (result != cases[i].result)
            print_error("%s: %s: %s\n", cases[i].what, rp_error_name(result), rp_error_detail());
        assert_int_equal(result, cases[i].result);
    }
    open_queue(&o);
    struct rp_producer_options id;
    rp_producer_options_init(&id, sizeof id);
    id.id = "me";
    id.id_bytes = 2;
    rp_producer *other;
    assert_int_equal(rp_producer_open(q, &id, &other), -ENOTSUP);
    assert_int_equal(rp_queue_create(queue_name, &o, &none), -EEXIST);
    assert_int_equal(scratch_count(&scratch, 0), 1); /* the one who came too late left nothing */
    struct rp_queue_options got;
    rp_queue_options_init(&got, sizeof got);
    succeeds(rp_queue_options_get(q, &got));
    assert_string_equal(got.spill_dir, scratch.directory);
    assert_int_equal(got.spill_max_bytes, 64 << 20);
    close_queue();
    o = test_options();
    open_queue(&o);
    struct rp_spill_stats s;
    assert_int_equal(rp_spill_stats(q, &s), -ENOTSUP);
    close_queue();
}

/* A file that is missing, cut, damaged or another queue's is refused by name; a mapping that is there goes on. */
static void a_file_that_is_not_ours(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(1 << 20);
    rp_queue *other;
    open_queue(&o);
    struct rp_spill_stats s = spilled();
    char aside[sizeof s.path + 8];
    snprintf(aside, sizeof aside, "%s.aside", s.path);
    send_from_to(0, 1000);
    struct stat status;
    assert_int_equal(stat(s.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    assert_int_equal(truncate(s.path, status.st_size + 4096), 0);
    assert_int_equal(rp_queue_open(queue_name, NULL, &other), RP_CORRUPT);
    assert_int_equal(truncate(s.path, status.st_size), 0);
    succeeds(rp_queue_open(queue_name, NULL, &other));
    succeeds(rp_queue_close(other));

    assert_int_equal(rename(s.path, aside), 0);
    assert_int_equal(rp_queue_open(queue_name, NULL, &other), -ENOENT);
    assert_int_equal(symlink(aside, s.path), 0);
    assert_int_equal(rp_queue_open(queue_name, NULL, &other), -ELOOP);
    assert_int_equal(unlink(s.path), 0);
    int fd = open(s.path, O_CREAT | O_RDWR, 0600);
    assert_true(fd >= 0 && ftruncate(fd, status.st_size) == 0);
    assert_int_equal(rp_queue_open(queue_name, NULL, &other), RP_CORRUPT);
    uint64_t page[512];
    int from = open(aside, O_RDONLY);
    assert_true(from >= 0 && read(from, page, sizeof page) == sizeof page);
    close(from);
    page[2] ^= 1; /* the identity */
    assert_true(pwrite(fd, page, sizeof page, 0) == sizeof page);
    assert_int_equal(rp_queue_open(queue_name, NULL, &other), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "another queue's"));
    close(fd);
    assert_int_equal(rename(aside, s.path), 0);
    take_from_to(c, 0, 1000);
    close_queue();
}

/* The last of a refill had no place in its lane, and finds one when the lane was just seen empty. */
static void a_narrow_lane(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    o.max_groups = 1;
    o.lanes = 1;
    o.lane_capacity = 4;
    open_queue(&o);
    struct rp_send_options key;
    rp_send_options_init(&key, sizeof key);
    key.key = "k", key.key_bytes = 1;
    for (uint32_t count = 1; count < 40; count++) {
        for (uint32_t n = 0; n < count; n++)
            succeeds(rp_send(p, &n, sizeof n, &key));
        take_from_to(c, 0, count);
        nothing_is_left(c);
    }
    close_queue();
}

/* The slots of a keyed lane are all groups', and what one does not receive would be in the way of another's refills: there is one group. */
static void one_group_and_keys(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    o.lanes = 1;
    o.lane_capacity = 4;
    assert_int_equal(rp_queue_create("test.spill.keys", &o, &q), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "max_groups"));
    o.max_groups = 1;
    open_queue(&o);
    struct rp_send_options key;
    rp_send_options_init(&key, sizeof key);
    key.key = "k", key.key_bytes = 1;
    for (uint32_t n = 0; n < 2000; n++)
        succeeds(rp_send(p, &n, sizeof n, &key));
    take_from_to(c, 0, 2000);
    nothing_is_left(c);
    close_queue();
}

/* A lane goes round as often as it likes under a group that does not receive. */
static void far_behind(void **state) {
    (void)state;
    enum { ROUNDS = 80, BATCH = 1000 };
    struct rp_queue_options o = spilling_options(64 << 20);
    open_queue(&o);
    succeeds(rp_group_create(q, "slow", NULL));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        send_from_to(round * BATCH, (round + 1) * BATCH);
        take_from_to(c, round * BATCH, (round + 1) * BATCH);
    }
    struct rp_consumer_options of;
    rp_consumer_options_init(&of, sizeof of);
    of.group = "slow";
    rp_consumer *slow;
    succeeds(rp_consumer_open(q, &of, &slow));
    take_from_to(slow, 0, ROUNDS * BATCH);
    nothing_is_left(slow);
    rp_consumer_close(slow);
    close_queue();
}

/* What is spilled while a group is made is that group's, too: nobody goes direct before it has come to it. */
static void a_group_in_the_making(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    const struct segment *s = &q->segment;
    struct actor a;
    actor_open(&a, q);
    store_seq_cst(&s->groups[1].word, group_word(GROUP_CREATING, q->seat, 1), active); /* rp_group_create, up to here */
    group_set_name(s, 1, "late");
    spill_group_begin(&a, 1);
    uint32_t n = 0;
    while (spilled().spilled < 3)
        succeeds(send_number(n++));
    uint32_t first = n - 3;
    take_from_to(c, 0, n);
    nothing_is_left(c);
    succeeds(send_number(n)); /* asks whether it may go direct */
    uint64_t groups = groups_load(s);
    assert_true(groups_change(s, &groups, groups_draining(s, groups), groups_active(s, groups) | 2)); /* and its end */
    store_seq_cst(&s->groups[1].word, group_word(GROUP_USED, NOBODY, 1), active);
    actor_close(&a);
    take_from_to(c, n, n + 1);
    succeeds(send_number(n + 1));
    struct rp_consumer_options of = {.size = sizeof of};
    rp_consumer_options_init(&of, sizeof of);
    of.group = "late";
    rp_consumer *late;
    succeeds(rp_consumer_open(q, &of, &late));
    uint32_t last = 0;
    struct rp_message m;
    assert_true(first > 0);
    while (rp_receive(late, &m, 0) == 0) {
        assert_true(number(&m) > last);
        last = number(&m);
        succeeds(rp_ack(late, &m));
    }
    assert_int_equal(last, n + 1);
    rp_consumer_close(late);
    take_from_to(c, n + 1, n + 2);
    close_queue();
}

/* A damaged frame is an error, not a crash. */
static void damage(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(1 << 20);
    open_queue(&o);
    send_from_to(0, 1000);
    const struct segment *segment = &q->segment;
    const struct index_ring ring = spill_ring(segment, 0);
    uint64_t cursor = load_relaxed(spill_cursor_at(segment, 0, 0), recheck),
             at = cursor_position(cursor, load_relaxed(ring.tail, hint));
    uint64_t slot = load_relaxed(ring_slot(&ring, at), recheck);
    struct frame *frame = (struct frame *)(void *)(segment->spill_area + spill_place(slot) * LINE), before = *frame;
    for (unsigned bad = 0; bad < 5; bad++) {
        struct rp_message m;
        uint64_t bad_slot = bad == 4 ? slot | 0xfffff0 : slot;
        frame->bytes = bad == 0 ? 1000000 : before.bytes;
        frame->position = bad == 1 ? 7 : before.position;
        frame->lane = bad == 2 ? 1 : before.lane;
        frame->extra_bytes = bad == 3 ? 1000 : before.extra_bytes;
        store_relaxed(ring_slot(&ring, at), bad_slot, init);
        uint32_t got = 0;
        int result;
        while ((result = rp_receive(c, &m, 0)) == 0) {
            got++;
            succeeds(rp_nack(c, &m, NULL));
            break;
        }
        while (result == 0 && (result = rp_receive(c, &m, 0)) == 0)
            succeeds(rp_ack(c, &m));
        assert_int_equal(result, RP_CORRUPT);
    }
    frame->bytes = before.bytes;
    frame->position = before.position;
    frame->lane = before.lane;
    frame->extra_bytes = before.extra_bytes;
    store_relaxed(ring_slot(&ring, at), slot, init);
    uint32_t count = 0;
    struct rp_message m;
    while (rp_receive(c, &m, 0) == 0) {
        succeeds(rp_ack(c, &m));
        count++;
    }
    assert_true(count > 900);
    close_queue();
}

static void leftovers(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(1 << 20);
    open_queue(&o);
    char path[128], name[64];
    snprintf(path, sizeof path, "/dev/shm/ringpost.%s", queue_name);
    assert_int_equal(rp_collect(scratch.directory), 0);
    rp_consumer_close(c);
    rp_producer_close(p);
    succeeds(rp_queue_close(q));
    assert_int_equal(unlink(path), 0); /* as somebody who was killed in the middle of rm */
    snprintf(name, sizeof name, "%s", queue_name);
    rp_queue *second = make_queue(&o); /* another queue of the same name */
    assert_int_equal(scratch_count(&scratch, 0), 2);
    assert_int_equal(rp_collect(scratch.directory), 1);
    assert_int_equal(scratch_count(&scratch, 0), 1);
    /* A damaged queue is none that is gone. */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char magic, other = 0;
    assert_true(fd >= 0 && pread(fd, &magic, 1, 0) == 1 && pwrite(fd, &other, 1, 0) == 1);
    assert_int_equal(rp_collect(scratch.directory), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "was left"));
    assert_int_equal(scratch_count(&scratch, 0), 1);
    assert_int_equal(pwrite(fd, &magic, 1, 0), 1);
    close(fd);
    drop_queue(second);
    assert_int_equal(scratch_count(&scratch, 0), 0);
}

/* Who dies between announcing a frame and committing it leaves an extent that is free when the rest of it was received. */
static int dies_before_the_commit(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    (void)test, (void)argument;
    for (uint32_t n = 0; n < 1000; n++)
        peer_succeeds(rp_send(h.p, &n, sizeof n, NULL));
    const struct segment *s = &h.q->segment;
    peer_check(h.p->spill->extent_word != 0);
    struct extent_head *head = extent_head(s, h.p->spill->extent);
    store_seq_cst(&head->busy, 1, spilling);
    store_release(&head->last[0], load_acquire(&head->last[0], extent_last) + 1, extent_last);
    raise(SIGKILL);
    return 0;
}
static void a_frame_that_never_was(void **state) {
    (void)state;
    struct rp_queue_options o = spilling_options(4 << 20);
    open_queue(&o);
    struct peer peer = peer_start(dies_before_the_commit, NULL);
    assert_int_not_equal(peer_end(&peer), 0);
    succeeds(rp_queue_sweep(q));
    take_from_to(c, 0, 1000);
    nothing_is_left(c);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(spilled().extents_free, spilled().extents);
    succeeds(rp_queue_drain(q, NULL));
    close_queue();
}

/* A frame whose place ends in ones is no empty slot: its message stays until it was received, also when the index is full. */
static void send_wide(uint32_t *n, uint32_t bytes) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.key = "k", o.key_bytes = 1;
    uint32_t wide[32] = {(*n)++};
    succeeds(rp_send(p, wide, bytes, &o));
}
static void take_next(uint32_t *n) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(*(const uint32_t *)m.data, (*n)++);
    succeeds(rp_ack(c, &m));
}
static void a_place_of_ones(void **state) {
    (void)state;
    enum { LINES_2 = 4, LINES_3 = 12, LINES_4 = 100, BATCH = 32 };
    struct rp_queue_options o = spilling_options(UINT64_C(300) << 20);
    o.capacity = o.lane_capacity = 64;
    o.max_groups = 1;
    o.lanes = 101; /* so that an extent lies across that place */
    o.message_bytes = 128;
    open_queue(&o);
    const struct segment *s = &q->segment;
    const struct index_ring ring = spill_ring(s, keyed_lane(s, "k", 1));
    const uint64_t place = NO_CELL, first = ring_slots(&ring), index = spill_index_bytes(&s->layout),
                   extent = (place * LINE - index) / s->layout.spill_extent_bytes,
                   lines = place - extent_offset(&s->layout, (uint32_t)extent) / LINE;
    uint32_t sent = 0, got = 0;
    store_relaxed(&s->spill->extent_hint, extent, hint);
    while (ring_ends_at(&ring, first))
        send_wide(&sent, LINES_3);
    const uint64_t before = 1 + (lines - 3) / 2, at = first + before - before % BATCH;
    for (uint64_t t = first + 1; t <= at; t++)
        send_wide(&sent, t - first <= before % BATCH ? LINES_4 : LINES_2);
    assert_int_equal(spill_place(load_relaxed(ring_slot(&ring, at), recheck)), place);
    while (cursor_position(load_relaxed(spill_cursor_at(s, 0, keyed_lane(s, "k", 1)), recheck), at) != at)
        take_next(&got);
    struct rp_send_options key;
    rp_send_options_init(&key, sizeof key);
    key.key = "k", key.key_bytes = 1;
    while (rp_send(p, &sent, sizeof sent, &key) == 0)
        sent++;
    while (got < sent)
        take_next(&got);
    nothing_is_left(c);
    close_queue();
}

static int make_scratch(void **state) {
    (void)state;
    return mkdtemp(disk) == NULL ? -1 : scratch_create(&scratch);
}
static int drop_scratch(void **state) {
    (void)state;
    scratch_destroy(&scratch);
    return rmdir(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(in_order),
        TEST(no_holes_in_memory),
        TEST(nobody_overtakes),
        TEST(a_bound),
        TEST(groups_at_their_own_pace),
        TEST(levels_and_keys),
        TEST(what_travels_along),
        TEST(loans_and_batches),
        TEST(purge_and_drain),
        TEST(what_is_held),
        TEST(sizes),
        TEST(what_cannot_be),
        TEST(a_file_that_is_not_ours),
        TEST(a_narrow_lane),
        TEST(one_group_and_keys),
        TEST(far_behind),
        TEST(a_group_in_the_making),
        TEST(damage),
        TEST(a_place_of_ones),
        TEST(leftovers),
        TEST(a_frame_that_never_was),
    };
    return cmocka_run_group_tests_name("spill", tests, make_scratch, drop_scratch);
}
