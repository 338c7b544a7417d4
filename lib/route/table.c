/* SPDX-License-Identifier: MIT */
#include "table.h"
#include "error.h"
#include "process.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Where the target of that name is, or would be. */
static uint32_t *name_place(const struct table *t, const char *name) {
    for (uint64_t at = XXH3_64bits_withSeed(name, strlen(name), t->trie.seed);; at++) {
        uint32_t *place = &t->names[at & (t->name_room - 1)];
        if (*place == 0 || strcmp(t->targets[*place - 1]->name, name) == 0)
            return place;
    }
}

static bool grow_names(struct table *t) {
    if (2 * (t->target_count + 1) <= t->name_room)
        return true;
    uint32_t room = t->name_room > 0 ? 2 * t->name_room : 64, *names = calloc(room, sizeof *names);
    struct target **targets = realloc(t->targets, room / 2 * sizeof *targets);
    if (targets != NULL)
        t->targets = targets;
    if (names == NULL || targets == NULL) {
        free(names);
        return false;
    }
    free(t->names);
    t->names = names;
    t->name_room = room;
    for (uint32_t i = 0; i < t->target_count; i++)
        *name_place(t, t->targets[i]->name) = i + 1;
    return true;
}

/* The queue's target: of this table, of the one before, or a new one. -> its index in this table, or -ENOMEM. */
static int64_t target_of(struct table *t, struct target_numbers *n, const struct table *before, const char *name,
                         uint32_t binding) {
    if (!grow_names(t))
        return -ENOMEM;
    uint32_t *place = name_place(t, name);
    if (*place != 0)
        return *place - 1;
    uint32_t known = before == NULL || before->name_room == 0 ? 0 : *name_place(before, name);
    struct target *target = known == 0 ? NULL : before->targets[known - 1];
    if (target == NULL || !target_hold(target))
        target = target_create(n, name);
    if (target == NULL)
        return -ENOMEM;
    target->bound_version = t->version;
    target->binding = binding;
    t->targets[t->target_count++] = target;
    *place = t->target_count;
    if (t->target_top <= target->number)
        t->target_top = target->number + 1;
    return t->target_count - 1;
}

static int add_headers(struct table *t, const struct binding *x, struct rule *r) {
    if (t->text_bytes + x->headers_bytes > t->text_room) {
        size_t room = 2 * t->text_room + RP_BINDING_HEADERS;
        char *more = realloc(t->text, room);
        if (more == NULL || room > UINT32_MAX) {
            t->text = more == NULL ? t->text : more;
            return -ENOMEM;
        }
        t->text = more;
        t->text_room = room;
    }
    if (x->headers_bytes > 0)
        memcpy(t->text + t->text_bytes, x->text.headers, x->headers_bytes);
    r->headers = (uint32_t)t->text_bytes;
    r->header_count = x->header_count;
    r->match = x->match;
    t->text_bytes += x->headers_bytes;
    return 0;
}

static int add_rule(struct table *t, struct target_numbers *n, const struct table *before, const struct binding *x,
                    uint32_t index) {
    struct rule r;
    int64_t target = target_of(t, n, before, x->text.queue, index);
    if (target < 0 || add_headers(t, x, &r) < 0)
        return -ENOMEM;
    r.target = (uint32_t)target;
    if (t->rule_count == t->rule_room) {
        uint32_t room = t->rule_room > 0 ? 2 * t->rule_room : 64;
        struct rule *more = realloc(t->rules, room * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        t->rules = more;
        t->rule_room = room;
    }
    t->rules[t->rule_count] = r;
    return trie_add(&t->trie, x->text.pattern, x->pattern_bytes, t->rule_count++);
}

static int compile(struct table *t, struct bindings *b, struct target_numbers *n, const struct table *before) {
    t->version = bindings_version(b);
    int result = trie_init(&t->trie, process_random());
    for (uint32_t i = 0; result == 0 && i < b->header.max_bindings; i++) {
        struct binding x;
        int there = bindings_read(b, i, t->version, &x);
        result = there > 0 ? add_rule(t, n, before, &x, i) : there;
    }
    if (result == 0 && b->header.alternate[0] != 0) {
        int64_t alternate = target_of(t, n, before, b->header.alternate, UINT32_MAX);
        result = alternate < 0 ? (int)alternate : 0;
        t->alternate = alternate < 0 ? NULL : t->targets[alternate];
    }
    return result;
}

int table_compile(struct bindings *b, struct target_numbers *n, const struct table *before, struct table **out) {
    struct table *t = calloc(1, sizeof *t);
    int result = t == NULL ? -ENOMEM : compile(t, b, n, before);
    if (result == 0) {
        *out = t;
        return 0;
    }
    if (t != NULL)
        table_free(t, n);
    return result == -ENOMEM ? fail(-ENOMEM, "no memory for the bindings") : result;
}

void table_free(struct table *t, struct target_numbers *n) {
    for (uint32_t i = 0; i < t->target_count; i++)
        target_release(n, t->targets[i]);
    trie_free(&t->trie);
    free(t->rules);
    free(t->targets);
    free(t->names);
    free(t->text);
    free(t);
}

/* The value that a header will have: what is given goes before what is carried, also where it says that there is none. */
static const char *value_of(const struct rp_send_options *send, const char *name) {
    for (size_t i = 0; send != NULL && i < send->header_count; i++)
        if (send->headers[i].name != NULL && strcasecmp(send->headers[i].name, name) == 0)
            return send->headers[i].value;
    return send == NULL || send->carry == NULL ? NULL : rp_headers_get(send->carry, name);
}

bool rule_matches(const struct table *t, const struct rule *r, const struct rp_send_options *send) {
    if (r->header_count == 0) /* then there may be no text at all */
        return true;
    const char *at = t->text + r->headers;
    for (uint32_t i = 0; i < r->header_count; i++) {
        const char *name = at, *wanted = name + strlen(name) + 1, *value = value_of(send, name);
        bool has = value != NULL && strcmp(value, wanted) == 0;
        at = wanted + strlen(wanted) + 1;
        if (has != (r->match == RP_MATCH_ALL))
            return has;
    }
    return r->match == RP_MATCH_ALL;
}
