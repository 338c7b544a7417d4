/* SPDX-License-Identifier: MIT */
/* A whole durable queue: ends of power, of processes, and calls that fail. */
#include "machine.h"
#include "scenarios.h"
#include "user.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHORT = 20 /* calls */, FULL = 60 };

/* Locks are pinned by mappings; a file of this disk cannot be mapped, and has no locks. */
int __real_shm_map(int fd, size_t bytes, bool read_only, void **memory);
int __wrap_shm_map(int fd, size_t bytes, bool read_only, void **memory);
int __wrap_shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    if (!disk_has(fd))
        return __real_shm_map(fd, bytes, read_only, memory);
    *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return *memory == MAP_FAILED ? -1 : 0;
}

static enum disk_fate any_fate(void) { return (enum disk_fate)(disk_random() % DISK_FATES); }

/* The machine fails, whoever is still there, and is on again. */
static void fail_machine(struct user *u, enum disk_fate fate) {
    books_say("power is lost%s", disk_is_off() ? ", in the middle of a call" : "");
    disk_cut_power();
    user_leave(u);
    user_forget();
    disk_restart(fate);
    machine_boot();
}

/* Everybody leaves, and somebody removes what is in memory. The disk is on: what is read next may not be on it. */
static void forget(struct user *u) {
    books_say("memory is removed");
    user_leave(u);
    user_forget();
}

/* ---- a begin that many runs have ---- */

struct begin {
    struct books books;
    struct disk_copy *disk;
    bool no_direct;
};

static bool with_past; /* scenarios of groups that begin in the past */

static void begin(struct begin *b, uint64_t seed) {
    struct user u;
    if (books == NULL)
        books = machine_shared(sizeof *books);
    disk_reset(seed);
    b->no_direct = seed / 6 % 2 == 1;
    if (b->no_direct)
        disk_refuse_direct();
    books_begin(RP_SYNC_ALWAYS + (uint32_t)(seed % 3), seed);
    books->past = with_past;
    if (user_start(&u)) {
        if (seed / 3 % 2)
            user_fill(&u, FULL);
        else
            user_live(&u, SHORT);
        user_flush_and_look(&u);
    }
    fail_machine(&u, any_fate());
    b->books = *books;
    b->disk = disk_save();
}

static void again(const struct begin *b, uint64_t seed) {
    disk_load(b->disk);
    if (b->no_direct)
        disk_refuse_direct();
    disk_seed(seed);
    *books = b->books;
}

static void end_begin(struct begin *b, struct ledger *l) {
    disk_free(b->disk);
    if (books->wrong[0])
        ledger_wrong(l, "%s", books->wrong);
}

/* A life, and the end of the machine. Without an end the life is a whole one. -> did it come so far? */
static bool live(uint64_t end, int calls, enum disk_fate fate) {
    struct user u;
    disk_end_at(end);
    if (user_start(&u))
        user_live(&u, calls);
    if (end == 0 && u.p != NULL)
        user_flush_and_look(&u);
    bool ended = disk_is_off();
    if (!ended && disk_random() % 4 == 0)
        forget(&u);
    else
        fail_machine(&u, fate);
    return ended;
}

/* What was there is there, and can be used up; afterwards nothing is there any more. */
static void end_well(void) {
    struct user u;
    if (books->wrong[0])
        return;
    (void)live(0, SHORT / 2, any_fate());
    if (user_start(&u))
        user_empty(&u);
    fail_machine(&u, any_fate());
    (void)live(0, 0, any_fate());
}

/* ---- scenarios ---- */

uint64_t scenario_queue_power(uint64_t seed, struct ledger *l) {
    static struct begin b;
    uint64_t looks = 0;
    begin(&b, seed);
    for (int fate = 0; fate < DISK_FATES; fate++) {
        bool ended = true;
        for (uint64_t end = 1; ended && !books->wrong[0]; end++, looks++) {
            again(&b, seed + end);
            ended = live(end, SHORT, (enum disk_fate)fate);
            while (!books->wrong[0] && disk_random() % 3 != 0) /* power is lost again, soon */
                (void)live(1 + disk_random() % 40, SHORT, any_fate());
            end_well();
        }
    }
    end_begin(&b, l);
    return looks;
}

/* A child that uses the queue until it comes to an end. -> its pid */
static pid_t fork_user(enum disk_end how, uint64_t end, int calls) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct user u;
    disk_end_with(how, end);
    if (user_join(&u, 1))
        user_live(&u, calls);
    user_leave(&u);
    _exit(0);
}

/* -> did it come to its end? */
static bool wait_for_user(pid_t pid) {
    int status;
    if (waitpid(pid, &status, WUNTRACED) != pid)
        abort();
    if (!WIFSTOPPED(status) && !(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DISK_KILLED)) &&
        !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        books_wrong("a user died: status %#x", (unsigned)status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t scenario_queue_kill(uint64_t seed, struct ledger *l) {
    static struct begin b;
    uint64_t looks = 0;
    bool whole = false;
    begin(&b, seed);
    for (uint64_t end = 1; !whole && !books->wrong[0]; end++, looks++) {
        struct user u;
        again(&b, seed + end);
        if (user_start(&u)) {
            whole = wait_for_user(fork_user(DISK_KILL, end, SHORT));
            disk_end_at(0);
            books_user_died();
            rp_queue_sweep(u.q);
            if (disk_random() % 2 == 0)
                user_live(&u, (int)(disk_random() % SHORT));
            if (disk_random() % 2 == 0)
                user_flush_and_look(&u);
        }
        fail_machine(&u, any_fate());
        end_well();
    }
    end_begin(&b, l);
    return looks;
}

uint64_t scenario_queue_ghost(uint64_t seed, struct ledger *l) {
    static struct begin b;
    uint64_t looks = 0;
    bool whole = false;
    begin(&b, seed);
    for (uint64_t end = 1; !whole && !books->wrong[0]; end++, looks++) {
        struct user u;
        again(&b, seed + end);
        if (user_start(&u)) {
            pid_t pid = fork_user(DISK_STOP, end, SHORT);
            whole = wait_for_user(pid);
            disk_end_at(0);
            user_live(&u, (int)(disk_random() % SHORT));
            if (disk_random() % 2 == 0)
                user_flush_and_look(&u);
            if (!whole) {
                kill(pid, disk_random() % 4 == 0 ? SIGKILL : SIGCONT);
                if (!wait_for_user(pid))
                    books_user_died();
                user_live(&u, (int)(disk_random() % SHORT));
            }
        }
        fail_machine(&u, any_fate());
        end_well();
    }
    end_begin(&b, l);
    return looks;
}

/* One who has the queue in another memory, idle, and whose journal is taken over. */
uint64_t scenario_queue_places(uint64_t seed, struct ledger *l) {
    static struct begin b;
    struct user idle, u;
    begin(&b, seed);
    again(&b, seed);
    if (!books->wrong[0] && user_start(&idle)) {
        user_hide();
        if (user_start(&u)) {
            user_live(&u, SHORT);
            user_change_places();
            user_is_refused(&idle);
            user_change_places();
            user_live(&u, SHORT);
        }
        fail_machine(&u, any_fate());
        user_show();
        fail_machine(&idle, any_fate());
    }
    end_well();
    end_begin(&b, l);
    return 1;
}

uint64_t scenario_queue_faults(uint64_t seed, struct ledger *l) {
    static struct begin b;
    uint64_t looks = 0;
    begin(&b, seed);
    for (int fault = 0; fault < DISK_FAULTS; fault++) {
        bool reached = true;
        for (uint64_t call = 1; reached && !books->wrong[0]; call++, looks++) {
            struct user u;
            again(&b, seed + call);
            uint64_t before = disk_calls();
            books->faulty = true;
            disk_fail_at(call, (enum disk_fault)fault);
            disk_fail_for(disk_random() % 2 ? 1 : 1 + disk_random() % 40);
            if (disk_random() % 2)
                disk_end_at(1 + disk_random() % 60); /* and then power is lost, before all is mended */
            bool started = user_start(&u);
            if (started)
                user_live(&u, SHORT);
            reached = disk_is_off() || disk_calls() >= before + call;
            disk_fail_at(0, DISK_EIO);
            machine_pass(UINT64_C(1000000000)); /* after that it is tried again */
            if (started && !user_flush_and_look(&u) && !disk_is_off())
                books_wrong("the disk works again, and the journal does not");
            books->faulty = false;
            fail_machine(&u, any_fate());
            end_well();
        }
    }
    end_begin(&b, l);
    return looks;
}

static uint64_t of_past(uint64_t (*scenario)(uint64_t, struct ledger *), uint64_t seed, struct ledger *l) {
    with_past = true;
    uint64_t looks = scenario(seed, l);
    with_past = false;
    return looks;
}
uint64_t scenario_past_power(uint64_t seed, struct ledger *l) { return of_past(scenario_queue_power, seed, l); }
uint64_t scenario_past_kill(uint64_t seed, struct ledger *l) { return of_past(scenario_queue_kill, seed, l); }
uint64_t scenario_past_ghost(uint64_t seed, struct ledger *l) { return of_past(scenario_queue_ghost, seed, l); }
uint64_t scenario_past_faults(uint64_t seed, struct ledger *l) { return of_past(scenario_queue_faults, seed, l); }
