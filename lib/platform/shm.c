/* SPDX-License-Identifier: MIT */
#include "shm.h"

#include "bell.h"
#include "error.h"
#include "pages.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DIRECTORY "/dev/shm"
#define PREFIX "ringpost."

enum {
    NAME_MAX_BYTES = 200,
    PRIVATE_NAME_ATTEMPTS = 100,
    HUGE_BYTES = 2 << 20,        /* of most machines; where they are larger, the kernel maps small pages */
    RESERVE_STEP_BYTES = 1 << 20 /* a signal undoes the call it interrupts: so short that a program with a timer gets ahead */
};

bool shm_force_private_name;

static bool is_queue_name(const char *name) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t bytes = strlen(name);
    return bytes >= 1 && bytes <= NAME_MAX_BYTES && strspn(name, allowed) == bytes;
}

int shm_path(const char *name, char path[SHM_PATH_MAX]) {
    if (!name)
        return fail(-EINVAL, "a queue needs a name");
    if (name[0] == '/') {
        const char *last = strrchr(name, '/') + 1;
        if (*last == 0 || strchr(last, '~') || strlen(name) >= SHM_PATH_MAX)
            return fail(-EINVAL, "'%.100s' cannot be the path of a queue", name);
        strcpy(path, name);
        return 0;
    }
    if (!is_queue_name(name))
        return fail(-EINVAL, "'%.60s' is not a queue name: 1 to %d of A-Z a-z 0-9 . _ -, or a path that begins with /", name,
                    NAME_MAX_BYTES);
    snprintf(path, SHM_PATH_MAX, DIRECTORY "/" PREFIX "%s", name);
    return 0;
}

/* errno as the result, with what was tried as the detail. */
static int failed(const char *what, const char *path) { return fail(-errno, "%s '%s': %s", what, path, rp_error_text(-errno)); }

static int check_file_system(const struct statfs *fs, const char *path) {
    switch ((unsigned long)fs->f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case HUGETLBFS_MAGIC: return 0;
    default: return fail(-ENOTSUP, "'%s' is not on a tmpfs or hugetlbfs: shared memory needs a file system in memory", path);
    }
}

/* The directory that `path` lies in, if segments may live there. */
static int segment_directory(const char *path, char directory[SHM_PATH_MAX], struct statfs *fs) {
    size_t bytes = (size_t)(strrchr(path, '/') - path);
    snprintf(directory, SHM_PATH_MAX, "%.*s", bytes ? (int)bytes : 1, path);
    if (statfs(directory, fs) != 0)
        return failed("file system of", directory);
    return check_file_system(fs, directory);
}

static int lock_first_byte(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

/*
 * A named file that tells by a lock that its creator is at work. Between open and lock it looks left behind; a collector that
 * comes just then removes it, which shows as a link count of 0, and the next name is tried.
 */
static int create_private(struct shm_build *b, const char *directory) {
    for (int i = 0; i < PRIVATE_NAME_ATTEMPTS; i++) {
        int bytes = snprintf(b->private_path, SHM_PATH_MAX, "%s/" PREFIX "~%u.%016llx", directory, process_pid(),
                             (unsigned long long)process_random());
        if (bytes >= SHM_PATH_MAX)
            return fail(-ENAMETOOLONG, "'%s' is too long", directory);
        b->fd = open(b->private_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (b->fd < 0 && errno == EEXIST)
            continue;
        if (b->fd < 0)
            return failed("create", b->private_path);
        struct stat status;
        if (lock_first_byte(b->fd) == 0 && fstat(b->fd, &status) == 0 && status.st_nlink > 0)
            return 0;
        close(b->fd);
    }
    return fail(-EAGAIN, "found no private name in '%s'", directory);
}

static int create_file(struct shm_build *b, const char *directory) {
    /* An unnamed file gets its name through /proc, so better no such file than one that cannot be published. */
    if (!shm_force_private_name && access("/proc/self/fd", X_OK) == 0) {
        b->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (b->fd >= 0)
            return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR) /* EISDIR: a kernel that takes O_TMPFILE for O_DIRECTORY */
            return failed("create a file in", directory);
    }
    return create_private(b, directory);
}

/* Beyond this limit the kernel does not just refuse, it kills (SIGXFSZ). */
static int check_size_limit(const struct shm_build *b) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && b->bytes > limit.rlim_cur)
        return fail(-EFBIG, "'%s' needs %zu bytes, this process may write files of %llu (RLIMIT_FSIZE, ulimit -f)", b->path,
                    b->bytes, (unsigned long long)limit.rlim_cur);
    return 0;
}

static int reserve(const struct shm_build *b) {
    for (off_t at = 0; (size_t)at < b->bytes;) {
        size_t left = b->bytes - (size_t)at;
        off_t step = left < RESERVE_STEP_BYTES ? (off_t)left : RESERVE_STEP_BYTES;
        if (fallocate(b->fd, 0, at, step) == 0)
            at += step;
        else if (errno == EOPNOTSUPP) /* ramfs, old hugetlbfs: the first has no limit, the second reserves when it is mapped */
            return ftruncate(b->fd, (off_t)b->bytes) == 0 ? 0 : failed("size", b->path);
        else if (errno != EINTR)
            return fail(-errno, "reserve %zu bytes for '%s': %s", b->bytes, b->path,
                        errno == ENOSPC ? "the file system is full" : rp_error_text(-errno));
    }
    return 0;
}

int shm_group(const char *group, uint32_t *gid) {
    char buffer[16384], *end;
    struct group entry, *found = NULL;
    if (getgrnam_r(group, &entry, buffer, sizeof buffer, &found) == 0 && found) {
        *gid = found->gr_gid;
        return 0;
    }
    unsigned long number = strtoul(group, &end, 10);
    if (group[0] < '0' || group[0] > '9' || *end || number >= UINT32_MAX)
        return fail(-EINVAL, "there is no group '%s'", group);
    *gid = (uint32_t)number;
    return 0;
}

static int set_permissions(const struct shm_build *b, uint32_t mode, const char *group) {
    uint32_t gid = 0;
    int result = group ? shm_group(group, &gid) : 0;
    if (result < 0)
        return result;
    if (group && fchown(b->fd, (uid_t)-1, gid) != 0)
        return fail(-errno, "give '%s' to group '%s': %s", b->path, group, rp_error_text(-errno));
    return fchmod(b->fd, mode) == 0 ? 0 : failed("set the mode of", b->path);
}

/*
 * What has whole huge pages begins at the boundary of one, where there is room, which is looked for first and given back: both at once might be more than this process may have. Whoever maps
 * something there meanwhile keeps it. Before Linux 4.17 the place is a hint. A hugetlbfs has boundaries of its own.
 */
static void *map_aligned(int fd, size_t bytes, int protection, int flags) {
    struct statfs fs;
    if (bytes % HUGE_BYTES != 0 || fstatfs(fd, &fs) != 0 || fs.f_type == HUGETLBFS_MAGIC)
        return MAP_FAILED;
    char *room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return room;
    munmap(room, bytes + HUGE_BYTES);
    char *at = room + (HUGE_BYTES - (uintptr_t)room % HUGE_BYTES) % HUGE_BYTES;
    return mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | flags, fd, 0);
}

static int map(int fd, size_t bytes, int protection, int flags, void **memory) {
    void *mapped = map_aligned(fd, bytes, protection, flags);
    if (mapped == MAP_FAILED)
        mapped = mmap(NULL, bytes, protection, MAP_SHARED | flags, fd, 0);
    if (mapped == MAP_FAILED)
        return fail(-errno, "map %zu bytes: %s", bytes, rp_error_text(-errno));
    if (madvise(mapped, bytes, MADV_DONTFORK) != 0) {
        int result = fail(-errno, "keep a mapping from forked children: %s", rp_error_text(-errno));
        munmap(mapped, bytes);
        return result;
    }
    *memory = mapped;
    return 0;
}

/* Pages of a file that has its size already: by faults, as the mapping has it, and what is missing then as everywhere. On hugetlbfs mapping has reserved them. */
static int reserve_placed(const struct shm_build *b, const struct shm_wishes *w, size_t page, bool hugetlb) {
    w->place(w->context, b->memory, b->bytes, page);
    int touched = w->touch || hugetlb ? pages_touch(b->memory, b->bytes, false) : 0;
    if (hugetlb && touched != -EINVAL) /* before Linux 5.14 by fallocate, wherever it takes them */
        return touched == 0 ? 0 : fail(-ENOSPC, "'%s': there are not enough huge pages", b->path);
    return reserve(b);
}

static int map_placed(struct shm_build *b, const struct shm_wishes *w, size_t page, bool hugetlb) {
    int result = ftruncate(b->fd, (off_t)b->bytes) == 0 ? 0 : failed("size", b->path);
    if (result == 0)
        result = map(b->fd, b->bytes, PROT_READ | PROT_WRITE, 0, &b->memory);
    if (result == -ENOMEM && hugetlb)
        return fail(-ENOSPC, "reserve %zu bytes for '%s': there are not enough huge pages", b->bytes, b->path);
    return result == 0 ? reserve_placed(b, w, page, hugetlb) : result;
}

int shm_create_placed(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault,
                      const struct shm_wishes *wishes, struct shm_build *b) {
    *b = (struct shm_build){.fd = -1};
    struct statfs fs;
    struct stat status;
    char directory[SHM_PATH_MAX];
    if (bytes == 0 || bytes > INT64_MAX / 2 || mode > 0777)
        return fail(-EINVAL, "a segment of %zu bytes and mode %#o", bytes, mode);
    int result = segment_directory(path, directory, &fs);
    if (result < 0)
        return result;
    if (lstat(path, &status) == 0)
        return fail(-EEXIST, "'%s' exists", path);
    size_t page = (size_t)fs.f_bsize;
    if (wishes != NULL && wishes->multiple > page)
        page = wishes->multiple;
    strcpy(b->path, path);
    b->bytes = (bytes + page - 1) / page * page;

    result = check_size_limit(b);
    if (result == 0)
        result = create_file(b, directory);
    if (result == 0 && wishes != NULL)
        result = map_placed(b, wishes, (size_t)fs.f_bsize, fs.f_type == HUGETLBFS_MAGIC);
    else if (result == 0)
        result = reserve(b);
    if (result == 0)
        result = set_permissions(b, mode, group);
    if (result == 0 && wishes == NULL)
        result = map(b->fd, b->bytes, PROT_READ | PROT_WRITE, prefault ? MAP_POPULATE : 0, &b->memory);
    else if (result == 0 && prefault)
        (void)pages_touch(b->memory, b->bytes, false);
    if (result < 0)
        shm_discard(b);
    return result;
}

int shm_create(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault, struct shm_build *b) {
    return shm_create_placed(path, bytes, mode, group, prefault, NULL, b);
}

int shm_publish(struct shm_build *b) {
    int done;
    if (b->private_path[0]) { /* one step, unlike link and unlink: a file with two names would outlive its removal */
        done = renameat2(AT_FDCWD, b->private_path, AT_FDCWD, b->path, RENAME_NOREPLACE);
    } else {
        char unnamed[64];
        snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", b->fd);
        done = linkat(AT_FDCWD, unnamed, AT_FDCWD, b->path, AT_SYMLINK_FOLLOW);
    }
    if (done != 0)
        return failed("publish", b->path);
    b->private_path[0] = 0;
    return 0;
}

void shm_discard(struct shm_build *b) {
    if (b->memory)
        munmap(b->memory, b->bytes);
    if (b->private_path[0])
        unlink(b->private_path);
    if (b->fd >= 0)
        close(b->fd);
    *b = (struct shm_build){.fd = -1};
}

bool shm_exists(const char *path) { return access(path, F_OK) == 0; }

int shm_open_file(const char *path, bool read_only) {
    /* O_NONBLOCK: somebody may have put a pipe there. */
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
        return fail(-EINVAL, "'%s' is not a regular file", path);
    if (fd < 0)
        return failed("open", path);
    struct stat status;
    struct statfs fs;
    int result = fstat(fd, &status) == 0 && fstatfs(fd, &fs) == 0 ? 0 : failed("look at", path);
    if (result == 0 && !S_ISREG(status.st_mode))
        result = fail(-EINVAL, "'%s' is not a regular file", path);
    if (result == 0)
        result = check_file_system(&fs, path);
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

int shm_stat(int fd, struct shm_identity *id, uint64_t *bytes) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail(-errno, "look at descriptor %d: %s", fd, rp_error_text(-errno));
    *id = (struct shm_identity){.device = status.st_dev, .inode = status.st_ino};
    *bytes = (uint64_t)status.st_size;
    return status.st_nlink > INT32_MAX ? INT32_MAX : (int)status.st_nlink;
}

bool shm_leads_to(const char *path, uint64_t device) {
    char at[SHM_PATH_MAX], *last;
    struct stat status;
    strcpy(at, path);
    while ((last = strrchr(at, '/')) != NULL) {
        *last = 0;
        if (stat(*at ? at : "/", &status) == 0)
            return status.st_dev == device;
    }
    return false;
}

int shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    return map(fd, bytes, read_only ? PROT_READ : PROT_READ | PROT_WRITE, 0, memory);
}

void shm_unmap(void *memory, size_t bytes) { munmap(memory, bytes); }

void shm_prefault(void *memory, size_t bytes, bool read_only) {
    madvise(memory, bytes, read_only ? MADV_POPULATE_READ : MADV_POPULATE_WRITE); /* Linux 5.14 */
}

/* Those of living consumers, too: they learn of the removal by their ticks. */
static void remove_bells(const char *directory, uint64_t inode) {
    DIR *entries = opendir(directory);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (bell_is_of(entry->d_name, inode))
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
}

int shm_remove(const char *path) {
    char directory[SHM_PATH_MAX];
    struct statfs fs;
    struct stat status;
    int result = segment_directory(path, directory, &fs);
    if (result < 0)
        return result;
    bool known = lstat(path, &status) == 0;
    if (unlink(path) == 0) {
        if (known)
            remove_bells(directory, status.st_ino);
        return 0;
    }
    if (errno == EPERM) /* a directory like /dev/shm, and somebody else's file */
        errno = EACCES;
    return failed("remove", path);
}

/* Removes `name` if its creator is gone: under the lock, and only if the name still means the file that is locked. */
static bool collect(int directory, const char *name) {
    struct stat locked, named;
    int fd = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool removed = fstat(fd, &locked) == 0 && S_ISREG(locked.st_mode) && lock_first_byte(fd) == 0 &&
                   fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == locked.st_dev &&
                   named.st_ino == locked.st_ino && unlinkat(directory, name, 0) == 0;
    close(fd);
    return removed;
}

int shm_collect(const char *directory) {
    static const char private[] = PREFIX "~";
    const char *path = directory ? directory : DIRECTORY;
    DIR *entries = opendir(path);
    if (!entries)
        return failed("list", path);
    int removed = 0;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (bell_is_name(entry->d_name))
            removed += bell_collect(dirfd(entries), path, entry->d_name);
        else if (strncmp(entry->d_name, private, sizeof private - 1) == 0)
            removed += collect(dirfd(entries), entry->d_name);
    closedir(entries);
    return removed;
}
