/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <stdlib.h>

struct office *office;

static void open_handles(unsigned who) {
    rp_queue *q = office->queue[who];
    if (rp_producer_open(q, NULL, &office->producer[who]) != 0 || rp_consumer_open(q, NULL, &office->consumer[who]) != 0)
        abort();
}

/* Once around: afterwards nothing is due that is done but now and then. */
static void warm_up(unsigned who) {
    struct rp_message m;
    uint64_t bytes = 99;
    if (rp_send(office->producer[who], &bytes, sizeof bytes, NULL) != 0 || rp_receive(office->consumer[who], &m, 0) != 0 ||
        rp_ack(office->consumer[who], &m) != 0)
        weak_fail("the warm-up failed");
}

/* Takes all memory but `left` cells out of circulation. */
static void hoard(uint32_t left) {
    const struct segment *s = &office->queue[HOARDER]->segment;
    for (unsigned i = 0; i < PROCESSES; i++)
        if (office->producer[i] != NULL) {
            pool_flush(&office->producer[i]->actor.pool);
            pool_flush(&office->consumer[i]->actor.pool);
        }
    struct rp_loan loans[64];
    unsigned count = 0;
    while (count < 64 && rp_loan(office->producer[HOARDER], 8, &loans[count]) == 0)
        count++;
    for (uint32_t i = 0; i < left; i++)
        if (rp_abandon(office->producer[HOARDER], &loans[--count]) != 0)
            abort();
    pool_flush(&office->producer[HOARDER]->actor.pool);
    store_relaxed(&s->control->starved, 0, hint);
    uint32_t free = 0;
    for (uint32_t c = 0; c < s->layout.cell_count; c++)
        free += cell_state(load_relaxed(&segment_cell(s, c)->word, hint)) == CELL_FREE;
    weak_check(free == left + reserve_cells(&s->parameters, &s->layout));
}

void open_office(const struct plan *plan) {
    office = weak_allocate(sizeof *office);
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 2;
    o.message_bytes = 8;
    o.lease_ns = LEASE_MS * UINT64_C(1000000);
    o.max_deliveries = plan->max_deliveries;
    o.backoff_ns = o.backoff_max_ns = 0;
    o.dead_capacity = 2;
    o.max_groups = plan->max_groups > 0 ? plan->max_groups : 1;
    o.lanes = plan->keyed;
    o.max_participants = plan->processes + 1;
    o.dedup_window_ns = plan->dedup ? 1000 * o.lease_ns : 0;
    o.max_producer_ids = plan->producer_ids;
    o.max_bytes = plan->max_bytes;
    o.lane_capacity = plan->lane_capacity;
    o.spill_max_bytes = plan->spill_bytes;
    o.overflow = plan->spill_bytes > 0 ? RP_OVERFLOW_SPILL : RP_OVERFLOW_REJECT;
    o.prefault = 0;
    if (plan->durable) {
        o.journal = "/weak";
        o.sync = RP_SYNC_ALWAYS;
    }
    weak_as(HOARDER);
    if (rp_queue_create("weak", &o, &office->queue[HOARDER]) != 0)
        abort();
    open_handles(HOARDER);
    for (unsigned i = 0; i < plan->processes; i++) {
        weak_as(i);
        if (rp_queue_open("weak", NULL, &office->queue[i]) != 0)
            abort();
        open_handles(i);
    }
    for (unsigned n = 0; n < plan->warm_up; n++) {
        weak_as(n % plan->processes);
        warm_up(n % plan->processes);
    }
    for (unsigned i = 0; i < plan->processes; i++) { /* heads as if all had taken part */
        weak_as(i);
        struct rp_message m;
        if (rp_receive(office->consumer[i], &m, 0) != RP_EMPTY)
            abort();
        office->producer[i]->next_check_wall_ns = clock_wall_ns() + UINT64_C(50000000);
        if (office->producer[i]->next_id == office->producer[i]->id_end) {
            office->producer[i]->next_id = 1000 + 1000 * i;
            office->producer[i]->id_end = office->producer[i]->next_id + 100;
        }
    }
    weak_as(HOARDER);
    if (plan->free_cells != ALL_CELLS)
        hoard(plan->free_cells);
}

int send_letter(unsigned me, unsigned letter) {
    uint64_t bytes = letter;
    office->tried[me] |= 1u << letter;
    int result = rp_send(office->producer[me], &bytes, sizeof bytes, NULL);
    if (result == 0)
        office->sent[me] |= 1u << letter;
    else
        weak_check(result == RP_FULL || result == RP_PAUSED);
    return result;
}

unsigned read_letter(unsigned me) {
    const struct rp_message *m = &office->held[me];
    weak_check(m->bytes == 8);
    uint64_t letter = *(const uint64_t *)m->data;
    weak_check(letter < LETTERS);
    return (unsigned)letter;
}

bool receive_letter(unsigned me) {
    office->receives[me] = 1;
    int result = rp_receive(office->consumer[me], &office->held[me], 0);
    if (result == RP_EMPTY)
        return false;
    weak_check(result == 0);
    office->got[me][read_letter(me)]++;
    return true;
}

int ack_letter(unsigned me) {
    unsigned letter = read_letter(me);
    int result = rp_ack(office->consumer[me], &office->held[me]);
    weak_check(result == 0 || result == RP_LEASE_LOST);
    if (result == 0)
        office->acked[me][letter]++;
    return result;
}

void work(unsigned me, unsigned tries) {
    for (unsigned i = 0; i < tries; i++)
        if (receive_letter(me))
            (void)ack_letter(me);
}

void receive_or_sleep(unsigned me) {
    rp_consumer *c = office->consumer[me];
    while (!receive_letter(me)) {
        pool_flush(&c->actor.pool);
        uint32_t prepared = eventcount_prepare(&c->ready);
        if (receive_letter(me))
            break;
        (void)eventcount_sleep(&c->ready, prepared, UINT64_MAX);
    }
    (void)ack_letter(me);
}

a64 *word_of_cell(uint32_t c) { return &segment_cell(&office->queue[HOARDER]->segment, c)->word; }

static void check_cells(void) {
    const struct segment *s = &office->queue[HOARDER]->segment;
    uint32_t mine = office->queue[HOARDER]->seat;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_relaxed(&segment_cell(s, c)->word, hint);
        if (cell_state(w) != CELL_FREE && !(cell_state(w) == CELL_OWNED && cell_owner(w) == mine))
            weak_fail("cell %u is not free at the end: word %#llx, delivery %#llx", c, (unsigned long long)w,
                      (unsigned long long)load_relaxed(delivery_at(s, 0, c), hint));
    }
}

void judge(bool sweep, int duplicates) {
    weak_clock_ms(sweep ? 100000 : 0);
    if (sweep) {
        weak_as(HOARDER);
        (void)rp_queue_sweep(office->queue[HOARDER]);
    }
    for (unsigned i = 0; i <= HOARDER; i++) {
        if (office->consumer[i] == NULL || (i < WEAK_THREADS && weak_killed(i)))
            continue;
        if (!sweep && !office->receives[i]) /* what the threads passed over is lost, even if somebody new would find it */
            continue;
        weak_as(i);
        work(i, LETTERS);
    }
    weak_as(HOARDER);
    weak_check(rp_flush(office->producer[HOARDER]) == 0); /* what is settled is recorded, if the queue is durable */
    uint32_t sent = 0, tried = 0;
    for (unsigned i = 0; i < PROCESSES; i++) {
        sent |= office->sent[i];
        tried |= office->tried[i];
    }
    for (unsigned letter = 0; letter < LETTERS; letter++) {
        unsigned got = 0, acked = 0;
        for (unsigned i = 0; i < PROCESSES; i++) {
            got += office->got[i][letter];
            acked += office->acked[i][letter];
        }
        if ((sent >> letter & 1) && (got == 0 || acked == 0) && duplicates == AS_SENT)
            weak_fail("letter %u was sent and %s", letter, got == 0 ? "never received" : "never acked");
        if ((sent >> letter & 1) && got == 0)
            weak_fail("letter %u was sent and never received", letter);
        if (!(tried >> letter & 1) && got > 0)
            weak_fail("letter %u was received and never sent", letter);
        if (acked > 1 || (duplicates == AS_SENT && got > 1))
            weak_fail("letter %u was received %u times and acked %u times", letter, got, acked);
    }
    check_cells();
}
