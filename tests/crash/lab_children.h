/* SPDX-License-Identifier: MIT */
/* Children of every kind that outlive their parent: each says back what it hears, until it hears the end. */
#ifndef CRASH_LAB_CHILDREN_H
#define CRASH_LAB_CHILDREN_H

#include "lab.h"

#include <linux/sched.h>
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

static inline _Noreturn void echo(const struct peer *test) {
    char byte;
    while (read(test->in, &byte, 1) == 1 && write(test->out, &byte, 1) == 1) {
    }
    _exit(0);
}

static inline _Noreturn void wait_to_be_killed(void) {
    for (;;)
        pause();
}

static inline _Noreturn void become_cat(const struct peer *test) {
    if (dup2(test->in, 0) == 0 && dup2(test->out, 1) == 1)
        execl("/bin/cat", "cat", "-u", (char *)NULL);
    _exit(1);
}

static inline void spawn_cat(const struct peer *test) {
    posix_spawn_file_actions_t files;
    pid_t pid;
    char *arguments[] = {(char *)"cat", (char *)"-u", NULL};
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, test->in, 0);
    posix_spawn_file_actions_adddup2(&files, test->out, 1);
    peer_check(posix_spawn(&pid, "/bin/cat", &files, NULL, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&files);
}

static inline long raw_clone(unsigned long flags) { return syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL); }

/* One child that outlives us. Those that do not run pthread_atfork's handlers are only safe while nobody attaches, as here. */
static inline void bear(const struct peer *test, char kind) {
    pid_t pid;
    switch (kind) {
    case 's': spawn_cat(test); break;
    case 'v':
        if ((pid = vfork()) == 0) {
            if (dup2(test->in, 0) == 0 && dup2(test->out, 1) == 1)
                execl("/bin/cat", "cat", "-u", (char *)NULL);
            _exit(1);
        }
        break;
    case 'e':
        if ((pid = fork()) == 0)
            become_cat(test);
        break;
    case 'g': /* a grandchild whose own parent is gone */
        if ((pid = fork()) == 0) {
            if (fork() == 0)
                echo(test);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        break;
    case 'r':
        if (raw_clone(0) == 0)
            echo(test);
        break;
    case 'F': /* one table of descriptors for both */
        if (raw_clone(CLONE_FILES) == 0)
            echo(test);
        break;
    case '_':
        if (_Fork() == 0)
            echo(test);
        break;
    default:
        if (fork() == 0)
            echo(test);
    }
}

#endif
