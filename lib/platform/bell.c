/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include "error.h"
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "ringpost.~bell."

enum {
    FILE_BYTES = 64,   /* a bell's name without its directory */
    RINGS_AT_ONCE = 64 /* more cannot be pending: a bell that was rung is not rung again before it is drained */
};

/* ---- names ---- */

/* Async-signal-safe, which printf is not. */
static char *put_hex(char *to, uint64_t value) {
    unsigned shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        *to++ = "0123456789abcdef"[value >> shift & 15];
        if (shift == 0)
            return to;
    }
}

static void file_name(const struct bell_name *name, char file[FILE_BYTES]) {
    char *to = put_hex(stpcpy(file, PREFIX), name->inode);
    *to++ = '.';
    to = put_hex(to, name->slot);
    *to++ = '.';
    *put_hex(to, name->generation) = 0;
}

/* Where a file of a directory is found: a socket's address. `*directory` (-1: unused) holds a directory open whose path is too long for one; the caller closes it. */
struct place {
    struct sockaddr_un address;
    int directory;
};

static int place_in(struct place *p, const char *path, size_t path_bytes, const char *file) {
    p->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    p->directory = -1;
    char *to = p->address.sun_path;
    if (path_bytes + 1 + strlen(file) < sizeof p->address.sun_path) {
        memcpy(to, path, path_bytes);
        to[path_bytes] = '/';
        strcpy(to + path_bytes + 1, file);
        return 0;
    }
    char directory[SHM_PATH_MAX];
    if (path_bytes >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, path, path_bytes);
    directory[path_bytes] = 0;
    p->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->directory < 0)
        return -errno;
    to = stpcpy(to, "/proc/self/fd/");
    char digits[12];
    unsigned count = 0;
    for (int rest = p->directory; rest > 0 || count == 0; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 0)
        *to++ = digits[--count];
    *to++ = '/';
    strcpy(to, file);
    return 0;
}

static int place_of(struct place *p, const struct bell_name *name) {
    char file[FILE_BYTES];
    file_name(name, file);
    return place_in(p, name->segment, (size_t)(strrchr(name->segment, '/') - name->segment), file);
}

static void place_end(struct place *p) {
    if (p->directory >= 0)
        close(p->directory);
}

bool bell_has_name(const struct bell_name *name) {
    struct place p;
    struct stat status;
    bool there = place_of(&p, name) == 0 && (lstat(p.address.sun_path, &status) == 0 || errno != ENOENT);
    place_end(&p);
    return there;
}

void bell_remove(const struct bell_name *name) {
    struct place p;
    if (place_of(&p, name) == 0)
        (void)unlink(p.address.sun_path);
    place_end(&p);
}

bool bell_is_name(const char *file) { return strncmp(file, PREFIX, sizeof PREFIX - 1) == 0; }

bool bell_is_of(const char *file, uint64_t inode) {
    char prefix[FILE_BYTES];
    char *end = put_hex(stpcpy(prefix, PREFIX), inode);
    *end++ = '.';
    return strncmp(file, prefix, (size_t)(end - prefix)) == 0;
}

/* ---- a bell ---- */

static int failed(struct bell *b, const char *what) {
    int error = errno;
    bell_close(b);
    return fail(-error, "%s for a consumer's descriptor: %s", what, rp_error_text(-error));
}

static int add(const struct bell *b, int fd) {
    struct epoll_event readable = {.events = EPOLLIN};
    return epoll_ctl(b->descriptor, EPOLL_CTL_ADD, fd, &readable);
}

int bell_open(struct bell *b) {
    *b = (struct bell){.descriptor = -1, .timer = -1, .socket = -1};
    b->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (b->descriptor < 0)
        return failed(b, "epoll_create1");
    b->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->timer < 0)
        return failed(b, "timerfd_create");
    if (add(b, b->timer) != 0)
        return failed(b, "epoll_ctl");
    bell_after(b, 0);
    return 0;
}

void bell_close(struct bell *b) {
    const int fds[] = {b->socket, b->timer, b->descriptor};
    for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *b = (struct bell){.descriptor = -1, .timer = -1, .socket = -1};
}

/*
 * Mode, owner and group of the segment's file, as far as we may: whoever may send may ring. In a directory that others may write to, the name may be a link of theirs by now, so what is
 * changed is what was opened, and that must be a socket of our own.
 */
static int share(const struct place *p, const char *segment) {
    struct stat file, own;
    int fd = open(p->address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC), result = -EPERM;
    if (fd < 0)
        return -errno;
    if (stat(segment, &file) == 0 && fstat(fd, &own) == 0 && S_ISSOCK(own.st_mode) && own.st_uid == geteuid()) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        result = 0;
        if ((own.st_uid != file.st_uid || own.st_gid != file.st_gid) && chown(path, file.st_uid, file.st_gid) != 0)
            (void)!chown(path, (uid_t)-1, file.st_gid);
        if ((own.st_mode & 0777) != (file.st_mode & 0777) && chmod(path, file.st_mode & 0777) != 0)
            result = -errno;
    }
    close(fd);
    return result;
}

int bell_bind(struct bell *b, const struct bell_name *name) {
    struct place p;
    int result = place_of(&p, name);
    if (result < 0)
        return fail(result, "a bell beside '%.100s': %s", name->segment, rp_error_text(result));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool made = fd >= 0 && bind(fd, (const struct sockaddr *)&p.address, sizeof p.address) == 0;
    result = made ? share(&p, name->segment) : -errno;
    if (result == 0 && b->socket >= 0) { /* it leaves the epoll descriptor when it is closed */
        close(b->socket);
        b->socket = -1;
    }
    if (result == 0 && add(b, fd) != 0)
        result = -errno;
    if (result == 0) {
        b->socket = fd;
    } else {
        if (made)
            (void)unlink(p.address.sun_path);
        if (fd >= 0)
            close(fd);
    }
    place_end(&p);
    return result == 0 || result == -EADDRINUSE
               ? result
               : fail(result, "a socket beside '%.100s' for a consumer's descriptor: %s", name->segment, rp_error_text(result));
}

void bell_drain(const struct bell *b) {
    char nothing;
    for (int i = 0; i < RINGS_AT_ONCE && recv(b->socket, &nothing, 1, MSG_DONTWAIT) >= 0; i++) {
    }
}

void bell_after(const struct bell *b, uint64_t ns) {
    ns += ns == 0; /* 0 would stop it */
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)}};
    (void)timerfd_settime(b->timer, 0, &when, NULL);
}

/* ---- ringing ---- */

int bell_ringer_open(void) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

void bell_ringer_close(int ringer) { close(ringer); }

bool bell_ring(int ringer, const struct bell_name *name) {
    struct place p;
    int result = place_of(&p, name);
    if (result == 0 &&
        sendto(ringer, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&p.address, sizeof p.address) < 0)
        result = -errno;
    place_end(&p);
    return result == 0 || result == -ECONNREFUSED;
}

bool bell_collect(int directory, const char *path, const char *file) {
    struct place p;
    struct stat status;
    if (strlen(file) >= FILE_BYTES || fstatat(directory, file, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(status.st_mode) ||
        place_in(&p, path, strlen(path), file) != 0)
        return false;
    int fd = bell_ringer_open();
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)&p.address, sizeof p.address) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        bell_ringer_close(fd);
    place_end(&p);
    return dead && unlinkat(directory, file, 0) == 0;
}
