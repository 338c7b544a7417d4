/* SPDX-License-Identifier: MIT */
/* Recordings: what was written is read; of one that was cut, all that is whole; of one that was changed anywhere, nothing else, and where it is. */
#include "recording.h"

#include "check.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORDS = 6, ROOM = 4096 };

struct sample {
    unsigned char bytes[ROOM];
    size_t size;
    size_t at[RECORDS + 1]; /* of each record, and of the end */
};

/* Messages of 0, 1, 8, 13 and 1000 bytes in two lanes, and a loss. */
static const struct record_head heads[RECORDS] = {
    {.kind = RECORD_MESSAGE, .lane = 0, .sequence = 7, .time_ns = 100, .size = 0},
    {.kind = RECORD_MESSAGE, .lane = 1, .sequence = 0, .time_ns = 101, .size = 1},
    {.kind = RECORD_LOSS, .lane = 0, .sequence = 8, .time_ns = 102, .size = 5},
    {.kind = RECORD_MESSAGE, .lane = 0, .sequence = 13, .time_ns = 103, .size = 8},
    {.kind = RECORD_MESSAGE, .lane = 1, .sequence = 1, .time_ns = 104, .size = 13},
    {.kind = RECORD_MESSAGE, .lane = 0, .sequence = 14, .time_ns = 105, .size = 1000},
};

static unsigned char payload_byte(size_t record, size_t i) { return (unsigned char)(record * 31 + i * 7); }

static struct recording_header header_of(uint64_t started_ns) {
    struct recording_header h = {.started_ns = started_ns, .slots = 8, .slot_bytes = 64, .message_bytes = 1000, .max_writers = 2};
    strcpy(h.ring, "ticks");
    recording_seal(&h);
    return h;
}

static void append(struct sample *s, const struct recording_header *h, struct record_head head, size_t record) {
    unsigned char *to = s->bytes + s->size;
    memset(to, 0xee, ROOM - s->size);
    memcpy(to, &head, sizeof head);
    for (size_t i = 0; head.kind == RECORD_MESSAGE && i < head.size; i++)
        to[sizeof head + i] = payload_byte(record, i);
    size_t bytes = record_seal(h, s->size, to);
    assert_int_equal(bytes, record_bytes((const struct record_head *)(const void *)to));
    s->size += bytes;
}

static struct sample *sample_make(uint64_t started_ns) {
    struct sample *s = calloc(1, sizeof *s);
    const struct recording_header h = header_of(started_ns);
    memcpy(s->bytes, &h, sizeof h);
    s->size = sizeof h;
    for (size_t i = 0; i < RECORDS; i++) {
        s->at[i] = s->size;
        append(s, &h, heads[i], i);
    }
    s->at[RECORDS] = s->size;
    append(s, &h, (struct record_head){.kind = RECORD_END, .sequence = 5, .size = 5}, RECORDS);
    return s;
}

static int file_of(const void *bytes, size_t size) {
    int fd = memfd_create("recording", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Reads all; what is given out must be what was written. -> how it ended, and how many records came. */
static int read_all(int fd, struct recording *r, size_t *records) {
    const struct record_head *head;
    const void *payload;
    int result = recording_open(r, fd);
    for (*records = 0; result == RECORDING_RECORD; (*records)++) {
        if ((result = recording_next(r, &head, &payload)) != RECORDING_RECORD)
            break;
        const struct record_head *wanted = &heads[*records];
        assert_true(*records < RECORDS);
        assert_int_equal(head->kind, wanted->kind);
        assert_int_equal(head->lane, wanted->lane);
        assert_int_equal(head->sequence, wanted->sequence);
        assert_int_equal(head->time_ns, wanted->time_ns);
        assert_int_equal(head->size, wanted->size);
        for (size_t i = 0; head->kind == RECORD_MESSAGE && i < head->size; i++)
            assert_int_equal(((const unsigned char *)payload)[i], payload_byte(*records, i));
    }
    recording_close(r);
    return result;
}

static int read_bytes(const void *bytes, size_t size, struct recording *r, size_t *records) {
    int fd = file_of(bytes, size);
    int result = read_all(fd, r, records);
    close(fd);
    return result;
}

static void what_was_written_is_read(void **state) {
    (void)state;
    struct sample *s = sample_make(1);
    struct recording r;
    size_t records;
    assert_int_equal(read_bytes(s->bytes, s->size, &r, &records), RECORDING_ENDED);
    assert_int_equal(records, RECORDS);
    assert_int_equal(r.messages, 5);
    assert_int_equal(r.lost, 5);
    assert_string_equal(r.header.ring, "ticks");
    free(s);
}

/* A pipe that gives it byte by byte. */
static void a_pipe_will_do(void **state) {
    (void)state;
    struct sample *s = sample_make(1);
    struct recording r;
    size_t records;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    if (fork() == 0) {
        for (size_t i = 0; i < s->size; i++)
            if (write(ends[1], s->bytes + i, 1) != 1)
                break;
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read_all(ends[0], &r, &records), RECORDING_ENDED);
    assert_int_equal(records, RECORDS);
    close(ends[0]);
    free(s);
}

static void of_a_torn_one_all_that_is_whole(void **state) {
    (void)state;
    struct sample *s = sample_make(1);
    for (size_t size = 0; size < s->size; size++) {
        struct recording r;
        size_t records, whole = 0;
        int result = read_bytes(s->bytes, size, &r, &records);
        while (whole < RECORDS && s->at[whole + 1] <= size)
            whole++;
        assert_int_equal(result, size == 0 ? RECORDING_FOREIGN : RECORDING_TORN);
        assert_int_equal(records, size < sizeof r.header ? 0 : whole);
        if (size >= sizeof r.header)
            assert_int_equal(r.left, size - s->at[whole]);
    }
    free(s);
}

/* Each bit: nothing is given out that was not written, and the place is that of the record. */
static void a_changed_bit_is_found_and_told_where(void **state) {
    (void)state;
    struct sample *s = sample_make(1);
    for (size_t bit = 0; bit < s->size * 8; bit++) {
        struct recording r;
        size_t records, record = 0, at = bit / 8;
        s->bytes[at] ^= (unsigned char)(1u << bit % 8);
        int result = read_bytes(s->bytes, s->size, &r, &records);
        s->bytes[at] ^= (unsigned char)(1u << bit % 8);
        while (record < RECORDS && s->at[record + 1] <= at)
            record++;
        if (at < sizeof(uint64_t)) {
            assert_int_equal(result, RECORDING_FOREIGN);
        } else {
            assert_int_equal(result, RECORDING_DAMAGED);
            assert_int_equal(records, at < sizeof r.header ? 0 : record);
            assert_int_equal(r.offset, at < sizeof r.header ? 0 : s->at[record]);
        }
    }
    free(s);
}

/* Bytes that are missing, doubled, or another recording's. */
static void no_record_passes_in_another_place(void **state) {
    (void)state;
    struct sample *s = sample_make(1), *other = sample_make(2), *t = calloc(1, sizeof *t);
    struct recording r;
    size_t records;
    for (size_t i = 0; i < RECORDS; i++) {
        size_t from = s->at[i], to = s->at[i + 1], rest = s->size - to;
        memcpy(t->bytes, s->bytes, from);
        memcpy(t->bytes + from, s->bytes + to, rest);
        assert_int_equal(read_bytes(t->bytes, from + rest, &r, &records), RECORDING_DAMAGED);
        assert_int_equal(r.offset, from);
        memcpy(t->bytes + from, s->bytes + from, to - from);
        memcpy(t->bytes + to, s->bytes + from, s->size - from);
        assert_int_equal(read_bytes(t->bytes, to + s->size - from, &r, &records), RECORDING_DAMAGED);
        assert_int_equal(r.offset, to);
        memcpy(t->bytes, s->bytes, s->size);
        memcpy(t->bytes + from, other->bytes + from, to - from);
        assert_int_equal(read_bytes(t->bytes, s->size, &r, &records), RECORDING_DAMAGED);
        assert_int_equal(r.offset, from);
    }
    memcpy(t->bytes, s->bytes, s->size); /* a byte behind the end */
    assert_int_equal(read_bytes(t->bytes, s->size + 1, &r, &records), RECORDING_DAMAGED);
    assert_int_equal(r.offset, s->at[RECORDS]);
    free(s);
    free(other);
    free(t);
}

/* With checks that are right. */
static void what_cannot_be_is_damage(void **state) {
    (void)state;
    const struct record_head impossible[] = {
        {.kind = RECORD_MESSAGE, .lane = 2, .size = 1},
        {.kind = RECORD_MESSAGE, .size = 1001},
        {.kind = RECORD_LOSS, .lane = UINT32_MAX, .size = 1},
        {.kind = 0},
        {.kind = 4},
        {.kind = RECORD_END, .sequence = 1},
        {.kind = RECORD_END, .size = 1},
        {.kind = RECORD_LOSS | 0x10000},
    };
    const struct recording_header h = header_of(1);
    struct recording r;
    size_t records;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct sample *s = calloc(1, sizeof *s);
        memcpy(s->bytes, &h, sizeof h);
        s->size = sizeof h;
        append(s, &h, impossible[i], i);
        assert_int_equal(read_bytes(s->bytes, s->size, &r, &records), RECORDING_DAMAGED);
        free(s);
    }
}

static void headers_that_are_refused(void **state) {
    (void)state;
    struct recording_header h = header_of(1);
    struct recording r;
    size_t records;
    assert_int_equal(read_bytes(&h, sizeof h, &r, &records), RECORDING_TORN);
    h.features_incompatible = 1;
    recording_seal(&h);
    assert_int_equal(read_bytes(&h, sizeof h, &r, &records), RECORDING_INCOMPATIBLE);
    h = header_of(1);
    h.magic = __builtin_bswap64(h.magic);
    assert_int_equal(read_bytes(&h, sizeof h, &r, &records), RECORDING_INCOMPATIBLE);
    const struct {
        uint32_t message_bytes, max_writers;
    } bad[] = {{0, 1}, {RECORDING_MESSAGE_MAX + 1u, 1}, {1, 0}, {1, RECORDING_LANES_MAX + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        h = header_of(1);
        h.message_bytes = bad[i].message_bytes;
        h.max_writers = bad[i].max_writers;
        recording_seal(&h);
        assert_int_equal(read_bytes(&h, sizeof h, &r, &records), RECORDING_DAMAGED);
    }
    h = header_of(1);
    memset(h.ring, 'x', sizeof h.ring);
    recording_seal(&h);
    assert_int_equal(read_bytes(&h, sizeof h, &r, &records), RECORDING_DAMAGED);
}

/* Random damage of all kinds: whatever comes out was written. */
static void nothing_else_comes_out(void **state) {
    (void)state;
    struct sample *s = sample_make(1), *t = calloc(1, sizeof *t);
    uint64_t random = 88172645463325252;
    for (int run = 0; run < 3000; run++) {
        memcpy(t, s, sizeof *t);
        for (unsigned changes = 1 + run % 3; changes > 0; changes--) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            size_t from = random % s->size, to = random / ROOM % s->size, most = s->size - (from > to ? from : to);
            size_t bytes = random / ROOM / ROOM % 64 + 1;
            if (random >> 63)
                memmove(t->bytes + to, t->bytes + from, bytes < most ? bytes : most);
            else
                memset(t->bytes + from, (int)(random >> 40), bytes < s->size - from ? bytes : s->size - from);
        }
        struct recording r;
        size_t records;
        int result = read_bytes(t->bytes, s->size, &r, &records);
        assert_true(result >= 0 && (result != RECORDING_ENDED || memcmp(s->bytes, t->bytes, s->size) == 0));
    }
    free(s);
    free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),          cmocka_unit_test(a_pipe_will_do),
        cmocka_unit_test(of_a_torn_one_all_that_is_whole),   cmocka_unit_test(a_changed_bit_is_found_and_told_where),
        cmocka_unit_test(no_record_passes_in_another_place), cmocka_unit_test(what_cannot_be_is_damage),
        cmocka_unit_test(headers_that_are_refused),          cmocka_unit_test(nothing_else_comes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
