/* SPDX-License-Identifier: MIT */
/* The bindings of one version, compiled: what a publish looks at. It never changes; a change of bindings replaces it. */
#ifndef RP_ROUTE_TABLE_H
#define RP_ROUTE_TABLE_H

#include "bindings.h"
#include "targets.h"
#include "trie.h"

/* A binding: where to, and on what further condition. */
struct rule {
    uint32_t target;       /* index into the table's */
    uint32_t header_count; /* 0: none */
    uint32_t match;
    uint32_t headers; /* where its names and values begin in `text` */
};

struct table {
    uint64_t version;
    struct trie trie;
    struct rule *rules;
    uint32_t rule_count, rule_room;
    struct target **targets;
    uint32_t target_count, target_room;
    uint32_t *names; /* a hash table of targets by name: index + 1 */
    uint32_t name_room;
    uint32_t target_top; /* no target's number is this or higher */
    char *text;
    size_t text_bytes, text_room;
    struct target *alternate; /* NULL: none */
};

/* Compiles what is bound now. Targets that `before` has (NULL: none) are kept. 0; -ENOMEM, RP_CORRUPT. Under the exchange's mutex. */
int table_compile(struct bindings *b, struct target_numbers *n, const struct table *before, struct table **out);
/* When nobody reads it any more. Under the mutex. */
void table_free(struct table *t, struct target_numbers *n);

/* Will a message sent like this (NULL: plainly) have the headers that the rule asks for? */
bool rule_matches(const struct table *t, const struct rule *r, const struct rp_send_options *send);

#endif
