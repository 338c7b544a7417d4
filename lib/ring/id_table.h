/* SPDX-License-Identifier: MIT */
/*
 * Ids that were used, each kept for a time: a hash table of chains in shared memory, without locks. A chain is a list as in M. Michael, "High performance
 * dynamic lock-free hash tables and list-based sets" (SPAA 2002): new ids come in front, by one CAS of the bucket's head; what goes is marked dropped in its own
 * link first, and unlinked by whoever passes. Entries are never given back to an allocator, and every link names the generation of the entry it leads to, so one who walks
 * past an entry that has become another's notices, and begins anew.
 *
 *     word      state:4 | owner:10 | generation:50
 *     link      dropped:1 | own generation:21 | generation of the next:20 | next:22       in a head, which is never dropped: a count of changes:21
 *
 *     FREE --anybody, CAS--> TAKEN(seat), generation + 1      dies: recovery makes it FREE
 *     TAKEN: the owner writes id, time, message, link
 *     TAKEN --owner--> PENDING(seat), then the CAS of the head    dies: whether the message was sent decides, lib/queue/dedup.h
 *     PENDING --owner, or its recoverers--> COMMITTED, with the time until which it is kept, or ABORTED
 *     COMMITTED, ABORTED --anybody: link dropped; a walk over the chain that does not meet it; CAS--> FREE or TAKEN      dies: anybody begins anew
 *
 * That an id is in a chain only once follows from the head alone: whoever puts one in front has seen the whole chain, and his CAS fails if the head has changed since.
 *
 * Entries are taken in turn: the one whose turn it is is the oldest, and is dropped if it is still kept. So the ids of the last `count` sends are known, at least those
 * whose time is not over. An entry that came to nothing is taken again by whoever had it, for half a round: else one who polls a full lane would soon have taken the places of all
 * that are kept. Turns are given out one at a time: blocks of them would keep the hand's line from being everybody's at every send, but whoever is late with his block leaves most of it unused,
 * and a few senders in turn soon use an eighth of the table only.
 *
 * How long an id is kept is known when it is decided; until then `until` names the generation, so that of its recoverers one sets it, and none that sleeps sets another's.
 *
 * Every look is a few loads; every change is lock-free, and the steps of a walk are bounded whatever lies there.
 */
#ifndef RP_RING_ID_TABLE_H
#define RP_RING_ID_TABLE_H

#include "segment.h"

enum id_state { ID_FREE, ID_TAKEN, ID_PENDING, ID_COMMITTED, ID_ABORTED };

static inline uint64_t id_word(enum id_state state, uint32_t owner, uint64_t generation) {
    return (uint64_t)state << 60 | (uint64_t)owner << 50 | (generation & ((UINT64_C(1) << 50) - 1));
}
static inline enum id_state id_state(uint64_t w) { return (enum id_state)bits(w, 60, 4); }
static inline uint32_t id_owner(uint64_t w) { return (uint32_t)bits(w, 50, 10); }
static inline uint64_t id_generation(uint64_t w) { return bits(w, 0, 50); }

#define ID_LINK_DROPPED (UINT64_C(1) << 63)

static inline uint64_t id_link_make(uint64_t own, uint64_t next_generation, uint32_t next) {
    return (own & 0x1fffff) << 42 | (next_generation & 0xfffff) << 22 | next;
}
static inline uint32_t id_link_next(uint64_t l) { return (uint32_t)bits(l, 0, 22); }
static inline uint64_t id_link_tag(uint64_t l) { return bits(l, 22, 20); }
static inline uint64_t id_link_own(uint64_t l) { return bits(l, 42, 21); }
/* Fresh memory is all zeros, and entry 0 is an entry: so a link holds the next entry's number + 1, but for the end. */
static inline bool id_link_ends(uint64_t l) { return id_link_next(l) == 0; }

static inline uint64_t id_bucket(const struct segment *s, uint64_t hash) {
    return hash & ((UINT64_C(1) << s->layout.known_shift) - 1);
}

/* An entry's `message`: kind and length of its id, and the cell and its generation. */
enum { ID_MESSAGE_BITS = 52 };
static inline uint64_t id_message(uint64_t m) { return bits(m, 0, ID_MESSAGE_BITS); }
static inline uint32_t id_bytes(uint64_t m) { return (uint32_t)bits(m, ID_MESSAGE_BITS, 8); }
static inline uint32_t id_kind(uint64_t m) { return (uint32_t)bits(m, ID_MESSAGE_BITS + 8, 4); }

/* `until` of an entry that is not decided. */
static inline uint64_t id_undecided(uint64_t word) { return UINT64_C(1) << 63 | id_generation(word); }

/* Whose id it is: equal ids of two kinds are two. */
enum id_kind {
    ID_OF_SEND,
    ID_OF_DELIVERY, /* that of a consumer: its message's number, */
    ID_OF_WORK      /* or one that the application gave */
};

/* An id that somebody asks for, ready to be compared. */
struct sought_id {
    uint64_t hash;
    uint64_t words[KNOWN_ID_BYTES / 8]; /* padded with zeros */
    uint32_t bytes;
    uint32_t kind;
};
void sought_id_make(struct sought_id *x, const void *id, size_t bytes);
void sought_id_make_of(struct sought_id *x, enum id_kind kind, const void *id, size_t bytes);

/* An entry, and its word when it was looked at. */
struct id_entry {
    uint32_t index;
    uint64_t word;
    uint64_t message; /* as in known_id, of one that was found */
    uint64_t message_id;
    uint64_t until_ns; /* of one that was found COMMITTED */
    uint64_t turn;     /* of one that was taken */
};

/* The turn of an entry that its taker did not need. */
struct id_spare {
    uint64_t turn;
    bool any;
};

/* What an entry says, whoever has it by now. */
struct id_copy {
    uint64_t word, until_ns, message, message_id;
    uint64_t id[KNOWN_ID_BYTES / 8];
};
/* True: it is an id, PENDING or COMMITTED. */
bool id_table_read(const struct segment *s, uint32_t index, struct id_copy *out);
/* Entries beyond were never used, and need not be in memory. */
uint32_t id_table_used(const struct segment *s);

enum id_look { ID_UNKNOWN, ID_KNOWN, ID_DAMAGED };

/*
 * KNOWN: *entry is PENDING, or COMMITTED until some time, which may be over: then the id is as good as unknown, since whatever is behind it is older. *head is to be given to id_table_link,
 * which fails if that has changed.
 */
enum id_look id_table_look(const struct segment *s, const struct sought_id *x, struct id_entry *entry, uint64_t *head);

/* What a PENDING entry of a consumer has for its cell: it was not sent, so the death of its owner makes it ABORTED. */
#define ID_NO_MESSAGE ((uint64_t)NO_CELL << GENERATION_BITS)

enum id_take { ID_TAKE_DONE, ID_TAKE_NONE, ID_TAKE_DAMAGED };

/*
 * Takes the spare one, or that whose turn it is, of those from number `first` on. DONE: it is TAKEN by `seat`. *forgotten: an id went before its time. NONE: all are
 * somebody's who is not done with it. Senders take from all of them, and as many as there are cells are always enough for them; consumers, who keep theirs for as
 * long as they work, leave the first so many alone.
 */
enum id_take id_table_take(const struct segment *s, uint32_t seat, uint64_t now_ns, uint32_t first, struct id_spare *spare,
                           struct id_entry *entry, bool *forgotten);

/* Writes a TAKEN entry and makes it PENDING; in no chain yet. */
void id_table_fill(const struct segment *s, struct id_entry *entry, const struct sought_id *x, uint64_t message,
                   uint64_t message_id);

/* Puts a PENDING entry into its chain, whose head was `head`. False: that has changed, look again. */
bool id_table_link(const struct segment *s, const struct id_entry *entry, const struct sought_id *x, uint64_t head);

/* The owner of an entry that is in no chain gives it back, or its recoverer. */
void id_table_give_back(const struct segment *s, const struct id_entry *entry);

/* PENDING becomes COMMITTED, kept until then, or ABORTED: the owner's, whom nobody disturbs while he lives; and a dead owner's. False: the word had changed. */
void id_table_commit_mine(const struct segment *s, struct id_entry *entry, uint64_t until_ns);
void id_table_abort_mine(const struct segment *s, struct id_entry *entry);
bool id_table_commit(const struct segment *s, uint32_t index, uint64_t word, uint64_t until_ns);
bool id_table_abort(const struct segment *s, uint32_t index, uint64_t word);

/* Drops an entry that was COMMITTED or ABORTED with `word`. False: its chain is damaged. */
bool id_table_drop(const struct segment *s, uint32_t index, uint64_t word);

#endif
