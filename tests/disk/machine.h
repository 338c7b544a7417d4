/* SPDX-License-Identifier: MIT */
/*
 * What else of the platform a disk that forgets needs around it: time that passes only when somebody looks at a clock or sleeps, random numbers that are the same for the same seed, and memory that children share. Instead of
 * clock.c, futex.c, process.c, directory.c of lib/platform.
 */
#ifndef DISK_MACHINE_H
#define DISK_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Zeros. For the life of the program. */
void *machine_shared(size_t bytes);

/* Time goes on. */
void machine_pass(uint64_t ns);

/* It was off and is on again: time since then begins anew, the time of day goes on. */
void machine_boot(void);

#endif
