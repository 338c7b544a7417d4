/* SPDX-License-Identifier: MIT */
#include "dump_ids.h"
#include "error.h"
#include <errno.h>
#include <stdlib.h>

/* What an entry says. */
struct entry {
    struct id_copy copy;
    bool settled; /* PENDING, and yet its message is settled: its sender has not come to say that it was sent */
    bool waits;   /* its message waits for the journal: what waits there is not in the dump */
};

/* The word is looked at before and after. */
static bool read_entry(const struct segment *s, uint32_t i, struct entry *out) {
    do {
        if (!id_table_read(s, i, &out->copy))
            return false;
        out->settled = id_state(out->copy.word) == ID_PENDING && id_kind(out->copy.message) == ID_OF_SEND &&
                       dump_settled(s, id_message(out->copy.message));
        out->waits = id_kind(out->copy.message) == ID_OF_SEND && dump_waits(s, id_message(out->copy.message));
    } while (load_acquire(&s->known_ids[i].word, known_word) != out->copy.word);
    return true;
}

int dump_ids_before(struct dump_ids *x, const rp_queue *q) {
    const struct segment *s = &q->segment;
    if (s->layout.known_count == 0)
        return 0;
    x->before = calloc(s->layout.known_count, sizeof *x->before);
    if (x->before == NULL)
        return fail(-ENOMEM, "queue '%.80s': no memory for the ids that it knows", q->name);
    for (uint32_t i = 0, n = id_table_used(s); i < n; i++) {
        struct entry e;
        bool known = read_entry(s, i, &e) && ((id_state(e.copy.word) == ID_COMMITTED && !e.waits) || e.settled);
        x->before[i] = known ? id_generation(e.copy.word) + 1 : 0;
    }
    return 0;
}

int dump_ids_message(struct dump_ids *x, uint64_t id) {
    if (x->count == x->room) {
        size_t room = x->room == 0 ? 1024 : 2 * x->room;
        uint64_t *more = realloc(x->messages, room * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        x->messages = more;
        x->room = room;
    }
    x->messages[x->count++] = id;
    return 0;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool dump_ids_has(struct dump_ids *x, uint64_t id) {
    if (x->count > 0 && !x->sorted)
        qsort(x->messages, x->count, sizeof *x->messages, by_number);
    x->sorted = true;
    return x->count > 0 && bsearch(&id, x->messages, x->count, sizeof id, by_number) != NULL;
}

/* Those of consumers begin with their group: of which one of the dump? */
static bool find_group(const struct dump_cut *k, const unsigned char *id, uint32_t *group) {
    uint64_t full;
    memcpy(&full, id, sizeof full);
    for (unsigned i = 0; i < k->group_count; i++)
        if (full == (k->groups[i].generation << 8 | k->groups[i].index)) {
            *group = i;
            return true;
        }
    return false;
}

/* False: the dump is not to have it. */
static bool describe(struct dump_ids *x, const struct dump_cut *k, uint32_t i, const struct entry *e, uint64_t now_ns,
                     struct rp_dump_id *out) {
    const struct segment *s = k->segment;
    bool committed = id_state(e->copy.word) == ID_COMMITTED;
    uint64_t until_ns = committed ? e->copy.until_ns : now_ns + s->parameters.dedup_window_ns;
    const unsigned char *id = (const unsigned char *)e->copy.id;
    *out = (struct rp_dump_id){
        .kind = id_kind(e->copy.message), .id_bytes = id_bytes(e->copy.message), .until_ns = until_ns + k->wall_ahead_ns};
    if (until_ns <= now_ns || until_ns >> 63 != 0 || out->kind > ID_OF_WORK)
        return false;
    if (out->kind == ID_OF_SEND) {
        out->message_id = e->copy.message_id;
        if (x->before[i] != id_generation(e->copy.word) + 1 && !dump_ids_has(x, e->copy.message_id))
            return false;
    } else {
        size_t least = out->kind == ID_OF_DELIVERY ? 2 * sizeof(uint64_t) : sizeof(uint64_t) + 1;
        if (!committed || out->id_bytes < least || !find_group(k, id, &out->group))
            return false;
        out->id_bytes -= sizeof(uint64_t);
        id += sizeof(uint64_t);
    }
    memcpy(out->id, id, out->id_bytes);
    if (out->kind == ID_OF_DELIVERY) { /* a number */
        uint64_t number;
        memcpy(&number, id, sizeof number);
        dump_put64(out->id, number);
    }
    return true;
}

int dump_ids_after(struct dump_ids *x, const struct dump_cut *k, int (*each)(void *context, const struct rp_dump_id *id),
                   void *context) {
    const struct segment *s = k->segment;
    if (x->before == NULL)
        return 0;
    uint64_t hand = load_relaxed(&s->control->known_hand, hint), now_ns = segment_now_ns(s);
    for (uint32_t n = 0, all = id_table_used(s); n < all; n++) {
        uint32_t i = (uint32_t)((all < s->layout.known_count ? n : hand + n) % s->layout.known_count);
        struct entry e;
        struct rp_dump_id id;
        int result = 0;
        if (read_entry(s, i, &e) && describe(x, k, i, &e, now_ns, &id))
            result = each(context, &id);
        if (result < 0)
            return result;
    }
    return 0;
}

void dump_ids_free(struct dump_ids *x) {
    free(x->before);
    free(x->messages);
}
