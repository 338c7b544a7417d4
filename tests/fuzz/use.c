/* SPDX-License-Identifier: MIT */
/* Opening, sending, receiving, settling. Looking is in use_look.c. */
#include "use.h"
#include "handle.h"
#include "steps.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool use_among_vandals;
static uint64_t opened, refused, corrupt, received, settled, sent, lost, with_headers;

void use_summary(void) {
    printf("opened %llu, refused %llu; sent %llu, received %llu, settled %llu, leases lost %llu, headers %llu, RP_CORRUPT %llu\n",
           (unsigned long long)opened, (unsigned long long)refused, (unsigned long long)sent, (unsigned long long)received,
           (unsigned long long)settled, (unsigned long long)lost, (unsigned long long)with_headers, (unsigned long long)corrupt);
}

int use_called(int result, const char *call, const int *allowed) {
    steps_end();
    if (result >= 0)
        return result;
    bool known = false;
    for (; *allowed != 0; allowed++)
        known = known || *allowed == result;
    if (!known)
        finding("%s says %s, which its header does not name: %s", call, rp_error_name(result), rp_error_detail());
    if ((result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == RP_NO_SEAT) && !strstr(rp_error_detail(), world_damaged))
        finding("%s says %s, and not of which queue: '%s'", call, rp_error_name(result), rp_error_detail());
    corrupt += result == RP_CORRUPT;
    return result;
}

/* ---- opening and closing ---- */

static void open_consumer(struct user *u, uint8_t how) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = how & 4 ? "second" : NULL;
    o.prefetch = how & 8 ? 3 : 0;
    o.ack = (how & 0x30) == 0x30 ? RP_ACK_NONE : RP_ACK_EXPLICIT;
    u->at_most_once = o.ack == RP_ACK_NONE;
    if (CALL(u, rp_consumer_open(u->q, &o, &u->c), -ENOENT) < 0)
        u->c = NULL;
}

static void open_ends(struct user *u, uint8_t how) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = "fuzz";
    o.id_bytes = 4;
    u->numbered = how & 0x40 && CALL(u, rp_producer_open(u->q, &o, &u->p), RP_IN_USE, -ENOSPC, RP_CORRUPT) == 0;
    if (!u->numbered)
        must(CALL(u, rp_producer_open(u->q, NULL, &u->p), 0) == 0);
    open_consumer(u, how);
}

static rp_queue *observe(struct user *u) {
    struct rp_open_options o = {.size = sizeof o, .read_only = 1};
    rp_queue *q = NULL;
    return CALL(u, rp_queue_open(world_damaged, &o, &q), RP_CORRUPT, RP_INCOMPATIBLE) == 0 ? q : NULL;
}

bool use_open(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    if (how & 1)
        u->observer = observe(u);
    int result = CALL(u, rp_queue_open(world_damaged, NULL, &u->q), RP_CORRUPT, RP_INCOMPATIBLE, RP_NO_SEAT);
    if (result < 0) {
        refused++;
        if (world_layout_known && result != RP_NO_SEAT)
            finding("an unharmed header is refused: %s", rp_error_detail());
        u->q = NULL;
        return u->observer != NULL;
    }
    struct rp_queue_options o = {.size = sizeof o};
    opened++;
    must(rp_queue_options_get(u->q, &o) == 0);
    u->message_bytes = o.message_bytes;
    u->most_bytes = o.max_bytes > 0 && o.max_bytes < o.message_bytes ? (uint32_t)o.max_bytes : o.message_bytes;
    u->blocks = o.overflow == RP_OVERFLOW_BLOCK;
    u->lanes = o.lanes;
    u->priorities = o.priorities;
    u->once = o.dedup_window_ns > 0;
    open_ends(u, how);
    return true;
}

static void close_ends(struct user *u) {
    steps_begin("rp_consumer_close", u->bound);
    rp_consumer_close(u->c);
    steps_end();
    steps_begin("rp_producer_close", u->bound);
    rp_producer_close(u->p);
    steps_end();
    u->c = NULL;
    u->p = NULL;
    u->held_count = u->loan_count = 0;
}

void use_close(struct user *u) {
    close_ends(u);
    must(CALL(u, rp_queue_close(u->q), 0) == 0);
    must(CALL(u, rp_queue_close(u->observer), 0) == 0);
}

void use_reopen(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    if (u->q == NULL)
        return;
    close_ends(u);
    open_ends(u, how);
}

void use_observer(struct reader *r, struct user *u) {
    if (take8(r) & 1) {
        must(CALL(u, rp_queue_close(u->observer), 0) == 0);
        u->observer = NULL;
    }
    if (u->observer == NULL)
        u->observer = observe(u);
}

/* ---- receiving ---- */

static volatile unsigned char read_it; /* so that every byte is read */

static void inside(const char *text, const void *begin, const void *end) {
    must((const void *)text >= begin && (const void *)text < end);
    must(use_among_vandals || memchr(text, 0, (size_t)((const char *)end - text)) != NULL);
}

void use_headers(const struct rp_headers *h, const void *begin, const void *end) {
    size_t at = 0, steps = 0;
    struct rp_header one;
    int result;
    while ((result = rp_headers_next(h, &at, &one)) == 1) {
        inside(one.name, begin, end);
        inside(one.value, begin, end);
        must(++steps <= h->bytes / 6);
        with_headers++;
    }
    must(result == 0 || result == RP_CORRUPT);
    const char *value = rp_headers_get(h, "Kind");
    if (value != NULL)
        inside(value, begin, end);
}

static void check_message(const struct user *u, const struct rp_message *m) {
    must(m->bytes <= u->message_bytes);
    const struct segment *s = &u->q->segment;
    uintptr_t at = (uintptr_t)m->data - (uintptr_t)s->cells;
    if (!u->at_most_once)
        must(at / s->layout.cell_stride < s->layout.cell_count && at % s->layout.cell_stride == offsetof(struct cell, payload));
    for (size_t i = 0; i < m->bytes; i++)
        read_it = ((const unsigned char *)m->data)[i];
    must(m->deliveries >= 1 && m->acquisitions >= 1);
    use_headers(&m->headers, m->data, (const unsigned char *)m->data + segment_room(s));
    received++;
}

/* Keeps them to be settled; what there is no place for stays leased to us. */
static void keep(struct user *u, const struct rp_message *m, int count) {
    for (int i = 0; i < count; i++) {
        check_message(u, &m[i]);
        if (!u->at_most_once && u->held_count < HELD_MAX)
            u->held[u->held_count++] = m[i];
    }
}

#define RECEIVE_ERRORS RP_EMPTY, RP_PAUSED, RP_GONE, RP_CORRUPT, -ENOBUFS

static void receive(struct user *u, int64_t timeout_ns) {
    struct rp_message m;
    if (u->c != NULL && CALL(u, rp_receive(u->c, &m, timeout_ns), RECEIVE_ERRORS) == 0)
        keep(u, &m, 1);
}

void use_receive(struct user *u) { receive(u, 0); }

void use_receive_waiting(struct reader *r, struct user *u) { receive(u, take8(r) * world_patience_ns); }

void use_receive_batch(struct reader *r, struct user *u) {
    struct rp_message m[4];
    int max = 1 + take8(r) % 4;
    if (u->c == NULL)
        return;
    int count = CALL(u, rp_receive_batch(u->c, m, (size_t)max, 0), RECEIVE_ERRORS);
    must(count <= max);
    keep(u, m, count);
}

/* ---- settling ---- */

static struct rp_message *some_message(struct reader *r, struct user *u) {
    uint8_t which = take8(r);
    return u->held_count > 0 ? &u->held[which % u->held_count] : NULL;
}

static void done_with(struct user *u, struct rp_message *m, int result) {
    if (result == RP_FULL)
        return;
    *(result == 0 ? &settled : &lost) += 1;
    int again = rp_ack(u->c, m);
    must(again == -EINVAL);
    *m = u->held[--u->held_count];
}

void use_ack(struct reader *r, struct user *u) {
    struct rp_message *m = some_message(r, u);
    if (m != NULL)
        done_with(u, m, CALL(u, rp_ack(u->c, m), RP_LEASE_LOST));
}

static const char *const reasons[] = {NULL, "", "because",
                                      "a reason of seventy-nine bytes is as long as a reason can be in this library, o"};

void use_nack(struct reader *r, struct user *u) {
    struct rp_message *m = some_message(r, u);
    uint8_t how = take8(r);
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.charge = how & 1;
    o.delay_ns = how & 2 ? (int64_t)(how >> 4) * 3000000 : -1;
    o.reason = reasons[how >> 2 & 3];
    if (m != NULL)
        done_with(u, m, CALL(u, rp_nack(u->c, m, &o), RP_LEASE_LOST));
}

void use_reject(struct reader *r, struct user *u) {
    struct rp_message *m = some_message(r, u);
    if (m != NULL)
        done_with(u, m, CALL(u, rp_reject(u->c, m, reasons[(m - u->held) % 4]), RP_LEASE_LOST, RP_FULL));
}

void use_extend(struct reader *r, struct user *u) {
    struct rp_message *m = some_message(r, u);
    uint64_t lease_ns = (uint64_t)take8(r) * 1000000;
    if (m != NULL)
        (void)CALL(u, rp_extend(u->c, m, lease_ns), RP_LEASE_LOST);
}

void use_forged_receipt(struct reader *r, struct user *u) {
    struct rp_message *m = some_message(r, u), forged;
    uint8_t how = take8(r);
    if (m == NULL)
        return;
    forged = *m;
    forged.receipt[how % 3] ^= UINT64_C(1) << (how / 3 % 64);
    must(rp_ack(u->c, &forged) == -EINVAL && rp_extend(u->c, &forged, 1) == -EINVAL);
}

/* ---- sending ---- */

#define SEND_ERRORS RP_FULL, RP_PAUSED, RP_GONE, RP_CORRUPT, RP_DUPLICATE, -EBUSY

static const unsigned char payload[512] = "all that glitters is not gold";

static size_t some_length(struct reader *r, const struct user *u) { return take8(r) % (u->message_bytes + 2); }

/* Under an id, of which there are few: new ones, and some that were sent or are being sent. */
static void some_id(const struct user *u, size_t which, struct rp_send_options *o) {
    if (u->once && which % 5 != 0) {
        o->dedup_id = payload + which % 7;
        o->dedup_id_bytes = 1 + which % 11;
    }
}

/* A length beyond the limit, and only that, is refused. */
static bool too_big(const struct user *u, size_t bytes, int result) {
    must((bytes > u->most_bytes) == (result == RP_TOO_BIG));
    return result == RP_TOO_BIG;
}

void use_send(struct reader *r, struct user *u) {
    if (u->p == NULL)
        return;
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    size_t bytes = some_length(r, u);
    o.timeout_ns = bytes % 8 == 7 ? 60 * world_patience_ns : 0;
    if (u->lanes > 0 && bytes % 2 == 0) {
        o.key = payload;
        o.key_bytes = bytes < RP_KEY_MAX ? bytes : RP_KEY_MAX;
    } else if (u->lanes == 0) {
        o.priority = (uint32_t)bytes % u->priorities;
    }
    if (u->numbered && CALL(u, rp_producer_sequence(u->p, &o.sequence), 0) == 0)
        o.sequence += bytes % 4; /* 0: a duplicate */
    const struct rp_header own[] = {{"Own", "value"}, {"kind", NULL}};
    bool with = bytes % 5 == 0;
    if (with) { /* and those of a message that we hold, which may be damaged meanwhile */
        o.headers = own;
        o.header_count = 1 + bytes % 2;
        o.carry = u->held_count > 0 ? &u->held[bytes % u->held_count].headers : NULL;
    }
    some_id(u, bytes, &o);
    int result = CALL(u, rp_send(u->p, payload, bytes, &o), SEND_ERRORS, RP_TOO_BIG);
    if (with ? result != RP_TOO_BIG : !too_big(u, bytes, result))
        sent += result == 0;
}

void use_send_batch(struct reader *r, struct user *u) {
    struct rp_send_item items[5];
    int count = 1 + take8(r) % 5;
    uint8_t bytes = take8(r);
    if (u->p == NULL || u->blocks)
        return;
    memset(items, 0, sizeof items);
    for (int i = 0; i < count; i++)
        items[i] = (struct rp_send_item){.data = payload, .bytes = (bytes + (unsigned)i) % (u->most_bytes + 1)};
    int result = CALL(u, rp_send_batch(u->p, items, (size_t)count), SEND_ERRORS);
    must(result <= count);
    sent += result > 0 ? (unsigned)result : 0;
}

void use_loan(struct reader *r, struct user *u) {
    size_t bytes = u->p == NULL ? 0 : some_length(r, u);
    if (u->p == NULL || u->blocks || u->loan_count == LOANS_MAX)
        return;
    struct rp_loan *l = &u->loans[u->loan_count];
    int result = CALL(u, rp_loan(u->p, bytes, l), SEND_ERRORS, RP_TOO_BIG);
    if (too_big(u, bytes, result) || result < 0)
        return;
    const struct segment *s = &u->q->segment;
    uintptr_t at = (uintptr_t)l->data - (uintptr_t)s->cells;
    must(l->bytes == bytes && at / s->layout.cell_stride < s->layout.cell_count);
    must(at % s->layout.cell_stride == offsetof(struct cell, payload));
    memcpy(l->data, payload, bytes);
    u->loan_count++;
}

static struct rp_loan *some_loan(struct reader *r, struct user *u) {
    uint8_t which = take8(r);
    return u->loan_count > 0 ? &u->loans[which % u->loan_count] : NULL;
}

/* Damage may make a cell free that is on loan, so that it is lent again. */
static bool lent_twice(const struct user *u, const struct rp_loan *l) {
    unsigned times = 0;
    for (unsigned i = 0; i < u->loan_count; i++)
        times += u->loans[i].data == l->data;
    return times > 1;
}

void use_commit(struct reader *r, struct user *u) {
    struct rp_send_options o = {.size = sizeof o};
    struct rp_loan *l = some_loan(r, u), copy;
    if (l == NULL)
        return;
    copy = *l;
    some_id(u, l->bytes, &o);
    bool twice = lent_twice(u, l);
    if (CALL(u, rp_commit(u->p, l, &o), SEND_ERRORS) < 0)
        return;
    must(twice || rp_commit(u->p, &copy, &o) == -EINVAL);
    *l = u->loans[--u->loan_count];
    sent++;
}

void use_abandon(struct reader *r, struct user *u) {
    struct rp_loan *l = some_loan(r, u);
    if (l == NULL)
        return;
    must(CALL(u, rp_abandon(u->p, l), 0) == 0);
    *l = u->loans[--u->loan_count];
}
