/* SPDX-License-Identifier: MIT */
#include "mutants.h"
#include "figure.h"

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
    w->side = strcmp(side, "release") == 0   ? WEAK_RELEASE
              : strcmp(side, "acquire") == 0 ? WEAK_ACQUIRE
              : strcmp(side, "sc") == 0      ? WEAK_SC
                                             : 0;
    return w->side != 0;
}

/* ---- labels ---- */

enum { RUNS = 500000 }; /* per mutant, at most; most need a few hundred */

static const struct mutant {
    const char *weaken;
    const char *program; /* that catches it; NULL: none does */
    const char *why;     /* none does */
} mutants[] = {
    {"slot:release", "queue-send", NULL},
    {"slot:acquire", "queue-send", NULL},
    {"slot:sc", "queue-sleep", NULL},
    {"cell_word:release", "queue-reuse", NULL},
    {"cell_word:acquire", "queue-reuse", NULL},
    {"cell_word:sc", "queue-full", NULL},
    {"delivery:release", "queue-help", NULL},
    {"delivery:acquire", "queue-past", NULL},
    {"delivery:sc", "queue-threads", NULL},
    {"position:release", "queue-slow-insert", NULL},
    {"position:acquire", "queue-slow-insert", NULL},
    {"time:release", "queue-slow-claim", NULL},
    {"time:acquire", "queue-slow-claim", NULL},
    {"hints:release", "dead-overwritten", NULL},
    {"hints:acquire", "dead-overwritten", NULL},
    {"free_bits:release", NULL, "the last look before a sleep is at the words"},
    {"free_bits:acquire", NULL, "the same"},
    {"free_bits:sc", NULL, "the same"},
    {"starved:release", "pool-barren", NULL},
    {"starved:acquire", "pool-barren", NULL},
    {"starved:sc", "queue-full", NULL},
    {"tickets:release", "event-2-1", NULL},
    {"tickets:acquire", "event-2-1", NULL},
    {"tickets:sc", "event-2-1", NULL},
    {"ready_lanes:release", NULL, "nothing is passed on by it"},
    {"ready_lanes:acquire", NULL, "nothing is passed on by it"},
    {"ready_lanes:sc", NULL, "whoever finds no bit looks at all lanes before he sleeps"},
    {"missed:release", "returned-missed", NULL},
    {"missed:acquire", "returned-missed", NULL},
    {"missed:sc", "returned-missed", NULL},
    {"dead_count:release", "letter-comes", NULL},
    {"dead_count:acquire", "letter-comes", NULL},
    {"dead_changes:release", "letter-goes", NULL},
    {"dead_changes:acquire", "letter-goes", NULL},
    {"dead_changes:sc", "flow-redrive", NULL},
    {"active:release", "group-made", NULL},
    {"active:acquire", "group-removed", NULL},
    {"active:sc", "group-removed", NULL},
    {"bytes:release", "bytes-full", NULL},
    {"bytes:acquire", "bytes-full", NULL},
    {"bytes:sc", "bytes-full", NULL},
    {"views:release", "queue-threads", NULL},
    {"views:acquire", "queue-threads", NULL},
    {"views:sc", "queue-threads", NULL},
    {"paused:release", "flow-resume", NULL},
    {"paused:acquire", "flow-resume", NULL},
    {"paused:sc", "flow-drain", NULL},
    {"paused:sc", "flow-receive", NULL},
    {"paused:sc", "flow-redrive", NULL},
    {"known_word:release", "ids-turns", NULL},
    {"known_word:acquire", "ids-turns", NULL},
    {"known_link:release", "ids-middle", NULL},
    {"known_link:acquire", "ids-middle", NULL},
    {"known_id:release", "ids-halves", NULL},
    {"known_id:acquire", "ids-halves", NULL},
    {"identity_word:release", "producer-handed", NULL},
    {"identity_word:acquire", "producer-handed", NULL},
    {"identity:release", "producer-changed", NULL},
    {"identity:acquire", "producer-changed", NULL},
    {"admitted:release", "producer-make", NULL},
    {"admitted:acquire", "producer-make", NULL},
    {"tickets:sc", "bell-2-1", NULL},
    {"slot:sc", "bell-2-1", NULL},
    {"bell:release", NULL, "the ticket, which is drawn after the bell is armed, passes it on; of the dead the kernel tells"},
    {"bell:acquire", NULL, "the same"},
    {"binding:release", "binding-reused", NULL},
    {"binding:acquire", "binding-reused", NULL},
    {"exchange_version:release", "binding-reused", NULL},
    {"exchange_version:acquire", "binding-reused", NULL},
    {"compiled:release", "table-replaced", NULL},
    {"compiled:acquire", "table-replaced", NULL},
    {"references:release", NULL, "they are given back under a mutex, and taken inside a read section"},
    {"references:acquire", NULL, "the same"},
    {"stamp:release", "broadcast-sleep", NULL},
    {"stamp:acquire", "broadcast-sleep", NULL},
    {"fence:release@slot.h", "broadcast-lap", NULL},
    {"fence:acquire@slot.h", "broadcast-lap", NULL},
    {"newest:release", "broadcast-join", NULL},
    {"newest:acquire", "broadcast-join", NULL},
    {"barrier:sc", "broadcast-sleep", NULL},
    {"fence:sc@gate.c", "broadcast-gate", NULL},
    {"gate_seat:release", NULL, "the fences of both sides order seat and lane; a position that is seen too old is a lower one"},
    {"gate_seat:acquire", NULL, "the same"},
    {"gate_position:release", NULL,
     "it keeps the copy before the slot is written again: the reverse is load buffering, and the stamps are looked at"},
    {"gate_position:acquire", NULL, "the same"},
    {"lanes_used:release", NULL, "nothing is passed on by it"},
    {"lanes_used:acquire", NULL, "nothing is passed on by it"},
    {"epoch:release", NULL, "nothing is passed on by it"},
    {"epoch:acquire", NULL,
     "it keeps the ticket behind the look at the epoch: the reverse is load buffering, which the machine cannot show"},
    {"epoch:sc", NULL, "as above; which of two bumps is seen makes no difference"},
    {"next_due:release", NULL, "nothing is passed on by it"},
    {"next_due:acquire", NULL, "nothing is passed on by it"},
    {"next_due:sc", NULL, "a miss costs a tick, which is no fault; the machine's sleepers ask for no time"},
    {"extent:release", NULL,
     "a frame is read beside the checker, since it may be written again meanwhile; what else it passes on, slots and cell words "
     "pass on, too"},
    {"extent:acquire", NULL, "the same"},
    {"extent:sc", NULL,
     "an extent is taken once for thousands of messages; who does that while another drains is seen busy by what he writes next"},
    {"extent_last:release", NULL, "the same"},
    {"extent_last:acquire", NULL, "the same"},
    {"cursor:release", NULL, "the same"},
    {"cursor:acquire", NULL, "the same"},
    {"cursor:sc", NULL, "the same"},
    {"chunk:release", NULL, "nothing is passed on by it: blocks are the kernel's"},
    {"chunk:acquire", NULL, "the same"},
    {"spilling:release", "spilled-drain", NULL},
    {"spilling:acquire", "spilled-drain", NULL},
    {"spilling:sc", "spilled-drain", NULL},
    {"timers:release", "timers-old", NULL},
    {"timers:acquire", "timers-old", NULL},
    {"timers:sc", "timers-old", NULL},
    {"journal:release", "durable-slow", NULL},
    {"journal:acquire", "durable-slow", NULL},
    {"journaled:release", NULL, "who moved the point moves the messages himself, the role passes it to the next writer, and a slot what it holds"},
    {"journaled:acquire", NULL, "the same"},
    {"journal_role:release", "durable-settle-both", NULL},
    {"journal_role:acquire", "durable-settle-both", NULL},
    {"journal_role:sc", "durable-settle-both", NULL},
    {"dirty:release", "durable-settle", NULL},
    {"dirty:acquire", "durable-settle", NULL},
    {"dirty:sc", "durable-noted", NULL},
    {"seat_word:release", NULL, "the kernel's lock on the seat orders the same"},
    {"seat_word:acquire", NULL, "the kernel's lock on the seat orders the same"},
    {"failures:release", NULL, "a count that is missing is estimated"},
    {"failures:acquire", NULL, "a count that is missing is estimated"},
    {"note:release", NULL, "key and checksum are compared"},
    {"note:acquire", NULL, "key and checksum are compared"},
    {"interrupts:release", NULL, "a signal handler's counter, and futexes that are bumped: no program"},
    {"interrupts:acquire", NULL, "a signal handler's counter, and futexes that are bumped: no program"},
};

/* -> caught. */
static bool try_mutant(const struct weak_program *p, uint64_t runs, uint64_t *schedules, struct exploration *e) {
    *e = (struct exploration){.runs_max = runs, .seed = 1};
    explore(p, e);
    *schedules += e->runs;
    return e->failed;
}

bool mutants_table(uint64_t search_runs, const char *only, uint64_t *schedules) {
    int caught = 0, missed = 0;
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
            if (try_mutant(*p, search_runs, schedules, &e))
                printf("%-22s %-16s after %llu schedules   %s\n", m->weaken, (*p)->name, (unsigned long long)e.runs, e.failure);
        fflush(stdout);
    }
    weakened = NULL;
    printf("%d of %d that should be caught are caught\n", caught, caught + missed);
    figure("mutants", (uint64_t)(caught + missed));
    figure("mutants_caught", (uint64_t)caught);
    return missed == 0;
}

/* ---- places in the source ---- */

enum { SITES = 1024, RUNS_TO_FIND_SITES = 300 };

static struct site {
    const char *label, *file;
    int line;
    unsigned order;
    bool programs[WEAK_PROGRAMS]; /* that come there */
} sites[SITES];
static unsigned site_count;
static unsigned program_now;

static void note_site(unsigned order, WEAK_SITE_PARAMETERS) {
    unsigned i = 0;
    while (i < site_count && (sites[i].line != line || strcmp(sites[i].file, file) != 0 || strcmp(sites[i].label, label) != 0))
        i++;
    if (i == SITES)
        return;
    if (i == site_count)
        sites[site_count++] = (struct site){.label = label, .file = file, .line = line, .order = order};
    sites[i].programs[program_now] = true;
}

static void try_site(const struct site *s, unsigned side, const char *side_name, uint64_t runs, uint64_t *schedules) {
    const struct weak_weaken w = {.label = s->label, .side = side, .file = s->file, .line = s->line};
    weakened = &w;
    const char *name = strrchr(s->file, '/');
    printf("%-18s %4d  %-10s %-8s ", name != NULL ? name + 1 : s->file, s->line, s->label, side_name);
    bool caught = false;
    for (unsigned i = 0; !caught && weak_programs[i] != NULL; i++) {
        struct exploration e;
        if (s->programs[i] && try_mutant(weak_programs[i], runs, schedules, &e)) {
            caught = true;
            printf("%s after %llu\n", weak_programs[i]->name, (unsigned long long)e.runs);
        }
    }
    if (!caught)
        printf("-\n");
    fflush(stdout);
    weakened = NULL;
}

void sites_table(uint64_t runs, uint64_t *schedules) {
    machine_site = note_site;
    for (unsigned i = 0; weak_programs[i] != NULL; i++) {
        struct exploration e;
        program_now = i;
        (void)try_mutant(weak_programs[i], RUNS_TO_FIND_SITES, schedules, &e);
    }
    machine_site = NULL;
    for (const struct site *s = sites; s < sites + site_count; s++) {
        if (strcmp(s->label, "toy") == 0)
            continue;
        if (s->order & WEAK_RELEASE)
            try_site(s, WEAK_RELEASE, "release", runs, schedules);
        if (s->order & WEAK_ACQUIRE)
            try_site(s, WEAK_ACQUIRE, "acquire", runs, schedules);
        if (s->order & WEAK_SC)
            try_site(s, WEAK_SC, "sc", runs, schedules);
    }
}
