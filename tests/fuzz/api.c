/* SPDX-License-Identifier: MIT */
/*
 * fuzz_api: callers that get everything wrong that a header says is an error, or says nothing about: option structs of any size with any bytes, names,
 * counts, lengths, receipts, NULL. The structs lie in memory of exactly their size, so that the address sanitizer sees a read beyond it.
 */
#include "fuzz.h"
#include "steps.h"
#include "world.h"

#include <errno.h>
#include <ringpost/ringpost.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OPS_MAX = 24, MESSAGE_BYTES = 32, FILE_BYTES_MAX = 1 << 20 };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static char name_prefix[40];

/* ---- values ---- */

static uint64_t some_number(struct reader *r) {
    static const uint64_t special[] = {
        0,        1,         2,          7,          8,         16,         65535,      65536,          1 << 20, 4000000, 4000001,
        1u << 30, INT32_MAX, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 1, 1000,    20};
    uint8_t how = take8(r);
    return how < 128 ? special[how % (sizeof special / sizeof special[0])] : how < 192 ? take8(r) : take64(r);
}

/* Text of any bytes, terminated, in memory of its own. */
static char *some_text(struct reader *r) {
    static const char alphabet[] = "abcXYZ019._-/~ \n\t*%\x01\x7f\xc3\xa4\xff\xf0\x9f";
    uint8_t how = take8(r);
    size_t bytes = how < 200 ? how % 24 : how < 230 ? 150 + how : 5000;
    uint64_t state = how * 2654435761u + take8(r) + 1;
    char *text = malloc(bytes + 1);
    must(text != NULL);
    for (size_t i = 0; i < bytes; i++)
        text[i] = alphabet[dice(&state) % (sizeof alphabet - 1)];
    text[bytes] = 0;
    return text;
}

/* What a call may say is in its header; this is only: a code that exists, a text about it. */
static int heard(int result) {
    if (result < 0) {
        must(strncmp(rp_error_name(result), "RP_", 3) == 0 || rp_error_name(result)[0] == 'E');
        must(rp_error_text(result)[0] != 0 && strlen(rp_error_detail()) < 256);
    }
    return result;
}

/* ---- option structs ---- */

typedef void init(void *o, size_t size);

/*
 * A struct as a caller of another version might pass it: of `size` bytes, some changed. `known` is the library's size. -> what must come of it: 0: it
 * depends on the values; else the error.
 */
static void *some_struct(struct reader *r, init *fill, size_t known, int *expected) {
    static const uint16_t sizes[] = {0, 1, 7, 8, 9, 16, 24};
    uint8_t how = take8(r), changes = take8(r);
    size_t size = how < 100 ? known : how < 130 ? sizes[how % 7] : how < 200 ? known + how % 40u : how < 240 ? how : 65537u + how;
    size_t room = size < 8 || size > 65536 ? 8 : size;
    unsigned char *o = malloc(room);
    must(o != NULL);
    memset(o, 0, room);
    if (size <= 65536)
        fill(o, size);
    for (unsigned i = 0; i < changes % 4u && size > 8 && size <= 65536; i++) {
        uint64_t value = some_number(r);
        size_t at = 8 + take8(r) % (size - 8);
        if (at % 8 == 0 && at + 8 <= size)
            memcpy(o + at, &value, changes & 0x80 ? 8 : 4);
        else
            o[at] = (unsigned char)value;
    }
    memcpy(o, &size, sizeof size);
    *expected = size < 8 || size > 65536 ? -EINVAL : 0;
    for (size_t i = known; i < size && size <= 65536; i++)
        if (o[i] != 0)
            *expected = -E2BIG;
    return o;
}

/* Pointers in a struct are not ours to invent: what lies there is made NULL. */
static void no_pointer(void *o, size_t at) {
    size_t size;
    memcpy(&size, o, sizeof size);
    for (size_t i = at; i < at + sizeof(void *) && i < size && size <= 65536; i++)
        ((unsigned char *)o)[i] = 0;
}

static void as_expected(int result, int expected) { must(expected == 0 || heard(result) == expected); }

/* ---- creating and opening ---- */

static void round_trip(rp_queue *made) {
    rp_producer *producer;
    rp_consumer *consumer;
    struct rp_message m;
    must(rp_producer_open(made, NULL, &producer) == 0 && rp_consumer_open(made, NULL, &consumer) == 0);
    struct rp_queue_options o = {.size = sizeof o};
    must(rp_send(producer, "x", 1, NULL) == 0 && rp_queue_options_get(made, &o) == 0);
    int result = rp_receive(consumer, &m, 0);
    must(result == 0 || (result == RP_EMPTY && o.ttl_ns > 0)); /* it may live no longer than a nanosecond */
    must(result != 0 || (m.bytes == 1 && rp_ack(consumer, &m) == 0));
    must(rp_queue_close(made) == RP_IN_USE);
    rp_consumer_close(consumer);
    rp_producer_close(producer);
}

static void create(struct reader *r) {
    int expected;
    rp_queue *made = NULL;
    char name[64];
    struct rp_queue_options *o = some_struct(r, (init *)(void *)rp_queue_options_init, sizeof(struct rp_queue_options), &expected);
    no_pointer(o, offsetof(struct rp_queue_options, group));
    if (o->size >= sizeof *o && o->size <= 65536 && take8(r) % 4 != 0) { /* so small that there is room, if the rest allows */
        o->capacity = 1 + o->capacity % 8;
        o->message_bytes = 8;
        o->header_bytes %= 64;
        o->max_participants = 1 + o->max_participants % 4;
    }
    snprintf(name, sizeof name, "%screated", name_prefix);
    int result = heard(rp_queue_create(name, o, &made));
    as_expected(result, expected);
    if (result == 0) {
        round_trip(made);
        must(rp_queue_close(made) == 0 && rp_queue_unlink(name) == 0);
    }
    free(o);
}

static void names(struct reader *r) {
    char *text = some_text(r), name[512];
    rp_queue *other = NULL;
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = o.max_groups = o.max_participants = o.message_bytes = 1;
    snprintf(name, sizeof name, "%s%.300s", name_prefix, text); /* a name of ours, whatever follows */
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    bool good = strlen(name) <= 200 && name[strspn(name, allowed)] == 0;
    int result = heard(rp_queue_create(name, &o, &other));
    must(result == (good ? 0 : -EINVAL));
    if (result == 0) {
        must(strcmp(rp_queue_name(other), name) == 0);
        must(rp_queue_close(other) == 0 && rp_queue_unlink(name) == 0);
    }
    must(heard(rp_queue_open(name, NULL, &other)) == (good ? -ENOENT : -EINVAL));
    must(heard(rp_queue_unlink(name)) == (good ? -ENOENT : -EINVAL));
    snprintf(name, sizeof name, "/%.300s/no such directory/%.100s", text, text); /* a path that leads nowhere */
    must(heard(rp_queue_open(name, NULL, &other)) < 0 && heard(rp_queue_unlink(name)) < 0);
    must(heard(rp_queue_create(name, &o, &other)) < 0 && heard(rp_collect(name)) < 0);
    free(text);
}

static void open_with_options(struct reader *r) {
    int expected, how = take8(r) % 3;
    rp_queue *other = NULL;
    rp_producer *producer = NULL;
    rp_consumer *consumer = NULL;
    if (how == 0) {
        void *o = some_struct(r, (init *)(void *)rp_open_options_init, sizeof(struct rp_open_options), &expected);
        as_expected(heard(rp_queue_open(world_healthy, o, &other)), expected);
        free(o);
    } else if (how == 1) {
        void *o = some_struct(r, (init *)(void *)rp_producer_options_init, sizeof(struct rp_producer_options), &expected);
        no_pointer(o, offsetof(struct rp_producer_options, id));
        as_expected(heard(rp_producer_open(q, o, &producer)), expected);
        free(o);
    } else {
        struct rp_consumer_options *o =
            some_struct(r, (init *)(void *)rp_consumer_options_init, sizeof(struct rp_consumer_options), &expected);
        char *group = some_text(r);
        no_pointer(o, offsetof(struct rp_consumer_options, group));
        if (o->size >= offsetof(struct rp_consumer_options, ack) && o->size <= 65536 && take8(r) & 1)
            o->group = group;
        as_expected(heard(rp_consumer_open(q, o, &consumer)), expected);
        free(o);
        free(group);
    }
    rp_producer_close(producer);
    rp_consumer_close(consumer);
    must(rp_queue_close(other) == 0);
}

/* ---- messages ---- */

static const unsigned char payload[MESSAGE_BYTES];

static void send_anything(struct reader *r) {
    struct rp_send_item items[2] = {{.data = payload, .bytes = 1},
                                    {.data = take8(r) & 1 ? payload : NULL, .bytes = some_number(r)}};
    struct rp_loan loan;
    int expected;
    uint64_t bytes = some_number(r), count = some_number(r);
    struct rp_send_options *o = some_struct(r, (init *)(void *)rp_send_options_init, sizeof(struct rp_send_options), &expected);
    no_pointer(o, offsetof(struct rp_send_options, id_out));
    no_pointer(o, offsetof(struct rp_send_options, headers));
    no_pointer(o, offsetof(struct rp_send_options, carry));
    if (o->size >= 16 && o->size <= 65536 && (o->timeout_ns > 1000 || o->timeout_ns == -1))
        o->timeout_ns = 1000; /* it would be waited */
    int result = heard(rp_send(p, bytes > MESSAGE_BYTES && take8(r) & 1 ? NULL : payload, bytes, o));
    must(bytes <= MESSAGE_BYTES || result == RP_TOO_BIG);
    if (bytes <= MESSAGE_BYTES)
        as_expected(result, expected);
    free(o);
    (void)heard(rp_send_batch(p, items, count <= INT32_MAX ? count % 3 : count));
    must(heard(rp_send_batch(p, NULL, count)) == -EINVAL);
    if (heard(rp_loan(p, bytes, &loan)) == 0) {
        loan.bytes = some_number(r);
        loan.reserved[take8(r) % 3] ^= take8(r) % 4;
        if (heard(rp_commit(p, &loan, NULL)) < 0)
            (void)heard(rp_abandon(p, &loan));
    }
    memset(&loan, take8(r), sizeof loan);
    must(heard(rp_commit(p, &loan, NULL)) < 0 && heard(rp_abandon(p, &loan)) < 0);
}

static void receive_anything(struct reader *r) {
    struct rp_message m, copy;
    uint64_t max = some_number(r), timeout = some_number(r);
    int expected, result;
    must(heard(rp_receive_batch(c, NULL, max, 0)) == -EINVAL);
    if (max == 0 || max > INT32_MAX)
        must(heard(rp_receive_batch(c, &m, max, 0)) == -EINVAL);
    if ((int64_t)timeout < -1)
        must(heard(rp_receive(c, &m, (int64_t)timeout)) == -EINVAL);
    memset(&m, take8(r), sizeof m);
    must(rp_ack(c, &m) == -EINVAL && rp_reject(c, &m, NULL) == -EINVAL && rp_extend(c, &m, timeout) == -EINVAL);
    if (heard(rp_receive(c, &m, 0)) < 0)
        return;
    copy = m;
    char *reason = some_text(r);
    struct rp_nack_options *o = some_struct(r, (init *)(void *)rp_nack_options_init, sizeof(struct rp_nack_options), &expected);
    no_pointer(o, offsetof(struct rp_nack_options, reason));
    (void)heard(rp_extend(c, &m, timeout));
    if (take8(r) & 1) {
        result = heard(rp_nack(c, &m, o));
        as_expected(result, expected);
    } else {
        result = heard(rp_reject(c, &m, reason));
        must(strlen(reason) <= RP_REASON_MAX || result == -EINVAL);
    }
    if (result < 0)
        must(rp_ack(c, &copy) == 0);
    must(rp_ack(c, &copy) == -EINVAL && rp_ack(c, &m) == -EINVAL);
    free(reason);
    free(o);
}

/* ---- looking ---- */

static void look_anywhere(struct reader *r) {
    char *group = some_text(r);
    unsigned char buffer[8];
    struct rp_peeked peeked;
    struct rp_dead_letter letter;
    struct rp_participant who;
    uint64_t states = some_number(r), id = some_number(r);
    int expected;
    must(heard(rp_peek(q, group, 15, 0, &peeked, buffer, sizeof buffer)) == -ENOENT);
    (void)heard(rp_peek(q, NULL, (unsigned)states, id, &peeked, buffer, sizeof buffer));
    (void)heard(rp_peek(q, NULL, (unsigned)states, id, &peeked, NULL, (size_t)id));
    must(heard(rp_dead_peek(q, group, id, &letter, NULL, 0)) == -ENOENT);
    (void)heard(rp_dead_peek(q, NULL, id, &letter, NULL, (size_t)states));
    must(heard(rp_queue_purge(q, group, (unsigned)states)) == -ENOENT);
    if (states == 0 || states > 15)
        must((unsigned)states - 1 < 15 || heard(rp_queue_purge(q, NULL, (unsigned)states)) == -EINVAL);
    (void)heard(rp_participant_next(q, (uint32_t)id, &who));
    void *o = some_struct(r, (init *)(void *)rp_redrive_options_init, sizeof(struct rp_redrive_options), &expected);
    no_pointer(o, offsetof(struct rp_redrive_options, key));
    no_pointer(o, offsetof(struct rp_redrive_options, text));
    no_pointer(o, offsetof(struct rp_redrive_options, to));
    no_pointer(o, offsetof(struct rp_redrive_options, last_id));
    no_pointer(o, offsetof(struct rp_redrive_options, header));
    no_pointer(o, offsetof(struct rp_redrive_options, header_value));
    as_expected(heard(take8(r) & 1 ? rp_dead_purge(q, NULL, o) : rp_dead_redrive(q, NULL, o)), expected);
    must(rp_error_name((int)id) != NULL && rp_error_text((int)id) != NULL);
    free(o);
    free(group);
}

static void nothing_at_all(void) {
    struct rp_queue_stats stats;
    must(rp_queue_create(NULL, NULL, NULL) == -EINVAL && rp_queue_open(NULL, NULL, NULL) == -EINVAL);
    must(rp_queue_unlink(NULL) == -EINVAL && rp_queue_close(NULL) == 0);
    must(rp_queue_options_get(NULL, NULL) == -EINVAL && rp_queue_sweep(NULL) == -EINVAL && rp_queue_interrupt(NULL) == -EINVAL);
    must(rp_queue_purge(NULL, NULL, 1) == -EINVAL && rp_queue_stats(NULL, &stats) == -EINVAL && rp_queue_stats(q, NULL) == -EINVAL);
    must(rp_queue_audit(NULL, NULL) == -EINVAL && rp_participant_next(NULL, 0, NULL) == -EINVAL);
    must(rp_participant_next(q, 0, NULL) == -EINVAL && rp_queue_audit(q, NULL) == -EINVAL);
    must(rp_peek(NULL, NULL, 1, 0, NULL, NULL, 0) == -EINVAL && rp_peek(q, NULL, 1, 0, NULL, NULL, 0) == -EINVAL);
    must(rp_dead_peek(NULL, NULL, 0, NULL, NULL, 0) == -EINVAL && rp_dead_peek(q, NULL, 0, NULL, NULL, 0) == -EINVAL);
    must(rp_dead_redrive(NULL, NULL, NULL) == -EINVAL && rp_dead_purge(NULL, NULL, NULL) == -EINVAL);
    must(rp_producer_open(NULL, NULL, NULL) == -EINVAL && rp_producer_open(q, NULL, NULL) == -EINVAL);
    must(rp_consumer_open(NULL, NULL, NULL) == -EINVAL && rp_consumer_open(q, NULL, NULL) == -EINVAL);
    must(rp_send(NULL, "", 0, NULL) == -EINVAL && rp_send(p, NULL, 1, NULL) == -EINVAL && rp_send_batch(NULL, NULL, 0) == -EINVAL);
    must(rp_loan(NULL, 1, NULL) == -EINVAL && rp_loan(p, 1, NULL) == -EINVAL);
    must(rp_commit(NULL, NULL, NULL) == -EINVAL && rp_commit(p, NULL, NULL) == -EINVAL && rp_abandon(NULL, NULL) == -EINVAL);
    must(rp_receive(NULL, NULL, 0) == -EINVAL && rp_receive(c, NULL, 0) == -EINVAL &&
         rp_receive_batch(NULL, NULL, 1, 0) == -EINVAL);
    must(rp_ack(NULL, NULL) == -EINVAL && rp_ack(c, NULL) == -EINVAL && rp_nack(c, NULL, NULL) == -EINVAL);
    must(rp_reject(NULL, NULL, NULL) == -EINVAL && rp_extend(NULL, NULL, 0) == -EINVAL && rp_extend(c, NULL, 0) == -EINVAL);
    rp_producer_close(NULL);
    rp_consumer_close(NULL);
    rp_queue_options_init(NULL, 100);
    rp_send_options_init(NULL, 0);
}

/* ---- */

static void api_start(void) {
    struct rp_queue_options o;
    setrlimit(RLIMIT_FSIZE,
              &(struct rlimit){FILE_BYTES_MAX, FILE_BYTES_MAX}); /* queues of hostile sizes must not eat the machine */
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 8;
    o.message_bytes = MESSAGE_BYTES;
    o.max_participants = 4;
    must(rp_queue_create(world_healthy, &o, &q) == 0);
    must(rp_producer_open(q, NULL, &p) == 0 && rp_consumer_open(q, NULL, &c) == 0);
}

/* Names beside those of the world: without a directory. */
static void api_prepare(void) {
    world_prepare();
    snprintf(name_prefix, sizeof name_prefix, "fuzz-api.%d.", (int)getpid());
}

static void api_clean(void) {
    char name[64];
    snprintf(name, sizeof name, "%screated", name_prefix);
    rp_queue_unlink(name);
    world_clean();
}

static void api_run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    signal(SIGXFSZ, SIG_IGN); /* here, for libFuzzer installs a handler of its own */
    for (unsigned i = 0; i < OPS_MAX && !reader_over(&r); i++)
        switch (take8(&r) % 10) {
        case 0: create(&r); break;
        case 1: names(&r); break;
        case 2: open_with_options(&r); break;
        case 3:
        case 4: send_anything(&r); break;
        case 5:
        case 6: receive_anything(&r); break;
        case 7:
        case 8: look_anywhere(&r); break;
        default: nothing_at_all(); break;
        }
    struct rp_audit a;
    must(rp_queue_purge(q, NULL, RP_STATE_ALL) >= 0 && rp_queue_audit(q, &a) == 0 && a.violations == 0);
    /* It has not suffered. Open loans are lost by what was done to them; they are given back with their producer. */
    rp_producer_close(p);
    must(rp_producer_open(q, NULL, &p) == 0 && rp_send(p, payload, MESSAGE_BYTES, NULL) == 0);
    struct rp_message m;
    must(rp_receive(c, &m, 0) == 0 && m.bytes == MESSAGE_BYTES && rp_ack(c, &m) == 0);
}

static void api_stop(void) {
    rp_consumer_close(c);
    rp_producer_close(p);
    must(rp_queue_close(q) == 0 && rp_queue_unlink(world_healthy) == 0);
}

const struct fuzz_target fuzz_target = {
    .name = "api",
    .prepare = api_prepare,
    .clean = api_clean,
    .start = api_start,
    .run = api_run,
    .stop = api_stop,
};
