/* SPDX-License-Identifier: MIT */
/* A program that uses a durable queue in every way, and writes down in the books what it knows. */
#ifndef DISK_USER_H
#define DISK_USER_H

#include "books.h"

struct user {
    unsigned who; /* 1: a child */
    rp_queue *q;
    rp_producer *p;
};

/* A start of the machine: brings the queue back, or makes it, and compares. False: it could not, with the disk off; or something is wrong. */
bool user_start(struct user *u);
/* Opens the queue that is in memory. */
bool user_join(struct user *u, unsigned who);
void user_leave(struct user *u);
/* What is in memory goes, and nobody is there any more. */
void user_forget(void);

/* As if there were two machines' memories, and one journal: what is in memory is hidden; it changes places with what is hidden; it comes back. */
void user_hide(void);
void user_change_places(void);
void user_show(void);
/* Another has its journal now, in which it wrote nothing. */
void user_is_refused(struct user *u);

/* So many calls, or until the disk is off or something is wrong. */
void user_live(struct user *u, int calls);
/* Waits until all is on disk. False: it cannot be. And looks whether memory is as it should be, then. */
bool user_flush(struct user *u);
bool user_flush_and_look(struct user *u);
/* The same, so often that there are several files, which what stays unread keeps. */
void user_fill(struct user *u, int calls);
/* Receives and acks all. */
void user_empty(struct user *u);

#endif
