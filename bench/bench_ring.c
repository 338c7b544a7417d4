/* SPDX-License-Identifier: MIT */
/*
 * The broadcast ring between two processes on two cores: round trips over two rings, and a stream that loses nothing (RP_RING_GATE), one by one and in batches. Beside it, in the same slices, the bare
 * cache line and the least that a message can be: a ring of one-line slots (a number and 56 bytes) without any safety. See README.md.
 */
#include "arguments.h"
#include "bounce.h"
#include "crew.h"
#include "payload.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <string.h>

enum { WARM_UP_ROUNDS = 500, SERIES_MAX = 24, BYTES_MAX = 1024, BATCH = 16, LINES = 1024, LINE_WORDS = 7, PARTY_SIZES = 6 };

/* ---- the hand-made slot ---- */

struct line {
    alignas(CACHE_LINE) _Atomic uint64_t number; /* 0: never written */
    uint64_t words[LINE_WORDS];
};

struct lines {
    alignas(LINE_PAIR) _Atomic uint64_t read; /* so many; for streams */
    alignas(LINE_PAIR) struct line line[LINES];
};

struct line_writer {
    struct lines *lines;
    uint64_t next, read_seen;
};

static void line_write(struct line_writer *w, const void *data, size_t bytes) {
    struct line *l = &w->lines->line[w->next % LINES];
    while (w->next - w->read_seen >= LINES) {
        w->read_seen = atomic_load_explicit(&w->lines->read, memory_order_acquire);
    }
    memcpy(l->words, data, bytes);
    atomic_store_explicit(&l->number, ++w->next, memory_order_release);
}

static void line_read(struct lines *lines, uint64_t next, void *data, size_t bytes) {
    struct line *l = &lines->line[next % LINES];
    while (atomic_load_explicit(&l->number, memory_order_acquire) != next + 1) {
        cpu_pause();
    }
    memcpy(data, l->words, bytes);
}

/* ---- jobs ---- */

enum kind { BARE, LINE_RTT, RING_RTT, LINE_STREAM, RING_STREAM, QUIT };

struct job {
    enum kind kind;
    uint32_t bytes;
    uint32_t ring; /* index into the rings of this kind */
    uint32_t batch;
    uint64_t rounds;
};

static struct shared {
    struct bounce_line bare;
    alignas(LINE_PAIR) _Atomic uint64_t posted;
    struct job job;
    alignas(LINE_PAIR) _Atomic uint64_t done;
    struct lines there, back, stream;
} * shared;

/* One process's ends. Ring 2 * i asks in size i, 2 * i + 1 answers; the last is the stream. */
static struct party {
    char names[2 * PARTY_SIZES + 1][CREW_NAME_MAX + 32];
    rp_ring *rings[2 * PARTY_SIZES + 1];
    rp_writer *writers[2 * PARTY_SIZES + 1];
    rp_reader *readers[2 * PARTY_SIZES + 1];
    uint32_t sizes[PARTY_SIZES];
    uint32_t size_count;
    uint64_t lines_next; /* messages so far over the hand-made slots, in each direction */
    uint64_t stream_next;
} party;

static void wanted(const void *data, size_t bytes, size_t expected, uint64_t number) {
    uint64_t tag;
    if (bytes != expected || !payload_read(data, bytes, &tag) || tag != payload_tag(0, number)) {
        crew_fail("message %llu: wrong length, number or content", (unsigned long long)number);
    }
}

static void ring_send(rp_writer *w, const void *data, size_t bytes) {
    int result = rp_write(w, data, bytes);
    if (result < 0) {
        crew_check(result, "rp_write");
    }
}

static size_t ring_receive(rp_reader *r, void *data) {
    size_t bytes;
    int result;
    while ((result = rp_read(r, data, BYTES_MAX, &bytes, 0)) == RP_EMPTY) {
        cpu_pause();
    }
    crew_check(result, "rp_read");
    return bytes;
}

/* ---- round trips ---- */

static void answer_rtt(const struct job *job) {
    static uint64_t buffer[BYTES_MAX / 8];
    struct line_writer back = {.lines = &shared->back, .next = party.lines_next, .read_seen = UINT64_MAX / 2};
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        size_t bytes = job->bytes;
        if (job->kind == LINE_RTT) {
            back.read_seen = back.next;
            line_read(&shared->there, party.lines_next + i, buffer, bytes);
        } else {
            bytes = ring_receive(party.readers[2 * job->ring], buffer);
        }
        wanted(buffer, bytes, job->bytes, i);
        payload_write(buffer, bytes, payload_tag(0, i));
        if (job->kind == LINE_RTT) {
            line_write(&back, buffer, bytes);
        } else {
            ring_send(party.writers[2 * job->ring + 1], buffer, bytes);
        }
    }
    if (job->kind == LINE_RTT) {
        party.lines_next += WARM_UP_ROUNDS + job->rounds;
    }
}

static void ask_rtt(const struct job *job, struct histogram *h) {
    static uint64_t buffer[BYTES_MAX / 8];
    struct line_writer there = {.lines = &shared->there, .next = party.lines_next};
    uint64_t from = ticks_now();
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        size_t bytes = job->bytes;
        payload_write(buffer, bytes, payload_tag(0, i));
        if (job->kind == LINE_RTT) {
            there.read_seen = there.next;
            line_write(&there, buffer, bytes);
            line_read(&shared->back, party.lines_next + i, buffer, bytes);
        } else {
            ring_send(party.writers[2 * job->ring], buffer, bytes);
            bytes = ring_receive(party.readers[2 * job->ring + 1], buffer);
        }
        wanted(buffer, bytes, job->bytes, i);
        uint64_t now = ticks_now();
        if (i >= WARM_UP_ROUNDS) {
            histogram_add(h, now - from);
        }
        from = now;
    }
    if (job->kind == LINE_RTT) {
        party.lines_next += WARM_UP_ROUNDS + job->rounds;
    }
}

/* ---- streams ---- */

static void read_stream(const struct job *job) {
    static uint64_t buffers[BATCH][BYTES_MAX / 8];
    uint32_t stream = 2 * party.size_count;
    struct rp_read_item items[BATCH];
    for (uint32_t k = 0; k < BATCH; k++) {
        items[k] = (struct rp_read_item){.buffer = buffers[k], .capacity = BYTES_MAX};
    }
    for (uint64_t i = 0; i < job->rounds;) {
        if (job->kind == LINE_STREAM) {
            line_read(&shared->stream, party.stream_next, buffers[0], job->bytes);
            atomic_store_explicit(&shared->stream.read, ++party.stream_next, memory_order_release);
            wanted(buffers[0], job->bytes, job->bytes, i++);
        } else if (job->batch == 1) {
            wanted(buffers[0], ring_receive(party.readers[stream], buffers[0]), job->bytes, i++);
        } else {
            int count = rp_read_batch(party.readers[stream], items, job->batch, 0);
            if (count == RP_EMPTY) {
                cpu_pause();
                continue;
            }
            crew_check(count, "rp_read_batch");
            for (int k = 0; k < count; k++) {
                wanted(buffers[k], items[k].bytes, job->bytes, i++);
            }
        }
    }
}

static void write_stream(const struct job *job) {
    static uint64_t buffers[BATCH][BYTES_MAX / 8];
    uint32_t stream = 2 * party.size_count;
    struct rp_write_item items[BATCH];
    struct line_writer line = {.lines = &shared->stream, .next = party.stream_next, .read_seen = party.stream_next};
    for (uint64_t i = 0; i < job->rounds;) {
        for (uint32_t k = 0; k < job->batch; k++) {
            payload_write(buffers[k], job->bytes, payload_tag(0, i + k));
            items[k] = (struct rp_write_item){buffers[k], job->bytes};
        }
        if (job->kind == LINE_STREAM) {
            line_write(&line, buffers[0], job->bytes);
        } else if (job->batch == 1) {
            ring_send(party.writers[stream], buffers[0], job->bytes);
        } else if (rp_write_batch(party.writers[stream], items, job->batch) != (int)job->batch) {
            crew_fail("rp_write_batch: not all were written");
        }
        i += job->batch;
    }
    party.stream_next = line.next;
}

/* ---- the answering process ---- */

static void open_end(uint32_t i, bool writes) {
    crew_check(rp_ring_open(party.names[i], NULL, &party.rings[i]), "rp_ring_open");
    if (writes) {
        crew_check(rp_writer_open(party.rings[i], NULL, &party.writers[i]), "rp_writer_open");
    } else {
        crew_check(rp_reader_open(party.rings[i], NULL, &party.readers[i]), "rp_reader_open");
    }
}

static void close_ends(void) {
    for (uint32_t i = 0; i <= 2 * party.size_count; i++) {
        rp_writer_close(party.writers[i]);
        rp_reader_close(party.readers[i]);
        crew_check(rp_ring_close(party.rings[i]), "rp_ring_close");
    }
}

static void answer(void *argument) {
    (void)argument;
    for (uint32_t i = 0; i <= 2 * party.size_count; i++) {
        open_end(i, i % 2 == 1);
    }
    for (uint64_t next = 1;; next++) {
        atomic_store_explicit(&shared->done, next, memory_order_release);
        while (atomic_load_explicit(&shared->posted, memory_order_acquire) < next) {
            cpu_pause();
        }
        struct job job = shared->job;
        switch (job.kind) {
        case BARE:
            bounce_serve(&shared->bare, atomic_load_explicit(&shared->bare.turn, memory_order_relaxed) & ~1ull, job.rounds);
            break;
        case LINE_RTT:
        case RING_RTT: answer_rtt(&job); break;
        case LINE_STREAM:
        case RING_STREAM: read_stream(&job); break;
        case QUIT: close_ends(); return;
        }
    }
}

/* ---- the asking process ---- */

static const char *const value_names[] = {"p50", "p90", "p99"};
static const char *const stream_names[] = {"per_message"};

struct bench {
    struct machine machine;
    uint64_t rounds, slices, jobs;
    struct series series[SERIES_MAX]; /* the first is the bare line */
    struct job of[SERIES_MAX];
    size_t count;
};

static void await_done(const struct bench *b) {
    while (atomic_load_explicit(&shared->done, memory_order_acquire) <= b->jobs) {
        cpu_pause();
    }
}

static void post(struct bench *b, const struct job *job) {
    await_done(b);
    shared->job = *job;
    atomic_store_explicit(&shared->posted, ++b->jobs, memory_order_release);
}

static struct bounce_result probe(struct bench *b, uint32_t round) {
    struct job job = {.kind = BARE, .rounds = b->rounds < 10000 ? b->rounds : 10000};
    uint64_t base = atomic_load_explicit(&shared->bare.turn, memory_order_relaxed);
    post(b, &job);
    struct bounce_result r = bounce_measure(&shared->bare, base, job.rounds, &b->machine);
    struct slice slice = {.round = round, .before_ns = r.p50_ns, .after_ns = r.p50_ns, .value = {r.p50_ns, r.p90_ns, r.p99_ns}};
    series_add(&b->series[0], &slice);
    return r;
}

static void run(struct bench *b, const struct job *job, double value[SERIES_VALUES_MAX]) {
    static struct histogram h;
    post(b, job);
    if (job->kind == LINE_RTT || job->kind == RING_RTT) {
        histogram_clear(&h);
        ask_rtt(job, &h);
        static const double shares[] = {0.50, 0.90, 0.99};
        for (int v = 0; v < 3; v++) {
            value[v] = machine_quantile_ns(&b->machine, &h, shares[v]);
        }
        await_done(b);
    } else {
        uint64_t from = clock_ns();
        write_stream(job);
        await_done(b);
        value[0] = (double)(clock_ns() - from) / (double)job->rounds;
    }
    crew_progress();
}

static void measure(struct bench *b) {
    for (uint32_t round = 0; round < b->slices; round++) {
        struct bounce_result before = probe(b, round);
        for (size_t i = 1; i < b->count; i++) {
            struct slice slice = {.round = round, .before_ns = before.p50_ns};
            run(b, &b->of[i], slice.value);
            before = probe(b, round);
            slice.after_ns = before.p50_ns;
            series_add(&b->series[i], &slice);
        }
    }
}

static void add(struct bench *b, const char *peer, const char *test, struct job job) {
    bool stream = job.kind == LINE_STREAM || job.kind == RING_STREAM;
    b->of[b->count] = job;
    b->series[b->count++] = (struct series){.peer = peer,
                                            .test = test,
                                            .bytes = job.bytes,
                                            .batch = stream ? job.batch : 0,
                                            .value_names = stream ? stream_names : value_names,
                                            .value_count = stream ? 1 : 3};
}

static void plan(struct bench *b) {
    static const char slot[] = "hand-made one-line slot", ring[] = "ringpost ring";
    add(b, "bare cache line", "rtt", (struct job){.kind = BARE, .bytes = 8});
    for (uint32_t i = 0; i < party.size_count; i++) {
        if (party.sizes[i] <= LINE_WORDS * 8) {
            add(b, slot, "rtt", (struct job){.kind = LINE_RTT, .bytes = party.sizes[i], .rounds = b->rounds});
        }
        add(b, ring, "rtt", (struct job){.kind = RING_RTT, .bytes = party.sizes[i], .ring = i, .rounds = b->rounds});
    }
    uint64_t messages = b->rounds * 20;
    add(b, slot, "stream", (struct job){.kind = LINE_STREAM, .bytes = 48, .batch = 1, .rounds = messages});
    for (uint32_t bytes = 48; bytes <= 64; bytes += 16) {
        add(b, ring, "stream", (struct job){.kind = RING_STREAM, .bytes = bytes, .batch = 1, .rounds = messages});
        add(b, ring, "stream", (struct job){.kind = RING_STREAM, .bytes = bytes, .batch = BATCH, .rounds = messages});
    }
}

static void print_series(const struct series *s, enum regime r) {
    struct summary sum;
    if (!series_summary(s, r, &sum)) {
        return;
    }
    printf("  %-24s %-6s %5u %5u %7zu %8.1f", s->peer, s->test, s->bytes, s->batch, sum.slices, sum.value[0]);
    if (s->value_count == 3) {
        printf(" %8.0f          %6.2f (%5.2f -%5.2f) %6.2f\n", sum.value[2], sum.ratio[0], sum.ratio_low, sum.ratio_high,
               sum.ratio[2]);
    } else {
        printf("          %8.1f\n", 1000 / sum.value[0]);
    }
}

static void print(const struct bench *b) {
    printf("broadcast ring, processors %d and %d of %s, %s; %llu slices of %llu round trips\n", b->machine.cpus[0],
           b->machine.cpus[1], b->machine.model, b->machine.kernel, (unsigned long long)b->slices, (unsigned long long)b->rounds);
    for (int r = 0; r < REGIME_COUNT; r++) {
        struct summary sum;
        if (!series_summary(&b->series[0], (enum regime)r, &sum)) {
            continue;
        }
        printf("\n%s (bare round trip %.0f ns)\n", regime_name((enum regime)r), sum.bare_ns);
        printf("  %-24s %-6s %5s %5s %7s %8s %8s %8s %6s %15s %6s\n", "peer", "test", "bytes", "batch", "slices", "ns", "p99 ns",
               "M/s", "x bare", "(middle 80 %)", "p99 x");
        for (size_t i = 0; i < b->count; i++) {
            print_series(&b->series[i], (enum regime)r);
        }
    }
}

static void make_rings(uint64_t slot_bytes) {
    for (uint32_t i = 0; i <= 2 * party.size_count; i++) {
        char name[CREW_NAME_MAX], suffix[16];
        struct rp_ring_options o;
        bool stream = i == 2 * party.size_count;
        snprintf(suffix, sizeof suffix, "%u", i);
        crew_queue_name(name, suffix);
        snprintf(party.names[i], sizeof party.names[i], "/dev/shm/ringpost.%s", name); /* so that it is removed with the queues */
        rp_ring_options_init(&o, sizeof o);
        o.message_bytes = stream ? 64 : party.sizes[i / 2];
        o.slot_bytes = o.message_bytes > 48 ? (uint32_t)slot_bytes : 0;
        o.overflow = stream ? RP_RING_GATE : RP_RING_OVERWRITE;
        crew_check(rp_ring_create(party.names[i], &o, &party.rings[i]), "rp_ring_create");
        crew_check(rp_ring_close(party.rings[i]), "rp_ring_close");
    }
}

int main(int argc, char **argv) {
    static struct bench b = {.rounds = 20000, .slices = 20};
    struct numbers sizes = {.value = {16, 48, 64}, .count = 3};
    uint64_t slot_bytes = 0;
    bool quick = false, json = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "bytes", .help = "message sizes of round trips, multiples of 8, at most 1024 (16,48,64)", .list = &sizes},
        {.name = "slices", .help = "how often everything is measured (20)", .number = &b.slices},
        {.name = "rounds", .help = "round trips per slice (20000)", .number = &b.rounds},
        {.name = "slot-bytes", .help = "of slots for messages above 48 bytes (as the library chooses)", .number = &slot_bytes},
        {.name = "cpus", .help = "the two processors, as in 0,1 (the first two allowed)", .text = &cpus},
        {.name = "quick", .help = "a few seconds in all", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "the broadcast ring between two processes, as ratios to a bare cache line", rows);
    if (quick) {
        b.slices = 10;
        b.rounds = 10000;
    }
    for (int i = 0; i < sizes.count && i < PARTY_SIZES; i++) {
        if (sizes.value[i] < 8 || sizes.value[i] > BYTES_MAX || sizes.value[i] % 8 != 0) {
            fprintf(stderr, "bench_ring: --bytes takes up to %d multiples of 8 from 8 to %d\n", PARTY_SIZES, BYTES_MAX);
            return 2;
        }
        party.sizes[party.size_count++] = (uint32_t)sizes.value[i];
    }
    if (b.slices == 0 || b.rounds == 0) {
        fprintf(stderr, "bench_ring: --slices and --rounds begin at 1\n");
        return 2;
    }
    if (!machine_read(&b.machine, cpus)) {
        return 1;
    }
    crew_begin("bench_ring");
    shared = crew_share(sizeof *shared);
    make_rings(slot_bytes);
    crew_fork(b.machine.cpus[1], answer, NULL);
    if (!machine_pin(b.machine.cpus[0])) {
        crew_fail("cannot be pinned");
    }
    for (uint32_t i = 0; i <= 2 * party.size_count; i++) {
        open_end(i, i % 2 == 0);
    }
    plan(&b);
    measure(&b);
    post(&b, &(struct job){.kind = QUIT});
    crew_join();
    close_ends();
    for (uint32_t i = 0; i <= 2 * party.size_count; i++) {
        crew_check(rp_ring_unlink(party.names[i]), "rp_ring_unlink");
    }
    if (json) {
        series_json(stdout, &b.machine, b.series, b.count);
    } else {
        print(&b);
    }
    return 0;
}
