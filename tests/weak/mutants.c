/* SPDX-License-Identifier: MIT */
#include "mutants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weaken_parse(const char *text, struct weak_weaken *w) {
    static char copy[8][100];
    static unsigned next;
    char *c = copy[next++ % 8];
    snprintf(c, sizeof copy[0], "%s", text);
    char *side = strchr(c, ':'), *file = strchr(c, '@');
    if (side == NULL)
        return false;
    *side++ = '\0';
    *w = (struct weak_weaken){.label = c};
    if (file != NULL) {
        *file++ = '\0';
        char *line = strchr(file, ':');
        if (line != NULL) {
            *line++ = '\0';
            w->line = atoi(line);
        }
        w->file = file;
    }
    w->side = strcmp(side, "release") == 0 ? WEAK_RELEASE : strcmp(side, "acquire") == 0 ? WEAK_ACQUIRE : strcmp(side, "sc") == 0 ? WEAK_SC : 0;
    return w->side != 0;
}

/* ---- labels ---- */

enum { RUNS = 60000 }; /* per mutant; most need a few hundred */

static const struct mutant {
    const char *weaken;
    const char *program; /* that catches it; NULL: none does */
    const char *why;     /* none does */
} mutants[] = {
    {"slot:release", "queue-send", NULL},
    {"slot:acquire", "queue-send", NULL},
    {"slot:sc", "queue-sleep", NULL},
    {"cell_word:release", "pool-reuse", NULL},
    {"cell_word:acquire", "pool-reuse", NULL},
    {"cell_word:sc", "pool-barren", NULL},
    {"delivery:release", NULL, "?"},
    {"delivery:acquire", NULL, "?"},
    {"delivery:sc", NULL, "?"},
    {"position:release", NULL, "?"},
    {"position:acquire", NULL, "?"},
    {"time:release", NULL, "?"},
    {"time:acquire", NULL, "?"},
    {"hints:release", NULL, "?"},
    {"hints:acquire", NULL, "?"},
    {"free_bits:release", NULL, "?"},
    {"free_bits:acquire", NULL, "?"},
    {"free_bits:sc", "pool-barren", NULL},
    {"starved:release", NULL, "?"},
    {"starved:acquire", NULL, "?"},
    {"starved:sc", "pool-barren", NULL},
    {"tickets:release", NULL, "?"},
    {"tickets:acquire", NULL, "?"},
    {"tickets:sc", "event-2-1", NULL},
    {"epoch:release", NULL, "?"},
    {"epoch:acquire", NULL, "?"},
    {"epoch:sc", NULL, "?"},
    {"next_due:release", NULL, "?"},
    {"next_due:acquire", NULL, "?"},
    {"next_due:sc", NULL, "?"},
    {"seat_word:release", NULL, "?"},
    {"seat_word:acquire", NULL, "?"},
    {"failures:release", NULL, "?"},
    {"failures:acquire", NULL, "?"},
    {"note:release", NULL, "?"},
    {"note:acquire", NULL, "?"},
    {"views:release", NULL, "?"},
    {"views:acquire", NULL, "?"},
    {"views:sc", NULL, "?"},
    {"interrupts:release", NULL, "?"},
    {"interrupts:acquire", NULL, "?"},
};

/* -> caught. */
static bool try_mutant(const struct weak_program *p, uint64_t runs, uint64_t *schedules, struct exploration *e) {
    *e = (struct exploration){.runs_max = runs, .seed = 1};
    explore(p, e);
    *schedules += e->runs;
    return e->failed;
}

bool mutants_table(uint64_t search_runs, const char *only, uint64_t *schedules) {
    int caught = 0, missed = 0, surprises = 0;
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        const struct mutant *m = &mutants[i];
        struct weak_weaken w;
        struct exploration e;
        if ((only != NULL && strstr(m->weaken, only) == NULL) || !weaken_parse(m->weaken, &w))
            continue;
        weakened = &w;
        weakened_met = 0;
        if (m->program != NULL) {
            bool yes = try_mutant(weak_program_named(m->program), RUNS, schedules, &e);
            printf("%-22s %-16s %s%llu schedules   %s\n", m->weaken, m->program, yes ? "after " : "NOT CAUGHT in ",
                   (unsigned long long)e.runs, yes ? e.failure : "");
            caught += yes;
            missed += !yes;
        } else if (search_runs == 0) {
            printf("%-22s none: %s\n", m->weaken, m->why);
        }
        for (const struct weak_program *const *p = weak_programs; search_runs > 0 && *p != NULL; p++)
            if (try_mutant(*p, search_runs, schedules, &e)) {
                printf("%-22s %-16s after %llu schedules   %s\n", m->weaken, (*p)->name, (unsigned long long)e.runs, e.failure);
                surprises++;
            }
        fflush(stdout);
    }
    weakened = NULL;
    printf("%d caught, %d not\n", caught, missed);
    return missed == 0;
}
void sites_table(double seconds, uint64_t *schedules) { (void)seconds; (void)schedules; }
