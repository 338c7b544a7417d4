/* SPDX-License-Identifier: MIT */
/* A journal in a directory of the test's own, and what tests do with one. */
#ifndef SUPPORT_JOURNAL_FIXTURE_H
#define SUPPORT_JOURNAL_FIXTURE_H

#include "check.h"
#include "error.h"
#include "journal_format.h"
#include "journal_reader.h"
#include "scratch.h"

#include <errno.h>
#include <stdlib.h>

enum { FIXTURE_FILE_BYTES = 64 << 10, FIXTURE_ROOM = 32 << 10 };

struct journal_fixture {
    struct scratch scratch;
    struct journal_dir d;
    struct journal_file f;
    struct journal_point at;
    unsigned char *buffer;
    uint64_t sequence; /* of the last record that was written */
};

static inline void succeeds(int result) {
    if (result < 0)
        fprintf(stderr, "%s: %s\n", rp_error_name(result), rp_error_detail());
    assert_true(result >= 0);
}

/* The payload of a record is known by its sequence: that many bytes, modulo 300. */
static inline size_t fixture_bytes(uint64_t sequence) { return (size_t)(sequence * 7 % 300); }
static inline unsigned char fixture_byte(uint64_t sequence, size_t i) { return (unsigned char)(sequence * 31 + i * 7 + 1); }

static inline void fixture_next_file(struct journal_fixture *x, enum journal_mode mode) {
    struct journal_file_options o = {.number = x->f.number + 1,
                                     .first_sequence = x->sequence + 1,
                                     .bytes = FIXTURE_FILE_BYTES,
                                     .previous = x->f.number ? &x->at : NULL};
    if (x->f.number != 0)
        journal_file_close(&x->f);
    succeeds(journal_file_create(&x->d, &o, mode, &x->f));
    x->at = journal_file_begin(&x->f);
}

static inline void fixture_open(struct journal_fixture *x) {
    memset(x, 0, sizeof *x);
    assert_int_equal(scratch_create(&x->scratch), 0);
    succeeds(journal_dir_create(x->scratch.path, "orders", &x->d));
    x->buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, FIXTURE_ROOM);
    assert_non_null(x->buffer);
}

static inline void fixture_close(struct journal_fixture *x) {
    struct scratch inner;
    snprintf(inner.directory, sizeof inner.directory, "%.63s", x->scratch.path);
    if (x->f.number != 0)
        journal_file_close(&x->f);
    journal_dir_close(&x->d);
    free(x->buffer);
    scratch_destroy(&inner);
    scratch_destroy(&x->scratch);
}

/* Writes a batch of `count` records, and syncs. -> of journal_file_write */
static inline int fixture_write(struct journal_fixture *x, int count) {
    struct journal_batch b;
    journal_batch_begin(&b, x->buffer, FIXTURE_ROOM);
    for (int i = 1; i <= count; i++) {
        uint64_t sequence = x->sequence + (uint64_t)i;
        unsigned char *payload = journal_batch_add(&b, 7, (uint16_t)sequence, sequence, fixture_bytes(sequence));
        assert_non_null(payload);
        for (size_t k = 0; k < fixture_bytes(sequence); k++)
            payload[k] = fixture_byte(sequence, k);
    }
    int result = journal_file_write(&x->f, &x->at, &b);
    if (result == 0) {
        x->sequence += (uint64_t)count;
        succeeds(journal_file_sync(&x->f, &x->at));
    }
    return result;
}

static inline void fixture_check_record(const struct journal_record *m, uint64_t sequence) {
    assert_int_equal(m->sequence, sequence);
    assert_int_equal(m->type, 7);
    assert_int_equal(m->flags, (uint16_t)sequence);
    assert_int_equal(m->bytes, fixture_bytes(sequence));
    for (size_t k = 0; k < m->bytes; k++)
        assert_int_equal(((const unsigned char *)m->payload)[k], fixture_byte(sequence, k));
}

/* Reads sequences `first` and on. -> how reading ended, with `*stop` */
static inline int fixture_read(struct journal_fixture *x, uint64_t from_file, uint64_t first, struct journal_stop *stop) {
    struct journal_reader *r;
    struct journal_record m;
    succeeds(journal_reader_open(&r, &x->d, from_file));
    int result;
    for (uint64_t sequence = first; (result = journal_reader_next(r, &m)) == JOURNAL_RECORD; sequence++)
        fixture_check_record(&m, sequence);
    *stop = *journal_reader_stop(r);
    journal_reader_close(r);
    return result;
}

#endif
