/* SPDX-License-Identifier: MIT */
/* A victim, instruction by instruction. */
#include "step.h"
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_TRACE = 99 };
#define INSTRUCTIONS_MAX UINT64_C(20000000) /* an operation that takes more never ends */

static _Noreturn void victim(struct world *w, const struct scenario *s, enum surroundings around) {
    struct victim v = {.world = w};
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(CANNOT_TRACE);
    if (s->bare)
        must(rp_queue_open(w->name, NULL, &v.party.queue) == 0);
    else if (!s->newcomer)
        party_open(&v.party, w->name, s->ack, s->prefetch);
    if (s->ready != NULL)
        s->ready(&v);
    if (around == FULL)
        fill_up(&v);
    raise(SIGSTOP);
    w->book->stage = 1;
    w->book->result = s->act(&v);
    w->book->stage = 2;
    for (;;)
        pause();
}

/* Of the instruction that was just executed an address inside: what changes memory does not jump. */
static uintptr_t last_instruction(pid_t pid) {
#ifdef __x86_64__
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL) - 1;
#else
    (void)pid;
    return 0;
#endif
}

static void keep(struct trace *t, const struct world *w, uintptr_t address) {
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->images = realloc(t->images, t->room * sizeof *t->images);
        must(t->images != NULL);
    }
    struct image *image = &t->images[t->count++];
    *image = (struct image){t->instructions, address, malloc(w->bytes)};
    must(image->bytes != NULL);
    memcpy(image->bytes, w->memory, w->bytes);
}

static bool changed(const struct trace *t, const struct world *w) {
    return memcmp(t->images[t->count - 1].bytes, w->memory, w->bytes) != 0;
}

/* One instruction. Not to the victim's end: it has none of its own. */
static void step(pid_t pid) {
    int status;
    must(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
    while (waitpid(pid, &status, 0) < 0)
        must(errno == EINTR);
    must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

bool trace_take(struct trace *t, struct world *w, const struct scenario *s, enum surroundings around) {
    *t = (struct trace){.enough = t->enough};
    w->book->stage = 0;
    fflush(NULL);
    pid_t tracer = getpid(), pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != tracer)
            _exit(1);
        victim(w, s, around);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        must(errno == EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_TRACE)
        return false;
    must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    if (s->between != NULL)
        s->between(w);
    party_remember(&w->neighbour, &w->neighbour_then);
    while (w->book->stage == 0)
        step(pid);
    keep(t, w, 0);
    while (w->book->stage != 2 && t->count != t->enough) {
        step(pid);
        must(++t->instructions < INSTRUCTIONS_MAX);
        if (changed(t, w))
            keep(t, w, last_instruction(pid));
        if (s->during != NULL && t->count != t->enough)
            s->during(w);
    }
    must(kill(pid, SIGKILL) == 0);
    while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status)) {
    }
    if (w->helper.queue != NULL)
        party_die(&w->helper);
    w->journal = t->journal = journal_take(w);
    return true;
}

void trace_free(struct trace *t) {
    for (size_t i = 0; i < t->count; i++)
        free(t->images[i].bytes);
    free(t->images);
    free(t->journal);
    *t = (struct trace){0};
}

extern const char __executable_start[]; /* the linker's; the victim is a fork of us, so it lies at the same place */

void trace_where(uintptr_t address, char *out, size_t bytes) {
    Dl_info info;
    if (address == 0) {
        snprintf(out, bytes, "before the first instruction");
        return;
    }
    if (dladdr((void *)address, &info) == 0 || info.dli_fbase != (const void *)__executable_start) {
        snprintf(out, bytes, "%#lx", (unsigned long)address);
        return;
    }
    unsigned long offset = (unsigned long)(address - (uintptr_t)__executable_start);
    char command[160], line[200];
    snprintf(command, sizeof command, "addr2line -fsip -e /proc/%d/exe %#lx 2>/dev/null", (int)getpid(), offset);
    size_t used = (size_t)snprintf(out, bytes, "+%#lx", offset);
    FILE *lines = popen(command, "r");
    while (lines != NULL && used < bytes && fgets(line, sizeof line, lines) != NULL) {
        line[strcspn(line, "\n")] = 0;
        used += (size_t)snprintf(out + used, bytes - used, " %s", line);
    }
    if (lines != NULL)
        pclose(lines);
}
