/* SPDX-License-Identifier: MIT */
#include "lookup.h"
#include "delivery.h"
#include "error.h"
#include "headers.h"
#include "lane.h"
#include <errno.h>

int lookup_group(rp_queue *q, const char *group, struct known_group *out) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, result == RP_FORKED ? "the queue was opened by the parent process" : "no queue");
    int g = groups_find(&q->segment, group == NULL ? "default" : group, &out->generation);
    out->index = (unsigned)g;
    return g >= 0 ? 0 : fail(-ENOENT, "queue '%s' has no group '%.80s'", q->name, group);
}

/* Nothing: RETURNED etc. as seen by one group; 0 when the cell holds nothing for it. */
static unsigned state_of(const struct segment *s, uint32_t c, uint64_t w, uint64_t d) {
    if (!taken(d, w))
        return lane_committed(s, c, w) ? RP_STATE_READY : 0;
    switch (delivery_state(d)) {
    case DELIVERY_LEASED: return RP_STATE_LEASED;
    case DELIVERY_RETURNED: return RP_STATE_READY;
    case DELIVERY_DELAYED: return RP_STATE_DELAYED;
    case DELIVERY_DEAD: return RP_STATE_DEAD;
    default: return 0;
    }
}

/* The plain fields of a cell that may be rewritten while we look; the words, read before and after, tell whether they were. */
__attribute__((no_sanitize("thread"))) static bool read_fields(const struct segment *s, const struct cell *cell,
                                                               struct found *out) {
    struct content parts;
    uint32_t bytes = *(const volatile uint32_t *)&cell->bytes;
    out->id = *(const volatile uint64_t *)&cell->id;
    out->sent_wall_ns = *(const volatile uint64_t *)&cell->sent_wall_ns;
    if (!content_parts(s, cell, bytes, field_read(&cell->flags), &parts))
        return false;
    out->bytes = parts.payload;
    out->headers_at = parts.headers_at;
    out->headers = parts.headers;
    return true;
}

__attribute__((no_sanitize("thread"))) uint64_t lookup_id(const struct segment *s, uint32_t c) {
    return *(const volatile uint64_t *)&segment_cell(s, c)->id;
}

static bool unmoved(const struct segment *s, unsigned group, const struct found *f) {
    fence_acquire();
    return load_acquire(&segment_cell(s, f->cell)->word, cell_word) == f->word &&
           load_acquire(delivery_at(s, group, f->cell), delivery) == f->delivery;
}

bool lookup_cell(const rp_queue *q, const struct known_group *group, uint32_t c, unsigned states, struct found *out) {
    const struct segment *s = &q->segment;
    unsigned g = group->index;
    bool early = MUTANT(lookup_group_first) && group_is_still(s, group);
    out->cell = c;
    out->delivery = load_acquire(delivery_at(s, g, c), delivery);
    out->word = load_acquire(&segment_cell(s, c)->word, cell_word);
    if (cell_waits(out->word)) /* of every group that will be there */
        out->state = RP_STATE_DELAYED;
    else if (cell_pends(out->word, g))
        out->state = state_of(s, c, out->word, out->delivery);
    else
        return false;
    if ((out->state & states) == 0)
        return false;
    if (!MUTANT(lookup_no_group_check) && !early && !group_is_still(s, group))
        return false;
    return read_fields(s, segment_cell(s, c), out) && unmoved(s, g, out);
}

bool lookup_next(const rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, struct found *out) {
    bool any = false;
    uint32_t count = q->segment.layout.cell_count;
    for (uint32_t c = 0; c < count; c++) {
        struct found f;
        if (lookup_cell(q, group, c, states, &f) && f.id > after_id && (!any || f.id < out->id)) {
            *out = f;
            any = true;
        }
    }
    return any;
}

bool lookup_copy(const rp_queue *q, unsigned group, const struct found *f, void *buffer, size_t capacity) {
    if (buffer != NULL)
        content_copy(buffer, segment_cell(&q->segment, f->cell)->payload, f->bytes < capacity ? f->bytes : capacity);
    return unmoved(&q->segment, group, f);
}

struct rp_headers lookup_headers(const rp_queue *q, const struct found *f, void *buffer, size_t capacity) {
    if (f->headers == 0 || buffer == NULL || f->headers_at > capacity || f->headers > capacity - f->headers_at)
        return (struct rp_headers){NULL, f->headers};
    unsigned char *to = (unsigned char *)buffer + f->headers_at;
    content_copy(to, segment_cell(&q->segment, f->cell)->payload + f->headers_at, f->headers);
    return (struct rp_headers){to, f->headers};
}

__attribute__((no_sanitize("thread"))) size_t lookup_key(const rp_queue *q, const struct found *f, unsigned char *key) {
    const struct cell *cell = segment_cell(&q->segment, f->cell);
    if (!q->segment.parameters.keyed || !(field_read(&cell->flags) & CELL_HAS_KEY))
        return 0;
    const volatile struct extra *extra = segment_extra(&q->segment, f->cell);
    uint32_t bytes = extra->key_bytes;
    for (uint32_t i = 0; i < bytes && i < KEY_BYTES; i++)
        key[i] = extra->key[i];
    return bytes < KEY_BYTES ? bytes : KEY_BYTES;
}

bool lookup_alive(rp_queue *q, uint32_t seat) {
    if (seat == q->seat)
        return true;
    pthread_mutex_lock(&q->prober_lock);
    enum liveness l = liveness_probe(&q->prober, seat);
    pthread_mutex_unlock(&q->prober_lock);
    return l != LIVENESS_DEAD;
}
