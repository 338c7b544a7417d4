/* SPDX-License-Identifier: MIT */
/* Inputs that once showed a defect, tried first in every run. */
#ifndef FUZZ_FOUND_H
#define FUZZ_FOUND_H

#include <stddef.h>
#include <stdint.h>

uint64_t found_count(void);
size_t found_make(uint64_t n, uint8_t *data);

#endif
