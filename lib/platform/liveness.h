/* SPDX-License-Identifier: MIT */
/*
 * Who is alive. Seat i of a segment is byte LIVENESS_LOCK_BASE + i of its file, locked with an open-file-description lock (fcntl
 * F_OFD_SETLK) by the participant's own description. The segment is mapped through that description and the descriptor closed, so the
 * lock lives exactly as long as the mapping: it survives a program that closes all descriptors, is not inherited by forked children, and
 * goes at exec, munmap and death, after the last store could have been made. Time alone never proves death.
 */
#ifndef RP_PLATFORM_LIVENESS_H
#define RP_PLATFORM_LIVENESS_H

#include "shm.h"

/* Part of the shared ABI. Beyond the end of any file: the bytes exist for their locks only. */
#define LIVENESS_LOCK_BASE (INT64_C(1) << 62)

/*
 * One attachment: opens `path` anew, and takes nothing yet. Use: attach_begin; then shm_map through a->fd, and attach_lock for seats
 * until one is got; attach_end closes the descriptor and lets forks go on. Between begin and end a fork in another thread waits
 * (pthread_atfork), so that no forked child ever holds the description; a child of posix_spawn or vfork does until its exec. Keep it short,
 * and no death_claim in between: that takes the same mutex. -ENOENT also when the name was removed meanwhile; after an error no attach_end.
 */
struct attach {
    int fd;
    struct shm_identity identity;
    uint64_t bytes;
};
int attach_begin(const char *path, bool read_only, struct attach *a);
/* Exclusive lock on the seat's byte: 0 taken, -EAGAIN somebody has it (its owner, or recoverers), else an error. Not for read_only. */
int attach_lock(struct attach *a, uint32_t seat);
/* Gives a seat's byte back (only before attach_end). */
void attach_unlock(struct attach *a, uint32_t seat);
void attach_end(struct attach *a);

/*
 * A second, private description through which others are probed. Opened lazily, re-opened when the program closed its descriptor
 * (closefrom, daemonising); after each use fstat must show the attached file, else the answer is void. One thread at a time.
 * Where the name leads elsewhere since (chroot, another mount), that it leads to nothing proves nothing: UNKNOWN, not GONE.
 */
struct prober {
    char path[SHM_PATH_MAX];
    struct shm_identity identity;
    int fd; /* -1: not open */
};
void prober_init(struct prober *p, const char *path, const struct shm_identity *identity);
void prober_close(struct prober *p);

enum liveness { LIVENESS_ALIVE, LIVENESS_DEAD, LIVENESS_UNKNOWN, LIVENESS_GONE };
/* Is the seat's byte exclusively locked by anybody? Shared locks of recoverers do not count as life. UNKNOWN: no valid answer
   now; GONE: the name was removed or made anew. About 1 us. */
enum liveness liveness_probe(struct prober *p, uint32_t seat);

/* Does the attached file still have a name? ALIVE or GONE or UNKNOWN. The file itself is asked, so a program may chroot meanwhile. */
enum liveness liveness_file(struct prober *p);

/*
 * Proof of death that lasts: a shared lock on the dead one's byte, taken through a description of its own and pinned by a mapping of one
 * page, which no child inherits, until death_release. Any number of recoverers hold it at once; none can while the owner lives, and no newcomer
 * gets the seat meanwhile. 0 held; -EAGAIN the owner lives; RP_GONE; other negative errno: no answer.
 */
struct death {
    void *pin;
    size_t bytes;
};
int death_claim(const struct prober *p, uint32_t seat, struct death *d);
void death_release(struct death *d);

#endif
