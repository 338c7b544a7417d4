/* SPDX-License-Identifier: MIT */
/* The witness: groups that come and go. */
#include "witness_log.h"

#include <errno.h>
#include <ringpost/group.h>
#include <stdio.h>

const char *witness_group_name(unsigned group) {
    static const char *const names[WITNESS_GROUPS] = {"default", "g1", "g2", "g3"};
    return names[group];
}

/* In tests/threads while others write: an answer that is late does no harm. */
__attribute__((no_sanitize("thread"))) const struct event *witness_group_event(unsigned group, enum event_kind kind) {
    const struct event *begun = NULL;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++) {
        if (e->kind != kind || e->group != group)
            continue;
        if (e->result == 0)
            return e;
        if (e->result == UNKNOWN)
            begun = e;
    }
    return begun;
}

bool witness_group_may_be_gone(unsigned group) { return witness_group_event(group, GROUP_REMOVE) != NULL; }

int witness_group_create_past(struct desk *d, unsigned group, uint64_t start) {
    struct rp_group_options o;
    rp_group_options_init(&o, sizeof o);
    o.start = start != 0 ? RP_START_SEQUENCE : RP_START_OLDEST;
    o.start_at = start;
    return witness_group_create_with(d, group, &o);
}

bool witness_past_gets(const struct event *made, const struct event *send) {
    return made->past != 0 && (send->who != SIM_CREATOR || (send->tag & 0xffff) >= made->past);
}

int witness_group_create(struct desk *d, unsigned group) { return witness_group_create_with(d, group, NULL); }

int witness_group_create_with(struct desk *d, unsigned group, const struct rp_group_options *o) {
    struct event *e = witness_begin(GROUP_CREATE, 0, "rp_group_create");
    e->group = (uint8_t)group;
    if (o != NULL && o->start != RP_START_NEWEST)
        e->past = o->start == RP_START_SEQUENCE ? (uint32_t)o->start_at : 1;
    witness_learn(e);
    int result = witness_end(e, rp_group_create(d->queue, witness_group_name(group), o), true);
    if (result != -EEXIST && result != -ENOSPC)
        witness_must(result, "rp_group_create");
    return result;
}

int witness_group_remove(struct desk *d, unsigned group) {
    struct event *e = witness_begin(GROUP_REMOVE, 0, "rp_group_remove");
    e->group = (uint8_t)group;
    int result = witness_end(e, rp_group_remove(d->queue, witness_group_name(group)), true);
    if (result != -ENOENT)
        witness_must(result, "rp_group_remove");
    return result;
}

int witness_group_consumer(struct desk *d, unsigned group) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = witness_group_name(group);
    if (d->consumer)
        witness_close_consumer(d);
    d->group = group;
    int result = rp_consumer_open(d->queue, &o, &d->consumer);
    if (result != -ENOENT)
        witness_must(result, "rp_consumer_open");
    return result;
}

static int operated(struct event *e, int result, const char *name) {
    witness_end(e, result, true);
    if (result != -ENOENT)
        witness_must(result, name);
    return result;
}

int witness_group_purge(struct desk *d, unsigned group, unsigned states) {
    struct event *e = witness_begin(PURGE, 0, "rp_queue_purge");
    e->group = (uint8_t)group;
    return operated(e, rp_queue_purge(d->queue, witness_group_name(group), states), "rp_queue_purge");
}

int witness_group_redrive(struct desk *d, unsigned group) {
    struct event *e = witness_begin(REDRIVE, 0, "rp_dead_redrive");
    e->group = (uint8_t)group;
    return operated(e, rp_dead_redrive(d->queue, witness_group_name(group), NULL), "rp_dead_redrive");
}

int witness_group_dead_purge(struct desk *d, unsigned group) {
    struct event *e = witness_begin(PURGE, 0, "rp_dead_purge");
    e->group = (uint8_t)group;
    return operated(e, rp_dead_purge(d->queue, witness_group_name(group), NULL), "rp_dead_purge");
}
