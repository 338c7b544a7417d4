/* SPDX-License-Identifier: MIT */
/* Headers: what goes in comes out, however the message travels; there is room or an error; no byte leads a reader out of the cell. */
#include "byte_room.h"
#include "handle.h"
#include "headers.h"

#include "fixture.h"
#include <stdlib.h>
#include <string.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct rp_message m;

static char to_name[80];

static int unlink_both(void **state) {
    if (to_name[0])
        rp_queue_unlink(to_name);
    return unlink_queue(state);
}

static void open_queue(const struct rp_queue_options *o) {
    q = make_queue(o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static struct rp_send_options with(const struct rp_header *headers, size_t count) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.headers = headers;
    o.header_count = count;
    return o;
}

static const struct rp_header two[] = {{"Content-Type", "text/plain"}, {"x-empty", ""}};

static void has_two(const struct rp_headers *h) {
    assert_string_equal(rp_headers_get(h, "content-type"), "text/plain");
    assert_string_equal(rp_headers_get(h, "X-Empty"), "");
    assert_null(rp_headers_get(h, "content-typ"));
    size_t at = 0;
    struct rp_header one;
    assert_int_equal(rp_headers_next(h, &at, &one), 1);
    assert_string_equal(one.name, "content-type");
    assert_int_equal(rp_headers_next(h, &at, &one), 1);
    assert_string_equal(one.name, "x-empty");
    assert_string_equal(one.value, "");
    assert_int_equal(rp_headers_next(h, &at, &one), 0);
}

static void send_two(const char *data, size_t bytes) {
    struct rp_send_options o = with(two, 2);
    succeeds(rp_send(p, data, bytes, &o));
}

/* ---- travelling ---- */

static void go_with_payloads_of_any_length(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.header_bytes = 64;
    open_queue(&o);
    char data[64];
    for (size_t bytes = 0; bytes <= sizeof data; bytes++) {
        memset(data, (int)bytes + 1, sizeof data);
        send_two(data, bytes);
        succeeds(rp_send(p, data, bytes, NULL));
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.bytes, bytes);
        assert_memory_equal(m.data, data, bytes);
        has_two(&m.headers);
        assert_string_equal(rp_message_header(&m, RP_HEADER_CONTENT_TYPE), "text/plain");
        struct rp_audit a;
        succeeds(rp_queue_audit(q, &a));
        assert_int_equal(a.violations, 0);
        succeeds(rp_ack(c, &m));
        succeeds(rp_receive(c, &m, 0)); /* the next has none */
        assert_null(rp_message_header(&m, RP_HEADER_CONTENT_TYPE));
        size_t at = 0;
        struct rp_header one;
        assert_int_equal(rp_headers_next(&m.headers, &at, &one), 0);
        succeeds(rp_ack(c, &m));
    }
    close_queue();
}

static void stay_through_redelivery_delay_and_levels(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.priorities = 2;
    open_queue(&o);
    struct rp_send_options s = with(two, 2);
    s.priority = 1;
    s.delay_ns = 2 * MS;
    s.ttl_ns = 3600 * SECOND;
    succeeds(rp_send(p, "x", 1, &s));
    for (int i = 0; i < 3; i++) {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        has_two(&m.headers);
        succeeds(rp_nack(c, &m, NULL));
    }
    succeeds(rp_receive(c, &m, 10 * SECOND));
    has_two(&m.headers);
    assert_int_equal(m.priority, 1);
    succeeds(rp_ack(c, &m));
    close_queue();
}

static void go_with_keys(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lanes = 4;
    open_queue(&o);
    struct rp_send_options s = with(two, 2);
    s.key = "k";
    s.key_bytes = 1;
    succeeds(rp_send(p, "x", 1, &s));
    succeeds(rp_receive(c, &m, 0));
    assert_memory_equal(m.key, "k", 1);
    succeeds(rp_reject(c, &m, NULL));
    succeeds(rp_dead_redrive(q, NULL, NULL)); /* becomes another message of the same cell */
    rp_consumer *copies;
    struct rp_consumer_options co;
    rp_consumer_options_init(&co, sizeof co);
    co.ack = RP_ACK_NONE;
    succeeds(rp_consumer_open(q, &co, &copies));
    succeeds(rp_receive(copies, &m, 0));
    has_two(&m.headers);
    assert_memory_equal(m.key, "k", 1);
    rp_consumer_close(copies);
    close_queue();
}

static void copies_have_them(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = 1;
    o.max_participants = 1;
    open_queue(&o);
    rp_consumer *copies;
    struct rp_consumer_options co;
    rp_consumer_options_init(&co, sizeof co);
    co.ack = RP_ACK_NONE;
    succeeds(rp_consumer_open(q, &co, &copies));
    send_two("abc", 3);
    succeeds(rp_receive(copies, &m, 0));
    for (int i = 0; i < 9; i++) /* all its memory is used again */
        succeeds(rp_send(p, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 64, NULL));
    assert_memory_equal(m.data, "abc", 3);
    has_two(&m.headers);
    rp_consumer_close(copies);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    close_queue();
}

static void go_with_loans_and_batches(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_bytes = 256;
    open_queue(&o);
    struct rp_loan l;
    struct rp_send_options s = with(two, 2);
    succeeds(rp_loan(p, 64, &l));
    memcpy(l.data, "in place", 8);
    assert_int_equal(rp_commit(p, &l, &s), RP_TOO_BIG); /* 64 bytes leave no room; the loan is still open */
    l.bytes = 8;
    succeeds(rp_commit(p, &l, &s));
    struct rp_send_item items[2] = {{.data = "a", .bytes = 1, .options = &s}, {.data = "b", .bytes = 1}};
    assert_int_equal(rp_send_batch(p, items, 2), 2);
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.bytes, 8);
    assert_memory_equal(m.data, "in place", 8);
    has_two(&m.headers);
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, 0));
    has_two(&m.headers);
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, 0));
    assert_null(m.headers.block);
    succeeds(rp_ack(c, &m));
    assert_int_equal(stats_of(q).bytes, 0);
    close_queue();
}

static void are_carried_but_for_those_named(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    send_two("x", 1);
    succeeds(rp_receive(c, &m, 0));
    struct rp_message next;
    const struct rp_header own[] = {{"CONTENT-type", "b"}, {"new", "n"}}, none[] = {{"Content-type", NULL}};
    struct rp_send_options s = with(NULL, 0);
    s.carry = &m.headers;
    succeeds(rp_send(p, "", 0, &s));
    succeeds(rp_receive(c, &next, 0));
    has_two(&next.headers);
    succeeds(rp_ack(c, &next));
    s.headers = own;
    s.header_count = 2;
    succeeds(rp_send(p, "", 0, &s));
    succeeds(rp_receive(c, &next, 0));
    assert_string_equal(rp_message_header(&next, "content-type"), "b");
    assert_string_equal(rp_message_header(&next, "new"), "n");
    assert_string_equal(rp_message_header(&next, "x-empty"), "");
    succeeds(rp_ack(c, &next));
    s.headers = none;
    s.header_count = 1;
    succeeds(rp_send(p, "", 0, &s));
    succeeds(rp_receive(c, &next, 0));
    assert_null(rp_message_header(&next, "content-type"));
    assert_string_equal(rp_message_header(&next, "x-empty"), "");
    succeeds(rp_ack(c, &next));
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* ---- dead letters, and looking ---- */

static uint64_t letter(const struct rp_header *headers, size_t count) {
    struct rp_send_options s = with(headers, count);
    succeeds(rp_send(p, "work", 4, &s));
    succeeds(rp_receive(c, &m, 0));
    uint64_t id = m.id;
    succeeds(rp_reject(c, &m, "no"));
    return id;
}

static void letters_and_looks_show_them(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    letter(two, 2);
    char buffer[80];
    struct rp_dead_letter d;
    succeeds(rp_dead_peek(q, NULL, 0, &d, buffer, sizeof buffer));
    assert_int_equal(d.bytes, 4);
    has_two(&d.headers);
    size_t needed = 8 + d.headers.bytes;
    succeeds(rp_dead_peek(q, NULL, 0, &d, buffer, needed));
    has_two(&d.headers);
    succeeds(rp_dead_peek(q, NULL, 0, &d, buffer, needed - 1));
    assert_null(d.headers.block);
    assert_int_equal(8 + d.headers.bytes, needed);
    assert_null(rp_headers_get(&d.headers, "content-type"));
    struct rp_peeked k;
    succeeds(rp_peek(q, NULL, RP_STATE_ALL, 0, &k, buffer, sizeof buffer));
    assert_int_equal(k.bytes, 4);
    has_two(&k.headers);
    succeeds(rp_peek(q, NULL, RP_STATE_ALL, 0, &k, NULL, 0));
    assert_null(k.headers.block);
    succeeds(rp_dead_purge(q, NULL, NULL));
    close_queue();
}

static void letters_are_chosen_by_header(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    const struct rp_header eu[] = {{"region", "eu"}}, us[] = {{"region", "us"}};
    uint64_t first = letter(eu, 1), second = letter(us, 1);
    letter(two, 2);
    letter(NULL, 0);
    struct rp_redrive_options r;
    rp_redrive_options_init(&r, sizeof r);
    r.dry_run = 1;
    r.header = "Region";
    assert_int_equal(rp_dead_redrive(q, NULL, &r), 2);
    r.header_value = "eu";
    assert_int_equal(rp_dead_redrive(q, NULL, &r), 1);
    struct rp_dead_letter d;
    succeeds(rp_dead_next(q, NULL, &r, 0, &d, NULL, 0));
    assert_int_equal(d.id, first);
    assert_int_equal(rp_dead_next(q, NULL, &r, first, &d, NULL, 0), RP_EMPTY);
    r.header_value = "e";
    assert_int_equal(rp_dead_purge(q, NULL, &r), 0);
    r.dry_run = 0;
    r.header_value = "eu";
    assert_int_equal(rp_dead_redrive(q, NULL, &r), 1);
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(rp_message_header(&m, "region"), "eu");
    succeeds(rp_ack(c, &m));
    r.header_value = NULL;
    assert_int_equal(rp_dead_purge(q, NULL, &r), 1);
    (void)second;
    assert_int_equal(rp_dead_purge(q, NULL, NULL), 2);
    close_queue();
}

static void letters_take_them_to_another_queue(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    letter(two, 2);
    snprintf(to_name, sizeof to_name, "%s.to", queue_name);
    rp_queue *to;
    rp_producer *tp;
    rp_consumer *tc;
    rp_queue_unlink(to_name);
    o.message_bytes = 16;
    succeeds(rp_queue_create(to_name, &o, &to));
    succeeds(rp_producer_open(to, NULL, &tp));
    succeeds(rp_consumer_open(to, NULL, &tc));
    struct rp_redrive_options r;
    rp_redrive_options_init(&r, sizeof r);
    r.to = tp;
    int result = rp_dead_redrive(q, NULL, &r);
    assert_int_equal(result, 1);
    succeeds(rp_receive(tc, &m, 0));
    assert_int_equal(m.bytes, 4);
    has_two(&m.headers);
    succeeds(rp_ack(tc, &m));
    rp_producer_close(tp);
    rp_consumer_close(tc);
    succeeds(rp_queue_close(to));
    rp_queue_unlink(to_name);
    close_queue();
}

/* ---- room ---- */

/* The longest value that fits beside so many bytes. */
static size_t longest(size_t payload) {
    static char value[RP_HEADER_VALUE_MAX + 1], data[2048];
    size_t n = sizeof value - 1;
    for (;; n--) {
        memset(value, 'v', n);
        value[n] = '\0';
        struct rp_send_options s = with((const struct rp_header[]){{"n", value}}, 1);
        int result = rp_send(p, data, payload, &s);
        if (result == 0)
            break;
        assert_int_equal(result, RP_TOO_BIG);
        if (n == 0)
            return SIZE_MAX;
    }
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(strlen(rp_message_header(&m, "n")), n);
    succeeds(rp_ack(c, &m));
    return n;
}

static void use_what_is_left_or_was_set_aside(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.message_bytes = 200; /* a cell of 256 bytes, 200 of them for the message */
    open_queue(&o);
    assert_int_equal(longest(0), 200 - 8 - 7);
    assert_int_equal(longest(1), 200 - 8 - 8 - 7);
    assert_int_equal(longest(177), 200 - 184 - 8 - 7);
    assert_true(longest(192) == SIZE_MAX);
    succeeds(rp_send(p, (char[200]){0}, 200, NULL));
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    close_queue();
    o.header_bytes = 1000; /* 24 + 1000 */
    open_queue(&o);
    struct rp_queue_options got = {.size = sizeof got};
    succeeds(rp_queue_options_get(q, &got));
    assert_int_equal(got.header_bytes, 1000);
    assert_true(longest(200) >= 1000 - 8 - 7);
    close_queue();
}

static void refuse_what_cannot_be(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.header_bytes = 1 << 20;
    o.capacity = o.max_participants = 1;
    open_queue(&o);
    static char value[RP_HEADER_VALUE_MAX + 2], name[RP_HEADER_NAME_MAX + 2];
    memset(value, 'v', sizeof value - 1);
    memset(name, 'n', sizeof name - 1);
    const struct rp_header wrong[][2] = {
        {{"", "v"}},    {{NULL, "v"}},       {{"a b", "v"}}, {{"a=b", "v"}},           {{"a:b", "v"}},           {{name, "v"}},
        {{"n", value}}, {{"\303\244", "v"}}, {{"a\n", "v"}}, {{"a", "1"}, {"A", "2"}}, {{"a", NULL}, {"A", "2"}}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rp_send_options s = with(wrong[i], wrong[i][1].name == NULL ? 1 : 2);
        assert_int_equal(rp_send(p, "x", 1, &s), -EINVAL);
    }
    struct rp_header many[RP_HEADERS_MAX + 1];
    char names[RP_HEADERS_MAX + 1][16];
    for (int i = 0; i <= RP_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "h%d", i);
        many[i] = (struct rp_header){names[i], "v"};
    }
    struct rp_send_options s = with(many, RP_HEADERS_MAX + 1);
    assert_int_equal(rp_send(p, "x", 1, &s), -EINVAL);
    s.header_count = RP_HEADERS_MAX;
    succeeds(rp_send(p, "x", 1, &s));
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(rp_message_header(&m, "h63"), "v");
    struct rp_send_options more = with(&many[RP_HEADERS_MAX], 1);
    more.carry = &m.headers;
    assert_int_equal(rp_send(p, "x", 1, &more), -EINVAL); /* one too many with those carried */
    more.headers = many;
    succeeds(rp_send(p, "x", 1, &more)); /* replaces one */
    more.headers = NULL;
    assert_int_equal(rp_send(p, "x", 1, &more), -EINVAL);
    succeeds(rp_ack(c, &m));
    name[RP_HEADER_NAME_MAX] = value[RP_HEADER_VALUE_MAX] = '\0';
    more = with((const struct rp_header[]){{name, value}}, 1);
    succeeds(rp_send(p, "x", 1, &more));
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    close_queue();
}

static void count_in_max_bytes(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_bytes = 140;
    o.header_bytes = 64;
    open_queue(&o);
    char forty[40] = {0};
    send_two(forty, 40); /* 40, two headers of 6 + 22 and 6 + 7, to a multiple of 8, and 8: more than the largest payload */
    assert_int_equal(stats_of(q).bytes, 40 + 48 + 8);
    assert_int_equal(rp_send(p, (char[45]){0}, 45, NULL), RP_FULL);
    succeeds(rp_send(p, (char[44]){0}, 44, NULL));
    succeeds(rp_queue_sweep(q)); /* counts anew */
    assert_int_equal(byte_room_held(&q->segment), 140);
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    assert_int_equal(byte_room_held(&q->segment), 44);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(byte_room_held(&q->segment), 44);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    close_queue();
    o.max_bytes = 60;
    open_queue(&o);
    struct rp_send_options s = with(two, 2);
    assert_int_equal(rp_send(p, "12345678", 8, &s), RP_TOO_BIG); /* never */
    close_queue();
}

/* ---- hostile bytes ---- */

/* All that is read of a block: every name and value ends before `end`. */
static void walk(const struct rp_headers *h, const void *begin, const void *end) {
    size_t at = 0, steps = 0;
    struct rp_header one;
    while (rp_headers_next(h, &at, &one) == 1) {
        assert_true((const void *)one.name >= begin && (const void *)(one.name + strlen(one.name)) < end);
        assert_true((const void *)one.value >= begin && (const void *)(one.value + strlen(one.value)) < end);
        assert_true(++steps <= h->bytes / HEADER_FRAME);
    }
    (void)rp_headers_get(h, "x");
    struct rp_send_options s = with(NULL, 0);
    s.carry = h;
    int result = rp_send(p, "", 0, &s);
    assert_true(result == 0 || result == RP_TOO_BIG || result == RP_CORRUPT || result == RP_FULL || result == -EINVAL);
}

static void lead_nobody_astray(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dead_capacity = 4;
    open_queue(&o);
    static const uint8_t values[] = {0, 1, 2, 4, 7, 8, 16, 63, 64, 65, 127, 128, 254, 255};
    const struct segment *s = &q->segment;
    unsigned corrupt = 0, fine = 0;
    for (size_t byte = offsetof(struct cell, bytes); byte < s->layout.cell_stride; byte++)
        for (size_t v = 0; v < sizeof values; v++) {
            send_two("12345", 5);
            struct rp_peeked k;
            char buffer[80];
            succeeds(rp_peek(q, NULL, RP_STATE_READY, 0, &k, NULL, 0));
            uint32_t cell = 0;
            while (segment_cell(s, cell)->id != k.id)
                cell++;
            unsigned char *bytes = (unsigned char *)segment_cell(s, cell);
            unsigned char before = bytes[byte];
            bytes[byte] = values[v];
            if (rp_peek(q, NULL, RP_STATE_READY, 0, &k, buffer, sizeof buffer) == 0)
                walk(&k.headers, buffer, buffer + sizeof buffer);
            struct rp_audit a;
            succeeds(rp_queue_audit(q, &a));
            int result = rp_receive(c, &m, 0);
            if (result == 0) {
                assert_true(m.bytes <= o.message_bytes);
                walk(&m.headers, m.data, (const unsigned char *)m.data + segment_room(s));
                fine++;
                bytes[byte] = before;
                succeeds(rp_ack(c, &m));
            } else {
                assert_int_equal(result, RP_CORRUPT);
                assert_true(a.violations > 0);
                corrupt++;
                bytes[byte] = before;
            }
            (void)rp_queue_purge(q, NULL, RP_STATE_ALL);
        }
    assert_true(corrupt > 100 && fine > 100);
    close_queue();
}

/* The three lengths must add up, so nearly every change of one of them is noticed. */
static void lengths_that_do_not_fit_are_damage(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dead_capacity = 16;
    open_queue(&o);
    for (int change = -16; change <= 16; change += 8)
        for (int which = 0; which < 2; which++) {
            send_two("0123456789abcdef", 16);
            struct rp_peeked k;
            succeeds(rp_peek(q, NULL, RP_STATE_READY, 0, &k, NULL, 0));
            uint32_t cell = 0;
            while (segment_cell(&q->segment, cell)->id != k.id)
                cell++;
            struct cell *at = segment_cell(&q->segment, cell);
            ((uint32_t *)(void *)(at->payload + at->bytes))[which - 2] += (uint32_t)change;
            assert_int_equal(rp_receive(c, &m, 0), change == 0 ? 0 : RP_CORRUPT);
            if (change == 0)
                succeeds(rp_ack(c, &m));
        }
    succeeds(rp_dead_purge(q, NULL, NULL));
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

/* Any bytes, in a block that ends where memory ends. */
static void any_block_is_read_to_its_end_at_most(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    const size_t page = 4096;
    unsigned char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED && mprotect(memory + page, page, PROT_NONE) == 0);
    uint64_t random = 88172645463325252u;
    unsigned long found = 0;
    for (int round = 0; round < 20000; round++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t bytes = random % 64;
        unsigned char *block = memory + page - bytes;
        for (size_t i = 0; i < bytes; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            block[i] = random % 3 > 0 ? 0 : (unsigned char)((random >> 8) % (random % 5 == 0 ? 255 : 6));
        }
        struct rp_headers h = {block, bytes};
        size_t at = 0;
        struct rp_header one;
        found += rp_headers_next(&h, &at, &one) == 1;
        walk(&h, block, memory + page);
        (void)rp_queue_purge(q, NULL, RP_STATE_ALL);
    }
    assert_true(found > 100);
    munmap(memory, 2 * page);
    close_queue();
}

static void what_changes_while_it_is_copied_is_refused(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o);
    send_two("", 0);
    succeeds(rp_receive(c, &m, 0));
    struct rp_send_options s = with(NULL, 0);
    s.carry = &m.headers;
    size_t content;
    unsigned char to[128];
    succeeds(headers_measure(&q->segment, "q", 5, &s, &content));
    assert_true(headers_write(to, 5, content, &s));
    assert_false(headers_write(to, 5, content - 8, &s)); /* they grew */
    assert_false(headers_write(to, 5, content + 8, &s)); /* they shrank */
    *(unsigned char *)(uintptr_t)m.headers.block = 255;
    assert_false(headers_write(to, 5, content, &s));
    assert_int_equal(rp_send(p, "x", 1, &s), RP_CORRUPT);
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(go_with_payloads_of_any_length, unlink_queue),
        cmocka_unit_test_teardown(stay_through_redelivery_delay_and_levels, unlink_queue),
        cmocka_unit_test_teardown(go_with_keys, unlink_queue),
        cmocka_unit_test_teardown(copies_have_them, unlink_queue),
        cmocka_unit_test_teardown(go_with_loans_and_batches, unlink_queue),
        cmocka_unit_test_teardown(are_carried_but_for_those_named, unlink_queue),
        cmocka_unit_test_teardown(letters_and_looks_show_them, unlink_queue),
        cmocka_unit_test_teardown(letters_are_chosen_by_header, unlink_queue),
        cmocka_unit_test_teardown(letters_take_them_to_another_queue, unlink_both),
        cmocka_unit_test_teardown(use_what_is_left_or_was_set_aside, unlink_queue),
        cmocka_unit_test_teardown(refuse_what_cannot_be, unlink_queue),
        cmocka_unit_test_teardown(count_in_max_bytes, unlink_queue),
        cmocka_unit_test_teardown(lead_nobody_astray, unlink_queue),
        cmocka_unit_test_teardown(lengths_that_do_not_fit_are_damage, unlink_queue),
        cmocka_unit_test_teardown(any_block_is_read_to_its_end_at_most, unlink_queue),
        cmocka_unit_test_teardown(what_changes_while_it_is_copied_is_refused, unlink_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
