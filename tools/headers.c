/* SPDX-License-Identifier: MIT */
#include "headers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- flags ---- */

bool header_parse(const char *text, void *flags) {
    struct header_flags *h = flags;
    size_t length = strcspn(text, "=");
    if (text[length] == '\0' || length == 0 || length > RP_HEADER_NAME_MAX || h->count > RP_HEADERS_MAX)
        return false;
    memcpy(h->names[h->count], text, length);
    h->names[h->count][length] = '\0';
    h->list[h->count] = (struct rp_header){h->names[h->count], text + length + 1};
    h->count++;
    return true;
}

static bool has(const struct header_flags *h, const char *name) {
    for (size_t i = 0; i < h->count; i++)
        if (strcasecmp(h->list[i].name, name) == 0)
            return true;
    return false;
}

int header_flags_done(struct header_flags *h) {
    const struct rp_header known[] = {{RP_HEADER_CONTENT_TYPE, h->content_type},
                                      {RP_HEADER_CORRELATION_ID, h->correlation_id},
                                      {RP_HEADER_REPLY_TO, h->reply_to}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].value == NULL)
            continue;
        if (has(h, known[i].name))
            return cli_usage_error("the header %s is given twice", known[i].name);
        if (h->count <= RP_HEADERS_MAX)
            h->list[h->count++] = known[i];
    }
    if (h->count > RP_HEADERS_MAX)
        return cli_usage_error("a message has at most %d headers", RP_HEADERS_MAX);
    const char *trace = getenv("TRACEPARENT");
    h->trace_taken = !h->no_trace && trace && trace_is_valid(trace) && !has(h, RP_HEADER_TRACEPARENT) && h->count < RP_HEADERS_MAX;
    if (h->trace_taken)
        h->list[h->count++] = (struct rp_header){RP_HEADER_TRACEPARENT, trace};
    return CLI_PROCEED;
}

/* ---- traceparent ---- */

/* So many lower-case hex digits, not all of them 0. */
static bool is_hex(const char *text, size_t count, bool may_be_zero) {
    bool zero = true;
    for (size_t i = 0; i < count; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
        zero = zero && text[i] == '0';
    }
    return may_be_zero || !zero;
}

/* Version 00 ends behind the flags; later ones may go on after another '-'. ff is no version. */
bool trace_is_valid(const char *text) {
    size_t length = strlen(text);
    if (length < 55 || length > 255 || !is_hex(text, 2, true) || memcmp(text, "ff", 2) == 0)
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    if (!is_hex(text + 3, 32, false) || !is_hex(text + 36, 16, false) || !is_hex(text + 53, 2, true))
        return false;
    return length == 55 || (memcmp(text, "00", 2) != 0 && text[55] == '-');
}

/* ---- showing ---- */

void cli_json_headers(json_t *object, const struct rp_headers *h) {
    json_t *text = json_object(), *coded = json_object();
    struct rp_header one;
    size_t at = 0;
    while (rp_headers_next(h, &at, &one) == 1) {
        json_t *value = json_string(one.value); /* NULL if it is not UTF-8 */
        if (value)
            json_object_set_new_nocheck(text, one.name, value);
        else
            json_object_set_new_nocheck(coded, one.name, cli_json_base64(one.value, strlen(one.value)));
    }
    if (json_object_size(text) > 0)
        json_object_set(object, "headers", text);
    if (json_object_size(coded) > 0)
        json_object_set(object, "headers_base64", coded);
    json_decref(text);
    json_decref(coded);
}

void headers_print(FILE *out, const struct rp_headers *h, const char *indent) {
    struct rp_header one;
    size_t at = 0;
    while (rp_headers_next(h, &at, &one) == 1) {
        fputs(indent, out);
        cli_print_payload(out, one.name, strlen(one.name), 0, 0);
        fputs(": ", out);
        cli_print_payload(out, one.value, strlen(one.value), 0, 0);
        fputc('\n', out);
    }
}

/* ---- environment ---- */

#define HEADER_PREFIX "RINGPOST_HEADER_"
static const char *const well_known[][2] = {{RP_HEADER_CONTENT_TYPE, "RINGPOST_CONTENT_TYPE"},
                                            {RP_HEADER_CORRELATION_ID, "RINGPOST_CORRELATION_ID"},
                                            {RP_HEADER_REPLY_TO, "RINGPOST_REPLY_TO"}};
enum { WELL_KNOWN = sizeof well_known / sizeof well_known[0] };

struct header_environment {
    size_t count;
    char *variables[RP_HEADERS_MAX + WELL_KNOWN];
    char *trace; /* NULL: none */
    char text[];
};

/* Writes NAME=VALUE, if there is room. */
static char *write_variable(char **to, const char *end, const char *prefix, const char *name, const char *value) {
    size_t prefix_bytes = strlen(prefix), name_bytes = strlen(name), value_bytes = strlen(value);
    char *variable = *to, *at = variable;
    if ((size_t)(end - at) < prefix_bytes + name_bytes + value_bytes + 2)
        return NULL;
    memcpy(at, prefix, prefix_bytes);
    at += prefix_bytes;
    for (size_t i = 0; i < name_bytes; i++)
        *at++ = isalnum((unsigned char)name[i]) ? (char)toupper((unsigned char)name[i]) : '_';
    *at++ = '=';
    memcpy(at, value, value_bytes);
    at[value_bytes] = '\0';
    *to = at + value_bytes + 1;
    return variable;
}

struct header_environment *header_environment_make(const struct rp_headers *h) {
    size_t room = 2 * h->bytes + (RP_HEADERS_MAX + WELL_KNOWN) * sizeof HEADER_PREFIX + WELL_KNOWN * 32;
    struct header_environment *e = malloc(sizeof *e + room);
    struct rp_header one;
    size_t at = 0;
    if (!e)
        return NULL;
    *e = (struct header_environment){0};
    char *to = e->text;
    const char *end = to + room;
    while (e->count < RP_HEADERS_MAX && rp_headers_next(h, &at, &one) == 1) {
        char *variable = write_variable(&to, end, HEADER_PREFIX, one.name, one.value);
        if (variable)
            e->variables[e->count++] = variable;
        if (strcmp(one.name, RP_HEADER_TRACEPARENT) == 0 && trace_is_valid(one.value))
            e->trace = write_variable(&to, end, "", "TRACEPARENT", one.value);
    }
    for (size_t i = 0; i < WELL_KNOWN; i++) {
        const char *value = rp_headers_get(h, well_known[i][0]);
        char *variable = value ? write_variable(&to, end, "", well_known[i][1], value) : NULL;
        if (variable)
            e->variables[e->count++] = variable;
    }
    return e;
}

extern char **environ;

void header_environment_set(struct header_environment *e, bool trace) {
    char **to = environ;
    for (char **from = environ; from && *from; from++)
        if (strncmp(*from, HEADER_PREFIX, sizeof HEADER_PREFIX - 1) != 0)
            *to++ = *from;
    if (to)
        *to = NULL;
    for (size_t i = 0; i < WELL_KNOWN; i++)
        unsetenv(well_known[i][1]);
    for (size_t i = 0; i < e->count; i++)
        putenv(e->variables[i]);
    if (trace)
        unsetenv("TRACEPARENT"); /* the worker's own is not the message's */
    if (trace && e->trace)
        putenv(e->trace);
}
