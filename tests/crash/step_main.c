/* SPDX-License-Identifier: MIT */
/* Runs the scenarios, on two processors, and counts. */
#include "figure.h"
#include "step.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MENDERS = 3, /* of the recoveries do nothing else, and settle no message */
    KILLS = 1    /* of each scenario are made where they are said to be */
};
enum { WORKERS = 2, HANG_S = 120, OPERATIONS_MAX = 32, SKIPPED = 77 };

static struct {
    const char *only, *around;
    double minutes;
    uint64_t seed;
    unsigned depth; /* images of a scenario whose recovery is stepped through; 0: all of them */
    bool list;
} arguments = {.depth = 2, .seed = 1};

struct count {
    char operation[16];
    a64 scenarios, instructions, images;
};

/* Shared by the workers. */
static struct {
    a64 next, violations;
    a64 kills; /* real ones */
    a64 cannot_trace;
    struct count counts[OPERATIONS_MAX];
    char doing[WORKERS][300]; /* for the case that one does not come back */
} * shared;

/* One scenario in one world. */
struct run {
    struct world world;
    const struct scenario *scenario;
    enum surroundings around;
    uint64_t seed;
    unsigned worker;
    char path[200]; /* who died before */
};

static struct count *count_of(const char *operation) {
    struct count *c = shared->counts;
    while (c->operation[0] != 0 && strcmp(c->operation, operation) != 0)
        c++;
    must(c < shared->counts + OPERATIONS_MAX && c->operation[0] != 0);
    return c;
}

static void count(const char *operation, const struct trace *t) {
    struct count *c = count_of(operation);
    counter_add_shared(&c->scenarios, 1);
    counter_add_shared(&c->instructions, t->instructions);
    counter_add_shared(&c->images, t->count);
}

/* ---- a violation ---- */

static void keep_image(const struct run *r, const struct image *image, char *path, size_t bytes) {
    const char *directory = getenv("TMPDIR");
    snprintf(path, bytes, "%s/crash_step.%s.%s.%d.image", directory ? directory : "/tmp", r->scenario->name,
             surroundings_name(r->around), (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, image->bytes, r->world.bytes) != (ssize_t)r->world.bytes)
        snprintf(path, bytes, "(could not be kept)");
    if (fd >= 0)
        close(fd);
}

static void report(const struct run *r, const char *operation, const struct image *image, enum neighbour neighbour,
                   const char *text) {
    static const char *const does[] = {"acks at once", "acks late", "extends", "dies, too"};
    char where[600], path[300];
    if (fetch_add_relaxed(&shared->violations, 1, stat) > 8)
        return;
    trace_where(image->address, where, sizeof where);
    keep_image(r, image, path, sizeof path);
    fprintf(stderr,
            "VIOLATION: %s, %s%s, killed after instruction %llu of %s:\n  %s\n  at %s\n  (the neighbour %s; memory in %s)\n"
            "  again: crash_step --only %s --around %s --seed %llu --depth %u%s\n",
            r->scenario->name, surroundings_name(r->around), r->path, (unsigned long long)image->instruction, operation, text,
            where, does[neighbour], path, r->scenario->name, surroundings_name(r->around), (unsigned long long)r->seed,
            arguments.depth, arguments.minutes > 0 ? " --minutes 0.01" : "");
}

/* ---- judging all images of a trace ---- */

/* Each image, with one behaviour of the neighbour. Keeps the verdicts, if asked to. */
static void judge_all(struct run *r, const struct scenario *s, const struct trace *t, enum neighbour neighbour,
                      struct verdict *keep) {
    struct verdict v, before;
    for (size_t i = 0; i < t->count; i++) {
        const struct image *image = &t->images[i];
        snprintf(shared->doing[r->worker], sizeof shared->doing[0], "%s, %s, seed %llu%s: %s, instruction %llu", r->scenario->name,
                 surroundings_name(r->around), (unsigned long long)r->seed, r->path, s->name,
                 (unsigned long long)image->instruction);
        judge(&r->world, s, image, neighbour, &v);
        if (!v.violated)
            judge_fate(r->world.book, i > 0 ? &before : NULL, i == 0 && t->count > 1, i + 1 == t->count && t->count > 1, &v);
        if (v.violated)
            report(r, s->name, image, neighbour, v.text);
        before = v;
        if (keep != NULL)
            keep[i] = v;
    }
}

static bool step_through(struct run *r, const struct scenario *s, struct trace *t, enum surroundings around) {
    alarm(HANG_S);
    if (!trace_take(t, &r->world, s, around)) {
        counter_add_shared(&shared->cannot_trace, 1);
        return false;
    }
    count(s->operation, t);
    return true;
}

/* The fates of this crash are certain by now: whoever mends it, and dies over it, does not change them. */
static void fates_are(struct book *b, const struct verdict *v) {
    for (unsigned i = 0; i < SERIALS; i++)
        if (b->before[i] != 0 && !b->kept[i])
            b->before[i] = b->after[i] = v->fate[i];
    memset(b->ordered, 0, sizeof b->ordered); /* among those of one operation */
    b->paused_before = b->paused_after = v->paused;
    if (v->work != WORK_UNASKED)
        b->work_before = b->work_after = v->work;
}

static void mend_and_die(struct run *r, const struct trace *t, const struct verdict *verdicts, unsigned level, uint64_t *random);

/* Somebody comes upon the image, and dies over it at each of his instructions. */
static void die_over(struct run *r, const struct image *image, const struct verdict *verdict, const struct scenario *s,
                     unsigned level, uint64_t *random) {
    struct world *w = &r->world;
    struct book book = *w->book;
    struct memory_of_party then = w->neighbour_then;
    unsigned char *journal = w->journal;
    char path[sizeof r->path];
    world_restore(w, image->bytes);
    world_let_pass(w, s->time_ms);
    w->neighbour_then = (struct memory_of_party){0};
    fates_are(w->book, verdict);
    memcpy(path, r->path, sizeof path);
    size_t used = strlen(path);
    snprintf(r->path + used, sizeof path - used, ", killed after %llu, then %s", (unsigned long long)image->instruction, s->name);

    struct trace t = {0};
    if (step_through(r, s, &t, EMPTY)) {
        struct verdict *verdicts = malloc(t.count * sizeof *verdicts);
        must(verdicts != NULL);
        judge_all(r, s, &t, w->neighbour.held_count > 0 ? (enum neighbour)(random_next(random) % 3) : ACKS_LATE, verdicts);
        if (level > 1)
            mend_and_die(r, &t, verdicts, level - 1, random);
        free(verdicts);
    }
    trace_free(&t);
    memcpy(r->path, path, sizeof path);
    memory_free(&w->neighbour_then);
    w->neighbour_then = then;
    w->journal = journal;
    *w->book = book;
}

/* For some of the images, evenly spread; in the long form from a random one on. */
static void mend_and_die(struct run *r, const struct trace *t, const struct verdict *verdicts, unsigned level, uint64_t *random) {
    size_t every = arguments.depth == 0 || t->count <= arguments.depth ? 1 : t->count / arguments.depth;
    size_t first = every > 1 ? random_next(random) % every : 0;
    for (size_t i = first, n = random_next(random) % MENDERS; i < t->count; i += every, n++) {
        const bool heirs = has_successor(r->world.book);
        size_t how = arguments.minutes > 0 ? random_next(random) % (heirs ? MENDERS : recovery_count) : n % MENDERS;
        const struct scenario *who = heirs && i / every % 2 == 0 ? &succession : &recoveries[r->scenario->limited ? 0 : how];
        if (!verdicts[i].violated)
            die_over(r, &t->images[i], &verdicts[i], who, level, random);
    }
}

static void begin(struct run *r, struct book *book) {
    struct rp_queue_options o = scenario_options(r->scenario, r->around);
    char name[64];
    snprintf(name, sizeof name, "crash.step.%d.%u", (int)getppid(), r->worker);
    snprintf(shared->doing[r->worker], sizeof shared->doing[0], "%s, %s, seed %llu", r->scenario->name,
             surroundings_name(r->around), (unsigned long long)r->seed);
    world_create(&r->world, book, name, &o);
    surround(&r->world, r->scenario, r->around, r->seed * UINT64_C(0x9e3779b97f4a7c15) | 1);
}

/* All of it again, and the victim is killed there and then: memory and locks are what the kernel left. */
static void really_kill(struct run *r, struct book *book, const struct book *whole, size_t image) {
    struct verdict v;
    struct trace t = {.enough = image + 1};
    begin(r, book);
    alarm(HANG_S);
    if (trace_take(&t, &r->world, r->scenario, r->around)) {
        const struct image *last = &t.images[t.count - 1];
        must(memcmp(last->bytes, r->world.memory, r->world.bytes) == 0);
        memcpy(book->after, whole->after, sizeof book->after); /* some are known at the end only */
        judge(&r->world, r->scenario, last, ACKS_LATE, &v);
        if (!v.violated)
            judge_fate(book, NULL, false, false, &v);
        if (v.violated)
            report(r, "a real kill", last, ACKS_LATE, v.text);
        counter_add_shared(&shared->kills, 1);
    }
    trace_free(&t);
    world_destroy(&r->world);
}

static void run_one(unsigned worker, struct book *book, size_t scenario, enum surroundings around, uint64_t seed) {
    const struct scenario *s = scenario_at(scenario);
    struct run r = {.scenario = s, .around = around, .seed = seed, .worker = worker};
    struct world *w = &r.world;
    struct trace t = {0};
    uint64_t random = (seed * 4096 + scenario * 8 + around) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    begin(&r, book);
    if (step_through(&r, s, &t, around)) {
        struct verdict *verdicts = malloc(t.count * sizeof *verdicts);
        must(verdicts != NULL);
        if (book->result != s->result && around != RANDOM)
            report(&r, s->name, &t.images[t.count - 1], ACKS_LATE, rp_error_name(book->result));
        bool holds = w->neighbour.held_count > 0;
        judge_all(&r, s, &t, ACKS_LATE, verdicts);
        w->hasty = book->once || (book->numbered && !book->id_removed);
        if (w->hasty)
            judge_all(&r, s, &t, ACKS_LATE, NULL);
        w->hasty = false;
        if (holds) {
            judge_all(&r, s, &t, ACKS_AT_ONCE, NULL);
            judge_all(&r, s, &t, EXTENDS, NULL);
        }
        mend_and_die(&r, &t, verdicts, arguments.minutes > 0 ? 3 : 1, &random);
        if (holds) {
            world_restore(w, t.images[0].bytes);
            party_die(&w->neighbour);
            w->neighbour_died = true;
            judge_all(&r, s, &t, DIES, NULL);
        }
        free(verdicts);
    }
    world_destroy(w);
    struct book whole = *book;
    for (unsigned i = 0; i < KILLS && t.count > 0; i++)
        really_kill(&r, book, &whole, random_next(&random) % t.count);
    trace_free(&t);
}

/* ---- workers ---- */

static double now_s(void) { return (double)clock_boot_ns() / 1e9; }

static bool wanted(const struct scenario *s, enum surroundings around) {
    return (s->where >> around & 1) && (!arguments.only || strcmp(arguments.only, s->name) == 0) &&
           (!arguments.around || strcmp(arguments.around, surroundings_name(around)) == 0);
}

/* Tracer and victim take turns; on one processor that costs half. */
static void stay_on_one_processor(unsigned worker) {
    cpu_set_t all, one;
    must(sched_getaffinity(0, sizeof all, &all) == 0);
    unsigned n = worker % (unsigned)CPU_COUNT(&all);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all) && n-- == 0)
            CPU_SET(i, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
}

static size_t scenario_count(void) {
    size_t count = 0;
    while (scenario_at(count) != NULL)
        count++;
    return count;
}

static void work(unsigned worker, double until) {
    const size_t scenarios = scenario_count();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* who ends the test ends all of it */
    stay_on_one_processor(worker);
    struct book *book = mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(book != MAP_FAILED);
    for (;;) {
        unsigned n = (unsigned)fetch_add_relaxed(&shared->next, 1, stat);
        unsigned scenario = (unsigned)(n / (RANDOM + 1) % scenarios), around = n % (RANDOM + 1),
                 lap = n / (RANDOM + 1) / (unsigned)scenarios;
        if ((arguments.minutes > 0 ? now_s() > until : lap > 0) || counter_read(&shared->cannot_trace))
            break;
        uint64_t seed = arguments.seed + lap;
        if (wanted(scenario_at(scenario), (enum surroundings)around))
            run_one(worker, book, scenario, (enum surroundings)around, seed);
    }
    exit(0);
}

/* -> how many ended badly. */
static unsigned run_all(void) {
    double until = now_s() + 60 * arguments.minutes;
    pid_t pids[WORKERS];
    unsigned lost = 0;
    fflush(NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        must((pids[i] = fork()) >= 0);
        if (pids[i] == 0)
            work(i, until);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;
        char name[64];
        while (waitpid(pids[i], &status, 0) < 0)
            must(errno == EINTR);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            lost++;
            fprintf(stderr, "VIOLATION: %s: a survivor %s %d\n", shared->doing[i],
                    WIFSIGNALED(status) ? "was ended by signal" : "gave up with status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
        snprintf(name, sizeof name, "crash.step.%d.%u", (int)getpid(), i);
        (void)rp_queue_unlink(name);
    }
    return lost;
}

static void tell(uint64_t violations) {
    uint64_t instructions = 0, images = 0;
    printf("%-10s %10s %14s %10s\n", "operation", "scenarios", "instructions", "images");
    for (const struct count *c = shared->counts; c->operation[0] != 0; c++) {
        printf("%-10s %10llu %14llu %10llu\n", c->operation, (unsigned long long)counter_read(&c->scenarios),
               (unsigned long long)counter_read(&c->instructions), (unsigned long long)counter_read(&c->images));
        instructions += counter_read(&c->instructions);
        images += counter_read(&c->images);
    }
    printf("killed after each of %llu instructions, which are %llu images, and really at %llu; %llu violations\n",
           (unsigned long long)instructions, (unsigned long long)images, (unsigned long long)counter_read(&shared->kills),
           (unsigned long long)violations);
    figure("kills", counter_read(&shared->kills));
    figure("instructions", instructions);
    figure("images", images);
    figure("violations", violations);
}

static void parse(int argc, char **argv) {
    static const struct option options[] = {{"only", 1, NULL, 'o'}, {"around", 1, NULL, 'a'}, {"minutes", 1, NULL, 'm'},
                                            {"seed", 1, NULL, 's'}, {"depth", 1, NULL, 'd'},  {"list", 0, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'o': arguments.only = optarg; break;
        case 'a': arguments.around = optarg; break;
        case 'm': arguments.minutes = atof(optarg); break;
        case 's': arguments.seed = strtoull(optarg, NULL, 10); break;
        case 'd': arguments.depth = (unsigned)atoi(optarg); break;
        case 'l': arguments.list = true; break;
        default:
            fprintf(stderr, "crash_step [--only SCENARIO] [--around SURROUNDINGS] [--depth IMAGES, 0: all] [--minutes N] [--seed "
                            "S] [--list]\n");
            exit(2);
        }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    for (size_t i = 0; arguments.list && i < scenario_count(); i++)
        for (unsigned around = EMPTY; around <= RANDOM; around++)
            if (wanted(scenario_at(i), (enum surroundings)around))
                printf("%s %s\n", scenario_at(i)->name, surroundings_name((enum surroundings)around));
    if (arguments.list)
        return 0;
#ifndef __x86_64__
    printf("skipped: written for x86-64, where each instruction of an atomic access can be stepped\n");
    return SKIPPED;
#endif
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED);
    for (size_t i = 0, n = 0; i < scenario_count(); i++) {
        const char *operation = scenario_at(i)->operation;
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known = known || strcmp(shared->counts[k].operation, operation) == 0;
        if (!known) {
            must(n + 1 < OPERATIONS_MAX);
            strncpy(shared->counts[n++].operation, operation, sizeof shared->counts[0].operation - 1);
        }
    }
    printf("seed %llu\n", (unsigned long long)arguments.seed);
    uint64_t violations = run_all();
    if (counter_read(&shared->cannot_trace)) {
        printf("skipped: this process may not trace its children\n");
        return SKIPPED;
    }
    violations += counter_read(&shared->violations);
    tell(violations);
    return violations != 0;
}
