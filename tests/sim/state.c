/* SPDX-License-Identifier: MIT */
/*
 * The memory of a simulated world: files that each participant maps at addresses of its own, an arena for what each allocates, memory of
 * the program. An image of it is kept, and compared with it block by block where a state is summed up or saved: of a block that differs the old contents go to a
 * log, and its part of the sum is replaced. So a state costs what has changed since the last one, and each state on the way to the present one can be put back.
 */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    KEPT = 32,
    CONSTANTS = 16,
    LOG_BYTES_MAX = 1 << 18,
    BLOCK = 64,
    STRIDE = 1024,                      /* compared at once */
    MAPPINGS = SIM_FIBERS * ALIASES + 1 /* of each file: the participants', and the master */
};

static unsigned char *files;  /* [FILES][MAPPINGS][FILE_BYTES_MAX] */
static unsigned char *arenas; /* [SIM_FIBERS][ARENA_BYTES] */

static struct {
    unsigned char *memory;
    size_t bytes;
    const unsigned *count; /* not NULL: a log of so many entries of that size */
    bool aside;
} kept[KEPT];
static unsigned kept_count;

static struct {
    uint64_t key;
    size_t bytes;
} constants[CONSTANTS];
static unsigned constant_count;

static uint8_t ignored[FILES][FILE_BYTES_MAX / BLOCK]; /* words that take no part in the sum, as bits */

unsigned words_ignored;
bool quiet_watch, quiet_broken;
static struct {
    uint16_t changed_by, loaded_by; /* participants, as bits; loads at which nothing was decided */
} word_use[FILES][FILE_BYTES_MAX / 8];
static unsigned movers; /* who may have changed what differs from the image, as bits */

static unsigned char *images;
enum { IMAGES_BYTES = FILES * FILE_BYTES_MAX + SIM_FIBERS * (ARENA_BYTES + FIBER_STACK_BYTES) + (8 << 20) };

static void *reserve(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("sim: no memory");
        abort();
    }
    return memory;
}

static unsigned char *mapping(unsigned file, unsigned index) { return files + ((size_t)file * MAPPINGS + index) * FILE_BYTES_MAX; }

unsigned char *file_master(unsigned file) { return mapping(file, MAPPINGS - 1); }
unsigned char *file_alias(unsigned file, unsigned who, unsigned alias) { return mapping(file, who * ALIASES + alias); }

void memory_create(void) {
    files = reserve((size_t)FILES * MAPPINGS * FILE_BYTES_MAX);
    arenas = reserve((size_t)SIM_FIBERS * ARENA_BYTES);
    images = reserve(IMAGES_BYTES);
    for (unsigned f = 0; f < FILES; f++) {
        int fd = memfd_create("sim", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, FILE_BYTES_MAX) != 0) {
            perror("sim: memfd");
            abort();
        }
        for (unsigned i = 0; i < MAPPINGS; i++) {
            bool read_only = i < MAPPINGS - 1 && i % ALIASES >= ALIASES - READ_ONLY_ALIASES;
            void *at =
                mmap(mapping(f, i), FILE_BYTES_MAX, read_only ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
            if (at == MAP_FAILED) {
                perror("sim: mmap");
                abort();
            }
        }
        close(fd);
    }
}

void memory_reset(void) {
    kept_count = constant_count = 0;
    for (unsigned f = 0; f < FILES; f++)
        memset(file_master(f), 0, FILE_BYTES_MAX);
    memset(ignored, 0, sizeof ignored);
}

static void keep(void *memory, size_t bytes, const unsigned *count, bool aside) {
    if (kept_count == KEPT)
        abort();
    kept[kept_count].memory = memory;
    kept[kept_count].bytes = bytes;
    kept[kept_count].count = count;
    kept[kept_count++].aside = aside;
}
void sim_keep(void *memory, size_t bytes) { keep(memory, bytes, NULL, false); }
void sim_keep_aside(void *memory, size_t bytes) { keep(memory, bytes, NULL, true); }
void sim_keep_log(void *entries, size_t entry_bytes, const unsigned *count) { keep(entries, entry_bytes, count, true); }

static size_t kept_bytes(unsigned i) { return kept[i].count ? kept[i].bytes * *kept[i].count : kept[i].bytes; }

bool word_key(const volatile void *word, uint64_t *key) {
    const unsigned char *at = (const unsigned char *)word;
    size_t offset = (size_t)(at - files);
    if (at >= files && offset < (size_t)FILES * MAPPINGS * FILE_BYTES_MAX) {
        *key = offset / ((size_t)MAPPINGS * FILE_BYTES_MAX) * FILE_BYTES_MAX + offset % FILE_BYTES_MAX;
        return true;
    }
    *key = (uint64_t)(uintptr_t)at;
    size_t private = (size_t)(at - arenas);
    if (at >= arenas && private < (size_t)SIM_FIBERS * ARENA_BYTES)
        return has_threads[process_of((unsigned)(private / ARENA_BYTES))];
    for (unsigned i = 0; i < kept_count; i++)
        if (at >= kept[i].memory && at < kept[i].memory + kept_bytes(i))
            return true;
    return false;
}

void sim_keep_constant(const volatile void *memory, size_t bytes) {
    if (constant_count == CONSTANTS || !word_key(memory, &constants[constant_count].key))
        abort();
    constants[constant_count++].bytes = bytes;
}

bool word_is_constant(const volatile void *word) {
    uint64_t key;
    if (constant_count == 0 || !word_key(word, &key))
        return false;
    for (unsigned i = 0; i < constant_count; i++)
        if (key - constants[i].key < constants[i].bytes)
            return true;
    return false;
}

/* ---- allocation: nothing is reused, what was freed is spoilt ---- */

enum { ALIGNMENT = 64 };

void *sim_malloc(size_t bytes) {
    struct participant *me = self();
    size_t need = (bytes + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (need > ARENA_BYTES - me->arena_used) {
        sim_fail("the arena of a participant is used up");
        return NULL;
    }
    unsigned char *memory = arenas + (size_t)world.current * ARENA_BYTES + me->arena_used + ALIGNMENT;
    me->arena_used += (uint32_t)need;
    memcpy(memory - sizeof bytes, &bytes, sizeof bytes);
    return memory;
}

void *sim_calloc(size_t count, size_t bytes) {
    void *memory = sim_malloc(count * bytes);
    if (memory)
        memset(memory, 0, count * bytes);
    return memory;
}

static size_t bytes_of(const void *memory) {
    size_t bytes;
    memcpy(&bytes, (const unsigned char *)memory - sizeof bytes, sizeof bytes);
    return bytes;
}

void *sim_realloc(void *memory, size_t bytes) {
    void *grown = sim_malloc(bytes);
    if (grown && memory) {
        size_t before = bytes_of(memory);
        memcpy(grown, memory, before < bytes ? before : bytes);
        sim_free(memory);
    }
    return grown;
}

void sim_free(void *memory) {
    if (memory)
        memset(memory, 0xdd, bytes_of(memory));
}

/* ---- regions ---- */

static struct region {
    unsigned char *memory, *image;
    enum kind { FILE_BYTES, ARENA, STACK, KEPT_BYTES, FIXED } kind;
    unsigned number; /* of the file, participant, or kept memory */
    bool summed;
    size_t bytes;        /* FIXED */
    size_t summed_bytes; /* what `sum` is of */
    uint64_t sum;
    bool looked;       /* nobody who can write to it moved since the image was made the same */
    bool astray;       /* it may be something else than the image, where that was put back */
    size_t begin, end; /* which was from here to there */
} regions[FILES + 2 * SIM_FIBERS + KEPT + 3];
static unsigned region_count;
static size_t images_used;

static void region_add(enum kind kind, unsigned number, void *memory, size_t most, bool summed) {
    struct region *r = &regions[region_count++];
    *r = (struct region){
        .memory = memory, .image = images + images_used, .kind = kind, .number = number, .summed = summed, .bytes = most};
    images_used += (most + STRIDE - 1) / STRIDE * STRIDE;
    if (images_used > IMAGES_BYTES)
        abort();
}

/* What of it holds anything now: from `begin` to `end`. */
static void extent(const struct region *r, size_t *begin, size_t *end) {
    const struct participant *p = &world.p[r->number];
    *begin = 0;
    *end = r->bytes;
    switch (r->kind) {
    case FILE_BYTES: *end = world.os.files[r->number].inode ? world.os.files[r->number].bytes : 0; break;
    case ARENA: *end = r->summed && p->status == DEAD ? 0 : p->arena_used; break;
    case STACK:
        /* He who has just died or ended may still have to say who is next. */
        if ((p->status == UNUSED || p->status == ENDED || p->status == DEAD) && r->number != world.current)
            *end = 0;
        else
            *begin = (size_t)(fiber_stack_begin(&p->fiber) - p->fiber.stack) / BLOCK * BLOCK;
        break;
    case KEPT_BYTES: *end = kept_bytes(r->number); break;
    case FIXED: break;
    }
}

/* ---- the sum ---- */

/* Sums of blocks are added, so that each can be replaced. */
static uint64_t block_sum(const struct region *r, size_t at, size_t bytes) {
    uint64_t words[BLOCK / 8];
    const void *block = r->image + at;
    uint8_t without = r->kind == FILE_BYTES ? ignored[r->number][at / BLOCK] : 0;
    if (without) {
        memcpy(words, block, bytes);
        for (unsigned i = 0; i < BLOCK / 8; i++)
            if (without >> i & 1)
                words[i] = 0;
        block = words;
    }
    return XXH3_64bits_withSeed(block, bytes, at);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void sum_again(struct region *r, size_t bytes) {
    r->sum = 0;
    r->summed_bytes = bytes;
    for (size_t at = 0; at < bytes; at += BLOCK)
        r->sum += block_sum(r, at, smaller(BLOCK, bytes - at));
}

/* Puts other contents into a block of the image. */
static void image_write(struct region *r, size_t at, const unsigned char *contents, size_t bytes) {
    bool part_of_sum = r->summed && at < r->summed_bytes;
    size_t summed = part_of_sum ? smaller(BLOCK, r->summed_bytes - at) : 0;
    if (part_of_sum)
        r->sum -= block_sum(r, at, summed);
    memcpy(r->image + at, contents, bytes);
    if (part_of_sum)
        r->sum += block_sum(r, at, summed);
}

void word_ignore(uint64_t key) {
    if (key >= (uint64_t)FILES * FILE_BYTES_MAX || key % 8)
        return;
    unsigned f = (unsigned)(key / FILE_BYTES_MAX);
    size_t at = key % FILE_BYTES_MAX;
    if (ignored[f][at / BLOCK] >> at % BLOCK / 8 & 1)
        return;
    ignored[f][at / BLOCK] |= (uint8_t)(1u << at % BLOCK / 8);
    words_ignored++;
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].kind == FILE_BYTES && regions[i].number == f)
            sum_again(&regions[i], regions[i].summed_bytes);
}

/* ---- the log of what was in the image before ---- */

static struct change {
    uint32_t region, at;
    unsigned char before[BLOCK];
} * changes;
static size_t change_count, change_room;

/* Words of this block differ from the image. */
static void write_down(unsigned file, size_t at, const unsigned char *now, const unsigned char *before) {
    for (unsigned i = 0; i < BLOCK / 8; i++) {
        if (memcmp(now + 8 * i, before + 8 * i, 8) == 0 || ignored[file][at / BLOCK] >> i & 1)
            continue;
        uint16_t *changed_by = &word_use[file][at / 8 + i].changed_by, loaded_by = word_use[file][at / 8 + i].loaded_by;
        *changed_by |= (uint16_t)movers;
        if (loaded_by && ((*changed_by & ~loaded_by) || (loaded_by & (loaded_by - 1))))
            quiet_broken = true;
    }
}

bool quiet_load(uint64_t key) {
    if (key >= (uint64_t)FILES * FILE_BYTES_MAX)
        return false;
    unsigned file = (unsigned)(key / FILE_BYTES_MAX), me = 1u << world.current;
    size_t word = key % FILE_BYTES_MAX / 8;
    if (word_use[file][word].changed_by & ~me)
        return false;
    word_use[file][word].loaded_by |= (uint16_t)me;
    return true;
}

void quiet_begin(bool forget) {
    for (unsigned f = 0; f < FILES; f++)
        for (size_t i = 0; i < FILE_BYTES_MAX / 8; i++) {
            word_use[f][i].loaded_by = 0;
            if (forget)
                word_use[f][i].changed_by = 0;
        }
    quiet_broken = false;
}

static void change(struct region *r, size_t at, size_t bytes) {
    if (quiet_watch && r->kind == FILE_BYTES)
        write_down(r->number, at, r->memory + at, r->image + at);
    if (change_count == change_room) {
        change_room = change_room ? change_room * 2 : 4096;
        changes = realloc(changes, change_room * sizeof *changes);
        if (!changes)
            abort();
    }
    struct change *c = &changes[change_count++];
    c->region = (uint32_t)(r - regions);
    c->at = (uint32_t)at;
    memcpy(c->before, r->image + at, BLOCK);
    image_write(r, at, r->memory + at, bytes);
}

/* Can only this participant write to it? Threads may see all of each other. */
static bool only_of_one(const struct region *r) {
    return (r->kind == ARENA || r->kind == STACK) && !(r->number < program->participants && has_threads[process_of(r->number)]);
}

static bool just_summed; /* and nobody moved since */

static void look(struct region *r);

void state_moves(unsigned who) {
    just_summed = false;
    if (quiet_watch && (movers & ~(1u << who)))
        for (unsigned i = 0; i < region_count; i++)
            if (regions[i].kind == FILE_BYTES)
                look(&regions[i]);
    movers = 1u << who;
    for (unsigned i = 0; i < region_count; i++)
        if (!only_of_one(&regions[i]) || regions[i].number == who) {
            regions[i].looked = false;
            regions[i].astray = true;
        }
}

/* Makes the image what the memory is. */
static void look(struct region *r) {
    size_t begin, end;
    if (only_of_one(r)) {
        if (r->looked)
            return;
        r->looked = true;
    }
    extent(r, &begin, &end);
    for (size_t at = begin; at < end; at += STRIDE) {
        size_t stride = smaller(STRIDE, end - at);
        if (memcmp(r->image + at, r->memory + at, stride) == 0)
            continue;
        for (size_t b = at; b < at + stride; b += BLOCK) {
            size_t bytes = smaller(BLOCK, at + stride - b);
            if (memcmp(r->image + b, r->memory + b, bytes) != 0)
                change(r, b, bytes);
        }
    }
    if (r->summed && r->summed_bytes != end)
        sum_again(r, end);
}

size_t state_save(void) {
    for (unsigned i = 0; i < region_count; i++)
        if (!just_summed || !regions[i].summed)
            look(&regions[i]);
    just_summed = false;
    return change_count;
}

void state_restore(size_t saved) {
    while (change_count > saved) {
        const struct change *c = &changes[--change_count];
        image_write(&regions[c->region], c->at, c->before, BLOCK);
        regions[c->region].astray = true;
    }
    just_summed = false;
    movers = 0;
    /* The world is the first: it says how much there is of the others; and kept memory comes before logs, which it counts. */
    for (unsigned i = 0; i < region_count; i++) {
        struct region *r = &regions[i];
        size_t begin, end;
        extent(r, &begin, &end);
        if (end > begin && (r->astray || begin < r->begin || end > r->end)) {
            memcpy(r->memory + begin, r->image + begin, end - begin);
            r->begin = begin;
            r->end = end;
        }
        r->astray = false;
        r->looked = true;
        if (r->summed && r->summed_bytes != end)
            sum_again(r, end);
    }
}

void state_begin(void) {
    region_count = 0;
    images_used = change_count = 0;
    just_summed = false;
    size_t os = offsetof(struct world, os), after = os + sizeof world.os;
    region_add(FIXED, 0, &world, os, false);
    region_add(FIXED, 0, &world.os, sizeof world.os, true);
    region_add(FIXED, 0, (unsigned char *)&world + after, sizeof world - after, false);
    for (unsigned i = 0; i < kept_count; i++)
        if (!kept[i].count)
            region_add(KEPT_BYTES, i, kept[i].memory, kept[i].bytes, !kept[i].aside);
    for (unsigned i = 0; i < kept_count; i++)
        if (kept[i].count)
            region_add(KEPT_BYTES, i, kept[i].memory, LOG_BYTES_MAX, false);
    for (unsigned f = 0; f < FILES; f++)
        region_add(FILE_BYTES, f, file_master(f), FILE_BYTES_MAX, true);
    for (unsigned i = 0; i < SIM_FIBERS; i++) {
        region_add(ARENA, i, arenas + (size_t)i * ARENA_BYTES, ARENA_BYTES,
                   i < program->participants && has_threads[process_of(i)]);
        region_add(STACK, i, world.p[i].fiber.stack, FIBER_STACK_BYTES, false);
    }
    (void)state_save();
    change_count = 0; /* there is nothing to go back to */
}

/* ---- the state as a number ---- */

static uint64_t sum_of_all(uint64_t key) {
    just_summed = true;
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].summed) {
            look(&regions[i]);
            key = mix(key, regions[i].sum);
        }
    return key;
}

uint64_t state_outcome(void) {
    uint64_t key = sum_of_all(0);
    for (unsigned i = 0; i < program->participants; i++)
        key = mix(key, mix(world.p[i].said, world.p[i].status));
    return key;
}

uint64_t state_key(void) {
    uint64_t key = sum_of_all(mix(world.now_ns, world.current));
    for (unsigned i = 0; i < program->participants; i++) {
        const struct participant *p = &world.p[i];
        uint64_t rank = 0;
        if (p->status == SLEEPING)
            for (unsigned j = 0; j < program->participants; j++)
                rank += world.p[j].status == SLEEPING && world.p[j].ticket < p->ticket;
        key = mix(key, mix(p->local, (uint64_t)p->status | (uint64_t)p->fresh << 8 | (uint64_t)p->ticked << 9 |
                                         (uint64_t)p->skipped << 10 | rank << 16));
    }
    return mix(key, (uint64_t)world.used.kills | (uint64_t)world.used.freezes << 8 | (uint64_t)world.used.jumps << 16);
}
