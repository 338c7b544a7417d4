/* SPDX-License-Identifier: MIT */
/* Decisions as text, for replays. */
#ifndef SIM_TOKENS_H
#define SIM_TOKENS_H

#include "core.h"

enum { TOKENS_MAX = 4096 };

struct token {
    uint8_t who;
    uint32_t step;
    struct option option;
    bool used;
};

extern struct token taken_tokens[TOKENS_MAX]; /* by the present run */
extern unsigned taken_count;
extern struct token given[TOKENS_MAX]; /* for a replay */
extern unsigned given_count;

void tokens_print(const struct token *t, unsigned count, char *text, size_t bytes);
/* Into `given`. False: not understood. */
bool tokens_parse(const char *text);
void token_take(unsigned who, uint32_t step, struct option o);
/* What the given tokens say here; 0: nothing. */
unsigned choose_given(unsigned who, uint32_t step, const struct option *options, unsigned count);

#endif
