/* SPDX-License-Identifier: MIT */
/* Broadcast rings: messages of two slots that are overwritten while they are read, readers that join and sleep, and the gate. */
#include "broadcast.h"
#include "weak.h"

#include <stdlib.h>

enum { WORDS = 4 };

static struct world {
    rp_ring *ring[2];
    rp_writer *writer;
    rp_reader *reader;
    uint64_t next; /* that the reader must find, or be told of */
} * w;

static void write_one(uint64_t number) {
    uint64_t message[WORDS];
    for (uint64_t i = 0; i < WORDS; i++)
        message[i] = number << 8 | i;
    weak_check(rp_write(w->writer, message, w->writer->view.p.message_bytes) == 0);
}

static int read_one(int64_t timeout_ns) {
    uint64_t message[WORDS];
    size_t bytes;
    struct rp_reader_status s;
    int result = rp_read(w->reader, message, sizeof message, &bytes, timeout_ns);
    weak_check(rp_reader_status(w->reader, &s) == 0);
    if (result == RP_LAPPED)
        w->next += s.lost;
    if (result != 0)
        return result;
    for (uint64_t i = 0; i < bytes / 8; i++)
        weak_check(message[i] == (w->next << 8 | i));
    weak_check(s.sequence == w->next);
    w->next++;
    return 0;
}

static void open_reader(uint32_t from) {
    struct rp_reader_options o;
    rp_reader_options_init(&o, sizeof o);
    o.from = from;
    weak_check(rp_reader_open(w->ring[1], &o, &w->reader) == 0);
    w->next = w->reader->cursors[0].number;
}

static void make(uint32_t overflow, uint32_t slots, uint32_t message_bytes, uint64_t messages) {
    struct rp_ring_options o;
    rp_ring_options_init(&o, sizeof o);
    o.slots = slots;
    o.slot_bytes = 32;
    o.message_bytes = message_bytes;
    o.max_writers = 1;
    o.max_readers = 1;
    o.overflow = overflow;
    w = weak_allocate(sizeof *w);
    weak_as(0);
    if (rp_ring_create("weak", &o, &w->ring[0]) != 0 || rp_writer_open(w->ring[0], NULL, &w->writer) != 0)
        abort();
    for (uint64_t i = 0; i < messages; i++)
        write_one(i);
    weak_as(1);
    if (rp_ring_open("weak", NULL, &w->ring[1]) != 0)
        abort();
}

/* B reads the two oldest messages while A overwrites them. */
static void setup_lap(void) {
    make(RP_RING_OVERWRITE, 8, 32, 4);
    open_reader(RP_FROM_OLDEST);
}
static void lap(unsigned me) {
    for (uint64_t i = 0; i < 2; i++)
        if (me == 0)
            write_one(4 + i);
        else
            weak_check(read_one(0) != RP_CORRUPT);
}
static void finish_lap(void) {
    while (read_one(0) != RP_EMPTY) {
    }
    weak_check(w->next == 6);
}
const struct weak_program broadcast_lap = {.name = "broadcast-lap",
                                           .about = "messages of two slots are overwritten while they are read",
                                           .threads = 2,
                                           .setup = setup_lap,
                                           .body = lap,
                                           .finish = finish_lap};

/* B begins at the newest message while A writes. */
static void setup_join(void) { make(RP_RING_OVERWRITE, 4, 16, 5); }
static void join(unsigned me) {
    if (me == 0) {
        write_one(5);
        write_one(6);
        return;
    }
    open_reader(RP_FROM_NEWEST);
    weak_check(w->next >= 5 && w->next <= 7);
    weak_check(read_one(0) != RP_CORRUPT);
}
static void finish_join(void) {
    while (read_one(0) != RP_EMPTY) {
    }
    weak_check(w->next == 7);
}
const struct weak_program broadcast_join = {.name = "broadcast-join",
                                            .about = "a reader begins at the newest message while others are written",
                                            .threads = 2,
                                            .setup = setup_join,
                                            .body = join,
                                            .finish = finish_join};

/* B sleeps until A has written. Only the barrier stands between A's store and its look at the tickets. */
static void setup_sleep(void) {
    make(RP_RING_OVERWRITE, 4, 16, 1);
    open_reader(RP_FROM_NEWEST);
}
static void sleeping(unsigned me) {
    if (me == 0)
        write_one(1);
    else
        weak_check(read_one(-1) == 0);
}
const struct weak_program broadcast_sleep = {
    .name = "broadcast-sleep", .about = "a reader sleeps and is woken", .threads = 2, .setup = setup_sleep, .body = sleeping};

/* B takes a seat while A, who does not look at seats before the lap is full, writes a lap and more; what B has not read A waits for, asleep. B's last read is of what A waits to write. */
static void setup_gate(void) { make(RP_RING_GATE, 4, 16, 3); }
static void gate(unsigned me) {
    if (me == 0) {
        for (uint64_t i = 3; i < 9; i++)
            write_one(i);
        return;
    }
    open_reader(RP_FROM_NEWEST);
    for (uint64_t n = w->next; n < 9; n++)
        weak_check(read_one(-1) == 0);
}
const struct weak_program broadcast_gate = {.name = "broadcast-gate",
                                            .about = "a reader takes a seat while a writer goes on, and holds it back",
                                            .threads = 2,
                                            .setup = setup_gate,
                                            .body = gate};
