/* SPDX-License-Identifier: MIT */
/* Reads flags by their table. `--name value`, `--name=value`, `-n 5`, `-n5`; flags and operands in any order; `--` ends the flags. */
#include "cli.h"

#include <stdarg.h>
#include <string.h>

static const char *usage_verb = "";

int cli_usage_error(const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "ringpost%s%s: ", usage_verb[0] ? " " : "", usage_verb);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry 'ringpost%s%s --help'.\n", usage_verb[0] ? " " : "", usage_verb);
    return CLI_USAGE;
}

/* Levenshtein distance of words of up to 31 characters; longer ones are far from everything. */
static size_t distance(const char *a, const char *b) {
    size_t row[32];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length >= 32 || b_length >= 32)
        return 100;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *cli_nearest(const char *word, const char *(*next)(const void *set, size_t index), const void *set) {
    const char *best = NULL, *candidate;
    size_t best_distance = 1 + strlen(word) / 3;
    for (size_t i = 0; (candidate = next(set, i)) != NULL; i++) {
        size_t d = distance(word, candidate);
        if (d > best_distance || (best && d == best_distance))
            continue;
        best = candidate;
        best_distance = d;
    }
    return best;
}

static const char *flag_name_at(const void *set, size_t index) {
    const struct usage *u = set;
    size_t named = 0;
    for (size_t i = 0; i < u->flag_count; i++) {
        if (u->flags[i].name && named++ == index)
            return u->flags[i].name;
    }
    return NULL;
}

static int unknown_flag(const struct usage *u, const char *text, size_t length) {
    char word[64];
    const char *near;
    snprintf(word, sizeof word, "%.*s", (int)(length < 63 ? length : 63), text);
    near = cli_nearest(word, flag_name_at, u);
    if (near)
        return cli_usage_error("there is no flag '%s'; did you mean '%s'?", word, near);
    return cli_usage_error("there is no flag '%s'", word);
}

static const char *flag_label(const struct flag *f, char label[4]) {
    if (f->name)
        return f->name;
    label[0] = '-';
    label[1] = f->letter;
    label[2] = '\0';
    return label;
}

static int bad_value(const struct flag *f, const char *value, const char *expects) {
    char label[4];
    return cli_usage_error("'%s' is not a value for %s, which takes %s", value, flag_label(f, label), expects);
}

#define EXPECTS_SIZE "a size such as 64KiB or 1000"
#define EXPECTS_DURATION "a duration such as 10us, 5ms, 30s, 5m, 2h, or none"

static int set_number32(const struct flag *f, const char *value, bool is_size) {
    uint64_t number;
    bool understood = is_size ? cli_parse_size(value, &number) : cli_parse_count(value, &number);
    if (!understood || number > UINT32_MAX) {
        return bad_value(f, value, is_size ? EXPECTS_SIZE : "a number");
    }
    *(uint32_t *)f->target = (uint32_t)number;
    return CLI_PROCEED;
}

static int set_flag(const struct flag *f, const char *value) {
    switch (f->kind) {
    case FLAG_SWITCH: *(bool *)f->target = true; return CLI_PROCEED;
    case FLAG_OFF: *(uint32_t *)f->target = 0; return CLI_PROCEED;
    case FLAG_TEXT: *(const char **)f->target = value; return CLI_PROCEED;
    case FLAG_COUNT:
        if (!cli_parse_count(value, f->target) || *(uint64_t *)f->target == 0)
            return bad_value(f, value, "a number from 1 up");
        return CLI_PROCEED;
    case FLAG_COUNT32: return set_number32(f, value, false);
    case FLAG_SIZE32: return set_number32(f, value, true);
    case FLAG_SIZE:
        if (!cli_parse_size(value, f->target))
            return bad_value(f, value, EXPECTS_SIZE);
        return CLI_PROCEED;
    case FLAG_DURATION:
        if (!cli_parse_duration(value, f->target))
            return bad_value(f, value, EXPECTS_DURATION);
        return CLI_PROCEED;
    case FLAG_TIMEOUT:
        if (!cli_parse_timeout(value, f->target))
            return bad_value(f, value, EXPECTS_DURATION ", or forever");
        return CLI_PROCEED;
    case FLAG_REAL:
        if (!cli_parse_real(value, f->target))
            return bad_value(f, value, "a number such as 2 or 0.5");
        return CLI_PROCEED;
    case FLAG_PARSE:
        if (!f->parse(value, f->target))
            return bad_value(f, value, f->expects);
        return CLI_PROCEED;
    }
    return CLI_PROCEED;
}

static bool takes_value(const struct flag *f) { return f->kind != FLAG_SWITCH && f->kind != FLAG_OFF; }

/* `argv[*at]` begins with "--". */
static int parse_long(const struct usage *u, char **argv, int argc, int *at) {
    const char *text = argv[*at];
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    for (size_t i = 0; i < u->flag_count; i++) {
        const struct flag *f = &u->flags[i];
        if (!f->name || strlen(f->name) != length || strncmp(f->name, text, length) != 0)
            continue;
        if (!takes_value(f)) {
            if (equals)
                return cli_usage_error("%s takes no value", f->name);
            return set_flag(f, NULL);
        }
        if (equals)
            return set_flag(f, equals + 1);
        if (*at + 1 >= argc)
            return cli_usage_error("%s needs a value: %s", f->name, f->value);
        return set_flag(f, argv[++*at]);
    }
    return unknown_flag(u, text, length);
}

/* `argv[*at]` is "-x..." with one letter or digit x, or several switches. */
static int parse_short(const struct usage *u, char **argv, int argc, int *at) {
    const char *text = argv[*at] + 1;
    for (; *text; text++) {
        const struct flag *f = NULL;
        int status;
        for (size_t i = 0; i < u->flag_count; i++) {
            if (u->flags[i].letter == *text)
                f = &u->flags[i];
        }
        if (!f)
            return cli_usage_error("there is no flag '-%c'", *text);
        if (takes_value(f)) {
            if (text[1])
                return set_flag(f, text + 1);
            if (*at + 1 >= argc)
                return cli_usage_error("-%c needs a value: %s", *text, f->value);
            return set_flag(f, argv[++*at]);
        }
        status = set_flag(f, NULL);
        if (status != CLI_PROCEED)
            return status;
    }
    return CLI_PROCEED;
}

static int check_operands(const struct usage *u, const struct operands *o) {
    if (o->count < u->operands_min) {
        return cli_usage_error("%s is missing: ringpost %s %s", o->count == 0 ? "NAME" : "an operand", u->verb, u->synopsis);
    }
    if ((u->wants_command && !o->command) || (o->command && !o->command[0])) {
        return cli_usage_error("the command is missing; it follows after '--': ringpost %s %s", u->verb, u->synopsis);
    }
    return CLI_PROCEED;
}

int cli_parse(const struct usage *u, int argc, char **argv, struct operands *out) {
    bool flags_end = false;
    memset(out, 0, sizeof *out);
    usage_verb = u->verb;
    cli_verb = u->verb;
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        int status = CLI_PROCEED;
        if (!flags_end && strcmp(text, "--") == 0) {
            if (u->wants_command || u->takes_command) {
                out->command = &argv[at + 1];
                break;
            }
            flags_end = true;
        } else if (!flags_end && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            cli_help(stdout, u);
            return cli_finish(CLI_DONE);
        } else if (!flags_end && strncmp(text, "--", 2) == 0) {
            status = parse_long(u, argv, argc, &at);
        } else if (!flags_end && text[0] == '-' && text[1]) {
            status = parse_short(u, argv, argc, &at);
        } else if (out->count == u->operands_max) {
            if (u->wants_command || u->takes_command)
                return cli_usage_error("'%s': the command follows after '--'", text);
            return cli_usage_error("'%s' is one operand too many", text);
        } else {
            out->value[out->count++] = text;
        }
        if (status != CLI_PROCEED)
            return status;
    }
    return check_operands(u, out);
}
