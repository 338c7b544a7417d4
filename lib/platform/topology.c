/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own files and not hwloc: a library that every process links should not bring another one, with XML, udev and a scan of all devices, to read four numbers per
 * node (docs/decisions/0017-placement.md). The unit test holds what is read here against what hwloc finds.
 */
#include "topology.h"
#include <ctype.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 16384 };

/* The file's beginning as text; "": it cannot be read. */
static const char *text_of(const char *root, const char *name, char text[TEXT_MOST]) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "re");
    size_t bytes = f != NULL ? fread(text, 1, TEXT_MOST - 1, f) : 0;
    text[bytes] = '\0';
    if (f != NULL)
        fclose(f);
    return text;
}

/* The next range of a list; false: there is none. */
static bool next_range(const char **at, unsigned long *first, unsigned long *last) {
    char *end;
    if (!isdigit((unsigned char)**at))
        return false;
    *first = *last = strtoul(*at, &end, 10);
    if (*end == '-' && isdigit((unsigned char)end[1]))
        *last = strtoul(end + 1, &end, 10);
    *at = *end == ',' ? end + 1 : end;
    return true;
}

uint64_t topology_list(const char *text) {
    uint64_t bits = 0;
    for (unsigned long first, last; next_range(&text, &first, &last);)
        for (; first <= last && first < NODES_MOST; first++)
            bits |= UINT64_C(1) << first;
    return bits;
}

uint64_t topology_allowed(void) {
    char text[TEXT_MOST];
    const char *line = strstr(text_of("/proc/self", "status", text), "\nMems_allowed_list:");
    uint64_t bits = line != NULL ? topology_list(line + strcspn(line, "0123456789")) : 0;
    return bits != 0 ? bits : UINT64_MAX;
}

int topology_has_nodes(const char *root) {
    char text[TEXT_MOST];
    uint64_t online = topology_list(text_of(root, "online", text));
    return (online & (online - 1)) != 0;
}

/* How many processors the node has; `*ours`: may the caller run on one of them? */
static uint32_t processors_of(const char *list, const cpu_set_t *allowed, size_t bytes, bool *ours) {
    uint32_t count = 0;
    for (unsigned long first, last; next_range(&list, &first, &last);)
        for (; first <= last && count < UINT32_MAX; first++, count++)
            *ours |= CPU_ISSET_S(first, bytes, allowed) != 0;
    return count;
}

uint64_t topology_read(const char *root, uint64_t allowed, struct topology *t) {
    enum { PROCESSORS_MOST = 8192 };
    char text[TEXT_MOST], name[64];
    uint64_t near = 0, online = topology_list(text_of(root, "online", text));
    cpu_set_t *ours = CPU_ALLOC(PROCESSORS_MOST);
    size_t bytes = CPU_ALLOC_SIZE(PROCESSORS_MOST);
    memset(t, 0, sizeof *t);
    if (ours == NULL)
        return 0;
    CPU_ZERO_S(bytes, ours);
    (void)sched_getaffinity(0, bytes, ours);
    for (unsigned n = 0; n < NODES_MOST; n++) {
        bool runs_here = false;
        if (!(online >> n & 1))
            continue;
        snprintf(name, sizeof name, "node%u/cpulist", n);
        t->node[n].processors = processors_of(text_of(root, name, text), ours, bytes, &runs_here);
        near |= (uint64_t)runs_here << n;
        snprintf(name, sizeof name, "node%u/meminfo", n);
        const char *total = strstr(text_of(root, name, text), "MemTotal:");
        if (total != NULL && allowed >> n & 1)
            t->node[n].memory_bytes = strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024;
        snprintf(name, sizeof name, "node%u/distance", n);
        char *at = (char *)text_of(root, name, text);
        for (unsigned to = 0; to < NODES_MOST; to++) { /* a number for each node that is online */
            if (online >> to & 1) {
                unsigned long d = strtoul(at, &at, 10);
                t->distance[n][to] = d < 255 ? (uint8_t)d : 255;
            }
        }
    }
    CPU_FREE(ours);
    return near;
}
