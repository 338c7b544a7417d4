/* SPDX-License-Identifier: MIT */
/* For worlds without disks: what is spilled lies in the segment (spill_inside). */
#include "spill.h"

int spill_file_create(const char *name, const char *directory, const char *queue_path, struct shm_build *b, int *lock) {
    (void)name, (void)directory, (void)queue_path, (void)b, (void)lock;
    return 0;
}

void spill_file_end(const struct shm_build *b, int lock, bool made) { (void)b, (void)lock, (void)made; }

int spill_file_attach(struct segment *s, bool read_only, char directory[SPILL_PATH_BYTES]) {
    (void)s, (void)read_only;
    directory[0] = 0;
    return s->parameters.spill_bytes > 0 && !s->parameters.spill_inside ? RP_INCOMPATIBLE : 0;
}

void spill_file_detach(struct segment *s) { (void)s; }

void spill_file_of(const char *queue_path, char path[SPILL_PATH_BYTES]) {
    (void)queue_path;
    path[0] = 0;
}

int spill_file_remove(const char *path) {
    (void)path;
    return 0;
}

int spill_file_collect(const char *directory) {
    (void)directory;
    return 0;
}

bool spill_file_fill(const struct segment *s, uint64_t offset, uint64_t bytes) {
    (void)s, (void)offset, (void)bytes;
    return true;
}

void spill_file_punch(const struct segment *s, uint64_t offset, uint64_t bytes) { (void)s, (void)offset, (void)bytes; }

uint64_t spill_file_on_disk(const struct segment *s) {
    (void)s;
    return 0;
}
