/* SPDX-License-Identifier: MIT */
#include "headers.h"
#include "error.h"
#include <errno.h>
#include <string.h>

/* ---- reading: any byte may be anything, and may change while we look ---- */

struct entry {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

static inline uint8_t byte_at(const unsigned char *p) { return *(const volatile unsigned char *)p; }

/* The header at `*at`, which moves behind it. 1; 0: the end; RP_CORRUPT. */
__attribute__((no_sanitize("thread"))) static int next_entry(const struct rp_headers *h, size_t *at, struct entry *out) {
    if (h->block == NULL || *at >= h->bytes)
        return 0;
    const unsigned char *p = (const unsigned char *)h->block + *at;
    size_t left = h->bytes - *at;
    if (left < HEADER_FRAME)
        return RP_CORRUPT;
    unsigned char length[2] = {byte_at(p), byte_at(p + 1)};
    uint16_t value_bytes;
    memcpy(&value_bytes, length, sizeof value_bytes);
    *out = (struct entry){.name_bytes = byte_at(p + 2), .value_bytes = value_bytes};
    out->name = (const char *)p + 4;
    out->value = out->name + out->name_bytes + 1;
    size_t all = HEADER_FRAME + out->name_bytes + out->value_bytes;
    if (out->name_bytes < 1 || out->name_bytes > RP_HEADER_NAME_MAX || out->value_bytes > RP_HEADER_VALUE_MAX || all > left)
        return RP_CORRUPT;
    if (byte_at(p + 4 + out->name_bytes) != 0 || byte_at(p + all - 1) != 0)
        return RP_CORRUPT;
    for (size_t i = 0; i < out->name_bytes; i++)
        if (byte_at(p + 4 + i) == 0)
            return RP_CORRUPT;
    *at += all;
    return 1;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

__attribute__((no_sanitize("thread"))) static bool same_name(const struct entry *e, const char *name, size_t bytes) {
    if (e->name_bytes != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (lower(e->name[i]) != lower(name[i]))
            return false;
    return true;
}

RP_API int rp_headers_next(const struct rp_headers *h, size_t *at, struct rp_header *out) {
    struct entry e;
    int result = h == NULL || at == NULL || out == NULL ? fail(-EINVAL, "rp_headers_next") : next_entry(h, at, &e);
    if (result == 1)
        *out = (struct rp_header){e.name, e.value};
    return result == RP_CORRUPT ? fail(RP_CORRUPT, "headers are damaged at byte %zu of %zu", *at, h->bytes) : result;
}

RP_API const char *rp_headers_get(const struct rp_headers *h, const char *name) {
    struct entry e;
    if (h == NULL || name == NULL)
        return NULL;
    size_t bytes = strnlen(name, RP_HEADER_NAME_MAX + 1);
    for (size_t at = 0; next_entry(h, &at, &e) == 1;)
        if (same_name(&e, name, bytes))
            return e.value;
    return NULL;
}

RP_API const char *rp_message_header(const struct rp_message *m, const char *name) {
    return m == NULL ? NULL : rp_headers_get(&m->headers, name);
}

__attribute__((no_sanitize("thread"))) bool content_parts(const struct segment *s, const struct cell *cell, uint32_t bytes,
                                                          uint32_t flags, struct content *out) {
    *out = (struct content){.payload = bytes};
    if (!(flags & CELL_HAS_HEADERS))
        return bytes <= s->parameters.message_bytes;
    if (bytes > segment_room(s) || bytes % 8 != 0 || bytes < HEADERS_TRAILER)
        return false;
    const volatile uint32_t *trailer = (const volatile uint32_t *)(const volatile void *)(cell->payload + bytes - HEADERS_TRAILER);
    out->payload = trailer[0];
    out->headers = trailer[1];
    if (out->payload > s->parameters.message_bytes || out->headers > bytes)
        return false;
    out->headers_at = (uint32_t)content_aligned(out->payload);
    return out->headers_at + content_aligned(out->headers) + HEADERS_TRAILER == bytes;
}

__attribute__((no_sanitize("thread"))) void content_copy(void *to, const void *from, size_t n) {
    const volatile unsigned char *bytes = from;
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)to)[i] = bytes[i];
}

/* ---- writing ---- */

static bool is_token(const char *name, size_t bytes) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < bytes; i++) {
        char c = lower(name[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return true;
}

/* Does one of the send's own headers have this name? Then it is not carried. */
static bool is_named(const struct rp_send_options *o, size_t count, const struct entry *e) {
    for (size_t i = 0; i < count; i++)
        if (same_name(e, o->headers[i].name, strnlen(o->headers[i].name, RP_HEADER_NAME_MAX + 1)))
            return true;
    return false;
}

static int check_header(const struct rp_send_options *o, size_t i, struct entry *e) {
    const struct rp_header *h = &o->headers[i];
    if (h->name == NULL)
        return fail(-EINVAL, "header %zu has no name", i);
    *e = (struct entry){.name = h->name, .value = h->value, .name_bytes = strnlen(h->name, RP_HEADER_NAME_MAX + 1)};
    if (e->name_bytes < 1 || e->name_bytes > RP_HEADER_NAME_MAX)
        return fail(-EINVAL, "header %zu has a name of %zu or more bytes, allowed are 1 to 64", i, e->name_bytes);
    if (!is_token(e->name, e->name_bytes))
        return fail(-EINVAL, "header '%s': such characters are not allowed in a name", h->name);
    if (is_named(o, i, e))
        return fail(-EINVAL, "header '%s' is there twice", h->name);
    if (h->value == NULL)
        return 0;
    e->value_bytes = strnlen(h->value, RP_HEADER_VALUE_MAX + 1);
    if (e->value_bytes > RP_HEADER_VALUE_MAX)
        return fail(-EINVAL, "header '%s': its value is longer than %d bytes", h->name, RP_HEADER_VALUE_MAX);
    return 1;
}

int headers_measure(const struct segment *s, const char *queue, size_t payload, const struct rp_send_options *o, size_t *content) {
    size_t bytes = 0, count = 0, carried = 0;
    struct entry e;
    int result;
    *content = payload;
    if (o->headers == NULL && o->header_count > 0)
        return fail(-EINVAL, "%zu headers of nothing", o->header_count);
    if (o->header_count > RP_HEADERS_MAX)
        return fail(-EINVAL, "%zu headers, allowed are %d", o->header_count, RP_HEADERS_MAX);
    for (size_t i = 0; i < o->header_count; i++) {
        if ((result = check_header(o, i, &e)) < 0)
            return result;
        bytes += result == 1 ? HEADER_FRAME + e.name_bytes + e.value_bytes : 0;
        count += result == 1;
    }
    for (size_t at = 0; o->carry != NULL && (result = next_entry(o->carry, &at, &e)) != 0;) {
        if (result < 0)
            return fail(RP_CORRUPT, "queue '%s': the headers to carry are damaged at byte %zu of %zu", queue, at, o->carry->bytes);
        carried++;
        if (is_named(o, o->header_count, &e))
            continue;
        bytes += HEADER_FRAME + e.name_bytes + e.value_bytes;
        count++;
    }
    if (carried > RP_HEADERS_MAX)
        return fail(RP_CORRUPT, "queue '%s': %zu headers to carry, no message has more than %d", queue, carried, RP_HEADERS_MAX);
    if (count > RP_HEADERS_MAX)
        return fail(-EINVAL, "%zu headers with those carried, allowed are %d", count, RP_HEADERS_MAX);
    if (count == 0)
        return 0;
    size_t all = content_aligned(payload) + content_aligned(bytes) + HEADERS_TRAILER;
    if (all > segment_room(s))
        return fail(RP_TOO_BIG, "queue '%s': %zu bytes of payload and %zu of headers, there is room for %u together", queue,
                    content_aligned(payload), all - content_aligned(payload), segment_room(s));
    *content = all;
    return 0;
}

struct writer {
    unsigned char *at;
    size_t left;
};

static bool put(struct writer *w, const struct entry *e) {
    size_t all = HEADER_FRAME + e->name_bytes + e->value_bytes;
    if (all > w->left)
        return false;
    uint16_t value_bytes = (uint16_t)e->value_bytes;
    memcpy(w->at, &value_bytes, sizeof value_bytes);
    w->at[2] = (unsigned char)e->name_bytes;
    w->at[3] = 0;
    for (size_t i = 0; i < e->name_bytes; i++)
        w->at[4 + i] = (unsigned char)lower(e->name[i]);
    w->at[4 + e->name_bytes] = 0;
    content_copy(w->at + 5 + e->name_bytes, e->value, e->value_bytes);
    w->at[all - 1] = 0;
    w->at += all;
    w->left -= all;
    return true;
}

bool headers_write(unsigned char *to, size_t payload, size_t content, const struct rp_send_options *o) {
    size_t begin = content_aligned(payload), room = content - begin - HEADERS_TRAILER;
    struct writer w = {.at = to + begin, .left = room};
    struct entry e;
    for (size_t i = 0; i < o->header_count; i++)
        if (check_header(o, i, &e) == 1 && !put(&w, &e))
            return false;
    int result;
    for (size_t at = 0; o->carry != NULL && (result = next_entry(o->carry, &at, &e)) != 0;)
        if (result < 0 || (!is_named(o, o->header_count, &e) && !put(&w, &e)))
            return false;
    if (w.left > 7)
        return false;
    uint32_t trailer[2] = {(uint32_t)payload, (uint32_t)(room - w.left)};
    memset(w.at, 0, w.left);
    memset(to + payload, 0, begin - payload);
    memcpy(to + content - HEADERS_TRAILER, trailer, sizeof trailer);
    return true;
}
