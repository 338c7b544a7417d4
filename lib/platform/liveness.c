/* SPDX-License-Identifier: MIT */
#include "liveness.h"

#include "atomic.h"
#include "error.h"
#include "fork.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock seat_lock(short type, uint32_t seat) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = LIVENESS_LOCK_BASE + seat, .l_len = 1};
}

static int lock_seat(int fd, short type, uint32_t seat) {
    struct flock lock = seat_lock(type, seat);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return -EAGAIN;
    return fail(-errno, "lock seat %u: %s", seat, rp_error_text(-errno));
}

int attach_begin(const char *path, bool read_only, struct attach *a) {
    fork_lock();
    a->fd = shm_open_file(path, read_only);
    int result = a->fd;
    if (a->fd >= 0) {
        int links = shm_stat(a->fd, &a->identity, &a->bytes);
        if (links > 0)
            return 0;
        close(a->fd);
        result = links < 0 ? links : fail(-ENOENT, "'%s' was removed just now", path);
    }
    fork_unlock();
    return result;
}

int attach_lock(struct attach *a, uint32_t seat) { return lock_seat(a->fd, F_WRLCK, seat); }

void attach_unlock(struct attach *a, uint32_t seat) { lock_seat(a->fd, F_UNLCK, seat); }

void attach_end(struct attach *a) {
    close(a->fd);
    fork_unlock();
}

/* How many names the attached file has; negative when `fd` is not that file. */
static int attached_links(int fd, const struct shm_identity *attached) {
    struct shm_identity found;
    uint64_t bytes;
    int links = shm_stat(fd, &found, &bytes);
    return links >= 0 && !MUTANT(probe_other_inode) && !shm_same(&found, attached) ? -ESTALE : links;
}

/* Opens the attached file by its name: a descriptor, RP_GONE, or a negative errno. */
static int open_attached(const struct prober *p) {
    int fd = shm_open_file(p->path, true);
    if (fd >= 0 && attached_links(fd, &p->identity) > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    else if (fd != -ENOENT && fd != -ENOTDIR && fd != -EINVAL && fd != -ENOTSUP) /* nothing there, or something else */
        return fd;
    if (!shm_leads_to(p->path, p->identity.device))
        return fail(-ESTALE, "'%s' leads elsewhere than when it was opened", p->path);
    return fail(RP_GONE, "'%s' was removed", p->path);
}

void prober_init(struct prober *p, const char *path, const struct shm_identity *identity) {
    *p = (struct prober){.identity = *identity, .fd = -1};
    memccpy(p->path, path, 0, sizeof p->path - 1);
}

void prober_close(struct prober *p) {
    if (p->fd >= 0 && attached_links(p->fd, &p->identity) >= 0)
        close(p->fd);
    p->fd = -1;
}

/* Is the file still there, and its seat, if one is named, locked exclusively? An answer counts only if the descriptor proves right after it. */
static enum liveness ask(struct prober *p, const uint32_t *seat) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (p->fd < 0) {
            int fd = open_attached(p);
            if (fd < 0)
                return fd == RP_GONE ? LIVENESS_GONE : LIVENESS_UNKNOWN;
            p->fd = fd;
        }
        struct flock lock = seat_lock(F_RDLCK, seat ? *seat : 0); /* conflicts with an owner's lock, not with a recoverer's */
        bool answered = !seat || fcntl(p->fd, F_OFD_GETLK, &lock) == 0;
        int links = attached_links(p->fd, &p->identity);
        if (links == 0)
            return LIVENESS_GONE;
        if (links > 0)
            return !answered ? LIVENESS_UNKNOWN : lock.l_type == F_UNLCK ? LIVENESS_DEAD : LIVENESS_ALIVE;
        p->fd = -1; /* the program closed it; by now the number may mean a file of its own, so it is not closed again */
    }
    return LIVENESS_UNKNOWN;
}

enum liveness liveness_probe(struct prober *p, uint32_t seat) { return ask(p, &seat); }

enum liveness liveness_file(struct prober *p) { return ask(p, NULL); }

/* Keeps the description, and so the lock, without a descriptor. hugetlbfs maps whole pages of its own size only. */
static int pin(int fd, struct death *d) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail(-errno, "look at descriptor %d: %s", fd, rp_error_text(-errno));
    d->bytes = (size_t)status.st_blksize;
    return shm_map(fd, d->bytes, true, &d->pin);
}

int death_claim(const struct prober *p, uint32_t seat, struct death *d) {
    *d = (struct death){0};
    fork_lock();
    int fd = open_attached(p), result = fd;
    if (fd >= 0) {
        result = lock_seat(fd, F_RDLCK, seat);
        if (result == 0 && !MUTANT(death_unpinned))
            result = pin(fd, d);
        close(fd);
    }
    fork_unlock();
    return result;
}

void death_release(struct death *d) {
    if (d->pin)
        shm_unmap(d->pin, d->bytes);
    *d = (struct death){0};
}
