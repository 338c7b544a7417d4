/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { READ_BYTES = 1 << 20 };

static uint64_t header_check(const struct recording_header *h) { return XXH3_64bits(h, offsetof(struct recording_header, check)); }

static uint64_t head_check(const struct record_head *head, uint64_t seed) {
    return XXH3_64bits_withSeed(&head->kind, sizeof *head - offsetof(struct record_head, kind), seed);
}

/* A size that nobody has checked yet does not wrap round. */
static uint64_t padded(uint64_t size) { return size > RECORDING_MESSAGE_MAX ? UINT64_MAX / 2 : (size + 7) & ~UINT64_C(7); }

static uint64_t payload_bytes(const struct record_head *head) { return head->kind == RECORD_MESSAGE ? padded(head->size) : 0; }

/* ---- writing ---- */

void recording_seal(struct recording_header *h) {
    h->magic = RECORDING_MAGIC;
    h->byte_order = RECORDING_BYTE_ORDER;
    h->version = RECORDING_VERSION;
    h->check = header_check(h);
}

size_t record_bytes(const struct record_head *head) { return sizeof *head + payload_bytes(head); }

size_t record_seal(const struct recording_header *h, uint64_t offset, void *record) {
    struct record_head *head = record;
    unsigned char *payload = (unsigned char *)record + sizeof *head;
    uint64_t seed = h->check + offset, whole = payload_bytes(head);
    if (whole > 0)
        memset(payload + head->size, 0, whole - head->size);
    head->payload_check = XXH3_64bits_withSeed(payload, whole, seed);
    head->check = head_check(head, seed);
    return sizeof *head + whole;
}

/* ---- reading ---- */

/* Room for `wanted` bytes from the first one that was not given out. It grows with what has come, not with what a damaged size asks for. */
static int make_room(struct recording *r, size_t wanted) {
    size_t held = r->end - r->begin;
    if (r->begin > 0)
        memmove(r->bytes, r->bytes + r->begin, held);
    r->begin = 0;
    r->end = held;
    if (r->room >= wanted || r->room > held + READ_BYTES / 2)
        return 0;
    unsigned char *bigger = realloc(r->bytes, r->room * 2);
    if (bigger == NULL)
        return -ENOMEM;
    r->bytes = bigger;
    r->room *= 2;
    return 0;
}

/* 1: so many bytes are there; 0: the file ends before. Negative errno. */
static int fill(struct recording *r, size_t wanted) {
    while (r->end - r->begin < wanted && !r->at_end) {
        int result = r->room - r->begin < wanted || r->end == r->room ? make_room(r, wanted) : 0;
        if (result < 0)
            return result;
        ssize_t n = read(r->fd, r->bytes + r->end, r->room - r->end);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = r->fd, .events = POLLIN};
            if (poll(&p, 1, -1) < 0)
                return -errno;
        } else if (n < 0) {
            return -errno;
        } else {
            r->at_end = n == 0;
            r->end += (size_t)n;
        }
    }
    return r->end - r->begin >= wanted;
}

static int check_header(const struct recording_header *h) {
    if (h->magic == __builtin_bswap64(RECORDING_MAGIC))
        return RECORDING_INCOMPATIBLE;
    if (h->magic != RECORDING_MAGIC)
        return RECORDING_FOREIGN;
    if (h->check != header_check(h))
        return RECORDING_DAMAGED;
    if (h->byte_order != RECORDING_BYTE_ORDER || h->version != RECORDING_VERSION || h->features_incompatible != 0)
        return RECORDING_INCOMPATIBLE;
    if (h->message_bytes == 0 || h->message_bytes > RECORDING_MESSAGE_MAX || h->max_writers == 0 ||
        h->max_writers > RECORDING_LANES_MAX || h->ring[RECORDING_NAME - 1] != 0)
        return RECORDING_DAMAGED;
    return RECORDING_RECORD;
}

int recording_open(struct recording *r, int fd) {
    *r = (struct recording){.fd = fd, .room = READ_BYTES, .bytes = malloc(READ_BYTES)};
    if (r->bytes == NULL)
        return -ENOMEM;
    int result;
    do
        result = fill(r, sizeof r->header);
    while (result == -EINTR);
    if (result < 0)
        return result;
    if (result == 0) { /* of a header that was torn, the beginning is ours; an empty file is anybody's */
        size_t held = r->end, known = sizeof r->header.magic;
        const uint64_t magic = RECORDING_MAGIC;
        r->left = held;
        return held > 0 && memcmp(r->bytes, &magic, held < known ? held : known) == 0 ? RECORDING_TORN : RECORDING_FOREIGN;
    }
    memcpy(&r->header, r->bytes, sizeof r->header);
    r->begin = r->next = sizeof r->header;
    return check_header(&r->header);
}

/* The whole head is there, and what it says is possible. */
static bool head_is_sound(const struct recording *r, const struct record_head *head) {
    if (head->check != head_check(head, r->header.check + r->next))
        return false;
    if (head->kind == RECORD_END)
        return head->sequence == r->messages && head->size == r->lost;
    if (head->lane >= r->header.max_writers)
        return false;
    return head->kind == RECORD_MESSAGE ? head->size <= r->header.message_bytes : head->kind == RECORD_LOSS;
}

/* The last record: nothing may follow. */
static int ended(struct recording *r) {
    int result = fill(r, sizeof(struct record_head) + 1);
    if (result < 0)
        return result;
    return result == 0 ? RECORDING_ENDED : RECORDING_DAMAGED;
}

int recording_next(struct recording *r, const struct record_head **out, const void **payload) {
    int result = fill(r, sizeof **out);
    r->offset = r->next;
    if (result < 0)
        return result;
    const struct record_head *head = (const void *)(r->bytes + r->begin);
    r->left = r->end - r->begin;
    if (result == 0)
        return RECORDING_TORN;
    if (!head_is_sound(r, head))
        return RECORDING_DAMAGED;
    if (head->kind == RECORD_END)
        return ended(r);
    size_t whole = record_bytes(head);
    result = fill(r, whole);
    r->left = r->end - r->begin;
    if (result <= 0)
        return result < 0 ? result : RECORDING_TORN;
    head = (const void *)(r->bytes + r->begin); /* it may have moved */
    if (head->payload_check != XXH3_64bits_withSeed(head + 1, whole - sizeof *head, r->header.check + r->next))
        return RECORDING_DAMAGED;
    r->messages += head->kind == RECORD_MESSAGE;
    r->lost += head->kind == RECORD_LOSS ? head->size : 0;
    r->begin += whole;
    r->next += whole;
    r->left = 0;
    *out = head;
    *payload = head + 1;
    return RECORDING_RECORD;
}

void recording_close(struct recording *r) {
    free(r->bytes);
    r->bytes = NULL;
}
