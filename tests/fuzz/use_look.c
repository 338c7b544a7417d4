/* SPDX-License-Identifier: MIT */
/* Looking, mending, dropping; and the queue next door. */
#include "handle.h"
#include "steps.h"
#include "use.h"
#include "world.h"

#include <errno.h>
#include <string.h>

/* The handle that looks. */
static rp_queue *eyes(const struct user *u, uint8_t how) {
    return u->q == NULL || (u->observer != NULL && how & 0x80) ? u->observer : u->q;
}

static const char *group_of(uint8_t how) { return how & 0x40 ? "second" : NULL; }

/* Ids ascend, so it ends; no more messages than cells. */
void use_peek(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    rp_queue *q = eyes(u, how);
    struct rp_peeked peeked = {0};
    unsigned char buffer[72];
    unsigned states = how % 15 + 1;
    size_t room = how & 0x20 ? sizeof buffer : 0;
    for (uint32_t n = 0;; n++) {
        uint64_t after = peeked.id;
        if (CALL(u, rp_peek(q, group_of(how), states, after, &peeked, room ? buffer : NULL, room), RP_EMPTY, -ENOENT) < 0)
            return;
        must(peeked.id > after && (peeked.state & states) == peeked.state && peeked.state != 0);
        must(peeked.bytes <= q->segment.parameters.message_bytes && n < q->segment.layout.cell_count);
        use_headers(&peeked.headers, buffer, buffer + room);
    }
}

static bool ends(const char *text, size_t room) { return memchr(text, 0, room) != NULL; }

void use_dead_peek(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    rp_queue *q = eyes(u, how);
    struct rp_dead_letter letter = {0};
    unsigned char buffer[72];
    size_t room = how % sizeof buffer;
    for (uint32_t n = 0;; n++) {
        uint64_t after = letter.id;
        if (CALL(u, rp_dead_peek(q, group_of(how), after, &letter, buffer, room), RP_EMPTY, -ENOENT) < 0)
            return;
        must(letter.id > after && letter.bytes <= q->segment.parameters.message_bytes && n < q->segment.layout.cell_count);
        must(ends(letter.text, sizeof letter.text) && ends(letter.executable, sizeof letter.executable));
        use_headers(&letter.headers, buffer, buffer + room);
    }
}

/* Somebody reads each byte of a dump. */
static int read_dump(void *context, const void *data, size_t bytes) {
    uint64_t *sum = context;
    for (size_t i = 0; i < bytes; i++)
        *sum += ((const unsigned char *)data)[i];
    return 0;
}

void use_look(struct user *u) {
    rp_queue *q = eyes(u, 0x80);
    uint64_t sum = 0;
    (void)CALL(u, rp_queue_dump(q, read_dump, &sum, NULL, NULL), RP_CORRUPT);
    struct rp_queue_stats s;
    struct rp_participant who;
    must(CALL(u, rp_queue_stats(q, &s), 0) == 0);
    must(s.ready + s.leased + s.delayed + s.dead + s.lingering + s.free_cells + s.owned_cells + s.unjournaled <= q->segment.layout.cell_count);
    must(s.cells <= q->segment.layout.cell_count && s.participants <= s.max_participants && s.participants_dead <= s.participants);
    struct rp_producer_id id;
    for (uint32_t place = 0; CALL(u, rp_producer_id_next(q, place, &id), RP_EMPTY) == 0; place = id.index + 1)
        must(id.id_bytes <= RP_PRODUCER_ID_MAX);
    for (uint32_t seat = 0; CALL(u, rp_participant_next(q, seat, &who), RP_EMPTY) == 0; seat = who.seat + 1) {
        must(who.seat >= seat && who.seat < s.max_participants && ends(who.executable, sizeof who.executable));
        must(who.held <= s.cells * 20 || who.held <= q->segment.layout.cell_count * 20u);
    }
}

void use_audit(struct user *u) {
    struct rp_audit a;
    rp_queue *q = eyes(u, 0);
    must(CALL(u, rp_queue_audit(q, &a), 0) == 0);
    must(a.cells == q->segment.layout.cell_count && ends(a.first, sizeof a.first));
    must((a.violations > 0) == (a.first[0] != 0));
}

void use_sweep(struct user *u) {
    if (u->q != NULL)
        (void)CALL(u, rp_queue_sweep(u->q), RP_GONE);
    else
        must(rp_queue_sweep(u->observer) == -EROFS);
}

void use_dead_change(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    struct rp_redrive_options o;
    if (u->q == NULL)
        return;
    rp_redrive_options_init(&o, sizeof o);
    if (how & 2) {
        o.limit = take8(r) % 4;
        o.reasons = take8(r) % 16;
        o.id = take8(r) & 1 ? take8(r) : 0;
        o.dry_run = how >> 2 & 1;
        o.header = how & 8 ? "kind" : NULL;
        o.header_value = how & 16 ? "fox" : NULL;
    }
    int result = how & 1 ? CALL(u, rp_dead_purge(u->q, group_of(how), &o), -ENOENT, RP_IN_USE)
                         : CALL(u, rp_dead_redrive(u->q, group_of(how), &o), -ENOENT, RP_IN_USE, RP_PAUSED);
    must(result < 0 || (uint32_t)result <= u->q->segment.layout.cell_count);
}

/* Makes and removes groups, also those that the others use. */
static void use_group(struct user *u, uint8_t how) {
    static const char *const names[] = {"second", "third", "default", "fourth"};
    const char *name = names[how & 3];
    if (how & 4)
        (void)CALL(u, rp_group_remove(u->q, name), -ENOENT);
    else
        (void)CALL(u, rp_group_create(u->q, name, NULL), -EEXIST, -ENOSPC);
    struct rp_group_info info;
    uint32_t next = 0;
    while (CALL(u, rp_group_next(u->q, next, &info), RP_EMPTY) == 0) {
        must(info.index >= next && info.index < MAX_GROUPS && strnlen(info.name, sizeof info.name) < sizeof info.name);
        next = info.index + 1;
    }
}

/* Pauses, looks whether anything is left, and mostly resumes. */
static void use_flow(struct user *u, uint8_t how) {
    const struct rp_drain_options look = {.size = sizeof look, .timeout_ns = 0, .dead = how & 1};
    unsigned sides = 1 + how % 3;
    must(CALL(u, rp_queue_pause(u->q, sides), 0) == 0);
    (void)CALL(u, rp_group_pause(u->q, group_of(how)), -ENOENT);
    if (how & 4) {
        int left = CALL(u, rp_queue_drain(u->q, &look), RP_GONE, -ECANCELED); /* damage may have resumed it */
        must(left < 0 || (uint32_t)left <= u->q->segment.layout.cell_count + 1);
    }
    int paused = CALL(u, rp_queue_paused(u->q), 0);
    must((paused & ~(RP_SIDE_SEND | RP_SIDE_RECEIVE)) == 0);
    if ((how & 0x30) == 0x30)
        return;
    (void)CALL(u, rp_group_resume(u->q, group_of(how)), -ENOENT);
    must(CALL(u, rp_queue_resume(u->q, RP_SIDE_SEND | RP_SIDE_RECEIVE), 0) == 0);
}

void use_purge(struct reader *r, struct user *u) {
    uint8_t how = take8(r);
    if (u->q == NULL)
        return;
    if (how >= 0xc0) {
        if (how & 8)
            use_flow(u, how);
        else
            use_group(u, how);
        return;
    }
    int result = CALL(u, rp_queue_purge(u->q, group_of(how), how % 15 + 1), -ENOENT);
    must(result < 0 || (uint32_t)result <= u->q->segment.layout.cell_count);
}

/* ---- the queue next door ---- */

static struct user next_door;
static uint64_t sent;

void use_healthy_open(void) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 4;
    o.max_participants = 1;
    o.max_groups = 1;
    o.message_bytes = 16;
    o.lease_ns = 0;
    must(rp_queue_create(world_healthy, &o, &next_door.q) == 0);
    must(rp_producer_open(next_door.q, NULL, &next_door.p) == 0);
    must(rp_consumer_open(next_door.q, NULL, &next_door.c) == 0);
    must(rp_send(next_door.p, &sent, sizeof sent, NULL) == 0);
}

/* What was sent the time before is still there, and so on. */
void use_healthy(void) {
    struct rp_message m;
    uint64_t value;
    steps_begin("next door", 1000000);
    must(rp_receive(next_door.c, &m, 0) == 0 && m.bytes == sizeof value && m.deliveries == 1);
    memcpy(&value, m.data, sizeof value);
    must(value == sent && rp_ack(next_door.c, &m) == 0);
    sent++;
    must(rp_send(next_door.p, &sent, sizeof sent, NULL) == 0);
    if (sent % 4096 == 0) {
        struct rp_audit a;
        must(rp_queue_audit(next_door.q, &a) == 0 && a.violations == 0);
    }
    steps_end();
}

void use_healthy_close(void) {
    rp_consumer_close(next_door.c);
    rp_producer_close(next_door.p);
    must(rp_queue_close(next_door.q) == 0 && rp_queue_unlink(world_healthy) == 0);
}
