/* SPDX-License-Identifier: MIT */
/*
 * Sensors, a dashboard, and an archive that cannot keep up.
 *
 *     dashboard [--sensors N] [--seconds S] [--rate N]        N readings a second from each sensor; 0: as fast as it can
 *
 * Each sensor is a process that sends readings to one queue. Two groups get them all: "live", whose processes share them and keep the table up to date, and "archive", which is slow,
 * and loses its oldest readings rather than hold the others up (drop-oldest). Each reading carries its number, so the archive sees its gaps.
 * In the end the books must balance: "live" got every reading once, and what the archive did not get the queue has counted as dropped.
 */
#include <errno.h>
#include <ringpost/ringpost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SENSORS_MAX = 32, LIVE = 2, BATCH = 64, ARCHIVE_PACE_US = 2000 };
#define MS 1000000

struct reading {
    uint32_t sensor;
    uint64_t number; /* 1, 2, ... of this sensor */
    double value;
};

/* What one process of "live" knows of one sensor. The processes share no sums, so nobody waits for anybody; who shows the table adds them up. */
struct sums {
    _Atomic uint64_t count, newest;
    _Atomic double last, least, most, total;
};

/* Between our processes: no part of the queue. */
struct shared {
    _Atomic int sensors_stop, consumers_stop, archive_hurries;
    _Atomic uint64_t sent[SENSORS_MAX];
    struct sums live[LIVE][SENSORS_MAX];
    _Atomic uint64_t archived, gaps;
    _Atomic uint64_t archive_next[SENSORS_MAX];
};
static struct shared *shared;
static char name[64];

static struct options {
    unsigned sensors;
    double seconds;
    unsigned rate;
} options = {8, 5, 500};

static void must(int result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "dashboard: %s: %s (%s)\n", what, rp_error_text(result), rp_error_detail());
    exit(1);
}

static void nap(long ns) { nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL); }

/* ---- the processes ---- */

static void sensor(unsigned me) {
    rp_queue *q;
    rp_producer *p;
    struct reading r = {.sensor = me, .value = 20 + me};
    uint64_t random = 88172645463325252u + me;
    must(rp_queue_open(name, NULL, &q), "open");
    must(rp_producer_open(q, NULL, &p), "producer");
    while (!shared->sensors_stop) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        r.number++;
        r.value += (double)(random % 2001) / 1e4 - 0.1;
        must(rp_send(p, &r, sizeof r, NULL), "send"); /* where the queue is full of what "live" has yet to see, it waits */
        shared->sent[me] = r.number;
        if (options.rate > 0)
            nap(1000000000 / options.rate);
    }
    rp_producer_close(p);
    rp_queue_close(q);
}

static rp_consumer *consumer(const char *group, uint64_t batch_wait_ns, rp_queue **q) {
    rp_consumer *c;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    o.batch_wait_ns = batch_wait_ns;
    must(rp_queue_open(name, NULL, q), "open");
    must(rp_consumer_open(*q, &o, &c), "consumer");
    return c;
}

static void account(struct sums *s, const struct reading *r) {
    s->least = s->count == 0 || r->value < s->least ? r->value : s->least;
    s->most = s->count == 0 || r->value > s->most ? r->value : s->most;
    if (r->number > s->newest) {
        s->newest = r->number;
        s->last = r->value;
    }
    s->total = s->total + r->value;
    s->count++;
}

/* Up to a batch at a time, or what came within 5 ms: many readings for one look at the clock, and the table is never older than that. */
static void live(unsigned me) {
    rp_queue *q;
    rp_consumer *c = consumer("live", 5 * MS, &q);
    struct rp_message m[BATCH];
    while (!shared->consumers_stop) {
        int count = rp_receive_batch(c, m, BATCH, 100 * MS);
        if (count < 0 && count != RP_EMPTY)
            must(count, "receive");
        for (int i = 0; i < count; i++) {
            struct reading r;
            memcpy(&r, m[i].data, sizeof r);
            if (rp_ack(c, &m[i]) == 0) /* counted by the one whose ack it was */
                account(&shared->live[me][r.sensor], &r);
        }
    }
    rp_consumer_close(c);
    rp_queue_close(q);
}

static void archive(unsigned me) {
    rp_queue *q;
    rp_consumer *c = consumer("archive", 0, &q);
    struct rp_message m;
    (void)me;
    while (!shared->consumers_stop) {
        int result = rp_receive(c, &m, 100 * MS);
        if (result == RP_EMPTY)
            continue;
        must(result, "receive");
        struct reading r;
        memcpy(&r, m.data, sizeof r);
        shared->gaps += r.number - 1 - shared->archive_next[r.sensor];
        shared->archive_next[r.sensor] = r.number;
        shared->archived++;
        if (!shared->archive_hurries)
            nap(ARCHIVE_PACE_US * 1000L); /* a slow disk */
        must(rp_ack(c, &m), "ack");
    }
    rp_consumer_close(c);
    rp_queue_close(q);
}

static pid_t start(void (*body)(unsigned), unsigned me) {
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        body(me);
    exit(0);
}

static int end(pid_t *pids, unsigned count) {
    int status, wrong = 0;
    for (unsigned i = 0; i < count; i++)
        wrong |= waitpid(pids[i], &status, 0) != pids[i] || status != 0;
    return wrong;
}

/* ---- the table ---- */

static uint64_t received_of(unsigned sensor_number) {
    uint64_t count = 0;
    for (unsigned i = 0; i < LIVE; i++)
        count += shared->live[i][sensor_number].count;
    return count;
}

static void show(rp_queue *q, double seconds, int redraw) {
    struct rp_queue_stats s;
    must(rp_queue_stats(q, &s), "stats");
    printf("%s%.1f s   in the queue: %llu cells of %u   archive: %llu kept, %llu missed\n", redraw ? "\033[H\033[J" : "", seconds,
           (unsigned long long)(s.cells - s.free_cells), s.cells, (unsigned long long)shared->archived,
           (unsigned long long)shared->gaps);
    printf("%6s %10s %9s %9s %9s %9s\n", "SENSOR", "READINGS", "LAST", "LEAST", "MOST", "MEAN");
    for (unsigned n = 0; n < options.sensors; n++) {
        uint64_t count = received_of(n), newest = 0;
        double last = 0, least = 0, most = 0, total = 0;
        for (unsigned i = 0, first = 1; i < LIVE; i++) {
            const struct sums *x = &shared->live[i][n];
            if (x->count == 0)
                continue;
            if (x->newest > newest) {
                newest = x->newest;
                last = x->last;
            }
            least = first || x->least < least ? x->least : least;
            most = first || x->most > most ? x->most : most;
            total += x->total;
            first = 0;
        }
        printf("%6u %10llu %9.2f %9.2f %9.2f %9.2f\n", n, (unsigned long long)count, last, least, most,
               count > 0 ? total / (double)count : 0.0);
    }
    fflush(stdout);
}

/* ---- all of it ---- */

static rp_queue *make(void) {
    rp_queue *q;
    struct rp_queue_options o;
    struct rp_group_options g;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 256;
    o.message_bytes = sizeof(struct reading);
    o.overflow = RP_OVERFLOW_BLOCK; /* "live" misses nothing: sensors wait for it, and only for it */
    snprintf(name, sizeof name, "dashboard.%d", (int)getpid());
    must(rp_queue_create(name, &o, &q), "create");
    rp_group_options_init(&g, sizeof g);
    must(rp_group_create(q, "live", &g), "group");
    g.overflow = RP_GROUP_DROP_OLDEST;
    must(rp_group_create(q, "archive", &g), "group");
    must(rp_group_remove(q, "default"), "group"); /* nobody serves it */
    return q;
}

static uint64_t dropped_of(rp_queue *q, const char *group) {
    struct rp_group_info info;
    for (uint32_t i = 0; rp_group_next(q, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, group) == 0)
            return info.dropped;
    return 0;
}

static int check(rp_queue *q) {
    uint64_t sent = 0, received = 0, tail = 0, dropped = dropped_of(q, "archive");
    int wrong = 0;
    for (unsigned n = 0; n < options.sensors; n++) {
        wrong |= received_of(n) != shared->sent[n];
        sent += shared->sent[n];
        received += received_of(n);
        tail += shared->sent[n] - shared->archive_next[n]; /* the last of a sensor may be missing, too */
    }
    wrong |= shared->archived + shared->gaps + tail != sent || shared->gaps + tail != dropped || dropped_of(q, "live") != 0;
    printf("%llu readings sent, %llu on the table; the archive kept %llu and missed %llu, the queue counted %llu as dropped: %s\n",
           (unsigned long long)sent, (unsigned long long)received, (unsigned long long)shared->archived,
           (unsigned long long)(shared->gaps + tail), (unsigned long long)dropped, wrong ? "WRONG" : "the books balance");
    return wrong;
}

static void parse(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--sensors") == 0)
            options.sensors = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            options.seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--rate") == 0)
            options.rate = (unsigned)atoi(argv[i + 1]);
        else
            options.sensors = 0;
    }
    if (argc % 2 == 1 && options.sensors > 0 && options.sensors <= SENSORS_MAX && options.seconds > 0)
        return;
    fprintf(stderr, "usage: dashboard [--sensors 1..%d] [--seconds S] [--rate N]\n", SENSORS_MAX);
    exit(2);
}

int main(int argc, char **argv) {
    pid_t sensors[SENSORS_MAX], consumers[LIVE + 1];
    int terminal = isatty(STDOUT_FILENO), wrong;
    parse(argc, argv);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    rp_queue *q = make();
    fflush(NULL);
    for (unsigned i = 0; i < LIVE; i++)
        consumers[i] = start(live, i);
    consumers[LIVE] = start(archive, 0);
    for (unsigned i = 0; i < options.sensors; i++)
        sensors[i] = start(sensor, i);
    for (double t = 0; t < options.seconds; t += 0.25) {
        nap(250 * MS);
        if (terminal)
            show(q, t + 0.25, 1);
    }
    shared->sensors_stop = 1;
    wrong = end(sensors, options.sensors);
    shared->archive_hurries = 1; /* what it has not lost it may still read */
    struct rp_drain_options d;
    rp_drain_options_init(&d, sizeof d);
    d.timeout_ns = 30 * INT64_C(1000) * MS;
    int left = rp_queue_drain(q, &d);
    must(left, "drain");
    shared->consumers_stop = 1;
    wrong |= end(consumers, LIVE + 1);
    show(q, options.seconds, terminal);
    wrong |= left != 0 || check(q);
    rp_queue_close(q);
    rp_queue_unlink(name);
    return wrong ? 1 : 0;
}
