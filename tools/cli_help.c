/* SPDX-License-Identifier: MIT */
/* Help texts, made from the tables that the parser uses. */
#include "cli.h"

#include <string.h>

#define HELP_COLUMN 28
#define HELP_WIDTH 100

/* Prints words wrapped, later lines indented to `column`, the first one starting there. */
static void print_wrapped(FILE *out, const char *text, int column) {
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, (size_t)length, out);
        at += length;
        text += length;
        while (*text == ' ')
            text++;
    }
    fputc('\n', out);
}

static void print_flag(FILE *out, const struct flag *f) {
    char left[80];
    int length = 0;
    if (f->letter && f->name) {
        length = snprintf(left, sizeof left, "  -%c, %s", f->letter, f->name);
    } else if (f->letter) {
        length = snprintf(left, sizeof left, "  -%c", f->letter);
    } else {
        length = snprintf(left, sizeof left, "  %s", f->name);
    }
    if (f->value)
        length += snprintf(left + length, sizeof left - (size_t)length, " %s", f->value);
    fputs(left, out);
    if (length >= HELP_COLUMN - 1) {
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    } else {
        fprintf(out, "%*s", HELP_COLUMN - length, "");
    }
    print_wrapped(out, f->help, HELP_COLUMN);
}

void cli_help(FILE *out, const struct usage *u) {
    static const struct flag help_flag = {.name = "--help", .letter = 'h', .help = "this text"};
    fprintf(out, "Usage: ringpost %s%s%s\n\n%s\n\nFlags:\n", u->verb, u->synopsis[0] ? " " : "", u->synopsis, u->about);
    for (size_t i = 0; i < u->flag_count; i++)
        print_flag(out, &u->flags[i]);
    print_flag(out, &help_flag);
    fprintf(out, "\nExamples:\n%s\n", u->examples);
    fprintf(out, "\nExit status: 0 done, 1 failed, 2 usage, %s%s5 no such queue, 6 corrupt or incompatible.\n",
            u->statuses ? u->statuses : "", u->statuses ? ", " : "");
}
