/* SPDX-License-Identifier: MIT */
#include "journal_lock.h"

#include "error.h"
#include "file.h"
#include "file_lock.h"
#include "fork.h"
#include "journal_format.h"
#include "shm.h"

#include <errno.h>

enum { PIN_BYTES = 4096, BYTE_WRITING = 0, BYTE_ALONE = 1 };

/* Of two that make it one does, and the other opens that. */
static int open_file(const struct journal_dir *d) {
    int fd;
    do {
        fd = file_open(d->fd, JOURNAL_LOCK_NAME, FILE_WRITE);
        if (fd == -ENOENT)
            fd = file_open(d->fd, JOURNAL_LOCK_NAME, FILE_CREATE);
    } while (fd == -EEXIST || fd == -EINTR);
    return fd < 0 ? journal_failed(d, fd, "open", JOURNAL_LOCK_NAME) : fd;
}

static int take(const struct journal_dir *d, uint64_t byte, bool exclusive, struct journal_lock *l) {
    l->pin = NULL;
    fork_lock(); /* between open and close no child may get the descriptor */
    int fd = open_file(d), result = fd < 0 ? fd : file_lock(fd, byte, exclusive);
    if (result == -EAGAIN)
        (void)fail(result, "journal '%.120s': somebody brings its queue back just now", d->path);
    else if (fd >= 0 && result < 0)
        (void)journal_failed(d, result, "lock", JOURNAL_LOCK_NAME);
    if (result >= 0)
        result = shm_map(fd, PIN_BYTES, true, &l->pin);
    if (fd >= 0)
        file_close(fd);
    fork_unlock();
    return result;
}

int journal_lock_writing(const struct journal_dir *d, struct journal_lock *l) { return take(d, BYTE_WRITING, false, l); }
int journal_lock_alone(const struct journal_dir *d, struct journal_lock *l) { return take(d, BYTE_ALONE, true, l); }

int journal_lock_is_written(const struct journal_dir *d) {
    int fd = open_file(d), result = fd < 0 ? fd : file_is_locked(fd, BYTE_WRITING);
    if (fd >= 0)
        file_close(fd);
    return fd >= 0 && result < 0 ? journal_failed(d, result, "look at", JOURNAL_LOCK_NAME) : result;
}

int journal_life(const struct journal_dir *d, uint64_t *life) {
    unsigned char bytes[8];
    int fd = open_file(d), result = fd < 0 ? fd : journal_read_all(fd, bytes, sizeof bytes, 0);
    if (fd >= 0)
        file_close(fd);
    *life = result == 0 ? get64(bytes) : 0;
    return fd < 0 ? fd : result < 0 && result != -ENODATA ? journal_failed(d, result, "read", JOURNAL_LOCK_NAME) : 0;
}

int journal_set_life(const struct journal_dir *d, uint64_t life) {
    unsigned char bytes[8];
    put64(bytes, life);
    int fd = open_file(d), result = fd < 0 ? fd : journal_write_all(fd, bytes, sizeof bytes, 0);
    if (fd >= 0)
        file_close(fd);
    return fd >= 0 && result < 0 ? journal_failed(d, result, "write", JOURNAL_LOCK_NAME) : result;
}

void journal_unlock(struct journal_lock *l) {
    if (l->pin != NULL)
        shm_unmap(l->pin, PIN_BYTES);
    l->pin = NULL;
}
