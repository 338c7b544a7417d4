/* SPDX-License-Identifier: MIT */
/* libFuzzer drives the same targets, guided by coverage. Its options come after the program's name; -help=1 lists them. */
#include "figure.h"
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t runs;

void finding(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("finding: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort(); /* libFuzzer writes the input to a file */
}

static void end(void) { figure("fuzz_executions", runs); }

/* A child that waits until this process is gone, however it ends, and cleans up behind it. */
static void leave_a_cleaner(void) {
    int alive[2];
    char byte;
    if (pipe2(alive, O_CLOEXEC) != 0 || fork() != 0)
        return; /* the write end stays open as long as we live */
    close(alive[1]);
    while (read(alive[0], &byte, 1) > 0) {
    }
    fuzz_target.clean();
    _exit(0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_target.prepare();
    leave_a_cleaner();
    atexit(end);
    fuzz_target.start();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    runs++;
    fuzz_target.run(data, size);
    return 0;
}
