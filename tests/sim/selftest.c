/* SPDX-License-Identifier: MIT */
/*
 * Does the simulator find what it must, count what it says, and leave correct programs alone? Toy programs, known to be broken or correct.
 */
#include "core.h"
#include "explore.h"
#include "futex.h"
#include "shm.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* What the toys share; each begins with zeros. */
static struct {
    a64 x, y, head, next[3], lock, flag, count;
    a32 bell;
    a64 results;
} shared;

static void keep_shared(void) {
    memset(&shared, 0, sizeof shared);
    sim_keep(&shared, sizeof shared);
}

/* ---- counting: two participants of n stores each have (2n over n) schedules ---- */

static unsigned stores;
static void body_stores(unsigned me) {
    sim_ready();
    for (unsigned i = 0; i < stores; i++)
        store_relaxed(me ? &shared.x : &shared.y, i + 1, own);
    sim_done();
}
static const struct sim_program counting = {.name = "counting", .participants = 2, .setup = keep_shared, .body = body_stores};

/* ---- a counter: load and store lose an update, compare-and-swap does not ---- */

static void body_lost_update(unsigned me) {
    (void)me;
    sim_ready();
    uint64_t seen = load_relaxed(&shared.count, own);
    store_relaxed(&shared.count, seen + 1, own);
    sim_done();
}
static void body_counter(unsigned me) {
    (void)me;
    sim_ready();
    uint64_t seen = load_relaxed(&shared.count, own);
    while (!cas_relaxed(&shared.count, &seen, seen + 1, own))
        ;
    sim_done();
}
static void finish_counter(void) {
    uint64_t killed = sim_killed() ? 1 : 0;
    uint64_t count = load_relaxed(&shared.count, own);
    if (count > 2 || count + killed < 2)
        sim_fail("the counter is %d", (int)count);
}
static const struct sim_program lost_update = {
    .name = "lost update", .participants = 2, .setup = keep_shared, .body = body_lost_update, .finish = finish_counter};
static const struct sim_program counter = {
    .name = "counter", .participants = 2, .setup = keep_shared, .body = body_counter, .finish = finish_counter};

/* ---- Treiber's stack without tags: A B A ---- */

static bool with_tags;
static uint64_t tagged(uint64_t before, uint64_t node) { return with_tags ? ((before >> 8) + 1) << 8 | node : node; }

static uint64_t pop(void) {
    uint64_t head = load_acquire(&shared.head, toy);
    for (;;) {
        uint64_t node = head & 255;
        if (!node)
            return 0;
        uint64_t next = load_relaxed(&shared.next[node - 1], own);
        if (cas_acq_rel(&shared.head, &head, tagged(head, next), toy))
            return node;
    }
}
static void push(uint64_t node) {
    uint64_t head = load_acquire(&shared.head, toy);
    do
        store_relaxed(&shared.next[node - 1], head & 255, own);
    while (!cas_acq_rel(&shared.head, &head, tagged(head, node), toy));
}
static void body_stack(unsigned me) {
    sim_ready();
    if (me == 0) {
        uint64_t a = pop();
        if (a)
            fetch_add_relaxed(&shared.results, UINT64_C(1) << 8 * a, own);
    } else {
        uint64_t a = pop(), b = pop();
        if (b)
            fetch_add_relaxed(&shared.results, UINT64_C(1) << 8 * b, own);
        if (a)
            push(a);
    }
    sim_done();
}
static void setup_stack(void) {
    keep_shared();
    push(3);
    push(2);
    push(1);
}
static void finish_stack(void) {
    for (uint64_t n = 0; (n = pop()) != 0;)
        fetch_add_relaxed(&shared.results, UINT64_C(1) << 8 * n, own);
    if (load_relaxed(&shared.results, own) != 0x01010100)
        sim_fail("nodes were taken %llx times", (unsigned long long)load_relaxed(&shared.results, own) >> 8);
}
static const struct sim_program stack = {
    .name = "stack", .participants = 2, .setup = setup_stack, .body = body_stack, .finish = finish_stack};

/* ---- a lost wake-up: the sleeper reads the bell after it looked ---- */

static bool bell_first;
static void body_wake(unsigned me) {
    sim_ready();
    sim_call(me ? "wait" : "ring");
    if (me) {
        for (int tries = 0; tries < 2; tries++) { /* he who rings may be dead */
            uint32_t bell = bell_first ? load_seq_cst(&shared.bell, toy) : 0;
            if (load_seq_cst(&shared.flag, toy))
                break;
            if (!bell_first)
                bell = load_seq_cst(&shared.bell, toy);
            futex_wait(&shared.bell, bell, 100000000);
        }
    } else {
        store_seq_cst(&shared.flag, 1, toy);
        fetch_add_seq_cst(&shared.bell, 1, toy);
        futex_wake(&shared.bell, 1);
    }
    sim_return(load_relaxed(&shared.flag, own));
    sim_done();
}
static const struct sim_program wake_up = {
    .name = "wake-up", .participants = 2, .setup = keep_shared, .body = body_wake, .strict_wakes = true};

/* ---- a lock whose holder dies, or is stopped ---- */

static void body_lock(unsigned me) {
    sim_ready();
    sim_call("lock");
    for (uint64_t nobody = 0; !cas_acq_rel(&shared.lock, &nobody, me + 1, toy); nobody = 0)
        spin_pause();
    store_release(&shared.lock, 0, toy);
    sim_return(true);
    sim_done();
}
static const struct sim_program lock = {.name = "lock", .participants = 2, .setup = keep_shared, .body = body_lock};

/* ---- a lease by the clock: only a jump makes it end, only a stopped holder writes late ---- */

static void body_lease(unsigned me) {
    sim_ready();
    if (me == 0) {
        store_release(&shared.x, sim_now_ns() + 1000, toy);
        store_release(&shared.y, 1, toy);
    } else {
        sim_platform_point(SIM_PURE | SIM_CLOCK, "clock");
        uint64_t until = load_acquire(&shared.x, toy);
        if (until && sim_now_ns() > until) {
            store_release(&shared.flag, 1, toy);
            store_release(&shared.y, 2, toy);
        }
    }
    sim_done();
}
static void finish_lease(void) {
    if (load_acquire(&shared.flag, toy) && load_acquire(&shared.y, toy) == 1)
        sim_fail("written by somebody who lost his lease");
}
static const struct sim_program lease = {
    .name = "lease", .participants = 2, .setup = keep_shared, .body = body_lease, .finish = finish_lease, .jumps_ns = {2000}};

/* ---- a call that changes nothing, and says nothing: who is behind it is not who is before it ---- */

static void body_call(unsigned me) {
    sim_ready();
    if (me != 0)
        store_release(&shared.flag, 1, toy);
    else {
        bool alone = load_acquire(&shared.flag, toy) == 0;
        sim_platform_point(0, "a call");
        if (load_acquire(&shared.flag, toy) == 0 && alone)
            store_release(&shared.x, 1, toy);
    }
    sim_done();
}
static void finish_call(void) {
    if (load_acquire(&shared.x, toy))
        sim_fail("nobody came in between");
}
static const struct sim_program call = {
    .name = "call", .participants = 2, .setup = keep_shared, .body = body_call, .finish = finish_call};

/* ---- all outcomes, with and without cuts ---- */

static bool outcomes[4096];
static unsigned outcome_count;
static void body_outcomes(unsigned me) {
    sim_ready();
    a64 *mine = me ? &shared.x : &shared.y, *other = me ? &shared.y : &shared.x;
    store_relaxed(mine, 1, own);
    uint64_t seen = load_relaxed(other, own);
    fetch_add_relaxed(&shared.count, me + 1 + seen, own);
    seen += load_relaxed(&shared.count, own) << 1;
    fetch_add_relaxed(&shared.results, seen << (me ? 6 : 0), own);
    store_relaxed(mine, 2, own);
    sim_done();
}
static void finish_outcomes(void) {
    uint64_t o = load_relaxed(&shared.results, own) | (uint64_t)load_relaxed(&shared.x, own) << 12 | (uint64_t)sim_killed() << 14;
    o = (o ^ o >> 7) % 4096;
    if (!outcomes[o])
        outcome_count++;
    outcomes[o] = true;
}
static const struct sim_program outcome = {
    .name = "outcomes", .participants = 2, .setup = keep_shared, .body = body_outcomes, .finish = finish_outcomes};

/* ---- the same in a file, with words that nobody else changes ---- */

struct page {
    a64 x, y, count, results, still, own[2];
};
static struct page *page_of(unsigned me) { return (struct page *)(void *)file_alias(0, me, 0); }
static void setup_page(void) {
    struct shm_build b;
    if (shm_create("/page", 4096, 0, NULL, false, &b) < 0)
        sim_fail("no file");
}
static void body_page(unsigned me) {
    struct page *p = page_of(me);
    sim_ready();
    sim_call("page");
    uint64_t seen = load_relaxed(&p->still, own);
    store_relaxed(me ? &p->x : &p->y, 1, own);
    seen += load_relaxed(&p->own[me], own);
    seen += load_relaxed(me ? &p->y : &p->x, own);
    store_relaxed(&p->own[me], 1, own);
    seen += load_relaxed(&p->still, own);
    fetch_add_relaxed(&p->count, me + 1 + seen, own);
    seen += load_relaxed(&p->own[me], own) + (load_relaxed(&p->count, own) << 1);
    fetch_add_relaxed(&p->results, seen << (me ? 6 : 0), own);
    seen += load_relaxed(&p->own[1 - me], own); /* mostly nobody has changed it yet */
    sim_return(true);
    sim_learn(seen);
    sim_done();
}
static const struct sim_program page = {.name = "page", .participants = 2, .setup = setup_page, .body = body_page};

/* ---- */

static int failed;
static struct explore_result result;

static void check(bool good, const char *what) {
    printf("%-5s %s (%llu runs, %llu judged%s%s%s%s)\n", good ? "ok" : "WRONG", what, (unsigned long long)result.runs,
           (unsigned long long)result.ends, result.complete ? ", complete" : "", result.failures ? ": " : "", result.failure,
           result.decisions);
    failed += !good;
}

static bool clean(void) { return result.complete && !result.failures; }
static const struct explore_result *go(const struct sim_program *p, struct explore_options o) {
    explore(p, &o, &result);
    return &result;
}
static bool finds(const struct sim_program *p, struct explore_options o) {
    if (!go(p, o)->failures)
        return false;
    static struct explore_result again;
    o.replay = result.decisions;
    explore(p, &o, &again);
    return again.failures == 1;
}

static void test_counting(void) {
    const uint64_t choose_n[] = {1, 2, 6, 20, 70, 252, 924};
    for (stores = 1; stores <= 6; stores++) {
        go(&counting, (struct explore_options){.budget = {.preemptions = -1}, .no_cuts = true});
        check(clean() && result.runs == choose_n[stores] && result.ends == result.runs, "every schedule is run once");
    }
    /* One preemption: AABB, BBAA, and A^i B^n A^(n-i) and the reverse for 0 < i < n. */
    stores = 5;
    go(&counting, (struct explore_options){.budget = {.preemptions = 1}, .no_cuts = true});
    check(clean() && result.runs == 2 + 2 * 4, "bound 1");
    /* A death before each of n stores and one in sim_done, of A or B, in either order: AABB, BBAA and the deaths in each. */
    go(&counting, (struct explore_options){.budget = {.kills = 1}, .no_cuts = true});
    check(clean() && result.runs == 2 * (1 + 2 * (5 + 1)), "one death");
    go(&counting, (struct explore_options){.budget = {.preemptions = -1}});
    check(clean() && result.ends == 1, "cut: one end is judged");
}

static void test_bugs(void) {
    const struct explore_options unbounded = {.budget = {.preemptions = -1}};
    const struct explore_options random = {.budget = {.preemptions = -1}, .random = true, .seed = 1, .runs = 20000};
    check(!finds(&lost_update, (struct explore_options){0}) && clean(), "no lost update without preemption");
    check(finds(&lost_update, (struct explore_options){.budget = {.preemptions = 1}}), "lost update, bound 1");
    check(strcmp(result.decisions, "A2:B") == 0, "lost update, smallest decisions");
    check(finds(&lost_update, random), "lost update, random");
    go(&counter, (struct explore_options){.budget = {.preemptions = -1, .kills = 1}});
    check(clean(), "a correct counter");

    with_tags = false;
    check(!finds(&stack, (struct explore_options){0}) && clean(), "no ABA without preemption");
    check(finds(&stack, (struct explore_options){.budget = {.preemptions = 1}}), "ABA");
    check(finds(&stack, random), "ABA, random");
    with_tags = true;
    go(&stack, unbounded);
    check(clean(), "a stack with tags");

    bell_first = false;
    check(finds(&wake_up, unbounded), "lost wake-up");
    check(finds(&wake_up, random), "lost wake-up, random");
    bell_first = true;
    go(&wake_up, unbounded);
    check(clean() && result.runs_that_needed_ticks == 0, "a correct wake-up");
    go(&wake_up, (struct explore_options){.budget = {.preemptions = -1, .kills = 1}});
    check(clean() && result.runs_that_needed_ticks > 0, "a wake-up that dies with its waker costs a tick");

    go(&lock, (struct explore_options){.budget = {.preemptions = 2}});
    check(clean(), "a lock nobody dies with");
    check(finds(&lock, (struct explore_options){.budget = {.preemptions = 0, .kills = 1}}), "a lock whose holder dies");
    check(finds(&lock, (struct explore_options){.budget = {.preemptions = 0, .freezes = 1}}), "a lock whose holder is stopped");

    check(finds(&call, (struct explore_options){.budget = {.preemptions = 2}}), "behind a call that changes nothing");
    check(!finds(&lease, (struct explore_options){.budget = {.preemptions = 2}}) && clean(), "no lease ends without time");
    check(finds(&lease, (struct explore_options){.budget = {.preemptions = 2, .jumps = 1}}), "lease, late writer");
    check(finds(&lease, (struct explore_options){.budget = {.freezes = 1, .jumps = 1}}), "lease, frozen writer");
}

static void test_cuts(void) {
    for (int kills = 0; kills <= 1; kills++)
        for (int bound = -1; bound <= 3; bound++) {
            static bool all[4096];
            memset(outcomes, 0, sizeof outcomes);
            outcome_count = 0;
            go(&outcome, (struct explore_options){.budget = {.preemptions = bound, .kills = kills}, .no_cuts = true});
            memcpy(all, outcomes, sizeof all);
            unsigned count = outcome_count;
            uint64_t runs = result.runs;
            memset(outcomes, 0, sizeof outcomes);
            outcome_count = 0;
            go(&outcome, (struct explore_options){.budget = {.preemptions = bound, .kills = kills}});
            printf("      bound %d, %d deaths: %u outcomes in %llu runs\n", bound, kills, count, (unsigned long long)runs);
            check(clean() && memcmp(all, outcomes, sizeof all) == 0, "cuts lose no outcome");
        }
}

/* Going on from saved states is the same search; deciding nothing at quiet loads, which is not done where somebody may be stopped, leads to the same ends with fewer runs. */
static void test_shortcuts(void) {
    for (int faults = 0; faults <= 2; faults++)
        for (int bound = 1; bound <= 3; bound++) {
            struct sim_budget b = {.preemptions = bound, .kills = faults == 1, .freezes = faults == 2};
            go(&page, (struct explore_options){.budget = b, .outcomes = true, .all_points = true, .from_beginning = true});
            const struct explore_result plain = result;
            check(clean(), "all points, from the beginning");
            go(&page, (struct explore_options){.budget = b, .outcomes = true, .all_points = true});
            check(clean() && result.runs == plain.runs && result.states == plain.states && result.points == plain.points &&
                      result.outcomes_sum == plain.outcomes_sum,
                  "from saved states: the same runs");
            go(&page, (struct explore_options){.budget = b, .outcomes = true});
            printf("      bound %d, fault %d: %llu states, %llu without quiet loads; %llu outcomes, %llu\n", bound, faults,
                   (unsigned long long)plain.states, (unsigned long long)result.states, (unsigned long long)plain.outcomes,
                   (unsigned long long)result.outcomes);
            check(clean() && result.outcomes_sum == plain.outcomes_sum && (result.states < plain.states || b.freezes > 0),
                  "quiet loads: the same ends");
        }
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_counting();
    test_bugs();
    test_cuts();
    test_shortcuts();
    printf("%s\n", failed ? "FAILED" : "all as expected");
    return failed != 0;
}
