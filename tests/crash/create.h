/* SPDX-License-Identifier: MIT */
/*
 * Death at each step of creating, attaching, leaving, removing and collecting. What of a creation can be seen by others, names in a directory and the
 * bytes of a named file, changes by system calls; and by stores, but only once the file has its name. So puppets are moved from one system call's
 * entry or exit to the next, and killed there for real; create_steps.c looks at every instruction to prove that nothing is overlooked.
 */
#ifndef CRASH_CREATE_H
#define CRASH_CREATE_H

#include "handle.h"
#include <stdio.h>
#include <sys/types.h>

enum { SEATS = 3, CAPACITY = 4, LETTER = 16, PUPPETS = 2, SKIPPED = 77 };

/* A directory of our own, so that whatever is left in it is left by us. */
struct scene {
    char directory[64];
    char path[96]; /* the queue's name */
};
void scene_open(struct scene *s);
void scene_close(const struct scene *s);
struct names {
    unsigned queues, private_files, others;
};
struct names scene_names(const struct scene *s);

/* What a puppet tells: in memory that it shares with us. */
struct report {
    volatile int stage; /* 1: the call began, 2: it returned */
    volatile int result;
    volatile bool created; /* of open-or-create: not opened */
    volatile uint64_t inode;
};
extern struct report *reports;

enum act { CREATE, CREATE_OR_OPEN, OPEN, CLOSE, REMOVE, COLLECT };

struct puppet {
    pid_t pid;
    unsigned number;
    unsigned stops; /* so far, inside of the call */
};
/* False: this process may not trace its children. */
bool puppet_start(struct puppet *p, unsigned number, const struct scene *s, enum act act);
/* Moves on to the next entry or exit of a system call. False: the call has returned. */
bool puppet_move(struct puppet *p);
/* Moves `stops` times, or to the end of the call. */
void puppet_move_by(struct puppet *p, unsigned stops);
void puppet_finish(struct puppet *p);
void puppet_step(struct puppet *p); /* one instruction */
void puppet_kill(struct puppet *p);

/* Builds under a private name, as where O_TMPFILE is missing. */
extern bool private_names;

/* ---- what must be true ---- */

struct figures {
    uint64_t kills, instructions, images, schedules, violations;
};
extern struct figures figures;

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
_Noreturn void must_failed(const char *what, const char *file, int line);

void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Where we are, for violations and for people. */
void now_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));

void create_queue(const struct scene *s, rp_queue **q);
uint64_t inode_of(const rp_queue *q);
void send_letters(rp_queue *q, unsigned count);
/* The queue works: `letters` are received, everything is free, exactly as much fits as should, each seat can be had. */
void check_queue(const struct scene *s, unsigned letters);
/* Removes the queue; nothing is left. */
void check_end(const struct scene *s);

/* ---- the parts ---- */

bool die_creating(const struct scene *s);      /* create, killed at each stop */
bool die_otherwise(const struct scene *s);     /* open, close, remove, collect */
bool collect_meanwhile(const struct scene *s); /* a collector comes while a creator stands at each stop */
bool step_creating(const struct scene *s);     /* create, instruction by instruction */
bool race(const struct scene *s, enum act act, bool one_dies);
bool race_removed(const struct scene *s); /* the name goes to another while a creator stands at each stop */
bool race_at_random(const struct scene *s, uint64_t *random);

#endif
