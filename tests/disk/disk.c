/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include "file.h"
#include "file_lock.h"
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 48, NAMES = 64, NAME_BYTES = 64, HANDLES = 64, PAST_MAX = 12, VERSIONS = 512, NOTHING = -1 };
enum { FD_PARENT = 1000, FD_DIRECTORY = 1001, FD_FILES = 2000 };

struct version {
    uint32_t sector;
    unsigned char bytes[DISK_SECTOR_BYTES];
};

struct content {
    bool used;
    size_t size, disk_size;
    size_t version_count;
    struct version versions[VERSIONS];                                 /* written since the last sync, oldest first */
    unsigned char now[DISK_FILE_MAX_BYTES], disk[DISK_FILE_MAX_BYTES]; /* zero beyond their sizes */
};

struct name {
    char text[NAME_BYTES]; /* "": none */
    int now, disk;         /* file, or NOTHING */
    int past[PAST_MAX];    /* what it meant since the directory was synced, oldest first */
    int past_count;
};

struct handle {
    int file; /* NOTHING: closed */
    unsigned how;
    bool owned;
};

struct disk {
    struct content files[FILES];
    struct name names[NAMES];
    struct handle handles[HANDLES];
    bool directory, directory_on_disk;
    bool off, no_direct;
    bool reserves; /* file_reserve: or it cannot say */
    uint64_t random, changes, end_at, calls, fail_at, fail_for;
    enum disk_end end;
    enum disk_fault fault;
};
static struct disk *disk; /* all processes share it */
static bool dying;        /* this one, when its call has done its part */
static bool looking;

const char *disk_mutant;
bool sim_mutant(const char *name);
bool sim_mutant(const char *name) { return disk_mutant != NULL && strcmp(disk_mutant, name) == 0; }

uint64_t disk_random(void) {
    disk->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = disk->random;
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

void disk_seed(uint64_t seed) { disk->random = seed; }
bool disk_has(int fd) { return fd >= FD_FILES && fd < FD_FILES + HANDLES; }

/* ---- state ---- */

/* Behind it there are zeros. */
static size_t extent(const struct content *c) { return c->size > c->disk_size ? c->size : c->disk_size; }

static void content_make(struct content *c) {
    memset(c->now, 0, extent(c));
    memset(c->disk, 0, extent(c));
    c->used = true;
    c->size = c->disk_size = c->version_count = 0;
}

void disk_reset(uint64_t seed) {
    if (disk == NULL)
        disk = machine_shared(sizeof *disk);
    for (int i = 0; i < FILES; i++)
        disk->files[i].used = false;
    memset(disk->names, 0, sizeof disk->names);
    for (int i = 0; i < HANDLES; i++)
        disk->handles[i].file = NOTHING;
    disk->directory = disk->directory_on_disk = disk->off = disk->no_direct = false;
    disk->random = seed;
    disk->reserves = disk_random() % 2 == 0;
    disk->changes = disk->end_at = disk->calls = disk->fail_at = 0;
}

void disk_end_at(uint64_t call) { disk_end_with(DISK_POWER, call); }
void disk_end_with(enum disk_end end, uint64_t call) {
    disk->end = end;
    disk->end_at = call ? disk->changes + call : 0;
}
uint64_t disk_changes(void) { return disk->changes; }
bool disk_is_off(void) { return disk->off; }
void disk_cut_power(void) { disk->off = true; }
void disk_on(void) {
    disk->off = false;
    disk->end_at = 0;
}
void disk_fail_at(uint64_t call, enum disk_fault fault) {
    disk->fail_at = call ? disk->calls + call : 0;
    disk->fail_for = 1;
    disk->fault = fault;
}
void disk_fail_for(uint64_t calls) { disk->fail_for = calls; }
void disk_refuse_direct(void) { disk->no_direct = true; }
uint64_t disk_calls(void) { return disk->calls; }
void disk_look(bool looks) { looking = looks; }

static bool is_named(int file) {
    for (int i = 0; i < NAMES; i++) {
        const struct name *n = &disk->names[i];
        bool meant = n->text[0] && (n->now == file || n->disk == file);
        for (int k = 0; n->text[0] && k < n->past_count; k++)
            meant |= n->past[k] == file;
        if (meant)
            return true;
    }
    for (int i = 0; i < HANDLES; i++)
        if (disk->handles[i].file == file)
            return true;
    return false;
}

static int new_file(void) {
    for (int i = 0; i < FILES; i++)
        if (!disk->files[i].used || !is_named(i)) {
            content_make(&disk->files[i]);
            return i;
        }
    abort();
}

/* NULL: there was never such a name. */
static struct name *find(const char *text, bool make) {
    struct name *free_one = NULL;
    for (int i = 0; i < NAMES; i++) {
        struct name *n = &disk->names[i];
        if (n->text[0] && strcmp(n->text, text) == 0)
            return n;
        if (free_one == NULL && (n->text[0] == 0 || (n->now == NOTHING && n->disk == NOTHING && n->past_count == 0)))
            free_one = n;
    }
    if (!make)
        return NULL;
    if (free_one == NULL || strlen(text) >= NAME_BYTES)
        abort();
    *free_one = (struct name){.now = NOTHING, .disk = NOTHING};
    strcpy(free_one->text, text);
    return free_one;
}

static void mean(struct name *n, int file) {
    if (n->past_count == PAST_MAX) { /* older ones are forgotten: fewer ways to survive */
        memmove(n->past, n->past + 1, (PAST_MAX - 1) * sizeof n->past[0]);
        n->past_count--;
    }
    n->past[n->past_count++] = n->now = file;
}

static void settle_content(struct content *c) {
    for (size_t i = 0; i < c->version_count; i++) {
        size_t at = (size_t)c->versions[i].sector * DISK_SECTOR_BYTES;
        memcpy(c->disk + at, c->now + at, DISK_SECTOR_BYTES);
    }
    c->disk_size = c->size;
    c->version_count = 0;
}

static void settle_names(void) {
    for (int i = 0; i < NAMES; i++) {
        disk->names[i].disk = disk->names[i].now;
        disk->names[i].past_count = 0;
    }
}

void disk_settle(void) {
    for (int i = 0; i < FILES; i++) {
        if (disk->files[i].used) {
            memcpy(disk->files[i].disk, disk->files[i].now, extent(&disk->files[i]));
            settle_content(&disk->files[i]);
        }
    }
    settle_names();
    disk->directory_on_disk = disk->directory;
}

/* ---- loss of power ---- */

/* Who decides what survives: numbers, or fate. */
struct chooser {
    const unsigned *choices;
    size_t count;
    unsigned *counts;
    size_t room, asked;
    enum disk_fate fate;
    bool by_fate;
};

/* One of 0 .. count-1: 0 is what was on disk, count-1 the newest. */
static unsigned choose(struct chooser *x, unsigned count) {
    if (x->by_fate) {
        switch (x->fate) {
        case DISK_FORGETS: return 0;
        case DISK_KEEPS: return count - 1;
        default: return (unsigned)(disk_random() % count);
        }
    }
    size_t i = x->asked++;
    if (i < x->room)
        x->counts[i] = count;
    return i < x->count ? x->choices[i] % count : 0;
}

static void lose_content(struct content *c, struct chooser *x) {
    bool last_only = x->by_fate && x->fate == DISK_LAST;
    uint32_t last_sector = c->version_count ? c->versions[c->version_count - 1].sector : 0;
    for (size_t i = 0; i < c->version_count; i++) {
        struct version *v = &c->versions[i];
        bool first = true;
        unsigned count = 1, at = 0;
        for (size_t k = 0; k < c->version_count; k++) {
            if (c->versions[k].sector == v->sector) {
                first &= k >= i;
                count++;
            }
        }
        if (!first)
            continue;
        unsigned choice = last_only ? (v->sector + 2 >= last_sector ? count - 1 : 0) : choose(x, count);
        for (size_t k = 0; k < c->version_count && choice > 0; k++)
            if (c->versions[k].sector == v->sector && ++at == choice)
                memcpy(c->disk + (size_t)v->sector * DISK_SECTOR_BYTES, c->versions[k].bytes, DISK_SECTOR_BYTES);
        if (x->by_fate && x->fate == DISK_GARBLES && disk_random() % 4 == 0)
            for (size_t k = disk_random() % DISK_SECTOR_BYTES; k < DISK_SECTOR_BYTES; k++)
                c->disk[(size_t)v->sector * DISK_SECTOR_BYTES + k] = (unsigned char)disk_random();
    }
    const size_t most = extent(c);
    if (c->size != c->disk_size && choose(x, 2) == 1)
        c->disk_size = c->size;
    memset(c->disk + c->disk_size, 0, most - c->disk_size);
    memcpy(c->now, c->disk, most);
    c->size = c->disk_size;
    c->version_count = 0;
}

static void lose(struct chooser *x) {
    if (disk->directory && !disk->directory_on_disk && choose(x, 2) == 0) {
        disk->directory = false;
        memset(disk->names, 0, sizeof disk->names);
    }
    disk->directory_on_disk = disk->directory;
    for (int i = 0; i < NAMES; i++) {
        struct name *n = &disk->names[i];
        if (n->text[0] && n->past_count > 0) {
            unsigned choice = choose(x, (unsigned)n->past_count + 1);
            n->now = choice == 0 ? n->disk : n->past[choice - 1];
        }
    }
    settle_names();
    for (int i = 0; i < HANDLES; i++)
        disk->handles[i].file = NOTHING;
    for (int i = 0; i < FILES; i++)
        if (disk->files[i].used && is_named(i))
            lose_content(&disk->files[i], x);
    disk_on();
    disk->fail_at = 0;
}

void disk_restart(enum disk_fate fate) {
    struct chooser x = {.by_fate = true, .fate = fate};
    lose(&x);
}

size_t disk_restart_chosen(const unsigned *choices, size_t count, unsigned *counts, size_t room) {
    struct chooser x = {choices, count, counts, room, 0, DISK_FORGETS, false};
    lose(&x);
    return x.asked;
}

/* ---- calls ---- */

/* The call at which it ends. */
static int end(bool transfers, bool *partly) {
    disk->end_at = 0;
    switch (disk->end) {
    case DISK_STOP: raise(SIGSTOP); return 0; /* and somebody lets it go on, late */
    case DISK_KILL:
        if (!transfers)
            _exit(DISK_KILLED);
        dying = true;
        break;
    default: disk->off = true;
    }
    *partly = transfers;
    return -EIO;
}

/* What becomes of a call: 0, or the error it is to return. `*cut`: of a write only part is to be done, and then it fails, or not if `*shortened`. */
static int enter(bool changes, bool transfers, bool *partly, bool *shortened) {
    *partly = *shortened = false;
    if (disk->off)
        return -EIO;
    if (looking)
        return 0;
    if (changes && ++disk->changes == disk->end_at)
        return end(transfers, partly);
    bool can = disk->fault != DISK_SHORT || transfers;
    if (can)
        disk->calls++;
    if (can && disk->fail_at != 0 && disk->calls >= disk->fail_at && disk->calls < disk->fail_at + disk->fail_for) {
        switch (disk->fault) {
        case DISK_EIO: *partly = transfers; return -EIO;
        case DISK_ENOSPC: *partly = transfers; return -ENOSPC;
        case DISK_EINTR: return transfers ? -EINTR : 0;
        default: *shortened = true; return 0;
        }
    }
    return 0;
}

static int enter_plain(bool changes) {
    bool partly, shortened;
    return enter(changes, false, &partly, &shortened);
}

static struct handle *handle_of(int fd) {
    if (!disk_has(fd) || disk->handles[fd - FD_FILES].file == NOTHING)
        abort();
    return &disk->handles[fd - FD_FILES];
}

static int handles_of(int file, bool owned) {
    int count = 0;
    for (int i = 0; i < HANDLES; i++)
        count += disk->handles[i].file == file && (!owned || disk->handles[i].owned);
    return count;
}

int file_open_directory(const char *path) {
    int result = enter_plain(false);
    if (result < 0)
        return result;
    if (strcmp(path, DISK_PATH) == 0)
        return disk->directory ? FD_DIRECTORY : -ENOENT;
    return FD_PARENT;
}

int file_make_directory(const char *path) {
    int result = enter_plain(true);
    if (result < 0)
        return result;
    if (strcmp(path, DISK_PATH) != 0)
        abort();
    if (disk->directory)
        return -EEXIST;
    disk->directory = true;
    return 0;
}

int file_open(int directory, const char *text, unsigned how) {
    int result = enter_plain((how & FILE_CREATE) != 0);
    if (result < 0)
        return result;
    if (directory != FD_DIRECTORY)
        abort();
    if (how & FILE_DIRECT && disk->no_direct)
        return -EINVAL;
    struct name *n = find(text, (how & FILE_CREATE) != 0);
    int file = n ? n->now : NOTHING;
    if (how & FILE_CREATE) {
        if (file != NOTHING)
            return -EEXIST;
        file = new_file();
        mean(n, file);
    }
    if (file == NOTHING)
        return -ENOENT;
    if (handles_of(file, true) > 0)
        return -EAGAIN;
    for (int i = 0; i < HANDLES; i++)
        if (disk->handles[i].file == NOTHING) {
            disk->handles[i] = (struct handle){file, how, false};
            return FD_FILES + i;
        }
    return -EMFILE;
}

void file_close(int fd) {
    if (disk_has(fd))
        disk->handles[fd - FD_FILES].file = NOTHING;
}

int file_own(int fd) {
    int result = enter_plain(false);
    if (result < 0)
        return result;
    struct handle *h = handle_of(fd);
    h->owned = handles_of(h->file, false) == 1;
    int links = 0;
    for (int i = 0; i < NAMES; i++)
        links += disk->names[i].text[0] && disk->names[i].now == h->file;
    return !h->owned ? -EAGAIN : links > 1 ? -EMLINK : 0;
}

int64_t file_size(int fd) {
    int result = enter_plain(false);
    return result < 0 ? result : (int64_t)disk->files[handle_of(fd)->file].size;
}

int file_reserve(int fd, uint64_t bytes) {
    struct content *c = &disk->files[handle_of(fd)->file];
    int result = enter_plain(true);
    if (result < 0 || bytes > DISK_FILE_MAX_BYTES || !disk->reserves)
        return result < 0 ? result : bytes > DISK_FILE_MAX_BYTES ? -ENOSPC : -EOPNOTSUPP;
    c->size = bytes > c->size ? (size_t)bytes : c->size;
    return 0;
}

int64_t file_read(int fd, void *buffer, size_t bytes, uint64_t at) {
    bool partly, shortened;
    int result = enter(false, true, &partly, &shortened);
    if (result < 0)
        return result;
    const struct content *c = &disk->files[handle_of(fd)->file];
    if (at >= c->size)
        return 0;
    if (bytes > c->size - at)
        bytes = c->size - at;
    if (shortened && bytes > 1)
        bytes = 1 + disk_random() % (bytes - 1);
    memcpy(buffer, c->now + at, bytes);
    return (int64_t)bytes;
}

static void remember(struct content *c, uint32_t sector) {
    if (c->version_count == VERSIONS) { /* the oldest is on disk by now */
        memcpy(c->disk + (size_t)c->versions[0].sector * DISK_SECTOR_BYTES, c->versions[0].bytes, DISK_SECTOR_BYTES);
        memmove(c->versions, c->versions + 1, (VERSIONS - 1) * sizeof *c->versions);
        c->version_count--;
    }
    struct version *v = &c->versions[c->version_count++];
    v->sector = sector;
    memcpy(v->bytes, c->now + (size_t)sector * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
}

int64_t file_write(int fd, const void *data, size_t bytes, uint64_t at) {
    bool partly, shortened;
    struct handle *h = handle_of(fd);
    struct content *c = &disk->files[h->file];
    if (!(h->how & (FILE_WRITE | FILE_CREATE)) || at + bytes > DISK_FILE_MAX_BYTES || bytes == 0)
        abort();
    if (h->how & FILE_DIRECT && (at % 4096 != 0 || bytes % 4096 != 0 || (uintptr_t)data % 4096 != 0))
        return -EINVAL;
    int result = enter(true, true, &partly, &shortened);
    if (result < 0 && !partly)
        return result;
    if (shortened && bytes > 1)
        bytes = h->how & FILE_DIRECT ? bytes > 4096 ? 4096 : bytes : 1 + disk_random() % (bytes - 1);
    uint64_t kept = 0;
    for (uint64_t from = at; from < at + bytes;) {
        uint32_t sector = (uint32_t)(from / DISK_SECTOR_BYTES);
        uint64_t to = ((uint64_t)sector + 1) * DISK_SECTOR_BYTES;
        if (to > at + bytes)
            to = at + bytes;
        bool same = to <= c->size && memcmp(c->now + from, (const char *)data + (from - at), to - from) == 0;
        if (same) /* by who was stopped in a write that was nearly over: such a sector is not torn */
            kept = to;
        else if (!partly || disk_random() % 2 == 0) {
            memcpy(c->now + from, (const char *)data + (from - at), to - from);
            remember(c, sector);
            kept = to;
        }
        from = to;
    }
    if (kept > c->size)
        c->size = kept;
    if (dying)
        _exit(DISK_KILLED);
    if (result < 0)
        return result;
    if (h->how & FILE_DIRECT)
        settle_content(c);
    return (int64_t)bytes;
}

static int sync_it(int fd) {
    bool partly, shortened;
    int result = enter(true, true, &partly, &shortened);
    if (dying && disk_random() % 2 == 0)
        _exit(DISK_KILLED); /* else it sees the sync fail, and is killed in its next write */
    if (result == -EINTR || shortened)
        result = 0;
    if (fd == FD_PARENT || fd == FD_DIRECTORY) {
        if (result == 0 && fd == FD_PARENT)
            disk->directory_on_disk = disk->directory;
        if (result == 0 && fd == FD_DIRECTORY)
            settle_names();
        return result;
    }
    struct content *c = &disk->files[handle_of(fd)->file];
    if (result == 0)
        settle_content(c);
    else if (!disk->off) { /* what was not written is forgotten: the next sync finds nothing to do, and says 0 */
        for (size_t i = 0; i < c->version_count; i++)
            if (disk_random() % 2 == 0)
                memcpy(c->disk + (size_t)c->versions[i].sector * DISK_SECTOR_BYTES, c->versions[i].bytes, DISK_SECTOR_BYTES);
        c->version_count = 0;
    }
    return result;
}

int file_sync(int fd) { return sync_it(fd); }
int file_sync_data(int fd) { return sync_it(fd); }

int file_link(int directory, const char *from, const char *to) {
    int result = enter_plain(true);
    if (result < 0)
        return result;
    struct name *source = find(from, false);
    if (directory != FD_DIRECTORY || source == NULL || source->now == NOTHING)
        return -ENOENT;
    struct name *target = find(to, true);
    if (target->now != NOTHING)
        return -EEXIST;
    mean(target, source->now);
    return 0;
}

int file_remove(int directory, const char *text) {
    int result = enter_plain(true);
    if (result < 0)
        return result;
    struct name *n = find(text, false);
    if (directory != FD_DIRECTORY || n == NULL || n->now == NOTHING)
        return -ENOENT;
    mean(n, NOTHING);
    return 0;
}

int file_rename(int directory, const char *from, const char *to) {
    int result = enter_plain(true);
    if (result < 0)
        return result;
    struct name *source = find(from, false);
    if (directory != FD_DIRECTORY || source == NULL || source->now == NOTHING)
        return -ENOENT;
    mean(find(to, true), source->now);
    mean(source, NOTHING);
    return 0;
}

int file_list(int directory, int (*each)(void *context, const char *name), void *context) {
    int result = enter_plain(false);
    if (directory != FD_DIRECTORY)
        abort();
    for (int i = 0; i < NAMES && result == 0; i++)
        if (disk->names[i].text[0] && disk->names[i].now != NOTHING)
            result = each(context, disk->names[i].text);
    return result;
}

/* Who has a journal is known otherwise here (tests/multi has the locks). */
int file_lock(int fd, uint64_t byte, bool exclusive) {
    (void)handle_of(fd), (void)byte, (void)exclusive;
    return 0;
}
int file_is_locked(int fd, uint64_t byte) {
    (void)handle_of(fd), (void)byte;
    return 0;
}

/* ---- for tests ---- */

unsigned char *disk_file(const char *name, size_t *bytes) {
    struct name *n = find(name, false);
    if (n == NULL || n->now == NOTHING)
        return NULL;
    *bytes = disk->files[n->now].size;
    return disk->files[n->now].now;
}

static void put(const char *name, const void *data, size_t bytes) {
    disk->directory = true;
    struct name *n = find(name, true);
    n->now = NOTHING;
    if (data != NULL) {
        int file = n->now = new_file();
        struct content *c = &disk->files[file];
        c->size = bytes < DISK_FILE_MAX_BYTES ? bytes : DISK_FILE_MAX_BYTES;
        memcpy(c->now, data, c->size);
    }
}

void disk_put(const char *name, const void *data, size_t bytes) {
    put(name, data, bytes);
    disk_settle();
}

void disk_cut(const char *name, size_t bytes) {
    struct content *c = &disk->files[find(name, false)->now];
    c->size = bytes < c->size ? bytes : c->size;
    memset(c->now + c->size, 0, DISK_FILE_MAX_BYTES - c->size);
    disk_settle();
}

void disk_rename(const char *from, const char *to) {
    struct name *source = find(from, false), *target = find(to, true);
    int file = source->now;
    source->now = NOTHING;
    target->now = file;
    disk_settle();
}

void disk_names(void (*each)(void *context, const char *name), void *context) {
    for (int i = 0; i < NAMES; i++)
        if (disk->names[i].text[0] && disk->names[i].now != NOTHING)
            each(context, disk->names[i].text);
}

struct disk_copy {
    struct {
        char name[NAME_BYTES];
        size_t bytes;
        unsigned char *data;
    } files[NAMES];
    int count;
};

struct disk_copy *disk_save(void) {
    struct disk_copy *copy = calloc(1, sizeof *copy);
    for (int i = 0; copy && i < NAMES; i++) {
        size_t bytes;
        const unsigned char *data = disk->names[i].text[0] ? disk_file(disk->names[i].text, &bytes) : NULL;
        if (data == NULL)
            continue;
        strcpy(copy->files[copy->count].name, disk->names[i].text);
        copy->files[copy->count].bytes = bytes;
        copy->files[copy->count].data = malloc(bytes + 1);
        if (copy->files[copy->count].data == NULL)
            abort();
        memcpy(copy->files[copy->count++].data, data, bytes);
    }
    return copy;
}

void disk_load(const struct disk_copy *copy) {
    disk_reset(disk->random);
    for (int i = 0; i < copy->count; i++)
        put(copy->files[i].name, copy->files[i].data, copy->files[i].bytes);
    disk_settle();
}

void disk_free(struct disk_copy *copy) {
    for (int i = 0; i < copy->count; i++)
        free(copy->files[i].data);
    free(copy);
}

bool disk_same(const struct disk_copy *copy) {
    for (int i = 0; i < copy->count; i++) {
        size_t bytes;
        const unsigned char *data = disk_file(copy->files[i].name, &bytes);
        if (data == NULL || bytes != copy->files[i].bytes || memcmp(data, copy->files[i].data, bytes) != 0)
            return false;
    }
    return true;
}

bool disk_contains(const struct disk_copy *copy, const struct disk_copy *other) {
    for (int i = 0; i < other->count; i++) {
        bool found = strchr(other->files[i].name, '~') != NULL; /* of those no more is asked */
        for (int k = 0; k < copy->count && !found; k++)
            found = copy->files[k].bytes == other->files[i].bytes &&
                    memcmp(copy->files[k].data, other->files[i].data, other->files[i].bytes) == 0;
        if (!found)
            return false;
    }
    return true;
}
