/* SPDX-License-Identifier: MIT */
#include "segment.h"
#include "clock.h"
#include "error.h"
#include "groups.h"
#include "process.h"
#include "spill_words.h"
#include <string.h>

static void initialise_ring(a64 *slots, uint64_t count, uint64_t first_lap) {
    for (uint64_t i = 0; i < count; i++)
        store_relaxed(&slots[i], slot_word(first_lap - 1, 0, NO_CELL), init);
}

static void bind_parts(struct segment *s, unsigned char *base) {
    const struct layout *l = &s->layout;
    s->base = base;
    s->control = (struct control *)(void *)(base + l->control);
    s->groups = (struct group *)(void *)(base + l->groups);
    s->seats = (struct seat *)(void *)(base + l->seats);
    s->bitmap = (a64 *)(void *)(base + l->bitmap);
    s->lane_ends = (struct lane_end *)(void *)(base + l->lane_ends);
    s->lane_starts = (struct lane_start *)(void *)(base + l->lane_starts);
    s->ready_lanes = (struct ready_lanes *)(void *)(base + l->ready_lanes);
    s->lanes = (a64 *)(void *)(base + l->lanes);
    s->group_rings = (a64 *)(void *)(base + l->group_rings);
    s->deliveries = (struct delivery *)(void *)(base + l->deliveries);
    s->extras = base + l->extras;
    s->timers = (a64 *)(void *)(base + l->timers);
    s->ids = (a32 *)(void *)(base + l->ids);
    s->texts = (struct failure_text *)(void *)(base + l->texts);
    s->known_heads = (a64 *)(void *)(base + l->known_heads);
    s->known_ids = (struct known_id *)(void *)(base + l->known_ids);
    s->identities = (struct identity *)(void *)(base + l->identities);
    s->cells = base + l->cells;
    s->bells = (struct bell_entry *)(void *)(base + l->bells);
    s->journal = l->journal != 0 ? (struct journal_place *)(void *)(base + l->journal) : NULL;
    s->journal_slots = (a64 *)(void *)(base + l->journal_slots);
    s->journal_dirty = (a64 *)(void *)(base + l->journal_dirty);
    if (s->parameters.spill_bytes == 0)
        return;
    s->spill = (struct spill *)(void *)(base + l->spill);
    s->spill_ends = (struct lane_end *)(void *)(base + l->spill_ends);
    s->spill_cursors = (struct spill_cursor *)(void *)(base + l->spill_cursors);
    s->spill_extents = (a64 *)(void *)(base + l->spill_extents);
    s->spill_chunks = (a64 *)(void *)(base + l->spill_chunks);
    s->spill_area = s->parameters.spill_inside ? base + l->spill_area : NULL;
}

static void initialise_group(struct segment *s, unsigned g) {
    const struct layout *l = &s->layout;
    struct group *group = &s->groups[g];
    uint64_t first_lap = s->parameters.first_lap;
    initialise_ring(segment_group_rings(s, g), 2 * (uint64_t)segment_again_lanes(s) * l->slot_count + l->death_slot_count,
                    first_lap);
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        struct lane_start *start = segment_lane_start(s, g, lane);
        store_relaxed(&start->lane_head, first_lap << l->lane_slot_shift, init);
        store_relaxed(&start->early_head, first_lap << l->slot_shift, init);
        store_relaxed(&start->early_tail, first_lap << l->slot_shift, init);
        store_relaxed(&start->returned_head, first_lap << l->slot_shift, init);
        store_relaxed(&start->returned_tail, first_lap << l->slot_shift, init);
    }
    store_relaxed(&group->deaths_head, first_lap << l->death_slot_shift, init);
    store_relaxed(&group->deaths_tail, first_lap << l->death_slot_shift, init);
}

static void initialise_cells(struct segment *s) {
    const uint64_t none = delivery_word(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, 0, 0);
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        struct cell *cell = segment_cell(s, c);
        store_relaxed(&cell->word, cell_word(CELL_FREE, NOBODY, 0, 0), init);
        store_relaxed(&cell->delivery, none, init);
        for (unsigned g = 1; g < s->parameters.max_groups; g++)
            store_relaxed(&segment_delivery(s, g, c)->word, none, init);
    }
    const uint32_t first = reserve_cells(&s->parameters, &s->layout);
    for (uint32_t c = first; c < first + s->parameters.capacity; c++) {
        a64 *word = &s->bitmap[c / 64];
        store_relaxed(word, load_relaxed(word, init) | UINT64_C(1) << (c % 64), init);
    }
}

/* The index begins with lap 1, so that memory which was never written is the lap before. */
static void initialise_spill(struct segment *s) {
    const uint64_t first = UINT64_C(1) << s->layout.spill_slot_shift;
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        store_relaxed(&s->spill_ends[lane].tail, first, init);
        for (unsigned g = 0; g < s->parameters.max_groups; g++)
            store_relaxed(spill_cursor_at(s, g, lane), cursor_word(first, NO_CELL), init);
    }
}

void segment_initialise(void *memory, const struct parameters *p, const struct layout *l, const char *group) {
    struct header *h = memory;
    h->magic = LAYOUT_MAGIC;
    h->byte_order = LAYOUT_BYTE_ORDER;
    h->version = LAYOUT_VERSION;
    h->word_bits = 64;
    h->line_bytes = LINE;
    h->created_wall_ns = clock_wall_ns(); /* before the other clock: see look_at_clocks in schedule.c */
    h->epoch_boot_ns = clock_boot_ns();
    h->boot_id = process_boot_id();
    h->time_namespace = process_time_namespace();
    h->identity[0] = process_random(); /* a forked child draws the same: but not at this time, as this process */
    h->identity[1] = h->epoch_boot_ns ^ (uint64_t)process_pid() << 40;
    h->parameters = *p;
    h->layout = *l;
    h->check = header_check(h);

    struct segment s = {.parameters = *p, .layout = *l};
    bind_parts(&s, memory);
    initialise_ring(s.lanes, (uint64_t)p->lane_count * l->lane_slot_count, p->first_lap);
    for (uint32_t lane = 0; lane < p->lane_count; lane++)
        store_relaxed(&s.lane_ends[lane].tail, p->first_lap << l->lane_slot_shift, init);
    for (unsigned g = 0; g < p->max_groups; g++)
        initialise_group(&s, g);
    initialise_cells(&s);
    initialise_ring(s.journal_slots, l->journal_slot_count, p->first_lap);
    store_relaxed(&s.control->journal_tail, p->first_lap << l->journal_slot_shift, init);
    store_relaxed(&s.control->journal_moved, p->first_lap << l->journal_slot_shift, init);
    store_relaxed(&s.control->next_id, 1, init);
    store_relaxed(&s.control->next_due_ms, UINT64_MAX, init);
    for (uint64_t i = 0; i < timer_words(l->cell_count); i++)
        store_relaxed(&s.timers[i], TIMER_WORD_NONE, init);
    store_relaxed(&s.control->next_timer_ns, TIMER_WORD_NONE, init);
    store_relaxed(&s.control->wall_ahead_ns, h->created_wall_ns, init);
    store_relaxed(&s.control->cells_in_play, reserve_cells(p, l) + p->capacity, init);
    if (s.spill != NULL)
        initialise_spill(&s);

    uint64_t name[GROUP_NAME_BYTES / 8] = {0};
    memcpy(name, group, strnlen(group, GROUP_NAME_BYTES - 1));
    for (unsigned i = 0; i < GROUP_NAME_BYTES / 8; i++)
        store_relaxed(&s.groups[0].name[i], name[i], init);
    store_relaxed(&s.groups[0].created_wall_ns, h->created_wall_ns, init);
    store_relaxed(&s.groups[0].since, 1, init);
    store_relaxed(&s.groups[0].word, group_word(GROUP_USED, NOBODY, 1), init);
    store_relaxed(&s.control->active, groups_word(1, 0, 1), init);
}

static int check_header(const struct header *h, uint64_t bytes) {
    if (h->magic != LAYOUT_MAGIC)
        return fail(RP_CORRUPT, "not a ringpost segment: wrong magic number at offset 0");
    if (h->byte_order != LAYOUT_BYTE_ORDER || h->word_bits != 64 || h->line_bytes != LINE)
        return fail(RP_INCOMPATIBLE, "made on a machine of another byte order, word or cache-line size");
    if (h->version != LAYOUT_VERSION)
        return fail(RP_INCOMPATIBLE, "layout version %u, this library knows %u", h->version, (unsigned)LAYOUT_VERSION);
    if (h->check != header_check(h))
        return fail(RP_CORRUPT, "the header's checksum is wrong");
    if (h->features_incompatible != 0)
        return fail(RP_INCOMPATIBLE, "uses features %#llx, which this library does not know",
                    (unsigned long long)h->features_incompatible);
    uint64_t here = process_time_namespace();
    if (h->time_namespace != 0 && here != 0 && h->time_namespace != here)
        return fail(RP_INCOMPATIBLE, "made in another time namespace: leases cannot be compared");
    uint64_t boot = process_boot_id();
    if (h->boot_id != 0 && boot != 0 && h->boot_id != boot)
        return fail(RP_INCOMPATIBLE, "made before the machine was started anew");
    struct layout expected;
    int result = layout_compute(&h->parameters, &expected);
    if (result < 0)
        return fail(RP_CORRUPT, "impossible parameters in the header: %s", rp_error_detail());
    if (memcmp(&expected, &h->layout, sizeof expected) != 0)
        return fail(RP_CORRUPT, "the offsets in the header do not follow from its parameters");
    if (expected.bytes > bytes) /* more is fine: huge pages round up */
        return fail(RP_CORRUPT, "truncated: %llu bytes, the header says %llu", (unsigned long long)bytes,
                    (unsigned long long)expected.bytes);
    return 0;
}

int segment_bind(struct segment *s, void *memory, uint64_t bytes, bool read_only) {
    if (bytes < 4096)
        return fail(RP_CORRUPT, "truncated: %llu bytes, a header has 4096", (unsigned long long)bytes);
    struct header h;
    memcpy(&h, memory, sizeof h);
    int result = check_header(&h, bytes);
    if (result < 0)
        return result;
    if (h.features_read_only != 0 && !read_only)
        return fail(RP_INCOMPATIBLE, "uses features %#llx, which this library does not know: open it read-only",
                    (unsigned long long)h.features_read_only);
    s->parameters = h.parameters;
    s->layout = h.layout;
    s->epoch_boot_ns = h.epoch_boot_ns;
    s->created_wall_ns = h.created_wall_ns;
    memcpy(s->identity, h.identity, sizeof s->identity);
    bind_parts(s, memory);
    return 0;
}
