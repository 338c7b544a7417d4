/* SPDX-License-Identifier: MIT */
/* Between the library and the kernel: whoever writes the journal says so, before and after, and leaves time to be hit there. */
#include "durable.h"

#include <unistd.h>

ssize_t __real_pwrite64(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at);

/* A slow disk, now and then. */
static void linger(void) {
    if (worker_random(durable_worker, 4) == 0)
        worker_breathe(durable_worker, 400);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t at) {
    if (durable_worker == NULL)
        return __real_pwrite64(fd, data, bytes, at);
    uint32_t before = atomic_exchange(&durable_worker->tallies->inside, IN_WRITE);
    linger();
    ssize_t result = __real_pwrite64(fd, data, bytes, at);
    linger();
    atomic_store(&durable_worker->tallies->inside, before);
    return result;
}
