/* SPDX-License-Identifier: MIT */
/*
 * A server that a peer needs, started for one run and gone after it, whatever ends the run. A warden process stands between us and the server:
 * it starts the server in a temporary directory of its own, and once we say so, or once we are dead however that came about, it kills the server
 * with all that it has started and removes the directory.
 */
#ifndef RP_BENCH_PEERS_SERVER_H
#define RP_BENCH_PEERS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SERVER_DIRECTORY_MAX = 64 }; /* so that the path of a Unix socket in it fits its address */

struct server {
    char directory[SERVER_DIRECTORY_MAX];
    pid_t warden; /* 0: none */
    int leash;    /* to the warden, who ends when all copies of it are closed */
};

/*
 * Makes the directory and runs `script` in it by /bin/sh, which should end in exec SERVER; its output goes to the file `log` there.
 * True does not mean that the server will live: see server_await(). On false errno says why.
 */
bool server_start(struct server *s, const char *script);

/* When it returns, the server is gone, and so is the directory. Nothing happens if there is none. */
void server_stop(struct server *s);

/* The last line that the server wrote to its log, for what could not be started. */
void server_last_words(const struct server *s, char *text, size_t room);

/* A port of 127.0.0.1 that nobody uses now. 0: none. */
int server_free_port(void);

/* A connected stream socket, or -1 and errno: to the Unix socket `name` in the directory, or, if name is NULL, to a port of 127.0.0.1. */
int server_connect(const struct server *s, const char *name, int port);

/* True as soon as one can connect; false if the server ends before that, or `seconds` are over. */
bool server_await(const struct server *s, const char *name, int port, int seconds);

#endif
