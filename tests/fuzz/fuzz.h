/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target is one file that defines `fuzz_target`; two drivers run it: drive_plain.c, ours, and drive_libfuzzer.c. An input is a string of
 * bytes that the target reads as a program: what to damage, what to call. Any string is a valid input, and always does the same.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INPUT_MAX = 256 };

struct fuzz_target {
    const char *name;
    void (*prepare)(void); /* before and after, in a process of its own that outlives every crash */
    void (*clean)(void);
    void (*start)(void);
    void (*run)(const uint8_t *data, size_t size);
    void (*stop)(void);
    /* Inputs that are worth being tried one by one; those that once failed come first. Number n is written to data[INPUT_MAX]. -> its size. */
    uint64_t (*special_count)(void);
    size_t (*special)(uint64_t n, uint8_t *data);
    /* Prints what the runs have shown, for people. May be NULL. */
    void (*summary)(void);
};

extern const struct fuzz_target fuzz_target;

/* Something that must not be: says so, and what the driver knows about the input; ends the process. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define must(condition) ((condition) ? (void)0 : finding("%s:%d: not so: %s", __FILE__, __LINE__, #condition))

/* Reading an input. Beyond its end all is 0. */
struct reader {
    const uint8_t *at, *end;
};

static inline bool reader_over(const struct reader *r) { return r->at == r->end; }
static inline uint8_t take8(struct reader *r) { return r->at < r->end ? *r->at++ : 0; }
static inline uint32_t take16(struct reader *r) {
    uint32_t low = take8(r);
    return low | (uint32_t)take8(r) << 8;
}
static inline uint64_t take64(struct reader *r) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)take8(r) << (8 * i);
    return value;
}

/* The next number of a xorshift generator; the state must not be 0. */
static inline uint64_t dice(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
