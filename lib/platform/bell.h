/* SPDX-License-Identifier: MIT */
/*
 * Bells: descriptors that are readable when somebody rang, or when a time has come. A bell is an epoll descriptor over a datagram socket, which others ring by its name, and
 * a timer. The name stands beside the segment's file, with that file's mode, owner and group, and contains '~':
 *
 *     DIRECTORY/ringpost.~bell.INODE.SLOT.GENERATION      all in hexadecimal; INODE: of the segment's file
 *
 * A datagram is empty, and says no more than "look". The kernel tells who is left of a bell: a name whose socket nobody has open refuses the connection.
 */
#ifndef RP_PLATFORM_BELL_H
#define RP_PLATFORM_BELL_H

#include <stdbool.h>
#include <stdint.h>

struct bell_name {
    const char *segment; /* the path of its file */
    uint64_t inode;
    uint32_t slot;
    uint64_t generation;
};

struct bell {
    int descriptor; /* the one to wait for; closed on exec, like the others */
    int timer;
    int socket; /* -1: it has no name */
};

/* A bell without a name that is readable from now on. 0; -EMFILE, -ENFILE, -ENOMEM, -EPERM (a sandbox) with the detail set. */
int bell_open(struct bell *b);
void bell_close(struct bell *b);

/* Gives it this name. 0; -EADDRINUSE: the name is there; -EACCES, -ENOSPC, -EROFS and others: there is no place for it, with the detail set. */
int bell_bind(struct bell *b, const struct bell_name *name);

/* Is there still such a name? */
bool bell_has_name(const struct bell_name *name);

/* Removes the name. */
void bell_remove(const struct bell_name *name);

/* Not rung any more. The time that was set stays. */
void bell_drain(const struct bell *b);

/* Readable after `ns`, but not before unless somebody rings; 0: at once. Replaces the time before, also one that has come. */
void bell_after(const struct bell *b, uint64_t ns);

/* What to ring with: a socket of the caller's own, for a moment. -> descriptor or a negative errno. Both and bell_ring may be called by a signal's handler. */
int bell_ringer_open(void);
void bell_ringer_close(int ringer);

/* True: the bell is readable by now, or it is nobody's any more. False: it cannot be told. Never waits. */
bool bell_ring(int ringer, const struct bell_name *name);

/* Is this file's name that of a bell? And is it one of this segment's? */
bool bell_is_name(const char *file);
bool bell_is_of(const char *file, uint64_t inode);

/* Removes a bell of the open directory `path` if nobody has its socket open. -> was it removed? */
bool bell_collect(int directory, const char *path, const char *file);

#endif
