/* SPDX-License-Identifier: MIT */
/*
 * Our own driver: special inputs one by one, then random ones from a printed seed. Every execution has a seed of its own, so any of them can be run
 * alone. When one fails, its input is printed in hexadecimal.
 */
#include "figure.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WATCHDOG_S = 60, LOOK_AT_CLOCK = 64 };

static uint8_t input[INPUT_MAX];
static size_t input_size;
static uint64_t runs;
static const char *program;

/* ---- when it fails ---- */

static void say(const char *text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

/* Also from signal handlers. */
static void say_input(void) {
    static const char digits[] = "0123456789abcdef";
    char hex[2 * INPUT_MAX + 1];
    for (size_t i = 0; i < input_size; i++) {
        hex[2 * i] = digits[input[i] >> 4];
        hex[2 * i + 1] = digits[input[i] & 15];
    }
    hex[2 * input_size] = 0;
    say("\nreplay: ");
    say(program);
    say(" --hex ");
    say(hex);
    say("\n");
}

static void on_signal(int number) {
    say(number == SIGALRM ? "\nno end within a minute\n" : "\ncrashed\n");
    say_input();
    signal(number, SIG_DFL);
    raise(number);
}

void finding(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    signal(SIGABRT, SIG_DFL);
    say("finding: ");
    say(text);
    say_input();
    abort();
}

/* The sanitizers' own last words. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* the input says it all */
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(say_input);
    else
        for (const int *s = (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0}; *s != 0; s++)
            signal(*s, on_signal);
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
}

/* ---- inputs ---- */

static void run(void) {
    fuzz_target.run(input, input_size);
    runs++;
}

static void random_input(uint64_t seed) {
    uint64_t state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < 4; i++)
        dice(&state);
    input_size = 6 + dice(&state) % 100;
    for (size_t i = 0; i < input_size; i++)
        input[i] = (uint8_t)(dice(&state) >> 32);
}

static void input_of_hex(const char *hex) {
    for (input_size = 0; hex[0] && hex[1] && input_size < INPUT_MAX; hex += 2) {
        char pair[3] = {hex[0], hex[1], 0};
        input[input_size++] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

static void input_of_file(const char *path) {
    int fd = open(path, O_RDONLY);
    ssize_t bytes = fd < 0 ? -1 : read(fd, input, sizeof input);
    if (bytes < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    input_size = (size_t)bytes;
    close(fd);
}

/* ---- */

static double time_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Looks at the clock now and then, and winds up the watchdog. */
static bool time_left(double end) {
    if (runs % LOOK_AT_CLOCK != 0)
        return true;
    alarm(WATCHDOG_S);
    return time_s(CLOCK_MONOTONIC) < end;
}

static void usage(void) {
    fprintf(stderr,
            "usage: %s [--runs N] [--seconds N | --minutes N] [--seed S]   special inputs, then random ones\n"
            "       %s --seed S --runs 1 --random   one random input\n"
            "       %s --input FILE | --hex HEX     one input\n",
            program, program, program);
    exit(2);
}

struct plan {
    uint64_t most, seed;
    double seconds;
    bool special;
};

/* With fewer runs than there are special inputs, every k-th of them, from a random one on: half of the runs are random in any case. */
static void explore(const struct plan *plan) {
    double start = time_s(CLOCK_MONOTONIC), end = start + plan->seconds;
    uint64_t count = plan->special && fuzz_target.special_count ? fuzz_target.special_count() : 0, seed = plan->seed, first = 64;
    uint64_t stride = plan->most < 2 * count ? 2 * count / plan->most + 1 : 1;
    for (uint64_t n = 0; n < count && runs < plan->most && time_left(end); n += n < first ? 1 : stride) {
        if (n == first && stride > 1)
            n += seed % stride;
        input_size = n < count ? fuzz_target.special(n, input) : 0;
        run();
    }
    uint64_t special = runs;
    for (; runs < plan->most && time_left(end); seed++) {
        random_input(seed);
        run();
    }
    printf("%s: %llu executions, %llu of special inputs, seeds %llu to %llu, %.1f s, %.1f us of processor time each\n",
           fuzz_target.name, (unsigned long long)runs, (unsigned long long)special, (unsigned long long)plan->seed,
           (unsigned long long)seed, time_s(CLOCK_MONOTONIC) - start,
           1e6 * time_s(CLOCK_PROCESS_CPUTIME_ID) / (double)(runs ? runs : 1));
    if (fuzz_target.summary != NULL)
        fuzz_target.summary();
}

static int work(const struct plan *plan, const char *hex, const char *file) {
    fuzz_target.start();
    watch();
    alarm(WATCHDOG_S);
    if (hex != NULL || file != NULL) {
        if (hex != NULL)
            input_of_hex(hex);
        else
            input_of_file(file);
        run();
        puts("nothing was wrong");
    } else {
        printf("%s: seed %llu\n", fuzz_target.name, (unsigned long long)plan->seed);
        fflush(stdout);
        explore(plan);
        figure("fuzz_executions", runs);
    }
    alarm(0);
    fuzz_target.stop();
    return 0;
}

/* Works in a child, and cleans up behind it, however it ends. */
static int supervise(const struct plan *plan, const char *hex, const char *file) {
    int status = 0;
    fuzz_target.prepare();
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        exit(work(plan, hex, file));
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    fuzz_target.clean();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    struct plan plan = {.most = UINT64_MAX, .seed = (uint64_t)time(NULL) * 1000003 % 1000000000, .seconds = 10, .special = true};
    const char *hex = NULL, *file = NULL;
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--random") == 0) {
            plan.special = false;
            continue;
        }
        if (value == NULL)
            usage();
        i++;
        if (strcmp(argv[i - 1], "--runs") == 0)
            plan.most = strtoull(value, NULL, 0);
        else if (strcmp(argv[i - 1], "--seconds") == 0)
            plan.seconds = strtod(value, NULL);
        else if (strcmp(argv[i - 1], "--minutes") == 0)
            plan.seconds = 60 * strtod(value, NULL);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            plan.seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i - 1], "--hex") == 0)
            hex = value;
        else if (strcmp(argv[i - 1], "--input") == 0)
            file = value;
        else
            usage();
    }
    return supervise(&plan, hex, file);
}
