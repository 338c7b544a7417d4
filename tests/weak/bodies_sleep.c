/* SPDX-License-Identifier: MIT */
/* The cell pool and the eventcount alone (lib/ring/pool.c, eventcount.c): reuse of a cell's bytes, and wake-ups that must not be lost. */
#include "heap_segment.h"
#include "pool.h"
#include "weak.h"

/* ---- eventcount ---- */

static struct happening {
    a32 epoch;
    a64 tickets, what;
} * e;

static struct eventcount event(void) { return (struct eventcount){.epoch = &e->epoch, .tickets = &e->tickets}; }

static void setup_event(void) { e = weak_allocate(sizeof *e); }

/* Sleeps until `what` has reached `n`. */
static void wait_until(uint64_t n) {
    struct eventcount c = event();
    while (load_seq_cst(&e->what, toy) < n) {
        uint32_t prepared = eventcount_prepare(&c);
        if (load_seq_cst(&e->what, toy) >= n)
            return;
        (void)eventcount_sleep(&c, prepared, UINT64_MAX);
    }
}

static void happen(int count) {
    struct eventcount c = event();
    (void)fetch_add_seq_cst(&e->what, 1, toy);
    eventcount_wake(&c, count);
}

static void two_wait(unsigned me) {
    if (me < 2)
        wait_until(1);
    else
        happen(2);
}
static void two_wake(unsigned me) {
    if (me == 0)
        wait_until(2);
    else
        happen(1);
}

/* ---- pool ---- */

static struct pools {
    struct segment segment;
    struct pool pool[3];
    uint64_t taken[3];
} * p;

static void make_pools(uint32_t cells) {
    p = weak_allocate(sizeof *p);
    struct parameters parameters = small_parameters(cells);
    parameters.max_groups = 1;
    struct layout l;
    if (layout_compute(&parameters, &l) != 0)
        abort();
    unsigned char *memory = weak_allocate(l.bytes);
    segment_initialise(memory, &parameters, &l, "default");
    if (segment_bind(&p->segment, memory, l.bytes, false) != 0)
        abort();
    for (unsigned i = 0; i < 3; i++)
        pool_open(&p->pool[i], &p->segment, i);
}

static uint64_t *bytes_of(uint32_t cell) { return (uint64_t *)(void *)segment_cell(&p->segment, cell)->payload; }

/* Takes a cell, uses its memory, gives it back. */
static void use(unsigned me) {
    uint32_t cell;
    if (!pool_take(&p->pool[me], &cell) && !pool_search(&p->pool[me], 5, &cell))
        return;
    *bytes_of(cell) = 77 + me;
    weak_check(*bytes_of(cell) == 77 + me);
    p->taken[me]++;
    pool_give_back(&p->pool[me], cell);
}

/* One cell for all, which each has drawn from the bitmap already: only the word orders one life after the other. */
static void setup_drawn(void) {
    make_pools(1);
    for (unsigned i = 0; i < 3; i++) {
        p->pool[i].candidates[0] = 0;
        p->pool[i].candidate_count = 1;
    }
    store_relaxed(&p->segment.bitmap[0], 0, init);
}
static void drawn(unsigned me) { use(me); }
static void drawn_finish(void) {
    weak_check(cell_state(load_relaxed(&segment_cell(&p->segment, 0)->word, hint)) == CELL_FREE);
    weak_check(p->taken[0] + p->taken[1] + p->taken[2] > 0);
}

static void setup_bitmap(void) { make_pools(2); }
static void bitmap(unsigned me) {
    use(me);
    pool_flush(&p->pool[me]);
}

/* As producer.c does it: takes a cell, or sleeps until one is freed. All in one millisecond. */
static void take_or_sleep(unsigned me, uint32_t *cell) {
    struct pool *mine = &p->pool[me];
    for (;;) {
        if (pool_take(mine, cell) || pool_search(mine, 5, cell))
            return;
        pool_flush(mine);
        uint32_t prepared = eventcount_prepare(&mine->free_event);
        if (pool_take(mine, cell) || pool_search(mine, 5, cell))
            return;
        (void)eventcount_sleep(&mine->free_event, prepared, UINT64_MAX);
    }
}

/* Both cells are taken by A, who gives them back one after the other; B and C need one each. */
static void setup_starved(void) {
    make_pools(2);
    uint32_t cell;
    while (pool_take(&p->pool[0], &cell)) {
    }
}
static void starved_needs(unsigned me) {
    if (me == 0) {
        pool_give_back(&p->pool[0], 0);
        pool_give_back(&p->pool[0], 1);
    } else {
        uint32_t cell;
        take_or_sleep(me, &cell);
        p->taken[me] = cell + 1;
    }
}
static void starved_finish(void) { weak_check(p->taken[1] != p->taken[2]); }

/* The one who needs a cell has found all words taken in this very millisecond: the bit must tell it. */
static void setup_barren(void) {
    make_pools(1);
    uint32_t cell;
    (void)pool_take(&p->pool[0], &cell);
}
static void barren(unsigned me) {
    if (me == 0) {
        pool_give_back(&p->pool[0], 0);
    } else {
        uint32_t cell;
        take_or_sleep(me, &cell);
    }
}

const struct weak_program event_two_waiters = {
    .name = "event-2-1", .about = "eventcount: two waiters, one waker", .threads = 3, .setup = setup_event, .body = two_wait};
const struct weak_program event_two_wakers = {.name = "event-1-2",
                                              .about = "eventcount: one waiter for two events of two wakers",
                                              .threads = 3,
                                              .setup = setup_event,
                                              .body = two_wake};
const struct weak_program pool_drawn = {.name = "pool-reuse",
                                        .about = "pool: one cell, three lives, no bitmap",
                                        .threads = 3,
                                        .setup = setup_drawn,
                                        .body = drawn,
                                        .finish = drawn_finish};
const struct weak_program pool_bitmap = {
    .name = "pool-bitmap", .about = "pool: two cells through the bitmap", .threads = 3, .setup = setup_bitmap, .body = bitmap};
const struct weak_program pool_starved = {.name = "pool-starved",
                                          .about = "pool: two that sleep until a cell is freed",
                                          .threads = 3,
                                          .setup = setup_starved,
                                          .body = starved_needs,
                                          .finish = starved_finish};
const struct weak_program pool_barren = {.name = "pool-barren",
                                         .about = "pool: one that sleeps until the only cell is freed",
                                         .threads = 2,
                                         .setup = setup_barren,
                                         .body = barren};
