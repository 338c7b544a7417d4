/* SPDX-License-Identifier: MIT */
/* Opening queues, finding them, and saying what went wrong. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHM_DIRECTORY "/dev/shm"
#define SHM_PREFIX "ringpost."

const char *cli_verb = "";

void cli_error(const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "ringpost%s%s: ", cli_verb[0] ? " " : "", cli_verb);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void cli_note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int cli_status_of(int result) {
    if (result >= 0)
        return CLI_DONE;
    switch (result) {
    case RP_EMPTY:
    case RP_UNROUTABLE: return CLI_EMPTY;
    case RP_FULL:
    case RP_PAUSED: return CLI_FULL;
    case RP_GONE: return CLI_NO_QUEUE;
    case RP_CORRUPT:
    case RP_INCOMPATIBLE: return CLI_CORRUPT;
    case RP_LEASE_LOST: return CLI_LEASE_LOST;
    default: return CLI_FAILED;
    }
}

/* Results of the hot path do not set the detail, so what is there may be old news. */
static bool has_detail(int result) {
    return result != RP_EMPTY && result != RP_LEASE_LOST && result != -EINTR && rp_error_detail()[0] != '\0';
}

int cli_fail(int result, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "ringpost %s: ", cli_verb);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s", rp_error_text(result));
    if (has_detail(result))
        fprintf(stderr, " (%s)", rp_error_detail());
    fputc('\n', stderr);
    return cli_status_of(result);
}

int cli_open(const char *name, bool read_only, rp_queue **out) {
    struct rp_open_options options;
    int result;
    rp_open_options_init(&options, sizeof options);
    options.read_only = read_only;
    result = rp_queue_open(name, &options, out);
    if (result == 0)
        return CLI_DONE;
    if (result == -ENOENT) {
        cli_error("there is no queue '%s'", name);
        return CLI_NO_QUEUE;
    }
    if (result == -EINVAL) {
        cli_fail(result, "'%s'", name);
        return CLI_USAGE;
    }
    return cli_fail(result, "'%s'", name);
}

int cli_open_consumer(rp_queue *q, const struct rp_consumer_options *o, rp_consumer **out) {
    int result = rp_consumer_open(q, o, out);
    if (result == 0)
        return CLI_DONE;
    if (result == -ENOENT) {
        cli_error("queue '%s' has no group '%s'", rp_queue_name(q), o->group ? o->group : "default");
        return CLI_FAILED;
    }
    return cli_fail(result, "'%s'", rp_queue_name(q));
}

/* Names that a queue can have: private files of the library and strangers' files have others. */
static int is_queue(const struct dirent *entry) {
    const char *name = entry->d_name;
    if (strncmp(name, SHM_PREFIX, strlen(SHM_PREFIX)) != 0)
        return 0;
    name += strlen(SHM_PREFIX);
    return *name != '\0' && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

int cli_each_queue(int (*visit)(const char *name, void *context), void *context) {
    struct dirent **entries = NULL;
    int stop = 0;
    int count = scandir(SHM_DIRECTORY, &entries, is_queue, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        if (stop == 0)
            stop = visit(entries[i]->d_name + strlen(SHM_PREFIX), context);
        free(entries[i]);
    }
    free(entries);
    return stop;
}

int cli_give_back(rp_consumer *c, struct rp_message *m) {
    struct rp_nack_options options;
    rp_nack_options_init(&options, sizeof options);
    options.charge = 0;
    options.delay_ns = 0;
    return rp_nack(c, m, &options);
}
