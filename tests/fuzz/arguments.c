/* SPDX-License-Identifier: MIT */
/*
 * fuzz_arguments: the command with arguments and input that make little sense. It must end, with a status that its manual names, with a word on stderr
 * when it failed, and make nothing that the arguments did not name. In a mount namespace with a /dev/shm of its own; skipped where there is none.
 */
#include "fuzz.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <ringpost/ringpost.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES = 2, ARGUMENTS_MAX = 14, TEXT_ROOM = 1 << 16, PATIENCE_MS = 1500, LONG_PATIENCE_MS = 30000, SKIPPED = 77 };

#define SHM "/dev/shm"
#define WORKING_DIRECTORY "/dev/shm/cwd"

extern char **environ;
static const char *tool;
static uint64_t statuses[256], interrupted;

/* ---- arguments ---- */

/* Verbs, with flags that they know; a '=' where a value belongs. */
static const struct {
    const char *name, *flags[12];
} verbs[] = {
    {"create",
     {"--capacity=", "--message-bytes=", "--lease=", "--max-deliveries=", "--backoff=", "--jitter=", "--overflow=", "--max-groups=",
      "--max-participants=", "--mode=", "--group=", "--json"}},
    {"rm", {"--force", "-f", "--json"}},
    {"ls", {"--json"}},
    {"info", {"--json"}},
    {"send", {"--wait=", "--null", "-0", "--whole", "--print-ids", "--json"}},
    {"receive", {"-n=", "--wait=", "--follow", "--group=", "--no-ack", "--null", "--whole", "--json"}},
    {"work", {"-n=", "-j=", "--wait=", "--group=", "--json"}},
    {"forward", {"-n=", "-j=", "--wait=", "-g=", "--group=", "--json"}},
    {"peek", {"-n=", "--state=", "--group=", "--whole", "--json"}},
    {"dead", {"--json", "--whole", "--dry-run", "--id=", "--limit=", "--reason=", "--group="}},
    {"stat", {"--json"}},
    {"purge", {"--state=", "--group=", "--json"}},
    {"fsck", {"--repair", "--json"}},
    {"gc", {"--json", "--dry-run"}},
    {"help", {"--json"}},
    {"version", {"--json"}},
};
static const char *const flags[] = {"--capacity",
                                    "--message-bytes",
                                    "--lease",
                                    "--max-deliveries",
                                    "--backoff",
                                    "--backoff-factor",
                                    "--jitter",
                                    "--dead-capacity",
                                    "--dead-overflow",
                                    "--overflow",
                                    "--max-groups",
                                    "--max-participants",
                                    "--mode",
                                    "--group",
                                    "--no-prefault",
                                    "--json",
                                    "--whole",
                                    "--dry-run",
                                    "--repair",
                                    "--state",
                                    "-n",
                                    "--wait",
                                    "--follow",
                                    "--no-ack",
                                    "--null",
                                    "-0",
                                    "--force",
                                    "-f",
                                    "--print-ids",
                                    "-j",
                                    "--limit",
                                    "--id",
                                    "--reason",
                                    "--all",
                                    "--",
                                    "--help",
                                    "-h",
                                    "-",
                                    "--watch"};
static const char *const values[] = {"0",
                                     "1",
                                     "2",
                                     "3",
                                     "100",
                                     "-1",
                                     "18446744073709551615",
                                     "18446744073709551616",
                                     "4294967296",
                                     "1e9",
                                     "0x10",
                                     "1ms",
                                     "5s",
                                     "1us",
                                     "2h",
                                     "99999d",
                                     "1.5s",
                                     "1 s",
                                     "forever",
                                     "none",
                                     "1KiB",
                                     "64MiB",
                                     "16EiB",
                                     "1..2",
                                     "1ms..1s",
                                     "..",
                                     "reject",
                                     "block",
                                     "drop-oldest",
                                     "refuse",
                                     "0660",
                                     "0999",
                                     "ready",
                                     "ready,dead",
                                     "all",
                                     ",",
                                     "",
                                     "nan",
                                     "inf",
                                     "0.5",
                                     "1e400",
                                     "root",
                                     "default"};
static const char *const names[] = {"a",        "b", "full", "no.such", "/dev/shm/ringpost.a",
                                    "/dev/shm", "/", "..",   "~x",      "/proc/self/mem"};
static const char *const commands[] = {"true", "false", "cat", "/no/such/command"};

#define PICK(r, table) ((table)[take8(r) % (sizeof(table) / sizeof(table)[0])])

struct line {
    char *argv[ARGUMENTS_MAX + 8];
    int argc;
    char room[TEXT_ROOM]; /* of made-up arguments */
    size_t used;
};

static void add(struct line *l, const char *text) {
    if (l->argc < ARGUMENTS_MAX + 6)
        l->argv[l->argc++] = (char *)(uintptr_t)text;
    l->argv[l->argc] = NULL;
}

/* Any bytes but 0, now and then very many. */
static const char *made_up(struct line *l, struct reader *r) {
    uint8_t how = take8(r);
    size_t bytes = how < 250 ? how % 12 : 4000;
    uint64_t state = take8(r) + 1;
    char *text = l->room + l->used;
    if (l->used + bytes + 1 > sizeof l->room)
        return "";
    for (size_t i = 0; i < bytes; i++) {
        dice(&state);
        text[i] = how & 1 ? (char)(1 + state % 255) : "abc-=.~09%\xc3\xa4"[state % 12];
    }
    text[bytes] = 0;
    l->used += bytes + 1;
    return text;
}

static const char *joined(struct line *l, const char *flag, const char *value) {
    char *text = l->room + l->used;
    size_t room = sizeof l->room - l->used;
    int bytes = snprintf(text, room, "%s=%s", flag, value);
    if ((size_t)bytes >= room)
        return flag;
    l->used += (size_t)bytes + 1;
    return text;
}

static void add_one(struct line *l, struct reader *r) {
    const char *flag;
    switch (take8(r) % 8) {
    case 0:
    case 1: add(l, PICK(r, flags)); return;
    case 2:
        add(l, PICK(r, flags));
        add(l, PICK(r, values));
        return;
    case 3:
        flag = PICK(r, flags);
        add(l, joined(l, flag, PICK(r, values)));
        return;
    case 4: add(l, PICK(r, values)); return;
    case 5: add(l, PICK(r, names)); return;
    default: add(l, made_up(l, r));
    }
}

static void add_known(struct line *l, struct reader *r, const char *const *known) {
    unsigned count = 0;
    while (count < 12 && known[count] != NULL)
        count++;
    const char *flag = known[take8(r) % count];
    size_t bytes = strlen(flag);
    if (flag[bytes - 1] != '=') {
        add(l, flag);
        return;
    }
    char *text = l->room + l->used;
    l->used += bytes;
    memcpy(text, flag, bytes - 1);
    text[bytes - 1] = 0;
    add(l, text);
    add(l, PICK(r, values));
}

/* A line that makes some sense more often than chance would have it. */
static void make_line(struct line *l, struct reader *r) {
    static const uint8_t known[] = {0, 0, 0, 0, 1, 1, 1, 2}, any[] = {0, 0, 0, 0, 0, 1, 2, 6};
    uint8_t how = take8(r), which = take8(r) % (sizeof verbs / sizeof verbs[0]);
    const char *verb = verbs[which].name;
    bool dead = strcmp(verb, "dead") == 0, forward = strcmp(verb, "forward") == 0, work = forward || strcmp(verb, "work") == 0;
    l->argc = 0;
    l->used = 0;
    add(l, tool);
    if (how % 32 != 31)
        add(l, verb);
    if (dead)
        add(l, ((const char *const[]){"ls", "show", "redrive", "purge"})[how % 4]);
    if (how % 8 != 7)
        add(l, PICK(r, names));
    if (forward && how % 4 != 3)
        add(l, PICK(r, names));
    for (unsigned count = known[how >> 5]; count > 0; count--)
        add_known(l, r, verbs[which].flags);
    for (unsigned count = any[take8(r) % 8]; count > 0; count--)
        add_one(l, r);
    if ((work || strcmp(verb, "receive") == 0) && how % 16 != 0) { /* mostly it need not be told to stop */
        add(l, "--wait");
        add(l, "1ms");
    }
    if (work) {
        add(l, "--");
        add(l, PICK(r, commands));
    }
}

/* ---- what it reads and writes ---- */

static int file_of(const char *name) {
    int fd = memfd_create(name, 0);
    must(fd >= 0);
    return fd;
}

static int make_input(struct reader *r) {
    int fd = file_of("stdin");
    uint8_t how = take8(r);
    uint64_t state = take8(r) + 1;
    size_t bytes = how % 4 == 0 ? 0 : how % 4 == 1 ? how : how % 4 == 2 ? 5000 : 200000;
    char *text = malloc(bytes + 1);
    must(text != NULL);
    for (size_t i = 0; i < bytes; i++) {
        dice(&state);
        uint64_t lines = how & 16 ? (state % 64 == 0 ? (uint64_t)'\n' : 'x') : how & 32 ? state % 2 * '\n' : 'y';
        text[i] = (char)(how & 8 ? state : lines);
    }
    must(write(fd, text, bytes) == (ssize_t)bytes && lseek(fd, 0, SEEK_SET) == 0);
    free(text);
    return fd;
}

/* ---- running it ---- */

static bool ends_within(int pidfd, int ms) { return poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, ms) == 1; }

/* -> its status as waitpid tells it. `*told`: it had to be told to stop. */
static int run_line(const struct line *l, int in, int err, bool *told) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    int result = posix_spawn(&pid, tool, &actions, NULL, l->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (result != 0)
        finding("cannot run %s: %s", tool, strerror(result));
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    must(pidfd >= 0);
    *told = !ends_within(pidfd, PATIENCE_MS);
    if (*told)
        kill(pid, SIGTERM);
    if (*told && !ends_within(pidfd, LONG_PATIENCE_MS)) {
        kill(pid, SIGKILL);
        finding("the command does not stop when it is told to");
    }
    close(pidfd);
    must(waitpid(pid, &status, 0) == pid);
    return status;
}

static void say_line(const struct line *l) {
    fprintf(stderr, "\nringpost");
    for (int i = 1; i < l->argc; i++)
        fprintf(stderr, " '%.200s'", l->argv[i]);
    fprintf(stderr, "\n");
}

static bool named(const struct line *l, const char *entry) {
    for (int i = 1; i < l->argc; i++) {
        const char *last = strrchr(l->argv[i], '/');
        if ((last != NULL && strcmp(last + 1, entry) == 0) ||
            (strncmp(entry, "ringpost.", 9) == 0 && strcmp(l->argv[i], entry + 9) == 0))
            return true;
    }
    return false;
}

/* What is in /dev/shm: ours, or named on one of the lines. */
static void check_files(const struct line *lines, int count) {
    DIR *entries = opendir(SHM);
    must(entries != NULL);
    for (struct dirent *e; (e = readdir(entries));) {
        bool ours = e->d_name[0] == '.' || strcmp(e->d_name, "cwd") == 0 || strcmp(e->d_name, "ringpost.a") == 0 ||
                    strcmp(e->d_name, "ringpost.full") == 0;
        for (int i = 0; i < count && !ours; i++)
            ours = named(&lines[i], e->d_name);
        if (!ours) {
            say_line(&lines[count - 1]);
            finding("it made %s, which nobody named", e->d_name);
        }
    }
    closedir(entries);
    must(scratch_count(&(struct scratch){.directory = WORKING_DIRECTORY}, 0) == 0);
}

static void check_end(const struct line *l, int status, int err, bool told) {
    char text[4096] = "";
    ssize_t bytes = pread(err, text, sizeof text - 1, 0);
    int exited = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool stopped = told && (exited == 128 + SIGTERM || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
    interrupted += told;
    if (!stopped && (exited < 0 || exited > 7)) {
        say_line(l);
        finding("it ended with status %#x: %s", (unsigned)status, text);
    }
    if (exited > 0 && exited != 3 && !stopped && bytes <= 0) {
        say_line(l);
        finding("it ended with %d and said nothing", exited);
    }
    if (exited >= 0)
        statuses[exited]++;
}

/* ---- */

static void remove_all(void) {
    DIR *entries = opendir(SHM);
    must(entries != NULL);
    for (struct dirent *e; (e = readdir(entries));)
        if (e->d_type != DT_DIR)
            unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
}

/* A queue with some messages, one of them dead, and one that is full. */
static void make_queues(void) {
    struct rp_queue_options o;
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 8;
    o.max_participants = 8;
    o.message_bytes = 100;
    for (int i = 0; i < 2; i++) {
        must(rp_queue_create(i == 0 ? "a" : "full", &o, &q) == 0);
        must(rp_producer_open(q, NULL, &p) == 0 && rp_consumer_open(q, NULL, &c) == 0);
        for (int k = 0; k < 4; k++)
            must(rp_send(p, "\x1b[31m\xff", 7, NULL) == 0);
        must(rp_receive(c, &m, 0) == 0 && rp_reject(c, &m, "\x07 bad") == 0);
        while (i == 1 && rp_send(p, "full", 4, NULL) == 0) {
        }
        rp_producer_close(p);
        rp_consumer_close(c);
        must(rp_queue_close(q) == 0);
    }
}

static void arguments_run(const uint8_t *data, size_t size) {
    static struct line lines[LINES];
    struct reader r = {data, data + size};
    remove_all();
    make_queues();
    for (int i = 0; i < LINES; i++) {
        make_line(&lines[i], &r);
        int in = make_input(&r), err = file_of("stderr");
        bool told;
        int status = run_line(&lines[i], in, err, &told);
        check_end(&lines[i], status, err, told);
        check_files(lines, i + 1);
        close(in);
        close(err);
    }
}

static void arguments_start(void) {
    tool = getenv("RINGPOST");
    if (tool == NULL)
        tool = RINGPOST_TOOL;
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        printf("skipped: no mount namespace: %s\n", strerror(errno));
        exit(SKIPPED);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("shm", SHM, "tmpfs", 0, "size=8m") != 0) {
        printf("skipped: no /dev/shm of our own: %s\n", strerror(errno));
        exit(SKIPPED);
    }
    must(mkdir(WORKING_DIRECTORY, 0700) == 0 && chdir(WORKING_DIRECTORY) == 0);
    setenv("ASAN_OPTIONS", "exitcode=99", 1); /* not a status of the command */
    setenv("UBSAN_OPTIONS", "exitcode=99", 1);
}

static void nothing(void) {}

static void arguments_summary(void) {
    for (int i = 0; i < 256; i++)
        if (statuses[i] > 0)
            printf("status %d: %llu  ", i, (unsigned long long)statuses[i]);
    printf("told to stop: %llu\n", (unsigned long long)interrupted);
}

const struct fuzz_target fuzz_target = {
    .name = "arguments",
    .prepare = nothing,
    .clean = nothing,
    .start = arguments_start,
    .run = arguments_run,
    .stop = nothing,
    .summary = arguments_summary,
};
