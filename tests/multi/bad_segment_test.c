/* SPDX-License-Identifier: MIT */
/*
 * Segments that are truncated, damaged, foreign or hostile: an error, or a queue that works as well as it can; never a crash, never an endless call.
 * Each is tried by a child under an alarm.
 */
#include "fixture.h"
#include "index_ring.h"
#include "scratch.h"
#include "segment.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { WATCHDOG_S = 20, STEPS = 200 };

static struct scratch scratch;
static unsigned char *image; /* a valid segment with messages in every state */
static size_t image_bytes;

static struct header *header_of(unsigned char *segment) { return (struct header *)(void *)segment; }

/* ---- the valid one ---- */

static int die_holding(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct rp_loan loan;
    struct handles h = peer_open(0);
    for (int i = 0; i < 3; i++)
        peer_succeeds(rp_receive(h.c, &m, 0));
    peer_succeeds(rp_loan(h.p, 8, &loan));
    peer_say(test, 'h');
    return peer_hear(test);
}

static void fill(rp_queue *q) {
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 1000 * SECOND;
    later.reason = "later";
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    for (int i = 0; i < 30; i++) { /* rings go round */
        succeeds(send_text(p, "gone"));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_nack(c, &m, NULL));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_ack(c, &m));
    }
    for (int i = 0; i < 12; i++)
        succeeds(send_text(p, "work"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_reject(c, &m, "poison"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_nack(c, &m, &later));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_nack(c, &m, NULL));
    struct peer peer = peer_start(die_holding, NULL);
    assert_int_equal(peer_hear(&peer), 'h');
    peer_kill(&peer);
    rp_producer_close(p);
    rp_consumer_close(c);
}

static int setup(void **state) {
    (void)state;
    char path[128];
    struct stat status;
    struct rp_queue_options o = test_options();
    o.capacity = 20;
    o.max_participants = 4;
    o.max_groups = 2;
    if (scratch_create(&scratch) != 0)
        return -1;
    rp_queue *q = make_queue(&o);
    fill(q);
    snprintf(path, sizeof path, "/dev/shm/ringpost.%s", queue_name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    image_bytes = (size_t)status.st_size;
    image = malloc(image_bytes);
    assert_int_equal(read(fd, image, image_bytes), image_bytes);
    close(fd);
    drop_queue(q);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(image);
    scratch_destroy(&scratch);
    return 0;
}

/* ---- trying one ---- */

static void write_segment(const unsigned char *bytes, size_t count) {
    int fd = open(scratch.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

/* Looks at all of it; every loop ends by itself, for ids and seats ascend. */
static void look_around(rp_queue *q) {
    struct rp_queue_stats stats;
    struct rp_audit audit;
    struct rp_peeked peeked = {0};
    struct rp_dead_letter dead = {0};
    struct rp_participant who;
    char buffer[64];
    (void)rp_queue_stats(q, &stats);
    (void)rp_queue_audit(q, &audit);
    while (rp_peek(q, NULL, RP_STATE_ALL, peeked.id, &peeked, buffer, sizeof buffer) == 0)
        peer_check(peeked.bytes <= sizeof buffer);
    while (rp_dead_peek(q, NULL, dead.id, &dead, buffer, sizeof buffer) == 0)
        peer_check(memchr(dead.text, 0, sizeof dead.text) != NULL && memchr(dead.executable, 0, sizeof dead.executable) != NULL);
    for (uint32_t seat = 0; rp_participant_next(q, seat, &who) == 0; seat = who.seat + 1)
        peer_check(who.seat >= seat);
}

static volatile unsigned char read_it; /* so that every byte is read */

static void use(rp_queue *q) {
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m[4];
    peer_succeeds(rp_producer_open(q, NULL, &p));
    if (rp_consumer_open(q, NULL, &c) != 0) { /* the group's name is gone */
        rp_producer_close(p);
        return;
    }
    for (int i = 0; i < STEPS; i++) {
        (void)send_text(p, "more");
        int n = rp_receive_batch(c, m, 4, i % 50 == 0 ? 2 * MS : 0);
        for (int k = 0; k < n; k++) {
            peer_check(m[k].bytes <= 64);
            for (size_t b = 0; b < m[k].bytes; b++)
                read_it = ((const unsigned char *)m[k].data)[b];
            (void)(i % 7 == 0 ? rp_nack(c, &m[k], NULL) : i % 11 == 0 ? rp_reject(c, &m[k], "bad") : rp_ack(c, &m[k]));
        }
        if (i % 40 == 0)
            (void)rp_queue_sweep(q);
    }
    (void)rp_dead_redrive(q, NULL, NULL);
    (void)rp_dead_purge(q, NULL, NULL);
    (void)rp_queue_purge(q, NULL, RP_STATE_ALL);
    rp_consumer_close(c);
    rp_producer_close(p);
}

/* Exit status 0: opened and used. 1: something that must not be. 2: refused as damaged or incompatible. */
static int try_it(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_open_options look = {.size = sizeof look, .read_only = 1};
    rp_queue *q = NULL;
    alarm(WATCHDOG_S);
    int result = rp_queue_open(scratch.path, &look, &q);
    if (result == 0) {
        look_around(q);
        peer_check(rp_queue_close(q) == 0);
    }
    int second = rp_queue_open(scratch.path, NULL, &q);
    if (second < 0) {
        peer_check(second == RP_CORRUPT || second == RP_INCOMPATIBLE || (second == RP_NO_SEAT && result == 0));
        peer_check(strstr(rp_error_detail(), scratch.path) != NULL);
        return 2;
    }
    look_around(q);
    (void)rp_queue_sweep(q);
    use(q);
    look_around(q);
    peer_check(rp_queue_close(q) == 0);
    return 0;
}

static int attempt(const unsigned char *bytes, size_t count, const char *what, unsigned long long where) {
    write_segment(bytes, count);
    int status = peer_run(try_it, NULL);
    if (status != 0 && status != 2)
        fprintf(stderr, "%s %llu: %s %d\n", what, where,
                status == -SIGALRM ? "no end, signal"
                : status < 0       ? "signal"
                                   : "status",
                abs(status));
    return status;
}

static void unharmed(void **state) {
    (void)state;
    assert_int_equal(attempt(image, image_bytes, "unharmed", 0), 0);
}

static void every_byte_of_the_header(void **state) {
    (void)state;
    int bad = 0, flips[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < sizeof(struct header); at++)
        for (size_t k = 0; k < 3; k++) {
            image[at] ^= (unsigned char)flips[k];
            bad += attempt(image, image_bytes, "header byte", at) != 2; /* the checksum sees every bit */
            image[at] ^= (unsigned char)flips[k];
        }
    assert_int_equal(bad, 0);
}

/* By somebody who knows how to compute the checksum. */
static void every_byte_of_a_header_that_was_signed_again(void **state) {
    (void)state;
    int refused = 0, used = 0, flips[] = {0x01, 0x80};
    for (size_t at = 0; at < offsetof(struct header, check); at++)
        for (size_t k = 0; k < 2; k++) {
            uint64_t check = header_of(image)->check;
            image[at] ^= (unsigned char)flips[k];
            header_of(image)->check = header_check(header_of(image));
            int status = attempt(image, image_bytes, "signed header byte", at);
            assert_true(status == 0 || status == 2);
            refused += status == 2;
            used += status == 0;
            image[at] ^= (unsigned char)flips[k];
            header_of(image)->check = check;
        }
    print_message("%d refused, %d usable\n", refused, used);
    assert_true(refused > 200);
}

static void foreign_versions_and_features(void **state) {
    (void)state;
    struct rp_open_options look = {.size = sizeof look, .read_only = 1};
    rp_queue *q;
    unsigned char *copy = malloc(image_bytes);
    struct header *h = header_of(copy);
    struct {
        size_t offset;
        uint32_t bytes;
        int result, read_only;
        const char *detail;
    } const cases[] = {
        {offsetof(struct header, magic), 8, RP_CORRUPT, RP_CORRUPT, "magic"},
        {offsetof(struct header, version), 4, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "layout version"},
        {offsetof(struct header, byte_order), 4, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "byte order"},
        {offsetof(struct header, word_bits), 4, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "word"},
        {offsetof(struct header, features_incompatible), 8, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "features"},
        {offsetof(struct header, features_read_only), 8, RP_INCOMPATIBLE, 0, "read-only"},
        {offsetof(struct header, features_compatible), 8, 0, 0, ""},
        {offsetof(struct header, time_namespace), 8, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "time namespace"},
        {offsetof(struct header, boot_id), 8, RP_INCOMPATIBLE, RP_INCOMPATIBLE, "started anew"},
        {offsetof(struct header, parameters.capacity), 4, RP_CORRUPT, RP_CORRUPT, "offsets"},
        {offsetof(struct header, parameters.overflow), 4, RP_CORRUPT, RP_CORRUPT, "overflow"},
        {offsetof(struct header, layout.cells), 8, RP_CORRUPT, RP_CORRUPT, "offsets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(copy, image, image_bytes);
        copy[cases[i].offset + 1] ^= 0x40;
        h->check = header_check(h);
        write_segment(copy, image_bytes);
        assert_int_equal(rp_queue_open(scratch.path, NULL, &q), cases[i].result);
        if (cases[i].result == 0)
            succeeds(rp_queue_close(q));
        else if (!strstr(rp_error_detail(), cases[i].detail) || !strstr(rp_error_detail(), scratch.path))
            assert_string_equal(rp_error_detail(), cases[i].detail);
        assert_int_equal(rp_queue_open(scratch.path, &look, &q), cases[i].read_only);
        if (cases[i].read_only == 0)
            succeeds(rp_queue_close(q));
    }
    free(copy);
}

static void truncated_at_every_page(void **state) {
    (void)state;
    int bad = 0;
    for (size_t bytes = 0; bytes < image_bytes; bytes += 4096) {
        bad += attempt(image, bytes, "truncated to", bytes) != 2;
        bad += attempt(image, bytes + 100, "truncated to", bytes + 100) != 2;
    }
    assert_int_equal(bad, 0);
    unsigned char *longer = calloc(1, image_bytes + 4096);
    memcpy(longer, image, image_bytes);
    assert_int_equal(attempt(longer, image_bytes + 4096, "longer by a page", 0), 0); /* huge pages round up */
    free(longer);
}

/* ---- random bytes ---- */

static uint64_t dice = 0x9e3779b97f4a7c15;

static uint64_t roll(void) {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

static void scramble(unsigned char *from, size_t bytes, unsigned one_in) {
    for (size_t i = 0; i + 8 <= bytes; i += 8)
        if (roll() % one_in == 0) {
            uint64_t word = roll();
            memcpy(from + i, &word, 8);
        }
}

static void random_parts(void **state) {
    (void)state;
    const struct layout l = header_of(image)->layout;
    const uint64_t parts[] = {l.control,     l.groups,     l.seats,  l.bitmap, l.lane_ends, l.lane_starts, l.lanes,
                              l.group_rings, l.deliveries, l.extras, l.texts,  l.cells,     l.bytes};
    unsigned char *copy = malloc(image_bytes);
    int bad = 0, refused = 0, tries = 0;
    for (unsigned round = 0; round < 12; round++)
        for (size_t part = 0; part < 13; part++) { /* the last: all of them */
            uint64_t from = part < 12 ? parts[part] : l.control, to = part < 12 ? parts[part + 1] : l.bytes;
            memcpy(copy, image, image_bytes);
            scramble(copy + from, to - from, round % 3 == 0 ? 1 : round % 3 == 1 ? 4 : 40);
            int status = attempt(copy, image_bytes, "random bytes in part", part);
            bad += status != 0 && status != 2;
            refused += status == 2;
            tries++;
        }
    free(copy);
    print_message("%d segments with random bytes, %d refused\n", tries, refused);
    assert_int_equal(bad, 0);
}

static void nothing_but_random_bytes(void **state) {
    (void)state;
    unsigned char *noise = malloc(image_bytes);
    for (int round = 0; round < 8; round++) {
        scramble(noise, image_bytes, 1);
        assert_int_equal(attempt(noise, image_bytes, "noise", (unsigned)round), 2);
    }
    memset(noise, 0, image_bytes);
    assert_int_equal(attempt(noise, image_bytes, "zeroes", 0), 2);
    free(noise);
}

/* Laps that go on for ever, each slot ahead of the one before it, over the wrap. */
static void without_end(uint64_t *slots, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        slots[i] = slot_word(1 + i * ((LAP_MASK + 1) / count), 2, (uint32_t)(i % 8));
}

static void rings_without_end(void **state) {
    (void)state;
    const struct layout l = header_of(image)->layout;
    struct {
        const char *name;
        uint64_t at, count;
    } const rings[] = {
        {"lane", l.lanes, (l.group_rings - l.lanes) / 8},
        {"early", l.group_rings, l.slot_count},
        {"returned", l.group_rings + 8 * (uint64_t)l.slot_count, l.slot_count},
        {"deaths", l.group_rings + 16 * (uint64_t)l.slot_count, l.death_slot_count},
    };
    unsigned char *copy = malloc(image_bytes);
    int bad = 0;
    for (unsigned i = 0; i < 2 * 4; i++) {
        memcpy(copy, image, image_bytes);
        without_end((uint64_t *)(void *)(copy + rings[i / 2].at), rings[i / 2].count);
        if (i % 2 == 1) /* and somebody believes that there are too many dead letters */
            store_relaxed(&((struct group *)(void *)(copy + l.groups))->dead_count, 1000, init);
        int status = attempt(copy, image_bytes, rings[i / 2].name, i % 2);
        bad += status != 0 && status != 2;
    }
    free(copy);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unharmed),
        cmocka_unit_test(every_byte_of_the_header),
        cmocka_unit_test(every_byte_of_a_header_that_was_signed_again),
        cmocka_unit_test(foreign_versions_and_features),
        cmocka_unit_test(truncated_at_every_page),
        cmocka_unit_test(random_parts),
        cmocka_unit_test(nothing_but_random_bytes),
        cmocka_unit_test(rings_without_end),
    };
    return cmocka_run_group_tests_name("bad segment", tests, setup, teardown);
}
