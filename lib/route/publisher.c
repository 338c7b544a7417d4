/* SPDX-License-Identifier: MIT */
#include "publisher.h"
#include "error.h"
#include "grace.h"
#include "options.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

RP_API void rp_publisher_options_init(struct rp_publisher_options *o, size_t size) {
    const struct rp_publisher_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API int rp_publisher_open(rp_exchange *x, const struct rp_publisher_options *given, rp_publisher **out) {
    struct rp_publisher_options o;
    rp_publisher_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_publisher_options");
    if (result < 0 || (result = exchange_check(x)) < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_publisher_open: no place for the result");
    if (x->read_only)
        return fail(-EROFS, "exchange '%.80s' was opened read-only", x->name);
    result = exchange_refresh(x, bindings_version(&x->bindings));
    if (result < 0)
        return result;
    rp_publisher *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fail(-ENOMEM, "no memory for a publisher of exchange '%.80s'", x->name);
    p->exchange = x;
    pthread_mutex_lock(&x->mutex);
    x->publishers++;
    p->counters = &x->bindings.control->counters[(x->next_line++ + (uint32_t)x->prober.identity.inode) % EXCHANGE_COUNTER_LINES];
    pthread_mutex_unlock(&x->mutex);
    *out = p;
    return 0;
}

RP_API void rp_publisher_close(rp_publisher *p) {
    if (p == NULL)
        return;
    struct rp_exchange *x = p->exchange;
    if (exchange_check(x) == 0) {
        publisher_tidy(p, true);
        pthread_mutex_lock(&x->mutex);
        x->publishers--;
        pthread_mutex_unlock(&x->mutex);
    }
    trie_scratch_free(&p->scratch);
    free(p->places);
    free(p->chosen);
    free(p);
}

/* ---- producers ---- */

static void let_go(struct rp_publisher *p, struct place *place) {
    rp_producer_close(place->producer);
    if (place->attachment != NULL)
        attachment_release(&p->exchange->numbers, place->attachment);
    place->producer = NULL;
    place->attachment = NULL;
}

int publisher_prepare(struct rp_publisher *p, struct place *place) {
    if (place->producer != NULL)
        return 0;
    pthread_mutex_t *mutex = &p->exchange->mutex;
    pthread_mutex_lock(mutex);
    int result = target_attach(&p->exchange->numbers, place->target, &place->attachment);
    pthread_mutex_unlock(mutex);
    if (result < 0)
        return result;
    result = rp_producer_open(place->attachment->queue, NULL, &place->producer);
    if (result == 0)
        return 0;
    pthread_mutex_lock(mutex);
    let_go(p, place);
    pthread_mutex_unlock(mutex);
    return result;
}

void publisher_forget(struct rp_publisher *p, struct place *place) {
    pthread_mutex_lock(&p->exchange->mutex);
    target_forget(&p->exchange->numbers, place->target, place->attachment);
    let_go(p, place);
    pthread_mutex_unlock(&p->exchange->mutex);
}

void publisher_tidy(struct rp_publisher *p, bool all) {
    struct rp_exchange *x = p->exchange;
    pthread_mutex_lock(&x->mutex);
    uint64_t version = exchange_table(x)->version;
    for (uint32_t i = 0; i < p->place_room; i++) {
        struct place *place = &p->places[i];
        if (place->target == NULL || (!all && place->target->bound_version == version))
            continue;
        let_go(p, place);
        target_release(&x->numbers, place->target);
        *place = (struct place){0};
    }
    p->table_version = version;
    pthread_mutex_unlock(&x->mutex);
}

/* ---- choosing ---- */

struct choice {
    struct rp_publisher *publisher;
    const struct table *table;
    const struct rp_publish_options *options;
};

static inline void choose(struct rp_publisher *p, struct target *t) {
    struct place *place = &p->places[t->number];
    if (place->target != t) { /* the first message for it: the reference keeps it when the table goes */
        if (place->target != NULL || !target_hold(t))
            return;
        place->target = t;
    } else if (place->publish == p->publish) {
        return;
    }
    place->publish = p->publish;
    p->chosen[p->chosen_count++] = t->number;
}

static void found(void *context, uint32_t rule) {
    const struct choice *c = context;
    const struct rule *r = &c->table->rules[rule];
    if (!rule_matches(c->table, r, c->options->send))
        return;
    choose(c->publisher, c->table->targets[r->target]);
}

/* Memory for what a table of so many nodes and targets may need. */
static int fit(struct rp_publisher *p, uint32_t nodes, uint32_t targets) {
    if (trie_scratch_fit(&p->scratch, nodes) < 0)
        return fail(-ENOMEM, "no memory to match %u words", nodes);
    if (targets <= p->place_room)
        return 0;
    uint32_t room = targets + targets / 2 + 8;
    struct place *places = realloc(p->places, room * sizeof *places);
    if (places != NULL) {
        p->places = places;
        memset(places + p->place_room, 0, (room - p->place_room) * sizeof *places);
    }
    uint32_t *chosen = realloc(p->chosen, room * sizeof *chosen);
    if (chosen != NULL)
        p->chosen = chosen;
    if (places == NULL || chosen == NULL)
        return fail(-ENOMEM, "no memory for %u queues", targets);
    p->place_room = room;
    return 0;
}

int publisher_choose(struct rp_publisher *p, const char *topic, size_t bytes, const struct rp_publish_options *o, bool *alternate) {
    struct rp_exchange *x = p->exchange;
    uint64_t wanted = bindings_version(&x->bindings);
    for (bool tidied = false;;) {
        grace_read_begin();
        const struct table *t = exchange_table(x);
        bool current = version_reaches(t->version, wanted), ours = tidied || t->version == p->table_version;
        uint32_t nodes = t->trie.node_count, targets = t->target_top;
        bool fits = nodes <= p->scratch.room && targets <= p->place_room;
        if (current && ours && fits) {
            struct choice c = {.publisher = p, .table = t, .options = o};
            p->chosen_count = 0;
            p->publish++;
            trie_match(&t->trie, &p->scratch, topic, bytes, found, &c);
            *alternate = p->chosen_count == 0 && t->alternate != NULL;
            if (*alternate)
                choose(p, t->alternate);
        }
        grace_read_end();
        if (current && ours && fits)
            return 0;
        int result = current ? fit(p, nodes, targets) : exchange_refresh(x, wanted);
        if (result < 0)
            return result;
        if (current && !ours) {
            publisher_tidy(p, false);
            tidied = true;
        }
    }
}
