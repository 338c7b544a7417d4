/* SPDX-License-Identifier: MIT */
/*
 * What lies in a segment: the shared ABI, described here and in docs/segment-format.md, and nowhere else.
 *
 *     header | control | groups | seats | free bitmap | lane ends | lane starts per group | ready lanes per group | lanes
 *            | early and returned per group and lane, deaths per group | delivery lines | extra lines | timers | ids | failure texts
 *            | buckets of known ids | known ids | producer ids | bells | spill: control, ends, cursors, extents, chunks | cells
 *
 * Where each part begins is a pure function of the header's parameters (layout_compute), so the attach handshake computes the parts
 * anew and refuses a segment whose offsets differ. Every field is naturally aligned and of fixed width; independent writers have
 * lines of their own.
 */
#ifndef RP_MEMORY_LAYOUT_H
#define RP_MEMORY_LAYOUT_H

#include "atomic.h"
#include "journal_place.h"
#include "words.h"
#include <stddef.h>

enum {
    LINE = 64,
    LAYOUT_VERSION = 4,
    CELLS_PER_PARTICIPANT = 8, /* cells a process may keep out of circulation before they count against capacity */
    BELLS_PER_PARTICIPANT = 4, /* consumers with a descriptor, on average */
    COUNTER_LINES = 8,         /* handles of one process that count without an atomic read-modify-write */
    COUNTERS_PER_LINE = 32,
    TEXT_BYTES = 80
};

#define LAYOUT_MAGIC UINT64_C(0x74736f70676e6972) /* "ringpost", little endian */
#define LAYOUT_BYTE_ORDER UINT32_C(0x01020304)

/* What a queue is made of; fixed for its life. Part of the header. */
struct parameters {
    uint32_t capacity;
    uint32_t message_bytes;
    uint32_t max_groups;
    uint32_t max_participants;
    uint32_t lane_count; /* 1; priorities, one lane each; shards, one each; or keyed lanes */
    uint32_t max_deliveries;
    uint32_t dead_capacity;
    uint32_t dead_overflow;
    uint32_t overflow;
    uint32_t backoff_factor_permille;
    uint32_t jitter_permille;
    uint32_t prefault;
    uint32_t mode; /* for people: what counts is the file's */
    uint32_t keyed;
    uint32_t lane_capacity;
    uint32_t expired;
    uint32_t header_bytes; /* room beside message_bytes */
    uint32_t numa;         /* enum rp_numa: where it lies */
    uint64_t lease_ns;
    uint64_t backoff_ns;
    uint64_t backoff_max_ns;
    uint64_t ageing_ns;
    uint64_t ttl_ns;
    uint64_t max_bytes;
    uint64_t dedup_window_ns; /* 0: no ids are kept */
    uint64_t dedup_entries;
    uint64_t producer_ids;
    uint64_t first_lap; /* lap at which every ring begins */
    uint32_t numa_node;
    uint32_t hugepages;
    uint32_t lock_memory;
    uint32_t numa_shards;  /* lanes and ranges of cells that belong to nodes: lib/queue/shards.h; 0: none */
    uint64_t shard_nodes;  /* bits: those nodes; 0: not known */
    uint64_t spill_bytes;  /* what may lie in the spill file; 0: the queue has none */
    uint32_t spill_inside; /* it lies in the segment: for tests that look at all of a queue's memory */
    uint32_t sync;         /* enum rp_sync: RP_SYNC_OFF: no journal, the queue is not durable */
    uint64_t sync_interval_ns, journal_file_bytes;
    uint64_t retain_ns, retain_bytes; /* files of settled messages stay so long, or until they are more than that; 0: not said */
};

/* Offsets and counts that follow from the parameters. Part of the header. */
struct layout {
    uint64_t control;
    uint64_t groups;
    uint64_t seats;
    uint64_t bitmap;
    uint64_t lane_ends;   /* [lane] */
    uint64_t lane_starts; /* [group][lane] */
    uint64_t ready_lanes; /* [group][lane / 64], keyed only: one line for each word */
    uint64_t lanes;       /* [lane][slot] */
    uint64_t group_rings; /* per group: early and returned of each lane (keyed: none), then deaths */
    uint64_t deliveries;  /* [group][cell], one line each */
    uint64_t extras;      /* [cell] */
    uint64_t timers;      /* see below */
    uint64_t ids;         /* [id modulo id_count]: cell + 1 of a delayed message, to cancel it; lossy */
    uint64_t texts;
    uint64_t known_heads; /* see below: a bucket each */
    uint64_t known_ids;
    uint64_t identities;
    uint64_t bells;
    uint64_t spill;         /* see spill_words.h */
    uint64_t spill_ends;    /* [lane] */
    uint64_t spill_cursors; /* [group][lane], one line each */
    uint64_t spill_extents; /* [extent] */
    uint64_t spill_chunks;  /* bits: parts of the index that are on disk */
    uint64_t spill_area;    /* spill_inside only */
    uint64_t spill_area_bytes;
    uint64_t spill_extent_bytes;
    uint64_t journal;       /* durable queues: see below, and */
    uint64_t journal_slots; /* the ring in which messages wait for the journal */
    uint64_t journal_dirty; /* bits: cells of which something is to be recorded. Hints */
    uint64_t cells;
    uint64_t bytes;
    uint32_t cell_count;
    uint32_t cell_stride;
    uint32_t
        lane_slot_count; /* at least as many as cells: a sender meets an untaken entry only where others left out of order; but of keyed lanes */
    uint32_t lane_slot_shift;
    uint32_t slot_count; /* of early and returned, each */
    uint32_t slot_shift;
    uint32_t death_slot_count;
    uint32_t death_slot_shift;
    uint32_t text_count; /* a power of two */
    uint32_t bitmap_words;
    uint32_t extra_stride;
    uint32_t ready_words; /* per group */
    uint32_t id_count;    /* a power of two */
    uint32_t known_count; /* ids that are kept; 0: none */
    uint32_t known_shift; /* of the number of buckets */
    uint32_t bell_count;
    uint32_t spill_slot_shift; /* of a lane's ring in the index */
    uint32_t spill_extent_count;
    uint32_t spill_chunk_words;
    uint32_t reserve;            /* cells for refills, of each group; they are the first ones */
    uint32_t journal_slot_count; /* at least as many as cells: it is never full */
    uint32_t journal_slot_shift;
};

struct header {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint32_t word_bits;
    uint32_t line_bytes;
    uint64_t features_compatible;   /* unknown bits: go on */
    uint64_t features_read_only;    /* unknown bits: look, but do not touch */
    uint64_t features_incompatible; /* unknown bits: keep out */
    uint64_t created_wall_ns;
    uint64_t epoch_boot_ns; /* times in words are ms since this moment of CLOCK_BOOTTIME */
    uint64_t boot_id;
    uint64_t time_namespace;
    uint64_t identity[2]; /* no other segment has it, whatever its name */
    struct parameters parameters;
    struct layout layout;
    uint64_t check; /* over everything above */
};

/* One sleeping place: see eventcount.h. The tickets lie apart, packed, because every sender looks at them. */
struct sleepers {
    a32 epoch;
    uint32_t reserved[15];
};

struct control {
    /* Read by every call, written rarely. */
    a64 active;       /* version:24 | groups that are being removed:20 | groups that get new messages:20; see groups.h */
    a64 free_tickets; /* senders that wait for memory */
    a32 starved;      /* somebody found no free cell: whoever frees one tells at once */
    uint32_t reserved;
    a64 next_due_ms;         /* no lease or backoff ends before, as far as is known */
    a64 next_timer_ns;       /* no delayed message is due and none expires before, as far as is known: the root of the timers */
    a64 paused;              /* changes:42 | receive:1 | send:1 | groups whose receivers are:20; see pause.h */
    a64 tickets[MAX_GROUPS]; /* receivers that wait, per group */
    a64 cells_in_play;       /* capacity + 8 x the most seats that were taken at once */
    a64 keeper_tickets;      /* rp_queue_keep */
    a64 admitted;   /* version:26 | generation:26 | place + 1:12: the producer id that was made last; see lib/queue/identity.h */
    a64 bells_top;  /* bells from here on were never used: 0 where nobody has a descriptor */
    a64 ring_nodes; /* bits: the NUMA nodes on which the rings should lie, and */
    a64 cell_nodes; /* the cells; for people, and for the first consumer. 0: wherever they are */
    /* One line for each of those that are written often. */
    _Alignas(LINE) a64 next_id;
    _Alignas(LINE) a64 tick_until_ms; /* somebody keeps house until then; others need not */
    a64 walk_until_ms;                /* the same for walks because of a due time */
    a64 slice_cursor;                 /* where the tick's walk goes on in a queue of very many cells */
    a64 pop_until_ns;                 /* somebody looks after the timers that are over until then */
    a64 wall_ahead_ns;                /* of the wall clock before boot time since the epoch: makes timers of its times */
    _Alignas(LINE) a64 known_hand;    /* known ids: where the next is kept, modulo their number */
    _Alignas(LINE) a64 bytes_in;      /* max_bytes: payload bytes that came, and */
    _Alignas(LINE) a64 bytes_out;     /* those that went; see byte_room.h */
    _Alignas(LINE) struct sleepers free_sleepers;
    struct sleepers sleepers[MAX_GROUPS];
    struct sleepers keeper_sleepers;
    /* Durable queues, lib/queue/durable.h. */
    _Alignas(LINE) a64 journal_tail;  /* hint: positions of the journal ring below are filled */
    _Alignas(LINE) a64 journal_point; /* what is in the journal: sealed:1 | file:9 | unit:22 | position:32 */
    a64 journal_moved;                /* hint: what is below went on to its lane */
    a64 journal_marked;               /* hint: some bit of journal_dirty is set */
    a64 journal_failed;               /* errno:16 | when to try again, in ms:48; 0: it works */
    a64 journal_synced;               /* sync interval: when, and up to where: durable_writer.c */
    a64 journal_snapshot;             /* changes:63 | all that is live is to be written again:1 */
    a64 journal_leaving;              /* hint: some producer id was removed, and that is to be recorded */
    _Alignas(LINE) a64 journal_role; /* who writes: until:46, in ms | times it was taken over:8 | seat + 1:10; 0: nobody */
    a64 journal_groups;     /* `active` as it was recorded last */
    a64 journal_file;       /* hint: the number of the file, of which the point has the low bits */
    a64 journal_oldest;     /* hint: the lowest number there is */
    a64 journal_needed;     /* files of lower numbers are needed by nobody. Never too high: the next file's head says it */
    a64 journal_tickets;    /* those who wait for the journal */
    a64 journal_past;       /* until when writers hold back:44, in ms | groups that began in the past:20 */
    uint64_t journal_first; /* sequence of the message at position 0 of the ring, modulo 2^64 */
    struct sleepers journal_sleepers;
    _Alignas(LINE) a64 totals[COUNTERS_PER_LINE]; /* of seats that were given up */
};

enum group_state { GROUP_UNUSED, GROUP_CREATING, GROUP_USED };
enum { GROUP_NAME_BYTES = 64 };

struct group {
    a64 word; /* state:4 | creator's seat:10 | generation:50 */
    a64 name[GROUP_NAME_BYTES / 8];
    a64 overflow; /* enum rp_group_overflow (reserved) */
    a64 created_wall_ns;
    a64 since; /* version of `active` with which it began to get messages */
    a64 fed, told; /* durable queues: how far it came, if it began in the past; lib/queue/catch_up.h */
    uint64_t reserved0[2];
    _Alignas(LINE) a64 deaths_tail;
    a64 deaths_head;            /* eviction looks here first */
    a64 dead_count;             /* see dead_count.h */
    _Alignas(LINE) a64 dropped; /* counts of what is rare, for people: to make room */
    a64 expired;
    uint64_t reserved1[6];
};

/* Where senders find a lane's end. */
struct lane_end {
    a64 tail, reserved[7];
};

/* Where one group's receivers find a lane's start, and its rings of redeliveries. */
struct lane_start {
    a64 lane_head;
    a64 early_head;
    a64 returned_head;
    uint64_t reserved[5];
    _Alignas(LINE) a64 early_tail;
    a64 returned_tail;
    a64 missed; /* changes:63 | returned was full, and words may be RETURNED that have no entry:1 */
};

/* Keyed: bits of lanes that may have something to receive. Hints. */
struct ready_lanes {
    a64 bits;
    uint64_t reserved[7];
};

enum seat_state { SEAT_CLEAN, SEAT_ATTACHED };

struct seat {
    a64 word; /* state:8 | generation:32 */
    a64 pid;
    a64 attached_wall_ns;
    a64 name[2];
    a64 dead_changes; /* changes of dead counts that this process is at; see dead_count.h */
    a64 locked_bytes; /* of the segment, by this process */
    a64 robbed;       /* durable queues: it lost the writer's role, and may not know: lib/queue/durable_role.h */
    _Alignas(LINE) a64 counters[COUNTER_LINES][COUNTERS_PER_LINE];
};

/* The head of a cell: with one group, all that send, receive and ack touch beside the slot. The payload follows at once. */
struct cell {
    a64 word;
    a64 delivery; /* group 0 */
    a64 position; /* in the lane */
    a64 time;     /* group 0: stamp of the lease or backoff */
    uint64_t id;
    uint64_t sent_wall_ns;
    uint32_t bytes; /* of payload and headers */
    a32 flags;      /* version of the groups it was published for:24 | enum cell_flags:8 */
    unsigned char payload[];
};

/* Which optional parts a message has, in its extra line. */
enum cell_flags {
    CELL_HAS_KEY = 1,
    CELL_EXPIRES = 2,     /* has a time to live */
    CELL_WAITS = 4,       /* was sent with a delay or a time */
    CELL_BY_WALL = 8,     /* its times are of the wall clock, not ns of boot time since the epoch */
    CELL_HAS_HEADERS = 16, /* behind its payload, and `bytes` counts both; lib/queue/headers.h */
    CELL_HAS_ID = 32, CELL_NUMBERED = 64 /* durable queues: sent under an id; by a producer with one, with a sequence: lib/queue/durable_ids.h */
};

/* What one group knows of one cell beyond the words; touched only when a delivery failed, but for groups above 0. */
struct delivery {
    a64 word;         /* groups above 0; group 0: first half of the last holder's name */
    a64 time;         /* groups above 0; group 0: second half */
    a64 position;     /* stamp: in early, returned or deaths; the state and seq of the word tell which */
    a64 failures;     /* stamp: charged:20 | handed out:20 */
    a64 first_failed; /* stamp of the first failure's hold: ms since the epoch */
    a64 last_failed;  /* stamp: ms since the epoch */
    a64 holder;       /* stamp tag:24 | failure:4 | number of the reason's bit:4 | pid:32 */
    a64 name_check;   /* stamp: hash of the holder's name */
};

/* Parts of a message that most do not have. The rest of a line is laid out now so that the format need not change. */
struct extra {
    a64 due_ns;
    a64 expires_ns;
    uint64_t sequence, sequence_before; /* CELL_NUMBERED: its producer's, and that of the message before */
    a64 journal; /* durable queues: lane, and position in the journal ring, which is its sequence, as in `position` of a cell */
    uint16_t key_bytes;
    uint16_t producer; /* CELL_NUMBERED: the place of its producer's id */
    uint32_t known;    /* CELL_HAS_ID: the entry of its id */
    a64 spilled_at;      /* a refilled message: its place in the spill */
    unsigned char key[]; /* KEY_BYTES of them in keyed queues */
};
enum { KEY_BYTES = 128 };

enum { KNOWN_ID_BYTES = 128 };

/* Buckets for each id, as a shift: each entry that a walk passes is a line that is mostly in nobody's cache. */
#ifdef RP_SIM
enum { KNOWN_SPREAD = 0 };
#else
enum { KNOWN_SPREAD = 2 };
#endif

/* An id under which a message was sent, kept for the dedup window; lib/ring/id_table.h. */
struct known_id {
    a64 word; /* state:4 | owner:10 | generation:50 */
    a64 next; /* dropped:1 | generation of this one:21 | of the next:20 | next:22 */
    a64 hash;
    a64 until_ns; /* of boot time since the epoch */
    a64 message;  /* kind of the id:4 | its bytes:8 | cell:22, or none | its generation before it was published:30 */
    a64 message_id;
    a64 id[KNOWN_ID_BYTES / 8]; /* 16 bytes, as most are, are in the first line */
    uint64_t reserved[2];
};

enum { PRODUCER_ID_BYTES = 64, MAX_PRODUCER_IDS = 4000 };

/* A producer that is known by an id, and how far it has come; lib/queue/identity.h. The first line is its owner's. */
struct identity {
    a64 word;    /* state:4 | owner:10 | sent:1 | generation:49 */
    a64 message; /* of the send under way: cell:22 | its generation before it was published:30 */
    a64 next;    /* its sequence; the same as `last`: none is under way */
    a64 last;    /* sequence of the last send that is known to be committed */
    a64 bytes;
    a64 made_wall_ns;
    uint64_t reserved[2];
    a64 id[PRODUCER_ID_BYTES / 8];
};

/* The reason given with a nack or reject; lossy: entry cell % text_count. A reader believes it only with the right key and checksum. */
struct failure_text {
    a64 key; /* group:8 | cell:24 | stamp tag:24 | bytes:8 */
    a64 check;
    a64 text[TEXT_BYTES / 8];
};

/* A consumer that has a descriptor, and how it is rung; lib/queue/bells.h. */
struct bell_entry {
    a64 word;  /* taken:1 | seat:10 | group:5 | generation:48 */
    a64 armed; /* changes:63 | wants to be rung:1 */
};

_Static_assert(offsetof(struct cell, payload) == 56, "an 8-byte message travels in one line");
_Static_assert(sizeof(struct delivery) == LINE && sizeof(struct extra) == 56, "delivery, extra");
_Static_assert(sizeof(struct seat) == LINE + 8 * COUNTERS_PER_LINE * COUNTER_LINES, "seat");
_Static_assert(sizeof(struct control) % LINE == 0 && sizeof(struct group) % LINE == 0, "whole lines");
_Static_assert(offsetof(struct control, tickets) == 48, "the tickets of the first groups share the line that every call reads");
_Static_assert(sizeof(struct failure_text) == 96, "text");
_Static_assert(sizeof(struct known_id) == 3 * LINE, "known id");
_Static_assert(sizeof(struct identity) == 2 * LINE, "identity");
_Static_assert(sizeof(struct lane_end) == LINE && sizeof(struct lane_start) == 2 * LINE && sizeof(struct ready_lanes) == LINE, "lines");
_Static_assert(sizeof(struct header) <= 4096, "the header is one page");

/*
 * Timers: a word per cell, and above them minima of 64 each, up to the root, which is control.next_timer_ns (lib/ring/timers.h). All levels lie one behind the other.
 */
#ifdef RP_SIM
enum { TIMER_SHIFT = 2, TIMER_LEVELS = 12 }; /* few cells, and yet levels */
#else
enum { TIMER_SHIFT = 6, TIMER_LEVELS = 4 };
#endif
#define TIMER_WORD_NONE (~UINT64_C(0xff))
static inline uint32_t timer_parents(uint32_t count) { return (count + (1u << TIMER_SHIFT) - 1) >> TIMER_SHIFT; }
static inline uint64_t timer_words(uint32_t count) {
    uint64_t words = count;
    while (count > 1u << TIMER_SHIFT)
        words += count = timer_parents(count);
    return words;
}

/* Cells below are for refills only. */
static inline uint32_t reserve_cells(const struct parameters *p, const struct layout *l) { return l->reserve * p->max_groups; }

/* Delays and times to live are no longer. */
#define TIMES_MAX_NS (UINT64_C(10) * 366 * 24 * 3600 * 1000000000)

/* Computes the layout. 0, or a negative result with the detail set when the parameters are out of bounds or need too much. */
int layout_compute(const struct parameters *p, struct layout *out);

/* The check word over the header. */
uint64_t header_check(const struct header *h);

#endif
