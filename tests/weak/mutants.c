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
bool mutants_table(double seconds, uint64_t *schedules) { (void)seconds; (void)schedules; return true; }
void sites_table(double seconds, uint64_t *schedules) { (void)seconds; (void)schedules; }
