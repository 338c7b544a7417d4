/* SPDX-License-Identifier: MIT */
/* What the parts of the simulator share with each other; programs need only sim.h. */
#ifndef SIM_CORE_H
#define SIM_CORE_H

#include "fiber.h"
#include "sim.h"

enum {
    FILES = 2,
    SEATS = 16, /* bytes of a file that can be locked */
    DESCRIPTIONS = 12,
    BELLS = 2,          /* descriptors of consumers that one participant can have at once */
    SLEEPS_AT_ONCE = 4, /* words that one can sleep on */
    ALIASES = 8,        /* mappings of one file that one participant can have at once; the last four are read-only */
    READ_ONLY_ALIASES = 4,
    FILE_BYTES_MAX = 1 << 20,
    ARENA_BYTES = 1 << 18,
    NO_ONE = 255
};

/* ---- the operating system's state (platform_sim.c) ---- */

struct os_file {
    char path[64];
    uint64_t bytes;
    uint64_t inode; /* 0: this place is free */
    uint32_t linked;
    uint32_t reserved;
};

/* An open file description. It lives while a descriptor or a mapping refers to it, and with it its locks. */
struct os_description {
    uint8_t file;
    uint8_t open;   /* a descriptor refers to it */
    uint8_t mapped; /* alias + 1; 0: none */
    uint8_t reserved;
    uint32_t exclusive; /* seats it has locked, as bits */
    uint32_t shared;    /* the same, for recoverers */
    uint32_t reserved2;
    uint64_t inode; /* of the file, when it was opened; 0: free */
};

/* What rp_consumer_fd gives. */
struct os_bell {
    uint64_t inode;
    uint64_t generation;
    uint64_t due_ns;
    uint32_t slot;
    uint8_t open;
    uint8_t named;
    uint8_t reserved[2];
    uint32_t rung;
    uint32_t reserved2;
};

struct os {
    uint64_t next_inode;
    struct os_file files[FILES];
    struct os_description descriptions[SIM_FIBERS][DESCRIPTIONS];
    struct os_bell bells[SIM_FIBERS][BELLS];
    uint8_t aliases[SIM_FIBERS][FILES]; /* in use, as bits */
};
/* A process is known by its first participant. */
void os_died(unsigned process);

/* ---- participants ---- */

enum status {
    UNUSED,
    READY,
    SLEEPING,
    FROZEN,
    DONE,  /* waits in sim_done */
    ENDED, /* its body returned */
    DEAD
};

struct participant {
    struct fiber fiber;
    enum status status;
    bool fresh;     /* came from where nothing was pending: switching away at its next point would change nothing */
    bool skipped;   /* it has passed points where nothing was decided (quiet_load) */
    bool ticked;    /* a timeout woke it while nobody else could move, during this call */
    uint64_t local; /* all it has learnt: stands for its registers and its own memory */
    uint64_t said;  /* what the judge knows of it: all that remains when it dies */
    uint32_t steps; /* points in the explored part */
    uint32_t call_steps;
    const char *call;
    uint64_t sleep_keys[SLEEPS_AT_ONCE]; /* what it sleeps on */
    unsigned sleep_count;
    int woken_by; /* which of them; -1: its time came */
    uint64_t wake_ns;
    uint64_t ticket; /* order among the sleepers */
    uint64_t random;
    uint32_t arena_used;
};

struct world {
    struct participant p[SIM_FIBERS];
    struct os os;
    unsigned current;
    bool exploring;
    struct sim_budget used;
    unsigned killed, frozen; /* participants, as bits */
    unsigned stopped;        /* processes that are stopped now */
    uint64_t now_ns;
    uint64_t steps;
    uint64_t calls;      /* ended, of anybody */
    uint64_t calls_each; /* the same, eight bits for each participant */
    uint64_t next_ticket;
    uint32_t idle; /* how often time had to pass because nobody could move */
    uint32_t needed_ticks;
};
extern struct world world;
extern struct fiber main_fiber;
extern const struct sim_program *program;
extern bool has_threads[SIM_FIBERS]; /* processes of more than one participant */

static inline struct participant *self(void) { return &world.p[world.current]; }
static inline unsigned process_of(unsigned who) {
    return who < SIM_PARTICIPANTS && program->thread_of[who] ? program->thread_of[who] - 1u : who;
}
/* Runs setup and the participants up to sim_ready, and saves the state. */
void world_prepare(const struct sim_program *p);
/* One run to its end, from the state before the explored part (FROM_BEGINNING) or from one that was saved in it. -> false: it failed, or was cut (see run). */
#define FROM_BEGINNING SIZE_MAX
bool world_run(size_t from);
/* Saves the state here, in a fiber. A run from it goes on as if this call returned again. -> a name for world_run, the first time */
size_t world_save(void);
/* From outside of all fibers: lets `who` go on until the phase is over. */
void resume(unsigned who);
extern bool in_fiber;
/* Wakes the sleepers whose time has come. */
void wake_due(void);
/* A point: lets the exploration decide what happens here. `sides`: enum sim_side. */
void decide(unsigned sides);
/* Nobody here can go on: somebody else does. Returns when this participant is chosen again. */
void schedule_away(bool yield);

/* How the present, or last, run went. */
struct run {
    bool failed;
    bool cut; /* every continuation has been seen already */
    char failure[FAILURE_BYTES];
    uint64_t explored_steps;
    uint64_t calls_steps_max;
    const char *calls_steps_name;
};
extern struct run run;
void run_cut(void) __attribute__((noreturn));

/* ---- decisions ---- */

enum action { GO_ON, SWITCH, KILL, FREEZE, JUMP };

struct option {
    enum action action;
    uint8_t argument; /* participant, or number of the jump */
};
enum { OPTIONS = 3 * SIM_PARTICIPANTS + SIM_JUMPS + 2 };

/* Chooses one of `count` > 1 options; `who` (NO_ONE: the beginning) is at its step. Provided by explore.c. May cut the run. */
unsigned choose(unsigned who, bool forced, const struct option *options, unsigned count);
/* Was everything that can follow from this state looked at, or will it be? Remembers it. Provided by explore.c; asked only if `cuts`. */
enum place { AT_POINT, AT_FORCED, AT_CALL, AT_END }; /* one state may come by several of them in turn */
bool state_seen(enum place place);
void outcome_met(void); /* The explored part is over. Provided by explore.c */
extern bool cuts;
/* Of loads of what only the reader changes: decide at all of them; and watch who changes what; or, relying on that, decide at none. */
extern enum quiet { ALL_POINTS, WATCH, QUIET } quiet;
extern struct sim_budget budget; /* what is allowed in this exploration */

/* ---- memory (state.c) ---- */

void memory_create(void);
/* Forgets files, arenas and kept memory of the program before. */
void memory_reset(void);
unsigned char *file_master(unsigned file);
unsigned char *file_alias(unsigned file, unsigned who, unsigned alias);
/* The name of a word wherever it is mapped: file and offset, or the address. False: nobody else can see it. */
bool word_key(const volatile void *word, uint64_t *key);
/* Does it lie in what a program keeps constant? */
bool word_is_constant(const volatile void *word);
/* A word that takes no part in the state (statistics). */
void word_ignore(uint64_t key);
extern unsigned words_ignored; /* so far */
/* What is there now is the beginning, which is named 0. */
void state_begin(void);
/* Outside of all fibers. -> a name, until an earlier state is restored */
size_t state_save(void);
void state_restore(size_t saved);
/* From now on `who` may change something. */
void state_moves(unsigned who);

/*
 * Loads of what only the reader himself changes. As long as this is on, who changes which word of a file is written down. `quiet_load`: is this such a
 * load, as far as is known? It was none after all if `quiet_broken` is set later: then everything must be explored once more.
 */
extern bool quiet_watch, quiet_broken;
bool quiet_load(uint64_t key);
void quiet_begin(bool forget);
/* A number for this state of everything. Equal numbers: the same future, whatever is decided. */
uint64_t state_key(void);
/* The same for what the explored part has led to: memory, and what everybody was told; not where he was stopped. */
uint64_t state_outcome(void);

static inline uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t x = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 32;
    x = (x + b) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 29;
}

/* ---- defects of single accesses (sites.c) ---- */

extern void (*sim_point_met)(enum sim_op op, const char *what, const char *file, int line); /* told of every access, if set */
extern const char *sim_site_file;
extern int sim_site_line;

/* ---- trace (trace.c) ---- */

extern bool tracing;
void trace_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line);
void trace_platform(const char *what);
void trace_decision(unsigned who, const struct option *o);
void trace_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints what became of the last word. */
void trace_flush(void);
/* A name for a word of a segment; false: none. The program may provide it. */
extern bool (*trace_word_name)(uint64_t key, char *text, size_t bytes);

#endif
