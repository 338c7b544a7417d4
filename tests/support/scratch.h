/* SPDX-License-Identifier: MIT */
/* A directory of the test's own in /dev/shm, emptied and removed at the end; named by pid, so that a test may run beside itself. */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char directory[64];
    char path[80]; /* of a file in it that does not exist yet */
};

static inline int scratch_create(struct scratch *s) {
    snprintf(s->directory, sizeof s->directory, "/dev/shm/ringpost-test-%d", (int)getpid());
    snprintf(s->path, sizeof s->path, "%s/queue", s->directory);
    return mkdir(s->directory, 0755);
}

/* How many files are in it; removes them if asked to. */
static inline int scratch_count(const struct scratch *s, int remove_them) {
    int count = 0;
    DIR *entries = opendir(s->directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            if (remove_them)
                unlinkat(dirfd(entries), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
        }
    if (entries)
        closedir(entries);
    return count;
}

static inline void scratch_destroy(const struct scratch *s) {
    scratch_count(s, 1);
    rmdir(s->directory);
}

#endif
