/* SPDX-License-Identifier: MIT */
/* Topics and patterns: words between dots. In a pattern the word * stands for any one word, # for any number of words, none included. */
#ifndef RP_ROUTE_TOPIC_H
#define RP_ROUTE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

enum { TOPIC_BYTES_MAX = 255, TOPIC_WORDS_MAX = 128 };

/* 0 and its length; -EINVAL with the detail set. NULL is not valid. */
int topic_check(const char *topic, size_t *bytes);
int pattern_check(const char *pattern, size_t *bytes);

/* The length of the word that begins at `at`. */
static inline size_t topic_word(const char *at, const char *end) {
    const char *to = at;
    while (to < end && *to != '.')
        to++;
    return (size_t)(to - at);
}

#endif
