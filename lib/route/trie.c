/* SPDX-License-Identifier: MIT */
#include "trie.h"
#include "topic.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NODES_AT_FIRST = 64, EDGES_AT_FIRST = 128 };

int trie_init(struct trie *t, uint64_t seed) {
    *t = (struct trie){.seed = seed, .node_count = 1, .node_room = NODES_AT_FIRST, .edge_room = EDGES_AT_FIRST};
    t->nodes = calloc(NODES_AT_FIRST, sizeof *t->nodes);
    t->edges = calloc(EDGES_AT_FIRST, sizeof *t->edges);
    return t->nodes == NULL || t->edges == NULL ? -ENOMEM : 0;
}

void trie_free(struct trie *t) {
    free(t->nodes);
    free(t->edges);
    free(t->text);
    free(t->values);
    *t = (struct trie){0};
}

/* Room for `more` beyond `count`. */
static bool grow(void *array, uint32_t *room, uint32_t count, uint32_t more, size_t each) {
    if (count + more <= *room)
        return true;
    uint32_t wanted = *room > 0 ? *room : 64;
    while (wanted < count + more)
        wanted *= 2;
    void *old, *moved;
    memcpy(&old, array, sizeof old);
    moved = realloc(old, wanted * each);
    if (moved == NULL)
        return false;
    memcpy(array, &moved, sizeof moved);
    *room = wanted;
    return true;
}

static inline uint64_t word_hash(const struct trie *t, const char *word, size_t bytes) {
    return XXH3_64bits_withSeed(word, bytes, t->seed);
}

static inline uint32_t edge_place(const struct trie *t, uint32_t from, uint64_t hash) {
    return (uint32_t)((hash ^ from * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93) >> 32) & (t->edge_room - 1);
}

/* The edge that leads from `from` by this word, or the place where it would be. */
static inline struct trie_edge *find_edge(const struct trie *t, uint32_t from, const char *word, size_t bytes, uint64_t hash) {
    for (uint32_t at = edge_place(t, from, hash);; at = (at + 1) & (t->edge_room - 1)) {
        struct trie_edge *e = &t->edges[at];
        if (e->to == 0 || (e->from == from && e->hash == hash && e->bytes == bytes && memcmp(t->text + e->word, word, bytes) == 0))
            return e;
    }
}

static bool grow_edges(struct trie *t) {
    if (2 * (t->edge_count + 1) <= t->edge_room)
        return true;
    struct trie bigger = *t;
    bigger.edge_room *= 2;
    bigger.edges = calloc(bigger.edge_room, sizeof *bigger.edges);
    if (bigger.edges == NULL)
        return false;
    for (uint32_t i = 0; i < t->edge_room; i++) {
        const struct trie_edge *e = &t->edges[i];
        if (e->to != 0)
            *find_edge(&bigger, e->from, t->text + e->word, e->bytes, e->hash) = *e;
    }
    free(t->edges);
    *t = bigger;
    return true;
}

/* A new node. 0: no memory. */
static uint32_t new_node(struct trie *t) {
    if (!grow(&t->nodes, &t->node_room, t->node_count, 1, sizeof *t->nodes))
        return 0;
    t->nodes[t->node_count] = (struct trie_node){0};
    return t->node_count++;
}

static uint32_t by_word(struct trie *t, uint32_t from, const char *word, size_t bytes) {
    uint64_t hash = word_hash(t, word, bytes);
    struct trie_edge *e = find_edge(t, from, word, bytes, hash);
    if (e->to != 0)
        return e->to;
    uint32_t to;
    if (!grow_edges(t) || !grow(&t->text, &t->text_room, t->text_bytes, (uint32_t)bytes, 1) || (to = new_node(t)) == 0)
        return 0;
    memcpy(t->text + t->text_bytes, word, bytes);
    *find_edge(t, from, word, bytes, hash) =
        (struct trie_edge){.from = from, .to = to, .word = t->text_bytes, .bytes = (uint32_t)bytes, .hash = hash};
    t->text_bytes += (uint32_t)bytes;
    t->edge_count++;
    t->nodes[from].words++;
    return to;
}

static uint32_t by_any(struct trie *t, uint32_t from) {
    if (t->nodes[from].any == 0) {
        uint32_t to = new_node(t);
        t->nodes[from].any = to;
    }
    return t->nodes[from].any;
}

static uint32_t by_rest(struct trie *t, uint32_t from) {
    if (t->nodes[from].stays) /* # after # says nothing new */
        return from;
    if (t->nodes[from].rest == 0) {
        uint32_t to = new_node(t);
        if (to != 0)
            t->nodes[to].stays = true;
        t->nodes[from].rest = to;
    }
    return t->nodes[from].rest;
}

int trie_add(struct trie *t, const char *pattern, size_t bytes, uint32_t value) {
    const char *end = pattern + bytes;
    uint32_t node = 0;
    for (const char *at = pattern;;) {
        size_t word = topic_word(at, end);
        uint32_t to = word == 1 && *at == '*'   ? by_any(t, node)
                      : word == 1 && *at == '#' ? by_rest(t, node)
                                                : by_word(t, node, at, word);
        if (to == 0)
            return -ENOMEM;
        node = to;
        at += word;
        if (at == end)
            break;
        at++;
    }
    if (!grow(&t->values, &t->value_room, t->value_count, 1, sizeof *t->values))
        return -ENOMEM;
    t->values[t->value_count] = (struct trie_value){.value = value, .next = t->nodes[node].first};
    t->nodes[node].first = ++t->value_count;
    return 0;
}

/* ---- matching ---- */

int trie_scratch_fit(struct trie_scratch *s, uint32_t node_count) {
    if (node_count <= s->room)
        return 0;
    uint32_t room = node_count + node_count / 2;
    uint32_t *seen = calloc(room, sizeof *seen), *now = malloc(room * sizeof *now), *next = malloc(room * sizeof *next);
    if (seen == NULL || now == NULL || next == NULL) {
        free(seen);
        free(now);
        free(next);
        return -ENOMEM;
    }
    trie_scratch_free(s);
    *s = (struct trie_scratch){.seen = seen, .now = now, .next = next, .room = room};
    return 0;
}

void trie_scratch_free(struct trie_scratch *s) {
    free(s->seen);
    free(s->now);
    free(s->next);
    *s = (struct trie_scratch){0};
}

/* The node is reached, and with it the one behind its #, which may stand for no word. */
static inline uint32_t reach(const struct trie *t, struct trie_scratch *s, uint32_t *set, uint32_t count, uint32_t node) {
    if (s->seen[node] == s->step)
        return count;
    s->seen[node] = s->step;
    set[count++] = node;
    uint32_t rest = t->nodes[node].rest;
    return rest == 0 ? count : reach(t, s, set, count, rest); /* which has none itself */
}

static void next_step(struct trie_scratch *s) {
    if (++s->step != 0)
        return;
    memset(s->seen, 0, s->room * sizeof *s->seen);
    s->step = 1;
}

void trie_match(const struct trie *t, struct trie_scratch *s, const char *topic, size_t bytes,
                void (*found)(void *context, uint32_t value), void *context) {
    const char *end = topic + bytes;
    next_step(s);
    uint32_t count = reach(t, s, s->now, 0, 0);
    for (const char *at = topic; count > 0; at++) {
        size_t length = topic_word(at, end);
        uint64_t hash = word_hash(t, at, length);
        uint32_t reached = 0;
        next_step(s);
        for (uint32_t i = 0; i < count; i++) {
            const struct trie_node *n = &t->nodes[s->now[i]];
            if (n->stays)
                reached = reach(t, s, s->next, reached, s->now[i]);
            if (n->any != 0)
                reached = reach(t, s, s->next, reached, n->any);
            uint32_t to = n->words == 0 ? 0 : find_edge(t, s->now[i], at, length, hash)->to;
            if (to != 0)
                reached = reach(t, s, s->next, reached, to);
        }
        uint32_t *swap = s->now;
        s->now = s->next;
        s->next = swap;
        count = reached;
        at += length;
        if (at == end)
            break;
    }
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t v = t->nodes[s->now[i]].first; v != 0; v = t->values[v - 1].next)
            found(context, t->values[v - 1].value);
}
