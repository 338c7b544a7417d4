/* SPDX-License-Identifier: MIT */
/* Points in time as people write them. Pure: it asks no clock and no time zone. */
#ifndef RINGPOST_TOOLS_WHEN_H
#define RINGPOST_TOOLS_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* RFC 3339 ("2026-11-22T09:30:00Z", "2026-11-22 09:30:00.25+01:00"), or "@" and seconds since 1970 ("@1795339800", "@1795339800.5").
   -> ns since 1970. False for anything else, and for times before 1970 or after 2500. */
bool when_parse(const char *text, uint64_t *out_ns);

#endif
