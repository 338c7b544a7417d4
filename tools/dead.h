/* SPDX-License-Identifier: MIT */
/* What the four `ringpost dead` verbs share. */
#ifndef RINGPOST_TOOLS_DEAD_H
#define RINGPOST_TOOLS_DEAD_H

#include "cli.h"

/* Which dead letters, and how to show them. */
struct dead_choice {
    const char *group;
    struct rp_redrive_options which; /* id, limit, reasons, dry_run */
    bool dry_run;
    bool whole;
    bool json;
};

int dead_ls(int argc, char **argv);
int dead_show(int argc, char **argv);
int dead_redrive(int argc, char **argv);
int dead_purge(int argc, char **argv);

/* Says that `group` does not exist; returns the exit status. */
int dead_no_group(rp_queue *q, const char *group);

/* Flags of all four, as initialisers of struct flag; `c` is the struct dead_choice. */
#define DEAD_FLAG_GROUP(c)                                                                                           \
    {.name = "--group", .kind = FLAG_TEXT, .target = &(c).group, .value = "GROUP", .help = "of which consumer group (default)"}
#define DEAD_FLAG_ID(c)                                                                                              \
    {.name = "--id", .kind = FLAG_COUNT, .target = &(c).which.id, .value = "ID", .help = "only this one"}
#define DEAD_FLAG_LIMIT(c)                                                                                           \
    {.name = "--limit", .letter = 'n', .kind = FLAG_COUNT, .target = &(c).which.limit, .value = "N", .help = "at most N, lowest ids first (all)"}
#define DEAD_FLAG_REASON(c)                                                                                          \
    {.name = "--reason", .kind = FLAG_PARSE, .target = &(c).which.reasons, .value = "REASONS", .parse = cli_parse_reasons, \
     .expects = CLI_EXPECTS_REASONS, .help = "only those that died of it: rejected, max-deliveries, held, unknown, or several with commas"}

#endif
