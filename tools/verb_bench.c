/* SPDX-License-Identifier: MIT */
/* `bench` is a program of its own, so that the command needs none of the libraries that it measures. */
#include "cli.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "ringpost-bench"

/* Beside the command or, where that is installed, in the libexec directory that goes with it. */
static bool find(char path[PATH_MAX]) {
    static const char *const places[] = {"%s/" PROGRAM, "%s/" RINGPOST_LIBEXEC "/" PROGRAM};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    const char *folder = dirname(self);
    for (size_t i = 0; i < 2; i++) {
        if (snprintf(path, PATH_MAX, i == 0 ? places[0] : places[1], folder) < PATH_MAX && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

int verb_bench(int argc, char **argv) {
    char path[PATH_MAX];
    const char *given = getenv("RINGPOST_BENCH");
    (void)argc;
    cli_verb = "bench";
    if (given) {
        snprintf(path, sizeof path, "%s", given);
    } else if (!find(path)) {
        cli_error("the program " PROGRAM " is not installed with this command; it is built with -DRINGPOST_BENCH=ON");
        return CLI_FAILED;
    }
    signal(SIGPIPE, SIG_DFL); /* its own business */
    argv[0] = path;           /* what ps shows */
    execv(path, argv);
    cli_error("%s: %s", path, strerror(errno));
    return CLI_FAILED;
}
