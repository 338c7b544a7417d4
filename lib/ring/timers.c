/* SPDX-License-Identifier: MIT */
#include "timers.h"

enum {
    CHILDREN = 1 << TIMER_SHIFT,
    BLOCKS_PER_POP = 4096 /* nodes that one call looks into: a healthy tree needs fewer, but for thousands of timers */
};

#define UNITS_NONE (TIMER_WORD_NONE >> 8)

static uint64_t units_of(uint64_t ns) { return ns == TIMER_NONE || ns > TIMER_NONE - 0xff ? UNITS_NONE : (ns + 0xff) >> 8; }
static uint64_t word_units(uint64_t word) { return word >> 8; }
static uint64_t word_ns(uint64_t word) { return word_units(word) == UNITS_NONE ? TIMER_NONE : word & ~UINT64_C(0xff); }
static bool word_is_raised(uint64_t word) { return word & 1; }

/* What `word` becomes: with one more change. */
static uint64_t word_with(uint64_t word, uint64_t units, bool raising) {
    uint64_t changes = MUTANT(timer_no_changes) ? 0 : (word + 2) & 0xfe;
    return units << 8 | changes | raising;
}

void timers_open(struct timers *t, a64 *root, a64 *words, uint32_t count) {
    *t = (struct timers){.root = root};
    for (uint32_t n = count; t->depth < TIMER_LEVELS; n = timer_parents(n)) {
        t->levels[t->depth] = words;
        t->counts[t->depth++] = n;
        words += n;
        if (n <= CHILDREN)
            break;
    }
}

void timers_initialise(const struct timers *t) {
    for (unsigned level = 0; level < t->depth; level++)
        for (uint32_t i = 0; i < t->counts[level]; i++)
            store_relaxed(&t->levels[level][i], TIMER_WORD_NONE, init);
    store_relaxed(t->root, TIMER_WORD_NONE, init);
}

/* Node `i` of that level; above the last, the root. */
static a64 *node(const struct timers *t, unsigned level, uint32_t i) { return level == t->depth ? t->root : &t->levels[level][i]; }

/* True: it was later. */
static bool lower(a64 *word, uint64_t units) {
    uint64_t v = load_seq_cst(word, timers);
    for (;;) {
        bool later = units < word_units(v);
        if (!later && (!word_is_raised(v) || MUTANT(timer_set_ignores_raise)))
            return false;
        if (cas_seq_cst(word, &v, word_with(v, later ? units : word_units(v), false), timers))
            return later;
    }
}

bool timers_set(const struct timers *t, uint32_t c, uint64_t due_ns) {
    uint64_t units = units_of(due_ns);
    bool first = false;
    for (unsigned i = 0; i <= t->depth; i++) {
        unsigned level = MUTANT(timer_nodes_first) ? (i + 1) % (t->depth + 1) : i;
        first = lower(node(t, level, c >> (level * TIMER_SHIFT)), units);
    }
    return first;
}

uint64_t timers_of(const struct timers *t, uint32_t c) { return word_ns(load_seq_cst(&t->levels[0][c], timers)); }

struct pop {
    const struct timers *timers;
    uint64_t now_units;
    struct timer *out;
    uint32_t count, room;
    uint32_t blocks; /* that may still be looked into */
};

/* Takes the cell's timer out, if it is due. */
static void take_out(struct pop *p, uint32_t c) {
    a64 *word = &p->timers->levels[0][c];
    uint64_t v = load_seq_cst(word, timers);
    if (word_units(v) > p->now_units || !cas_seq_cst(word, &v, word_with(v, UNITS_NONE, false), timers))
        return;
    p->out[p->count++] = (struct timer){.due_ns = word_ns(v), .cell = c};
}

/* Takes out what is due below node `i` of `level`, and raises the node to what is left. Calls itself at most TIMER_LEVELS deep. */
static void pop_below(struct pop *p, unsigned level, uint32_t i) {
    const struct timers *t = p->timers;
    a64 *word = node(t, level, i);
    uint64_t v = load_seq_cst(word, timers);
    if (word_units(v) > p->now_units || p->blocks == 0)
        return;
    p->blocks--;
    uint64_t mark = word_with(v, word_units(v), true);
    if (!MUTANT(timer_mark_late) && !cas_seq_cst(word, &v, mark, timers))
        return; /* somebody sets or takes out here just now: the node is still due, so this is not the last look at it */
    uint64_t least = UNITS_NONE;
    uint32_t first = level == t->depth ? 0 : i << TIMER_SHIFT, count = t->counts[level - 1] - first;
    count = count < CHILDREN ? count : CHILDREN;
    for (uint32_t child = first; child < first + count; child++) {
        uint64_t units = word_units(load_seq_cst(&t->levels[level - 1][child], timers));
        if (units <= p->now_units && p->count < p->room) {
            if (level == 1)
                take_out(p, child);
            else
                pop_below(p, level - 1, child);
            units = word_units(load_seq_cst(&t->levels[level - 1][child], timers));
        }
        least = units < least ? units : least;
    }
    if (MUTANT(timer_mark_late) && !cas_seq_cst(word, &v, mark, timers))
        return;
    if (MUTANT(timer_raise_stored))
        store_seq_cst(word, word_with(mark, least, false), timers);
    else
        (void)cas_seq_cst(word, &mark, word_with(mark, least, false), timers);
}

uint32_t timers_pop(const struct timers *t, uint64_t now_ns, struct timer *out, uint32_t room) {
    struct pop p = {.timers = t, .now_units = now_ns >> 8, .out = out, .room = room, .blocks = BLOCKS_PER_POP};
    if (p.now_units == UNITS_NONE)
        p.now_units--;
    pop_below(&p, t->depth, 0);
    return p.count;
}
