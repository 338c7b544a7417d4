/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0777, FILE_MODE = 0666, PRIVATE_MODE = 0600 };

static int64_t outcome(int64_t result) { return result < 0 ? -errno : result; }
static int result_of(int result) { return result < 0 ? -errno : result; }

int file_open_directory(const char *path) { return result_of(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

int file_make_directory(const char *path) { return result_of(mkdir(path, DIRECTORY_MODE)); }

int file_open(int directory, const char *name, unsigned how) {
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK; /* not to wait where somebody planted a pipe */
    flags |= how & (FILE_WRITE | FILE_CREATE) ? O_RDWR : O_RDONLY;
    flags |= how & FILE_CREATE ? O_CREAT | O_EXCL : 0;
    flags |= how & FILE_DIRECT ? O_DIRECT | O_DSYNC : 0;
    int fd = openat(directory, name, flags, PRIVATE_MODE);
    struct stat status;
    if (fd >= 0 && how & FILE_CREATE && fstat(directory, &status) == 0)
        (void)!fchmod(fd, status.st_mode & FILE_MODE); /* else it stays ours alone */
    return result_of(fd);
}

void file_close(int fd) { close(fd); }

int file_own(int fd) {
    if (fcntl(fd, F_SETSIG, SIGURG) != 0) /* SIGIO would end a process that has no handler for it */
        return -errno;
    struct stat status;
    if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0 || fstat(fd, &status) != 0)
        return -errno;
    return status.st_nlink > 1 ? -EMLINK : 0;
}

int64_t file_size(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    return S_ISREG(status.st_mode) ? (int64_t)status.st_size : -EINVAL;
}

int file_reserve(int fd, uint64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur)
        return -EFBIG; /* the kernel would not just refuse, it would kill (SIGXFSZ) */
    return result_of(fallocate(fd, 0, 0, (off_t)bytes));
}

int64_t file_read(int fd, void *buffer, size_t bytes, uint64_t at) { return outcome(pread(fd, buffer, bytes, (off_t)at)); }

int64_t file_write(int fd, const void *data, size_t bytes, uint64_t at) { return outcome(pwrite(fd, data, bytes, (off_t)at)); }

int file_sync(int fd) { return result_of(fsync(fd)); }

int file_sync_data(int fd) { return result_of(fdatasync(fd)); }

int file_link(int directory, const char *from, const char *to) { return result_of(linkat(directory, from, directory, to, 0)); }

int file_rename(int directory, const char *from, const char *to) { return result_of(renameat(directory, from, directory, to)); }

int file_remove(int directory, const char *name) { return result_of(unlinkat(directory, name, 0)); }

int file_list(int directory, int (*each)(void *context, const char *name), void *context) {
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    int result = 0;
    errno = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(context, entry->d_name);
    if (result == 0)
        result = -errno;
    closedir(entries);
    return result;
}
