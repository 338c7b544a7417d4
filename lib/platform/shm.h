/* SPDX-License-Identifier: MIT */
/*
 * Files in shared memory: named, reserved, published in one step, mapped. Errors are negative, with the detail set.
 */
#ifndef RP_PLATFORM_SHM_H
#define RP_PLATFORM_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHM_PATH_MAX = 4096 };

/*
 * The path of queue `name`: "/dev/shm/ringpost.NAME" for [A-Za-z0-9._-]{1,200}, the name itself when it begins with '/'. -EINVAL otherwise
 * (NULL, empty, too long, other characters; '~' marks private names and is refused in the last component of a path too).
 */
int shm_path(const char *name, char path[SHM_PATH_MAX]);

/*
 * A segment that nobody sees yet. shm_create makes an unnamed file (O_TMPFILE; where that or /proc is missing, a private name that
 * contains '~') of `bytes`, with all memory reserved (-ENOSPC now, never a SIGBUS later), mode and group set whatever the umask, mapped
 * shared and writable at `memory`, all zero. The creator fills it, then shm_publish gives it its name in one step: 0, or -EEXIST.
 * shm_discard ends the build without publishing; after shm_publish it only frees what is local. It may be called again.
 *
 * b->bytes is the file's size: `bytes` rounded up to the file system's pages (4 KiB; on hugetlbfs 2 MiB or 1 GiB).
 * `group` is a name or a number, NULL: the creator's. -EINVAL: no such group, mode beyond 0777, size 0. -EPERM: not a member.
 * Refuses a path whose file system is not tmpfs, ramfs or hugetlbfs: -ENOTSUP. A directory without permission: -EACCES.
 * shm_create itself fails early with -EEXIST when the name is there. On failure there is nothing to discard.
 */
struct shm_build {
    void *memory;
    size_t bytes;
    int fd;
    char path[SHM_PATH_MAX];
    char private_path[SHM_PATH_MAX]; /* "" when unnamed, and after shm_publish */
};
int shm_create(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault, struct shm_build *b);

/*
 * The same, for who has wishes about the pages: `place` is called when the file is mapped and none of its pages is there. The file's size is a multiple of `multiple` (a power of two), and the
 * mapping begins at one. With `touch` pages come from faults in this mapping and not from fallocate, which does not know what was asked of the mapping.
 */
struct shm_wishes {
    void (*place)(void *context, void *memory, size_t bytes, size_t page);
    void *context;
    size_t multiple; /* 0: pages */
    bool touch;
};
int shm_create_placed(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault,
                      const struct shm_wishes *wishes, struct shm_build *b);

int shm_publish(struct shm_build *b);
void shm_discard(struct shm_build *b);

/* The number of a Unix group that is named, or is a number. -EINVAL with the detail set: there is none. */
int shm_group(const char *group, uint32_t *gid);

/* Has anything that name, now? */
bool shm_exists(const char *path);

/* For tests: builds under a private name even where O_TMPFILE and /proc are at hand. */
extern bool shm_force_private_name;

/*
 * Opens an existing segment file anew: its own open file description, O_CLOEXEC. A symbolic link is not followed, because in a directory
 * like /dev/shm anybody may plant one. -> descriptor; -ENOENT, -EACCES, -ENOTSUP (file system), -EINVAL (not a regular file).
 */
int shm_open_file(const char *path, bool read_only);

/* Which file this is, to tell a removed-and-remade name from the one that is attached. */
struct shm_identity {
    uint64_t device;
    uint64_t inode;
};
static inline bool shm_same(const struct shm_identity *a, const struct shm_identity *b) {
    return a->device == b->device && a->inode == b->inode;
}
/* -> link count (0: the name was removed) and the file's size and identity; negative errno. */
int shm_stat(int fd, struct shm_identity *id, uint64_t *bytes);

/* Does the name lead into this file system, whether a file of that name is there or not? A directory that was removed is answered for by the one it was in. */
bool shm_leads_to(const char *path, uint64_t device);

/* Maps `bytes` of the file (its whole size, on hugetlbfs), at a multiple of 2 MiB if it has whole ones and there is room, so that huge pages can be mapped as such; pages are not inherited over fork (MADV_DONTFORK). The mapping keeps the description, and so its locks, alive after close(fd). */
int shm_map(int fd, size_t bytes, bool read_only, void **memory);
void shm_unmap(void *memory, size_t bytes);

/* Enters all pages of a mapping into this process's page table, so that no access takes a page fault later. A hint: where the
   kernel cannot, nothing happens. 0.2 to 0.5 s per GiB. */
void shm_prefault(void *memory, size_t bytes, bool read_only);

/* Removes the name, and the bells beside it that we may remove. -ENOENT, -EACCES, -ENOTSUP: not on a file system for shared memory, so not a segment. */
int shm_remove(const char *path);

/*
 * Removes the private files ('~' names in `directory`, NULL: /dev/shm) of creators that were killed. A creator at work holds an exclusive
 * lock on its private file's first byte, so that what can be locked was left behind. And bells that nobody has open (bell.h). -> how many; -ENOENT, -EACCES.
 */
int shm_collect(const char *directory);

#endif
