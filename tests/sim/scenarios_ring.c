/* SPDX-License-Identifier: MIT */
/*
 * Broadcast rings (lib/broadcast) of four or eight slots, so that a writer overtakes a reader within a few messages. A message says which it is in each of its words. What is read is whole, is what
 * was written under its number, and comes in the order of the numbers; what is missing was reported, to the message; no number is given twice; a writer that dies has written each message or not; a
 * reader with a seat loses nothing unless it was evicted; nobody waits for a dead one.
 */
#include "broadcast.h"
#include "error.h"
#include "scenario.h"

#include <errno.h>
#include <string.h>

enum { LANES = 3, NUMBERS = 32, WORDS = 6, SLOT = 32, GATE_MS = 400 };
static const char name[] = "sim";

static struct book {
    uint32_t token[LANES][NUMBERS]; /* what is or was to be written under each number; 0: nothing yet */
    uint32_t written[LANES];        /* below this number rp_write has returned, or somebody has read it */
    uint32_t next_token;
} book;

/* A participant's part. On its own stack. */
struct place {
    rp_ring *ring;
    rp_writer *writer;
    rp_reader *reader;
    uint64_t next[LANES]; /* that the reader must find, or be told of */
    bool lossless;        /* it has a seat */
};

static void must(int result, const char *what) {
    if (result < 0)
        sim_fail("%s: %s: %s", what, rp_error_name(result), rp_error_detail());
}

/* ---- writing ---- */

static void write_words(struct place *p, unsigned words) {
    uint32_t lane = rp_writer_lane(p->writer);
    uint64_t number = p->writer->number, message[WORDS];
    if (number >= NUMBERS)
        sim_fail("more messages than there is room for in the book");
    if (number < book.written[lane])
        sim_fail("number %llu of lane %u is given twice", (unsigned long long)number, lane);
    uint32_t token = ++book.next_token;
    book.token[lane][number] = token;
    for (unsigned i = 0; i < words; i++)
        message[i] = (uint64_t)token << 8 | i;
    sim_call("write");
    int result = rp_write(p->writer, message, words * sizeof *message);
    must(result, "write");
    if (book.written[lane] < number + 1)
        book.written[lane] = (uint32_t)number + 1;
    sim_return(true);
}

static void write_some(struct place *p, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        write_words(p, 2);
}

static void open_writer(struct place *p) {
    sim_call("writer_open");
    must(rp_writer_open(p->ring, NULL, &p->writer), "writer_open");
    const struct rp_writer *w = p->writer; /* or each death would leave readers and the next writer further behind */
    uint64_t newest = atomic_load_explicit(&w->lane->newest, memory_order_relaxed);
    uint64_t number = atomic_load_explicit(&w->lane->number, memory_order_relaxed);
    if (w->number != (newest == 0 ? 0 : number + 1))
        sim_fail("lane %u: message %llu comes next, the newest that is noted is %llu", w->index, (unsigned long long)w->number,
                 (unsigned long long)number);
    sim_return(true);
}

/* ---- reading ---- */

static void check_message(struct place *p, const uint64_t *message, size_t bytes) {
    struct rp_reader_status s;
    must(rp_reader_status(p->reader, &s), "status");
    sim_learn(s.sequence);
    if (s.lane >= LANES || s.sequence >= NUMBERS || bytes % 8 != 0 || bytes == 0)
        sim_fail("message %llu of lane %u, %zu bytes", (unsigned long long)s.sequence, s.lane, bytes);
    if (p->next[s.lane] != NUMBER_UNKNOWN && s.sequence != p->next[s.lane])
        sim_fail("lane %u: message %llu comes where %llu should", s.lane, (unsigned long long)s.sequence,
                 (unsigned long long)p->next[s.lane]);
    for (size_t i = 0; i < bytes / 8; i++)
        if (message[i] != ((uint64_t)book.token[s.lane][s.sequence] << 8 | i))
            sim_fail("lane %u, message %llu: word %zu is %#llx, written was %#x", s.lane, (unsigned long long)s.sequence, i,
                     (unsigned long long)message[i], book.token[s.lane][s.sequence]);
    p->next[s.lane] = s.sequence + 1;
    if (book.written[s.lane] < s.sequence + 1)
        book.written[s.lane] = (uint32_t)s.sequence + 1;
}

static int read_one(struct place *p, int64_t timeout_ns) {
    uint64_t message[WORDS];
    size_t bytes;
    uint32_t before[LANES];
    memcpy(before, book.written, sizeof before);
    for (unsigned i = 0; i < LANES; i++)
        sim_learn(before[i]);
    sim_call("read");
    int result = rp_read(p->reader, message, sizeof message, &bytes, timeout_ns);
    if (result == 0) {
        check_message(p, message, bytes);
    } else if (result == RP_LAPPED) {
        struct rp_reader_status s;
        must(rp_reader_status(p->reader, &s), "status");
        sim_learn(s.lost);
        if (p->lossless && sim_frozen() == 0 && !sim_jumped())
            sim_fail("a reader with a seat has lost %llu messages", (unsigned long long)s.lost);
        if (p->next[s.lane] == NUMBER_UNKNOWN)
            sim_fail("%llu messages are lost before the first", (unsigned long long)s.lost);
        p->next[s.lane] += s.lost;
    } else if (result == RP_EMPTY) {
        for (unsigned i = 0; i < LANES; i++)
            if (p->next[i] != NUMBER_UNKNOWN && p->next[i] < before[i])
                sim_fail("lane %u: nothing to read at message %llu, though %u were written", i, (unsigned long long)p->next[i],
                         before[i]);
    } else {
        must(result, "read");
    }
    sim_return(result == 0);
    return result;
}

static void read_some(struct place *p, unsigned calls) {
    for (unsigned i = 0; i < calls; i++)
        (void)read_one(p, 0);
}

static void read_all(struct place *p) {
    while (read_one(p, 0) != RP_EMPTY) {
    }
}

/* `from` newest: nothing that was written before comes; and all that is written after it was opened. */
static void open_reader(struct place *p, uint32_t from) {
    struct rp_reader_options o;
    rp_reader_options_init(&o, sizeof o);
    o.from = from;
    uint32_t before[LANES];
    memcpy(before, book.written, sizeof before);
    for (unsigned i = 0; i < LANES; i++)
        sim_learn(before[i]);
    sim_call("reader_open");
    must(rp_reader_open(p->ring, &o, &p->reader), "reader_open");
    p->lossless = p->reader->seat != NULL && from == RP_FROM_NEWEST;
    for (unsigned i = 0; i < LANES; i++) {
        p->next[i] = p->reader->cursors[i].number;
        uint32_t begun = book.written[i]; /* what dead or stopped ones began may be complete */
        while (begun < NUMBERS && book.token[i][begun] != 0)
            begun++;
        sim_learn(begun);
        if (from == RP_FROM_NEWEST && (p->next[i] < before[i] || (p->next[i] != NUMBER_UNKNOWN && p->next[i] > begun)))
            sim_fail("lane %u: a reader begins at message %llu, written were %u, begun %u", i, (unsigned long long)p->next[i],
                     before[i], begun);
    }
    sim_return(true);
}

/* ---- before and after ---- */

static void attach(struct place *p) {
    memset(p, 0, sizeof *p);
    must(rp_ring_open(name, NULL, &p->ring), "open");
}

static void detach(struct place *p) {
    rp_writer_close(p->writer);
    rp_reader_close(p->reader);
    must(rp_ring_close(p->ring), "close");
}

/* Messages of so many words each. */
static void make(uint32_t slots, uint32_t overflow, unsigned messages, unsigned words) {
    struct rp_ring_options o;
    struct place p = {0};
    book = (struct book){0};
    sim_keep(&book, sizeof book);
    rp_ring_options_init(&o, sizeof o);
    o.slots = slots;
    o.slot_bytes = SLOT;
    o.message_bytes = slots == 4 ? 16 : 32;
    o.max_writers = LANES;
    o.max_readers = 2;
    o.overflow = overflow;
    o.gate_timeout_ns = GATE_MS * MS;
    must(rp_ring_create(name, &o, &p.ring), "create");
    open_writer(&p);
    for (unsigned i = 0; i < messages; i++)
        write_words(&p, words);
    detach(&p);
}

static void setup(void) { make(4, RP_RING_OVERWRITE, 4, 2); }
static void setup_large(void) { make(8, RP_RING_OVERWRITE, 4, 4); }
static void setup_fresh(void) { make(4, RP_RING_OVERWRITE, 0, 2); }
static void setup_gate(void) { make(4, RP_RING_GATE, 2, 2); }

/* Somebody is stopped: others write and read a lap and more. */
static void interim(void) {
    struct place p;
    attach(&p);
    open_reader(&p, RP_FROM_NEWEST);
    open_writer(&p);
    for (unsigned i = 0; i < 6; i++) {
        write_some(&p, 1);
        read_all(&p);
    }
    detach(&p);
}

/* All lanes can be written and read, and nobody is waited for. */
static void finish(void) {
    struct place p, second;
    attach(&p);
    attach(&second);
    open_reader(&p, RP_FROM_OLDEST);
    read_all(&p);
    open_writer(&p);
    open_writer(&second);
    uint64_t start_ns = sim_now_ns();
    for (unsigned i = 0; i < 5; i++) {
        write_some(&p, 1);
        write_some(&second, 1);
        read_all(&p);
        for (unsigned lane = 0; lane < LANES; lane++)
            if (p.next[lane] != book.written[lane])
                sim_fail("lane %u: %u messages were written, the reader is at %llu", lane, book.written[lane],
                         (unsigned long long)p.next[lane]);
    }
    if (sim_now_ns() - start_ns >= GATE_MS * MS)
        sim_fail("a writer waited for a reader that is no more");
    detach(&p);
    detach(&second);
}

#define RING(make, does, switches, deaths)                                                              \
    .participants = 2, .bare = true, .setup = make, .body = does, .interim = interim, .finish = finish, \
    .budget = {.preemptions = switches, .kills = deaths, .freezes = 1}

/* ---- overwriting ---- */

static void body_write_read(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_OLDEST);
    sim_ready();
    if (me == 0)
        write_some(&p, 3);
    else
        read_some(&p, 3);
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program write_read = {
    .name = "ring-write-read", .about = "a reader is overtaken while it copies", RING(setup, body_write_read, 3, 1)};

static void body_large(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_OLDEST);
    sim_ready();
    if (me == 0) {
        write_words(&p, 4);
        write_words(&p, 4);
        write_words(&p, 2);
        write_words(&p, 4);
    } else {
        read_some(&p, 5);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program large = {.name = "ring-large",
                                         .about = "messages of two slots are overwritten while they are read",
                                         RING(setup_large, body_large, 2, 1)};

/* Each message overwrites one of two slots that began where it begins: the second slot before the first. */
static void body_tail(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_OLDEST);
    sim_ready();
    if (me == 0) {
        write_words(&p, 4);
        write_words(&p, 4);
    } else {
        read_some(&p, 3);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program tail = {.name = "ring-tail",
                                        .about = "a writer stops or dies between the slots of a message that overwrites another",
                                        RING(setup_large, body_tail, 3, 1)};

static void body_join(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    sim_ready();
    if (me == 0) {
        write_some(&p, 3);
    } else {
        open_reader(&p, RP_FROM_NEWEST);
        read_some(&p, 2);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program join = {
    .name = "ring-join", .about = "a reader begins at the newest message while others are written", RING(setup, body_join, 3, 1)};
static const struct sim_program join_fresh = {
    .name = "ring-join-fresh", .about = "the same before the first message", RING(setup_fresh, body_join, 3, 1)};

static void body_join_oldest(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    sim_ready();
    if (me == 0) {
        write_some(&p, 3);
    } else {
        open_reader(&p, RP_FROM_OLDEST);
        read_some(&p, 2);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program join_oldest = {.name = "ring-join-oldest",
                                               .about = "a reader begins at the oldest message while it is overwritten",
                                               RING(setup, body_join_oldest, 3, 1)};

/* A lane is taken over, in the middle of a message. The successor reads as well. */
static void body_successor(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_OLDEST);
    sim_ready();
    if (me == 0) {
        write_words(&p, 4);
        write_words(&p, 2);
        write_words(&p, 4);
    } else {
        read_some(&p, 1);
        open_writer(&p);
        write_words(&p, 2);
        write_words(&p, 4);
        read_some(&p, 2);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program successor = {
    .name = "ring-successor", .about = "a writer dies, and another takes its lane over", RING(setup_large, body_successor, 2, 1)};

static void body_writers(unsigned me) {
    struct place p;
    attach(&p);
    sim_ready();
    (void)me;
    open_writer(&p);
    write_some(&p, 2);
    sim_done();
    write_some(&p, 1);
    open_reader(&p, RP_FROM_OLDEST);
    read_all(&p);
    detach(&p);
}
static const struct sim_program writers = {
    .name = "ring-writers", .about = "two take the first lanes", RING(setup_fresh, body_writers, 3, 2)};

static void body_sleep(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_NEWEST);
    sim_ready();
    if (me == 0) {
        write_some(&p, 2);
    } else {
        (void)read_one(&p, 200 * MS);
        (void)read_one(&p, 200 * MS);
    }
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program sleeping = {
    .name = "ring-sleep", .about = "a reader sleeps and is woken", .strict_wakes = true, RING(setup, body_sleep, 3, 1)};

/* ---- the gate ---- */

static void body_gate(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_NEWEST);
    sim_ready();
    if (me == 0)
        write_some(&p, 6);
    else
        for (unsigned i = 0; i < 6; i++)
            (void)read_one(&p, 2 * GATE_MS * MS);
    sim_done();
    if (me == 1)
        read_all(&p);
    detach(&p);
}
static const struct sim_program gate = {.name = "gate-write-read",
                                        .about = "a writer waits for a reader, and that one for it",
                                        .strict_wakes = true,
                                        RING(setup_gate, body_gate, 2, 1)};

static void body_gate_join(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    sim_ready();
    if (me == 0) {
        write_some(&p, 6);
    } else {
        open_reader(&p, RP_FROM_NEWEST);
        read_some(&p, 3);
        sim_call("reader_close");
        rp_reader_close(p.reader);
        sim_return(true);
        p.reader = NULL;
    }
    sim_done();
    detach(&p);
}
static const struct sim_program gate_join_write = {.name = "gate-join",
                                                   .about = "a reader takes a seat, reads and leaves while a writer goes on",
                                                   RING(setup_gate, body_gate_join, 2, 1)};

static void body_evict(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    else
        open_reader(&p, RP_FROM_NEWEST);
    sim_ready();
    if (me == 0) {
        write_some(&p, 6);
    } else {
        read_some(&p, 4);
        sim_call("reader_close");
        rp_reader_close(p.reader);
        sim_return(true);
        p.reader = NULL;
    }
    sim_done();
    detach(&p);
}
static const struct sim_program evict = {.name = "gate-evict",
                                         .about = "a reader is evicted while it copies",
                                         .jumps_ns = {(GATE_MS + 1) * MS},
                                         .participants = 2,
                                         .bare = true,
                                         .setup = setup_gate,
                                         .body = body_evict,
                                         .interim = interim,
                                         .finish = finish,
                                         .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1}};

/* A dead reader's seat: a writer frees it while a newcomer takes it. */
static void setup_dead(void) {
    struct place p;
    make(4, RP_RING_GATE, 2, 2);
    attach(&p);
    open_reader(&p, RP_FROM_NEWEST);
    hold_release(&p.reader->hold); /* what its death would do */
    p.reader->seat = NULL;
    detach(&p);
}
static void body_dead(unsigned me) {
    struct place p;
    attach(&p);
    if (me == 0)
        open_writer(&p);
    sim_ready();
    if (me == 0) {
        uint64_t start_ns = sim_now_ns();
        write_some(&p, 6);
        if (sim_now_ns() - start_ns >= GATE_MS * MS && sim_frozen() == 0)
            sim_fail("a dead reader held a writer back");
    } else {
        open_reader(&p, RP_FROM_NEWEST);
        read_some(&p, 3);
        sim_call("reader_close");
        rp_reader_close(p.reader);
        sim_return(true);
        p.reader = NULL;
    }
    sim_done();
    detach(&p);
}
static const struct sim_program dead = {.name = "gate-dead",
                                        .about = "a dead reader's seat is freed by a writer while a newcomer takes it",
                                        RING(setup_dead, body_dead, 2, 1)};

const struct sim_program *const scenarios_ring[] = {&write_read,      &large,     &tail,    &join,     &join_fresh,
                                                    &join_oldest,     &successor, &writers, &sleeping, &gate,
                                                    &gate_join_write, &evict,     &dead,    NULL};
