/* SPDX-License-Identifier: MIT */
/* Ends of power, of processes, and calls that fail. */
#include "scenarios.h"

#include <string.h>

const struct scenario scenarios[] = {
    {"power", scenario_power, "power is lost at every change, and again while the next program starts"},
    {"choices", scenario_choices, "power is lost at every change of a short run, and all that a disk could make of it is tried"},
    {"ghost", scenario_ghost, "a process is stopped at every change; others go on; it comes back and writes; then power is lost"},
    {"faults", scenario_faults, "every call fails once, in every way"},
    {"damage", scenario_damage, "a disk loses what was on it; what is left is read and repaired"},
    {"forge", scenario_forge, "parts of one journal get into another, and checks are made right"},
    {"queue-power", scenario_queue_power, "a whole queue: power is lost at every change, and again while it is brought back"},
    {"queue-kill", scenario_queue_kill, "one of its users is killed at every change; others go on; then power is lost"},
    {"queue-ghost", scenario_queue_ghost, "one is stopped at every change; others go on; it goes on, too; then power is lost"},
    {"queue-places", scenario_queue_places, "the same queue in two memories, with one journal"},
    {"queue-faults", scenario_queue_faults, "every call fails once, in every way"},
    {"past-power", scenario_past_power, "queue-power, with groups that begin in the past"},
    {"past-kill", scenario_past_kill, "queue-kill, with such groups"},
    {"past-ghost", scenario_past_ghost, "queue-ghost, with such groups"},
    {"past-faults", scenario_past_faults, "queue-faults, with such groups"},
    {0},
};

void ledger_begin(struct ledger *l) {
    memset(l, 0, sizeof *l);
    l->first = 1;
}

static enum disk_fate any_fate(void) { return (enum disk_fate)(disk_random() % DISK_FATES); }

/* The last life is a whole one, and then all is read once more, also after power was lost. */
static void end_well(struct ledger *l, enum crew_habit habit) {
    struct writer w;
    if (l->wrong[0])
        return;
    (void)writer_live(&w, l, habit, 4);
    writer_close(&w);
    disk_restart(any_fate());
    if (!l->wrong[0])
        ledger_check(l, true);
}

/* A life that ends at change number `end` (0: not), then whatever comes. -> was the end reached? */
static bool life_until(struct ledger *l, enum crew_habit habit, uint64_t end, int steps) {
    struct writer w;
    disk_end_at(end);
    bool whole = writer_live(&w, l, habit, steps);
    bool ended = disk_is_off();
    writer_close(&w);
    disk_end_at(0);
    return !whole && ended;
}

uint64_t scenario_power(uint64_t seed, struct ledger *l) {
    enum { STEPS = 10 };
    uint64_t looks = 0;
    for (int habit = 0; habit < CREW_HABITS; habit++) {
        for (int fate = 0; fate < DISK_FATES; fate++) {
            bool ended = true;
            for (uint64_t end = 1; ended && !l->wrong[0]; end++, looks++) {
                ledger_begin(l);
                disk_reset(seed * 1000 + (uint64_t)habit);
                ended = life_until(l, (enum crew_habit)habit, end, STEPS);
                disk_restart((enum disk_fate)fate);
                if (!l->wrong[0])
                    ledger_check(l, true);
                while (!l->wrong[0] && disk_random() % 3 != 0) { /* power is lost again, soon */
                    life_until(l, (enum crew_habit)habit, 1 + disk_random() % 30, STEPS);
                    disk_restart(any_fate());
                }
                end_well(l, (enum crew_habit)habit);
            }
            if (l->wrong[0])
                return looks;
        }
    }
    return looks;
}

/* Counts up. -> false: that was the last */
static bool next_choice(unsigned *choices, const unsigned *counts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (++choices[i] < counts[i])
            return true;
        choices[i] = 0;
    }
    return false;
}

uint64_t scenario_choices(uint64_t seed, struct ledger *l) {
    enum { STEPS = 3, PLACES = 24, TRIES = 3000 };
    uint64_t looks = 0;
    bool ended = true;
    enum crew_habit habit = (enum crew_habit)(seed % CREW_HABITS);
    for (uint64_t end = 1; ended && !l->wrong[0]; end++) {
        unsigned choices[PLACES] = {0}, counts[PLACES];
        size_t places;
        int tries = 0;
        do {
            ledger_begin(l);
            disk_reset(seed);
            life_until(l, habit, 0, 1); /* some that is old */
            disk_restart(DISK_FORGETS);
            ended = life_until(l, habit, end, STEPS);
            places = disk_restart_chosen(choices, PLACES, counts, PLACES);
            if (!l->wrong[0])
                ledger_check(l, true);
            looks++;
        } while (!l->wrong[0] && ++tries < TRIES && next_choice(choices, counts, places < PLACES ? places : PLACES));
    }
    return looks;
}

uint64_t scenario_ghost(uint64_t seed, struct ledger *l) {
    enum { STEPS = 8, LONG = 80 };
    uint64_t looks = 0;
    bool ended = true;
    for (uint64_t end = 1; ended && !l->wrong[0]; end++, looks++) {
        struct writer ghost, w;
        enum crew_habit habit = (enum crew_habit)((seed + end) % CREW_HABITS);
        ledger_begin(l);
        disk_reset(seed);
        disk_end_at(end);
        (void)writer_live(&ghost, l, habit, STEPS);
        ended = disk_is_off();
        disk_on();
        if (ended && !l->wrong[0]) {
            uint64_t when = disk_random() % 4;
            if (when == 0)
                writer_haunt(&ghost, false);
            (void)writer_live(&w, l, habit,
                              (int)(disk_random() % (disk_random() % 4 ? STEPS : LONG))); /* its file may go meanwhile */
            if (when == 1)
                writer_haunt(&ghost, true);
            if (!l->wrong[0])
                ledger_check(l, true);
            writer_close(&w);
            if (when == 2)
                writer_haunt(&ghost, true);
            if (!l->wrong[0] && disk_random() % 2 == 0) {
                (void)writer_live(&w, l, habit, STEPS / 2);
                writer_close(&w);
            }
            if (when == 3)
                writer_haunt(&ghost, true);
        }
        writer_close(&ghost);
        disk_restart(any_fate());
        end_well(l, habit);
    }
    return looks;
}

uint64_t scenario_faults(uint64_t seed, struct ledger *l) {
    enum { STEPS = 10 };
    uint64_t looks = 0;
    for (int fault = 0; fault < DISK_FAULTS; fault++) {
        for (int habit = 0; habit < CREW_HABITS; habit++) {
            bool reached = true;
            for (uint64_t call = 1; reached && !l->wrong[0]; call++, looks++) {
                ledger_begin(l);
                disk_reset(seed);
                life_until(l, (enum crew_habit)habit, 0, 2);
                uint64_t before = disk_calls();
                disk_fail_at(call, (enum disk_fault)fault);
                life_until(l, (enum crew_habit)habit, 0, STEPS);
                reached = disk_calls() >= before + call;
                disk_fail_at(0, DISK_EIO);
                disk_restart(disk_random() % 2 ? DISK_FORGETS : DISK_MIXES);
                end_well(l, (enum crew_habit)habit);
            }
            if (l->wrong[0])
                return looks;
        }
    }
    return looks;
}
