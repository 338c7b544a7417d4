/* SPDX-License-Identifier: MIT */
/*
 * What the users of a durable queue know of it. Of each message and group the books have in which states the next life may find it, and in which one memory has it now: a call widens the first before it is made, since the machine may
 * fail in its middle, and a promise (a send that returned 0, a flush) narrows it. Processes share the books; one runs at a time, but one that is stopped may be in the middle of a call: what that is about is open.
 */
#ifndef DISK_BOOKS_H
#define DISK_BOOKS_H

#include <ringpost/ringpost.h>
#include <stdbool.h>

enum { BOOKS_MESSAGES = 1024, BOOKS_GROUPS = 16, BOOKS_MOST_DELIVERIES = 3, BOOKS_BODY_BYTES = 2500, BOOKS_USERS = 2 };

/* States of a message in a group, as bits; STATE_LIVE << n: has failed n times. */
enum { STATE_GONE = 1, STATE_LIVE = 2, STATE_DEAD = STATE_LIVE << BOOKS_MOST_DELIVERIES };

struct book_state {
    uint8_t may; /* states that the next life may find */
    uint8_t now; /* 0: nobody can tell */
    bool leased; /* by the user who is a child */
};

struct book_message {
    uint64_t id; /* 0: not told yet */
    struct book_state of[BOOKS_GROUPS];
    uint64_t changed;           /* when, in the books' own time */
    uint64_t sequence, sent_ns; /* 0: it was not found in the journal yet */
    uint8_t user;
    bool in_files;  /* when the journal was last looked at */
    bool returned;  /* its send, with 0 */
    bool safe;      /* and it is on disk */
    bool delayed;   /* it was sent so */
    bool open;      /* somebody is in a call about it */
    bool waits;     /* for its time, or did before somebody cancelled it */
    bool has_gone;  /* its time came, and perhaps nobody recorded that */
    bool unordered; /* it was delayed, or redriven */
};

enum book_group_state { GROUP_COMING /* perhaps */, GROUP_THERE, GROUP_GOING /* perhaps */, GROUP_REMOVED };
struct book_group {
    enum book_group_state now;
    bool may_be, may_not_be; /* what the next life may find */
    bool open;
    bool past; /* it began in the past */
    uint64_t born, changed;
};

struct books {
    uint32_t sync; /* enum rp_sync */
    uint64_t time; /* of the books: goes on with each call */
    uint32_t sent; /* messages are numbered from 1 on */
    uint32_t groups_made;
    uint64_t dice;
    uint64_t last[BOOKS_GROUPS][BOOKS_USERS]; /* in this life: the last message that was received in order */
    bool made;                                /* the queue was once there */
    bool past;                                /* groups may begin in the past */
    bool faulty;                              /* a call may fail, and nobody is told */
    char wrong[300];                          /* the first thing that was wrong */
    struct book_group groups[BOOKS_GROUPS];
    struct book_message messages[BOOKS_MESSAGES];
};
extern struct books *books;

/* Empty ones. */
void books_begin(uint32_t sync, uint64_t seed);
uint32_t books_roll(uint32_t below);
/* With --trace: what is done. */
extern bool books_trace;
void books_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void books_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Group 0 is "default". */
void books_group_name(unsigned group, char name[16]);

/* The body of message n; -> bytes. */
size_t books_body(uint32_t n, unsigned char body[BOOKS_BODY_BYTES]);
/* Whose body it is; 0: nobody's, and the books say that something is wrong. */
uint32_t books_whose(const void *data, size_t bytes);

/* Call about m begins: -> what books_same needs. And: has nobody else touched it since? */
uint64_t books_open(struct book_message *m);
bool books_same(const struct book_message *m, uint64_t since);
void books_close(struct book_message *m, uint64_t since);

/* Memory has it so; the next life may find it so, or as before. */
void books_now(struct book_state *s, uint8_t state);

/* All that was done before this time is in the journal, and on disk. */
void books_flushed(uint64_t time);
/* All sends that returned are. */
void books_sends_synced(void);

/* A user was killed, whatever call he was in. */
void books_user_died(void);

/* Looks at all of a queue that came back: what is there may be, and that is how it is from now on. */
void books_check_life(rp_queue *q);
/* The same of memory, when all that was done before this time is flushed. */
void books_check_memory(rp_queue *q, uint64_t time);

#endif
