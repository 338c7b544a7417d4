/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ring: a broadcast ring with any bytes changed, before it is opened and in the middle of calls, also with a header check that fits the damage. It is opened, read from each beginning, written,
 * and looked at. Each call ends after a number of accesses that the ring's size bounds; results are those that the header names; a message that is returned has a length that it may have.
 */
#include "broadcast.h"
#include "fuzz.h"
#include "scratch.h"
#include "steps.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS = 8, MESSAGE_BYTES = 100, SLOT_BYTES = 48, WRITERS = 3, READERS = 2, BATCH = 5, CALLS = 12, IMAGES = 2 };

#define STEPS_MOST (UINT64_C(200) * 1000)

static struct scratch scratch;
static unsigned char *images[IMAGES], *memory;
static size_t bytes, there; /* of a whole ring, and of what is left of it */
static uint64_t opened, read_back, written, told;

void world_access(const volatile void *word, const char *what) {
    (void)word;
    (void)what;
}

/* ---- the rings to begin with: one of each kind, with messages of one slot and of three in two lanes ---- */

static void make(uint32_t overflow, unsigned char **image) {
    struct rp_ring_options o;
    rp_ring *ring;
    rp_writer *w[2];
    rp_reader *r;
    unsigned char body[MESSAGE_BYTES] = "message";
    rp_ring_options_init(&o, sizeof o);
    o.slots = SLOTS;
    o.message_bytes = MESSAGE_BYTES;
    o.slot_bytes = SLOT_BYTES;
    o.max_writers = WRITERS;
    o.max_readers = READERS;
    o.overflow = overflow;
    o.gate_timeout_ns = 1000;
    must(rp_ring_create(scratch.path, &o, &ring) == 0);
    must(rp_writer_open(ring, NULL, &w[0]) == 0 && rp_writer_open(ring, NULL, &w[1]) == 0);
    must(rp_reader_open(ring, NULL, &r) == 0);
    for (unsigned i = 0; i < 40; i++)
        must(rp_write(w[i % 2], body, i % 5 == 0 ? MESSAGE_BYTES : i % 33) == 0);
    bytes = (size_t)ring->bytes;
    *image = malloc(bytes);
    must(*image != NULL);
    memcpy(*image, ring->memory, bytes); /* writers and a reader that are there no more */
    rp_reader_close(r);
    rp_writer_close(w[0]);
    rp_writer_close(w[1]);
    must(rp_ring_close(ring) == 0 && rp_ring_unlink(scratch.path) == 0);
}

static void prepare(void) { must(scratch_create(&scratch) == 0); }
static void clean(void) { scratch_destroy(&scratch); }

static void start(void) {
    make(RP_RING_OVERWRITE, &images[0]);
    make(RP_RING_GATE, &images[1]);
}

static void stop(void) {
    for (unsigned i = 0; i < IMAGES; i++)
        free(images[i]);
}

/* ---- damage ---- */

/* Where: in the header, in the words of control, lanes and seats, in a slot's stamp or info, or anywhere. */
static size_t place(struct reader *r, uint8_t how) {
    uint32_t at = take16(r);
    size_t slots = bytes - (size_t)WRITERS * SLOTS * SLOT_BYTES; /* they come last */
    switch (how % 8) {
    case 0: return at % sizeof(struct ring_header);
    case 1:
    case 2: return RING_CONTROL_AT + at % (slots - RING_CONTROL_AT);
    case 3:
    case 4:
    case 5: return slots + at / 16 % (WRITERS * SLOTS) * SLOT_BYTES + at % 16;
    default: return at % bytes;
    }
}

static void damage(struct reader *r) {
    uint8_t how = take8(r);
    size_t at = place(r, how) & ~(how & 16 ? (size_t)7 : 0);
    uint64_t word, value = how & 64 ? take64(r) : take8(r);
    if (at + 8 > there)
        return;
    switch (how >> 3 & 3) {
    case 0: memory[at] ^= (unsigned char)(1u << value % 8); break;
    case 1: memory[at] = (unsigned char)value; break;
    default: /* a word; small steps are the worst */
        memcpy(&word, memory + at, 8);
        word = how & 64 ? value : word + (uint64_t)(int8_t)value;
        memcpy(memory + at, &word, 8);
    }
}

static void repair(uint8_t how) {
    struct ring_header *h = (struct ring_header *)(void *)memory;
    h->parameters.gate_timeout_ns %= 1001; /* a year is allowed, but not ours */
    if (how & 1)
        h->check = XXH3_64bits(h, offsetof(struct ring_header, check));
}

static void damage_at_a_step(void *context, volatile void *word) {
    (void)word;
    damage(context);
}

static void begin(struct reader *r, const char *call) {
    if (take8(r) & 1)
        steps_arm(take16(r) % 300, damage_at_a_step, r);
    steps_begin(call, STEPS_MOST);
}

/* ---- use ---- */

static bool read_result(int result) {
    return result == RP_EMPTY || result == RP_LAPPED || result == RP_TOO_BIG || result == RP_GONE || result == RP_CORRUPT;
}

static void read_some(rp_reader *reader, struct reader *r, size_t longest) {
    unsigned char bodies[BATCH][4 * MESSAGE_BYTES];
    struct rp_read_item items[BATCH];
    size_t length = 0, room = take8(r) % 8 == 0 ? 3 : sizeof bodies[0];
    begin(r, "rp_read");
    int result = rp_read(reader, bodies[0], room, &length, 0);
    steps_end();
    must(result == 0 ? length <= longest && length <= room : read_result(result));
    must(result != RP_TOO_BIG || length > room);
    read_back += result == 0;
    for (unsigned i = 0; i < BATCH; i++)
        items[i] = (struct rp_read_item){.buffer = bodies[i], .capacity = sizeof bodies[i]};
    begin(r, "rp_read_batch");
    result = rp_read_batch(reader, items, BATCH, 0);
    steps_end();
    must(result > 0 ? result <= BATCH : read_result(result));
    for (int i = 0; i < result; i++)
        must(items[i].bytes <= longest && items[i].lane < WRITERS_MAX);
    struct rp_reader_status status;
    must(rp_reader_status(reader, &status) == 0);
    told += result == RP_LAPPED || result == RP_CORRUPT;
    uint64_t next;
    result = rp_reader_next_sequence(reader, take8(r) % 4, &next);
    must(result == 0 || result == RP_EMPTY || result == -EINVAL);
}

static void write_some(rp_writer *w, struct reader *r, size_t longest) {
    static const unsigned char body[MESSAGE_BYTES] = "another";
    size_t length = take8(r) % (longest < sizeof body ? longest + 1 : sizeof body);
    struct rp_write_item items[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        items[i] = (struct rp_write_item){body, length};
    void *at;
    int result;
    begin(r, "a write");
    switch (take8(r) % 3) {
    case 0: result = rp_write(w, body, length); break;
    case 1: result = rp_write_batch(w, items, BATCH); break;
    default:
        result = rp_write_reserve(w, length, &at);
        if (result == 0)
            result = rp_write_commit(w, length);
    }
    steps_end();
    must(result >= 0 ? result <= BATCH : result == RP_GONE || result == RP_TOO_BIG || result == RP_CORRUPT);
    written += result >= 0;
}

static void look_at(rp_ring *ring) {
    struct rp_ring_info info;
    struct rp_ring_lane lane;
    struct rp_ring_seat seat;
    int result;
    must(rp_ring_info(ring, &info) == 0 && info.lanes <= info.max_writers);
    for (uint32_t i = 0; (result = rp_ring_lane(ring, i, &lane)) != RP_EMPTY && i < info.max_writers; i++)
        must((result == 0 && memchr(lane.name, 0, sizeof lane.name) != NULL) || result == RP_CORRUPT);
    for (uint32_t i = 0; (result = rp_ring_seat(ring, i, &seat)) != RP_EMPTY && i < info.max_readers; i++)
        must((result == 0 && memchr(seat.name, 0, sizeof seat.name) != NULL) || result == RP_CORRUPT);
}

static void use(rp_ring *ring, struct reader *r) {
    struct rp_ring_info info;
    uint64_t sequences[WRITERS] = {take8(r), take8(r), take64(r) >> 1};
    struct rp_reader_options o;
    rp_writer *w = NULL;
    rp_reader *reader = NULL;
    must(rp_ring_info(ring, &info) == 0);
    rp_reader_options_init(&o, sizeof o);
    o.from = take8(r) % 3;
    o.observe = take8(r) % 2;
    o.sequences = sequences;
    o.sequence_count = WRITERS;
    begin(r, "rp_reader_open");
    int result = rp_reader_open(ring, &o, &reader);
    steps_end();
    must(result == 0 || result == RP_NO_SEAT || result == RP_GONE || result == RP_CORRUPT);
    begin(r, "rp_writer_open");
    result = rp_writer_open(ring, NULL, &w);
    steps_end();
    must(result == 0 || result == RP_NO_SEAT || result == RP_GONE || result == RP_CORRUPT);
    for (unsigned i = 0; i < CALLS && !reader_over(r); i++) {
        uint8_t what = take8(r);
        if (what % 8 == 0)
            damage(r);
        if (what % 2 == 0 && w != NULL)
            write_some(w, r, info.message_bytes);
        else if (reader != NULL)
            read_some(reader, r, info.message_bytes);
        if (what % 16 == 1)
            look_at(ring);
    }
    rp_writer_close(w);
    rp_reader_close(reader);
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    uint8_t first = take8(&r);
    size_t length = take8(&r) < 240 ? bytes : take16(&r) % (bytes + 1);
    there = bytes;
    int fd = open(scratch.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, images[first % IMAGES], bytes) == (ssize_t)bytes);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(memory != MAP_FAILED);
    for (unsigned i = first / 2 % 5; i > 0; i--)
        damage(&r);
    repair(take8(&r));
    must(length == bytes || ftruncate(fd, (off_t)length) == 0);
    there = length;
    close(fd);
    rp_ring *ring;
    struct rp_open_options o;
    rp_open_options_init(&o, sizeof o);
    o.read_only = first >= 224;
    int result = rp_ring_open(scratch.path, &o, &ring);
    must(result == 0 || result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == -ENOMEM);
    must(result != 0 || ring_bytes(&ring->view.p) <= there);
    if (result == 0) {
        opened++;
        if (o.read_only)
            look_at(ring);
        else
            use(ring, &r);
        must(rp_ring_close(ring) == 0);
    }
    munmap(memory, bytes);
    must(unlink(scratch.path) == 0);
}

static uint64_t no_special(void) { return 0; }
static size_t none(uint64_t n, uint8_t *data) {
    (void)n;
    (void)data;
    return 0;
}
static void summary(void) {
    printf("%llu opened, %llu messages read, %llu writes, %llu times told of loss or damage\n", (unsigned long long)opened,
           (unsigned long long)read_back, (unsigned long long)written, (unsigned long long)told);
}

const struct fuzz_target fuzz_target = {.name = "ring",
                                        .prepare = prepare,
                                        .clean = clean,
                                        .start = start,
                                        .run = run,
                                        .stop = stop,
                                        .special_count = no_special,
                                        .special = none,
                                        .summary = summary};
