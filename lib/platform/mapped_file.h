/* SPDX-License-Identifier: MIT */
/*
 * Files on disk that processes share by mapping them: made at their full size without blocks, which come and go piece by piece, so that a full disk is an error and never a SIGBUS. On a tmpfs, where
 * also who reads a hole needs a page, they have all blocks from the beginning, and keep them. Errors are negative, with the detail set.
 */
#ifndef RP_PLATFORM_MAPPED_FILE_H
#define RP_PLATFORM_MAPPED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAPPED_FILE_HEAD = 4096 };

/*
 * Makes `path`, of `bytes`, with permissions `mode` and Unix group `group_id`; its first page is `head`, on disk. -> a descriptor that holds a lock on the file: it tells collectors that its
 * maker is at work, and is to be closed. -EEXIST, -EACCES, -ENOSPC, -ENOTSUP: this file system cannot preallocate. On failure there is no file.
 */
int mapped_file_create(const char *path, uint64_t bytes, uint32_t mode, uint32_t group_id, const void *head);

/* Opens `path`, a regular file and no symbolic link, and reads the first `bytes` of it. -> a descriptor; *file_bytes: its size. -ENOENT, -EACCES, -EINVAL. */
int mapped_file_open(const char *path, bool read_only, void *head, size_t bytes, uint64_t *file_bytes);

/* Maps `bytes` of it from `offset` on, not inherited over fork. */
int mapped_file_map(int fd, uint64_t offset, uint64_t bytes, bool read_only, void **memory);
void mapped_file_unmap(void *memory, uint64_t bytes);

/*
 * Blocks for a range, or none any more (what is read there is 0). The file is opened anew by its name for that, since a descriptor that is kept may be closed by the program, and its number be another file's. It must be
 * the one whose first page is `head`. -ENOSPC, -ENOENT, ...
 */
int mapped_file_fill(const char *path, const void *head, size_t head_bytes, uint64_t offset, uint64_t bytes);
int mapped_file_punch(const char *path, const void *head, size_t head_bytes, uint64_t offset, uint64_t bytes);

/* Is its maker still at work? */
bool mapped_file_in_making(int fd);

/* How many bytes it has on disk. */
uint64_t mapped_file_on_disk(const char *path);

int mapped_file_remove(const char *path);

#endif
