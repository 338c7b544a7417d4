/* SPDX-License-Identifier: MIT */
/* The file that messages are spilled to: one for each queue, in a directory that may hold those of many. */
#include "error.h"
#include "mapped_file.h"
#include "process.h"
#include "shm.h"
#include "spill.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPILL_MAGIC UINT64_C(0x6c6c6970732d7072) /* "rp-spill", little endian */
#define SUFFIX ".spill"

enum { SPILL_VERSION = 1 };

/* The beginning of the file. What follows the first page is the area. */
struct spill_head {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint64_t identity[2]; /* of the segment whose file it is */
    uint64_t area_bytes;
    char queue[SHM_PATH_MAX - 256]; /* that segment's path, */
    uint64_t device;                /* the number of the file system there: in another container the path may lead elsewhere, */
    uint64_t boot_id;               /* and the run of the machine, after which there is no such segment; 0: not known */
};
_Static_assert(sizeof(struct spill_head) <= MAPPED_FILE_HEAD, "one page");
enum { TOLD_APART = offsetof(struct spill_head, queue) }; /* bytes of it that no other file has */

static void describe(struct spill_head *h, const uint64_t identity[2], uint64_t area_bytes) {
    *h = (struct spill_head){
        .magic = SPILL_MAGIC, .byte_order = LAYOUT_BYTE_ORDER, .version = SPILL_VERSION, .area_bytes = area_bytes};
    memcpy(h->identity, identity, sizeof h->identity);
}

int spill_file_create(const char *name, const char *directory, const char *queue_path, struct shm_build *b, int *lock) {
    const struct header *header = b->memory;
    struct spill *spill = (struct spill *)(void *)((unsigned char *)b->memory + header->layout.spill);
    union {
        struct spill_head head;
        unsigned char page[MAPPED_FILE_HEAD];
    } first = {.page = {0}};
    describe(&first.head, header->identity, header->layout.spill_area_bytes);
    if (strlen(queue_path) >= sizeof first.head.queue)
        return fail(-ENAMETOOLONG, "queue '%.80s': its path is too long for one that spills", name);
    strcpy(first.head.queue, queue_path);
    char *absolute = realpath(directory, NULL);
    if (absolute == NULL)
        return fail(-errno, "spill directory '%.200s': %s", directory, strerror(errno));
    const char *last = strrchr(queue_path, '/') + 1;
    int length = snprintf(spill->path, sizeof spill->path, "%s/%s.%016llx" SUFFIX, absolute, last,
                          (unsigned long long)(header->identity[0] ^ header->identity[1]));
    free(absolute);
    if (length < 0 || (size_t)length >= sizeof spill->path)
        return fail(-ENAMETOOLONG, "spill directory '%.200s': the path is too long", directory);
    struct stat status;
    if (fstat(b->fd, &status) != 0)
        return fail(-errno, "queue '%.80s': %s", name, strerror(errno));
    first.head.device = status.st_dev;
    first.head.boot_id = process_boot_id();
    *lock = mapped_file_create(spill->path, MAPPED_FILE_HEAD + header->layout.spill_area_bytes, header->parameters.mode,
                               status.st_gid, &first);
    return *lock < 0 ? *lock : 0;
}

void spill_file_end(const struct shm_build *b, int lock, bool made) {
    if (lock < 0)
        return;
    const struct header *header = b->memory;
    if (!made)
        (void)mapped_file_remove(((struct spill *)(void *)((unsigned char *)b->memory + header->layout.spill))->path);
    close(lock);
}

static int check_path(const char path[SPILL_PATH_BYTES]) {
    return path[0] == '/' && memchr(path, 0, SPILL_PATH_BYTES) != NULL ? 0
                                                                       : fail(RP_CORRUPT, "the path of its spill file is damaged");
}

int spill_file_attach(struct segment *s, bool read_only, char directory[SPILL_PATH_BYTES]) {
    directory[0] = 0;
    if (!spills(s) || s->parameters.spill_inside)
        return 0;
    struct spill_head head, expected;
    uint64_t bytes;
    int result = check_path(s->spill->path);
    if (result < 0)
        return result;
    int fd = mapped_file_open(s->spill->path, read_only, &head, sizeof head, &bytes);
    if (fd < 0)
        return fd;
    describe(&expected, s->identity, s->layout.spill_area_bytes);
    void *memory = NULL;
    if (head.magic != SPILL_MAGIC)
        result = fail(RP_CORRUPT, "'%.200s' is no spill file", s->spill->path);
    else if (head.version != SPILL_VERSION || head.byte_order != LAYOUT_BYTE_ORDER)
        result = fail(RP_INCOMPATIBLE, "spill file '%.200s' has version %u, this library knows %d", s->spill->path, head.version,
                      SPILL_VERSION);
    else if (memcmp(&head, &expected, TOLD_APART) != 0)
        result = fail(RP_CORRUPT, "spill file '%.200s' is another queue's, or damaged", s->spill->path);
    else if (bytes != MAPPED_FILE_HEAD + s->layout.spill_area_bytes)
        result = fail(RP_CORRUPT, "spill file '%.200s' has %llu bytes, and should have %llu", s->spill->path,
                      (unsigned long long)bytes, (unsigned long long)(MAPPED_FILE_HEAD + s->layout.spill_area_bytes));
    else
        result = mapped_file_map(fd, MAPPED_FILE_HEAD, s->layout.spill_area_bytes, read_only, &memory);
    close(fd);
    s->spill_area = memory;
    memcpy(directory, s->spill->path, SPILL_PATH_BYTES);
    directory[SPILL_PATH_BYTES - 1] = 0;
    *(strrchr(directory, '/') == directory ? directory + 1 : strrchr(directory, '/')) = 0;
    return result;
}

void spill_file_detach(struct segment *s) {
    if (spills(s) && !s->parameters.spill_inside && s->spill_area != NULL)
        mapped_file_unmap(s->spill_area, s->layout.spill_area_bytes);
    s->spill_area = NULL;
}

bool spill_file_fill(const struct segment *s, uint64_t offset, uint64_t bytes) {
    struct spill_head head;
    if (s->parameters.spill_inside)
        return true;
    describe(&head, s->identity, s->layout.spill_area_bytes);
    return check_path(s->spill->path) == 0 &&
           mapped_file_fill(s->spill->path, &head, TOLD_APART, MAPPED_FILE_HEAD + offset, bytes) == 0;
}

void spill_file_punch(const struct segment *s, uint64_t offset, uint64_t bytes) {
    struct spill_head head;
    if (s->parameters.spill_inside || check_path(s->spill->path) < 0)
        return;
    describe(&head, s->identity, s->layout.spill_area_bytes);
    (void)mapped_file_punch(s->spill->path, &head, TOLD_APART, MAPPED_FILE_HEAD + offset, bytes);
}

uint64_t spill_file_on_disk(const struct segment *s) {
    return s->parameters.spill_inside || check_path(s->spill->path) < 0 ? 0 : mapped_file_on_disk(s->spill->path);
}

/* The identity of the segment at `queue_path`, and where it says that its spill file is. -> 0, -ENOENT: there is none; RP_CORRUPT, ... */
static int look_at_segment(const char *queue_path, uint64_t identity[2], char path[SPILL_PATH_BYTES]) {
    struct header h;
    path[0] = 0;
    int fd = shm_open_file(queue_path, true);
    if (fd < 0)
        return fd;
    bool sound = pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h && h.magic == LAYOUT_MAGIC && h.check == header_check(&h);
    if (sound) {
        memcpy(identity, h.identity, sizeof h.identity);
        if (h.parameters.spill_bytes > 0 && !h.parameters.spill_inside &&
            (pread(fd, path, SPILL_PATH_BYTES, (off_t)(h.layout.spill + offsetof(struct spill, path))) != SPILL_PATH_BYTES ||
             check_path(path) < 0))
            path[0] = 0;
    }
    close(fd);
    return sound ? 0 : fail(RP_CORRUPT, "'%.200s' is no queue, or damaged", queue_path);
}

/* Is it the spill file of the segment of this identity? -> a descriptor, or -1. */
static int open_file_of(const char *path, struct spill_head *head) {
    uint64_t bytes;
    int fd = mapped_file_open(path, true, head, sizeof *head, &bytes);
    if (fd >= 0 && (head->magic != SPILL_MAGIC || memchr(head->queue, 0, sizeof head->queue) == NULL)) {
        close(fd);
        return -1;
    }
    return fd;
}

void spill_file_of(const char *queue_path, char path[SPILL_PATH_BYTES]) {
    uint64_t identity[2];
    struct spill_head head;
    if (look_at_segment(queue_path, identity, path) < 0 || path[0] == 0)
        return;
    int fd = open_file_of(path, &head);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || memcmp(head.identity, identity, sizeof identity) != 0)
        path[0] = 0;
}

int spill_file_remove(const char *path) { return path[0] == 0 ? 0 : mapped_file_remove(path); }

/* Is the file system where the queue was the one that we see there? */
static bool same_place(const struct spill_head *head) {
    char directory[sizeof head->queue];
    struct stat status;
    memcpy(directory, head->queue, sizeof directory);
    char *last = strrchr(directory, '/');
    if (last == NULL)
        return false;
    *last = 0;
    return stat(directory[0] == 0 ? "/" : directory, &status) == 0 && status.st_dev == head->device;
}

/* Was its queue removed, or never finished? 1, 0; an error: that cannot be told. */
static int is_left_over(const char *path) {
    struct spill_head head;
    uint64_t identity[2];
    char other[SPILL_PATH_BYTES];
    int fd = open_file_of(path, &head);
    if (fd < 0)
        return 0;
    bool in_making = mapped_file_in_making(fd); /* asked first: its maker lets go when the queue can be seen */
    close(fd);
    uint64_t boot = process_boot_id();
    if (in_making || (boot != 0 && head.boot_id != 0 && boot != head.boot_id))
        return !in_making;
    if (boot == 0 || head.boot_id == 0 || !same_place(&head))
        return fail(-EBUSY, "'%.200s' was left: its queue '%.200s' may be another container's", path, head.queue);
    int result = look_at_segment(head.queue, identity, other);
    if (result == 0)
        return memcmp(identity, head.identity, sizeof identity) != 0;
    if (result == -ENOENT)
        return 1;
    char why[200];
    snprintf(why, sizeof why, "%s", rp_error_detail());
    return fail(result, "'%.200s' was left: is its queue gone? %s", path, why);
}

int spill_file_collect(const char *directory) {
    DIR *d = opendir(directory);
    if (d == NULL)
        return fail(-errno, "directory '%.200s': %s", directory, strerror(errno));
    int count = 0, unclear = 0;
    char why[512] = "";
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char path[SHM_PATH_MAX];
        size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
        if (length <= suffix || strcmp(entry->d_name + length - suffix, SUFFIX) != 0 ||
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= (int)sizeof path)
            continue;
        int left_over = is_left_over(path);
        if (left_over < 0 && unclear == 0) {
            unclear = left_over;
            snprintf(why, sizeof why, "%s", rp_error_detail());
        }
        if (left_over > 0 && mapped_file_remove(path) == 0)
            count++;
    }
    closedir(d);
    return unclear < 0 ? fail(unclear, "%s", why) : count;
}
