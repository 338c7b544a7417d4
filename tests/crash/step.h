/* SPDX-License-Identifier: MIT */
/*
 * The single-step killer. A victim runs one operation of the library under PTRACE_SINGLESTEP on a real queue; after each instruction its tracer looks at the
 * segment. What kill -9 leaves is the segment's memory and the kernel's locks, and the locks of the dead are gone: so two instructions
 * after which the memory is the same are one crash, and the distinct memories (images) stand for all instructions. Each image is put back
 * into the segment's file, and survivors must be able to live with it.
 */
#ifndef CRASH_STEP_H
#define CRASH_STEP_H

#include "handle.h"
#include <stdio.h>
#include <sys/types.h>

enum { SERIALS = 256, VICTIM_SERIALS = 128, PARTY_HOLDS = 16, SUBJECTS = 16, LETTER_BYTES = 64, SEATS = 4, MINUTE_MS = 60000 };

/* ---- what is known about the messages, in memory that the victim shares ---- */

enum fate { FATE_GONE = 1, FATE_DELIVERED = 2, FATE_DEAD = 4 };

struct book {
    volatile int stage; /* 1: the operation began, 2: it returned */
    volatile int result;
    unsigned next_serial, next_victim_serial;
    unsigned once;              /* the letter with an id; 0: none */
    unsigned numbered;          /* the letter that the producer VICTIM sends under its serial as sequence; 0: none */
    unsigned sequence;          /* of that producer's last send before the operation */
    bool id_removed;            /* the operation removes that producer's id */
    unsigned work;              /* the letter that receivers ask rp_seen about; 0: none */
    unsigned forwarded, output; /* the letter that receivers forward, and what comes of it; 0: none */
    /* The fate of each message when the victim is killed before the operation, and after it; 0: no such message. Killed inside, it is one of the two. */
    uint8_t before[SERIALS], after[SERIALS];
    bool kept[SERIALS]; /* held by the neighbour: its fate depends on what he does next */
    bool redriven[SERIALS];
    bool ordered[SERIALS];               /* one of several that come into being in order */
    uint8_t paused_before, paused_after; /* bits of enum rp_side, and PAUSED_GROUP */
    uint8_t work_before, work_after;     /* enum work */
};
enum { PAUSED_GROUP = 4 };
enum work { WORK_UNASKED, WORK_UNDONE, WORK_DONE };

void book_enter(struct book *b, unsigned serial, unsigned before, unsigned after);

/* A message's bytes follow from its serial number. */
size_t letter_write(unsigned char out[LETTER_BYTES], unsigned serial);
/* The serial number, or -1: the bytes are not a letter. */
int letter_read(const void *data, size_t bytes);

/* ---- who takes part ---- */

/* A process's handles; several parties may live in one process, each with a seat and a lock of its own. */
struct party {
    rp_queue *queue;
    rp_producer *producer;
    rp_consumer *consumer;
    struct rp_message held[PARTY_HOLDS];
    unsigned held_count;
};
void party_open(struct party *p, const char *name, uint32_t ack, uint32_t prefetch);
void party_close(struct party *p);
void party_die(struct party *p); /* as kill -9: the mapping goes, and with it the lock; the segment is left as it is */

/* Does not wait, whatever the queue's policy. */
int party_send(struct party *p, unsigned serial);
/* Under an id of its own. */
int party_send_once(struct party *p, unsigned serial);
/* As the book says of the letter: under an id of its own, as a sequence of `p`. */
int send_as_booked(const struct book *b, rp_producer *p, unsigned serial);
/* The producer whose sends are numbered. */
int numbered_open(rp_queue *q, rp_producer **out);
int numbered_remove(rp_queue *q);
/* What receivers do with the letter that is to be worked on, or forwarded. */
int work_ask(struct party *p, struct rp_message *m);
int work_forward(const struct book *b, struct party *p, struct rp_message *m);
/* Receives a message and keeps it: its serial, or -1: nothing there. */
int party_receive(struct party *p);

/* What a party knows, so that it can live through the same moment again. */
struct memory_of_party {
    struct party party;
    struct rp_queue queue;
    struct rp_producer producer;
    struct rp_consumer consumer;
    struct view *views;
    struct sender_lane *sender_lanes;
    struct receiver_lane *receiver_lanes;
};
void party_remember(const struct party *p, struct memory_of_party *m);
void memory_free(struct memory_of_party *m);
void party_rewind(struct party *p, const struct memory_of_party *m);

/* ---- the queue, and the world around it ---- */

struct world {
    char name[64];
    struct rp_queue_options options;
    int file;
    unsigned char *memory;
    size_t bytes;
    struct book *book;
    struct party neighbour; /* alive while the victim dies */
    struct memory_of_party neighbour_then;
    bool neighbour_died;
    struct party helper; /* is there while the victim works, dead afterwards */
    struct party ghost;  /* dead before the victim comes */
    unsigned char *
        journal; /* its first file as the last victim left it: what that wrote after an image was made lies behind the image's point; NULL: the queue has none */
    bool hasty;  /* the victim's letter is sent again before anybody sweeps */
};
/* A directory of this process's own, in memory. */
const char *journal_path(void);
unsigned char *journal_take(const struct world *w);
void world_create(struct world *w, struct book *b, const char *name, const struct rp_queue_options *o);
void world_destroy(struct world *w);
void world_restore(struct world *w, const unsigned char *image);
/* Time passes without waiting: the origin of the segment's clock moves back, for those who attach later and for the neighbour. */
void world_let_pass(struct world *w, uint64_t ms);
/* The neighbour sends a new message, which is to be delivered. -> its serial */
unsigned world_send(struct world *w);

/* For what must not fail if the test itself is to make sense. */
#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
_Noreturn void must_failed(const char *what, const char *file, int line);

/* ---- scenarios ---- */

enum surroundings { EMPTY, FEW, FULL, WRAPPED, RANDOM };
enum { IN_EMPTY = 1, IN_FEW = 2, IN_FULL = 4, IN_WRAPPED = 8, IN_RANDOM = 16, EVERYWHERE = 31, BUT_FULL = 27 };

struct victim {
    struct world *world;
    struct party party;
    unsigned serial;
    struct rp_loan loan;
};

struct scenario {
    const char *name;
    const char *operation; /* under which it is counted */
    unsigned where;        /* bits of the surroundings it makes sense in */
    unsigned messages;     /* so many are ready when the victim comes */
    uint32_t ack, prefetch;
    bool limited;       /* the first failure is the last */
    bool refusing;      /* a full dead ring refuses */
    bool blocking;      /* a full queue waits */
    bool once;          /* ids are kept */
    bool keyed;         /* many lanes; messages have no key and go round them */
    bool journal;       /* the queue has one */
    unsigned dead_ring; /* capacity of the dead ring; 0: large */
    bool held;          /* the neighbour holds a message in any case */
    bool newcomer;      /* the victim does not attach before the operation */
    bool bare;          /* the victim attaches, and opens no producer and no consumer */
    uint64_t time_ms;   /* passes before the victim comes */
    int dead_letters;   /* there are exactly so many afterwards; 0: what the fates say */
    void (*prepare)(struct world *w);
    void (*ready)(struct victim *v);  /* in the victim, before the operation */
    void (*between)(struct world *w); /* then, in the world */
    int (*act)(struct victim *v);
    void (*during)(struct world *w); /* after each instruction */
    int result;                      /* of act */
};

/* Of step_scenarios.c, then of step_delivery.c. NULL: no more. */
const struct scenario *scenario_at(size_t i);
extern const struct scenario delivery_scenarios[];
extern const size_t delivery_scenario_count;
/* What those do who come upon a dead one, and die themselves. */
extern const struct scenario recoveries[];
extern const size_t recovery_count;
/* Who goes on with what the dead one had begun: sends it again, asks whether the work is done, forwards. */
extern const struct scenario succession;
bool has_successor(const struct book *b);

struct rp_queue_options scenario_options(const struct scenario *s, enum surroundings around);
void surround(struct world *w, const struct scenario *s, enum surroundings around, uint64_t seed);
/* The neighbour sends and receives until every ring has wrapped. */
void wrap(struct world *w);
/* In the victim: uses up what memory there is. */
void fill_up(struct victim *v);
const char *surroundings_name(enum surroundings around);

/* What the operations have in common. */
void will_send(struct victim *v, unsigned count);
unsigned receive_to(struct victim *v, unsigned after);
void ready_hold(struct victim *v);
void prepare_ghost(struct world *w);
void prepare_dead(struct world *w);
/* The victim's lease runs out while it lives, and the neighbour receives the message. */
void the_lease_is_lost(struct world *w);
int act_send(struct victim *v);
int act_receive(struct victim *v);
int act_ack(struct victim *v);
int act_nack_now(struct victim *v);
int act_reject(struct victim *v);
int act_redrive(struct victim *v);
int act_sweep(struct victim *v);
int act_close_all(struct victim *v);

/* ---- stepping ---- */

struct image {
    uint64_t instruction; /* the last one before which the memory was different */
    uintptr_t address;    /* its */
    unsigned char *bytes;
};

struct trace {
    struct image *images;
    size_t count, room;
    size_t enough; /* the victim is killed when there are so many; 0: when it is done */
    uint64_t instructions;
    unsigned char *journal; /* world.journal */
};

/* Lets a victim run the scenario's operation, and kills it. False: this process may not trace. */
bool trace_take(struct trace *t, struct world *w, const struct scenario *s, enum surroundings around);
void trace_free(struct trace *t);
/* Where an instruction is, for people. */
void trace_where(uintptr_t address, char *out, size_t bytes);

/* ---- judging ---- */

/* What the neighbour does with the messages that he holds, once the victim is dead. */
enum neighbour { ACKS_AT_ONCE, ACKS_LATE, EXTENDS, DIES };

struct verdict {
    bool violated;
    char text[400];
    uint8_t fate[SERIALS];
    uint8_t paused, work; /* as in the book */
};

/* Puts the image back and lets survivors live with it. */
void judge(struct world *w, const struct scenario *s, const struct image *image, enum neighbour neighbour, struct verdict *v);
/* Are the fates those of somebody who was killed once along the way: as before up to some image, as after from there on? */
void judge_fate(const struct book *b, const struct verdict *before, bool first, bool last, struct verdict *v);

#endif
