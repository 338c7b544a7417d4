/* SPDX-License-Identifier: MIT */
#include "dumped.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- progress ---- */

#define SHOW_EVERY_NS (UINT64_C(200) * CLI_NS_PER_MS)

static uint64_t shown_ns;

void dumped_progress(void *context, uint64_t done, uint64_t all) {
    uint64_t now = cli_clock_ns();
    (void)context;
    if (now - shown_ns < SHOW_EVERY_NS || !isatty(STDERR_FILENO))
        return;
    shown_ns = now;
    fprintf(stderr, all ? "\r\033[K%" PRIu64 " of %" PRIu64 " messages" : "\r\033[K%" PRIu64 " messages", done, all);
    fflush(stderr);
}

void dumped_progress_end(void) {
    if (shown_ns)
        fputs("\r\033[K", stderr);
    shown_ns = 0;
}

/* ---- reading ---- */

static int64_t read_some(void *context, void *buffer, size_t bytes) {
    const struct dumped *d = context;
    for (;;) {
        if (cli_stop_count() > 0)
            return -EINTR;
        ssize_t n = read(d->fd, buffer, bytes);
        if (n >= 0)
            return n;
        if (errno == EAGAIN) {
            struct pollfd p = {.fd = d->fd, .events = POLLIN};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

int dumped_fail(const struct dumped *d, int result) {
    if (result == -EINTR && cli_stop_count() > 0) {
        cli_error("interrupted");
        return cli_stop_status();
    }
    if (result != RP_CORRUPT && result != RP_INCOMPATIBLE)
        return cli_fail(result, "%s", d->name);
    cli_error("%s: %s", d->name, rp_error_detail());
    return cli_status_of(result);
}

int dumped_open(struct dumped *d, const char *file) {
    *d = (struct dumped){.fd = STDIN_FILENO, .name = "stdin"};
    if (file && strcmp(file, "-") != 0) {
        d->name = file;
        d->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (d->fd < 0) {
        cli_error("%s: %s", file, strerror(errno));
        return CLI_FAILED;
    }
    if (isatty(d->fd))
        return cli_usage_error("a dump is not typed in: give a file, or redirect stdin");
    d->seekable = lseek(d->fd, 0, SEEK_CUR) == 0;
    return CLI_DONE;
}

void dumped_close(struct dumped *d) {
    rp_dump_close(d->dump);
    if (d->fd > STDIN_FILENO)
        close(d->fd);
}

int dumped_begin(struct dumped *d) {
    bool again = d->dump != NULL;
    rp_dump_close(d->dump);
    d->dump = NULL;
    int result = again && lseek(d->fd, 0, SEEK_SET) != 0 ? -errno : rp_dump_open(read_some, d, &d->dump);
    return result < 0 ? dumped_fail(d, result) : CLI_DONE;
}

int dumped_verify(struct dumped *d) {
    struct rp_dump_item item;
    int result;
    while ((result = rp_dump_next(d->dump, &item)) == 0) {
    }
    return result == RP_EMPTY ? dumped_begin(d) : dumped_fail(d, result);
}

int dumped_spool(struct dumped *d) {
    char buffer[65536];
    int64_t n;
    FILE *file = tmpfile();
    int fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 3) : -1, result = fd < 0 ? -errno : 0;
    while (result == 0 && (n = read_some(d, buffer, sizeof buffer)) != 0) {
        for (int64_t done = 0, some = 0; n > 0 && done < n && result == 0; done += some) {
            some = write(fd, buffer + done, (size_t)(n - done));
            result = some < 0 ? -errno : 0;
        }
        result = n < 0 ? (int)n : result;
    }
    if (result == 0 && lseek(fd, 0, SEEK_SET) != 0)
        result = -errno;
    if (file)
        fclose(file);
    if (result < 0) {
        if (fd >= 0)
            close(fd);
        return result == -EINTR ? dumped_fail(d, result) : cli_fail(result, "a temporary copy of %s", d->name);
    }
    if (d->fd > STDIN_FILENO)
        close(d->fd);
    d->fd = fd;
    d->seekable = true;
    return CLI_DONE;
}
