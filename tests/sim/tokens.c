/* SPDX-License-Identifier: MIT */
/*
 * Decisions are written as tokens: WHO STEP ACTION, where WHO is a letter (0: the beginning), STEP counts that participant's own points, and
 * ACTION is :X switch to X, k killed, kX X is killed, z frozen, +N time jumps by the N-th size. Where no token says otherwise, the
 * participant goes on, or the next one in order does. Counting each one's own points keeps most tokens meaningful when others are left out.
 */
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>

struct token taken_tokens[TOKENS_MAX];
unsigned taken_count;
struct token given[TOKENS_MAX];
unsigned given_count;

static char letter(unsigned who) { return who == NO_ONE ? '0' : (char)('A' + who); }

void tokens_print(const struct token *t, unsigned count, char *text, size_t bytes) {
    size_t n = 0;
    text[0] = 0;
    for (unsigned i = 0; i < count && n + 24 < bytes; i++) {
        n += (size_t)snprintf(text + n, bytes - n, "%s%c", i ? "," : "", letter(t[i].who));
        if (t[i].who != NO_ONE)
            n += (size_t)snprintf(text + n, bytes - n, "%u", t[i].step);
        unsigned argument = t[i].option.argument;
        switch (t[i].option.action) {
        case GO_ON: break;
        case SWITCH: n += (size_t)snprintf(text + n, bytes - n, ":%c", letter(argument)); break;
        case KILL: n += (size_t)snprintf(text + n, bytes - n, argument == t[i].who ? "k" : "k%c", letter(argument)); break;
        case FREEZE: n += (size_t)snprintf(text + n, bytes - n, "z"); break;
        case JUMP: n += (size_t)snprintf(text + n, bytes - n, "+%u", argument); break;
        }
    }
}

static bool token_parse(const char **text, struct token *t) {
    const char *s = *text;
    *t = (struct token){0};
    if (*s == '0') {
        t->who = NO_ONE;
        s++;
    } else if (*s >= 'A' && *s < 'A' + SIM_FIBERS) {
        t->who = (uint8_t)(*s++ - 'A');
        t->step = (uint32_t)strtoul(s, (char **)&s, 10);
    } else
        return false;
    t->option.argument = t->who;
    if (*s == ':') {
        t->option.action = SWITCH;
        t->option.argument = (uint8_t)(s[1] - 'A');
        s += 2;
    } else if (*s == 'k') {
        t->option.action = KILL;
        s++;
        if (*s >= 'A' && *s < 'A' + SIM_FIBERS)
            t->option.argument = (uint8_t)(*s++ - 'A');
    } else if (*s == 'z') {
        t->option.action = FREEZE;
        s++;
    } else if (*s == '+') {
        t->option.action = JUMP;
        t->option.argument = (uint8_t)strtoul(s + 1, (char **)&s, 10);
    } else
        return false;
    if (*s == ',')
        s++;
    *text = s;
    return true;
}

bool tokens_parse(const char *text) {
    given_count = 0;
    while (*text && given_count < TOKENS_MAX)
        if (!token_parse(&text, &given[given_count++]))
            return false;
    return *text == 0;
}

void token_take(unsigned who, uint32_t step, struct option o) {
    if (taken_count < TOKENS_MAX)
        taken_tokens[taken_count++] = (struct token){(uint8_t)who, step, o, false};
}

unsigned choose_given(unsigned who, uint32_t step, const struct option *o, unsigned count) {
    for (unsigned t = 0; t < given_count; t++) {
        if (given[t].used || given[t].who != who || given[t].step != step)
            continue;
        for (unsigned i = 0; i < count; i++)
            if (o[i].action == given[t].option.action && o[i].argument == given[t].option.argument) {
                given[t].used = true;
                return i;
            }
    }
    return 0;
}
