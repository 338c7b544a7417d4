/* SPDX-License-Identifier: MIT */
/*
 * Patterns, compiled: a tree of words, in which * and # are words of their own. A topic is matched word by word against the set of nodes that can have been reached, each of them
 * once; so the time is bounded by words times nodes whatever the patterns are, and is that of a few look-ups in a hash table where few patterns have * or #.
 */
#ifndef RP_ROUTE_TRIE_H
#define RP_ROUTE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trie_node {
    uint32_t any;   /* the node behind a *; 0: none */
    uint32_t rest;  /* the node behind a #; it stays where it is whatever the next word */
    uint32_t words; /* how many nodes are behind a word */
    uint32_t first; /* the first value of the patterns that end here, + 1; 0: none */
    bool stays;     /* it is behind a # */
};

struct trie_edge {
    uint32_t from, to; /* to 0: unused; nothing leads to the root */
    uint32_t word, bytes;
    uint64_t hash;
};

struct trie_value {
    uint32_t value, next; /* next + 1; 0: the last */
};

struct trie {
    uint64_t seed; /* who chooses the words does not choose what shares a place of the hash table */
    struct trie_node *nodes;
    uint32_t node_count, node_room;
    struct trie_edge *edges;
    uint32_t edge_count, edge_room; /* a power of two */
    char *text;
    uint32_t text_bytes, text_room;
    struct trie_value *values;
    uint32_t value_count, value_room;
};

/* 0 or -ENOMEM (to be freed then, too). */
int trie_init(struct trie *t, uint64_t seed);
void trie_free(struct trie *t);
int trie_add(struct trie *t, const char *pattern, size_t bytes, uint32_t value);

/* What one thread needs to match: of as many entries as the trie has nodes. Zeroed before the first use. */
struct trie_scratch {
    uint32_t *seen; /* the step at which a node was reached last */
    uint32_t *now, *next;
    uint32_t room, step;
};
int trie_scratch_fit(struct trie_scratch *s, uint32_t node_count); /* 0 or -ENOMEM */
void trie_scratch_free(struct trie_scratch *s);

/* Calls `found` with the value of each pattern that matches. The topic has been checked; the scratch fits. */
void trie_match(const struct trie *t, struct trie_scratch *s, const char *topic, size_t bytes,
                void (*found)(void *context, uint32_t value), void *context);

#endif
