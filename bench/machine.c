/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_names(struct machine *m) {
    snprintf(m->model, sizeof m->model, "unknown processor");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (f != NULL) {
        char line[256];
        while (fgets(line, sizeof line, f) != NULL) {
            char *colon = strchr(line, ':');
            if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
                colon[1 + strcspn(colon + 1, "\n")] = 0;
                snprintf(m->model, sizeof m->model, "%.90s", colon + 1 + strspn(colon + 1, " "));
                break;
            }
        }
        fclose(f);
    }
    struct utsname u;
    if (uname(&u) == 0) {
        snprintf(m->kernel, sizeof m->kernel, "%.40s %.50s", u.sysname, u.release);
    }
}

void machine_governor(const struct machine *m, char name[32]) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", m->cpus[0]);
    FILE *f = fopen(path, "re");
    if (f == NULL || fscanf(f, "%31s", name) != 1) {
        snprintf(name, 32, "unknown");
    }
    if (f != NULL) {
        fclose(f);
    }
}

bool machine_is_virtual(void) {
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[4096];
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static bool read_cpu_list(struct machine *m, const char *list) {
    const char *at = list;
    for (;;) {
        char *end;
        errno = 0;
        long cpu = strtol(at, &end, 10);
        if (end == at || errno != 0 || cpu < 0 || cpu >= CPU_SETSIZE || m->cpu_count == MACHINE_CPUS_MAX) {
            return false;
        }
        for (int i = 0; i < m->cpu_count; i++) {
            if (m->cpus[i] == (int)cpu) {
                return false; /* two parties that spin for each other would share it, and take it for two */
            }
        }
        m->cpus[m->cpu_count++] = (int)cpu;
        if (*end == 0) {
            return true;
        }
        if (*end != ',') {
            return false;
        }
        at = end + 1;
    }
}

static void read_allowed_cpus(struct machine *m) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE && m->cpu_count < 2; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            m->cpus[m->cpu_count++] = (int)cpu;
        }
    }
}

/* Known before anything is measured, and not from each slice. */
static bool can_pin_to_all(const struct machine *m) {
    cpu_set_t before;
    bool restore = sched_getaffinity(0, sizeof before, &before) == 0, good = true;
    for (int i = 0; i < m->cpu_count && good; i++) {
        good = machine_pin(m->cpus[i]);
    }
    if (restore) {
        sched_setaffinity(0, sizeof before, &before);
    }
    return good;
}

/* Against the kernel's clock, over 30 ms: good to a few parts in a million, on a guest too. */
static void calibrate(struct machine *m) {
    uint64_t ns_from = clock_ns(), ticks_from = ticks_now(), ns;
    do {
        ns = clock_ns() - ns_from;
    } while (ns < 30000000);
    m->ticks_per_ns = (double)(ticks_now() - ticks_from) / (double)ns;

    enum { CALLS = 100000 };
    uint64_t from = clock_ns(), sink = 0;
    for (int i = 0; i < CALLS; i++) {
        sink ^= ticks_now();
    }
    __asm__ volatile("" : : "r"(sink));
    m->tick_cost_ns = (double)(clock_ns() - from) / CALLS;
}

bool machine_read(struct machine *m, const char *cpu_list) {
    memset(m, 0, sizeof *m);
    read_names(m);
    if (cpu_list == NULL) {
        read_allowed_cpus(m);
    } else if (!read_cpu_list(m, cpu_list)) {
        fprintf(stderr, "bench: --cpus %s: expected processor numbers, each once, as in 0,1\n", cpu_list);
        return false;
    }
    if (m->cpu_count < 2) {
        fprintf(stderr, "bench: two different processors are needed; taskset, cpuset or --cpus leave fewer\n");
        return false;
    }
    if (!can_pin_to_all(m)) {
        return false;
    }
    calibrate(m);
    return true;
}

bool machine_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        fprintf(stderr, "bench: cannot run on processor %d: %s\n", cpu, strerror(errno));
        return false;
    }
    return true;
}

double machine_quantile_ns(const struct machine *m, const struct histogram *ticks, double share) {
    return histogram_quantile(ticks, share, TICK_GRAIN_NS * m->ticks_per_ns) / m->ticks_per_ns;
}
