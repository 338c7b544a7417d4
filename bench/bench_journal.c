/* SPDX-License-Identifier: MIT */
/*
 * What durable queues cost, as ratios to what the disk can do by itself, to queues without journal, and to brokers that keep messages on the same disk. Everything is measured once in each round, one after the
 * other, so ratios are of neighbours in time; reported are medians over the rounds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "disk.h"
#include "histogram.h"
#include "series.h"
#include "stream.h"
#include "tree.h"
#ifdef BENCH_BROKERS
#include "tool/brokers.h"
#endif

#include <ringpost/ringpost.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 100,
    BYTES = 128,
    CAPACITY = 65536,
    SENDERS = 16,
    PATH_BYTES = 256,
    LARGE = 65536,
    LONG = 3,
    TURN = 16,
    QUEUE_BYTES = 64 << 20,
    DISK_BYTES = 256 << 20
};

/* ---- figures ---- */

enum figure {
    NONE,
    DIRECT_NS,
    SYNC_NS,
    WRITE_NS, /* the better of both */
    DIRECT_RATE,
    BUFFERED_RATE,
    SINGLE_NS,
    SINGLE_P99_NS,
    SINGLE_RATE,
    SHARED_RATE,
    PIPELINED_RATE,
    BATCHED_RATE,
    INTERVAL_RATE,
    INTERVAL_4K_RATE,
    INTERVAL_64K_RATE,
    RAM_SINGLE_RATE,
    TMPFS_SINGLE_RATE,
    RAM_BATCHED_RATE,
    TMPFS_BATCHED_RATE,
    REDIS_RATE,
    RABBITMQ_RATE,
    RECOVERY_RATE,
    FIGURES
};

static double figures[FIGURES][ROUNDS_MAX];
static uint64_t rounds = 5, now; /* the present round */

/* ---- queues ---- */

struct setting {
    const char *journal; /* NULL: none */
    uint32_t sync, bytes, capacity;
    uint64_t file_bytes; /* 0: as usual */
};

static void queue_make(const char *name, const struct setting *s, rp_queue **q) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = s->capacity;
    o.message_bytes = s->bytes;
    o.max_participants = SENDERS + 8;
    o.overflow = RP_OVERFLOW_BLOCK;
    o.journal = s->journal;
    o.sync = s->sync;
    o.journal_file_bytes = s->file_bytes != 0 ? s->file_bytes : o.journal_file_bytes;
    crew_check(rp_queue_create(name, &o, q), "rp_queue_create");
}

struct made {
    const char *what;
    struct setting setting;
    char name[CREW_NAME_MAX], path[PATH_BYTES];
};

static void open_queue(struct made *x, const char *directory) {
    rp_queue *q;
    crew_queue_name(x->name, x->what);
    if (directory != NULL) {
        snprintf(x->path, sizeof x->path, "%s/%s", directory, x->what);
        x->setting.journal = x->path;
    }
    queue_make(x->name, &x->setting, &q);
    crew_check(rp_queue_close(q), "rp_queue_close");
}

static struct made
    always = {"always", {.sync = RP_SYNC_ALWAYS, .bytes = BYTES, .capacity = CAPACITY}, {0}, {0}},
    interval = {"interval", {.sync = RP_SYNC_INTERVAL, .bytes = BYTES, .capacity = CAPACITY}, {0}, {0}},
    interval_4k = {"interval-4k", {.sync = RP_SYNC_INTERVAL, .bytes = 4096, .capacity = QUEUE_BYTES / 4096}, {0}, {0}},
    interval_64k = {"interval-64k", {.sync = RP_SYNC_INTERVAL, .bytes = LARGE, .capacity = QUEUE_BYTES / LARGE}, {0}, {0}},
    tmpfs = {"tmpfs", {.sync = RP_SYNC_NONE, .bytes = BYTES, .capacity = CAPACITY}, {0}, {0}},
    ram = {"ram", {.bytes = BYTES, .capacity = CAPACITY}, {0}, {0}};

/* ---- one round ---- */

static struct machine machine;
static struct disk disk;
static uint64_t slice_ns = 300000000;

/* Writes of the disk and sends in turns, a few each: a disk that others use is not the same for long. */
static void measure_sends(void) {
    static struct histogram direct, sync, sends;
    histogram_clear(&direct);
    histogram_clear(&sync);
    histogram_clear(&sends);
    struct source x;
    source_open(&x, always.name, BYTES);
    disk_settle(&disk);
    for (uint64_t begin = clock_ns(); clock_ns() - begin < LONG * slice_ns;) {
        for (int i = 0; i < TURN; i++)
            histogram_add(&direct, disk_write_one(&disk, DISK_DIRECT, 4096));
        for (int i = 0; i < TURN; i++)
            histogram_add(&sync, disk_write_one(&disk, DISK_SYNC, 4096));
        for (int i = 0; i < TURN; i++)
            histogram_add(&sends, source_send(&x));
    }
    source_close(&x);
    stream_drain(&x, &machine);
    figures[DIRECT_NS][now] = histogram_quantile(&direct, 0.5, 0);
    figures[SYNC_NS][now] = histogram_quantile(&sync, 0.5, 0);
    figures[WRITE_NS][now] = fmin(figures[DIRECT_NS][now], figures[SYNC_NS][now]);
    figures[SINGLE_NS][now] = histogram_quantile(&sends, 0.5, 0);
    figures[SINGLE_P99_NS][now] = histogram_quantile(&sends, 0.99, 0);
}

/* Long enough for a journal to go on from file to file. */
static double disk_rate(enum disk_how how) {
    disk_settle(&disk);
    return disk_write(&disk, how, LARGE, LONG * slice_ns);
}

static double stream_rate(const struct made *x, uint32_t senders, enum stream_how how, bool together) {
    struct stream s = {.queue = x->name,
                       .bytes = x->setting.bytes,
                       .senders = senders,
                       .how = how,
                       .together = together,
                       .ns = together ? LONG * slice_ns : slice_ns};
    disk_settle(&disk);
    s.most = together ? 0 : CAPACITY / senders;
    return stream_run(&s, &machine);
}

static double rate(const struct made *x, enum stream_how how) { return stream_rate(x, 1, how, true); }

static void measure(void) {
    measure_sends();
    figures[SINGLE_RATE][now] = stream_rate(&always, 1, STREAM_SINGLY, false);
    figures[SHARED_RATE][now] = stream_rate(&always, SENDERS, STREAM_SINGLY, false);
    figures[DIRECT_RATE][now] = disk_rate(DISK_DIRECT);
    figures[PIPELINED_RATE][now] = rate(&always, STREAM_PIPELINED);
    figures[BATCHED_RATE][now] = rate(&always, STREAM_BATCHES);
#ifdef BENCH_BROKERS
    figures[REDIS_RATE][now] = broker_rate(BROKER_REDIS, BYTES, STREAM_BATCH, slice_ns, &machine);
    figures[RABBITMQ_RATE][now] = broker_rate(BROKER_RABBITMQ, BYTES, STREAM_BATCH, slice_ns, &machine);
#endif
    figures[BUFFERED_RATE][now] = disk_rate(DISK_BUFFERED);
    figures[INTERVAL_RATE][now] = BYTES * rate(&interval, STREAM_BATCHES);
    figures[INTERVAL_4K_RATE][now] = 4096 * rate(&interval_4k, STREAM_BATCHES);
    figures[INTERVAL_64K_RATE][now] = LARGE * rate(&interval_64k, STREAM_BATCHES);
    figures[RAM_SINGLE_RATE][now] = rate(&ram, STREAM_SINGLY);
    figures[TMPFS_SINGLE_RATE][now] = rate(&tmpfs, STREAM_SINGLY);
    figures[RAM_BATCHED_RATE][now] = rate(&ram, STREAM_BATCHES);
    figures[TMPFS_BATCHED_RATE][now] = rate(&tmpfs, STREAM_BATCHES);
}

/* ---- recovery ---- */

enum { KEEP = 1000 };

/* A journal in which `count` messages came and all but some went. One file, so that nothing of it is dropped. */
static void fill_journal(const struct made *x, uint64_t count) {
    struct stream s = {.queue = x->name,
                       .bytes = BYTES,
                       .senders = 1,
                       .how = STREAM_BATCHES,
                       .together = true,
                       .ns = UINT64_MAX,
                       .most = count,
                       .keep = KEEP};
    stream_run(&s, &machine);
}

static void measure_recovery(const char *directory, uint64_t count) {
    struct made x = {"recovery", {.sync = RP_SYNC_NONE, .bytes = BYTES, .capacity = CAPACITY}, {0}, {0}};
    rp_queue *q;
    x.setting.file_bytes = (count * 300 + (8 << 20)) / 4096 * 4096;
    open_queue(&x, directory);
    fill_journal(&x, count);
    crew_check(rp_queue_unlink(x.name), "rp_queue_unlink");
    crew_progress();
    x.setting.file_bytes = 1 << 20; /* making a large one would be most of the time */
    uint64_t begin = clock_ns();
    queue_make(x.name, &x.setting, &q);
    double seconds = (double)(clock_ns() - begin) * 1e-9;
    figures[RECOVERY_RATE][0] = (double)(2 * count - KEEP) / seconds;
    crew_check(rp_queue_close(q), "rp_queue_close");
    crew_check(rp_queue_unlink(x.name), "rp_queue_unlink");
}

/* ---- the table ---- */

enum unit { MICROSECONDS, MEGABYTES, THOUSANDS };

struct row {
    const char *what;
    enum figure figure;
    enum unit unit;
    enum figure of; /* NONE: no ratio */
    double factor;  /* ratio = factor * figure / of; 0: 1 */
    double goal;
    bool below;
};

static const struct row table[] = {
    {.what = "disk: 4 KiB O_DIRECT|O_DSYNC, p50", .figure = DIRECT_NS, .unit = MICROSECONDS},
    {.what = "disk: 4 KiB and fdatasync, p50", .figure = SYNC_NS, .unit = MICROSECONDS},
    {.what = "disk: 64 KiB on disk each", .figure = DIRECT_RATE, .unit = MEGABYTES},
    {.what = "disk: 64 KiB buffered, synced every 100 ms", .figure = BUFFERED_RATE, .unit = MEGABYTES},
    {.what = "always: a send, p50, of the best 4 KiB",
     .figure = SINGLE_NS,
     .unit = MICROSECONDS,
     .of = WRITE_NS,
     .goal = 1.15,
     .below = true},
    {.what = "always: a send, p99, of the best 4 KiB", .figure = SINGLE_P99_NS, .unit = MICROSECONDS, .of = WRITE_NS},
    {.what = "always: 16 senders, of 16 x one",
     .figure = SHARED_RATE,
     .unit = THOUSANDS,
     .of = SINGLE_RATE,
     .factor = 1.0 / SENDERS,
     .goal = 0.8},
    {.what = "always: pipelined, of 64 KiB writes",
     .figure = PIPELINED_RATE,
     .unit = THOUSANDS,
     .of = DIRECT_RATE,
     .factor = BYTES,
     .goal = 0.4},
    {.what = "   of Redis Streams, appendfsync always", .figure = PIPELINED_RATE, .unit = THOUSANDS, .of = REDIS_RATE, .goal = 6},
    {.what = "   of RabbitMQ, persistent and confirmed",
     .figure = PIPELINED_RATE,
     .unit = THOUSANDS,
     .of = RABBITMQ_RATE,
     .goal = 20},
    {.what = "always: batches of 100, of 64 KiB writes",
     .figure = BATCHED_RATE,
     .unit = THOUSANDS,
     .of = DIRECT_RATE,
     .factor = BYTES},
    {.what = "   of Redis Streams, appendfsync always", .figure = BATCHED_RATE, .unit = THOUSANDS, .of = REDIS_RATE},
    {.what = "   of RabbitMQ, persistent and confirmed", .figure = BATCHED_RATE, .unit = THOUSANDS, .of = RABBITMQ_RATE},
    {.what = "interval: 128 B in batches, of buffered", .figure = INTERVAL_RATE, .unit = MEGABYTES, .of = BUFFERED_RATE},
    {.what = "interval: 4 KiB in batches, of buffered", .figure = INTERVAL_4K_RATE, .unit = MEGABYTES, .of = BUFFERED_RATE},
    {.what = "interval: 64 KiB in batches, of buffered",
     .figure = INTERVAL_64K_RATE,
     .unit = MEGABYTES,
     .of = BUFFERED_RATE,
     .goal = 0.7},
    {.what = "tmpfs: one at a time, of no journal", .figure = TMPFS_SINGLE_RATE, .unit = THOUSANDS, .of = RAM_SINGLE_RATE},
    {.what = "tmpfs: batches of 100, of no journal",
     .figure = TMPFS_BATCHED_RATE,
     .unit = THOUSANDS,
     .of = RAM_BATCHED_RATE,
     .goal = 0.5},
};

static void print_figure(enum unit unit, double value) {
    static const struct {
        const char *name;
        double scale;
    } units[] = {{"us", 1e-3}, {"MB/s", 1e-6}, {"k msg/s", 1e-3}};
    printf("%10.1f %-7s", value * units[unit].scale, units[unit].name);
}

static void print_row(const struct row *x) {
    double ratios[ROUNDS_MAX], values[ROUNDS_MAX];
    uint64_t count = 0;
    for (uint64_t r = 0; r < rounds; r++) {
        values[r] = figures[x->figure][r];
        double of = figures[x->of][r];
        if (of > 0)
            ratios[count++] = (x->factor > 0 ? x->factor : 1) * values[r] / of;
    }
    printf("  %-46s", x->what);
    if (x->of != NONE && count == 0) {
        printf(" not there\n");
        return;
    }
    print_figure(x->unit, quantile(values, rounds, 0.5));
    if (x->of != NONE) {
        double ratio = quantile(ratios, count, 0.5);
        printf("%8.2f (%.2f - %.2f)", ratio, quantile(ratios, count, 0.1), quantile(ratios, count, 0.9));
        if (x->goal > 0)
            printf("  goal %s %.2f%s", x->below ? "<=" : ">=", x->goal,
                   (x->below ? ratio <= x->goal : ratio >= x->goal) ? "" : "  MISSED");
    }
    printf("\n");
}

int main(int argc, char **argv) {
    const char *base = "build";
    uint64_t messages = 1000000, slice_ms = slice_ns / 1000000;
    bool quick = false, no_brokers = false;
    const struct argument rows[] = {
        {.name = "dir", .help = "where journals and files are made (build)", .text = &base},
        {.name = "rounds", .help = "how often (5)", .number = &rounds},
        {.name = "slice-ms", .help = "how long each takes (300)", .number = &slice_ms},
        {.name = "messages", .help = "of the journal that is brought back (1000000)", .number = &messages},
        {.name = "no-brokers", .help = "without Redis and RabbitMQ", .flag = &no_brokers},
        {.name = "quick", .help = "one round of 20 ms, 20000 messages, no brokers", .flag = &quick},
        {0},
    };
    arguments_read(argc, argv, "durable queues, against the disk, queues without journal, and brokers", rows);
    if (quick) {
        rounds = 1;
        slice_ms = 20;
        messages = 20000;
    }
    if (rounds == 0 || rounds > ROUNDS_MAX || slice_ms == 0 || slice_ms > 10000 || messages < 2 * KEEP || messages > 3000000) {
        fprintf(stderr, "bench_journal: --rounds is 1 .. %d, --slice-ms 1 .. 10000, --messages %d .. 3000000\n", ROUNDS_MAX,
                2 * KEEP);
        return 2;
    }
    messages = messages / STREAM_BATCH * STREAM_BATCH;
    slice_ns = slice_ms * 1000000;
    if (!machine_read(&machine, NULL))
        return 1;
    crew_begin("bench_journal");
    char disk_path[PATH_BYTES], tmpfs_path[PATH_BYTES];
    snprintf(disk_path, sizeof disk_path, "%.80s/ringpost-bench-%ld", base, (long)getpid());
    snprintf(tmpfs_path, sizeof tmpfs_path, "/dev/shm/ringpost-bench-%ld", (long)getpid());
    crew_directory(disk_path);
    crew_directory(tmpfs_path);
    disk_open(&disk, disk_path, quick ? DISK_BYTES / 16 : DISK_BYTES);
    struct made *const queues[] = {&always, &interval, &interval_4k, &interval_64k, &tmpfs, &ram};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++)
        open_queue(queues[i], queues[i] == &ram ? NULL : queues[i] == &tmpfs ? tmpfs_path : disk_path);
#ifdef BENCH_BROKERS
    if (!quick && !no_brokers)
        brokers_start(disk_path);
#endif
    for (now = 0; now < rounds; now++)
        measure();
#ifdef BENCH_BROKERS
    brokers_stop();
#endif
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++)
        crew_check(rp_queue_unlink(queues[i]->name), "rp_queue_unlink");
    measure_recovery(disk_path, messages);
    disk_close(&disk);
    tree_remove(disk_path);
    tree_remove(tmpfs_path);
    printf("durable queues, messages of %d bytes, in %s; %llu rounds of %llu ms; median of ratios (10 %% - 90 %%)\n", BYTES, base,
           (unsigned long long)rounds, (unsigned long long)slice_ms);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        print_row(&table[i]);
    printf("  %-46s%10.2f M records/s                goal >= 5.00%s\n", "brought back, nearly all of it settled",
           figures[RECOVERY_RATE][0] * 1e-6, figures[RECOVERY_RATE][0] < 5e6 ? "  MISSED" : "");
    return 0;
}
