/* SPDX-License-Identifier: MIT */
/* Values for people: durations, sizes, times, and payloads that do no harm to a terminal. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static uint64_t clock_read_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * CLI_NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t cli_clock_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }

uint64_t cli_wall_ns(void) { return clock_read_ns(CLOCK_REALTIME); }

const char *cli_plural(uint64_t count) { return count == 1 ? "" : "s"; }

/* "1.5s" rather than "1.500s", "2s" rather than "2.0s". */
static void format_fraction(char out[CLI_TEXT_MAX], uint64_t value, uint64_t unit, const char *name) {
    uint64_t hundredths = value % unit * 100 / unit;
    if (hundredths == 0) {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 "%s", value / unit, name);
    } else if (hundredths % 10 == 0) {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%s", value / unit, hundredths / 10, name);
    } else {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 ".%02" PRIu64 "%s", value / unit, hundredths, name);
    }
}

static void format_pair(char out[CLI_TEXT_MAX], uint64_t big, const char *big_name, uint64_t small, const char *small_name) {
    if (small == 0) {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 "%s", big, big_name);
    } else {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 "%s%" PRIu64 "%s", big, big_name, small, small_name);
    }
}

const char *cli_format_duration(char out[CLI_TEXT_MAX], uint64_t ns) {
    uint64_t seconds = ns / CLI_NS_PER_S;
    if (ns == 0) {
        snprintf(out, CLI_TEXT_MAX, "0");
    } else if (ns < 1000) {
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 "ns", ns);
    } else if (ns < CLI_NS_PER_MS) {
        format_fraction(out, ns, 1000, "us");
    } else if (ns < CLI_NS_PER_S) {
        format_fraction(out, ns, CLI_NS_PER_MS, "ms");
    } else if (seconds < 60) {
        format_fraction(out, ns, CLI_NS_PER_S, "s");
    } else if (seconds < 3600) {
        format_pair(out, seconds / 60, "m", seconds % 60, "s");
    } else if (seconds < 86400) {
        format_pair(out, seconds / 3600, "h", seconds % 3600 / 60, "m");
    } else {
        format_pair(out, seconds / 86400, "d", seconds % 86400 / 3600, "h");
    }
    return out;
}

const char *cli_format_size(char out[CLI_TEXT_MAX], uint64_t bytes) {
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof names / sizeof names[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, CLI_TEXT_MAX, unit == 0 || value == (double)(uint64_t)value ? "%.0f %s" : "%.1f %s", value, names[unit]);
    return out;
}

const char *cli_format_time(char out[CLI_TEXT_MAX], uint64_t wall_ns) {
    time_t seconds = (time_t)(wall_ns / CLI_NS_PER_S);
    struct tm utc;
    size_t length;
    if (wall_ns == 0 || !gmtime_r(&seconds, &utc)) {
        snprintf(out, CLI_TEXT_MAX, "-");
        return out;
    }
    length = strftime(out, CLI_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, CLI_TEXT_MAX - length, ".%03uZ", (unsigned)(wall_ns % CLI_NS_PER_S / CLI_NS_PER_MS));
    return out;
}

const char *cli_format_age(char out[CLI_TEXT_MAX], uint64_t wall_ns) {
    uint64_t now = cli_wall_ns();
    if (wall_ns == 0) {
        snprintf(out, CLI_TEXT_MAX, "-");
        return out;
    }
    now = now > wall_ns ? now - wall_ns : 0;
    return cli_format_duration(out, now < CLI_NS_PER_MS ? now : now / CLI_NS_PER_MS * CLI_NS_PER_MS);
}

/* Decodes one character; its length in bytes, or 0 if this is not UTF-8. */
static size_t decode(const unsigned char *p, size_t left, uint32_t *out) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = p[0];
    size_t length = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    if (length > 1)
        c &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return length;
}

/* Control characters, and those that turn the direction of a text or hide in it. */
static bool is_unsafe(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xad;
}

static void print_escaped(FILE *out, const unsigned char *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        switch (p[i]) {
        case '\n': fputs("\\n", out); break;
        case '\r': fputs("\\r", out); break;
        case '\t': fputs("\\t", out); break;
        default: fprintf(out, "\\x%02x", p[i]); break;
        }
    }
}

void cli_print_payload(FILE *out, const void *data, size_t bytes, size_t total_bytes, size_t columns) {
    const unsigned char *p = data;
    size_t at = 0, shown = 0;
    while (at < bytes && (columns == 0 || shown < columns)) {
        uint32_t c = 0;
        size_t length = decode(p + at, bytes - at, &c);
        if (length == 0 || is_unsafe(c)) {
            length = length ? length : 1;
            print_escaped(out, p + at, length);
        } else {
            if (c == '\\')
                fputc('\\', out);
            fwrite(p + at, 1, length, out);
        }
        at += length;
        shown++;
    }
    if (at < total_bytes)
        fputs("...", out);
}
