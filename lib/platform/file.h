/* SPDX-License-Identifier: MIT */
/*
 * Files on disk, one system call each: what a test has to replace to be a disk. Nothing is retried or made whole here: a call may do less than asked, or be interrupted (-EINTR). Results are
 * negative errno without a detail; who calls knows what it was for.
 */
#ifndef RP_PLATFORM_FILE_H
#define RP_PLATFORM_FILE_H

#include <stddef.h>
#include <stdint.h>

/* A directory, to be given to the calls below. -> descriptor */
int file_open_directory(const char *path);
/* rwx for the owner and whom the umask lets. -EEXIST: there is something of that name. */
int file_make_directory(const char *path);

enum file_how {
    FILE_READ = 0,
    FILE_WRITE = 1, /* and read */
    FILE_CREATE =
        2, /* and write; who may read and write the directory may do so with the file, whatever the umask. -EEXIST: there is one */
    FILE_DIRECT =
        4 /* past the page cache, and a write that returned is on disk (O_DIRECT, O_DSYNC). -EINVAL: the file system has no such thing */
};
/* -> descriptor. A symbolic link is not followed. -EAGAIN: see file_own. */
int file_open(int directory, const char *name, unsigned how);
void file_close(int fd);

/*
 * Is this the only descriptor of a file, in all processes, stopped ones and heirs included? 0: it is, and until it is closed nobody gets another: -EAGAIN. -EAGAIN: there are others. -EMLINK: it has
 * another name, so somebody may want what is in it. Other errors: the file system, or the file's being another user's, lets nobody know. `fd` is open for writing. (A lease, fcntl F_SETLEASE; who tries to open it meanwhile sends us a SIGURG, which means nothing.)
 */
int file_own(int fd);

/* -EINVAL: not a regular file. */
int64_t file_size(int fd);
/* Has blocks for its first `bytes` bytes, or -ENOSPC. -EFBIG: this process may not write files of that size. -EOPNOTSUPP: the file system cannot say. */
int file_reserve(int fd, uint64_t bytes);

/* -> how many of the bytes, perhaps not all; reading at the end: 0. */
int64_t file_read(int fd, void *buffer, size_t bytes, uint64_t at);
int64_t file_write(int fd, const void *data, size_t bytes, uint64_t at);

/* On disk, what was written: everything (of a directory: its names), or what is needed to read it. After a failure nobody knows what is there, and the next call may say 0 all the same. */
int file_sync(int fd);
int file_sync_data(int fd);

/* Names in a directory; on disk when the directory is synced. */
int file_link(int directory, const char *from, const char *to); /* -EEXIST */
int file_rename(int directory, const char *from, const char *to);
int file_remove(int directory, const char *name);
/* Calls `each` for each name but . and .. until it returns other than 0, which is returned. */
int file_list(int directory, int (*each)(void *context, const char *name), void *context);

#endif
