/* SPDX-License-Identifier: MIT */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For trace_word_name: what the word is in a segment. */
bool segment_word_name(uint64_t key, char *text, size_t bytes);

#endif
