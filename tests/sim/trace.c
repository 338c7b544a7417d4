/* SPDX-License-Identifier: MIT */
/* A readable account of a run: who touched what, what it became, which decisions were made. */
#include "core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tracing;
bool (*trace_word_name)(uint64_t key, char *text, size_t bytes);

/* The line of the last access waits until its effect can be seen. */
static struct {
    bool waits;
    const volatile void *word;
    uint64_t before;
    bool may_change;
    char line[256];
    char place[96];
} last;

static uint64_t value_of(const volatile void *word) {
    return (uintptr_t)word % 8 ? *(const volatile uint32_t *)word : *(const volatile uint64_t *)word;
}

void trace_flush(void) {
    if (!last.waits)
        return;
    last.waits = false;
    uint64_t after = value_of(last.word);
    char effect[64];
    if (!last.may_change)
        snprintf(effect, sizeof effect, "%016llx", (unsigned long long)last.before);
    else if (after == last.before)
        snprintf(effect, sizeof effect, "%016llx unchanged", (unsigned long long)after);
    else
        snprintf(effect, sizeof effect, "%016llx -> %016llx", (unsigned long long)last.before, (unsigned long long)after);
    printf("%s %-36s %s\n", last.line, effect, last.place);
}

static const char *name(unsigned who) {
    static char text[4][12];
    static unsigned turn;
    char *t = text[turn++ % 4];
    if (who == SIM_CREATOR || who == SIM_INTERIM || who == SIM_FINISHER)
        return who == SIM_CREATOR ? "creator" : who == SIM_INTERIM ? "interim" : "finisher";
    snprintf(t, sizeof text[0], "%c", 'A' + (int)who);
    return t;
}

/* Inside the explored part participants have columns of their own; afterwards only calls are shown. */
static bool shows_points(void) { return world.exploring || (world.frozen && world.current < SIM_PARTICIPANTS); }

void trace_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line) {
    trace_flush();
    uint64_t key;
    if (!shows_points() || !word_key(word, &key))
        return;
    char where[64];
    if (!trace_word_name || !trace_word_name(key, where, sizeof where))
        snprintf(where, sizeof where, "word %llx", (unsigned long long)key);
    const char *slash = strrchr(file, '/');
    last.waits = true;
    last.word = word;
    last.may_change = op != SIM_LOAD;
    last.before = value_of(word);
    snprintf(last.line, sizeof last.line, "%s%4u  %-24s %-24s", name(world.current), self()->steps + 1, what, where);
    snprintf(last.place, sizeof last.place, "%s:%d", slash ? slash + 1 : file, line);
}

void trace_platform(const char *what) {
    trace_flush();
    if (shows_points())
        printf("%s%4u  %s\n", name(world.current), self()->steps + 1, what);
}

void trace_text(const char *format, ...) {
    if (!tracing)
        return;
    trace_flush();
    va_list arguments;
    va_start(arguments, format);
    printf("%s       ", world.exploring || strncmp(format, "----", 4) != 0 ? name(world.current) : "");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void sim_note(const char *format, ...) {
    if (!tracing)
        return;
    trace_flush();
    va_list arguments;
    va_start(arguments, format);
    printf("%s       ", name(world.current));
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void trace_decision(unsigned who, const struct option *o) {
    if (!tracing)
        return;
    trace_flush();
    const char *by = who == NO_ONE ? "the beginning" : name(who);
    switch (o->action) {
    case GO_ON: break;
    case SWITCH: printf("    ==== %s: now %s\n", by, name(o->argument)); break;
    case KILL:
        printf("    ==== %s is KILLED%s%s\n", name(o->argument), o->argument == who ? "" : ", seen from ",
               o->argument == who ? "" : by);
        break;
    case FREEZE: printf("    ==== %s is FROZEN\n", by); break;
    case JUMP: printf("    ==== time jumps to %.3f ms\n", (double)(world.now_ns + program->jumps_ns[o->argument]) / 1e6); break;
    }
}
