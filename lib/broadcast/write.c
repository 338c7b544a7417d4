/* SPDX-License-Identifier: MIT */
/* Writing: the steps are those of slot.h. */
#include "error.h"
#include "gate.h"
#include <errno.h>
#include <limits.h>

static __attribute__((cold)) int refuse(const rp_writer *w, size_t bytes, size_t most) {
    if (w == NULL)
        return fail(-EINVAL, "no writer");
    if (ring_is_inherited(w->canary))
        return fail(RP_FORKED, "ring '%.80s' was opened by the parent process", w->ring->name);
    if (bytes > most)
        return fail(RP_TOO_BIG, "ring '%.80s': a message of %zu bytes, the limit is %zu", w->ring->name, bytes, most);
    if (ring_removed(w->ring))
        return fail(RP_GONE, "ring '%.80s' was removed", w->ring->name);
    return fail(-EINVAL, "ring '%.80s': a message without an address", w->ring->name);
}

static ALWAYS_INLINE bool may_write(const rp_writer *w, const void *data, size_t bytes, size_t most) {
    return likely(w != NULL && !ring_is_inherited(w->canary) && bytes <= most && (data != NULL || bytes == 0) &&
                  load_relaxed(&w->view.control->removed, hint) == 0);
}

/* Slots from the writer's position on, to be overwritten: they are, or were waited for. */
static ALWAYS_INLINE bool fits(const rp_writer *w, uint64_t count) {
    return likely(w->position + count <= w->limit) || MUTANT(gate_unasked);
}

static ALWAYS_INLINE int make_room(rp_writer *w, uint64_t count) { return fits(w, count) ? 0 : gate_wait(w, count); }

static __attribute__((noinline)) void wake_all(const rp_writer *w, uint64_t tickets) {
    struct eventcount e = ring_sleepers(&w->view);
    eventcount_wake_sleepers(&e, tickets, INT_MAX);
}

static ALWAYS_INLINE void wake_readers(const rp_writer *w) {
    fence_compiler(); /* a sleeper's membarrier does the rest */
    uint64_t tickets = load_relaxed(&w->view.control->tickets, hint);
    if (!likely(!eventcount_waited_for(tickets)) && !MUTANT(ring_wakes_nobody))
        wake_all(w, tickets);
}

/* Those who join, or sleep, shall find what is complete. `last` is where the last message begins. */
static ALWAYS_INLINE void show(rp_writer *w, uint64_t last) {
    note_newest(w, last, w->number - 1);
    wake_readers(w);
}

/* A message of one slot, for which there is room, complete and in its place. */
static ALWAYS_INLINE void write_single(rp_writer *w, const void *data, size_t bytes) {
    struct slot *s = slot_at(&w->view, w->slots, w->position);
    slot_begin(s, w->position);
    payload_store(s->payload, data, bytes);
    slot_end(s, info_make(bytes, w->number), w->position);
    w->position++;
    w->number++;
}

/* What is behind the first slot of a message. */
static void write_tail(const rp_writer *w, const unsigned char *data, size_t bytes) {
    const struct ring_view *v = &w->view;
    uint64_t p = w->position + 1;
    for (size_t at = v->room; at < bytes; at += v->room, p++) {
        struct slot *s = slot_at(v, w->slots, p);
        slot_begin(s, p);
        payload_store(s->payload, data + at, bytes - at < v->room ? bytes - at : v->room);
        slot_end(s, 0, MUTANT(ring_tail_as_message) ? p : STAMP_CONTINUES | p);
    }
}

/* The same of several, that before the first one. */
static __attribute__((noinline)) void write_several(rp_writer *w, const void *data, size_t bytes, uint32_t count) {
    struct slot *s = slot_at(&w->view, w->slots, w->position);
    if (!MUTANT(ring_tail_last))
        write_tail(w, data, bytes);
    slot_begin(s, w->position);
    payload_store(s->payload, data, w->view.room);
    slot_end(s, info_make(bytes, w->number), w->position);
    if (MUTANT(ring_tail_last))
        write_tail(w, data, bytes);
    w->position += count;
    w->number++;
}

/* Of more than one slot, or where the gate must be asked, or where something is wrong. */
static __attribute__((noinline)) int write_slowly(rp_writer *w, const void *data, size_t bytes) {
    if (!may_write(w, data, bytes, w != NULL ? w->view.p.message_bytes : 0))
        return refuse(w, bytes, w != NULL ? w->view.p.message_bytes : 0);
    uint32_t count = slots_for(&w->view, bytes);
    int result = make_room(w, count);
    if (result < 0)
        return result;
    uint64_t position = w->position;
    if (count == 1)
        write_single(w, data, bytes);
    else
        write_several(w, data, bytes, count);
    show(w, position);
    return 0;
}

RP_API int rp_write(rp_writer *w, const void *data, size_t bytes) {
    if (!may_write(w, data, bytes, w != NULL ? w->view.single : 0) || !fits(w, 1))
        return write_slowly(w, data, bytes);
    write_single(w, data, bytes);
    show(w, w->position - 1);
    return 0;
}

RP_API int rp_write_batch(rp_writer *w, const struct rp_write_item *items, uint32_t count) {
    if (w == NULL || (items == NULL && count > 0))
        return fail(-EINVAL, "rp_write_batch: %s", w == NULL ? "no writer" : "no items");
    if (!may_write(w, NULL, 0, 0)) /* also where there is nothing to write */
        return refuse(w, 0, 0);
    for (uint32_t i = 0; i < count; i++)
        if (items[i].bytes > w->view.p.message_bytes || (items[i].data == NULL && items[i].bytes > 0))
            return refuse(w, items[i].bytes, w->view.p.message_bytes);
    uint64_t noted = w->position, last = w->position;
    uint32_t done = 0;
    int result = 0;
    for (; done < count; done++) {
        const struct rp_write_item *item = &items[done];
        uint32_t slots = slots_for(&w->view, item->bytes);
        if (!fits(w, slots)) {
            if (done > 0)
                show(w, last);
            if ((result = gate_wait(w, slots)) < 0)
                break;
        }
        last = w->position;
        if (slots == 1)
            write_single(w, item->data, item->bytes);
        else
            write_several(w, item->data, item->bytes, slots);
        if (w->position - noted >= w->view.p.slots / 8) { /* so that `newest` lags by less than a lap: cursor.c */
            note_newest(w, last, w->number - 1);
            noted = w->position;
        }
    }
    if (done == 0)
        return result;
    show(w, last);
    return (int)done;
}

RP_API int rp_write_reserve(rp_writer *w, size_t bytes, void **out) {
    if (!may_write(w, out, bytes, w != NULL ? w->view.room : 0) || out == NULL)
        return refuse(w, bytes, w != NULL ? w->view.room : 0);
    if (bytes > w->view.p.message_bytes)
        return refuse(w, bytes, w->view.p.message_bytes);
    int result = make_room(w, 1);
    if (result < 0)
        return result;
    struct slot *s = slot_at(&w->view, w->slots, w->position);
    slot_begin(s, w->position);
    w->reserved = w->position;
    w->reserved_bytes = bytes;
    *out = (void *)s->payload;
    return 0;
}

RP_API int rp_write_commit(rp_writer *w, size_t bytes) {
    if (w == NULL || ring_is_inherited(w->canary))
        return refuse(w, 0, 0);
    if (w->reserved != w->position || bytes > w->reserved_bytes)
        return fail(-EINVAL, "ring '%.80s': %s", w->ring->name,
                    w->reserved != w->position ? "nothing is reserved" : "more than was reserved");
    uint64_t position = w->position;
    slot_end(slot_at(&w->view, w->slots, position), info_make(bytes, w->number), position);
    w->position++;
    w->number++;
    show(w, position);
    return 0;
}
