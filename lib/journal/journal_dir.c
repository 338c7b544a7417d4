/* SPDX-License-Identifier: MIT */
#include "journal_dir.h"

#include "atomic.h"
#include "error.h"
#include "file.h"
#include "journal_format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- whose it is ---- */

static int wrong_owner(const struct journal_dir *d, int result, const char *why) {
    return fail(result, "journal '%.120s': %s: %s", d->path, JOURNAL_OWNER_NAME, why);
}

static int read_owner(struct journal_dir *d) {
    unsigned char head[OWNER_MIN_BYTES + JOURNAL_PATH_MAX];
    int fd = file_open(d->fd, JOURNAL_OWNER_NAME, FILE_READ);
    if (fd < 0)
        return fd == -ENOENT ? -ENOENT : journal_failed(d, fd, "open", JOURNAL_OWNER_NAME);
    int64_t bytes = file_size(fd);
    int result = bytes < 0 ? (int)bytes : 0;
    bool fits = bytes >= OWNER_MIN_BYTES && bytes <= (int64_t)sizeof head;
    if (result == 0 && fits)
        result = journal_read_all(fd, head, (size_t)bytes, 0);
    file_close(fd);
    if (result < 0)
        return journal_failed(d, result, "read", JOURNAL_OWNER_NAME);
    if (!fits)
        return wrong_owner(d, RP_CORRUPT, "it is too short or too long");
    bool newer;
    const char *why = journal_head_check(head, (size_t)bytes, JOURNAL_OWNER_MAGIC, &newer);
    uint64_t name_bytes = get64(head + OWNER_NAME_BYTES);
    if (why != NULL)
        return wrong_owner(d, newer ? RP_INCOMPATIBLE : RP_CORRUPT, why);
    if (name_bytes >= sizeof d->queue || name_bytes != (uint64_t)bytes - OWNER_MIN_BYTES ||
        memchr(head + OWNER_NAME, 0, name_bytes))
        return wrong_owner(d, RP_CORRUPT, "the queue's name is damaged");
    memcpy(d->id, head + HEAD_ID, sizeof d->id);
    memcpy(d->queue, head + OWNER_NAME, name_bytes);
    d->queue[name_bytes] = 0;
    return 0;
}

/* Under a private name first: nobody sees half of it. -EEXIST: another was faster. */
static int write_owner(struct journal_dir *d, const char *queue) {
    unsigned char head[OWNER_MIN_BYTES + JOURNAL_PATH_MAX] = {0};
    unsigned char id[JOURNAL_ID_BYTES];
    put64(id, journal_random());
    put64(id + 8, journal_random());
    size_t name_bytes = strlen(queue), bytes = OWNER_MIN_BYTES + name_bytes;
    journal_head_begin(head, JOURNAL_OWNER_MAGIC, id);
    put64(head + OWNER_NAME_BYTES, name_bytes);
    memcpy(head + OWNER_NAME, queue, name_bytes);
    put64(head + bytes - 8, journal_check(head, bytes - 8, 0));

    char name[JOURNAL_NAME_MAX];
    journal_private_name(name);
    int fd = file_open(d->fd, name, FILE_CREATE);
    if (fd < 0)
        return journal_failed(d, fd, "create", name);
    int result = journal_write_all(fd, head, bytes, 0);
    if (result == 0 && !MUTANT(journal_owner_unsynced))
        result = file_sync(fd);
    file_close(fd);
    if (result < 0)
        result = journal_failed(d, result, "write", name);
    else if ((result = file_link(d->fd, name, JOURNAL_OWNER_NAME)) < 0 && result != -EEXIST)
        result = journal_failed(d, result, "name", JOURNAL_OWNER_NAME);
    file_remove(d->fd, name);
    return result;
}

/* ---- the directory ---- */

static int make_directory(const char *path) {
    int result = file_make_directory(path);
    if (result < 0 && result != -EEXIST)
        return fail(result, "journal '%.120s': make the directory: %s", path, rp_error_text(result));
    char parent[JOURNAL_PATH_MAX]; /* also for one that is there: its maker may have stopped before this */
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    while (bytes > 0 && path[bytes - 1] != '/')
        bytes--;
    snprintf(parent, sizeof parent, "%.*s", bytes ? (int)bytes : 1, bytes ? path : ".");
    int fd = file_open_directory(parent);
    if (fd == -EACCES)
        return 0; /* not ours to look at: whoever made it has seen to it */
    result = fd < 0 ? fd : MUTANT(journal_parent_unsynced) ? 0 : file_sync(fd);
    if (fd >= 0)
        file_close(fd);
    return result < 0 ? fail(result, "journal '%.120s': sync '%.60s': %s", path, parent, rp_error_text(result)) : 0;
}

static int open_directory(const char *path, struct journal_dir *d) {
    if (path == NULL || *path == 0 || strlen(path) >= sizeof d->path)
        return fail(-EINVAL, "a journal needs the path of a directory, of less than %d bytes", JOURNAL_PATH_MAX);
    *d = (struct journal_dir){.fd = -1};
    strcpy(d->path, path);
    d->fd = file_open_directory(path);
    return d->fd < 0 ? journal_failed(d, d->fd, "open", NULL) : 0;
}

/* 0, or what is wrong, with the directory closed. */
static int opened(struct journal_dir *d, int result, const char *queue) {
    if (result == 0 && queue != NULL && strcmp(queue, d->queue) != 0)
        result = fail(-EEXIST, "journal '%.120s' is that of queue '%.100s'", d->path, d->queue);
    if (result < 0)
        journal_dir_close(d);
    return result;
}

int journal_dir_open(const char *path, const char *queue, struct journal_dir *d) {
    int result = open_directory(path, d);
    if (result < 0)
        return result;
    result = read_owner(d);
    if (result == -ENOENT)
        fail(result, "'%.120s' is no journal: it has no file '%s'", d->path, JOURNAL_OWNER_NAME);
    return opened(d, result, queue);
}

static int no_files(const struct journal_dir *d) {
    uint64_t *numbers;
    size_t count;
    int result = journal_dir_list(d, &numbers, &count);
    if (result < 0)
        return result;
    free(numbers);
    return count == 0 ? 0
                      : fail(-ENOTEMPTY, "journal '%.120s' has files, and no file '%s' that says whose they are", d->path,
                             JOURNAL_OWNER_NAME);
}

int journal_dir_create(const char *path, const char *queue, struct journal_dir *d) {
    if (queue == NULL || *queue == 0 || strlen(queue) >= sizeof d->queue)
        return fail(-EINVAL, "a journal needs the name of its queue");
    int result = path != NULL && *path != 0 && strlen(path) < sizeof d->path ? make_directory(path) : 0;
    if (result == 0)
        result = open_directory(path, d);
    if (result < 0)
        return result;
    result = read_owner(d);
    if (result == -ENOENT) {
        result = no_files(d);
        if (result == 0)
            result = write_owner(d, queue);
        if (result == 0 || result == -EEXIST)
            result = read_owner(d);
    }
    if (result == 0 && !MUTANT(journal_owner_unnamed)) { /* also for one that is there: its maker may have stopped before this */
        result = file_sync(d->fd);
        if (result < 0)
            journal_failed(d, result, "sync", NULL);
    }
    return opened(d, result, queue);
}

void journal_dir_close(struct journal_dir *d) {
    file_close(d->fd);
    d->fd = -1;
}

/* ---- its files ---- */

struct listed {
    uint64_t *numbers;
    size_t count, room;
};

static int list_one(void *context, const char *name) {
    struct listed *l = context;
    uint64_t number = journal_file_number(name);
    if (number == 0)
        return 0;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        uint64_t *more = realloc(l->numbers, room * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        l->numbers = more;
        l->room = room;
    }
    l->numbers[l->count++] = number;
    return 0;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int journal_dir_list(const struct journal_dir *d, uint64_t **numbers, size_t *count) {
    struct listed l = {NULL, 0, 0};
    int result = file_list(d->fd, list_one, &l);
    if (result < 0) {
        free(l.numbers);
        return journal_failed(d, result, "list", NULL);
    }
    if (l.count > 0)
        qsort(l.numbers, l.count, sizeof *l.numbers, by_number);
    *numbers = l.numbers;
    *count = l.count;
    return 0;
}

int journal_dir_drop(const struct journal_dir *d, uint64_t number) {
    char name[JOURNAL_NAME_MAX];
    journal_file_name(number, name);
    int result = file_remove(d->fd, name);
    return result < 0 && result != -ENOENT ? journal_failed(d, result, "remove", name) : result;
}

struct collected {
    const struct journal_dir *d;
    int count;
};

static int collect_one(void *context, const char *name) {
    struct collected *c = context;
    if (strchr(name, '~') != NULL && file_remove(c->d->fd, name) == 0)
        c->count++;
    return 0;
}

int journal_dir_collect(const struct journal_dir *d) {
    struct collected c = {d, 0};
    int result = file_list(d->fd, collect_one, &c);
    return result < 0 ? journal_failed(d, result, "list", NULL) : c.count;
}
