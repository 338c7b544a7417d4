/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFT_FIRST = 12, SIDE_BY_SIDE_SHIFT = 3, ROOM_FIRST = 1 << 18 };

static size_t slot_count(const struct live *l) { return (size_t)1 << l->shift; }
/* Neighbours lie side by side, as they come and go together; pieces of them anywhere, so that old ones that stay are in nobody's way. */
static size_t home(const struct live *l, uint64_t sequence) {
    uint64_t piece = (sequence >> SIDE_BY_SIDE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - (l->shift - SIDE_BY_SIDE_SHIFT));
    return (size_t)(piece << SIDE_BY_SIDE_SHIFT | (sequence & ((1 << SIDE_BY_SIDE_SHIFT) - 1)));
}
static struct live_message *message_at(const struct live *l, const struct live_slot *s) {
    return (struct live_message *)(void *)(l->memory + s->at - 1);
}
static size_t taken(uint32_t bytes) { return (sizeof(struct live_message) + bytes + 7) & ~(size_t)7; }

int live_open(struct live *l) {
    *l = (struct live){.shift = SHIFT_FIRST, .room = ROOM_FIRST};
    l->slots = calloc(slot_count(l), sizeof *l->slots);
    l->memory = malloc(l->room);
    if (l->slots != NULL && l->memory != NULL)
        return 0;
    live_close(l);
    return -ENOMEM;
}

static void forget_deliveries(struct live_message *m) {
    for (struct live_delivery *d; (d = m->deliveries) != NULL;) {
        m->deliveries = d->next;
        free(d);
    }
}

void live_close(struct live *l) {
    struct live_message *m;
    for (size_t at = 0; l->count > 0 && (m = live_next(l, &at)) != NULL; at++)
        forget_deliveries(m);
    free(l->slots);
    free(l->memory);
    *l = (struct live){0};
}

/* ---- the table ---- */

/* Where the sequence is, or would be. */
static struct live_slot *slot_of(const struct live *l, uint64_t sequence) {
    size_t i = home(l, sequence);
    while (l->slots[i].at != 0 && l->slots[i].sequence != sequence)
        i = (i + 1) & (slot_count(l) - 1);
    return &l->slots[i];
}

static int double_slots(struct live *l) {
    struct live more = *l;
    more.shift++;
    more.slots = calloc(slot_count(&more), sizeof *more.slots);
    if (more.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < slot_count(l); i++)
        if (l->slots[i].at != 0)
            *slot_of(&more, l->slots[i].sequence) = l->slots[i];
    free(l->slots);
    *l = more;
    return 0;
}

/* Those behind it that belong before come nearer, so that there are no gaps before any. */
static void empty_slot(struct live *l, size_t i) {
    const size_t mask = slot_count(l) - 1;
    for (size_t k = (i + 1) & mask; l->slots[k].at != 0; k = (k + 1) & mask) {
        size_t wanted = home(l, l->slots[k].sequence);
        if (((k - wanted) & mask) < ((k - i) & mask))
            continue;
        l->slots[i] = l->slots[k];
        i = k;
    }
    l->slots[i].at = 0;
}

/* ---- messages ---- */

/* What is there moves together, into memory that has room for as much again. */
static int make_room(struct live *l, size_t bytes) {
    size_t room = 2 * (l->bytes + bytes), used = 0;
    room = room < ROOM_FIRST ? ROOM_FIRST : room;
    unsigned char *memory = malloc(room);
    if (memory == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < slot_count(l); i++) {
        struct live_slot *s = &l->slots[i];
        if (s->at == 0)
            continue;
        size_t one = taken(message_at(l, s)->bytes);
        memcpy(memory + used, message_at(l, s), one);
        s->at = used + 1;
        used += one;
    }
    free(l->memory);
    l->memory = memory;
    l->room = room;
    l->used = used;
    return 0;
}

struct live_message *live_put(struct live *l, uint64_t sequence, const void *record, uint32_t bytes) {
    const size_t need = taken(bytes);
    struct live_message *m = live_find(l, sequence);
    if (m != NULL)
        live_drop(l, m);
    if ((l->count + 1) * 2 > slot_count(l) && double_slots(l) < 0)
        return NULL;
    if (l->room - l->used < need && make_room(l, need) < 0)
        return NULL;
    struct live_slot *s = slot_of(l, sequence);
    *s = (struct live_slot){.sequence = sequence, .at = l->used + 1};
    l->used += need;
    l->bytes += need;
    l->count++;
    m = message_at(l, s);
    *m = (struct live_message){.sequence = sequence, .bytes = bytes};
    memcpy(m->record, record, bytes);
    return m;
}

struct live_message *live_find(const struct live *l, uint64_t sequence) {
    const struct live_slot *s = slot_of(l, sequence);
    return s->at != 0 ? message_at(l, s) : NULL;
}

void live_drop(struct live *l, struct live_message *m) {
    forget_deliveries(m);
    l->bytes -= taken(m->bytes);
    l->count--;
    empty_slot(l, (size_t)(slot_of(l, m->sequence) - l->slots));
}

int live_deliver(struct live_message *m, uint32_t group, const void *record, uint32_t bytes) {
    struct live_delivery **place = &m->deliveries;
    while (*place != NULL && (*place)->group != group)
        place = &(*place)->next;
    struct live_delivery *old = *place, *d = malloc(sizeof *d + bytes);
    if (d == NULL)
        return -ENOMEM;
    d->next = old != NULL ? old->next : NULL;
    d->group = group;
    d->bytes = bytes;
    memcpy(d->record, record, bytes);
    *place = d;
    free(old);
    return 0;
}

void live_undeliver(struct live_message *m, uint32_t groups) {
    for (struct live_delivery **place = &m->deliveries, *d; (d = *place) != NULL;)
        if (groups >> d->group & 1) {
            *place = d->next;
            free(d);
        } else {
            place = &d->next;
        }
}

struct live_message *live_next(const struct live *l, size_t *at) {
    while (*at < slot_count(l) && l->slots[*at].at == 0)
        ++*at;
    return *at < slot_count(l) ? message_at(l, &l->slots[*at]) : NULL;
}

static int by_sequence(const void *x, const void *y) {
    uint64_t a = (*(struct live_message *const *)x)->sequence, b = (*(struct live_message *const *)y)->sequence;
    return (a > b) - (a < b);
}

struct live_message **live_all(const struct live *l) {
    struct live_message **all = l->count > 0 ? malloc(l->count * sizeof *all) : NULL;
    if (all == NULL)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < l->count; i++, at++)
        all[i] = live_next(l, &at);
    qsort(all, l->count, sizeof *all, by_sequence);
    return all;
}
