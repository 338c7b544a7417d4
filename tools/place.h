/* SPDX-License-Identifier: MIT */
/* Places in a journal's history, as people write them. */
#ifndef RINGPOST_TOOLS_PLACE_H
#define RINGPOST_TOOLS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct place {
    uint64_t sequence; /* 0: not said */
    uint64_t time_ns;  /* 0: not said */
};

#define PLACE_EXPECTS "the sequence of a message, a time (2026-11-22T09:30:00Z, @1795339800), or such as \"2h ago\""

/* A number; a time; or how long ago. */
bool place_parse(const char *text, struct place *p);

#endif
