/* SPDX-License-Identifier: MIT */
/* What the four `ringpost dead` verbs share. */
#ifndef RINGPOST_TOOLS_DEAD_H
#define RINGPOST_TOOLS_DEAD_H

#include "cli.h"

/* Which dead letters, and how to show them. */
struct dead_choice {
    const char *group;
    struct rp_redrive_options which; /* id, limit, reasons, dry_run */
    const char *filter;              /* a header NAME, or NAME=VALUE; NULL: any */
    char header[RP_HEADER_NAME_MAX + 1];
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

/* Prints the chosen letters, `*shown` of them. CLI_DONE, CLI_EMPTY, or another exit status after having said why. */
int dead_print(rp_queue *q, const struct dead_choice *c, bool in_full, uint64_t *shown);

/* --filter, for CLI_PARSED; the target is dead_choice.filter. */
bool dead_parse_filter(const char *text, void *filter);

/* After the flags were read. CLI_DONE or CLI_USAGE. */
int dead_check(struct dead_choice *c);

/* Flags of all four, as initialisers of struct flag; `c` is the struct dead_choice. */
#define DEAD_FLAG_GROUP(c) CLI_FLAG("--group", 0, FLAG_TEXT, &(c).group, "GROUP", "of which consumer group (default)")
#define DEAD_FLAG_LIMIT(c) CLI_FLAG("--limit", 'n', FLAG_COUNT, &(c).which.limit, "N", "at most N, lowest ids first (all)")
#define DEAD_FLAGS_WHICH(c)                                                                                                       \
    CLI_FLAG("--id", 0, FLAG_COUNT, &(c).which.id, "ID", "only this one"),                                                        \
        CLI_PARSED("--reason", &(c).which.reasons, "REASONS", cli_parse_reasons, CLI_EXPECTS_REASONS,                             \
                   "only those that died of it: rejected, max-deliveries, held, expired, overflow, corrupt, unknown, or "         \
                   "several with commas"),                                                                                        \
        CLI_FLAG("--older", 0, FLAG_DURATION, &(c).which.min_age_ns, "D", "only those that died at least so long ago: 10m, 7d"),  \
        CLI_FLAG("--younger", 0, FLAG_DURATION, &(c).which.max_age_ns, "D", "only those that died at most so long ago"),          \
        CLI_FLAG("--key", 0, FLAG_TEXT, &(c).which.key, "KEY", "only those with this key"),                                       \
        CLI_FLAG("--text", 0, FLAG_TEXT, &(c).which.text, "TEXT", "only those whose last error contains this"),                   \
        CLI_PARSED("--filter", &(c).filter, "FILTER", dead_parse_filter, "header.NAME=VALUE, or header.NAME for any value, once", \
                   "only those with this header: header.NAME=VALUE, or header.NAME for any value")

#endif
