/* SPDX-License-Identifier: MIT */
/* Processes on strings. */
#include "create.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_TRACE = 99 };

bool private_names;

uint64_t inode_of(const rp_queue *q) { return q->prober.identity.inode; }

static struct rp_queue_options small(void) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = CAPACITY;
    o.message_bytes = LETTER;
    o.max_groups = 1;
    o.max_participants = SEATS;
    return o;
}

void create_queue(const struct scene *s, rp_queue **q) {
    struct rp_queue_options o = small();
    must(rp_queue_create(s->path, &o, q) == 0);
}

/* As programs do it that do not care who is first. */
static int create_or_open(const struct scene *s, rp_queue **q, struct report *r) {
    struct rp_queue_options o = small();
    int result = rp_queue_create(s->path, &o, q);
    r->created = result == 0;
    return result == -EEXIST ? rp_queue_open(s->path, NULL, q) : result;
}

static int do_act(const struct scene *s, enum act act, rp_queue **q, struct report *r) {
    struct rp_queue_options o = small();
    switch (act) {
    case CREATE: return rp_queue_create(s->path, &o, q);
    case CREATE_OR_OPEN: return create_or_open(s, q, r);
    case OPEN: return rp_queue_open(s->path, NULL, q);
    case CLOSE: return rp_queue_close(*q);
    case REMOVE: return rp_queue_unlink(s->path);
    default: return rp_collect(s->directory);
    }
}

static _Noreturn void puppet(const struct scene *s, enum act act, struct report *r) {
    rp_queue *q = NULL;
    shm_force_private_name = private_names;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(CANNOT_TRACE);
    if (act == CLOSE)
        must(rp_queue_open(s->path, NULL, &q) == 0);
    raise(SIGSTOP);
    r->stage = 1;
    r->result = do_act(s, act, &q, r);
    if (r->result == 0 && q != NULL && act != CLOSE)
        r->inode = inode_of(q);
    r->stage = 2;
    for (;;)
        pause();
}

static int wait_for_stop(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        must(errno == EINTR);
    return status;
}

bool puppet_start(struct puppet *p, unsigned number, const struct scene *s, enum act act) {
    pid_t parent = getpid();
    reports[number] = (struct report){0};
    *p = (struct puppet){.number = number};
    fflush(NULL);
    must((p->pid = fork()) >= 0);
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        puppet(s, act, &reports[number]);
    }
    int status = wait_for_stop(p->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_TRACE)
        return false;
    must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    must(ptrace(PTRACE_SETOPTIONS, p->pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) == 0);
    return true;
}

bool puppet_move(struct puppet *p) {
    const struct report *r = &reports[p->number];
    while (r->stage != 2) {
        must(ptrace(PTRACE_SYSCALL, p->pid, NULL, NULL) == 0);
        int status = wait_for_stop(p->pid);
        must(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
        if (r->stage == 1) {
            p->stops++;
            return true;
        }
    }
    return false;
}

void puppet_move_by(struct puppet *p, unsigned stops) {
    while (stops-- > 0 && puppet_move(p)) {
    }
}

void puppet_finish(struct puppet *p) {
    while (puppet_move(p)) {
    }
}

void puppet_step(struct puppet *p) {
    must(ptrace(PTRACE_SINGLESTEP, p->pid, NULL, NULL) == 0);
    int status = wait_for_stop(p->pid);
    must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

void puppet_kill(struct puppet *p) {
    must(kill(p->pid, SIGKILL) == 0);
    while (!WIFSIGNALED(wait_for_stop(p->pid))) {
    }
    figures.kills++;
}
