/* SPDX-License-Identifier: MIT */
/*
 * The table of bindings, one access of a shared word after the other. A changer is killed before each of them, the next changer too, and one more mends; readers look before each access of a
 * changer; whole changes, and killed ones, happen before each access of a reader. After each of these: what is in effect at a version is what was committed with it, nothing more, nothing less,
 * and nothing leaks. Accesses are sequentially consistent here.
 *
 * --sites shows that this can fail: each store of bindings.c in turn does nothing, and somebody notices.
 */
#include "bindings.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4, KINDS = 8, NEVER = INT32_MAX, VERSIONS = 64, SITES = 100 };

static struct bindings table;
static void *memory;
static uint8_t history[VERSIONS]; /* which bindings are in effect at each version */
static uint64_t findings, runs;
static bool quiet;

static void find(const char *what, int a, int b) {
    findings++;
    if (!quiet)
        fprintf(stderr, "%s (%d, %d), version %llu\n", what, a, b, (unsigned long long)bindings_version(&table));
}

/* ---- what happens at an access ---- */

static jmp_buf killed;
static int kill_at = NEVER, call_at = NEVER, point;
static void (*call)(void);
static int site_line; /* the store that does nothing */
static int lines[SITES], line_count;
enum sim_site_defect sim_site_defect;

void sim_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line) {
    (void)word;
    (void)what;
    if (strstr(file, "bindings.c") == NULL)
        return;
    if (op != SIM_LOAD && line_count < SITES) {
        int i = 0;
        while (i < line_count && lines[i] != line)
            i++;
        lines[i] = line;
        line_count += i == line_count;
    }
    int here = point++;
    if (here == kill_at) {
        kill_at = NEVER;
        longjmp(killed, 1);
    }
    if (here == call_at) {
        int saved_point = point, saved_kill = kill_at;
        call_at = kill_at = NEVER;
        call();
        point = saved_point;
        kill_at = saved_kill;
    }
}

bool sim_site(const char *file, int line) { return line == site_line && strstr(file, "bindings.c") != NULL; }
bool sim_mutant(const char *name) {
    (void)name;
    return false;
}
uint64_t sim_seen(uint64_t value) { return value; }

/* ---- changing and reading ---- */

struct change {
    bool add;
    unsigned kind;
};

static struct binding binding_of(unsigned kind) {
    struct binding b = {.pattern_bytes = 2, .queue_bytes = 1};
    b.text.pattern[0] = 'p';
    b.text.pattern[1] = (char)('0' + kind);
    b.text.queue[0] = 'q';
    return b;
}

/* To be killed before access `at`. -> did it end? */
static bool change(struct change c, int at) {
    struct binding b = binding_of(c.kind);
    uint64_t version = bindings_version(&table);
    uint8_t before = history[version], after = c.add ? before | 1u << c.kind : before & ~(1u << c.kind);
    history[version + 1] = after;
    kill_at = at;
    point = 0;
    bool ended = setjmp(killed) == 0;
    if (ended) {
        int result = c.add ? bindings_add(&table, &b) : bindings_remove(&table, &b);
        int expected = c.add ? (before >> c.kind & 1) : before >> c.kind & 1 ? 0 : -2 /* ENOENT */;
        if (c.add && expected == 0 && __builtin_popcount(before) == ROOM)
            expected = -28; /* ENOSPC */
        if (result != expected)
            find("a change says something else", result, expected);
        if (result == 0 && bindings_version(&table) != version + 1)
            find("a change that is done, and the version is the old one", result, 0);
    }
    kill_at = NEVER;
    return ended;
}

/* A complete look. What changes meanwhile is in `history`. */
static void look(void) {
    uint64_t from = bindings_version(&table);
    uint8_t seen = 0;
    for (uint32_t i = 0; i < ROOM; i++) {
        struct binding b;
        int result = bindings_read(&table, i, from, &b);
        if (result < 0)
            find("called damaged", (int)i, result);
        if (result <= 0)
            continue;
        unsigned kind = (unsigned)(b.text.pattern[1] - '0');
        if (kind >= KINDS || (seen >> kind & 1))
            find("seen twice, or never written", (int)kind, (int)i);
        else
            seen |= 1u << kind;
    }
    uint8_t all_the_time = history[from];
    for (uint64_t v = from; v <= bindings_version(&table); v++)
        all_the_time &= history[v];
    if ((seen & ~history[from]) != 0 || (all_the_time & ~seen) != 0)
        find("what is seen is not what is in effect", seen, history[from]);
}

/* At rest, after somebody mended: as many entries are free as should be. */
static void nothing_leaks(void) {
    (void)bindings_mend(&table);
    if (bindings_mend(&table) != 0)
        find("mended twice", 0, 0);
    look();
    unsigned free = 0;
    for (uint32_t i = 0; i < ROOM; i++)
        free += entry_state(load_relaxed(&table.entries[i].word, stat)) == ENTRY_FREE;
    unsigned expected = ROOM - (unsigned)__builtin_popcount(history[bindings_version(&table)]);
    if (free != expected)
        find("free entries", (int)free, (int)expected);
}

/* A table with 0, 1 and 2 bound, where 2 is in the place of 3, which is not. */
static void begin(void) {
    runs++;
    memset(memory, 0, bindings_bytes(ROOM));
    memset(history, 0, sizeof history);
    kill_at = call_at = NEVER;
    bindings_initialise(memory, ROOM, RP_UNROUTABLE_COUNT, NULL);
    if (bindings_attach(&table, memory, bindings_bytes(ROOM)) < 0)
        abort();
    const struct change first[] = {{true, 0}, {true, 3}, {true, 1}, {false, 3}, {true, 2}};
    for (unsigned i = 0; i < 5; i++)
        (void)change(first[i], NEVER);
}

static const struct change changes[] = {{true, 4}, {false, 1}, {true, 0}, {false, 5}, {false, 2}, {true, 5}};
enum { CHANGES = 6 };

/* ---- the explorations ---- */

/* Whether a defect is noticed needs to be known once. */
static bool enough(void) { return quiet && findings > 0; }

/* The next access to die at: all of them but for the middle of the text, whose words are alike. */
static int next_death(int k, int accesses) { return k == 60 && accesses > 90 ? accesses - 24 : k + 1; }

static void two_deaths(void) {
    for (int a = 0; a < CHANGES; a++)
        for (int b = 0; b < CHANGES && !enough(); b++) {
            begin();
            (void)change(changes[a], NEVER);
            int first = point;
            (void)change(changes[b], NEVER);
            int second = point;
            for (int k = 0; k <= first; k++) {
                begin();
                bool ended = change(changes[a], k);
                look();
                if (ended)
                    (void)change(changes[b], NEVER);
                nothing_leaks();
            }
            for (int k = 0; k < first && !enough(); k = next_death(k, first))
                for (int j = 0; j <= second + 8; j = next_death(j, second)) {
                    begin();
                    (void)change(changes[a], k);
                    (void)change(changes[b], j);
                    look();
                    (void)change((struct change){true, 6}, NEVER);
                    look();
                    nothing_leaks();
                }
        }
}

static void looks_during_a_change(void) {
    for (int a = 0; a < CHANGES && !enough(); a++)
        for (int k = 0; k < 400; k++) {
            begin();
            call = look;
            call_at = k;
            (void)change(changes[a], NEVER);
            nothing_leaks();
        }
}

static struct change planned[3];
static int planned_count, planned_death;

static void planned_changes(void) {
    for (int i = 0; i < planned_count; i++)
        (void)change(planned[i], i == planned_count - 1 ? planned_death : NEVER);
}

/* Entries are used again while somebody reads them. */
static void changes_during_a_look(void) {
    const struct change sequences[][3] = {{{false, 1}, {true, 4}, {false, 0}},
                                          {{false, 2}, {false, 1}, {true, 1}},
                                          {{true, 4}, {false, 4}, {true, 5}},
                                          {{false, 0}, {true, 0}, {false, 2}}};
    for (unsigned s = 0; s < 4 && !enough(); s++)
        for (int count = 1; count <= 3; count++)
            for (int death = 0; death <= 200; death += death < 40 ? 3 : 40)
                for (int k = 0; k < 600; k += 1 + (k % 150 > 12) * 6) {
                    begin();
                    memcpy(planned, sequences[s], sizeof planned);
                    planned_count = count;
                    planned_death = death == 200 ? NEVER : death;
                    call = planned_changes;
                    point = 0;
                    call_at = k;
                    look();
                    call_at = NEVER;
                    look();
                    nothing_leaks();
                }
}

static uint64_t explore(void) {
    findings = 0;
    two_deaths();
    looks_during_a_change();
    changes_during_a_look();
    return findings;
}

/* Each store in turn does nothing. */
static int explore_sites(void) {
    int missed = 0, all[SITES], count;
    (void)explore();
    count = line_count;
    memcpy(all, lines, sizeof all);
    quiet = true;
    for (int i = 0; i < count; i++) {
        site_line = all[i];
        sim_site_defect = SITE_IDLE;
        uint64_t found = explore();
        sim_site_defect = SITE_SOUND;
        printf("bindings.c:%d: %s\n", all[i], found > 0 ? "noticed" : "MISSED");
        missed += found == 0;
    }
    printf("%d stores, %d missed\n", count, missed);
    return missed;
}

int main(int argc, char **argv) {
    memory = aligned_alloc(4096, (bindings_bytes(ROOM) + 4095) / 4096 * 4096);
    if (memory == NULL)
        return 1;
    if (argc > 1 && strcmp(argv[1], "--sites") == 0)
        return explore_sites() > 0;
    uint64_t found = explore();
    printf("%llu runs, %llu findings\n", (unsigned long long)runs, (unsigned long long)found);
    free(memory);
    return found > 0;
}
