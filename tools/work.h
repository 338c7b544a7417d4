/* SPDX-License-Identifier: MIT */
/* The parts of `ringpost work` and `ringpost forward`: the loop, the commands it runs, and the guard that ends them when the worker is killed. */
#ifndef RINGPOST_TOOLS_WORK_H
#define RINGPOST_TOOLS_WORK_H

#include "cli.h"
#include "headers.h"
#include "keep.h"
#include "rate.h"
#include "scale.h"

#include <sys/types.h>

/* One command that runs, and the message it runs for. */
struct job {
    pid_t pid; /* 0: free */
    struct rp_message message;
    struct rp_last_failure failure; /* of the delivery before; kind 0: none is known */
    uint64_t started_ns;
    uint64_t extend_ns;       /* when the lease is to be extended next */
    bool lost;                /* the lease is */
    int output;               /* where the command writes, if that goes on to another queue; -1 */
    char key[RP_KEY_MAX + 1]; /* for the command, which does not inherit the view; empty: none, or one with a NUL */
};

/* Where what comes of the messages goes. */
struct outlet {
    const char *name; /* NULL: nowhere, they are acked */
    rp_queue *queue;
    rp_producer *producer;
    struct rp_queue_options options;
    uint64_t sent;
    uint64_t repeated; /* of these, what an earlier delivery had sent */
    uint64_t dropped;
};

struct worker {
    /* what was asked */
    const char *name;
    const char *group;
    char **command;  /* NULL: messages are forwarded as they are */
    uint64_t limit;  /* messages; 0: none */
    int64_t wait_ns; /* longest idle wait; negative: for ever */
    uint32_t strategy;
    bool json;
    bool verbose;
    bool no_trace; /* leave TRACEPARENT alone */

    struct outlet outlet;
    rp_consumer *consumer;
    uint64_t lease_ns;
    struct job *jobs;   /* scale.most of them */
    struct scale scale; /* how many may run */
    struct rate rate;   /* when the next may start */
    struct keep keep;
    size_t running;
    uint64_t idle_since_ns;
    uint64_t look_ns; /* when to look next whether messages wait */
    bool backlog;     /* they did */
    bool stopping;    /* take nothing new */
    bool killed;      /* the commands were */
    int status;       /* why it stops, CLI_DONE if for no bad reason */

    uint64_t taken;
    uint64_t acked;
    uint64_t failed;
    uint64_t rejected;
    uint64_t lost;
    uint64_t returned;
};

/* work_serve.c: all of a worker's life, as asked. The exit status. */
int work_serve(struct worker *w);
/* -j: N, or MIN..MAX, into a struct scale. */
bool work_parse_jobs(const char *text, void *target);
#define WORK_JOBS_EXPECTED "a number from 1 to 1024, or two such as 1..8"

/* work_loop.c: takes messages and runs commands until it is told to stop and nothing runs any more. */
void work_run(struct worker *w);
/* Ends as given by `status`, unless it is to end for another reason already. */
void work_stop(struct worker *w, int status);

/* work_start.c: starts the command for a message. 0, or negative errno if it cannot be started; nothing runs then. */
int work_start(const struct worker *w, struct job *job);

/* work_settle.c: settles the message of a command that ended with the wait status `how`; 0, too, where there is no command. The job is free afterwards. */
void work_settle(struct worker *w, struct job *job, int how);
/* Gives the message back uncharged. */
void work_return(struct worker *w, struct job *job, const char *why);
/* Extends the leases that are due. Returns when the next one is, 0 if none. */
uint64_t work_extend(struct worker *w);

/*
 * work_forward.c: the queue that messages go on to. Opened when the consumer is; CLI_DONE, or the exit status after having said why not.
 */
int outlet_open(struct outlet *o, rp_consumer *from);
void outlet_close(struct outlet *o);
/* A file in memory for a command's output, or negative errno. */
int outlet_file(void);
/*
 * Forwards what came of the job's message, waiting for room while its lease is extended. As rp_forward; RP_TOO_BIG and nothing else
 * for an output that the queue never takes; -EINTR: told to stop.
 */
int outlet_forward(struct worker *w, struct job *job);

/*
 * work_guard.c: a small process that leads the process group in which all commands run. When the worker dies, however it dies, the pipe between
 * them closes and the guard kills the group: grandchildren too, which PR_SET_PDEATHSIG does not reach. Start it before the
 * queue is opened.
 */
int guard_start(void);    /* 0 or negative errno */
pid_t guard_group(void);  /* the process group for commands; 0: there is no guard, lead your own */
bool guard_is(pid_t pid); /* for whoever reaps: this one was the guard, and is gone now */
void guard_stop(void);    /* an orderly end: kills nothing */

#endif
