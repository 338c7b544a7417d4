/* SPDX-License-Identifier: MIT */
/* What all of the layer needs: checks, names, whole reads and writes. */
#include "journal_format.h"

#include "atomic.h"
#include "clock.h"
#include "error.h"
#include "file.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t journal_check(const void *data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

/* ---- heads ---- */

void journal_head_begin(unsigned char *head, const char *magic, const unsigned char id[JOURNAL_ID_BYTES]) {
    memcpy(head + HEAD_MAGIC, magic, JOURNAL_MAGIC_BYTES);
    put32(head + HEAD_VERSION, JOURNAL_VERSION);
    put32(head + HEAD_ENDIAN, JOURNAL_ENDIAN_MARK);
    memcpy(head + HEAD_ID, id, JOURNAL_ID_BYTES);
}

/* Magic and check are those of all versions, so that damage is told from what is newer. */
const char *journal_head_check(const unsigned char *head, size_t bytes, const char *magic, bool *newer) {
    *newer = false;
    if (memcmp(head + HEAD_MAGIC, magic, JOURNAL_MAGIC_BYTES) != 0)
        return "this is not how such a file begins";
    if (get64(head + bytes - 8) != journal_check(head, bytes - 8, 0) && !MUTANT(journal_head_unchecked))
        return "the head's checksum is wrong";
    *newer = true;
    if (get32(head + HEAD_VERSION) != JOURNAL_VERSION)
        return "it is of another version of the format";
    if (get64(head + HEAD_INCOMPATIBLE) != 0)
        return "it has features that this version does not know";
    *newer = false;
    return get32(head + HEAD_ENDIAN) == JOURNAL_ENDIAN_MARK ? NULL : "its byte order is not that of a journal";
}

/* ---- names ---- */

void journal_file_name(uint64_t number, char name[JOURNAL_NAME_MAX]) {
    snprintf(name, JOURNAL_NAME_MAX, "%016llx" JOURNAL_SUFFIX, (unsigned long long)number);
}

uint64_t journal_file_number(const char *name) {
    enum { DIGITS = 16 };
    if (strspn(name, "0123456789abcdef") != DIGITS || strcmp(name + DIGITS, JOURNAL_SUFFIX) != 0)
        return 0;
    return strtoull(name, NULL, 16);
}

uint64_t journal_random(void) {
    return process_random() ^ (uint64_t)process_pid() << 32 ^ clock_boot_ns();
} /* a forked child draws its parent's numbers */

void journal_private_name(char name[JOURNAL_NAME_MAX]) {
    snprintf(name, JOURNAL_NAME_MAX, "new~%u.%016llx", process_pid(), (unsigned long long)journal_random());
}

/* ---- whole reads and writes ---- */

int journal_read_all(int fd, void *buffer, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        int64_t got = file_read(fd, (char *)buffer + done, bytes - done, at + done);
        if (got == 0)
            return -ENODATA;
        if (got < 0 && got != -EINTR)
            return (int)got;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int journal_write_all(int fd, const void *data, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        int64_t put = file_write(fd, (const char *)data + done, bytes - done, at + done);
        if (put == 0)
            return -EIO;
        if (put < 0 && put != -EINTR)
            return (int)put;
        done += put > 0 ? (size_t)put : 0;
        if (put > 0 && done < bytes && MUTANT(journal_short_write_taken))
            return 0;
    }
    return 0;
}

int journal_failed(const struct journal_dir *d, int result, const char *what, const char *name) {
    return fail(result, "journal '%.120s': %s%s%s: %s", d->path, what, name ? " " : "", name ? name : "", rp_error_text(result));
}

int journal_look_for(const struct journal_dir *d, const char *name) {
    int fd = file_open(d->fd, name, FILE_READ);
    if (fd < 0)
        return fd;
    file_close(fd);
    return 0;
}
