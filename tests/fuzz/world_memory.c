/* SPDX-License-Identifier: MIT */
/* A platform in memory (see world.h): what lib/platform says it does, without the operating system. One thread. */
#include "clock.h"
#include "error.h"
#include "fork.h"
#include "futex.h"
#include "fuzz.h"
#include "layout.h"
#include "liveness.h"
#include "process.h"
#include "shm.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    PAGES_MAX = 64, /* of a segment */
    WRITABLE = 5,   /* mappings at a time */
    READABLE = 2,
    ALIASES = 1 + WRITABLE + READABLE, /* the first is the harness's own */
    FILES = 2,
    SEATS_MAX = 64
};

/* The memory of a file of so many pages: mapped as often as it will be, each mapping between guard pages. */
struct arena {
    unsigned char *start;
    size_t stride; /* from one mapping to the next, a guard page included */
};

struct file {
    const char *path;
    struct arena *arena;
    size_t bytes;
    bool linked;
    uint64_t others;         /* seats whose owners live elsewhere */
    uint64_t locks[ALIASES]; /* seats locked by whoever has this mapping */
    bool mapped[ALIASES];
    struct arena arenas[PAGES_MAX + 1];
};

static struct file files[FILES] = {{.path = "/damaged"}, {.path = "/healthy"}};
const char *world_damaged = "/damaged", *world_healthy = "/healthy";
bool world_layout_known;
static struct layout layout_of_damaged; /* that the file began with; the one in force while world_layout_known */
static uint64_t now_ns = UINT64_C(1000000000000), random_state = 1;

/* One attachment is under way at a time: its descriptor is the file's number, its locks wait here for a mapping to keep them. */
static uint64_t attaching;
static unsigned attaching_alias;

static size_t pages_of(size_t bytes) { return (bytes + PAGE - 1) / PAGE; }

static struct arena *arena_of(struct file *f, size_t bytes) {
    size_t pages = pages_of(bytes);
    must(pages <= PAGES_MAX);
    struct arena *a = &f->arenas[pages];
    if (a->start != NULL)
        return a;
    a->stride = (pages + 1) * PAGE;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
    a->start = mmap(NULL, ALIASES * a->stride + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(a->start != MAP_FAILED);
    for (unsigned i = 0; i < ALIASES && pages > 0; i++) {
        int protection = i <= WRITABLE ? PROT_READ | PROT_WRITE : PROT_READ;
        void *at = a->start + i * a->stride + PAGE;
        must(mmap(at, pages * PAGE, protection, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    }
    close(fd);
    return a;
}

static unsigned char *alias(const struct file *f, unsigned i) { return f->arena->start + i * f->arena->stride + PAGE; }

static void set_size(struct file *f, size_t bytes) {
    for (unsigned i = 0; i < ALIASES; i++)
        must(!f->mapped[i]);
    f->arena = arena_of(f, bytes);
    f->bytes = bytes;
    f->linked = true;
}

/* ---- the harness's side ---- */

void world_prepare(void) {}
void world_clean(void) {}
void world_stop(void) {}
const int64_t world_patience_ns = 1000000;

void world_load(const unsigned char *bytes, size_t count) {
    struct file *f = &files[0];
    set_size(f, count);
    if (count > 0)
        memcpy(alias(f, 0), bytes, count);
    if (count >= sizeof(struct header))
        layout_of_damaged = ((const struct header *)(const void *)alias(f, 0))->layout;
    memset(alias(f, 0) + count, 0, pages_of(count) * PAGE - count); /* as behind the end of a real file */
    f->others = 0;
}

unsigned char *world_bytes(void) { return alias(&files[0], 0); }
size_t world_size(void) { return files[0].bytes; }
void world_others(uint64_t alive) { files[0].others = alive; }
void world_begin(uint64_t random, uint64_t now) {
    random_state = random | 1;
    now_ns = now;
}
uint64_t world_now_ns(void) { return now_ns; }
void world_pass(uint64_t ns) { now_ns += ns; }

bool world_is_writable(const volatile void *word) {
    size_t at = (size_t)((const volatile unsigned char *)word - files[0].arena->start);
    return at < (1 + WRITABLE) * files[0].arena->stride;
}

/* ---- may the library touch this word? ---- */

enum place { ANYWHERE, SLOT, CELL_WORD, DELIVERY_WORD, POSITION, TIME, BITMAP, SEAT, ID_WORD, ID_LINK, ID_FIELD };

/* What a label is about; looked up once for each place in the code. */
static enum place place_of(const char *what) {
    static struct {
        const char *what;
        enum place place;
    } known[256], *k;
    k = &known[((uintptr_t)what >> 3) % 256];
    if (k->what == what)
        return k->place;
    static const char *const labels[] = {"",          "slot",      "cell_word",  "delivery",   "position", "time",
                                         "free_bits", "seat_word", "known_word", "known_link", "known_id"};
    k->what = what;
    k->place = ANYWHERE;
    const char *label = strrchr(what, ' ') + 1;
    for (unsigned i = 1; i < sizeof labels / sizeof labels[0]; i++)
        if (strcmp(label, labels[i]) == 0)
            k->place = (enum place)i;
    return k->place;
}

static bool in_cell(const struct layout *l, size_t at, size_t field) {
    return at >= l->cells && at < l->cells + (uint64_t)l->cell_count * l->cell_stride && (at - l->cells) % l->cell_stride == field;
}
static bool in_line(const struct layout *l, size_t at, size_t field) {
    return at >= l->deliveries && at < l->extras && (at - l->deliveries) % sizeof(struct delivery) == field;
}

/* A word of an id that is kept; -1: not among them. */
static int id_field(const struct layout *l, size_t at) {
    bool in = at >= l->known_ids && at < l->known_ids + (uint64_t)l->known_count * sizeof(struct known_id);
    return in ? (int)((at - l->known_ids) % sizeof(struct known_id)) : -1;
}
static bool in_heads(const struct layout *l, size_t at) {
    return l->known_count > 0 && at >= l->known_heads && at < l->known_heads + (UINT64_C(8) << l->known_shift);
}

static bool belongs(const struct layout *l, size_t at, enum place place) {
    switch (place) {
    case SLOT: return at >= l->lanes && at < l->deliveries;
    case CELL_WORD: return in_cell(l, at, offsetof(struct cell, word));
    case DELIVERY_WORD: return in_cell(l, at, offsetof(struct cell, delivery)) || in_line(l, at, offsetof(struct delivery, word));
    case POSITION: return in_cell(l, at, offsetof(struct cell, position)) || in_line(l, at, offsetof(struct delivery, position));
    case TIME: return in_cell(l, at, offsetof(struct cell, time)) || in_line(l, at, offsetof(struct delivery, time));
    case BITMAP: return at >= l->bitmap && at < l->bitmap + 8 * (uint64_t)l->bitmap_words;
    case SEAT: return at >= l->seats && at < l->bitmap && (at - l->seats) % sizeof(struct seat) == 0;
    case ID_WORD: return id_field(l, at) == offsetof(struct known_id, word);
    case ID_LINK: return id_field(l, at) == offsetof(struct known_id, next) || in_heads(l, at);
    case ID_FIELD: return id_field(l, at) >= (int)offsetof(struct known_id, hash);
    default: return at >= l->control && at < l->bytes;
    }
}

void world_access(const volatile void *word, const char *what) {
    for (unsigned i = 0; i < FILES; i++) {
        const struct file *f = &files[i];
        size_t at = (size_t)((const volatile unsigned char *)word - (f->arena ? f->arena->start : NULL));
        if (f->arena == NULL || at >= ALIASES * f->arena->stride)
            continue;
        unsigned which = (unsigned)(at / f->arena->stride);
        if (!f->mapped[which])
            finding("%s: an access through a mapping that has ended", what);
        at = at % f->arena->stride - PAGE;
        if (i == 0 && world_layout_known && !belongs(&layout_of_damaged, at, place_of(what)))
            finding("%s: an access at offset %#zx, where there is no such word", what, at);
        return;
    }
    if (place_of(what) != ANYWHERE)
        finding("%s: an access outside of all segments", what);
}

/* ---- lib/platform: time, sleep, processes ---- */

uint64_t clock_boot_ns(void) { return now_ns; }
uint64_t clock_wall_ns(void) { return UINT64_C(1700000000000000000) + now_ns; }
uint64_t clock_wall_coarse_ns(void) { return clock_wall_ns(); }
uint64_t coarse_clock_boot_ns(struct coarse_clock *c) {
    c->boot_ns = c->coarse_ns = now_ns;
    return now_ns;
}

int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    if (atomic_load_explicit(word, memory_order_relaxed) == expected)
        now_ns += timeout_ns;
    return 0;
}
int futex_wake(a32 *word, int count) {
    (void)word, (void)count;
    return 0;
}
void spin_pause(void) {}
void spin_yield(void) {}
uint64_t spin_budget_ns(void) { return 0; }

static const volatile uint32_t canary = 1;
const volatile uint32_t *fork_canary_create(void) { return &canary; }
void fork_canary_destroy(const volatile uint32_t *c) { (void)c; }
void fork_lock(void) {}
void fork_unlock(void) {}

uint32_t process_pid(void) { return 4711; }
void process_name(char name[16]) {
    memset(name, 0, 16);
    memcpy(name, "fuzz", 4);
}
uint64_t process_boot_id(void) { return 1; }
uint64_t process_time_namespace(void) { return 1; }
uint64_t process_random(void) { return dice(&random_state); }

/* ---- lib/platform: files ---- */

static struct file *file_of(const char *path) {
    for (unsigned i = 0; i < FILES; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

int shm_path(const char *name, char path[SHM_PATH_MAX]) {
    if (name == NULL || file_of(name) == NULL)
        return fail(-EINVAL, "not a name of this world");
    strcpy(path, name);
    return 0;
}

static int map(struct file *f, bool read_only, void **memory) {
    unsigned from = read_only ? 1 + WRITABLE : 1, to = read_only ? ALIASES : 1 + WRITABLE;
    for (unsigned i = from; i < to; i++)
        if (!f->mapped[i]) {
            f->mapped[i] = true;
            f->locks[i] = 0;
            attaching_alias = i;
            *memory = alias(f, i);
            return 0;
        }
    finding("so many mappings at a time");
}

int shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    must(bytes == files[fd].bytes);
    return map(&files[fd], read_only, memory);
}

void shm_unmap(void *memory, size_t bytes) {
    for (unsigned f = 0; f < FILES; f++)
        for (unsigned i = 1; i < ALIASES; i++)
            if (files[f].arena != NULL && files[f].mapped[i] && alias(&files[f], i) == memory) {
                must(pages_of(bytes) == pages_of(files[f].bytes));
                files[f].mapped[i] = false;
                files[f].locks[i] = 0;
                return;
            }
    finding("unmaps what is not mapped");
}

int shm_create(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault, struct shm_build *b) {
    (void)mode, (void)group, (void)prefault;
    struct file *f = file_of(path);
    if (bytes > (size_t)PAGES_MAX * PAGE)
        return fail(-ENOSPC, "files of this world are small");
    set_size(f, bytes);
    memset(alias(f, 0), 0, bytes);
    f->others = 0;
    *b = (struct shm_build){.fd = (int)(f - files), .bytes = bytes};
    return map(f, false, &b->memory);
}
int shm_stat(int fd, struct shm_identity *id, uint64_t *bytes) { /* identities are all the same, here and in attach_begin */
    *id = (struct shm_identity){0};
    *bytes = files[fd].bytes;
    return 1;
}
int shm_publish(struct shm_build *b) {
    (void)b;
    return 0;
}
void shm_discard(struct shm_build *b) {
    if (b->memory != NULL)
        shm_unmap(b->memory, b->bytes);
    b->memory = NULL;
}
void shm_prefault(void *memory, size_t bytes, bool read_only) { (void)memory, (void)bytes, (void)read_only; }
int shm_remove(const char *path) {
    file_of(path)->linked = false;
    return 0;
}
int shm_collect(const char *directory) {
    (void)directory;
    return 0;
}

/* ---- lib/platform: who is alive ---- */

int attach_begin(const char *path, bool read_only, struct attach *a) {
    (void)read_only;
    struct file *f = file_of(path);
    if (!f->linked)
        return fail(-ENOENT, "'%s' was removed", path);
    *a = (struct attach){.fd = (int)(f - files), .bytes = f->bytes};
    attaching = 0;
    attaching_alias = 0;
    return 0;
}

static uint64_t locked(const struct file *f) {
    uint64_t all = f->others;
    for (unsigned i = 0; i < ALIASES; i++)
        all |= f->locks[i];
    return all;
}

int attach_lock(struct attach *a, uint32_t seat) {
    must(seat < SEATS_MAX);
    if ((locked(&files[a->fd]) | attaching) >> seat & 1)
        return -EAGAIN;
    attaching |= UINT64_C(1) << seat;
    return 0;
}
void attach_unlock(struct attach *a, uint32_t seat) {
    (void)a;
    attaching &= ~(UINT64_C(1) << seat);
}
void attach_end(struct attach *a) {
    if (attaching_alias != 0)
        files[a->fd].locks[attaching_alias] = attaching;
    attaching = 0;
}

void prober_init(struct prober *p, const char *path, const struct shm_identity *identity) {
    p->identity = *identity;
    p->fd = (int)(file_of(path) - files);
    p->path[0] = '/';
}
void prober_close(struct prober *p) { p->fd = -1; }
enum liveness liveness_file(struct prober *p) { return files[p->fd].linked ? LIVENESS_ALIVE : LIVENESS_GONE; }
enum liveness liveness_probe(struct prober *p, uint32_t seat) {
    must(seat < SEATS_MAX);
    if (!files[p->fd].linked)
        return LIVENESS_GONE;
    return locked(&files[p->fd]) >> seat & 1 ? LIVENESS_ALIVE : LIVENESS_DEAD;
}
int death_claim(const struct prober *p, uint32_t seat, struct death *d) {
    *d = (struct death){0};
    must(seat < SEATS_MAX);
    return locked(&files[p->fd]) >> seat & 1 ? -EAGAIN : 0;
}
void death_release(struct death *d) { (void)d; }
