/* SPDX-License-Identifier: MIT */
#include "kept.h"
#include "atomic.h"
#include "error.h"
#include "file.h"
#include "journal_format.h"
#include <errno.h>
#include <stdlib.h>

#define KEPT_NAME "options"
#define KEPT_MAGIC "\377rp-opt\n"

/* A head, the body of a dump's record of a queue, and one with what a dump does not say; then the check of all before. */
enum { VERSION = 1, HEAD_BYTES = 32, CHECK_BYTES = 8, BYTES_MOST = 16384 };

int kept_make(struct kept *k, const char *name, uint64_t created_ns, const struct rp_queue_options *o) {
    *k = (struct kept){.queue.head.created_ns = created_ns, .queue.options = *o};
    strncpy(k->queue.head.name, name, sizeof k->queue.head.name - 1);
    if (o->group == NULL)
        return 0;
    if (strlen(o->group) >= sizeof k->group)
        return fail(-EINVAL, "the group's name has more than %zu bytes", sizeof k->group - 1);
    memcpy(k->group, o->group, strlen(o->group));
    k->queue.options.group = k->group;
    return 0;
}

/* ---- bytes ---- */

static void write_more(struct dump_body *b, const struct kept *k) {
    const struct rp_queue_options *o = &k->queue.options;
    const uint64_t numbers[] = {o->sync,      o->sync_interval_ns, o->journal_file_bytes, o->numa,
                                o->numa_node, strlen(k->group),    o->retain_ns,          o->retain_bytes};
    dump_body_begin(b);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        dump_body_number(b, numbers[i]);
    dump_body_bytes(b, k->group, strlen(k->group));
}

static bool read_more(struct dump_scan *x, struct kept *k) {
    struct rp_queue_options *o = &k->queue.options;
    o->sync = (uint32_t)dump_scan_number(x, RP_SYNC_NONE, "its sync is unknown");
    o->sync_interval_ns = dump_scan_number(x, UINT64_MAX, "");
    o->journal_file_bytes = dump_scan_number(x, UINT64_MAX, "");
    o->numa = (uint32_t)dump_scan_number(x, UINT32_MAX, "its placement cannot be");
    o->numa_node = (uint32_t)dump_scan_number(x, UINT32_MAX, "its placement cannot be");
    size_t bytes = dump_scan_number(x, sizeof k->group - 1, "its group's name is too long");
    if (x->numbers > 0) { /* earlier versions did not say it */
        o->retain_ns = dump_scan_number(x, UINT64_MAX, "");
        o->retain_bytes = dump_scan_number(x, UINT64_MAX, "");
    }
    dump_scan_numbers_end(x);
    const void *group = dump_scan_bytes(x, bytes);
    if (x->wrong != NULL)
        return false;
    memcpy(k->group, group, bytes);
    o->group = bytes > 0 ? k->group : NULL;
    return dump_scan_end(x);
}

/* -> all bytes, to be freed; NULL: no memory */
static unsigned char *encode(const struct kept *k, size_t *bytes) {
    struct dump_body queue = {0}, more = {0};
    dump_write_queue(&queue, &k->queue);
    write_more(&more, k);
    *bytes = HEAD_BYTES + queue.bytes + more.bytes + CHECK_BYTES;
    unsigned char *all = queue.failed || more.failed ? NULL : malloc(*bytes);
    if (all != NULL) {
        memcpy(all, KEPT_MAGIC, 8);
        put64(all + 8, VERSION);
        put64(all + 16, queue.bytes);
        put64(all + 24, more.bytes);
        memcpy(all + HEAD_BYTES, queue.data, queue.bytes);
        memcpy(all + HEAD_BYTES + queue.bytes, more.data, more.bytes);
        put64(all + *bytes - CHECK_BYTES, dump_check(all, *bytes - CHECK_BYTES, 0));
    }
    free(queue.data);
    free(more.data);
    return all;
}

static int refuse(const struct journal_dir *d, int result, const char *why) {
    return fail(result, "journal '%.120s': %s: %s", d->path, KEPT_NAME, why);
}

static int decode(const struct journal_dir *d, const unsigned char *all, size_t bytes, struct kept *k) {
    const size_t least = HEAD_BYTES + CHECK_BYTES;
    struct dump_scan x;
    if (bytes < least || memcmp(all, KEPT_MAGIC, 8) != 0 ||
        get64(all + bytes - CHECK_BYTES) != dump_check(all, bytes - CHECK_BYTES, 0))
        return refuse(d, RP_CORRUPT, "it is damaged; without it the queue is made with the options that are given");
    if (get64(all + 8) != VERSION)
        return refuse(d, RP_INCOMPATIBLE, "it is of another version");
    uint64_t queue = get64(all + 16), more = get64(all + 24);
    if (queue > bytes || more > bytes || queue + more + least != bytes)
        return refuse(d, RP_CORRUPT, "its lengths cannot be");
    *k = (struct kept){0};
    rp_queue_options_init(&k->queue.options, sizeof k->queue.options);
    if (!dump_scan_begin(&x, all + HEAD_BYTES, queue) || !dump_read_queue(&x, &k->queue) ||
        !dump_scan_begin(&x, all + HEAD_BYTES + queue, more) || !read_more(&x, k))
        return refuse(d, x.newer ? RP_INCOMPATIBLE : RP_CORRUPT, x.wrong);
    return 0;
}

/* ---- the file ---- */

static int read_file(const struct journal_dir *d, unsigned char *all, size_t *bytes) {
    int fd = file_open(d->fd, KEPT_NAME, FILE_READ);
    if (fd == -ENOENT)
        return -ENOENT;
    if (fd < 0)
        return journal_failed(d, fd, "open", KEPT_NAME);
    int64_t size = file_size(fd);
    int result = size < 0 ? (int)size : 0;
    *bytes = size > BYTES_MOST ? BYTES_MOST : (size_t)size; /* cut, its check is wrong */
    if (result == 0)
        result = journal_read_all(fd, all, *bytes, 0);
    file_close(fd);
    return result < 0 ? journal_failed(d, result, "read", KEPT_NAME) : 0;
}

int kept_read(const struct journal_dir *d, struct kept *k) {
    unsigned char all[BYTES_MOST];
    size_t bytes;
    int result = read_file(d, all, &bytes);
    return result < 0 ? result : decode(d, all, bytes, k);
}

static int write_file(const struct journal_dir *d, const unsigned char *all, size_t bytes) {
    char name[JOURNAL_NAME_MAX];
    journal_private_name(name);
    int fd = file_open(d->fd, name, FILE_CREATE), result = fd;
    if (fd >= 0) {
        result = journal_write_all(fd, all, bytes, 0);
        if (result == 0 && !MUTANT(kept_unsynced))
            result = file_sync(fd);
        file_close(fd);
    }
    if (result == 0)
        result = file_rename(d->fd, name, KEPT_NAME);
    if (result == 0)
        result = file_sync(d->fd);
    else if (fd >= 0)
        (void)file_remove(d->fd, name);
    return result < 0 ? journal_failed(d, result, "write", KEPT_NAME) : 0;
}

int kept_write(const struct journal_dir *d, const struct kept *k) {
    unsigned char before[BYTES_MOST];
    size_t bytes, bytes_before;
    unsigned char *all = encode(k, &bytes);
    if (all == NULL)
        return fail(-ENOMEM, "journal '%.120s': no memory for its options", d->path);
    bool same = read_file(d, before, &bytes_before) == 0 && bytes == bytes_before && memcmp(all, before, bytes) == 0;
    int result = same ? 0 : write_file(d, all, bytes);
    free(all);
    return result;
}
