/* SPDX-License-Identifier: MIT */
/*
 * The processes of a benchmark, and leaving nothing behind: children die with their parent, a child that fails ends the run, and whatever ends the run (an error,
 * Ctrl-C, SIGTERM, a crash, a stall) removes the queues that it made.
 */
#ifndef RP_BENCH_CREW_H
#define RP_BENCH_CREW_H

#include <stddef.h>

enum { CREW_CHILDREN_MAX = 64, CREW_NAME_MAX = 64 };

/* Call first. A run in which crew_progress() is not called for a minute is ended as stalled. */
void crew_begin(const char *program);
void crew_progress(void);

/* A queue name of our own, made of program, pid and `suffix`; the queue is removed when the run ends early. */
void crew_queue_name(char name[CREW_NAME_MAX], const char *suffix);

/* Zeroed memory that all processes forked from here on share; its pages are there. Never returns NULL, never freed. */
void *crew_share(size_t bytes);

/* Runs body(argument) in a child, pinned to `cpu`. */
void crew_fork(int cpu, void (*body)(void *argument), void *argument);

/* Waits until all children have ended well. Then others may be forked. */
void crew_join(void);

/* Ends the run (or the child, and through it the run) with status 1 and a line on stderr. */
_Noreturn void crew_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Passes on a result >= 0 of the library; for others ends the run with name, text and detail. */
int crew_check(int result, const char *call);

#endif
