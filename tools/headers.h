/* SPDX-License-Identifier: MIT */
/* Headers on the command line, in the environment, and as text. */
#ifndef RINGPOST_TOOLS_HEADERS_H
#define RINGPOST_TOOLS_HEADERS_H

#include "cli.h"

/* Those that flags have asked for. One more than allowed, so that the library can say that they are too many. */
struct header_flags {
    struct rp_header list[RP_HEADERS_MAX + 1];
    char names[RP_HEADERS_MAX + 1][RP_HEADER_NAME_MAX + 2];
    size_t count;
    const char *content_type, *correlation_id, *reply_to;
    bool no_trace;
    bool trace_taken; /* the last of the list is the traceparent of our environment: best left out where it does not fit */
};

/* `name=value`, for CLI_PARSED; the target is a struct header_flags. */
bool header_parse(const char *text, void *flags);
#define HEADER_EXPECTS "NAME=VALUE, the name of letters, digits and - _ . and so on, at most 64 of them"

#define HEADER_FLAGS(h)                                                                                                 \
    CLI_PARSED("--header", &(h), "NAME=VALUE", header_parse, HEADER_EXPECTS, "a header of theirs; as often as wanted"), \
        CLI_FLAG("--content-type", 0, FLAG_TEXT, &(h).content_type, "TYPE", "the header content-type"),                 \
        CLI_FLAG("--correlation-id", 0, FLAG_TEXT, &(h).correlation_id, "ID", "the header correlation-id"),             \
        CLI_FLAG("--reply-to", 0, FLAG_TEXT, &(h).reply_to, "QUEUE", "the header reply-to"),                            \
        CLI_SWITCH("--no-trace", 0, &(h).no_trace, "do not pass on the traceparent that is in our environment, TRACEPARENT")

/* After the flags were read: completes the list. CLI_PROCEED, or CLI_USAGE. */
int header_flags_done(struct header_flags *h);

/* Is it a traceparent as W3C defines it? */
bool trace_is_valid(const char *text);

/* Adds `headers`, an object, where there are any; values that are not UTF-8 to `headers_base64`. */
void cli_json_headers(json_t *object, const struct rp_headers *h);

/* A buffer for message_bytes, header_bytes and so many more has room for every payload with its headers. */
enum { HEADERS_BESIDE = 128 };

/* "  NAME: VALUE" each in a line of its own. */
void headers_print(FILE *out, const struct rp_headers *h, const char *indent);

/*
 * The environment of a command that works on a message: RINGPOST_HEADER_NAME for each header, RINGPOST_CONTENT_TYPE, RINGPOST_CORRELATION_ID, RINGPOST_REPLY_TO, and TRACEPARENT. As
 * strings for putenv, in one piece of memory for free(); NULL: no memory. A command does not inherit the view, so this is made before the fork, and set after it.
 */
struct header_environment;
struct header_environment *header_environment_make(const struct rp_headers *h);
/* In the child: takes out what an outer worker's message has left there, and puts these in. */
void header_environment_set(struct header_environment *e, bool trace);

#endif
