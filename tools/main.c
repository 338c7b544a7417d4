/* SPDX-License-Identifier: MIT */
/* The command: finds the verb and runs it. */
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

const struct verb cli_verbs[] = {
    {"create", "make a queue", verb_create},
    {"rm", "remove a queue", verb_rm},
    {"ls", "list the queues of this machine", verb_ls},
    {"info", "describe a queue: options, memory, who is attached", verb_info},
    {"send", "send a file or stdin, one message a line", verb_send},
    {"receive", "print messages, acking each after it was written", verb_receive},
    {"work", "run a command for each message", verb_work},
    {"forward", "move messages to another queue, each once, through a filter or as they are", verb_forward},
    {"request", "send a request and print its reply", verb_request},
    {"peek", "look at messages without taking them", verb_peek},
    {"cancel", "take back messages that nobody has received yet", verb_cancel},
    {"dead", "list, show, redrive or purge failed messages", verb_dead},
    {"group", "make, remove or list consumer groups", verb_group},
    {"producer", "list or remove ids of producers", verb_producer},
    {"exchange", "publish by topic to the queues that are bound for it", verb_exchange},
    {"ring", "broadcast: write, read, record and replay rings", verb_ring},
    {"stat", "show counters and gauges", verb_stat},
    {"purge", "drop messages", verb_purge},
    {"pause", "stop senders, receivers, or a group", verb_pause},
    {"resume", "let them go on", verb_resume},
    {"drain", "stop senders and wait until nothing is left", verb_drain},
    {"dump", "write a queue with all that is in it to a file", verb_dump},
    {"restore", "make a queue of such a file", verb_restore},
    {"journal", "look at the files of a durable queue, and repair them", verb_journal},
    {"fsck", "check every invariant of a queue", verb_fsck},
    {"gc", "clear what dead processes left behind", verb_gc},
    {"keeper", "keep house for queues in the background", verb_keeper},
    {"bench", "measure messaging on this machine, beside other systems", verb_bench},
    {"help", "explain a verb", verb_help},
    {"version", "print the version", verb_version},
    {NULL, NULL, NULL},
};

/* Descriptors 0 to 2 must be something, or the next file opened becomes our output. Closed ones stay unusable in their direction. */
static void reserve_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY) != fd)
            return;
    }
}

static const char *verb_name_at(const void *set, size_t index) { return ((const struct verb *)set)[index].name; }

static const struct verb *find_verb(const char *name) {
    for (const struct verb *v = cli_verbs; v->name; v++) {
        if (strcmp(v->name, name) == 0)
            return v;
    }
    return NULL;
}

static int unknown_verb(const char *name) {
    const char *near = cli_nearest(name, verb_name_at, cli_verbs);
    if (near)
        return cli_usage_error("there is no verb '%s'; did you mean '%s'?", name, near);
    return cli_usage_error("there is no verb '%s'", name);
}

static void print_verbs(FILE *out) {
    fputs("Usage: ringpost VERB ... [--json]\n\n"
          "Message queues in shared memory, without a broker, correct under kill -9.\n\n",
          out);
    for (const struct verb *v = cli_verbs; v->name; v++)
        fprintf(out, "  %-10s%s\n", v->name, v->summary);
    fputs("\nringpost VERB --help explains a verb; 'man ringpost' has the rest.\n"
          "\nExample:\n"
          "  ringpost create orders\n"
          "  seq 3 | ringpost send orders\n"
          "  ringpost work orders -n 3 -- sh -c 'read x; echo \"got $x\"'\n",
          out);
}

/* `help VERB` is `VERB --help`, and `help dead ls` is `dead ls --help`. */
int verb_help(int argc, char **argv) {
    const struct verb *v;
    char help[] = "--help";
    char *arguments[4] = {NULL};
    int count = 0;
    for (int i = 1; i < argc && i <= 2 && argv[i][0] != '-'; i++)
        arguments[count++] = argv[i];
    v = count ? find_verb(arguments[0]) : NULL;
    if (count && !v)
        return unknown_verb(arguments[0]);
    if (!v || v->run == verb_help) {
        print_verbs(stdout);
        return cli_finish(CLI_DONE);
    }
    arguments[count++] = help;
    return v->run(count, arguments);
}

int verb_version(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "as a JSON object")};
    const struct usage usage = {
        .verb = "version",
        .synopsis = "[--json]",
        .about = "Prints the version of the command, and of the library it runs with.",
        .examples = "  ringpost version",
        .flags = flags,
        .flag_count = 1,
    };
    struct operands operands;
    char version[32];
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    snprintf(version, sizeof version, "%d.%d.%d", RP_VERSION_MAJOR, RP_VERSION_MINOR, RP_VERSION_PATCH);
    if (json) {
        cli_json_print(stdout, json_pack("{s:s, s:s}", "version", version, "library", rp_version()));
    } else {
        printf("ringpost %s (library %s)\n", version, rp_version());
    }
    return cli_finish(CLI_DONE);
}

int main(int argc, char **argv) {
    const struct verb *v;
    reserve_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a line is one write: those of a keeper's processes do not mix */
    if (argc < 2) {
        print_verbs(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return verb_help(0, NULL);
    if (strcmp(argv[1], "--version") == 0)
        return verb_version(1, argv);
    v = find_verb(argv[1]);
    if (!v)
        return unknown_verb(argv[1]);
    return v->run(argc - 1, argv + 1);
}
