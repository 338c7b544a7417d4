/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

uint32_t process_pid(void) { return (uint32_t)getpid(); }

void process_name(char name[16]) {
    char path[4096];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *base = program_invocation_short_name;
    if (bytes > 0) {
        path[bytes] = 0;
        base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    }
    memset(name, 0, 16);
    memcpy(name, base, strnlen(base, 15));
}

uint64_t process_boot_id(void) {
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t bytes = read(fd, text, sizeof text);
    close(fd);
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: two boots differ in 122 random bits, any mixing will do */
    for (ssize_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return bytes > 0 ? hash | 1 : 0; /* never 0: that means unknown */
}

uint64_t process_time_namespace(void) {
    struct stat namespace;
    return stat("/proc/self/ns/time", &namespace) == 0 ? namespace.st_ino : 0;
}

/* splitmix64, seeded once per thread: no system call where jitter is needed. A forked child continues its parent's sequence. */
uint64_t process_random(void) {
    static _Thread_local uint64_t state;
    if (state == 0 && getrandom(&state, sizeof state, GRND_NONBLOCK) != sizeof state)
        state = clock_boot_ns() ^ (uint64_t)(uintptr_t)&state;
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = state;
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}
