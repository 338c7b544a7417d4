/* SPDX-License-Identifier: MIT */
#include "file_lock.h"
#include <errno.h>
#include <fcntl.h>

static struct flock lock_of(uint64_t byte, bool exclusive) {
    return (struct flock){.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
}

int file_lock(int fd, uint64_t byte, bool exclusive) {
    struct flock lock = lock_of(byte, exclusive);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int file_is_locked(int fd, uint64_t byte) {
    struct flock lock = lock_of(byte, true);
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 ? lock.l_type != F_UNLCK : -errno;
}
