/* SPDX-License-Identifier: MIT */
/*
 * The memory. A word is a list of messages, oldest first: its modification order. A view says, for each word, the oldest message that may still be seen, and
 * for each thread how much of what it did is known to have happened before. A thread has three: what it sees now; what it would see after an acquire fence (of all
 * that its relaxed loads met); what it saw at its last release fence.
 *
 *   load     any message that is not older than the view. Acquire: joins the message's view.
 *   store    a new message at the end. Its view: release: all that the thread sees; else what it saw at its release fence.
 *   RMW      reads the last message, appends the next, whose view also has all of the one that was read (release sequences as in C++20).
 *            A compare-and-swap that fails is a load, of any message that differs from what was expected.
 *   seq_cst  besides: a load sees nothing older than what sequentially consistent accesses of that word stored or read so far. That is [atomics.order]/4 of
 *            C++20 with the order of execution as the order S, and nothing more: no view is passed on.
 *   fence    acquire and release as said above. seq_cst: what the thread has seen is seen after the next such fence of any thread; that orders no plain accesses.
 *   barrier  (membarrier) all threads see what any has seen, and know what it did.
 *
 * Never stronger than C11 for what it can show, so a failure is one of C11. It cannot show: loads that see stores of the future (load buffering), stores that come
 * before older ones in modification order, an order S that differs from the order of execution.
 */
#include "weak.h"

#include <stdio.h>
#include <string.h>

enum { LOCATIONS = 160, MESSAGES = 6000, MUTEXES = 16, GRANULES = ARENA_BYTES / 4 };

struct view {
    unsigned used; /* of `seen`; the rest is 0 */
    uint32_t clock[WEAK_THREADS];
    uint16_t seen[LOCATIONS];
};

struct message {
    uint64_t value;
    struct message *older;
    uint16_t index; /* in modification order */
    uint8_t by;
    struct view view;
};

struct location {
    struct message *newest;
    uint16_t sc; /* the newest that a sequentially consistent access stored or read */
    const volatile void *word;
};

struct thread {
    struct view now, after_acquire, at_release;
};

/* What plain accesses met in 4 bytes: when each thread read there last, and who wrote. */
struct granule {
    uint32_t run;
    uint8_t writer;
    uint32_t written;
    uint32_t read[WEAK_THREADS];
};

static struct message messages[MESSAGES];
static struct location locations[LOCATIONS];
static struct thread threads[WEAK_THREADS];
static struct granule granules[GRANULES];
static struct {
    uint32_t run;
    uint32_t location;
} at[GRANULES];
static struct {
    const void *mutex;
    struct view view;
} mutexes[MUTEXES];
static struct view sc_fences; /* what had been seen before the last of them */
static unsigned location_count, message_count, mutex_count;
static uint32_t run_number;

const struct weak_weaken *weakened;
uint64_t weakened_met;
void (*machine_site)(unsigned order, WEAK_SITE_PARAMETERS);

/* ---- views ---- */

static void view_copy(struct view *to, const struct view *from) {
    to->used = from->used;
    memcpy(to->clock, from->clock, sizeof to->clock);
    memcpy(to->seen, from->seen, from->used * sizeof *from->seen);
}

static void view_reach(struct view *v, unsigned used) {
    while (v->used < used)
        v->seen[v->used++] = 0;
}

static void view_join_seen(struct view *to, const struct view *from) {
    view_reach(to, from->used);
    for (unsigned i = 0; i < from->used; i++)
        to->seen[i] = to->seen[i] > from->seen[i] ? to->seen[i] : from->seen[i];
}

static void view_join(struct view *to, const struct view *from) {
    view_join_seen(to, from);
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        to->clock[i] = to->clock[i] > from->clock[i] ? to->clock[i] : from->clock[i];
}

static void view_see(struct view *v, unsigned location, uint16_t index) {
    view_reach(v, location + 1);
    if (v->seen[location] < index)
        v->seen[location] = index;
}

static uint16_t view_of(const struct view *v, unsigned location) { return location < v->used ? v->seen[location] : 0; }

void machine_reset(void) {
    run_number++;
    location_count = message_count = mutex_count = 0;
    sc_fences.used = 0;
    for (unsigned i = 0; i < WEAK_THREADS; i++) {
        threads[i].now.used = threads[i].after_acquire.used = threads[i].at_release.used = 0;
        for (unsigned k = 0; k < WEAK_THREADS; k++)
            threads[i].now.clock[k] = threads[i].after_acquire.clock[k] = k == i;
        memset(threads[i].at_release.clock, 0, sizeof threads[i].at_release.clock);
    }
}

static struct thread *self(void) { return &threads[run.current]; }

/* What is done from here on is not known to those who synchronise with what was done so far. */
static void pass_time(struct thread *t) { t->after_acquire.clock[run.current] = ++t->now.clock[run.current]; }

void machine_join(unsigned to, unsigned from) {
    view_join(&threads[to].now, &threads[from].now);
    view_join(&threads[to].after_acquire, &threads[from].now);
}

void machine_unlock(const void *mutex) {
    unsigned i = 0;
    while (i < mutex_count && mutexes[i].mutex != mutex)
        i++;
    if (i == MUTEXES)
        weak_fail("more mutexes than the machine has room for");
    if (i == mutex_count)
        mutexes[mutex_count++].mutex = mutex;
    view_copy(&mutexes[i].view, &self()->now);
    pass_time(self());
}

void machine_lock(const void *mutex) {
    for (unsigned i = 0; i < mutex_count; i++)
        if (mutexes[i].mutex == mutex) {
            view_join(&self()->now, &mutexes[i].view);
            view_join(&self()->after_acquire, &mutexes[i].view);
        }
}

/* ---- words ---- */

static uint64_t memory_read(const volatile void *word, size_t bytes) {
    return bytes == 4 ? *(const volatile uint32_t *)word : *(const volatile uint64_t *)word;
}
static void memory_write(volatile void *word, size_t bytes, uint64_t value) {
    if (bytes == 4)
        *(volatile uint32_t *)word = (uint32_t)value;
    else
        *(volatile uint64_t *)word = value;
}

uint32_t machine_newest(const volatile void *word) { return (uint32_t)memory_read(word, 4); }

static struct message *message_new(void) {
    if (message_count == MESSAGES)
        weak_fail("more stores than the machine has room for");
    return &messages[message_count++];
}

/* NULL: nobody has stored there in this run, so there is one value to be seen. */
static struct location *location_find(const volatile void *word) {
    if (!in_arena(word))
        return NULL;
    size_t i = ((uintptr_t)word - (uintptr_t)arena) / 4;
    return at[i].run == run_number ? &locations[at[i].location] : NULL;
}

static struct location *location_make(const volatile void *word, size_t bytes) {
    struct location *l = location_find(word);
    if (l != NULL)
        return l;
    if (location_count == LOCATIONS)
        weak_fail("more shared words than the machine has room for");
    size_t i = ((uintptr_t)word - (uintptr_t)arena) / 4;
    at[i].run = run_number;
    at[i].location = location_count;
    l = &locations[location_count++];
    *l = (struct location){.newest = message_new(), .word = word};
    struct message *first = l->newest;
    first->value = memory_read(word, bytes);
    first->older = NULL;
    first->index = 0;
    first->by = UINT8_MAX;
    first->view.used = 0;
    memset(first->view.clock, 0, sizeof first->view.clock);
    return l;
}

static unsigned number_of(const struct location *l) { return (unsigned)(l - locations); }

/* ---- weaker than written ---- */

static bool same_file(const char *path, const char *name) {
    size_t a = strlen(path), b = strlen(name);
    return a >= b && strcmp(path + a - b, name) == 0;
}

static unsigned effective(unsigned order, WEAK_SITE_PARAMETERS) {
    if (machine_site != NULL && order != WEAK_RELAXED)
        machine_site(order, label, file, line);
    if (weakened == NULL || !(order & weakened->side) || strcmp(label, weakened->label) != 0 ||
        (weakened->file != NULL && !same_file(file, weakened->file)) || (weakened->line != 0 && line != weakened->line))
        return order;
    weakened_met++;
    return order & ~(weakened->side | (unsigned)WEAK_SC);
}

/* ---- accesses ---- */

static void read_message(const struct location *l, const struct message *m, unsigned order) {
    struct thread *t = self();
    view_see(&t->now, number_of(l), m->index);
    view_see(&t->after_acquire, number_of(l), m->index);
    if (order & WEAK_ACQUIRE)
        view_join(&t->now, &m->view);
    view_join(&t->after_acquire, &m->view);
}

static void store_message(struct location *l, size_t bytes, uint64_t value, unsigned order, const struct message *follows) {
    struct thread *t = self();
    struct message *m = message_new();
    if (bytes == 4)
        value = (uint32_t)value;
    m->value = value;
    m->older = l->newest;
    m->index = (uint16_t)(l->newest->index + 1);
    m->by = (uint8_t)run.current;
    l->newest = m;
    view_see(&t->now, number_of(l), m->index);
    view_see(&t->after_acquire, number_of(l), m->index);
    view_copy(&m->view, order & WEAK_RELEASE ? &t->now : &t->at_release);
    view_see(&m->view, number_of(l), m->index);
    if (follows != NULL)
        view_join(&m->view, &follows->view);
    pass_time(t);
    if (order & WEAK_SC)
        l->sc = m->index;
    memory_write((volatile void *)(uintptr_t)l->word, bytes, value);
}

static uint16_t oldest_visible(const struct location *l, unsigned order) {
    uint16_t oldest = view_of(&self()->now, number_of(l));
    return (order & WEAK_SC) && l->sc > oldest ? l->sc : oldest;
}

/* Chooses among `first` and what is older and may be seen; messages that hold *not are passed over. */
static const struct message *choose_message(const struct location *l, const struct message *first, unsigned order,
                                            const uint64_t * not ) {
    uint16_t oldest = oldest_visible(l, order);
    unsigned count = 0;
    if (choice_left(STALE))
        for (const struct message *m = first->older; m != NULL && m->index >= oldest; m = m->older)
            count += not == NULL || m->value != *not ;
    unsigned chosen = count > 0 ? choose(STALE, count + 1) : 0;
    const struct message *m = first;
    while (chosen > 0) {
        m = m->older;
        chosen -= not == NULL || m->value != *not ;
    }
    return m;
}

static void trace_access(const char *what, const char *label, const char *file, int line, const volatile void *word, uint64_t value,
                         unsigned behind) {
    if (!tracing)
        return;
    char old[40] = "";
    if (behind > 0)
        snprintf(old, sizeof old, "   <- %u newer", behind);
    const char *name = strrchr(file, '/');
    trace("%-7s %-10s +%05zx %#018llx  %s:%d%s", what, label, (size_t)((uintptr_t)word - (uintptr_t)arena),
          (unsigned long long)value, name != NULL ? name + 1 : file, line, old);
}

uint64_t weak_load(const volatile void *word, size_t bytes, unsigned order, WEAK_SITE_PARAMETERS) {
    if (!run.on)
        return memory_read(word, bytes);
    run_point(word, bytes, false);
    order = effective(order, label, file, line);
    struct location *l = location_find(word);
    if (l == NULL) {
        trace_access("load", label, file, line, word, memory_read(word, bytes), 0);
        return memory_read(word, bytes);
    }
    const struct message *m = choose_message(l, l->newest, order, NULL);
    read_message(l, m, order);
    if ((order & WEAK_SC) && l->sc < m->index)
        l->sc = m->index;
    trace_access("load", label, file, line, word, m->value, (unsigned)(l->newest->index - m->index));
    return m->value;
}

void weak_store(volatile void *word, size_t bytes, uint64_t value, unsigned order, WEAK_SITE_PARAMETERS) {
    if (!run.on || !in_arena(word)) {
        memory_write(word, bytes, value);
        return;
    }
    run_point(word, bytes, true);
    order = effective(order, label, file, line);
    store_message(location_make(word, bytes), bytes, value, order, NULL);
    trace_access("store", label, file, line, word, value, 0);
}

uint64_t weak_rmw(volatile void *word, size_t bytes, enum weak_rmw what, uint64_t operand, unsigned order, WEAK_SITE_PARAMETERS) {
    struct location *l = NULL;
    if (run.on) {
        run_point(word, bytes, true);
        order = effective(order, label, file, line);
        l = location_make(word, bytes);
    }
    uint64_t before = memory_read(word, bytes);
    uint64_t value = what == WEAK_ADD   ? before + operand
                     : what == WEAK_OR  ? before | operand
                     : what == WEAK_AND ? before & operand
                                        : operand;
    if (l == NULL) {
        memory_write(word, bytes, value);
        return before;
    }
    const struct message *last = l->newest;
    read_message(l, last, order);
    store_message(l, bytes, value, order, last);
    trace_access("rmw", label, file, line, word, value, 0);
    return before;
}

bool weak_cas(volatile void *word, size_t bytes, void *expected, uint64_t desired, unsigned order, unsigned failure_order,
              WEAK_SITE_PARAMETERS) {
    uint64_t wanted = memory_read(expected, bytes), found = memory_read(word, bytes);
    if (run.on) {
        run_point(word, bytes, true);
        order = effective(order, label, file, line);
        failure_order &= order;
        struct location *l = location_make(word, bytes);
        const struct message *m = choose_message(l, l->newest, failure_order, &wanted);
        found = m->value;
        if (m == l->newest && found == wanted) {
            read_message(l, m, order);
            store_message(l, bytes, desired, order, m);
            trace_access("cas", label, file, line, word, desired, 0);
            return true;
        }
        read_message(l, m, failure_order);
        trace_access("no cas", label, file, line, word, found, (unsigned)(l->newest->index - m->index));
    } else if (found == wanted) {
        memory_write(word, bytes, desired);
        return true;
    }
    memory_write(expected, bytes, found);
    return false;
}

void weak_fence(unsigned order, WEAK_SITE_PARAMETERS) {
    if (!run.on)
        return;
    order = effective(order, label, file, line);
    struct thread *t = self();
    if (order & WEAK_ACQUIRE)
        view_copy(&t->now, &t->after_acquire);
    if (order & WEAK_SC) {
        view_join_seen(&sc_fences, &t->now);
        view_join_seen(&t->now, &sc_fences);
        view_join_seen(&t->after_acquire, &sc_fences);
    }
    if (order & WEAK_RELEASE) {
        view_copy(&t->at_release, &t->now);
        pass_time(t);
    }
}

void machine_barrier(WEAK_SITE_PARAMETERS) {
    if (!run.on || !(effective(WEAK_SEQ_CST, label, file, line) & WEAK_SC))
        return;
    struct view all = {0};
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        view_join(&all, &threads[i].now);
    for (unsigned i = 0; i < WEAK_THREADS; i++) {
        unsigned own = threads[i].now.clock[i];
        view_join(&threads[i].now, &all);
        view_join(&threads[i].after_acquire, &all);
        threads[i].after_acquire.clock[i] = threads[i].now.clock[i] = own + 1;
    }
}

/* ---- plain accesses ---- */

static void race(const volatile void *address, const char *mine, const char *theirs, unsigned other) {
    weak_fail("data race: %s by thread %c at +%05zx is not ordered after the %s by thread %c", mine, 'A' + (int)run.current,
              (size_t)((uintptr_t)address - (uintptr_t)arena), theirs, 'A' + (int)other);
}

void machine_plain(const volatile void *address, size_t bytes, bool write) {
    if (!run.on || !in_arena(address) || bytes == 0)
        return;
    const uint32_t *clock = self()->now.clock;
    unsigned me = run.current;
    size_t first = ((uintptr_t)address - (uintptr_t)arena) / 4, last = ((uintptr_t)address - (uintptr_t)arena + bytes - 1) / 4;
    for (size_t i = first; i <= last; i++) {
        struct granule *g = &granules[i];
        if (g->run != run_number)
            *g = (struct granule){.run = run_number};
        if (g->written > clock[g->writer])
            race(&arena[4 * i], write ? "write" : "read", "write", g->writer);
        for (unsigned k = 0; write && k < WEAK_THREADS; k++)
            if (g->read[k] > clock[k])
                race(&arena[4 * i], "write", "read", k);
        if (write) {
            g->writer = (uint8_t)me;
            g->written = clock[me];
        } else {
            g->read[me] = clock[me];
        }
    }
}
