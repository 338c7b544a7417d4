/* SPDX-License-Identifier: MIT */
/*
 * fuzz_headers: a block of any bytes, which ends where memory ends, is read and carried: nothing outside is touched, everything ends, and what was carried is what was read. Inputs are
 * programs for a block that is nearly right, so that the far sides of the checks are reached.
 */
#include "headers.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, CELL = 1024 };

static unsigned char *memory; /* a page, and one that nobody may touch */
static unsigned char *copy;
static uint64_t runs, headers, damaged, carried, refused;
static struct segment segment;

static unsigned char *guarded(size_t bytes) {
    unsigned char *m = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(m != MAP_FAILED && mprotect(m + bytes, PAGE, PROT_NONE) == 0);
    return m;
}

static void start(void) {
    memory = guarded(PAGE);
    copy = guarded(PAGE);
    segment.parameters.message_bytes = 64;
    segment.layout.cell_stride = CELL;
}

static void stop(void) {
    munmap(memory, 2 * PAGE);
    munmap(copy, 2 * PAGE);
}

/* Headers one after the other, now and then with lengths and ends that are wrong. -> bytes */
static size_t make_block(struct reader *r, unsigned char *block, size_t room) {
    size_t at = 0;
    while (!reader_over(r) && at + HEADER_FRAME + 20 < room) {
        uint8_t how = take8(r), name = 1 + take8(r) % 4, value = take8(r) % 9;
        uint16_t value_says = value;
        uint8_t name_says = name;
        if (how == 255)
            name_says = take8(r);
        if (how == 254)
            value_says = (uint16_t)take16(r);
        memcpy(block + at, &value_says, 2);
        block[at + 2] = name_says;
        block[at + 3] = how == 253;
        memset(block + at + 4, 'a' + how % 26, name);
        block[at + 4 + name] = how == 252 ? 'x' : 0;
        memset(block + at + 5 + name, 'A' + how % 26, value);
        block[at + 5 + name + value] = how == 251 ? 'x' : 0;
        at += (size_t)HEADER_FRAME + name + value;
    }
    return at;
}

static size_t walk(const struct rp_headers *h, bool *whole) {
    const char *begin = h->block, *end = begin + h->bytes;
    struct rp_header one;
    size_t at = 0, count = 0;
    int result;
    while ((result = rp_headers_next(h, &at, &one)) == 1) {
        must(one.name > begin && one.name + strlen(one.name) < one.value && one.value + strlen(one.value) < end);
        must(rp_headers_get(h, one.name) != NULL);
        count++;
    }
    must(result == 0 || result == RP_CORRUPT);
    *whole = result == 0;
    damaged += result < 0;
    headers += count;
    return count;
}

static void carry(const struct rp_headers *h, size_t count, bool whole, size_t payload) {
    struct rp_send_options o;
    size_t content;
    rp_send_options_init(&o, sizeof o);
    o.carry = h;
    int result = headers_measure(&segment, "q", payload, &o, &content);
    must(whole || result == RP_CORRUPT);
    refused += result < 0;
    if (result < 0 || count == 0)
        return;
    struct cell *cell = (struct cell *)(void *)(copy + PAGE - CELL);
    must(content <= segment_room(&segment) && headers_write(cell->payload, payload, content, &o));
    struct content parts;
    must(content_parts(&segment, cell, (uint32_t)content, CELL_HAS_HEADERS, &parts) && parts.payload == payload);
    bool again;
    must(walk(&(struct rp_headers){cell->payload + parts.headers_at, parts.headers}, &again) == count && again);
    carried++;
}

/* And the trailer: any three lengths. */
static void divide(struct reader *r) {
    struct cell *cell = (struct cell *)(void *)(copy + PAGE - CELL);
    uint32_t bytes = take16(r), trailer[2] = {take16(r) % 1100, take16(r) % 1100};
    if (bytes >= HEADERS_TRAILER && bytes <= segment_room(&segment))
        memcpy(cell->payload + bytes - HEADERS_TRAILER, trailer, sizeof trailer);
    struct content parts;
    if (content_parts(&segment, cell, bytes, CELL_HAS_HEADERS, &parts))
        must(parts.payload <= 64 && parts.headers_at >= parts.payload && parts.headers_at + parts.headers <= bytes);
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    unsigned char block[PAGE];
    bool whole;
    divide(&r);
    size_t payload = take8(&r) % 65, cut = take8(&r) % 4 == 0 ? take8(&r) : 0, bytes = make_block(&r, block, sizeof block);
    bytes = cut < bytes ? bytes - cut : bytes;
    memcpy(memory + PAGE - bytes, block, bytes);
    const struct rp_headers h = {memory + PAGE - bytes, bytes};
    size_t count = walk(&h, &whole);
    carry(&h, count, whole, payload);
    runs++;
}

static void summary(void) {
    printf("%llu blocks, %llu of them damaged, %llu headers; %llu carried, %llu refused\n", (unsigned long long)runs,
           (unsigned long long)damaged, (unsigned long long)headers, (unsigned long long)carried, (unsigned long long)refused);
}

static void nothing(void) {}

const struct fuzz_target fuzz_target = {
    .name = "headers", .prepare = nothing, .clean = nothing, .start = start, .stop = stop, .run = run, .summary = summary};
