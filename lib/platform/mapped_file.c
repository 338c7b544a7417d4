/* SPDX-License-Identifier: MIT */
#include "mapped_file.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static int failed(const char *what, const char *path) {
    return fail(-errno, "cannot %s '%.200s': %s", what, path, strerror(errno));
}

static int allocate(int fd, int mode, uint64_t offset, uint64_t bytes) {
    int result;
    do
        result = fallocate(fd, mode, (off_t)offset, (off_t)bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EOPNOTSUPP)
        errno = ENOTSUP;
    return result;
}

/*
 * In memory, a page of a hole that is only read is allocated, and the reader gets a SIGBUS if there is none. There are no holes there: all blocks are taken at creation, and kept. On a disk a hole
 * is read as 0 and takes nothing.
 */
static bool holes_cost(int fd) {
    struct statfs where;
    return fstatfs(fd, &where) == 0 &&
           (where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC || where.f_type == HUGETLBFS_MAGIC);
}

int mapped_file_create(const char *path, uint64_t bytes, uint32_t mode, uint32_t group_id, const void *head) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("make", path);
    struct stat status;
    bool done = flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, (off_t)bytes) == 0 &&
                allocate(fd, 0, 0, holes_cost(fd) ? bytes : MAPPED_FILE_HEAD) == 0 &&
                pwrite(fd, head, MAPPED_FILE_HEAD, 0) == MAPPED_FILE_HEAD && fstat(fd, &status) == 0 &&
                (status.st_gid == group_id || fchown(fd, (uid_t)-1, (gid_t)group_id) == 0) && fchmod(fd, (mode_t)mode) == 0;
    if (done)
        return fd;
    int result = failed("set up", path);
    unlink(path);
    close(fd);
    return result;
}

int mapped_file_open(const char *path, bool read_only, void *head, size_t bytes, uint64_t *file_bytes) {
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed("open", path);
    struct stat status;
    int result = 0;
    memset(head, 0, bytes);
    if (fstat(fd, &status) != 0 || (S_ISREG(status.st_mode) && pread(fd, head, bytes, 0) < 0))
        result = failed("read", path);
    else if (!S_ISREG(status.st_mode))
        result = fail(-EINVAL, "'%.200s' is not a regular file", path);
    if (result < 0) {
        close(fd);
        return result;
    }
    *file_bytes = (uint64_t)status.st_size;
    return fd;
}

int mapped_file_map(int fd, uint64_t offset, uint64_t bytes, bool read_only, void **memory) {
    void *at = mmap(NULL, bytes, read_only ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return fail(-errno, "cannot map %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
    if (madvise(at, bytes, MADV_DONTFORK) != 0) {
        int result = fail(-errno, "cannot keep a mapping from children: %s", strerror(errno));
        munmap(at, bytes);
        return result;
    }
    *memory = at;
    return 0;
}

void mapped_file_unmap(void *memory, uint64_t bytes) { munmap(memory, bytes); }

static int change(const char *path, const void *head, size_t head_bytes, uint64_t offset, uint64_t bytes, int mode) {
    unsigned char found[MAPPED_FILE_HEAD];
    uint64_t file_bytes;
    int fd = mapped_file_open(path, false, found, head_bytes, &file_bytes);
    if (fd < 0)
        return fd;
    int result = 0;
    if (memcmp(found, head, head_bytes) != 0)
        result = fail(-ENOENT, "'%.200s' is another file now", path);
    else if ((mode == 0 || !holes_cost(fd)) && allocate(fd, mode, offset, bytes) != 0)
        result = failed(mode == 0 ? "get blocks for" : "give back blocks of", path);
    close(fd);
    return result;
}

int mapped_file_fill(const char *path, const void *head, size_t head_bytes, uint64_t offset, uint64_t bytes) {
    return change(path, head, head_bytes, offset, bytes, 0);
}

int mapped_file_punch(const char *path, const void *head, size_t head_bytes, uint64_t offset, uint64_t bytes) {
    return change(path, head, head_bytes, offset, bytes, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

bool mapped_file_in_making(int fd) { return flock(fd, LOCK_SH | LOCK_NB) != 0; }

uint64_t mapped_file_on_disk(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

int mapped_file_remove(const char *path) { return unlink(path) == 0 ? 0 : failed("remove", path); }
