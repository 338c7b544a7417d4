/* SPDX-License-Identifier: MIT */
/* Names for the words of a segment, for traces. */
#include "names.h"
#include "core.h"
#include "layout.h"

#include <stdio.h>
#include <string.h>

static bool in(uint64_t offset, uint64_t begin, uint64_t each, uint64_t count, uint64_t *index, uint64_t *rest) {
    if (offset < begin || offset >= begin + each * count)
        return false;
    *index = (offset - begin) / each;
    *rest = (offset - begin) % each;
    return true;
}

struct field {
    const char *name;
    size_t offset;
};
#define FIELD(type, name) \
    { #name, offsetof(struct type, name) }

/* The last field that begins at or before the offset, and how far into it. */
static const char *field_of(const struct field *fields, size_t count, uint64_t offset) {
    static char text[48];
    const struct field *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (fields[i].offset <= offset)
            found = &fields[i];
    if (!found)
        return "?";
    if (found->offset == offset)
        return found->name;
    snprintf(text, sizeof text, "%s+%d", found->name, (int)(offset - found->offset));
    return text;
}
#define FIELD_OF(fields, offset) field_of(fields, sizeof(fields) / sizeof((fields)[0]), offset)

static const struct field control_fields[] = {
    FIELD(control, active),      FIELD(control, free_tickets), FIELD(control, starved),       FIELD(control, paused),
    FIELD(control, next_due_ms), FIELD(control, tickets),      FIELD(control, cells_in_play), FIELD(control, admitted),
    FIELD(control, next_id),     FIELD(control, bytes_in),     FIELD(control, bytes_out),     FIELD(control, free_sleepers),
    FIELD(control, sleepers),    FIELD(control, totals)};
static const struct field group_fields[] = {FIELD(group, word),        FIELD(group, name),       FIELD(group, deaths_tail),
                                            FIELD(group, deaths_head), FIELD(group, dead_count), FIELD(group, dropped)};
static const struct field start_fields[] = {FIELD(lane_start, lane_head),     FIELD(lane_start, early_head),
                                            FIELD(lane_start, returned_head), FIELD(lane_start, early_tail),
                                            FIELD(lane_start, returned_tail), FIELD(lane_start, missed)};
static const struct field seat_fields[] = {FIELD(seat, word), FIELD(seat, pid),          FIELD(seat, attached_wall_ns),
                                           FIELD(seat, name), FIELD(seat, dead_changes), FIELD(seat, counters)};
static const struct field identity_fields[] = {FIELD(identity, word), FIELD(identity, message), FIELD(identity, next),
                                               FIELD(identity, last), FIELD(identity, bytes),   FIELD(identity, id)};
static const struct field cell_fields[] = {FIELD(cell, word), FIELD(cell, delivery), FIELD(cell, position), FIELD(cell, time),
                                           FIELD(cell, id)};
static const struct field delivery_fields[] = {
    FIELD(delivery, word),         FIELD(delivery, time),        FIELD(delivery, position), FIELD(delivery, failures),
    FIELD(delivery, first_failed), FIELD(delivery, last_failed), FIELD(delivery, holder),   FIELD(delivery, name_check)};

bool segment_word_name(uint64_t key, char *text, size_t bytes) {
    if (key >= (uint64_t)FILES * FILE_BYTES_MAX)
        return false;
    const struct header *h = (const void *)file_master((unsigned)(key / FILE_BYTES_MAX));
    const struct layout *l = &h->layout;
    const struct parameters *p = &h->parameters;
    uint64_t o = key % FILE_BYTES_MAX, again = p->keyed ? 0 : p->lane_count, i, r;
    if (h->magic != LAYOUT_MAGIC)
        return false;
    if (in(o, l->control, sizeof(struct control), 1, &i, &r))
        snprintf(text, bytes, "%s", FIELD_OF(control_fields, r));
    else if (in(o, l->groups, sizeof(struct group), p->max_groups, &i, &r))
        snprintf(text, bytes, "group %d %s", (int)i, FIELD_OF(group_fields, r));
    else if (in(o, l->seats, sizeof(struct seat), p->max_participants, &i, &r))
        snprintf(text, bytes, "seat %d %s", (int)i, FIELD_OF(seat_fields, r));
    else if (in(o, l->bitmap, 8, l->bitmap_words, &i, &r))
        snprintf(text, bytes, "bitmap %d", (int)i);
    else if (in(o, l->lane_ends, sizeof(struct lane_end), p->lane_count, &i, &r))
        snprintf(text, bytes, "lane %d tail", (int)i);
    else if (in(o, l->lane_starts, sizeof(struct lane_start), (uint64_t)p->max_groups * p->lane_count, &i, &r))
        snprintf(text, bytes, "lane %d %s", (int)(i % p->lane_count), FIELD_OF(start_fields, r));
    else if (in(o, l->ready_lanes, sizeof(struct ready_lanes), (uint64_t)p->max_groups * l->ready_words, &i, &r))
        snprintf(text, bytes, "ready lanes %d", (int)i);
    else if (in(o, l->lanes, 8 * (uint64_t)l->lane_slot_count, p->lane_count, &i, &r))
        snprintf(text, bytes, "lane %d slot %d", (int)i, (int)(r / 8));
    else if (in(o, l->group_rings, 8 * (2 * again * l->slot_count + l->death_slot_count), p->max_groups, &i, &r)) {
        uint64_t slot = r / 8, ring = slot / l->slot_count;
        if (ring < 2 * again)
            snprintf(text, bytes, "%s %d slot %d", ring % 2 ? "returned" : "early", (int)(ring / 2), (int)(slot % l->slot_count));
        else
            snprintf(text, bytes, "deaths slot %d", (int)(slot - 2 * again * l->slot_count));
    } else if (in(o, l->deliveries, sizeof(struct delivery), (uint64_t)p->max_groups * l->cell_count, &i, &r))
        snprintf(text, bytes, "beside %d %s", (int)(i % l->cell_count), FIELD_OF(delivery_fields, r));
    else if (in(o, l->timers, 8, timer_words(l->cell_count), &i, &r))
        snprintf(text, bytes, "timer %d", (int)i);
    else if (in(o, l->texts, sizeof(struct failure_text), l->text_count, &i, &r))
        snprintf(text, bytes, "text %d", (int)i);
    else if (in(o, l->identities, sizeof(struct identity), p->producer_ids, &i, &r))
        snprintf(text, bytes, "producer id %d %s", (int)i, FIELD_OF(identity_fields, r));
    else if (in(o, l->cells, l->cell_stride, l->cell_count, &i, &r))
        snprintf(text, bytes, "cell %d %s", (int)i, FIELD_OF(cell_fields, r));
    else
        return false;
    return true;
}
