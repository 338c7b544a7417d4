/* SPDX-License-Identifier: MIT */
/* The directory, and what must be true of what lies in it. */
#include "create.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct figures figures;
static char doing[200];

void must_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s (%s; %s)\n", file, line, what, rp_error_detail(), doing);
    exit(2);
}

void now_doing(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(doing, sizeof doing, format, arguments);
    va_end(arguments);
}

void violation(const char *format, ...) {
    if (figures.violations++ > 20)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "VIOLATION: %s%s: ", doing, private_names ? ", private names" : "");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

void scene_open(struct scene *s) {
    snprintf(s->directory, sizeof s->directory, "/dev/shm/ringpost-crash-create.%d", (int)getpid());
    snprintf(s->path, sizeof s->path, "%s/queue", s->directory);
    must(mkdir(s->directory, 0700) == 0);
}

struct names scene_names(const struct scene *s) {
    struct names n = {0};
    DIR *entries = opendir(s->directory);
    must(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (strcmp(entry->d_name, "queue") == 0)
            n.queues++;
        else if (strchr(entry->d_name, '~') != NULL)
            n.private_files++;
        else
            n.others++;
    }
    closedir(entries);
    return n;
}

void scene_close(const struct scene *s) {
    DIR *entries = opendir(s->directory);
    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;)
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    (void)rmdir(s->directory);
}

/* ---- queues ---- */

static void letter(unsigned char out[LETTER], unsigned number) {
    for (unsigned i = 0; i < LETTER; i++)
        out[i] = (unsigned char)(number * 31 + i * 7 + 1);
}

void send_letters(rp_queue *q, unsigned count) {
    rp_producer *p;
    unsigned char bytes[LETTER];
    must(rp_producer_open(q, NULL, &p) == 0);
    for (unsigned i = 0; i < count; i++) {
        letter(bytes, i);
        must(rp_send(p, bytes, sizeof bytes, NULL) == 0);
    }
    rp_producer_close(p);
}

/* -> how many there were; they are 0, 1, 2, ... */
static unsigned receive_letters(rp_queue *q) {
    rp_consumer *c;
    struct rp_message m;
    unsigned char expected[LETTER];
    unsigned count = 0;
    must(rp_consumer_open(q, NULL, &c) == 0);
    for (; rp_receive(c, &m, 0) == 0; count++) {
        letter(expected, count);
        if (m.bytes != LETTER || memcmp(m.data, expected, LETTER) != 0)
            violation("message %u has other bytes", count);
        if (rp_ack(c, &m) != 0)
            violation("message %u cannot be acked", count);
    }
    rp_consumer_close(c);
    return count;
}

static unsigned fill(rp_queue *q) {
    rp_producer *p;
    unsigned char bytes[LETTER];
    unsigned count = 0;
    must(rp_producer_open(q, NULL, &p) == 0);
    for (letter(bytes, 0); rp_send(p, bytes, sizeof bytes, NULL) == 0; letter(bytes, count))
        count++;
    rp_producer_close(p);
    return count;
}

static void check_seats(const struct scene *s, unsigned expected) {
    rp_queue *q[SEATS + 1];
    unsigned got = 0;
    while (got <= SEATS && rp_queue_open(s->path, NULL, &q[got]) == 0)
        got++;
    if (got != expected)
        violation("%u seats can be had, not %u", got, expected);
    while (got > 0)
        must(rp_queue_close(q[--got]) == 0);
}

void check_queue(const struct scene *s, unsigned letters) {
    rp_queue *q;
    struct rp_audit a;
    struct rp_queue_stats stats;
    int result = rp_queue_open(s->path, NULL, &q);
    if (result != 0) {
        violation("the queue cannot be opened: %s: %s", rp_error_name(result), rp_error_detail());
        return;
    }
    must(rp_queue_audit(q, &a) == 0);
    if (a.violations != 0)
        violation("audit: %llu violations: %s", (unsigned long long)a.violations, a.first);
    while ((result = rp_queue_sweep(q)) > 0) {
    }
    unsigned got = receive_letters(q), fit = fill(q);
    must(rp_queue_stats(q, &stats) == 0);
    if (result < 0 || got != letters || fit != stats.cells || receive_letters(q) != fit || stats.participants_dead != 0)
        violation("%u of %u letters, %u fit into %u cells, %u dead", got, letters, fit, stats.cells, stats.participants_dead);
    must(rp_queue_sweep(q) >= 0 && rp_queue_audit(q, &a) == 0 && rp_queue_stats(q, &stats) == 0);
    if (a.violations || a.repairable || stats.free_cells != stats.cells)
        violation("afterwards: %llu violations, %llu repairable, %llu of %u cells free: %s", (unsigned long long)a.violations,
                  (unsigned long long)a.repairable, (unsigned long long)stats.free_cells, stats.cells, a.first);
    check_seats(s, SEATS - stats.participants);
    must(rp_queue_close(q) == 0);
}

void check_end(const struct scene *s) {
    struct names n = scene_names(s);
    int result = rp_queue_unlink(s->path);
    if (result != (n.queues ? 0 : -ENOENT))
        violation("removing the queue: %s", rp_error_name(result));
    int collected = rp_collect(s->directory);
    if (collected != (int)n.private_files)
        violation("%d of %u private files were collected", collected, n.private_files);
    n = scene_names(s);
    if (n.queues || n.private_files || n.others)
        violation("left: %u queues, %u private files, %u others", n.queues, n.private_files, n.others);
}
