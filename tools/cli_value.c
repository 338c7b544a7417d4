/* SPDX-License-Identifier: MIT */
/* Values on the command line: numbers, durations, sizes and lists of names, read strictly. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Reads digits only: no sign, no space, no hexadecimal. Returns what follows them, or NULL. */
static const char *read_digits(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (!isdigit((unsigned char)*text))
        return NULL;
    for (; isdigit((unsigned char)*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *out = value;
    return text;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool read_with_unit(const char *text, const struct unit *units, uint64_t *out) {
    uint64_t value;
    const char *rest = read_digits(text, &value);
    if (!rest)
        return false;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(rest, u->name) != 0)
            continue;
        if (value > UINT64_MAX / u->factor)
            return false;
        *out = value * u->factor;
        return true;
    }
    return false;
}

bool cli_parse_count(const char *text, uint64_t *out) {
    const char *rest = read_digits(text, out);
    return rest && *rest == '\0';
}

bool cli_parse_duration(const char *text, uint64_t *out_ns) {
    static const struct unit units[] = {
        {"ns", 1},
        {"us", 1000},
        {"ms", CLI_NS_PER_MS},
        {"s", CLI_NS_PER_S},
        {"m", 60 * CLI_NS_PER_S},
        {"h", 3600 * CLI_NS_PER_S},
        {"d", 86400 * CLI_NS_PER_S},
        {NULL, 0},
    };
    if (strcmp(text, "0") == 0 || strcmp(text, "none") == 0) {
        *out_ns = 0;
        return true;
    }
    return read_with_unit(text, units, out_ns);
}

bool cli_parse_timeout(const char *text, int64_t *out_ns) {
    uint64_t ns;
    if (strcmp(text, "forever") == 0) {
        *out_ns = -1;
        return true;
    }
    if (!cli_parse_duration(text, &ns) || ns > INT64_MAX)
        return false;
    *out_ns = (int64_t)ns;
    return true;
}

bool cli_parse_size(const char *text, uint64_t *out_bytes) {
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
        {NULL, 0},
    };
    return read_with_unit(text, units, out_bytes);
}

bool cli_parse_real(const char *text, double *out) {
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    if (text[strspn(text, "0123456789.")] != '\0')
        return false;
    errno = 0;
    *out = strtod(text, &end);
    return errno == 0 && *end == '\0' && isfinite(*out);
}

struct named_bit {
    const char *name;
    uint32_t bit;
};

static const struct named_bit state_names[] = {
    {"ready", RP_STATE_READY}, {"leased", RP_STATE_LEASED}, {"delayed", RP_STATE_DELAYED},
    {"dead", RP_STATE_DEAD},   {"all", RP_STATE_ALL},       {NULL, 0},
};

static const struct named_bit reason_names[] = {
    {"rejected", RP_DEAD_REJECTED}, {"max-deliveries", RP_DEAD_MAX_DELIVERIES},
    {"held", RP_DEAD_HELD},         {"expired", RP_DEAD_EXPIRED},
    {"overflow", RP_DEAD_OVERFLOW}, {"corrupt", RP_DEAD_CORRUPT},
    {"unknown", RP_DEAD_UNKNOWN},   {NULL, 0},
};

/* A comma-separated list of names; adds their bits. */
static bool read_bits(const char *text, const struct named_bit *names, uint32_t *bits) {
    for (;;) {
        size_t length = strcspn(text, ",");
        const struct named_bit *n = names;
        while (n->name && (strncmp(n->name, text, length) != 0 || n->name[length] != '\0'))
            n++;
        if (!n->name)
            return false;
        *bits |= n->bit;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

bool cli_parse_states(const char *text, void *states) {
    uint32_t bits = 0;
    if (!read_bits(text, state_names, &bits))
        return false;
    *(unsigned *)states |= bits;
    return true;
}

bool cli_parse_strategy(const char *text, void *strategy) {
    static const struct named_bit names[] = {
        {"adaptive", RP_WAIT_ADAPTIVE}, {"spin", RP_WAIT_SPIN}, {"sleep", RP_WAIT_SLEEP}, {NULL, 0}};
    for (const struct named_bit *n = names; n->name; n++) {
        if (strcmp(text, n->name) == 0) {
            *(uint32_t *)strategy = n->bit;
            return true;
        }
    }
    return false;
}

bool cli_parse_reasons(const char *text, void *reasons) {
    uint32_t bits = 0;
    if (!read_bits(text, reason_names, &bits))
        return false;
    *(uint32_t *)reasons |= bits;
    return true;
}

static const char *name_of(const struct named_bit *names, uint32_t bit) {
    for (; names->name; names++) {
        if (names->bit == bit)
            return names->name;
    }
    return "unknown";
}

const char *cli_state_name(uint32_t state) { return name_of(state_names, state); }

const char *cli_reason_name(uint32_t reason) { return name_of(reason_names, reason); }

const char *cli_failure_name(uint32_t failure) {
    switch (failure) {
    case RP_FAILURE_NONE: return "none";
    case RP_FAILURE_NACK: return "nack";
    case RP_FAILURE_REJECT: return "reject";
    case RP_FAILURE_LEASE: return "lease";
    case RP_FAILURE_DEATH: return "death";
    default: return "unknown";
    }
}

bool cli_parse_mode(const char *text, void *mode) {
    if (text[0] == '\0' || strlen(text) > 5 || text[strspn(text, "01234567")] != '\0')
        return false;
    unsigned long bits = strtoul(text, NULL, 8);
    if (bits > 0777)
        return false;
    *(uint32_t *)mode = (uint32_t)bits;
    return true;
}
