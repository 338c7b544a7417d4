/* SPDX-License-Identifier: MIT */
/* All but messages. */
#include "dump_rebuild.h"
#include "clock.h"
#include "dead_count.h"
#include "error.h"
#include "identity.h"
#include "keyed.h"
#include "pause.h"
#include "requeue.h"
#include <errno.h>
#include <stdlib.h>

enum { GENERATION = REBUILD_GENERATION, VERSION = 2 }; /* of control.active */

int rebuild_begin(struct rebuild *r, void *memory, uint64_t bytes, uint64_t created_ns, uint32_t paused) {
    struct header *h = memory;
    uint64_t now_ns = clock_wall_ns();
    created_ns = created_ns > now_ns ? now_ns : created_ns;
    created_ns = now_ns - created_ns > TIMES_MAX_NS ? now_ns - TIMES_MAX_NS : created_ns; /* or stamps could not say it */
    h->created_wall_ns = created_ns;
    h->epoch_boot_ns = clock_boot_ns() - (now_ns - created_ns); /* may wrap: only differences count */
    h->check = header_check(h);
    int result = segment_bind(&r->segment, memory, bytes, false);
    if (result < 0)
        return result;
    const struct segment *s = &r->segment;
    r->now_ns = segment_now_ns(s);
    r->paused = (paused & RP_SIDE_SEND ? PAUSED_SEND : 0) | (paused & RP_SIDE_RECEIVE ? PAUSED_RECEIVE : 0);
    timers_open(&r->timers, &s->control->next_timer_ns, s->timers, s->layout.cell_count);
    store_relaxed(&s->control->wall_ahead_ns, created_ns, init);
    store_relaxed(&s->control->active, groups_word(VERSION, 0, 0), init);
    store_relaxed(&s->groups[0].word, group_word(GROUP_UNUSED, NOBODY, 0), init);
    r->cursor = reserve_cells(&s->parameters, &s->layout);
    for (uint32_t i = 0; i < s->parameters.numa_shards; i++)
        r->shard_cursors[i] = shard_cells(&s->parameters, &s->layout, i).first;
    return 0;
}

int rebuild_group(struct rebuild *r, const struct rp_group_info *g, uint64_t generation) {
    const struct segment *s = &r->segment;
    uint64_t taken_already = 0;
    if (g->index >= s->parameters.max_groups)
        return fail(-ENOSPC, "queue '%.80s': the %s has more groups than max_groups, %u", r->name, r->source,
                    s->parameters.max_groups);
    if (!group_name_valid(g->name) || groups_find(s, g->name, &taken_already) >= 0)
        return fail(RP_CORRUPT, "the %s has a group '%.80s': %s", r->source, g->name,
                    group_name_valid(g->name) ? "twice" : "no such name is possible");
    struct group *group = &s->groups[g->index];
    group_set_name(s, g->index, g->name);
    store_relaxed(&group->overflow, g->overflow, init);
    store_relaxed(&group->created_wall_ns, g->created_ns, init);
    store_relaxed(&group->dropped, g->dropped, init);
    store_relaxed(&group->expired, g->expired, init);
    store_relaxed(&group->since, VERSION - 1, init);
    store_relaxed(&group->word, group_word(GROUP_USED, NOBODY, generation), init);
    r->mask |= UINT32_C(1) << g->index;
    r->paused |= g->paused ? UINT64_C(1) << g->index : 0;
    store_relaxed(&s->control->active, groups_word(VERSION, 0, r->mask), init);
    return 0;
}

void rebuild_no_group(struct rebuild *r, uint32_t index, uint64_t generation) {
    store_relaxed(&r->segment.groups[index].word, group_word(GROUP_UNUSED, NOBODY, generation), init);
}

int rebuild_producer(struct rebuild *r, const struct rp_producer_id *p) {
    const struct segment *s = &r->segment;
    struct producer_name name;
    uint64_t word, admitted;
    int result = producer_name_make(&name, p->id, p->id_bytes);
    if (result < 0)
        return result;
    if (r->producers >= s->parameters.producer_ids)
        return fail(-ENOSPC, "queue '%.80s': the %s has more ids of producers than max_producer_ids, %u", r->name, r->source,
                    (unsigned)s->parameters.producer_ids);
    if (identity_find(s, &name, &word, &admitted) >= 0)
        return fail(RP_CORRUPT, "the %s has an id of a producer twice", r->source);
    struct identity *e = &s->identities[r->producers++];
    store_relaxed(&e->last, p->sequence, init);
    store_relaxed(&e->next, p->sequence, init);
    store_relaxed(&e->bytes, name.bytes, init);
    store_relaxed(&e->made_wall_ns, p->made_ns, init);
    for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8; i++)
        store_relaxed(&e->id[i], name.words[i], init);
    store_relaxed(&e->word, identity_word(IDENTITY_KEPT, NOBODY, false, GENERATION), init);
    return 0;
}

/* Ids that are over, and those of a queue that keeps none, are left out. */
int rebuild_id(struct rebuild *r, const struct rp_dump_id *id) {
    const struct segment *s = &r->segment;
    uint64_t until_ns = rebuild_boot_ns(r, id->until_ns), head;
    uint32_t first = id->kind == ID_OF_SEND ? 0 : s->layout.cell_count;
    struct {
        uint64_t group;
        unsigned char id[KNOWN_ID_BYTES];
    } full = {.group = GENERATION << 8 | id->group};
    struct id_spare spare = {.any = false};
    struct id_entry entry;
    struct sought_id x;
    bool forgotten;
    if (s->layout.known_count <= first || until_ns <= r->now_ns || until_ns >> 63 != 0)
        return 0;
    memcpy(full.id, id->id, id->id_bytes);
    if (id->kind == ID_OF_DELIVERY && id->id_bytes == sizeof(uint64_t)) {
        uint64_t number = dump_get64(id->id);
        memcpy(full.id, &number, sizeof number);
    }
    if (id->kind == ID_OF_SEND)
        sought_id_make(&x, id->id, id->id_bytes);
    else
        sought_id_make_of(&x, (enum id_kind)id->kind, &full, sizeof full.group + id->id_bytes);
    if (id_table_look(s, &x, &entry, &head) != ID_UNKNOWN)
        return fail(RP_CORRUPT, "the %s has an id for deduplication twice", r->source);
    if (id_table_take(s, 0, r->now_ns, first, &spare, &entry, &forgotten) != ID_TAKE_DONE ||
        id_table_look(s, &x, &(struct id_entry){0}, &head) != ID_UNKNOWN)
        return fail(RP_CORRUPT, "queue '%.80s': no place for an id for deduplication", r->name);
    id_table_fill(s, &entry, &x, ID_NO_MESSAGE, id->message_id);
    (void)id_table_link(s, &entry, &x, head);
    id_table_commit_mine(s, &entry, until_ns);
    return 0;
}

/* ---- the end ---- */

static int by_turn(const void *x, const void *y) {
    const struct rebuild_entry *a = x, *b = y;
    if (a->turn != b->turn)
        return a->turn < b->turn ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* Which cells are free is told by their words; the bits follow. Cells beyond the capacity come into play as if so many had been attached. */
static void set_bits(const struct rebuild *r) {
    const struct segment *s = &r->segment;
    const uint32_t first = reserve_cells(&s->parameters, &s->layout);
    uint64_t count = first + s->parameters.capacity;
    while (count < r->cells)
        count += CELLS_PER_PARTICIPANT;
    count = count < s->layout.cell_count ? count : s->layout.cell_count;
    store_relaxed(&s->control->cells_in_play, count, init);
    for (uint32_t c = first; c < count; c++) {
        a64 *word = &s->bitmap[c / 64];
        uint64_t bit = UINT64_C(1) << (c % 64), before = load_relaxed(word, init);
        bool is_free = cell_state(load_relaxed(&segment_cell(s, c)->word, init)) == CELL_FREE;
        store_relaxed(word, is_free ? before | bit : before & ~bit, init);
    }
}

void rebuild_end(struct rebuild *r, uint64_t next_id) {
    const struct segment *s = &r->segment;
    set_bits(r);
    if (r->entry_count > 0)
        qsort(r->entries, r->entry_count, sizeof *r->entries, by_turn);
    for (size_t i = 0; i < r->entry_count; i++)
        (void)requeue(s, r->entries[i].group, r->entries[i].cell);
    for (uint32_t rest = r->mask; rest != 0; rest &= rest - 1)
        dead_count_anew(s, (unsigned)__builtin_ctz(rest));
    if (s->parameters.keyed)
        keyed_mend(s);
    store_relaxed(&s->control->next_id, next_id, init);
    store_relaxed(&s->control->paused, r->paused, init);
    store_relaxed(&s->control->bytes_in, s->parameters.max_bytes > 0 ? r->bytes : 0, init);
}

void rebuild_free(struct rebuild *r) { free(r->entries); }
