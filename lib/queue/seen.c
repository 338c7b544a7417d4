/* SPDX-License-Identifier: MIT */
#include "seen.h"
#include "dedup.h"
#include "error.h"
#include "id_table.h"
#include "sweep.h"
#include "view.h"
#include <errno.h>
#include <ringpost/forward.h>
#include <string.h>

/* The id of what is to be done about the message, once in this group. */
static void make_id(const struct rp_consumer *c, const struct view *v, const void *id, size_t bytes, struct sought_id *x) {
    struct {
        uint64_t group;
        unsigned char id[RP_SEEN_ID_MAX];
    } full = {.group = c->group_generation << 8 | c->group};
    if (id == NULL)
        memcpy(full.id, &segment_cell(c->actor.segment, load_relaxed(&v->cell, own) - 1)->id, bytes = sizeof(uint64_t));
    else
        memcpy(full.id, id, bytes);
    sought_id_make_of(x, id == NULL ? ID_OF_DELIVERY : ID_OF_WORK, &full, sizeof full.group + bytes);
}

/* 0: unknown, *head; RP_DUPLICATE: done; -EBUSY: somebody is at it, *entry; RP_CORRUPT. */
static int look(struct actor *a, const struct sought_id *x, struct id_entry *entry, uint64_t *head) {
    switch (id_table_look(a->segment, x, entry, head)) {
    case ID_UNKNOWN: return 0;
    case ID_KNOWN:
        if (id_state(entry->word) == ID_PENDING)
            return MUTANT(seen_passes_pending) ? 0 : -EBUSY;
        return actor_now_ms(a) * 1000000 < entry->until_ns ? RP_DUPLICATE : 0;
    default: return RP_CORRUPT;
    }
}

static int explain(const struct actor *a, const struct id_entry *entry, int result) {
    const char *name = a->queue->name;
    if (result == RP_DUPLICATE)
        return fail(result, "queue '%s': the work of this id is done", name);
    if (result == -EBUSY)
        return fail(result, "queue '%s': the participant in seat %u is at the work of this id", name, id_owner(entry->word));
    return fail(result, "queue '%s': the chain of this id is damaged", name);
}

static int look_again_at_the_dead(struct actor *a, const struct sought_id *x, struct id_entry *entry, uint64_t *head) {
    int result = look(a, x, entry, head);
    if (result == -EBUSY) { /* whoever decides a dead one's may just have done it */
        (void)recover_the_dead(a);
        result = look(a, x, entry, head);
    }
    return result;
}

/* The id becomes PENDING, *index its entry. Otherwise as rp_seen. */
static int enter(struct actor *a, const struct sought_id *x, uint32_t *index) {
    const struct segment *s = a->segment;
    struct id_entry mine, other = {0};
    uint64_t head;
    bool forgotten;
    int result = look_again_at_the_dead(a, x, &other, &head);
    if (result < 0)
        return explain(a, &other, result);
    enum id_take taken =
        id_table_take(s, a->seat, actor_now_ms(a) * 1000000, s->layout.cell_count, &a->id_spare, &mine, &forgotten);
    if (taken != ID_TAKE_DONE)
        return fail(taken == ID_TAKE_NONE ? -EBUSY : RP_CORRUPT, "queue '%s': %s", a->queue->name,
                    taken == ID_TAKE_NONE ? "all places for ids of work are in use" : "a chain of ids is damaged");
    if (forgotten)
        tally_add(&a->tally, COUNT_FORGOTTEN, 1);
    id_table_fill(s, &mine, x, ID_NO_MESSAGE, 0);
    while (!id_table_link(s, &mine, x, head)) {
        result = look_again_at_the_dead(a, x, &other, &head);
        if (result < 0) {
            id_table_give_back(s, &mine);
            a->id_spare = (struct id_spare){mine.turn, true};
            return explain(a, &other, result);
        }
    }
    *index = mine.index;
    return 0;
}

void seen_end(struct rp_consumer *c, struct view *v, bool done) {
    struct actor *a = &c->actor;
    const struct segment *s = a->segment;
    struct id_entry mine = {.index = v->seen - 1};
    mine.word = load_acquire(&s->known_ids[mine.index].word, known_word);
    v->seen = 0;
    if (id_state(mine.word) != ID_PENDING || id_owner(mine.word) != a->seat) /* damage: as long as it is ours nobody changes it */
        return;
    if (done) {
        id_table_commit_mine(s, &mine, dedup_until_ns(a));
    } else if (!MUTANT(seen_keeps_failed)) {
        id_table_abort_mine(s, &mine);
        (void)id_table_drop(s, mine.index, mine.word);
    }
}

static int check(const struct rp_consumer *c, const void *id, size_t bytes) {
    const struct segment *s = c->actor.segment;
    const char *name = c->actor.queue->name;
    if (id == NULL ? bytes != 0 : bytes < 1 || bytes > RP_SEEN_ID_MAX)
        return fail(-EINVAL, id == NULL ? "%zu bytes of no id" : "an id of %zu bytes, allowed are 1 to %d", bytes, RP_SEEN_ID_MAX);
    if (s->parameters.dedup_window_ns <= repeat_ns(&s->parameters))
        return fail(-EINVAL, "queue '%s' keeps ids for %.3f s, and may deliver a message again after %.3f s", name,
                    (double)s->parameters.dedup_window_ns / 1e9, (double)repeat_ns(&s->parameters) / 1e9);
    if (s->parameters.dedup_entries <= s->layout.cell_count)
        return fail(-EINVAL, "queue '%s' keeps %u ids, and its senders may need as many", name,
                    (unsigned)s->parameters.dedup_entries);
    return 0;
}

RP_API int rp_seen(rp_consumer *c, struct rp_message *m, const void *id, size_t bytes) {
    struct view *v;
    int result = c != NULL && c->ack_mode == RP_ACK_NONE ? fail(-EINVAL, "rp_seen: the consumer acks before the work")
                                                         : receipt_check(c, m, &v);
    if (result < 0 || (result = check(c, id, bytes)) < 0)
        return result;
    if (v->seen != 0)
        return fail(-EINVAL, "rp_seen: the message has an id already");
    struct sought_id x;
    uint32_t index = 0;
    make_id(c, v, id, bytes, &x);
    result = enter(&c->actor, &x, &index);
    if (result < 0)
        return result;
    v->seen = index + 1;
    if (!view_leased(c, v)) { /* somebody else may have done it, longer ago than ids are kept */
        seen_end(c, v, false);
        return RP_LEASE_LOST;
    }
    return 0;
}
