/* SPDX-License-Identifier: MIT */
#include "server.h"
#include "../tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LEASH = 3, AWAIT_STEP_MS = 10, SERVER_BASE_MAX = 24 };

/* -- the warden -- */

static _Noreturn void run_server(const char *script) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should somebody kill the warden first */
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(LEASH);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(127);
}

/* The warden adopts whatever its descendants leave behind, so in the end all of them are its own children, wherever they moved themselves. */
static void kill_descendants(pid_t server) {
    kill(-server, SIGKILL);
    for (;;) {
        FILE *children = fopen("/proc/thread-self/children", "re");
        int child;
        while (children != NULL && fscanf(children, "%d", &child) == 1) {
            kill(child, SIGKILL);
        }
        if (children == NULL) {
            return; /* a kernel without this file: those who left the process group stay */
        }
        fclose(children);
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) {
            return;
        }
    }
}

/* Until somebody says something, or nobody is left who could. Reports once that the server ended by itself. */
static void wait_for_the_end(pid_t server, int child_events) {
    struct pollfd watched[] = {{.fd = LEASH, .events = POLLIN}, {.fd = child_events, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (watched[0].revents != 0) {
            return;
        }
        struct signalfd_siginfo event;
        if (watched[1].revents != 0 && read(child_events, &event, sizeof event) > 0) {
            pid_t ended;
            while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {
                if (ended == server) {
                    send(LEASH, "", 1, MSG_NOSIGNAL);
                }
            }
        }
    }
}

static _Noreturn void run_warden(const char *directory, const char *script, int leash) {
    setsid(); /* a Ctrl-C is not for us */
    prctl(PR_SET_PDEATHSIG, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &child, NULL);
    /* Whoever reads our output must not have to wait for the server's end, and no peer's socket may stay open here. */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < LEASH; fd++) {
        dup2(null, fd);
    }
    if (leash != LEASH) {
        dup2(leash, LEASH);
    }
    close_range(LEASH + 1, ~0u, 0);
    if (chdir(directory) == 0) {
        int child_events = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        pid_t server = fork();
        if (server == 0) {
            run_server(script);
        }
        if (server > 0) {
            setpgid(server, server);
            wait_for_the_end(server, child_events);
            kill_descendants(server);
        }
    }
    tree_remove(directory);
    _exit(0);
}

/* -- the benchmark's side -- */

bool server_start(struct server *s, const char *script) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || *base != '/' || strlen(base) > SERVER_BASE_MAX) {
        base = "/tmp";
    }
    snprintf(s->directory, sizeof s->directory, "%s/ringpost-bench-%ld-XXXXXX", base, (long)getpid());
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return false;
    }
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* from the directory on there is a warden who removes it */
    fflush(NULL);
    s->warden = mkdtemp(s->directory) != NULL ? fork() : -1;
    if (s->warden == 0) {
        run_warden(s->directory, script, ends[1]);
    }
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    s->leash = ends[0];
    if (s->warden < 0) {
        rmdir(s->directory);
        close(s->leash);
        s->warden = 0;
        errno = error;
        return false;
    }
    return true;
}

void server_stop(struct server *s) {
    if (s->warden == 0) {
        return;
    }
    send(s->leash, "", 1, MSG_NOSIGNAL); /* not only closed: forked parties may have copies of it */
    while (waitpid(s->warden, NULL, 0) < 0 && errno == EINTR) {
    }
    close(s->leash);
    s->warden = 0;
}

static bool server_runs(const struct server *s) {
    char ended;
    return recv(s->leash, &ended, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* The last line that it wrote to its log. */
static void last_words(const struct server *s, char *text, size_t room) {
    char path[SERVER_DIRECTORY_MAX + 8];
    snprintf(path, sizeof path, "%s/log", s->directory);
    snprintf(text, room, "the server said nothing");
    FILE *log = fopen(path, "re");
    char line[512];
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line != 0) {
            snprintf(text, room, "%.*s", (int)room - 1, line);
        }
    }
    if (log != NULL) {
        fclose(log);
    }
}

int server_free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

int server_connect(const struct server *s, const char *name, int port) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(name != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    const struct sockaddr *address = (const struct sockaddr *)&tcp;
    socklen_t length = sizeof tcp;
    if (name != NULL) {
        snprintf(local.sun_path, sizeof local.sun_path, "%s/%s", s->directory, name);
        address = (const struct sockaddr *)&local;
        length = sizeof local;
    } else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    if (connect(fd, address, length) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool await_server(const struct server *s, const char *name, int port, int seconds) {
    for (int tries = seconds * 1000 / AWAIT_STEP_MS; tries > 0 && server_runs(s); tries--) {
        int fd = server_connect(s, name, port);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = AWAIT_STEP_MS * 1000000}, NULL);
        crew_progress(); /* one that starts slowly is no stall of the run */
    }
    return false;
}

bool server_launch(struct server *s, const char *script, const char *name, int port, int seconds, char why[PEER_WHY_MAX]) {
    if (!server_start(s, script)) {
        snprintf(why, PEER_WHY_MAX, "%s", strerror(errno));
        return false;
    }
    if (await_server(s, name, port, seconds)) {
        return true;
    }
    last_words(s, why, PEER_WHY_MAX);
    server_stop(s);
    return false;
}

bool server_program(const char *name) {
    const char *path = getenv("PATH");
    for (const char *from = path != NULL ? path : "/usr/bin:/bin"; *from != 0;) {
        size_t length = strcspn(from, ":");
        char file[512];
        if (length + strlen(name) + 2 <= sizeof file) {
            snprintf(file, sizeof file, "%.*s/%s", (int)length, from, name);
            if (access(file, X_OK) == 0) {
                return true;
            }
        }
        from += length + (from[length] == ':');
    }
    return false;
}
