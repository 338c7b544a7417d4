/* SPDX-License-Identifier: MIT */
/* Exchanges: bindings in shared memory, and a process's compiled table of them. */
#include "grace.h"
#include "platform_sim.h"
#include "process.h"
#include "publisher.h"
#include "queue.h"

#include <errno.h>

/* One place, in which a binding was, and is not any more. */
static struct exchange {
    struct bindings bindings;
    struct binding first, second, third;
    uint64_t version[WEAK_THREADS];
    unsigned found[WEAK_THREADS]; /* which of them was read */
    int result[WEAK_THREADS];
    struct rp_exchange process;
    struct rp_publisher publisher[2];
} * x;

static struct binding binding_of(const char *pattern, const char *queue) {
    struct binding b = {.pattern_bytes = (uint32_t)strlen(pattern), .queue_bytes = (uint32_t)strlen(queue)};
    memcpy(b.text.pattern, pattern, b.pattern_bytes);
    memcpy(b.text.queue, queue, b.queue_bytes);
    return b;
}

static void make_exchange(uint32_t places) {
    x = weak_allocate(sizeof *x);
    unsigned char *memory = weak_allocate(bindings_bytes(places) + EXCHANGE_LINE);
    memory += -(uintptr_t)memory & (EXCHANGE_LINE - 1);
    bindings_initialise(memory, places, 0, NULL);
    if (bindings_attach(&x->bindings, memory, bindings_bytes(places)) != 0)
        abort();
    x->first = binding_of("aaaa.aaaa", "one");
    x->second = binding_of("bbbb.bbbb", "two");
    x->third = binding_of("cccc.cccc", "three");
}

enum { WITH_NONE = 2, WITH_ONE = 3 }; /* versions */
static void setup_place(void) {
    make_exchange(1);
    weak_check(bindings_add(&x->bindings, &x->first) == 0 && bindings_remove(&x->bindings, &x->first) == 0);
    weak_check(bindings_version(&x->bindings) == WITH_NONE);
}

/* What is in effect at a version is there: whole, and no other's. */
static void read_place(unsigned me) {
    struct binding b;
    uint64_t version = bindings_version(&x->bindings);
    int result = bindings_read(&x->bindings, 0, version, &b);
    weak_check(result == (version == WITH_ONE));
    if (result > 0)
        x->found[me] = memcmp(&b.text, &x->second.text, sizeof b.text) == 0  ? 2
                       : memcmp(&b.text, &x->third.text, sizeof b.text) == 0 ? 3
                                                                             : 9;
    weak_check(x->found[me] != 9);
}
static void reused(unsigned me) {
    if (me == 0)
        weak_check(bindings_add(&x->bindings, &x->second) == 0);
    else
        read_place(me);
}

/* A is killed anywhere in a change, or not; C, who gets the lock of the dead, makes another. */
static void dead_changer(unsigned me) {
    if (me == 0) {
        x->result[me] = bindings_add(&x->bindings, &x->second);
    } else if (me == 1) {
        read_place(me);
    } else if (!run_process_alive(0)) {
        x->result[me] = bindings_add(&x->bindings, &x->third);
        weak_check(x->result[me] == 0 || x->result[me] == -ENOSPC);
    }
}
static void dead_finish(void) {
    unsigned before = x->found[1];
    weak_check(bindings_mend(&x->bindings) >= 0);
    read_place(1);
    weak_check(before == 0 || before == x->found[1]);
}

/* ---- the compiled table ---- */

/* Two threads with a publisher each; another process has bound one more queue, or does it now. */
static void setup_table(void) {
    make_exchange(2);
    weak_check(bindings_add(&x->bindings, &x->first) == 0);
    x->process.bindings = x->bindings;
    weak_check(exchange_refresh(&x->process, 1) == 0);
    for (unsigned i = 0; i < 2; i++) {
        bool alternate;
        x->publisher[i].exchange = &x->process;
        weak_check(publisher_choose(&x->publisher[i], "aaaa.aaaa", 9, &(struct rp_publish_options){.size = 1}, &alternate) == 0);
        weak_check(x->publisher[i].chosen_count == 1);
    }
}
static void publish(unsigned me, const char *topic) {
    const struct rp_publish_options plainly = {.size = sizeof plainly};
    struct rp_publisher *p = &x->publisher[me];
    bool alternate;
    x->version[me] = bindings_version(&x->bindings);
    weak_check(publisher_choose(p, topic, 9, &plainly, &alternate) == 0);
    if (p->chosen_count > 0)
        weak_check(strcmp(p->places[p->chosen[0]].target->name, *topic == 'a' ? "one" : "two") == 0);
}
static void setup_bound(void) {
    setup_table();
    weak_check(bindings_remove(&x->bindings, &x->first) == 0 && bindings_add(&x->bindings, &x->second) == 0);
}
static void two_publish(unsigned me) {
    publish(me, me == 0 ? "bbbb.bbbb" : "aaaa.aaaa");
    weak_check(x->publisher[me].chosen_count == (me == 0));
    publish(me, "bbbb.bbbb");
    weak_check(x->publisher[me].chosen_count == 1);
}

const struct weak_program route_reused = {.name = "binding-reused",
                                          .about = "a binding is read while its place becomes another's",
                                          .threads = 2,
                                          .setup = setup_place,
                                          .body = reused};
const struct weak_program route_dead = {.name = "binding-dead",
                                        .about = "one who changes bindings is killed at any store; the next; a reader",
                                        .threads = 3,
                                        .setup = setup_place,
                                        .body = dead_changer,
                                        .finish = dead_finish,
                                        .killable = 1};
const struct weak_program route_table = {.name = "table-replaced",
                                         .about = "two publishers of a process when the bindings have changed",
                                         .threads = 2,
                                         .setup = setup_bound,
                                         .body = two_publish,
                                         .process_of = {1, 1}};
