/* SPDX-License-Identifier: MIT */
/*
 * The memory of a simulated world: files that each participant maps at addresses of its own, an arena for what each allocates, memory of
 * the program; saved once, put back before each run, and summed up in one number.
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
    IGNORED = 1024,
    CONSTANTS = 16,
    MAPPINGS = SIM_FIBERS * ALIASES + 1 /* of each file: the participants', and the master */
};

static unsigned char *files;  /* [FILES][MAPPINGS][FILE_BYTES_MAX] */
static unsigned char *arenas; /* [SIM_FIBERS][ARENA_BYTES] */
static unsigned char *saved;  /* room for a copy of everything */
enum { SAVED_BYTES = FILES * FILE_BYTES_MAX + SIM_FIBERS * (ARENA_BYTES + FIBER_STACK_BYTES) + (8 << 20) };

static struct {
    unsigned char *memory;
    size_t bytes;
    bool aside;
} kept[KEPT];
static unsigned kept_count;

static struct {
    uint64_t key;
    size_t bytes;
} constants[CONSTANTS];
static unsigned constant_count;

static uint64_t ignored[IGNORED];
static unsigned ignored_count;

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
    saved = reserve(SAVED_BYTES);
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
    kept_count = ignored_count = constant_count = 0;
    for (unsigned f = 0; f < FILES; f++)
        memset(file_master(f), 0, FILE_BYTES_MAX);
}

static void keep(void *memory, size_t bytes, bool aside) {
    if (kept_count == KEPT)
        abort();
    kept[kept_count].memory = memory;
    kept[kept_count].bytes = bytes;
    kept[kept_count++].aside = aside;
}
void sim_keep(void *memory, size_t bytes) { keep(memory, bytes, false); }
void sim_keep_aside(void *memory, size_t bytes) { keep(memory, bytes, true); }

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
        if (at >= kept[i].memory && at < kept[i].memory + kept[i].bytes)
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

/* ---- save and restore ---- */

struct part {
    unsigned char *memory;
    size_t bytes;
};

static unsigned parts(struct part *part) {
    unsigned n = 0;
    for (unsigned f = 0; f < FILES; f++)
        if (world.os.files[f].inode)
            part[n++] = (struct part){file_master(f), world.os.files[f].bytes};
    for (unsigned i = 0; i < SIM_FIBERS; i++) {
        struct participant *p = &world.p[i];
        if (p->arena_used)
            part[n++] = (struct part){arenas + (size_t)i * ARENA_BYTES, p->arena_used};
        if (p->status == READY) {
            unsigned char *begin = fiber_stack_begin(&p->fiber);
            part[n++] = (struct part){begin, (size_t)(fiber_stack_end(&p->fiber) - begin)};
        }
    }
    for (unsigned i = 0; i < kept_count; i++)
        part[n++] = (struct part){kept[i].memory, kept[i].bytes};
    return n;
}

static struct part saved_parts[FILES + 2 * SIM_FIBERS + KEPT];
static unsigned saved_count;
static struct world saved_world;

void state_save(void) {
    saved_world = world;
    saved_count = parts(saved_parts);
    unsigned char *to = saved;
    for (unsigned i = 0; i < saved_count; i++) {
        memcpy(to, saved_parts[i].memory, saved_parts[i].bytes);
        to += saved_parts[i].bytes;
    }
}

void state_restore(void) {
    world = saved_world;
    const unsigned char *from = saved;
    for (unsigned i = 0; i < saved_count; i++) {
        memcpy(saved_parts[i].memory, from, saved_parts[i].bytes);
        from += saved_parts[i].bytes;
    }
}

/* ---- the state as a number ---- */

void word_ignore(uint64_t key) {
    for (unsigned i = 0; i < ignored_count; i++)
        if (ignored[i] == key)
            return;
    if (key < (uint64_t)FILES * FILE_BYTES_MAX && ignored_count < IGNORED)
        ignored[ignored_count++] = key;
}

/* The contents of a file but for the words to ignore, which are 0 for the moment. */
static uint64_t file_key(unsigned f) {
    uint64_t values[IGNORED];
    unsigned char *memory = file_master(f);
    for (unsigned i = 0; i < ignored_count; i++)
        if (ignored[i] / FILE_BYTES_MAX == f) {
            unsigned char *at = memory + ignored[i] % FILE_BYTES_MAX;
            memcpy(&values[i], at, 8);
            memset(at, 0, 8);
        }
    uint64_t key = XXH3_64bits(memory, world.os.files[f].bytes);
    for (unsigned i = 0; i < ignored_count; i++)
        if (ignored[i] / FILE_BYTES_MAX == f)
            memcpy(memory + ignored[i] % FILE_BYTES_MAX, &values[i], 8);
    return key;
}

uint64_t state_key(void) {
    uint64_t key = mix(world.now_ns, world.current);
    for (unsigned f = 0; f < FILES; f++)
        if (world.os.files[f].inode)
            key = mix(key, file_key(f));
    key = mix(key, XXH3_64bits(&world.os, sizeof world.os));
    for (unsigned i = 0; i < kept_count; i++)
        if (!kept[i].aside)
            key = mix(key, XXH3_64bits(kept[i].memory, kept[i].bytes));
    for (unsigned i = 0; i < program->participants; i++) {
        const struct participant *p = &world.p[i];
        if (has_threads[process_of(i)] && p->status != DEAD)
            key = mix(key, XXH3_64bits(arenas + (size_t)i * ARENA_BYTES, p->arena_used));
        uint64_t rank = 0;
        if (p->status == SLEEPING)
            for (unsigned j = 0; j < program->participants; j++)
                rank += world.p[j].status == SLEEPING && world.p[j].ticket < p->ticket;
        key = mix(key, mix(p->local, (uint64_t)p->status | (uint64_t)p->fresh << 8 | (uint64_t)p->ticked << 9 | rank << 16));
    }
    return mix(key, (uint64_t)world.used.kills | (uint64_t)world.used.freezes << 8 | (uint64_t)world.used.jumps << 16);
}
