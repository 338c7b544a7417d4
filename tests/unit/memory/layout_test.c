/* SPDX-License-Identifier: MIT */
/* Where the parts lie, what is refused, and the handshake over the first page. */
#include "groups.h"
#include "layout.h"

#include "check.h"
#include "heap_segment.h"

#include <errno.h>
#include <ringpost/error.h>

static void check_parts(const struct parameters *p) {
    struct layout l;
    assert_int_equal(layout_compute(p, &l), 0);
    const struct {
        uint64_t at, bytes;
    } parts[] = {
        {l.control, sizeof(struct control)},
        {l.groups, (uint64_t)p->max_groups * sizeof(struct group)},
        {l.seats, (uint64_t)p->max_participants * sizeof(struct seat)},
        {l.bitmap, 8 * (uint64_t)l.bitmap_words},
        {l.lane_ends, p->lane_count * sizeof(struct lane_end)},
        {l.lane_starts, (uint64_t)p->max_groups * p->lane_count * sizeof(struct lane_start)},
        {l.ready_lanes, (uint64_t)p->max_groups * l.ready_words * sizeof(struct ready_lanes)},
        {l.lanes, 8 * (uint64_t)p->lane_count * l.lane_slot_count},
        {l.group_rings,
         8 * (uint64_t)p->max_groups * (2 * (uint64_t)l.slot_count * (p->keyed ? 0 : p->lane_count) + l.death_slot_count)},
        {l.deliveries, (uint64_t)p->max_groups * l.cell_count * sizeof(struct delivery)},
        {l.extras, (uint64_t)l.cell_count * (sizeof(struct extra) + (p->keyed ? KEY_BYTES : 0))},
        {l.timers, 8 * timer_words(l.cell_count)},
        {l.ids, 4 * (uint64_t)l.id_count},
        {l.texts, (uint64_t)l.text_count * sizeof(struct failure_text)},
        {l.bells, (uint64_t)l.bell_count * sizeof(struct bell_entry)},
        {l.cells, (uint64_t)l.cell_count * l.cell_stride},
    };
    uint64_t end = 4096;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) { /* in order, apart, on lines of their own */
        assert_true(parts[i].at >= end);
        assert_true(parts[i].at - end < LINE);
        assert_int_equal(parts[i].at % LINE, 0);
        end = parts[i].at + parts[i].bytes;
    }
    assert_true(l.bytes >= end && l.bytes - end < 4096 && l.bytes % 4096 == 0);
    assert_int_equal(l.cell_count, p->capacity + CELLS_PER_PARTICIPANT * p->max_participants);
    assert_true(l.cell_count <= MAX_CELLS);
    assert_true(l.cell_stride >= offsetof(struct cell, payload) + p->message_bytes && l.cell_stride % LINE == 0);
    assert_true(p->keyed ? 64 * l.ready_words >= p->lane_count : l.lane_slot_count >= l.cell_count);
    assert_true(l.slot_count >= p->capacity && l.death_slot_count >= p->dead_capacity);
    assert_int_equal(l.lane_slot_count, UINT64_C(1) << l.lane_slot_shift);
    assert_int_equal(l.slot_count, UINT64_C(1) << l.slot_shift);
    assert_int_equal(l.death_slot_count, UINT64_C(1) << l.death_slot_shift);
    assert_true(64 * (uint64_t)l.bitmap_words >= l.cell_count);
}

static void parts_at_the_edges(void **state) {
    (void)state;
    const uint32_t capacities[] = {1, 7, 8, 9, 63, 64, 65, 4096, 4000000};
    const uint32_t bytes[] = {1, 8, 9, 1000, 1 << 30};
    const uint32_t seats[] = {1, 8, 1000}, groups[] = {1, 4, 20};
    for (size_t c = 0; c < 9; c++)
        for (size_t b = 0; b < 5; b++)
            for (size_t s = 0; s < 3; s++)
                for (size_t g = 0; g < 3; g++) {
                    struct parameters p = small_parameters(capacities[c]);
                    p.message_bytes = bytes[b];
                    p.max_participants = seats[s];
                    p.max_groups = groups[g];
                    p.dead_capacity = (capacities[c] + 3) / 4;
                    check_parts(&p);
                }
}

static void the_promised_overhead(void **state) {
    (void)state;
    struct parameters p = small_parameters(65536);
    struct layout l;
    p.message_bytes = 256;
    p.max_groups = 1;
    p.dead_capacity = 16384;
    assert_int_equal(layout_compute(&p, &l), 0);
    uint64_t one = l.bytes;
    assert_true((double)one / 65536 - 256 <= 256); /* 256 bytes a message with one group */
    p.max_groups = 2;
    assert_int_equal(layout_compute(&p, &l), 0);
    print_message("overhead %.1f bytes a message, %.1f more for a second group\n", (double)one / 65536 - 256,
                  (double)(l.bytes - one) / 65536);
}

static void refused_parameters(void **state) {
    (void)state;
    struct layout l;
    const struct {
        size_t offset;
        uint32_t value;
        const char *name;
    } cases[] = {
        {offsetof(struct parameters, capacity), 0, "capacity"},
        {offsetof(struct parameters, capacity), 4000001, "capacity"},
        {offsetof(struct parameters, message_bytes), 0, "message_bytes"},
        {offsetof(struct parameters, message_bytes), (1u << 30) + 1, "message_bytes"},
        {offsetof(struct parameters, max_groups), 0, "max_groups"},
        {offsetof(struct parameters, max_groups), 21, "max_groups"},
        {offsetof(struct parameters, max_participants), 1001, "max_participants"},
        {offsetof(struct parameters, dead_capacity), 0, "dead_capacity"},
        {offsetof(struct parameters, dead_capacity), 17, "dead_capacity"},
        {offsetof(struct parameters, lane_count), MAX_LANES + 1, "lanes"},
        {offsetof(struct parameters, backoff_factor_permille), 999, "backoff_factor"},
        {offsetof(struct parameters, jitter_permille), 1001, "jitter"},
        {offsetof(struct parameters, first_lap), 0, "first_lap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parameters p = small_parameters(16);
        memcpy((char *)&p + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        assert_int_equal(layout_compute(&p, &l), -EINVAL);
        assert_non_null(strstr(rp_error_detail(), cases[i].name));
    }
}

/* Priorities have redelivery rings for each lane, which keyed lanes do not: there are few of them, whatever a foreign header says. */
static void lanes_without_keys(void **state) {
    (void)state;
    struct layout l;
    struct parameters p = small_parameters(16);
    p.lane_count = MAX_PRIORITIES;
    p.ageing_ns = 1;
    assert_int_equal(layout_compute(&p, &l), 0);
    p.lane_count = MAX_PRIORITIES + 1;
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
    p.keyed = 1;
    assert_int_equal(layout_compute(&p, &l), -EINVAL); /* keyed lanes do not age */
    p.ageing_ns = 0;
    assert_int_equal(layout_compute(&p, &l), 0);
}

/* Whole pages for each shard: of its lane, and of its cells, which begin at a page. Without shards nothing is wasted on that. */
static void shards_have_pages(void **state) {
    (void)state;
    struct layout l;
    for (uint32_t shards = 2; shards <= MAX_PRIORITIES; shards++)
        for (uint32_t capacity = 1; capacity < 5000; capacity += 333) {
            struct parameters p = small_parameters(capacity);
            p.lane_count = p.numa_shards = shards;
            assert_int_equal(layout_compute(&p, &l), 0);
            assert_int_equal(l.lanes % 4096, 0);
            assert_int_equal(l.lane_slot_count * 8 % 4096, 0);
            assert_int_equal(l.cells % 4096, 0);
            assert_true(l.lane_slot_count >= l.cell_count); /* any of them may hold all */
        }
    struct parameters p = small_parameters(16);
    assert_int_equal(layout_compute(&p, &l), 0);
    assert_true(l.lane_slot_count < 512);
    p.numa_shards = 1; /* no such thing */
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
    p.numa_shards = 2; /* and one lane */
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
    p.lane_count = 2;
    assert_int_equal(layout_compute(&p, &l), 0);
    p.shard_nodes = UINT64_MAX;
    assert_int_equal(layout_compute(&p, &l), 0);
    p.ageing_ns = 1;
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
    p.ageing_ns = 0;
    p.keyed = 1;
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
    p.keyed = 0;
    p.lane_count = p.numa_shards = MAX_PRIORITIES + 1;
    assert_int_equal(layout_compute(&p, &l), -EINVAL);
}

static void the_handshake(void **state) {
    (void)state;
    struct segment s, again;
    struct parameters p = small_parameters(16);
    unsigned char *memory = heap_segment(&s, &p);
    uint64_t bytes = s.layout.bytes;
    assert_int_equal(segment_bind(&again, memory, bytes - 1, false), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "truncated"));
    assert_int_equal(segment_bind(&again, memory, 4095, true), RP_CORRUPT);
    for (size_t at = 0; at < sizeof(struct header); at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memory[at] ^= (unsigned char)(1u << bit);
            int result = segment_bind(&again, memory, bytes, false);
            assert_true(result == RP_CORRUPT || result == RP_INCOMPATIBLE);
            memory[at] ^= (unsigned char)(1u << bit);
        }
    assert_int_equal(segment_bind(&again, memory, bytes, false), 0);
    assert_int_equal(groups_find(&s, "default", NULL), 0);
    assert_int_equal(groups_find(&s, "defaul", NULL), -1);
    assert_int_equal(groups_find(&s, "", NULL), -1);
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(groups_find(&s, name, NULL), -1);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_at_the_edges), cmocka_unit_test(the_promised_overhead), cmocka_unit_test(refused_parameters),
        cmocka_unit_test(lanes_without_keys), cmocka_unit_test(shards_have_pages),     cmocka_unit_test(the_handshake),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
