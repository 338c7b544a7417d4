/* SPDX-License-Identifier: MIT */
/*
 * A server that a peer needs, started for one run and gone after it, whatever ends the run. A warden process stands between us and the server:
 * it starts the server in a temporary directory of its own, and once we say so, or once we are dead however that came about, it kills the server
 * with all that it has started and removes the directory.
 */
#ifndef RP_BENCH_PEERS_SERVER_H
#define RP_BENCH_PEERS_SERVER_H

#include "peer.h"

#include <sched.h>
#include <sys/types.h>

enum { SERVER_DIRECTORY_MAX = 64 }; /* so that the path of a Unix socket in it fits its address */

struct server {
    char directory[SERVER_DIRECTORY_MAX];
    pid_t warden; /* 0: none */
    int leash;    /* to the warden, who ends when all copies of it are closed */
};

/*
 * Makes the directory and runs `script` in it by /bin/sh, which should end in exec SERVER; its output goes to the file `log` there.
 * True does not mean that the server will live. On false errno says why.
 */
bool server_start(struct server *s, const char *script);

/* When it returns, the server is gone, and so is the directory. Nothing happens if there is none. */
void server_stop(struct server *s);

/*
 * The same, and waits until one can connect to it (see server_connect), for up to `seconds`. False: that did not come about, `why` holds the
 * last thing that the server said, and it is gone.
 */
bool server_launch(struct server *s, const char *script, const char *name, int port, int seconds, char why[PEER_WHY_MAX]);

/* Is there such a program in PATH? */
bool server_program(const char *name);

/* For a get that must not wait and found nothing: one that is asked again and again keeps the server from the processor. */
static inline void let_the_server_run(bool may_wait) {
    if (!may_wait) {
        sched_yield();
    }
}

/* A port of 127.0.0.1 that nobody uses now. 0: none. */
int server_free_port(void);

/* A connected stream socket, or -1 and errno: to the Unix socket `name` in the directory, or, if name is NULL, to a port of 127.0.0.1. */
int server_connect(const struct server *s, const char *name, int port);

#endif
