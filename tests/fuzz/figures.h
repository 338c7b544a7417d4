/* SPDX-License-Identifier: MIT */
/* RINGPOST_FIGURES names a file to which many programs append what they have counted. */
#ifndef FUZZ_FIGURES_H
#define FUZZ_FIGURES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void figures_add(const char *key, uint64_t number) {
    const char *path = getenv("RINGPOST_FIGURES");
    char line[64];
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    int bytes = snprintf(line, sizeof line, "%s %llu\n", key, (unsigned long long)number);
    if (write(fd, line, (size_t)bytes) != bytes)
        fprintf(stderr, "%s: not written\n", path);
    close(fd);
}

#endif
