/* SPDX-License-Identifier: MIT */
#include "bindings.h"
#include "clock.h"
#include "error.h"
#include "topic.h"
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(struct entry) == 1088 && BINDING_TEXT_BYTES == 1024, "docs/exchange-format.md");
_Static_assert(sizeof(struct exchange_control) <= EXCHANGE_ENTRIES_AT - EXCHANGE_CONTROL_AT, "the control's page");
_Static_assert(sizeof(((struct binding *)0)->text) == BINDING_TEXT_BYTES, "text is copied whole");

/* ---- the segment ---- */

size_t bindings_bytes(uint32_t max_bindings) { return EXCHANGE_ENTRIES_AT + (size_t)max_bindings * sizeof(struct entry); }

static uint64_t header_check_of(const struct exchange_header *h) { return XXH3_64bits(h, offsetof(struct exchange_header, check)); }

static void bind_parts(struct bindings *b, void *memory) {
    b->control = (struct exchange_control *)(void *)((unsigned char *)memory + EXCHANGE_CONTROL_AT);
    b->entries = (struct entry *)(void *)((unsigned char *)memory + EXCHANGE_ENTRIES_AT);
}

void bindings_initialise(void *memory, uint32_t max_bindings, uint32_t unroutable, const char *alternate) {
    struct exchange_header *h = memory;
    *h = (struct exchange_header){
        .magic = EXCHANGE_MAGIC,
        .byte_order = EXCHANGE_BYTE_ORDER,
        .version = EXCHANGE_VERSION,
        .word_bits = 64,
        .line_bytes = EXCHANGE_LINE,
        .created_wall_ns = clock_wall_ns(),
        .max_bindings = max_bindings,
        .unroutable = unroutable,
        .entry_bytes = sizeof(struct entry),
    };
    if (alternate != NULL)
        memccpy(h->alternate, alternate, 0, sizeof h->alternate - 1);
    h->check = header_check_of(h);
}

int bindings_attach(struct bindings *b, void *memory, uint64_t bytes) {
    if (bytes < EXCHANGE_ENTRIES_AT)
        return fail(RP_CORRUPT, "truncated: %llu bytes", (unsigned long long)bytes);
    struct exchange_header *h = &b->header;
    memcpy(h, memory, sizeof *h);
    if (h->magic != EXCHANGE_MAGIC)
        return fail(RP_CORRUPT, "not an exchange: wrong magic number at offset 0");
    if (h->byte_order != EXCHANGE_BYTE_ORDER || h->word_bits != 64 || h->line_bytes != EXCHANGE_LINE)
        return fail(RP_INCOMPATIBLE, "made on a machine of another byte order, word or cache-line size");
    if (h->version != EXCHANGE_VERSION)
        return fail(RP_INCOMPATIBLE, "exchange version %u, this library knows %u", h->version, (unsigned)EXCHANGE_VERSION);
    if (h->check != header_check_of(h))
        return fail(RP_CORRUPT, "the header's checksum is wrong");
    if (h->features_incompatible != 0)
        return fail(RP_INCOMPATIBLE, "uses features %#llx, which this library does not know",
                    (unsigned long long)h->features_incompatible);
    if (h->max_bindings < 1 || h->max_bindings > BINDINGS_MAX || h->entry_bytes != sizeof(struct entry) ||
        h->unroutable > RP_UNROUTABLE_RETURN || memchr(h->alternate, 0, sizeof h->alternate) == NULL)
        return fail(RP_CORRUPT, "impossible parameters in the header");
    if (bindings_bytes(h->max_bindings) > bytes)
        return fail(RP_CORRUPT, "truncated: %llu bytes, %zu are needed", (unsigned long long)bytes,
                    bindings_bytes(h->max_bindings));
    bind_parts(b, memory);
    return 0;
}

int binding_check_queue(const char *queue, size_t *bytes) {
    *bytes = queue == NULL ? 0 : strnlen(queue, RP_BINDING_QUEUE);
    if (*bytes == 0 || *bytes == RP_BINDING_QUEUE)
        return fail(-EINVAL, "a queue's name or path has 1 to %d bytes here", RP_BINDING_QUEUE - 1);
    return 0;
}

/* ---- reading ---- */

/* What an entry's check is about, as the words have it. */
struct image {
    uint64_t generation, since, identity, sizes, created_wall_ns;
    unsigned char text[BINDING_TEXT_BYTES];
};

static uint64_t image_check(const struct image *i) { return XXH3_64bits(i, sizeof *i); }

static uint64_t sizes_of(const struct binding *x) {
    return (uint64_t)x->pattern_bytes | (uint64_t)x->queue_bytes << 16 | (uint64_t)x->headers_bytes << 32 |
           (uint64_t)x->header_count << 48 | (uint64_t)x->match << 56;
}

/* Would we have written this? */
static bool is_sound(const struct binding *x) {
    size_t bytes;
    if (x->pattern_bytes > RP_TOPIC_MAX || x->queue_bytes >= RP_BINDING_QUEUE || x->headers_bytes > RP_BINDING_HEADERS ||
        x->header_count > BINDING_HEADERS_MAX || x->match > RP_MATCH_ANY || x->text.pattern[x->pattern_bytes] != 0 ||
        x->text.queue[x->queue_bytes] != 0)
        return false;
    if (pattern_check(x->text.pattern, &bytes) < 0 || bytes != x->pattern_bytes || binding_check_queue(x->text.queue, &bytes) < 0 ||
        bytes != x->queue_bytes)
        return false;
    uint32_t ends = 0;
    for (uint32_t i = 0; i < x->headers_bytes; i++)
        ends += x->text.headers[i] == 0;
    return ends == 2 * x->header_count && (x->headers_bytes == 0 || x->text.headers[x->headers_bytes - 1] == 0);
}

/* Copies an entry that is USED. False: it changed meanwhile, or is not. */
static bool copy(struct entry *e, struct image *image, uint64_t *until, uint64_t *check) {
    uint64_t word = load_acquire(&e->word, binding);
    if (entry_state(word) != ENTRY_USED)
        return false;
    image->generation = entry_generation(word);
    *until = load_acquire(&e->until, binding);
    image->since = load_acquire(&e->since, binding);
    image->identity = load_acquire(&e->identity, binding);
    image->sizes = load_acquire(&e->sizes, binding);
    image->created_wall_ns = load_acquire(&e->created_wall_ns, binding);
    *check = load_acquire(&e->check, binding);
    for (unsigned i = 0; i < BINDING_TEXT_BYTES / 8; i++) {
        uint64_t piece = load_acquire(&e->text[i], binding);
        memcpy(image->text + 8 * i, &piece, 8);
    }
    return MUTANT(exchange_one_look) || load_acquire(&e->word, binding) == word;
}

static int damaged(uint32_t index) { return fail(RP_CORRUPT, "binding %u is damaged", index); }

/* 1 and the entry; 0: nothing there at this version; RP_CORRUPT. */
static int read_entry(const struct bindings *b, uint32_t index, uint64_t version, struct binding *out) {
    struct image image;
    uint64_t until, check;
    if (!copy(&b->entries[index], &image, &until, &check))
        return 0;
    if (check != image_check(&image))
        return damaged(index);
    if (image.since > version || until <= version)
        return 0;
    *out = (struct binding){
        .created_wall_ns = image.created_wall_ns,
        .pattern_bytes = image.sizes & 0xffff,
        .queue_bytes = image.sizes >> 16 & 0xffff,
        .headers_bytes = image.sizes >> 32 & 0xffff,
        .header_count = image.sizes >> 48 & 0xff,
        .match = (uint32_t)(image.sizes >> 56),
    };
    memcpy(&out->text, image.text, sizeof out->text);
    return is_sound(out) ? 1 : damaged(index);
}

int bindings_read(const struct bindings *b, uint32_t index, uint64_t version, struct binding *out) {
    return read_entry(b, index, version, out);
}

/* ---- changing, under the lock ---- */

static void become(struct entry *e, uint64_t word, enum entry_state state) {
    store_release(&e->word, entry_word(state, entry_generation(word)), binding);
}

/* Clears away what a changer that died left of a version that never came, and what is over. -> was there something left? */
static bool mend(struct entry *e, uint64_t version) {
    uint64_t word = load_acquire(&e->word, binding), until = load_acquire(&e->until, binding);
    if (entry_state(word) != ENTRY_USED)
        return false;
    if (load_acquire(&e->since, binding) > version && !MUTANT(exchange_keeps_bind)) {
        become(e, word, ENTRY_FREE);
        return true;
    }
    if (until <= version && !MUTANT(exchange_keeps_over)) {
        become(e, word, ENTRY_FREE);
        return false;
    }
    if (until == ENTRY_NEVER || MUTANT(exchange_keeps_unbind))
        return false;
    store_release(&e->until, ENTRY_NEVER, binding);
    return true;
}

int bindings_mend(struct bindings *b) {
    int mended = 0;
    uint64_t version = bindings_version(b);
    for (uint32_t i = 0; i < b->header.max_bindings; i++)
        mended += mend(&b->entries[i], version);
    return mended;
}

static uint64_t identity_of(const struct binding *x) { return XXH3_64bits_withSeed(&x->text, sizeof x->text, sizes_of(x)); }

/* Mends all, and finds where `x` is, and the first free entry; max_bindings: there is none. */
static int survey(const struct bindings *b, const struct binding *x, uint64_t version, uint32_t *found, uint32_t *free) {
    uint64_t identity = identity_of(x);
    *found = *free = b->header.max_bindings;
    for (uint32_t i = 0; i < b->header.max_bindings; i++) { /* to the end: all must be mended before the version is raised */
        struct entry *e = &b->entries[i];
        (void)mend(e, version);
        if (entry_state(load_acquire(&e->word, binding)) != ENTRY_USED) {
            if (*free == b->header.max_bindings)
                *free = i;
            continue;
        }
        if (load_acquire(&e->identity, binding) != identity)
            continue;
        struct binding there;
        int result = read_entry(b, i, version, &there);
        if (result < 0)
            return result;
        if (result > 0 && sizes_of(&there) == sizes_of(x) && memcmp(&there.text, &x->text, sizeof x->text) == 0)
            *found = i;
        if (MUTANT(exchange_mends_some) && *found == i)
            break;
    }
    return 0;
}

/* The step with which a change takes effect. It cannot fail while the lock is ours alone. */
static int commit(struct bindings *b, uint64_t version) {
    return cas_acq_rel(&b->control->version, &version, version + 1, exchange_version)
               ? 0
               : fail(-EAGAIN, "somebody else changed the bindings at the same time");
}

static void write_entry(struct entry *e, const struct binding *x, uint64_t since) {
    uint64_t word = load_acquire(&e->word, binding),
             generation = (entry_generation(word) + !MUTANT(exchange_keeps_generation)) & (UINT64_MAX >> 8);
    struct image image = {.generation = generation,
                          .since = since,
                          .identity = identity_of(x),
                          .sizes = sizes_of(x),
                          .created_wall_ns = clock_wall_ns()};
    memcpy(image.text, &x->text, sizeof image.text);
    if (MUTANT(exchange_used_first))
        store_release(&e->word, entry_word(ENTRY_USED, generation), binding);
    store_release(&e->since, since, binding);
    if (!MUTANT(exchange_keeps_until))
        store_release(&e->until, ENTRY_NEVER, binding);
    store_release(&e->identity, image.identity, binding);
    store_release(&e->sizes, image.sizes, binding);
    store_release(&e->created_wall_ns, image.created_wall_ns, binding);
    (void)counter_take(&e->failed);
    for (unsigned i = 0; i < BINDING_TEXT_BYTES / 8; i++) {
        uint64_t piece;
        memcpy(&piece, image.text + 8 * i, 8);
        store_release(&e->text[i], piece, binding);
    }
    store_release(&e->check, image_check(&image), binding);
    store_release(&e->word, entry_word(ENTRY_USED, generation), binding);
}

int bindings_add(struct bindings *b, const struct binding *x) {
    uint64_t version = bindings_version(b);
    uint32_t found, free;
    int result = survey(b, x, version, &found, &free);
    if (result < 0)
        return result;
    if (found < b->header.max_bindings)
        return 1;
    if (free == b->header.max_bindings)
        return fail(-ENOSPC, "all %u places for bindings are taken", b->header.max_bindings);
    if (MUTANT(exchange_commits_first)) {
        result = commit(b, version);
        write_entry(&b->entries[free], x, version + 1);
        return result;
    }
    write_entry(&b->entries[free], x, MUTANT(exchange_bound_early) ? version : version + 1);
    return commit(b, version);
}

int bindings_remove(struct bindings *b, const struct binding *x) {
    uint64_t version = bindings_version(b);
    uint32_t found, free;
    int result = survey(b, x, version, &found, &free);
    if (result < 0)
        return result;
    if (found == b->header.max_bindings)
        return fail(-ENOENT, "'%.100s' is not bound to '%.100s' in this way", x->text.queue, x->text.pattern);
    store_release(&b->entries[found].until, MUTANT(exchange_unbound_early) ? version : version + 1, binding);
    if (MUTANT(exchange_frees_early))
        become(&b->entries[found], load_acquire(&b->entries[found].word, binding), ENTRY_FREE);
    return commit(b, version);
}
