/* SPDX-License-Identifier: MIT */
/*
 * ringpost keeper NAME...: a process per queue, so that each sleeps in its own queue until something is due there, and a queue that is damaged
 * takes nobody with it. The first process starts them, looks for new queues (--all, --match), and ends when they have.
 */
#include "cli.h"
#include "keep.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT_GONE 64 /* how a keeper of one queue tells the first process that the queue was removed */
#define LOOK_EVERY_NS (INT64_C(1000) * (int64_t)CLI_NS_PER_MS) /* at new queues */

struct kept {
    char *name;
    pid_t pid;   /* 0: it has ended, and says why it is not started again */
    bool listed; /* the last look into the directory found it */
    struct kept *next;
};

struct keeper {
    const char *pattern; /* queues that are to be found; NULL: those that were named */
    bool verbose;
    bool json;
    int status; /* the worst of those that ended by themselves */
    size_t running;
    struct kept *queues;
};

static void say_mended(const struct keeper *k, const char *name, int mended) {
    if (k->json) {
        cli_json_print(stdout, json_pack("{s:s, s:i}", "queue", name, "mended", mended));
        fflush(stdout);
    } else if (k->verbose) {
        cli_note("%s: %d thing%s mended", name, mended, cli_plural((uint64_t)mended));
    }
}

/* With --all and --match nobody asked for this queue by name: somebody else's, or one that has just gone, is no error. */
static int open_queue(const struct keeper *k, const char *name, rp_queue **out) {
    struct rp_open_options options;
    int result;
    if (!k->pattern)
        return cli_open(name, false, out);
    rp_open_options_init(&options, sizeof options);
    result = rp_queue_open(name, &options, out);
    if (result == -EACCES)
        cli_note("%s: skipped, it belongs to somebody else", name);
    if (result == 0 || result == -EACCES || result == -ENOENT)
        return CLI_DONE;
    return cli_fail(result, "'%s'", name);
}

/* Keeps one queue until a signal, or until it is removed. -> exit status. */
static int keep_queue(const struct keeper *k, const char *name) {
    struct keep keep = {0};
    int result = 0, status = open_queue(k, name, &keep.queue);
    if (!keep.queue)
        return status;
    cli_signals_install(keep.queue);
    if (k->verbose)
        cli_note("%s: kept", name);
    while (cli_stop_count() == 0 && result >= 0) {
        result = keep_house(&keep, -1);
        if (result > 0)
            say_mended(k, name, result);
    }
    cli_signals_release();
    if (result == RP_GONE) {
        cli_note("%s: removed, left", name);
        status = KEPT_GONE;
    } else if (result < 0) {
        status = cli_fail(result, "'%s'", name);
    }
    rp_queue_close(keep.queue);
    return cli_finish(status);
}

static bool start(struct keeper *k, struct kept *queue) {
    pid_t parent = getpid(), pid;
    fflush(stdout);
    pid = fork();
    if (pid < 0) {
        k->status = cli_fail(-errno, "'%s'", queue->name);
        return false;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        _exit(getppid() == parent ? keep_queue(k, queue->name) : CLI_DONE);
    }
    queue->pid = pid;
    k->running++;
    return true;
}

static bool add(struct keeper *k, const char *name) {
    struct kept *queue = calloc(1, sizeof *queue);
    if (!queue || !(queue->name = strdup(name))) {
        free(queue);
        k->status = cli_fail(-ENOMEM, "'%s'", name);
        return false;
    }
    queue->listed = true;
    queue->next = k->queues;
    k->queues = queue;
    return start(k, queue);
}

static int visit(const char *name, void *context) {
    struct keeper *k = context;
    for (struct kept *queue = k->queues; queue; queue = queue->next) {
        if (strcmp(queue->name, name) != 0)
            continue;
        queue->listed = true;
        return 0;
    }
    return add(k, name) ? 0 : 1;
}

/* Forgets queues that have ended and are not listed any more: a new one of that name is to be kept again. */
static void forget(struct keeper *k, bool everything) {
    for (struct kept **link = &k->queues; *link;) {
        struct kept *queue = *link;
        if (!everything && (queue->listed || queue->pid != 0)) {
            link = &queue->next;
            continue;
        }
        *link = queue->next;
        free(queue->name);
        free(queue);
    }
}

static int visit_matching(const char *name, void *context) {
    const struct keeper *k = context;
    return fnmatch(k->pattern, name, 0) == 0 ? visit(name, context) : 0;
}

static void look(struct keeper *k) {
    int result;
    for (struct kept *queue = k->queues; queue; queue = queue->next)
        queue->listed = false;
    result = cli_each_queue(visit_matching, k);
    if (result < 0 && result != -ENOENT)
        k->status = cli_fail(result, "/dev/shm");
    forget(k, false);
}

static void reap(struct keeper *k) {
    pid_t pid;
    int how;
    while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
        for (struct kept *queue = k->queues; queue; queue = queue->next) {
            if (queue->pid != pid)
                continue;
            queue->pid = 0;
            k->running--;
            if (WIFSIGNALED(how))
                cli_error("'%s': its keeper was killed by signal %d", queue->name, WTERMSIG(how));
            how = WIFSIGNALED(how) ? CLI_FAILED : WEXITSTATUS(how);
            queue->listed = how != KEPT_GONE; /* the same name may be another queue already */
            if (how != KEPT_GONE && how > k->status)
                k->status = how;
        }
    }
    forget(k, false);
}

static void stop_all(const struct keeper *k) {
    for (struct kept *queue = k->queues; queue; queue = queue->next) {
        if (queue->pid != 0)
            kill(queue->pid, SIGTERM);
    }
}

static int keep_all(struct keeper *k, const struct operands *names) {
    unsigned seen;
    bool told = false;
    cli_signals_watch_children();
    seen = cli_signals_seen();
    for (size_t i = 0; i < names->count; i++)
        visit(names->value[i], k);
    for (;;) {
        reap(k);
        if (cli_stop_count() > 0 && !told) {
            told = true;
            stop_all(k);
        }
        if (k->pattern && !told)
            look(k);
        if (k->running == 0 && (!k->pattern || told))
            break;
        cli_signals_wait(&seen, k->pattern && !told ? LOOK_EVERY_NS : -1);
    }
    forget(k, true);
    return cli_finish(told ? CLI_DONE : k->status);
}

static int keep(struct keeper *k, const struct operands *names) {
    int status;
    cli_signals_install(NULL); /* before anybody can see that we are there and tell us to stop */
    if (k->pattern || names->count > 1)
        return keep_all(k, names);
    status = keep_queue(k, names->value[0]);
    return status == KEPT_GONE ? CLI_DONE : status;
}

int verb_keeper(int argc, char **argv) {
    struct keeper k = {.status = CLI_DONE};
    bool all = false;
    const struct flag flags[] = {
        CLI_SWITCH("--all", 0, &all, "every queue in /dev/shm, and those that will be made"),
        CLI_FLAG("--match", 0, FLAG_TEXT, &k.pattern, "PATTERN",
                 "every queue whose name matches, such as 'orders.*', and those that will be made"),
        CLI_SWITCH("--verbose", 'v', &k.verbose, "say which queues are kept, and what was mended"),
        CLI_SWITCH("--json", 0, &k.json, "one JSON object a line on stdout each time something was mended"),
    };
    const struct usage usage = {
        .verb = "keeper",
        .synopsis = "NAME... | --all | --match PATTERN [-v] [--json]",
        .about =
            "Keeps house until SIGTERM: messages of dead receivers come back, leases end and delayed messages become ready in\n"
            "time even when nobody is inside a call. Receivers that wait do the same; any number of both may run. A queue\n"
            "that is removed is left, and when none is left the keeper ends.",
        .examples = "  ringpost keeper orders mail &\n  ringpost keeper --all -v",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_max = CLI_OPERANDS_MOST,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (operands.count == 0 && !all && !k.pattern)
        return cli_usage_error("NAME is missing: ringpost keeper %s", usage.synopsis);
    if ((operands.count > 0) + all + (k.pattern != NULL) > 1)
        return cli_usage_error("NAME, --all and --match exclude each other");
    if (all)
        k.pattern = "*";
    return keep(&k, &operands);
}
