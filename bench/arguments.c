/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(FILE *out, const char *program, const char *summary, const struct argument *rows) {
    fprintf(out, "%s: %s\n\n", program, summary);
    for (const struct argument *a = rows; a->name != NULL; a++) {
        const char *kind = a->flag != NULL ? "" : a->number != NULL ? " N" : a->list != NULL ? " N[,N...]" : " TEXT";
        fprintf(out, "  --%s%-*s %s\n", a->name, (int)(22 - strlen(a->name)), kind, a->help);
    }
}

static bool read_number(const char **at, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    bool good = end != *at && **at != '-' && errno == 0;
    *at = end;
    return good;
}

static bool read_value(const struct argument *a, const char *value) {
    const char *at = value;
    if (a->text != NULL) {
        *a->text = value;
        return true;
    }
    if (a->number != NULL) {
        return read_number(&at, a->number) && *at == 0;
    }
    a->list->count = 0;
    for (;;) {
        if (a->list->count == NUMBERS_MAX || !read_number(&at, &a->list->value[a->list->count])) {
            return false;
        }
        a->list->count++;
        if (*at == 0) {
            return true;
        }
        if (*at++ != ',') {
            return false;
        }
    }
}

void arguments_read(int argc, char **argv, const char *summary, const struct argument *rows) {
    const char *program = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help(stdout, program, summary, rows);
            exit(0);
        }
        const struct argument *a = rows;
        while (a->name != NULL && (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i] + 2, a->name) != 0)) {
            a++;
        }
        if (a->name == NULL) {
            fprintf(stderr, "%s: unknown argument '%s'; --help lists them\n", program, argv[i]);
            exit(2);
        }
        if (a->flag != NULL) {
            *a->flag = true;
        } else if (i + 1 == argc || !read_value(a, argv[i + 1])) {
            fprintf(stderr, "%s: --%s: no proper value\n", program, a->name);
            exit(2);
        } else {
            i++;
        }
    }
}
