/* SPDX-License-Identifier: MIT */
/* Dumps in memory: taken, read, restored, and compared. */
#ifndef SUPPORT_DUMP_FIXTURE_H
#define SUPPORT_DUMP_FIXTURE_H

#include "fixture.h"
#include <stdlib.h>

struct stored {
    unsigned char *data;
    size_t bytes, room;
    size_t at;    /* where reading is */
    size_t piece; /* at most so many bytes a read; 0: as many as asked for */
};

static inline int stored_write(void *context, const void *data, size_t bytes) {
    struct stored *x = context;
    if (x->room - x->bytes < bytes) {
        x->room = 2 * (x->bytes + bytes);
        x->data = realloc(x->data, x->room);
        if (x->data == NULL)
            return -12;
    }
    memcpy(x->data + x->bytes, data, bytes);
    x->bytes += bytes;
    return 0;
}

static inline int64_t stored_read(void *context, void *buffer, size_t bytes) {
    struct stored *x = context;
    bytes = bytes < x->bytes - x->at ? bytes : x->bytes - x->at;
    bytes = x->piece > 0 && bytes > x->piece ? x->piece : bytes;
    memcpy(buffer, x->data + x->at, bytes);
    x->at += bytes;
    return (int64_t)bytes;
}

static inline void stored_free(struct stored *x) {
    free(x->data);
    *x = (struct stored){0};
}

static inline struct rp_dump_summary dump_to(rp_queue *q, struct stored *x) {
    struct rp_dump_summary summary;
    x->bytes = x->at = 0;
    succeeds(rp_queue_dump(q, stored_write, x, NULL, &summary));
    assert_int_equal(summary.bytes, x->bytes);
    return summary;
}

static char restored_name[80];

/* Under another name. -> the result */
static inline int try_restore(struct stored *x, const struct rp_queue_options *o, rp_queue **out) {
    rp_dump *d = NULL;
    x->at = 0;
    snprintf(restored_name, sizeof restored_name, "%.60s.restored", queue_name);
    int result = rp_dump_open(stored_read, x, &d);
    if (result == 0)
        result = rp_queue_restore(restored_name, d, o, out);
    rp_dump_close(d);
    return result;
}

static inline rp_queue *restore_from(struct stored *x) {
    rp_queue *q = NULL;
    succeeds(try_restore(x, NULL, &q));
    audit_is_clean(q);
    return q;
}

static inline void drop_restored(rp_queue *q) {
    succeeds(rp_queue_close(q));
    rp_queue_unlink(restored_name);
}

static inline int unlink_both(void **state) {
    if (restored_name[0])
        rp_queue_unlink(restored_name);
    return unlink_queue(state);
}

#define DUMP_TEST(body) cmocka_unit_test_teardown(body, unlink_both)

#endif
