/* SPDX-License-Identifier: MIT */
/*
 * fuzz_exchange: an exchange with any bytes changed, before it is attached and in the middle of calls, also with checks that fit the damage. It is read, compiled and looked up, mended, bound and
 * unbound. Each call ends after a number of accesses that max_bindings bounds; results are those that the header names.
 */
#include "bindings.h"
#include "fuzz.h"
#include "steps.h"
#include "table.h"
#include "topic.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ROOM = 6, HITS_MAX = 64 };

static unsigned char *memory, *image;
static size_t bytes;
static struct bindings b;
static uint64_t attached, compiled, found;

void world_access(const volatile void *word, const char *what) {
    (void)what;
    const volatile unsigned char *at = word;
    if (b.control != NULL && at >= memory && at < memory + EXCHANGE_CONTROL_AT)
        finding("the header is read again");
}

static struct binding binding_of(unsigned kind) {
    static const char *const patterns[] = {"a.*", "#", "a.#.b", "x.y.z", "*.*", "a.b"};
    struct binding x = {.queue_bytes = 2};
    x.pattern_bytes = (uint32_t)strlen(patterns[kind % 6]);
    memcpy(x.text.pattern, patterns[kind % 6], x.pattern_bytes);
    memcpy(x.text.queue, kind / 6 % 2 ? "q1" : "q2", 2);
    if (kind & 16) {
        memcpy(x.text.headers, "n\0v", 4);
        x.headers_bytes = 4;
        x.header_count = 1;
    }
    return x;
}

static void start(void) {
    bytes = (bindings_bytes(ROOM) + 4095) / 4096 * 4096;
    memory = aligned_alloc(4096, bytes);
    image = aligned_alloc(4096, bytes);
    must(memory != NULL && image != NULL);
    memset(image, 0, bytes);
    bindings_initialise(image, ROOM, RP_UNROUTABLE_COUNT, "alternate");
    must(bindings_attach(&b, image, bytes) == 0);
    for (unsigned i = 0; i < 5; i++) {
        struct binding x = binding_of(i * 5);
        must(bindings_add(&b, &x) == 0);
    }
    struct binding gone = binding_of(5);
    must(bindings_remove(&b, &gone) == 0);
}

static void stop(void) {
    free(memory);
    free(image);
}

/* ---- damage ---- */

static void repair_checks(struct reader *r) {
    struct exchange_header *h = (struct exchange_header *)(void *)memory;
    uint8_t which = take8(r);
    if (which & 1)
        h->check = XXH3_64bits(h, offsetof(struct exchange_header, check));
    struct entry *e = (struct entry *)(void *)(memory + EXCHANGE_ENTRIES_AT) + which / 2 % ROOM;
    struct {
        uint64_t generation, since, identity, sizes, created_wall_ns;
        unsigned char text[BINDING_TEXT_BYTES];
    } all;
    memcpy(&all.text, e->text, sizeof all.text);
    all.generation = entry_generation(counter_read(&e->word));
    all.since = counter_read(&e->since);
    all.identity = counter_read(&e->identity);
    all.sizes = counter_read(&e->sizes);
    all.created_wall_ns = counter_read(&e->created_wall_ns);
    if (which & 128)
        field_write(&e->check, XXH3_64bits(&all, sizeof all));
}

static void damage(struct reader *r) {
    uint32_t place = take16(r);
    uint8_t how = take8(r);
    size_t at = how < 40   ? place % sizeof(struct exchange_header)
                : how < 60 ? EXCHANGE_CONTROL_AT + place % 128
                           : EXCHANGE_ENTRIES_AT + place % (ROOM * sizeof(struct entry));
    if (how % 4 == 0) /* one of an entry's words, or sizes that matter */
        at = EXCHANGE_ENTRIES_AT + (place / 64 % ROOM) * sizeof(struct entry) + place % 64;
    uint8_t value = take8(r);
    memory[at] = how & 1 ? (unsigned char)(memory[at] ^ 1u << value % 8) : value;
}

static void damage_at_a_step(void *context, volatile void *word) {
    struct reader *r = context;
    (void)word;
    damage(r);
    repair_checks(r);
}

/* ---- use ---- */

static void hit(void *context, uint32_t rule) {
    const struct table *t = context;
    static const struct rp_header headers[] = {{"n", "v"}};
    static const struct rp_send_options send = {.size = sizeof send, .headers = headers, .header_count = 1};
    must(rule < t->rule_count && t->rules[rule].target < t->target_count);
    found += rule_matches(t, &t->rules[rule], &send);
}

static void look_up(void) {
    static const char *const topics[] = {"a", "a.b", "a.x.y.b", "x.y.z", "none.of.all.these"};
    struct target_numbers n = {0};
    struct table *t;
    steps_begin("table_compile", 4 + ROOM * 400);
    int result = table_compile(&b, &n, NULL, &t);
    steps_end();
    must(result == 0 || result == RP_CORRUPT);
    if (result == 0) {
        struct trie_scratch s = {0};
        compiled++;
        must(trie_scratch_fit(&s, t->trie.node_count) == 0);
        for (unsigned i = 0; i < 5; i++)
            trie_match(&t->trie, &s, topics[i], strlen(topics[i]), hit, t);
        trie_scratch_free(&s);
        table_free(t, &n);
    }
    must(n.free_count == n.top); /* every target was given back */
    free(n.free);
}

static void use(struct reader *r) {
    struct binding x = binding_of(take8(r)), y;
    int result;
    uint8_t what = take8(r);
    if (what & 128)
        steps_arm(take16(r) % 1200, damage_at_a_step, r);
    switch (what % 4) {
    case 0: look_up(); return;
    case 1:
        steps_begin("bindings_add", 10 + ROOM * 800);
        result = bindings_add(&b, &x);
        must(result == 0 || result == 1 || result == -ENOSPC || result == RP_CORRUPT || result == -EAGAIN);
        break;
    case 2:
        steps_begin("bindings_remove", 10 + ROOM * 800);
        result = bindings_remove(&b, &x);
        must(result == 0 || result == -ENOENT || result == RP_CORRUPT || result == -EAGAIN);
        break;
    default:
        steps_begin("bindings_mend", 10 + ROOM * 10);
        result = bindings_mend(&b);
        steps_end();
        must(result >= 0 && result <= ROOM);
        steps_begin("bindings_read", ROOM * 400);
        for (uint32_t i = 0; i < ROOM; i++) {
            result = bindings_read(&b, i, bindings_version(&b), &y);
            size_t length;
            must(result == 0 || result == RP_CORRUPT ||
                 (result == 1 && pattern_check(y.text.pattern, &length) == 0 && length == y.pattern_bytes));
        }
    }
    steps_end();
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    memcpy(memory, image, bytes);
    b = (struct bindings){0};
    for (unsigned i = take8(&r) % 5; i > 0; i--)
        damage(&r);
    repair_checks(&r);
    size_t length = take8(&r) < 240 ? bytes : take16(&r) % (bytes + 1);
    int result = bindings_attach(&b, memory, length);
    must(result == 0 || result == RP_CORRUPT || result == RP_INCOMPATIBLE);
    if (result < 0) {
        b.control = NULL;
        return;
    }
    attached++;
    must(bindings_bytes(b.header.max_bindings) <= length);
    for (unsigned i = 0; i < 8; i++)
        use(&r);
    b.control = NULL;
}

static void nothing(void) {}
static uint64_t no_special(void) { return 0; }
static size_t none(uint64_t n, uint8_t *data) {
    (void)n;
    (void)data;
    return 0;
}
static void summary(void) {
    printf("%llu attached, %llu tables compiled, %llu matches\n", (unsigned long long)attached, (unsigned long long)compiled,
           (unsigned long long)found);
}

const struct fuzz_target fuzz_target = {.name = "exchange",
                                        .prepare = nothing,
                                        .clean = nothing,
                                        .start = start,
                                        .run = run,
                                        .stop = stop,
                                        .special_count = no_special,
                                        .special = none,
                                        .summary = summary};
