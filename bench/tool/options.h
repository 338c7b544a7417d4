/* SPDX-License-Identifier: MIT */
/* What the command line of a verb says, checked. */
#ifndef RP_BENCH_OPTIONS_H
#define RP_BENCH_OPTIONS_H

#include "../arguments.h"
#include "plan.h"

#include <jansson.h>

struct options {
    struct numbers bytes, pairs, readers, batches;
    const char *peers; /* comma-separated, or NULL: those of the verb */
    const char *cpus;
    uint64_t slices, slice_ns, capacity, interval_ns;
    double tolerance;
    bool quick, json, poll, mixed, reply_first, fail;
    const char *hgrm, *svg, *save, *against;
    json_t *earlier; /* what is in `against` */
};

/* Parsers of flags. */
bool options_parse_numbers(const char *text, void *numbers);     /* struct numbers: "1,2,4", each from 1 up */
bool options_parse_rate(const char *text, void *interval_ns);    /* uint64_t: "100k/s" */
bool options_parse_tolerance(const char *text, void *tolerance); /* double: "10%" -> 0.1 */

/* CLI_PROCEED, or the status to end with, after it said why. Reads `against`. */
int options_check(struct options *o);

/* The peers to measure: those asked for, or all of them if `everything`, or our own. Ends with NULL. Says why if one was asked for that cannot be; then NULL. */
const struct peer **options_peers(const struct options *o, bool everything);
/* Why a peer of the table cannot be measured, in `why`; false if it can. */
bool options_absent(const struct peer_entry *e, char why[PEER_WHY_MAX]);

#endif
