/* SPDX-License-Identifier: MIT */
/*
 * Locks on bytes of files on disk, which belong to the open file: they last until the last descriptor and the last mapping of it are gone, and so end with the process, however it ends. Nothing waits, or has a detail.
 */
#ifndef RP_PLATFORM_FILE_LOCK_H
#define RP_PLATFORM_FILE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* 0; -EAGAIN: somebody has it otherwise. For `exclusive` the file must be open for writing. */
int file_lock(int fd, uint64_t byte, bool exclusive);

/* 1: another open file has a lock on the byte. */
int file_is_locked(int fd, uint64_t byte);

#endif
