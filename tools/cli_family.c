/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <string.h>

static const char *name_at(const void *set, size_t index) { return ((const struct verb *)set)[index].name; }

static void print(FILE *out, const struct verb_family *f) {
    fputs(f->about, out);
    for (const struct verb *v = f->verbs; v->name; v++)
        fprintf(out, "  %-12s%s\n", v->name, v->summary);
    fputs(f->more, out);
}

int cli_family(const struct verb_family *f, int argc, char **argv) {
    cli_verb = f->name;
    if (argc < 2) {
        print(stderr, f);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print(stdout, f);
        return cli_finish(CLI_DONE);
    }
    for (const struct verb *v = f->verbs; v->name; v++) {
        if (strcmp(v->name, argv[1]) == 0)
            return v->run(argc - 1, argv + 1);
    }
    const char *near = cli_nearest(argv[1], name_at, f->verbs);
    if (near)
        return cli_usage_error("there is no '%s %s'; did you mean '%s %s'?", f->name, argv[1], f->name, near);
    return cli_usage_error("there is no '%s %s'; %s", f->name, argv[1], f->there_are);
}
