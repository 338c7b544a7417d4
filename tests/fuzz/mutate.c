/* SPDX-License-Identifier: MIT */
#include "mutate.h"
#include "lane.h"

#include <string.h>

static uint64_t get(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}
/* As one store: others may look. */
static void put(unsigned char *at, uint64_t word) { atomic_store_explicit((a64 *)(void *)at, word, memory_order_relaxed); }

uint64_t mutate_value(struct reader *r, uint64_t now) {
    static const uint64_t special[] = {
        0,          1,
        2,          7,
        8,          63,
        64,         255,
        1022,       NOBODY,
        NO_CELL,    1 << 22,
        LAP_MASK,   1 << 20,
        UINT32_MAX, INT32_MAX,
        INT64_MAX,  UINT64_C(1) << 63,
        UINT64_MAX, UINT64_MAX - 1,
    };
    uint8_t how = take8(r);
    switch (how >> 5) {
    case 0: return special[how % (sizeof special / sizeof special[0])];
    case 1: return now + (how & 31);
    case 2: return now - (how & 31);
    case 3: return now ^ UINT64_C(1) << (2 * (how & 31));
    case 4: return now + (UINT64_C(1) << (2 * (how & 31)));
    case 5: return now << 8 | take8(r);
    case 6: return take16(r);
    default: return take64(r);
    }
}

/* The field of `width` bits at `shift`, replaced. */
static uint64_t with_field(uint64_t word, unsigned shift, unsigned width, uint64_t value) {
    uint64_t mask = ((UINT64_C(1) << width) - 1) << shift;
    return (word & ~mask) | (value << shift & mask);
}

struct field {
    uint8_t shift, width;
};

static void change_field(struct reader *r, a64 *word, const struct field *fields, unsigned count) {
    const struct field *f = &fields[take8(r) % count];
    uint64_t w = get((unsigned char *)word);
    put((unsigned char *)word, with_field(w, f->shift, f->width, mutate_value(r, bits(w, f->shift, f->width))));
}

static uint32_t some_cell(struct reader *r, const struct segment *s) { return take8(r) % s->layout.cell_count; }
static unsigned some_group(struct reader *r, const struct segment *s) { return take8(r) % s->parameters.max_groups; }

/* A ring: its slots, and the hints that go with it. */
struct some_ring {
    a64 *slots, *head, *tail;
    uint32_t shift;
    bool is_lane;
    uint32_t lane;
};

static struct some_ring some_ring(struct reader *r, const struct segment *s) {
    unsigned which = take8(r) % 4, g = some_group(r, s);
    uint32_t number = s->parameters.lane_count > 1 ? take8(r) % s->parameters.lane_count : 0;
    if (which == 0 || (which < 3 && s->parameters.keyed)) {
        struct index_ring lane = lane_ring(s, number);
        return (struct some_ring){lane.slots, &segment_lane_start(s, g, number)->lane_head, lane.tail, lane.shift, true, number};
    }
    const struct ring_name name = {g, which == 3 ? 0 : number, which == 1 ? RING_EARLY : which == 2 ? RING_RETURNED : RING_DEATHS};
    struct index_ring ring = delivery_ring(s, name);
    return (struct some_ring){ring.slots, delivery_ring_head(s, name), ring.tail, ring.shift, false, 0};
}

static a64 *some_slot(struct reader *r, const struct some_ring *ring) { return &ring->slots[take8(r) & ((1u << ring->shift) - 1)]; }

static void change_slot(struct reader *r, const struct segment *s) {
    static const struct field fields[] = {{36, 28}, {36, 28}, {22, 14}, {0, 22}};
    struct some_ring ring = some_ring(r, s);
    change_field(r, some_slot(r, &ring), fields, 4);
}

static void change_stamp(struct reader *r, const struct segment *s) {
    static const struct field fields[] = {{0, 40}, {0, 52}, {40, 24}, {40, 8}, {20, 20}, {0, 20}, {32, 8}};
    uint32_t c = some_cell(r, s);
    struct delivery *line = segment_delivery(s, some_group(r, s), c);
    struct cell *cell = segment_cell(s, c);
    struct failure_text *text = &s->texts[c & (s->layout.text_count - 1)];
    a64 *words[] = {&cell->position,    &cell->time,   &line->time,       &line->position, &line->failures, &line->first_failed,
                    &line->last_failed, &line->holder, &line->name_check, &text->key,      &text->check,    &text->text[9]};
    change_field(r, words[take8(r) % (sizeof words / sizeof words[0])], fields, sizeof fields / sizeof fields[0]);
}

static void change_hint(struct reader *r, const struct segment *s) {
    struct control *k = s->control;
    struct some_ring ring = some_ring(r, s);
    struct group *group = &s->groups[some_group(r, s)];
    a64 *words[] = {ring.head,
                    ring.tail,
                    ring.head,
                    ring.tail,
                    &group->dead_count,
                    &group->word,
                    &group->name[0],
                    &k->active,
                    &k->paused,
                    &k->free_tickets,
                    &k->next_due_ms,
                    &k->cells_in_play,
                    &k->next_id,
                    &k->tick_until_ms,
                    &k->walk_until_ms,
                    &k->slice_cursor,
                    &k->tickets[0],
                    &s->bitmap[0],
                    (a64 *)(void *)&k->starved,
                    ring.head /* keyed: bits of lanes instead */};
    enum { WORDS = sizeof words / sizeof words[0] };
    if (s->parameters.keyed)
        words[WORDS - 1] = &s->ready_lanes[0].bits;
    a64 *word = words[take8(r) % WORDS];
    put((unsigned char *)word, mutate_value(r, get((unsigned char *)word)));
}

static void splice(struct reader *r, unsigned char *bytes, size_t size) {
    size_t words = size / 8, from = take16(r) % words, to = take16(r) % words, count = 1 + take8(r) % 16;
    for (size_t i = 0; i < count && from + i < words && to + i < words; i++)
        put(bytes + 8 * (to + i), get(bytes + 8 * (from + i)));
}

static void random_run(struct reader *r, unsigned char *bytes, size_t size) {
    size_t words = size / 8, at = take16(r) % words, count = 1 + take8(r);
    uint64_t state = take16(r) | UINT64_C(0x100000);
    for (size_t i = 0; i < count && at + i < words; i++)
        put(bytes + 8 * (at + i), dice(&state));
}

/* An entry, its cell's words and its position, all of which say the same. */
static void forge(struct reader *r, const struct segment *s) {
    struct some_ring ring = some_ring(r, s);
    uint32_t c = some_cell(r, s);
    unsigned g = some_group(r, s), how = take8(r);
    struct cell *cell = segment_cell(s, c);
    a64 *hint = how & 1 ? ring.head : ring.tail;
    uint64_t t = get((unsigned char *)hint) + (how >> 1 & 3) - 2;
    uint64_t lap = t >> ring.shift, generation = cell_generation(get((unsigned char *)&cell->word));
    bool lane = ring.is_lane;
    uint32_t seq = lane ? 0 : take8(r), hold = hold_make(generation, seq);
    enum delivery_state state = (enum delivery_state)(how >> 3 & 7);
    put((unsigned char *)&ring.slots[t & ((1u << ring.shift) - 1)], slot_word(lap, lane ? generation : hold, c));
    put((unsigned char *)&cell->word, cell_word(CELL_PUBLISHED, take8(r) % 8, 1u << g, generation));
    if (lane)
        put((unsigned char *)&cell->position, position_word(generation, ring.lane, t));
    else
        put((unsigned char *)&segment_delivery(s, g, c)->position, stamp(hold, t));
    if (!lane || (how & 0x40))
        put((unsigned char *)delivery_at(s, g, c),
            delivery_word(state, take8(r) % 8, NOBODY, take8(r) % 8, (uint32_t)generation, seq));
}

/* Each slot's lap is ahead of the one before it; the entries may even count. */
static void change_laps(struct reader *r, const struct segment *s) {
    struct some_ring ring = some_ring(r, s);
    uint64_t count = UINT64_C(1) << ring.shift, lap = get((unsigned char *)ring.tail) >> ring.shift;
    uint64_t whole_circle = (LAP_MASK + 1) / count;
    uint8_t how = take8(r);
    uint64_t step = how & 1 ? whole_circle : how & 2 ? 1 : mutate_value(r, 0);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t c = (uint32_t)(i % s->layout.cell_count);
        uint64_t tag = cell_generation(get((unsigned char *)&segment_cell(s, c)->word));
        put((unsigned char *)&ring.slots[i], slot_word(lap + i * step, tag, how & 4 ? NO_CELL : c));
    }
    if (how & 8) /* and somebody believes that there are too many dead letters */
        put((unsigned char *)&s->groups[0].dead_count, 1000);
}

static void change_seat(struct reader *r, const struct segment *s) {
    struct seat *seat = &s->seats[take8(r) % s->parameters.max_participants];
    static const struct field fields[] = {{56, 8}, {0, 32}, {0, 63}};
    change_field(r, take8(r) & 1 ? &seat->word : &seat->pid, fields, 3);
}

static void change_header(struct reader *r, unsigned char *bytes, size_t size) {
    struct header h;
    if (size < sizeof h)
        return;
    memcpy(&h, bytes, sizeof h);
    size_t at = take16(r) % (sizeof h / 4) * 4;
    uint32_t field;
    memcpy(&field, (unsigned char *)&h + at, 4);
    field = (uint32_t)mutate_value(r, field);
    memcpy((unsigned char *)&h + at, &field, 4);
    if (take8(r) & 3) /* by somebody who knows how to sign */
        h.check = header_check(&h);
    memcpy(bytes, &h, sizeof h);
}

bool mutate(struct reader *r, const struct segment *s, unsigned char *bytes, size_t size) {
    static const struct field cell_fields[] = {{60, 4}, {50, 10}, {30, 20}, {0, 30}};
    static const struct field delivery_fields[] = {{61, 3}, {51, 10}, {41, 10}, {31, 10}, {8, 23}, {0, 8}};
    enum mutation kind = (enum mutation)(take8(r) % MUTATIONS);
    uint32_t c;
    size_t at;
    bool parts = kind != MUTATE_BIT && kind != MUTATE_BYTE && kind != MUTATE_WORD && kind != MUTATE_SPLICE && kind != MUTATE_RUN;
    if (parts && kind < MUTATIONS - 1 && (size < s->layout.bytes || bytes != s->base))
        return false; /* the file was made shorter, or longer and lies elsewhere: its parts are not where the base knows them */
    switch (kind) {
    case MUTATE_BIT:
        at = take16(r) | (size_t)take8(r) << 16;
        bytes[at / 8 % size] ^= (unsigned char)(1u << at % 8);
        return at / 8 % size < sizeof(struct header);
    case MUTATE_BYTE:
        at = take16(r) % size;
        bytes[at] = take8(r);
        return at < sizeof(struct header);
    case MUTATE_WORD:
        at = take16(r) % (size / 8) * 8;
        put(bytes + at, mutate_value(r, get(bytes + at)));
        return at < sizeof(struct header);
    case MUTATE_CELL_FIELD: change_field(r, &segment_cell(s, some_cell(r, s))->word, cell_fields, 4); return false;
    case MUTATE_DELIVERY_FIELD:
        c = some_cell(r, s);
        change_field(r, delivery_at(s, some_group(r, s), c), delivery_fields, 6);
        return false;
    case MUTATE_SLOT_FIELD: change_slot(r, s); return false;
    case MUTATE_STAMP: change_stamp(r, s); return false;
    case MUTATE_HINT: change_hint(r, s); return false;
    case MUTATE_LENGTH:
        c = some_cell(r, s);
        at = take16(r);
        if (at % 2) /* the payload, or the headers behind it */
            segment_cell(s, c)->payload[at / 2 % segment_room(s)] = take8(r);
        else
            segment_cell(s, c)->bytes = (uint32_t)mutate_value(r, s->parameters.message_bytes);
        return false;
    case MUTATE_SPLICE: splice(r, bytes, size); return true;
    case MUTATE_RUN: random_run(r, bytes, size); return true;
    case MUTATE_FORGE: forge(r, s); return false;
    case MUTATE_SEAT: change_seat(r, s); return false;
    case MUTATE_LAPS: change_laps(r, s); return false;
    default: change_header(r, bytes, size); return true;
    }
}
