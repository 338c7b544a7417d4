/* SPDX-License-Identifier: MIT */
#include "id_table.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline a64 *head_of(const struct segment *s, uint64_t hash) { return &s->known_heads[id_bucket(s, hash)]; }

/* ---- ids ---- */

void sought_id_make_of(struct sought_id *x, enum id_kind kind, const void *id, size_t bytes) {
    x->words[(bytes - 1) / 8] = 0; /* the padding */
    memcpy(x->words, id, bytes);
    x->bytes = (uint32_t)bytes;
    x->kind = kind;
    x->hash = XXH3_64bits_withSeed(id, bytes, kind);
#ifdef RP_SIM
    if (sim_one_hash)
        x->hash = 0;
#endif
}

void sought_id_make(struct sought_id *x, const void *id, size_t bytes) { sought_id_make_of(x, ID_OF_SEND, id, bytes); }

/* Above the message in an entry. */
static uint64_t kind_and_length(const struct sought_id *x) { return (uint64_t)x->kind << 8 | x->bytes; }

/* What is read counts only if the entry's word is looked at afterwards, and has the same generation. */
static bool same_id(const struct known_id *e, const struct sought_id *x) {
    if (load_acquire(&e->hash, known_id) != x->hash || load_acquire(&e->message, known_id) >> ID_MESSAGE_BITS != kind_and_length(x))
        return false;
    for (uint32_t i = 0; i < (x->bytes + 7) / 8; i++)
        if (load_acquire(&e->id[i], known_id) != x->words[i] && !MUTANT(id_hash_only))
            return false;
    return true;
}

/* ---- looking at one ---- */

uint32_t id_table_used(const struct segment *s) {
    uint64_t hand = load_relaxed(&s->control->known_hand, hint);
    return hand < s->layout.known_count ? (uint32_t)hand : s->layout.known_count;
}

bool id_table_read(const struct segment *s, uint32_t index, struct id_copy *out) {
    const struct known_id *e = &s->known_ids[index];
    do {
        out->word = load_acquire(&e->word, known_word);
        if (id_state(out->word) != ID_COMMITTED && id_state(out->word) != ID_PENDING)
            return false;
        out->until_ns = load_acquire(&e->until_ns, known_id);
        out->message = load_acquire(&e->message, known_id);
        out->message_id = load_acquire(&e->message_id, known_id);
        for (unsigned k = 0; k < KNOWN_ID_BYTES / 8; k++)
            out->id[k] = load_acquire(&e->id[k], known_id);
    } while (load_acquire(&e->word, known_word) != out->word);
    return id_bytes(out->message) > 0 && id_bytes(out->message) <= KNOWN_ID_BYTES;
}

/* ---- walking ---- */

enum step { STEP_AGAIN, STEP_SAME_PLACE, STEP_ON };

/* The chain from *at on, whose link there is *link: unlinks the entry if it was dropped. ON: it is there, *word its word, *next its link. */
static enum step pass(const struct segment *s, a64 *at, uint64_t *link, bool is_head, uint64_t *word, uint64_t *next) {
    struct known_id *e = &s->known_ids[id_link_next(*link) - 1];
    uint64_t w = load_acquire(&e->word, known_word);
    *next = load_acquire(&e->next, known_link);
    *word = load_acquire(&e->word, known_word);
    bool same = id_generation(w) == id_generation(*word) && (id_generation(w) & 0xfffff) == id_link_tag(*link);
    if ((!same && !MUTANT(id_no_generation)) || id_state(*word) < ID_PENDING)
        return STEP_AGAIN; /* it has become another's since the link was read */
    if (!(*next & ID_LINK_DROPPED))
        return STEP_ON;
    uint64_t around = id_link_make(id_link_own(*link) + is_head, id_link_tag(*next), id_link_next(*next));
    if (!cas_acq_rel(at, link, around, known_link))
        return STEP_AGAIN;
    *link = around;
    return STEP_SAME_PLACE;
}

/* Walks the chain of `hash` and unlinks what was dropped; stops at the id, if there is one to find. */
static enum id_look walk(const struct segment *s, uint64_t hash, const struct sought_id *x, struct id_entry *entry,
                         uint64_t *head) {
    a64 *first = head_of(s, hash), *at = first;
    uint64_t link = load_acquire(at, known_link), word, next;
    *head = link;
    for (uint64_t steps = 16 * (uint64_t)s->layout.known_count + 4096; steps > 0; steps--) {
        if (id_link_ends(link))
            return ID_UNKNOWN;
        if (id_link_next(link) > s->layout.known_count)
            return ID_DAMAGED;
        enum step step = pass(s, at, &link, at == first, &word, &next);
        if (step == STEP_ON) {
            struct known_id *e = &s->known_ids[id_link_next(link) - 1];
            if (x != NULL && same_id(e, x)) {
                uint64_t until = load_acquire(&e->until_ns, known_id), id = load_acquire(&e->message_id, known_id);
                uint64_t message = load_acquire(&e->message, known_id);
                uint64_t now = load_acquire(&e->word, known_word);
                if (now != word && !MUTANT(id_word_once))
                    continue; /* decided meanwhile, or another's: once more */
                if (id_state(word) != ID_ABORTED) {
                    *entry = (struct id_entry){id_link_next(link) - 1, word, message, id, until, 0};
                    return ID_KNOWN;
                }
            }
            at = &e->next;
            link = next;
        } else if (step == STEP_AGAIN) {
            at = first;
            link = load_acquire(at, known_link);
        }
        if (at == first)
            *head = link;
    }
    return ID_DAMAGED;
}

enum id_look id_table_look(const struct segment *s, const struct sought_id *x, struct id_entry *entry, uint64_t *head) {
    return walk(s, x->hash, x, entry, head);
}

/* ---- coming and going ---- */

enum take_out { OUT, CHANGED, DAMAGED };

/* Takes what was COMMITTED or ABORTED with `word` out of its chain. OUT: nobody gets there any more. */
static enum take_out take_out(const struct segment *s, uint32_t index, uint64_t word) {
    struct known_id *e = &s->known_ids[index];
    uint64_t link = load_acquire(&e->next, known_link), head;
    do {
        if (load_acquire(&e->word, known_word) != word)
            return CHANGED;
    } while (!(link & ID_LINK_DROPPED) && !cas_acq_rel(&e->next, &link, link | ID_LINK_DROPPED, known_link));
    struct id_entry none;
    if (MUTANT(id_freed_linked))
        return OUT;
    return walk(s, load_acquire(&e->hash, known_id), NULL, &none, &head) == ID_UNKNOWN ? OUT : DAMAGED;
}

bool id_table_drop(const struct segment *s, uint32_t index, uint64_t word) {
    enum take_out out = take_out(s, index, word);
    if (out == OUT)
        (void)cas_acq_rel(&s->known_ids[index].word, &word, id_word(ID_FREE, NOBODY, id_generation(word)), known_word);
    return out != DAMAGED;
}

static bool take(struct known_id *e, uint32_t index, uint64_t turn, uint64_t w, uint32_t seat, struct id_entry *entry) {
    uint64_t mine = id_word(ID_TAKEN, seat, id_generation(w) + !MUTANT(id_keeps_generation));
    if (!cas_acq_rel(&e->word, &w, mine, known_word))
        return false;
    *entry = (struct id_entry){.index = index, .word = mine, .turn = turn};
    return true;
}

static bool take_spare(const struct segment *s, uint32_t seat, struct id_spare *spare, struct id_entry *entry) {
    uint32_t count = s->layout.known_count;
    if (!spare->any)
        return false;
    spare->any = false;
    if (load_relaxed(&s->control->known_hand, hint) - spare->turn > count / 2)
        return false;
    struct known_id *e = &s->known_ids[spare->turn % count];
    uint64_t w = load_acquire(&e->word, known_word);
    return id_state(w) == ID_FREE && take(e, (uint32_t)(spare->turn % count), spare->turn, w, seat, entry);
}

/* The lines that the next turns will write: a sender mostly has several in a row, and each CAS waits for the stores before it. */
static void prefetch(const struct segment *s, uint64_t turn) {
    __builtin_prefetch(&s->known_ids[(turn + 3) % s->layout.known_count], 1);
    __builtin_prefetch((const char *)head_of(s, load_relaxed(&s->known_ids[(turn + 2) % s->layout.known_count].hash, hint)), 1);
}

/* Whose turn it is, of those from number `first` on: the others are passed, once by all who do, and stay a round longer. */
static uint64_t whose_turn(const struct segment *s, uint32_t first) {
    a64 *hand = &s->control->known_hand;
    for (;;) {
        uint64_t turn = fetch_add_relaxed(hand, 1, hint), index = turn % s->layout.known_count;
        if (index >= first)
            return turn;
        uint64_t next = turn + 1, on = turn - index + first;
        while (next < on && !cas_relaxed(hand, &next, on, hint)) {
        }
    }
}

/*
 * Has the hand come round since? Then what lies there may be somebody's newest. Asked after the word was read: who took the entry in the next round had moved the hand before, so whoever sees
 * his word sees the hand too.
 */
static bool turn_is_over(const struct segment *s, uint64_t turn) {
    return load_relaxed(&s->control->known_hand, recheck) - turn > s->layout.known_count && !MUTANT(id_turn_forever);
}

enum id_take id_table_take(const struct segment *s, uint32_t seat, uint64_t now_ns, uint32_t first, struct id_spare *spare,
                           struct id_entry *entry, bool *forgotten) {
    *forgotten = false;
    if (take_spare(s, seat, spare, entry))
        return ID_TAKE_DONE;
    for (uint64_t tries = 2 * (uint64_t)s->layout.known_count; tries > 0;) {
        uint64_t turn = whose_turn(s, first);
        uint32_t index = (uint32_t)(turn % s->layout.known_count);
        struct known_id *e = &s->known_ids[index];
        uint64_t w = load_acquire(&e->word, known_word);
        prefetch(s, turn);
        if (turn_is_over(s, turn))
            continue;
        if (id_state(w) == ID_COMMITTED || id_state(w) == ID_ABORTED) {
            enum take_out out = take_out(s, index, w);
            if (out == DAMAGED)
                return ID_TAKE_DAMAGED;
            if (out == CHANGED)
                continue; /* somebody was quicker, and goes on */
        } else if (id_state(w) != ID_FREE) {
            tries--; /* somebody's whose message is not decided */
            continue;
        }
        *forgotten = id_state(w) == ID_COMMITTED && now_ns < load_acquire(&e->until_ns, known_id);
        if (take(e, index, turn, w, seat, entry))
            return ID_TAKE_DONE;
        *forgotten = false;
    }
    return ID_TAKE_NONE;
}

void id_table_fill(const struct segment *s, struct id_entry *entry, const struct sought_id *x, uint64_t message,
                   uint64_t message_id) {
    struct known_id *e = &s->known_ids[entry->index];
    /* Releases, so that whoever reads one of these while he takes the entry for the one before sees the new word afterwards. */
    store_release(&e->hash, x->hash, known_id);
    for (uint32_t i = 0; i < (x->bytes + 7) / 8; i++)
        store_release(&e->id[i], x->words[i], known_id);
    store_release(&e->until_ns, id_undecided(entry->word), known_id);
    store_release(&e->message, kind_and_length(x) << ID_MESSAGE_BITS | message, known_id);
    store_release(&e->message_id, message_id, known_id);
    store_release(&e->next, id_link_make(id_generation(entry->word), 0, 0), known_link);
    entry->word = id_word(ID_PENDING, id_owner(entry->word), id_generation(entry->word));
    entry->message_id = message_id;
    store_release(&e->word, entry->word, known_word);
}

bool id_table_link(const struct segment *s, const struct id_entry *entry, const struct sought_id *x, uint64_t head) {
    struct known_id *e = &s->known_ids[entry->index];
    uint64_t generation = id_generation(entry->word);
    if (MUTANT(id_link_blind))
        head = load_acquire(head_of(s, x->hash), known_link);
    store_release(&e->next, id_link_make(generation, id_link_tag(head), id_link_next(head)), known_link);
    return cas_acq_rel(head_of(s, x->hash), &head, id_link_make(id_link_own(head) + 1, generation, entry->index + 1), known_link);
}

void id_table_give_back(const struct segment *s, const struct id_entry *entry) {
    uint64_t word = entry->word;
    (void)cas_acq_rel(&s->known_ids[entry->index].word, &word, id_word(ID_FREE, NOBODY, id_generation(word)), known_word);
}

void id_table_commit_mine(const struct segment *s, struct id_entry *entry, uint64_t until_ns) {
    struct known_id *e = &s->known_ids[entry->index];
    entry->word = id_word(ID_COMMITTED, NOBODY, id_generation(entry->word));
    store_release(&e->until_ns, until_ns, known_id);
    store_release(&e->word, entry->word, known_word);
}

void id_table_abort_mine(const struct segment *s, struct id_entry *entry) {
    entry->word = id_word(ID_ABORTED, NOBODY, id_generation(entry->word));
    store_release(&s->known_ids[entry->index].word, entry->word, known_word);
}

bool id_table_commit(const struct segment *s, uint32_t index, uint64_t word, uint64_t until_ns) {
    struct known_id *e = &s->known_ids[index];
    uint64_t before = id_undecided(word);
    (void)cas_acq_rel(&e->until_ns, &before, until_ns, known_id);
    return cas_acq_rel(&e->word, &word, id_word(ID_COMMITTED, NOBODY, id_generation(word)), known_word);
}

bool id_table_abort(const struct segment *s, uint32_t index, uint64_t word) {
    return cas_acq_rel(&s->known_ids[index].word, &word, id_word(ID_ABORTED, NOBODY, id_generation(word)), known_word);
}
