/* SPDX-License-Identifier: MIT */
/* What people want to know about a process. Works without /proc, with less to tell. */
#ifndef RP_PLATFORM_PROCESS_H
#define RP_PLATFORM_PROCESS_H

#include <stddef.h>
#include <stdint.h>

uint32_t process_pid(void);
/* The executable's base name, cut at 15 bytes, zero-filled. */
void process_name(char name[16]);
/* A word that two machines' boots do not share; 0 when it cannot be known. */
uint64_t process_boot_id(void);
/* The time namespace's inode number; 0 when it cannot be known. Boot time differs between time namespaces. */
uint64_t process_time_namespace(void);
/* Random bits for jitter and probes; not for secrets. */
uint64_t process_random(void);

#endif
