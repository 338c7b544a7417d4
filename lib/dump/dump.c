/* SPDX-License-Identifier: MIT */
/*
 * rp_queue_dump. The order of its looks is what makes the parts fit:
 *
 *     options, groups     a group that is made later is in no dump
 *     ids, sequences      what is committed here was sent before the moment
 *     the lanes' ends     the moment
 *     the places          a list of what is in the cells, in order
 *     the messages        each looked at once more, and written
 *     sequences           with that of the send under way, if its message was written
 *     ids                 those known before the moment, and those of the messages that were written: so the dump never knows of a message that it does not have
 *     next id             above all ids of messages
 */
#include "catch_up.h"
#include "dump_cut.h"
#include "dump_ids.h"
#include "dump_producers.h"
#include "dump_write.h"
#include "error.h"
#include "headers.h"
#include "options.h"
#include "pause.h"
#include "process.h"
#include <errno.h>
#include <stdlib.h>

enum { PROGRESS_EVERY = 4096, LOOKS = 1000 };

RP_API void rp_dump_options_init(struct rp_dump_options *o, size_t size) {
    const struct rp_dump_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* A dump under way. */
struct dumping {
    rp_queue *queue;
    struct rp_dump_options options;
    struct dump_cut cut;
    struct dump_writer writer;
    struct dump_ids ids;
    struct dump_end end;
    struct dump_place *places;
    size_t place_count, place_room;
    struct dump_copy copy;
    struct dump_producers producers;
};

static int no_memory(const struct dumping *d) { return fail(-ENOMEM, "queue '%.80s': no memory to dump it", d->queue->name); }

/* ---- what is there before the moment ---- */

static int write_queue(struct dumping *d) {
    const struct segment *s = &d->queue->segment;
    struct dump_queue head = {.head.created_ns = s->created_wall_ns};
    uint64_t paused = pause_load(s);
    head.head.paused = (paused & PAUSED_SEND ? RP_SIDE_SEND : 0) | (paused & PAUSED_RECEIVE ? RP_SIDE_RECEIVE : 0);
    memccpy(head.head.name, d->queue->name, 0, sizeof head.head.name - 1);
    rp_queue_options_init(&head.options, sizeof head.options);
    int result = rp_queue_options_get(d->queue, &head.options);
    if (result < 0)
        return result;
    dump_write_queue(&d->writer.body, &head);
    return dump_writer_record(&d->writer, DUMP_QUEUE);
}

static void describe_group(const struct segment *s, unsigned g, struct rp_group_info *out) {
    *out = (struct rp_group_info){.index = g};
    group_name(s, g, out->name);
    out->overflow = (uint32_t)load_relaxed(&s->groups[g].overflow, recheck);
    out->created_ns = load_relaxed(&s->groups[g].created_wall_ns, recheck);
    out->dropped = counter_read(&s->groups[g].dropped);
    out->expired = counter_read(&s->groups[g].expired);
    out->paused = pause_load(s) >> g & 1;
}

/* Groups come and go by one word; what describes them is true as long as that stays. */
static int write_groups(struct dumping *d) {
    const struct segment *s = &d->queue->segment;
    struct rp_group_info infos[MAX_GROUPS];
    uint64_t groups = groups_load(s), now;
    for (;; groups = now) {
        d->cut.group_count = 0;
        for (uint32_t rest = groups_active(s, groups); rest != 0; rest &= rest - 1) {
            unsigned g = (unsigned)__builtin_ctz(rest);
            d->cut.groups[d->cut.group_count] = group_known(s, g);
            describe_group(s, g, &infos[d->cut.group_count++]);
        }
        now = groups_load(s);
        if (now == groups)
            break;
    }
    for (unsigned i = 0; i < d->cut.group_count && d->writer.result == 0; i++) {
        dump_write_group(&d->writer.body, &infos[i]);
        (void)dump_writer_record(&d->writer, RP_DUMP_GROUP);
    }
    d->end.summary.groups = d->cut.group_count;
    return d->writer.result;
}

/* ---- the moment ---- */

/*
 * The ends of the lanes, between two looks at the sequences that find the same. Where producers are at it all the time, the look before is taken: what it says was sent before the moment, so nothing is refused that is not in the
 * dump.
 */
static int take_moment(struct dumping *d) {
    const struct segment *s = &d->queue->segment;
    struct dump_producers before = {0};
    d->cut.lane_ends = calloc(s->parameters.lane_count, sizeof *d->cut.lane_ends);
    int result = d->cut.lane_ends == NULL ? no_memory(d) : dump_ids_before(&d->ids, d->queue);
    result = result < 0 ? result : dump_producers_open(&before, d->queue);
    result = result < 0 ? result : dump_producers_open(&d->producers, d->queue);
    bool same = false;
    for (unsigned looks = 0; result == 0 && !same && looks < LOOKS; looks++) {
        dump_producers_read(&before, s);
        result = dump_cut_lanes(&d->cut);
        dump_producers_read(&d->producers, s);
        same = dump_producers_same(&before, &d->producers);
    }
    if (!same) {
        struct dump_producers after = d->producers;
        d->producers = before;
        before = after;
    }
    dump_producers_free(&before);
    return result;
}

/* ---- messages ---- */

static int by_place(const void *x, const void *y) {
    const struct dump_place *a = x, *b = y;
    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int list_places(struct dumping *d) {
    for (uint32_t c = 0; c < d->queue->segment.layout.cell_count; c++) {
        struct dump_place place;
        if (!dump_place_of(&d->cut, c, &place))
            continue;
        if (d->place_count == d->place_room) {
            size_t room = d->place_room == 0 ? 1024 : 2 * d->place_room;
            struct dump_place *more = realloc(d->places, room * sizeof *more);
            if (more == NULL)
                return no_memory(d);
            d->places = more;
            d->place_room = room;
        }
        d->places[d->place_count++] = place;
    }
    if (d->place_count > 0)
        qsort(d->places, d->place_count, sizeof *d->places, by_place);
    return 0;
}

static void count_message(struct rp_dump_summary *n, const struct rp_dump_message *m) {
    n->messages++;
    n->payload_bytes += m->bytes;
    n->delayed += (m->flags & RP_DUMP_WAITING) != 0;
    for (size_t i = 0; i < m->delivery_count; i++) {
        n->ready += m->deliveries[i].state == RP_STATE_READY;
        n->leased += m->deliveries[i].state == RP_STATE_LEASED;
        n->delayed += m->deliveries[i].state == RP_STATE_DELAYED;
        n->dead += m->deliveries[i].state == RP_STATE_DEAD;
    }
}

static void report(const struct dumping *d, uint64_t done) {
    if (d->options.progress != NULL)
        d->options.progress(d->options.progress_context, done, d->place_count);
}

static int write_messages(struct dumping *d) {
    for (size_t i = 0; i < d->place_count && d->writer.result == 0; i++) {
        const struct dump_place *place = &d->places[i];
        struct rp_dump_message m;
        if (i % PROGRESS_EVERY == 0)
            report(d, i);
        enum dump_found found = dump_look(&d->cut, place->cell, place->id, &d->copy, &m);
        m.lane = place->lane;
        if (found == DUMP_MESSAGE && dump_write_message(&d->writer.body, &m)) {
            count_message(&d->end.summary, &m);
            if (dump_ids_message(&d->ids, m.id) < 0)
                return d->writer.result = no_memory(d);
            (void)dump_writer_record(&d->writer, RP_DUMP_MESSAGE);
        } else {
            d->end.summary.damaged += found != DUMP_NOTHING;
        }
    }
    report(d, d->place_count);
    return d->writer.result;
}

/* ---- the rest ---- */

static int write_producers(struct dumping *d) {
    for (size_t i = 0; i < d->producers.count && d->writer.result == 0; i++) {
        struct dump_producer *p = &d->producers.all[i];
        if (p->message_id != 0 && dump_ids_has(&d->ids, p->message_id))
            p->id.sequence = p->next;
        dump_write_producer(&d->writer.body, &p->id);
        (void)dump_writer_record(&d->writer, RP_DUMP_PRODUCER);
    }
    d->end.summary.producers = d->producers.count;
    return d->writer.result;
}

static int write_id(void *context, const struct rp_dump_id *id) {
    struct dumping *d = context;
    dump_write_id(&d->writer.body, id);
    d->end.summary.ids++;
    return dump_writer_record(&d->writer, RP_DUMP_ID);
}

static int write_end(struct dumping *d) {
    struct rp_queue_stats stats;
    int result = rp_queue_stats(d->queue, &stats);
    if (result < 0)
        return result;
    dump_write_counters(&d->writer.body, &stats);
    if ((result = dump_writer_record(&d->writer, RP_DUMP_COUNTERS)) < 0)
        return result;
    d->end.next_id = load_relaxed(&d->queue->segment.control->next_id, hint) & (UINT64_MAX / 2);
    d->end.summary.bytes = d->writer.offset;
    dump_write_end(&d->writer.body, &d->end);
    result = dump_writer_record(&d->writer, RP_DUMP_END);
    d->end.summary.bytes = d->writer.offset;
    return result < 0 ? result : dump_writer_flush(&d->writer);
}

static int dump(struct dumping *d) {
    int result = write_queue(d);
    result = result < 0 ? result : write_groups(d);
    result = result < 0 ? result : take_moment(d);
    result = result < 0 ? result : list_places(d);
    result = result < 0 ? result : write_messages(d);
    result = result < 0 ? result : write_producers(d);
    result = result < 0 ? result : dump_ids_after(&d->ids, &d->cut, write_id, d);
    return result < 0 ? result : write_end(d);
}

RP_API int rp_queue_dump(rp_queue *q, rp_dump_write write, void *context, const struct rp_dump_options *o,
                         struct rp_dump_summary *out) {
    struct dumping d = {.queue = q};
    rp_dump_options_init(&d.options, sizeof d.options);
    int result = queue_check(q);
    if (result < 0 || write == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_dump: %s",
                    result == RP_FORKED ? "the queue was opened by the parent process" : "no queue, or nowhere to write");
    if ((result = options_take(&d.options, sizeof d.options, o, "rp_dump_options")) < 0)
        return result;
    const struct segment *s = &q->segment;
    if (s->spill != NULL)
        return fail(-ENOTSUP, "queue '%s' spills, and what is in its file cannot be dumped", q->name);
    uint32_t behind = durable(&q->segment) ? catch_up_behind(&q->segment) : 0;
    if (behind != 0) {
        char group[GROUP_NAME_BYTES];
        group_name(&q->segment, (unsigned)__builtin_ctz(behind), group);
        return fail(-EBUSY, "queue '%s': group '%s' has not caught up: what it needs of the past is in the journal only", q->name,
                    group);
    }
    uint64_t now_ns = clock_wall_ns();
    d.cut = (struct dump_cut){.queue = q, .segment = s, .wall_ahead_ns = now_ns - segment_now_ns(s)};
    d.copy.content = malloc(segment_room(s));
    result = d.copy.content == NULL ? no_memory(&d) : dump_writer_open(&d.writer, write, context, process_random(), now_ns);
    result = result < 0 ? result : dump(&d);
    if (result == 0 && out != NULL)
        *out = d.end.summary;
    dump_writer_close(&d.writer);
    dump_ids_free(&d.ids);
    free(d.cut.lane_ends);
    dump_producers_free(&d.producers);
    free(d.places);
    free(d.copy.content);
    return result;
}
