/* SPDX-License-Identifier: MIT */
/* Starts a command: the payload is its stdin, RINGPOST_* its environment. */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The payload as a file in memory: no pipe that could fill up, and the command may read it, seek in it, or let it be. */
static int open_payload(const struct rp_message *m) {
    const char *data = m->data;
    size_t done = 0;
    int fd = memfd_create("ringpost-message", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (done < m->bytes) {
        ssize_t n = write(fd, data + done, m->bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int result = -errno;
            close(fd);
            return result;
        }
        done += (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void set_number(const char *name, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    setenv(name, text, 1);
}

static void copy_key(struct job *job) {
    const struct rp_message *m = &job->message;
    if (!m->key || m->key_bytes > RP_KEY_MAX || memchr(m->key, '\0', m->key_bytes))
        return;
    memcpy(job->key, m->key, m->key_bytes);
}

static void set_environment(const struct worker *w, const struct job *job, struct header_environment *headers) {
    const struct rp_message *m = &job->message;
    setenv("RINGPOST_QUEUE", w->name, 1);
    setenv("RINGPOST_GROUP", w->group ? w->group : "default", 1);
    set_number("RINGPOST_ID", m->id);
    set_number("RINGPOST_DELIVERIES", m->deliveries);
    set_number("RINGPOST_ACQUISITIONS", m->acquisitions);
    set_number("RINGPOST_SENT_NS", m->sent_ns);
    set_number("RINGPOST_BYTES", m->bytes);
    unsetenv("RINGPOST_FAILURE"); /* a worker may be run by a worker */
    unsetenv("RINGPOST_FAILURE_TEXT");
    if (job->failure.kind != RP_FAILURE_NONE) {
        setenv("RINGPOST_FAILURE", cli_failure_name(job->failure.kind), 1);
        setenv("RINGPOST_FAILURE_TEXT", job->failure.text, 1);
    }
    set_number("RINGPOST_PRIORITY", m->priority);
    if (job->key[0]) {
        setenv("RINGPOST_KEY", job->key, 1);
    } else {
        unsetenv("RINGPOST_KEY"); /* an outer worker's, perhaps */
    }
    header_environment_set(headers, !w->no_trace);
}

/* In the child: every signal is still blocked. Reports on `report` why it could not become the command. */
static _Noreturn void become_command(const struct worker *w, const struct job *job, struct header_environment *headers, int payload,
                                     int report, pid_t parent) {
    int error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (setpgid(0, guard_group()) != 0)
        setpgid(0, 0);
    set_environment(w, job, headers);
    if (dup2(payload, STDIN_FILENO) < 0 || (job->output >= 0 && dup2(job->output, STDOUT_FILENO) < 0)) {
        error = errno;
    } else {
        cli_signals_reset_in_child();
        execvp(w->command[0], w->command);
        error = errno;
    }
    while (write(report, &error, sizeof error) < 0 && errno == EINTR)
        continue;
    _exit(127);
}

/* What the child reports: nothing, because exec closed the pipe, or why it failed. */
static int read_report(int fd, pid_t child) {
    int error = 0;
    ssize_t n;
    do {
        n = read(fd, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof error)
        return 0;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return -error;
}

static int fork_command(const struct worker *w, struct job *job, int payload, const int report[2]) {
    sigset_t all, before;
    pid_t parent = getpid();
    int result = 0;
    struct header_environment *headers = header_environment_make(&job->message.headers);
    if (!headers)
        return -ENOMEM;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* no handler of ours may run in the child */
    job->pid = fork();
    if (job->pid == 0) {
        close(report[0]);
        become_command(w, job, headers, payload, report[1], parent);
    }
    if (job->pid < 0) {
        result = -errno;
        job->pid = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(headers);
    return result;
}

int work_start(const struct worker *w, struct job *job) {
    int report[2];
    int result, payload = open_payload(&job->message);
    if (payload < 0)
        return payload;
    if (w->outlet.name && (job->output = outlet_file()) < 0) {
        close(payload);
        return job->output;
    }
    if (pipe2(report, O_CLOEXEC) != 0) {
        result = -errno;
        close(payload);
        return result;
    }
    if (rp_message_failure(w->consumer, &job->message, &job->failure) != 0)
        job->failure.kind = RP_FAILURE_NONE;
    copy_key(job);
    fflush(stdout);
    result = fork_command(w, job, payload, report);
    close(payload);
    close(report[1]);
    if (result == 0)
        result = read_report(report[0], job->pid);
    close(report[0]);
    if (result < 0)
        job->pid = 0;
    return result;
}
