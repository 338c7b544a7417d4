/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t guard_pid;
static int guard_pipe = -1;

static _Noreturn void guard(int pipe_end) {
    char word;
    ssize_t n;
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_NAME, "ringpost-guard");
    setpgid(0, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (null >= 0) { /* whoever reads the worker's output shall not wait for us */
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    do {
        n = read(pipe_end, &word, 1);
    } while (n < 0 && errno == EINTR);
    if (n != 1)
        kill(0, SIGKILL);
    _exit(0);
}

int guard_start(void) {
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    pid = fork();
    if (pid < 0) {
        int result = -errno;
        close(ends[0]);
        close(ends[1]);
        return result;
    }
    if (pid == 0) {
        close(ends[1]);
        guard(ends[0]);
    }
    close(ends[0]);
    setpgid(pid, pid); /* both sides do, so that it is done when either goes on */
    guard_pid = pid;
    guard_pipe = ends[1];
    return 0;
}

pid_t guard_group(void) { return guard_pid; }

bool guard_is(pid_t pid) {
    if (pid != guard_pid || pid == 0)
        return false;
    guard_pid = 0;
    return true;
}

void guard_stop(void) {
    if (guard_pipe < 0)
        return;
    if (write(guard_pipe, "q", 1) == 1 && guard_pid > 0) {
        while (waitpid(guard_pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close(guard_pipe);
    guard_pipe = -1;
    guard_pid = 0;
}
