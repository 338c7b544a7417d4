/* SPDX-License-Identifier: MIT */
#include "sites.h"
#include "campaign.h"
#include "core.h"
#include "scenario.h"

#include <stdio.h>
#include <string.h>

enum { SITES = 512, SCENARIOS = 512, GLANCE_RUNS = 400 };

static struct site {
    const char *file, *what;
    int line;
    bool met_in[SCENARIOS];
} sites[SITES];
static unsigned site_count;
static unsigned scenario_now;

static void meet(enum sim_op op, const char *what, const char *file, int line) {
    size_t n = strlen(what);
    if (op == SIM_LOAD || (n > 5 && (strcmp(what + n - 5, " init") == 0 || strcmp(what + n - 5, " stat") == 0)))
        return;
    unsigned i = 0;
    while (i < site_count && (sites[i].line != line || strcmp(sites[i].file, file) != 0))
        i++;
    if (i == SITES)
        return;
    if (i == site_count)
        sites[site_count++] = (struct site){.file = file, .what = what, .line = line};
    sites[i].met_in[scenario_now] = true;
}

static const struct sim_program *scenario(unsigned n) {
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++)
            if (n-- == 0)
                return scenario_lists[l][i];
    return NULL;
}

static const char *base_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

static void name(const struct site *s, char *where, size_t bytes) { snprintf(where, bytes, "%s:%d", base_name(s->file), s->line); }

/* -> was it noticed? */
static bool try_defect(const struct site *s, enum sim_site_defect defect) {
    sim_site_file = s->file;
    sim_site_line = s->line;
    sim_site_defect = defect;
    uint64_t n = 0;
    const struct sim_program *p = NULL;
    for (unsigned k = 0; n == 0 && (p = scenario(k)); k++)
        if (s->met_in[k])
            n = schedules_until_noticed(p, command.runs);
    sim_site_defect = SITE_SOUND;
    char where[64];
    name(s, where, sizeof where);
    if (n > 0)
        printf("%-20s %-26s %-6s %-18s %10llu\n", where, s->what, defect == SITE_BLIND ? "blind" : "idle", p->name,
               (unsigned long long)n);
    else
        printf("%-20s %-26s %-6s %s\n", where, s->what, defect == SITE_BLIND ? "blind" : "idle", "NOBODY");
    return n > 0;
}

void sites_run(void) {
    command.quiet = true;
    sim_point_met = meet;
    for (const struct sim_program *p; scenario_now < SCENARIOS && (p = scenario(scenario_now)); scenario_now++)
        (void)look_in_runs(p, GLANCE_RUNS);
    sim_point_met = NULL;
    if (site_count == SITES || scenario(scenario_now))
        printf("there are more accesses or scenarios than places for them: not all are looked at\n");
    unsigned tried = 0, noticed = 0;
    printf("%-20s %-26s %-6s %-18s %10s\n", "WHERE", "ACCESS", "DEFECT", "NOTICED BY", "SCHEDULES");
    for (unsigned i = 0; i < site_count; i++) {
        char where[64];
        name(&sites[i], where, sizeof where);
        if (command.mutant && strcmp(command.mutant, where) != 0)
            continue;
        for (int defect = strncmp(sites[i].what, "cas", 3) == 0 ? SITE_BLIND : SITE_IDLE; defect <= SITE_IDLE; defect++) {
            tried++;
            noticed += try_defect(&sites[i], (enum sim_site_defect)defect);
        }
    }
    printf("%u defects at %u accesses, %u noticed\n", tried, site_count, noticed);
}
