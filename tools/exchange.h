/* SPDX-License-Identifier: MIT */
/* ringpost exchange: what its verbs share. */
#ifndef RINGPOST_TOOLS_EXCHANGE_H
#define RINGPOST_TOOLS_EXCHANGE_H

#include "cli.h"

enum { HEADERS_MOST = 32 };

/* --header NAME=VALUE, as often as it is given. */
struct header_list {
    struct rp_header items[HEADERS_MOST];
    char *copies[HEADERS_MOST];
    uint32_t count;
};
bool header_list_parse(const char *text, void *list);
void header_list_free(struct header_list *l);
#define EXPECTS_HEADER "NAME=VALUE, at most 32 times"

/* CLI_DONE, or the exit status after having said why not. */
int exchange_open(const char *name, bool read_only, rp_exchange **out);

/* Calls `visit` with the name of each exchange in /dev/shm, in order of names. 0 or negative errno. */
int exchange_each(void (*visit)(const char *name, uint64_t number, void *context), void *context);

int exchange_publish(int argc, char **argv);
int exchange_ls(int argc, char **argv);
int exchange_bind(int argc, char **argv);
int exchange_unbind(int argc, char **argv);

#endif
