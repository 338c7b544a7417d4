/* SPDX-License-Identifier: MIT */
/* A send to a queue that spills: directly if all that was spilled in the lane is drained and there is a cell, else into the file. */
#include "error.h"
#include "fanout.h"
#include "groups.h"
#include "lane.h"
#include "publish.h"
#include "schedule.h"
#include "send.h"
#include "spill.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_TOLD_EVERY = 8 };

int spill_sender_open(struct rp_producer *p) {
    const struct segment *s = p->actor.segment;
    if (!spills(s))
        return 0;
    uint32_t lanes = s->parameters.lane_count;
    p->spill = calloc(1, sizeof *p->spill + lanes * sizeof p->spill->lanes[0]);
    if (p->spill == NULL)
        return fail(-ENOMEM, "no memory for a producer of queue '%s'", p->actor.queue->name);
    for (uint32_t i = 0; i < lanes; i++) {
        struct spill_sender_lane *l = &p->spill->lanes[i];
        l->ring = spill_ring(s, i);
        l->tail = l->told = load_acquire(l->ring.tail, hints);
        l->chunk = UINT64_MAX;
    }
    return 0;
}

void spill_sender_close(struct rp_producer *p) {
    if (p->spill == NULL)
        return;
    for (uint32_t i = 0; i < p->actor.segment->parameters.lane_count; i++)
        hint_raise(p->spill->lanes[i].ring.tail, p->spill->lanes[i].tail);
    spill_extent_seal(&p->actor, p->spill);
}

bool spill_waits(const struct rp_send_options *o) { return o->delay_ns > 0 || (o->at_ns > 0 && o->at_ns > clock_wall_ns()); }

static int damaged(const struct rp_producer *p, uint32_t lane, uint64_t position) {
    return fail(RP_CORRUPT, "queue '%s': the spill of lane %u is damaged near position %llu", p->actor.queue->name, lane,
                (unsigned long long)position);
}

/* ---- may it go direct? ---- */

/* Has everything that is spilled in the lane, which ends at `end`, come to its groups' lanes? */
static bool all_refilled(struct rp_producer *p, uint32_t lane, uint64_t end) {
    const struct segment *s = p->actor.segment;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        if (!spill_counts(s, g))
            continue;
        uint64_t cursor = load_acquire(spill_cursor_at(s, g, lane), cursor);
        if ((int64_t)(cursor_position(cursor, end) - end) < 0 && !MUTANT(spill_direct_early))
            return false;
        if (!MUTANT(spill_direct_unhelped) && spill_help(&p->actor, g, lane, cursor) != REQUEUE_IN)
            return false;
    }
    return true;
}

/* 1, 0; RP_CORRUPT. */
static int is_clear(struct rp_producer *p, uint32_t lane) {
    struct spill_sender_lane *l = &p->spill->lanes[lane];
    uint64_t slot;
    if (l->clear_at == l->tail && ring_ends_at(&l->ring, l->tail))
        return 1;
    if (ring_find(&l->ring, &l->tail, &slot, lane_never_live, NULL) != RING_FOUND)
        return damaged(p, lane, l->tail);
    uint64_t end = l->tail;
    if (!all_refilled(p, lane, end))
        return 0;
    l->clear_at = end;
    return 1;
}

/* RP_FULL: there is no cell, or no place in the lane. */
static int send_directly(struct spilling *x, uint32_t lane) {
    struct rp_producer *p = x->producer;
    const struct segment *s = p->actor.segment;
    uint32_t c = x->cell;
    if (c == NO_CELL && !pool_take(&p->actor.pool, &c)) {
        housekeeping(&p->actor, actor_now_ms(&p->actor));
        return RP_FULL;
    }
    x->paused = pause_stops_sends(s);
    int result = x->paused ? RP_FULL : 0;
    struct cell *cell = segment_cell(s, c);
    if (result == 0) {
        if (x->cell == NO_CELL)
            memcpy(cell->payload, x->data, x->payload);
        uint32_t flags = send_describe(p, cell, segment_extra(s, c), x->payload, x->content, x->options) & ~(uint32_t)CELL_WAITS;
        uint64_t expires = flags & CELL_EXPIRES ? field_read(&segment_extra(s, c)->expires_ns) : 0;
        if (x->id != NULL)
            *x->id = cell->id;
        result = flags & SEND_DAMAGED ? send_damaged(p) : send_check_gone(p, cell->sent_wall_ns);
        if (result == 0)
            result = publish(p, lane, c, flags, x->wake);
        if (result == 0 && flags & CELL_EXPIRES)
            schedule_timer(&p->actor, c, flags, expires, false);
    }
    x->used = result == 0;
    if (result < 0 && x->cell == NO_CELL)
        pool_give_back(&p->actor.pool, c);
    return result;
}

/* ---- into the file ---- */

/* Does what lay in the slot of the next lap still matter to a group? */
static bool matters(const void *context, uint64_t old_position, uint64_t slot) {
    struct {
        const struct segment *segment;
        uint64_t *lowest;
        uint32_t lane;
    } const *x = context;
    (void)slot;
    if ((int64_t)(old_position - *x->lowest) >= 0)
        *x->lowest = spill_lowest(x->segment, x->lane, load_acquire(&x->segment->spill_ends[x->lane].tail, hints));
    return (int64_t)(old_position - *x->lowest) >= 0;
}

/* The frame is complete: its place enters the lane's index, which commits it. */
static int enter(struct spilling *x, uint32_t lane, struct frame *frame, struct extent_head *head) {
    struct rp_producer *p = x->producer;
    const struct segment *s = p->actor.segment;
    struct spill_sender_lane *l = &p->spill->lanes[lane];
    struct {
        const struct segment *segment;
        uint64_t *lowest;
        uint32_t lane;
    } const context = {s, &l->lowest, lane};
    uint64_t entry = spill_entry((uint64_t)((unsigned char *)frame - s->spill_area) / LINE), slot;
    for (;;) {
        enum ring_find found = ring_find(&l->ring, &l->tail, &slot, matters, &context);
        if (found != RING_FOUND)
            return found == RING_LIVE ? RP_FULL : damaged(p, lane, l->tail);
        uint64_t offset = (uint64_t)((unsigned char *)ring_slot(&l->ring, l->tail) - s->spill_area);
        if (l->chunk != offset / SPILL_CHUNK_BYTES) {
            if (!spill_chunk(&p->actor, offset)) {
                x->disk_full = true;
                return RP_FULL;
            }
            l->chunk = offset / SPILL_CHUNK_BYTES;
        }
        frame->position = l->tail;
        if (!MUTANT(spill_last_unsaid))
            store_release(&head->last[lane], l->tail + 1, extent_last); /* ahead, so that nobody frees what is committed */
        if (ring_fill(&l->ring, l->tail, slot, entry >> 22, (uint32_t)entry & NO_CELL))
            break;
    }
    l->tail++;
    if (l->tail - l->told >= TAIL_TOLD_EVERY) {
        hint_raise(l->ring.tail, l->tail);
        l->told = l->tail;
    }
    return 0;
}

/* The extra line lies behind the content. Only keys and times need one. */
static uint32_t extra_bytes(const struct segment *s, const struct rp_send_options *o) {
    bool needed = o->key != NULL || schedule_asked(s, o);
    return needed ? (uint32_t)(sizeof(struct extra) + ((o->key == NULL ? 0 : o->key_bytes + 7) & ~(size_t)7)) : 0;
}

static uint32_t write_frame(struct spilling *x, uint32_t lane, struct frame *frame, uint32_t extra) {
    struct extra *more = (struct extra *)(void *)(frame->payload + content_aligned(x->content));
    memcpy(frame->payload, x->data, x->payload);
    frame->lane = lane;
    frame->extra_bytes = extra;
    struct cell *as_cell = (struct cell *)(void *)frame;
    uint32_t flags = send_describe(x->producer, as_cell, more, x->payload, x->content, x->options);
    field_write(&frame->flags, flags & 0xff & ~(uint32_t)CELL_WAITS);
    if (x->id != NULL)
        *x->id = frame->id;
    return flags;
}

static int append(struct spilling *x, uint32_t lane) {
    struct rp_producer *p = x->producer;
    const struct segment *s = p->actor.segment;
    struct spill_sender *f = p->spill;
    const uint32_t mask = groups_active(s, groups_load(s)), extra = extra_bytes(s, x->options);
    const uint64_t bytes =
        (offsetof(struct frame, payload) + content_aligned(x->content) + extra + LINE - 1) & ~(uint64_t)(LINE - 1);
    if (mask == 0) {
        tally_add(&p->actor.tally, COUNT_UNROUTABLE, 1);
        return 0;
    }
    if (f->extent_word != 0 && extent_room(s) - f->used < bytes)
        spill_extent_seal(&p->actor, f);
    if (f->extent_word == 0 && !spill_extent_take(&p->actor, f, &x->disk_full))
        return RP_FULL;
    struct extent_head *head = extent_head(s, f->extent);
    store_seq_cst(&head->busy, 1, spilling);
    x->paused = pause_stops_sends(s);
    int result = x->paused ? RP_FULL : 0;
    if (result == 0) {
        struct frame *frame = (struct frame *)(void *)(s->spill_area + extent_offset(&s->layout, f->extent) + f->used);
        uint32_t flags = write_frame(x, lane, frame, extra);
        result = flags & SEND_DAMAGED ? send_damaged(p) : send_check_gone(p, frame->sent_wall_ns);
        if (result == 0)
            result = enter(x, lane, frame, head);
        if (result == 0)
            f->used += bytes;
    }
    store_release(&head->busy, 0, spilling);
    if (result < 0)
        return result;
    tally_add(&p->actor.tally, COUNT_SENT, 1);
    tally_add(&p->actor.tally, COUNT_SPILLED, 1);
    lane_announce(s, lane, mask, x->wake && !MUTANT(spill_no_wake));
    return 0;
}

/* ---- either ---- */

static int look(void *context) {
    struct spilling *x = context;
    struct rp_producer *p = x->producer;
    x->paused = pause_stops_sends(p->actor.segment);
    x->disk_full = false;
    if (x->paused)
        return RP_FULL;
    uint32_t lane = send_lane(p, x->options);
    int clear = is_clear(p, lane);
    if (clear < 0)
        return clear;
    int result = clear ? send_directly(x, lane) : RP_FULL;
    return result == RP_FULL && !x->paused ? append(x, lane) : result;
}

static bool promising(void *context) {
    const struct spilling *x = context;
    return !x->paused || !pause_stops_sends(x->producer->actor.segment);
}

static int full(const struct spilling *x) {
    struct rp_producer *p = x->producer;
    const struct segment *s = p->actor.segment;
    tally_add(&p->actor.tally, COUNT_FULL, 1);
    tally_add(&p->actor.tally, x->disk_full ? COUNT_DISK_FULL : COUNT_SPILL_FULL, 1);
    char behind[GROUP_NAME_BYTES + 64], disk[256];
    snprintf(disk, sizeof disk, "%s", rp_error_detail());
    fanout_behind(s, behind, sizeof behind);
    if (x->disk_full)
        return fail(RP_FULL, "queue '%.80s': no room on the disk of its spill file: %.200s", p->actor.queue->name, disk);
    return fail(RP_FULL, "queue '%.80s': no memory, and its spill file holds all that it may, %llu bytes%s", p->actor.queue->name,
                (unsigned long long)s->parameters.spill_bytes, behind);
}

int spill_send(struct spilling *x, int64_t timeout_ns) {
    struct actor *a = &x->producer->actor;
    int result = look(x);
    if (result == RP_FULL) {
        struct wait w = {a, a->pool.free_event, promising, look, x, RP_FULL, room_patience(x->producer, timeout_ns)};
        result = wait_for(&w);
    }
    if (result == RP_FULL && x->paused)
        return fail(RP_PAUSED, "queue '%s': sending is paused", a->queue->name);
    return result == RP_FULL ? full(x) : result;
}
