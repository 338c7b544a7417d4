/* SPDX-License-Identifier: MIT */
/*
 * The processes of a benchmark, and leaving nothing behind: children die with their parent, a child that fails ends the run, and whatever ends the run (an error,
 * Ctrl-C, SIGTERM, kill -9, a crash, a stall) removes the queues and files that it made. In a trial it ends the trial, and the run goes on.
 */
#ifndef RP_BENCH_CREW_H
#define RP_BENCH_CREW_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CREW_CHILDREN_MAX = 64, CREW_NAME_MAX = 64, CREW_PATH_MAX = 128, CREW_REASON_MAX = 256 };

/* Call first. A run in which crew_progress() is not called for a minute is ended as stalled. */
void crew_begin(const char *program);
void crew_progress(void);

/* A queue name of our own, made of program, pid and `suffix`; the queue is removed when the run ends early. */
void crew_queue_name(char name[CREW_NAME_MAX], const char *suffix);

/* The same for any file. */
void crew_file(const char *path);

/* Makes a directory, which is removed with all in it when the run is over. */
void crew_directory(const char *path);

/* Zeroed memory that all processes forked from here on share; its pages are there. Never returns NULL, never freed. */
void *crew_share(size_t bytes);

/* Runs body(argument) in a child, pinned to `cpu`. */
void crew_fork(int cpu, void (*body)(void *argument), void *argument);

/*
 * A child runs as the program was started, under a real-time policy if it was. `ordinary`: from now on it does not, for it is one of more than there are processors, and
 * among equals of such a policy whoever spins is never made to stop.
 */
void crew_schedule(bool ordinary);

/* Waits until all children have ended well. Then others may be forked. */
void crew_join(void);

/*
 * Runs body(argument) in a child that is not pinned and may have a crew of its own, and waits for it. False: it or one of its crew failed, died or moved nothing for
 * `stall_s` seconds; `reason` says why, its files are gone and its processes dead.
 */
bool crew_trial(unsigned stall_s, void (*body)(void *argument), void *argument, char reason[CREW_REASON_MAX]);

/* Ends the run (or the child, and through it the run or the trial) with status 1 and a line on stderr. */
void crew_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Passes on a result >= 0 of the library; for others ends the run with name, text and detail. */
int crew_check(int result, const char *call);

#ifdef __cplusplus
}
#endif

#endif
