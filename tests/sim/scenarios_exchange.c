/* SPDX-License-Identifier: MIT */
/*
 * The bindings of an exchange (lib/route/bindings.c) under the lock of who changes them (change_lock.c), in a table of three places. A reader finds every binding that was in effect all the
 * time, none that was not in effect when it began, each with the text that was bound, and never calls anything damaged; a changer that dies has done all of it or nothing; a change is refused
 * only while somebody is stopped; and in the end, after one mended, all places that should be free are found again.
 */
#include "attached.h"
#include "error.h"
#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 3, KINDS = 16, VERSIONS = 64, PATIENCE_NS = 5 * 1000000 };
static const char path[] = "/dev/shm/ringpost-exchange.sim";

static struct book {
    uint16_t
        history[VERSIONS]; /* which kinds are in effect at each version. Who holds the lock writes what he wants to be the next */
    uint8_t holder;        /* of the lock, + 1 */
} book;

/* Kinds differ in the first word of each part of the text; all else stays 0, so the words between need no decisions. */
static struct binding binding_of(unsigned kind) {
    struct binding b = {.pattern_bytes = 2, .queue_bytes = 2, .headers_bytes = 5, .header_count = 1};
    snprintf(b.text.pattern, sizeof b.text.pattern, "p%c", 'a' + (int)kind);
    snprintf(b.text.queue, sizeof b.text.queue, "q%c", 'a' + (int)kind);
    memcpy(b.text.headers, (char[]){'h', 0, 'v', (char)('a' + kind), 0}, 5);
    return b;
}

static const size_t parts[] = {offsetof(struct binding, text.pattern), offsetof(struct binding, text.queue),
                               offsetof(struct binding, text.headers),
                               sizeof(((struct binding *)0)->text) + offsetof(struct binding, text)};

/* The rest of part `i` of an entry's text, behind its first word. */
static a64 *rest_of_part(struct entry *e, unsigned i, size_t *words) {
    size_t at = (parts[i] - parts[0]) / 8;
    *words = (parts[i + 1] - parts[i]) / 8 - 1;
    return &e->text[at + 1];
}

static void attach(struct rp_exchange *x) {
    struct attach a;
    memset(x, 0, sizeof *x);
    strcpy(x->path, path);
    strcpy(x->name, "sim");
    if (attach_begin(path, false, &a) < 0 || shm_map(a.fd, a.bytes, false, &x->memory) < 0)
        sim_fail("attach: %s", rp_error_detail());
    x->identity = a.identity;
    x->bytes = a.bytes;
    attach_end(&a);
    if (bindings_attach(&x->bindings, x->memory, x->bytes) < 0)
        sim_fail("attach: %s", rp_error_detail());
}

static void detach(struct rp_exchange *x) { shm_unmap(x->memory, x->bytes); }

/* Without a decision, and so no part of what the library does. */
static uint64_t version_now(struct rp_exchange *x) {
    uint64_t version = counter_read(&x->bindings.control->version);
    sim_learn(version);
    return version;
}

/* ---- changing ---- */

/* False: somebody who is stopped has the lock. */
static bool lock(struct rp_exchange *x, struct change *c) {
    int result = change_begin(x, PATIENCE_NS, c);
    if (result == -EBUSY && sim_frozen() != 0)
        return false;
    if (result < 0)
        sim_fail("the lock: %s", rp_error_detail());
    if (book.holder != 0 && !(sim_killed() >> (book.holder - 1) & 1))
        sim_fail("two hold the lock");
    book.holder = (uint8_t)(sim_me() + 1);
    return true;
}

static void unlock(struct change *c) {
    book.holder = 0;
    change_end(c);
}

static int expected(uint16_t before, bool add, unsigned kind) {
    if (!add)
        return before >> kind & 1 ? 0 : -ENOENT;
    return before >> kind & 1 ? 1 : __builtin_popcount(before) == ROOM ? -ENOSPC : 0;
}

static void change(struct rp_exchange *x, bool add, unsigned kind) {
    struct change c;
    struct binding b = binding_of(kind);
    sim_call(add ? "bind" : "unbind");
    if (lock(x, &c)) {
        uint64_t version = version_now(x);
        uint16_t before = book.history[version], bit = (uint16_t)(1u << kind);
        book.history[version + 1] = (uint16_t)(add ? before | bit : before & ~bit);
        int result = add ? bindings_add(&x->bindings, &b) : bindings_remove(&x->bindings, &b);
        if (result != expected(before, add, kind))
            sim_fail("%s of %u with %#x bound: %d", add ? "bind" : "unbind", kind, before, result);
        if (version_now(x) != version + (result == 0))
            sim_fail("%s of %u: version %llu after %llu", add ? "bind" : "unbind", kind, (unsigned long long)version_now(x),
                     (unsigned long long)version);
        unlock(&c);
    }
    sim_return(false); /* who waits for the lock looks again after a nap: nobody wakes him */
}

static void bind(struct rp_exchange *x, unsigned kind) { change(x, true, kind); }
static void unbind(struct rp_exchange *x, unsigned kind) { change(x, false, kind); }

static void sweep(struct rp_exchange *x) {
    struct change c;
    sim_call("sweep");
    if (lock(x, &c)) {
        int mended = bindings_mend(&x->bindings);
        sim_learn((uint64_t)mended);
        if (mended < 0 || mended > __builtin_popcount(sim_killed()))
            sim_fail("%d things mended", mended);
        if (bindings_mend(&x->bindings) != 0)
            sim_fail("mended twice");
        unlock(&c);
    }
    sim_return(false);
}

/* ---- reading ---- */

static unsigned kind_of(const struct binding *b) {
    unsigned kind = (unsigned)(b->text.pattern[1] - 'a') % KINDS;
    struct binding right = binding_of(kind);
    right.created_wall_ns = b->created_wall_ns;
    if (memcmp(&right, b, sizeof right) != 0)
        sim_fail("a text that nobody bound: '%s' to '%s'", b->text.pattern, b->text.queue);
    return kind;
}

/* As a process compiles its table. */
static void look(struct rp_exchange *x) {
    unsigned seen = 0;
    sim_call("look");
    uint64_t from = bindings_version(&x->bindings);
    for (uint32_t i = 0; i < ROOM; i++) {
        struct binding b;
        int result = bindings_read(&x->bindings, i, from, &b);
        if (result < 0)
            sim_fail("place %u: %s", i, rp_error_detail());
        unsigned bit = result == 0 ? 0 : 1u << kind_of(&b);
        if (seen & bit)
            sim_fail("kind %u is seen twice", kind_of(&b));
        seen |= bit;
    }
    sim_learn(seen);
    sim_return(true);
    unsigned all_the_time = book.history[from];
    for (uint64_t v = from; v <= version_now(x); v++)
        all_the_time &= book.history[v];
    if (seen & ~book.history[from])
        sim_fail("at version %llu %#x are bound, seen are %#x", (unsigned long long)from, book.history[from], seen);
    if (all_the_time & ~seen)
        sim_fail("from version %llu on %#x are bound, seen are %#x", (unsigned long long)from, all_the_time, seen);
}

/* ---- before and after ---- */

/* `count` places are used, one more would be but for an unbind, and is to be cleared away by the next change. */
static void make(unsigned count) {
    struct shm_build build;
    struct rp_exchange x;
    size_t words;
    book = (struct book){0};
    sim_keep(&book, sizeof book);
    if (shm_create(path, bindings_bytes(ROOM), 0600, NULL, false, &build) < 0)
        sim_fail("create: %s", rp_error_detail());
    bindings_initialise(build.memory, ROOM, RP_UNROUTABLE_COUNT, NULL);
    if (shm_publish(&build) < 0)
        sim_fail("create: %s", rp_error_detail());
    shm_discard(&build);
    attach(&x);
    for (uint32_t i = 0; i < ROOM; i++)
        for (unsigned part = 0; part < 3; part++) {
            a64 *rest = rest_of_part(&x.bindings.entries[i], part, &words);
            sim_keep_constant(rest, words * 8);
        }
    for (unsigned kind = 0; kind < count; kind++)
        bind(&x, kind);
    if (count < ROOM) {
        bind(&x, KINDS - 1);
        unbind(&x, KINDS - 1);
    }
    detach(&x);
}

static void setup(void) { make(1); }
static void setup_full(void) { make(ROOM); }

/* Somebody is stopped: entries are used again, some of them for what was there before. */
static void interim(void) {
    struct rp_exchange x;
    attach(&x);
    look(&x);
    unbind(&x, 0);
    bind(&x, 5);
    look(&x);
    unbind(&x, 5);
    bind(&x, 0);
    look(&x);
    detach(&x);
}

static unsigned free_places(struct rp_exchange *x) {
    unsigned count = 0;
    for (uint32_t i = 0; i < ROOM; i++)
        count += entry_state(counter_read(&x->bindings.entries[i].word)) == ENTRY_FREE;
    return count;
}

static void constants_are(struct rp_exchange *x) {
    size_t words;
    for (uint32_t i = 0; i < ROOM; i++)
        for (unsigned part = 0; part < 3; part++) {
            a64 *rest = rest_of_part(&x->bindings.entries[i], part, &words);
            while (words-- > 0)
                if (counter_read(&rest[words]) != 0)
                    sim_fail("the rest of a text is not 0");
        }
}

static void finish(void) {
    struct rp_exchange x;
    attach(&x);
    look(&x);
    sweep(&x);
    look(&x);
    unsigned bound = book.history[version_now(&x)];
    if (free_places(&x) != ROOM - (unsigned)__builtin_popcount(bound))
        sim_fail("%u places are free, %#x are bound", free_places(&x), bound);
    for (unsigned kind = 6; kind < 6 + ROOM + 1; kind++) /* up to the last place, and one more */
        bind(&x, kind);
    look(&x);
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (book.history[version_now(&x)] >> kind & 1)
            unbind(&x, kind);
    look(&x);
    sweep(&x);
    if (free_places(&x) != ROOM)
        sim_fail("nothing is bound, and %u places are free", free_places(&x));
    constants_are(&x);
    detach(&x);
}

/* Two deaths, where both change: who mends may die, too. */
#define EXCHANGE(make, does, switches, deaths)                                                          \
    .participants = 2, .bare = true, .setup = make, .body = does, .interim = interim, .finish = finish, \
    .budget = {.preemptions = switches, .kills = deaths, .freezes = 1}

/* ---- a reader, and one who changes ---- */

static void body_bind_look(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0) {
        bind(&x, 1);
    } else {
        look(&x);
        look(&x);
    }
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program bind_look = {.name = "exchange-bind-read",
                                             .about = "a binding is made, in a place that was used, while the table is read",
                                             EXCHANGE(setup, body_bind_look, 3, 1)};

static void body_unbind_look(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0) {
        unbind(&x, 0);
    } else {
        look(&x);
        look(&x);
    }
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program unbind_look = {.name = "exchange-unbind-read",
                                               .about = "a binding is taken back while the table is read",
                                               EXCHANGE(setup, body_unbind_look, 3, 1)};

static void body_reuse(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0) {
        unbind(&x, 0);
        bind(&x, 1);
        unbind(&x, 1);
        bind(&x, 0);
    } else {
        look(&x);
    }
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program reuse = {.name = "exchange-reuse",
                                         .about = "a place is used again, and then for the first binding, while it is read",
                                         EXCHANGE(setup, body_reuse, 2, 1)};

/* ---- two who change ---- */

static void body_bind_bind(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    bind(&x, 1 + me);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program bind_bind = {
    .name = "exchange-bind-bind", .about = "two bind; who holds the lock dies", EXCHANGE(setup, body_bind_bind, 3, 2)};

static void body_bind_same(unsigned me) {
    struct rp_exchange x;
    (void)me;
    attach(&x);
    sim_ready();
    bind(&x, 1);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program bind_same = {
    .name = "exchange-bind-same", .about = "two bind the same", EXCHANGE(setup, body_bind_same, 3, 2)};

static void body_unbind_bind(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0)
        unbind(&x, 0);
    else
        bind(&x, ROOM);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program unbind_bind = {
    .name = "exchange-unbind-bind",
    .about = "one takes a binding back, one binds: what is half-done when its changer dies stays undone",
    EXCHANGE(setup, body_unbind_bind, 3, 2)};
static const struct sim_program full = {
    .name = "exchange-full", .about = "the same where all places are taken", EXCHANGE(setup_full, body_unbind_bind, 3, 2)};

static void body_unbind_unbind(unsigned me) {
    struct rp_exchange x;
    (void)me;
    attach(&x);
    sim_ready();
    unbind(&x, 0);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program unbind_unbind = {
    .name = "exchange-unbind-both", .about = "two take the same binding back", EXCHANGE(setup, body_unbind_unbind, 3, 2)};

static void body_sweep(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0)
        bind(&x, 1);
    else
        sweep(&x);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program sweeping = {
    .name = "exchange-sweep", .about = "one binds while another clears away what the dead left", EXCHANGE(setup, body_sweep, 3, 2)};

/* ---- all at once ---- */

static void body_three(unsigned me) {
    struct rp_exchange x;
    attach(&x);
    sim_ready();
    if (me == 0)
        unbind(&x, 0);
    else if (me == 1)
        bind(&x, 1);
    else
        look(&x);
    sim_done();
    look(&x);
    detach(&x);
}
static const struct sim_program three = {.name = "exchange-three",
                                         .about = "one takes a binding back, one binds, one reads",
                                         .participants = 3,
                                         .bare = true,
                                         .setup = setup,
                                         .body = body_three,
                                         .interim = interim,
                                         .finish = finish,
                                         .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_exchange[] = {&bind_look, &unbind_look,   &reuse,    &bind_bind, &bind_same, &unbind_bind,
                                                        &full,      &unbind_unbind, &sweeping, &three,     NULL};
