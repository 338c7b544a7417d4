/* SPDX-License-Identifier: MIT */
/*
 * The only process of a guest with three NUMA nodes (tests/numa/vm.sh): two with processors 0-1 and 2-3, one that is memory alone. Makes queues, and asks the kernel by another way than the
 * library (numa_maps, not move_pages) where their pages are. One line for each check; then it turns the machine off.
 */
#include "guest.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash/lab_filter.h"

static unsigned checks, failures;

void check(bool holds, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    checks++;
    failures += !holds;
    printf("%s ", holds ? "ok  " : "FAIL");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void run_on(int node) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < 4; cpu++)
        if (node == EVERYWHERE || cpu / 2 == node)
            CPU_SET(cpu, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "runs on node %d", node);
}

struct pages {
    unsigned long on[NODES], all;
};

/* Of all mappings of the file, in KiB, as /proc/self/numa_maps has it. */
static struct pages pages_of(const char *path) {
    struct pages p = {{0}, 0};
    char line[1024], file[256];
    snprintf(file, sizeof file, "file=%s", path);
    FILE *f = fopen("/proc/self/numa_maps", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long on[NODES] = {0}, kib = 4;
        if (strstr(line, file) == NULL)
            continue;
        for (char *rest = line, *word; (word = strtok_r(rest, " \n", &rest)) != NULL;) {
            unsigned node;
            unsigned long count;
            if (sscanf(word, "N%u=%lu", &node, &count) == 2 && node < NODES)
                on[node] = count;
            sscanf(word, "kernelpagesize_kB=%lu", &kib);
        }
        for (int n = 0; n < NODES; n++) {
            p.on[n] += on[n] * kib;
            p.all += on[n] * kib;
        }
    }
    if (f != NULL)
        fclose(f);
    return p;
}

struct rp_queue_options wishes(uint32_t numa, uint32_t node) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 8192;
    o.numa = numa;
    o.numa_node = node;
    return o;
}

rp_queue *make(const char *name, const struct rp_queue_options *o) {
    rp_queue *q = NULL;
    int result = rp_queue_create(name, o, &q);
    check(result == 0, "%s: create: %s %s", name, rp_error_name(result), result < 0 ? rp_error_detail() : "");
    return q;
}

static void path_of(const char *name, char path[256]) { snprintf(path, 256, name[0] == '/' ? "%s" : "/dev/shm/ringpost.%s", name); }

/* The pages as both ways of asking have them. `node`: all there; EVERYWHERE: half on 0 and half on 1. */
static void lies(rp_queue *q, const char *name, int node) {
    char path[256];
    path_of(name, path);
    struct rp_placement p;
    check(rp_queue_placement(q, &p) == 0, "%s: rp_queue_placement", name);
    struct pages pages = pages_of(path);
    unsigned long bytes = (unsigned long)(p.ring_bytes + p.cell_bytes), half = bytes / 2048;
    check(pages.all * 1024 == bytes, "%s: %lu of %lu bytes mapped", name, pages.all * 1024, bytes);
    for (int n = 0; n < NODES; n++)
        check(pages.on[n] * 1024 == p.ring_bytes_on[n] + p.cell_bytes_on[n],
              "%s: numa_maps and move_pages agree on node %d: %lu KiB", name, n, pages.on[n]);
    if (node == EVERYWHERE)
        check(pages.on[FAR] == 0 && pages.on[0] + 2048 > half && pages.on[1] + 2048 > half,
              "%s: in turns on 0 and 1: %lu, %lu, %lu KiB", name, pages.on[0], pages.on[1], pages.on[2]);
    else
        check(pages.on[node] == pages.all, "%s: all on node %d: %lu, %lu, %lu KiB", name, node, pages.on[0], pages.on[1],
              pages.on[2]);
    check(p.missing[0] == '\0', "%s: nothing is missing: '%s'", name, p.missing);
}

void end(rp_queue *q, const char *name) {
    struct rp_message m = {.bytes = 0};
    rp_producer *p = NULL;
    rp_consumer *c = NULL;
    bool works = rp_producer_open(q, NULL, &p) == 0 && rp_consumer_open(q, NULL, &c) == 0;
    for (int i = 0; works && i < 100; i++)
        works = rp_send(p, &i, sizeof i, NULL) == 0 && rp_receive(c, &m, 0) == 0 && memcmp(m.data, &i, sizeof i) == 0 &&
                rp_ack(c, &m) == 0;
    check(works, "%s: messages go through", name);
    rp_producer_close(p);
    rp_consumer_close(c);
    check(rp_queue_close(q) == 0 && rp_queue_unlink(name) == 0, "%s: removed", name);
}

static void asks(const char *name, uint32_t numa, uint32_t node, int expected) {
    struct rp_queue_options o = wishes(numa, node);
    rp_queue *q = make(name, &o);
    if (q == NULL)
        return;
    lies(q, name, expected);
    end(q, name);
}

static void named_nodes(void) {
    for (int here = 0; here < 2; here++) {
        run_on(here);
        for (uint32_t node = 0; node < NODES; node++)
            asks("named", RP_NUMA_NODE, node, (int)node);
        asks("interleaved", RP_NUMA_INTERLEAVE, 0, EVERYWHERE);
        asks("auto", RP_NUMA_AUTO, 0, here);
    }
    run_on(EVERYWHERE);
    asks("auto.free", RP_NUMA_AUTO, 0, EVERYWHERE);
    struct rp_queue_options o = wishes(RP_NUMA_NODE, 5);
    rp_queue *q = NULL;
    o.strict = 1;
    check(rp_queue_create("nowhere", &o, &q) == -ENOTSUP, "a node that is not there, strictly: %s", rp_error_detail());
    o.strict = 0;
    q = make("nowhere", &o);
    struct rp_placement p;
    check(rp_queue_placement(q, &p) == 0 && p.missing[0] != '\0' && p.nodes == NODES, "a node that is not there: '%s'", p.missing);
    end(q, "nowhere");
}

/* Made by a process on node 0, which goes; then the consumers come. */
static void near_the_consumer(int node, bool huge) {
    static const char name[] = "consumer";
    run_on(0);
    pid_t child = fork();
    if (child == 0) {
        struct rp_queue_options o = wishes(RP_NUMA_CONSUMER, 0);
        o.hugepages = huge;
        _exit(make(name, &o) == NULL);
    }
    int status = 1;
    check(waitpid(child, &status, 0) == child && status == 0, "%s: was made", name);
    rp_queue *q = NULL;
    rp_consumer *c = NULL;
    struct rp_placement p;
    run_on(node);
    check(rp_queue_open(name, NULL, &q) == 0 && rp_queue_placement(q, &p) == 0, "%s: opened", name);
    check(p.ring_bytes_on[0] == p.ring_bytes && p.cell_bytes_on[0] == p.cell_bytes && p.ring_nodes == 0, "%s: until then on node 0",
          name);
    check(rp_consumer_open(q, NULL, &c) == 0, "%s: a consumer", name);
    if (node == EVERYWHERE) {
        check(rp_queue_placement(q, &p) == 0 && p.missing[0] == '\0', "%s: nothing is missing: '%s'", name, p.missing);
        check(p.ring_nodes == 1 && p.cell_nodes == 3 && p.ring_bytes_on[0] == p.ring_bytes, "%s: rings on one node", name);
        check(p.cell_bytes_on[0] + 8192 > p.cell_bytes / 2 && p.cell_bytes_on[1] + 8192 > p.cell_bytes / 2,
              "%s: cells in turns: %llu, %llu", name, (unsigned long long)p.cell_bytes_on[0],
              (unsigned long long)p.cell_bytes_on[1]);
    } else if (huge) {
        check(rp_queue_placement(q, &p) == 0 && p.huge_bytes == 0, "%s: huge pages were refused", name);
        check(p.ring_bytes_on[node] == p.ring_bytes && p.cell_bytes_on[node] == p.cell_bytes, "%s: each small page moved", name);
    } else {
        lies(q, name, node);
    }
    rp_consumer_close(c);
    end(q, name);
}

/* Which processes may have huge pages of a tmpfs; even MADV_COLLAPSE does not get any past "deny". */
static void shmem_huge(const char *whose) {
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "w");
    check(f != NULL && fputs(whose, f) >= 0 && fclose(f) == 0, "shmem_enabled: %s", whose);
}

static void huge_pages(void) {
    run_on(0);
    struct rp_queue_options o = wishes(RP_NUMA_NODE, 1);
    o.hugepages = 1;
    o.lock_memory = 1;
    rp_queue *q = make("huge", &o);
    lies(q, "huge", 1);
    struct rp_placement p;
    check(rp_queue_placement(q, &p) == 0 && p.huge_bytes == p.ring_bytes + p.cell_bytes, "huge: %llu bytes",
          (unsigned long long)p.huge_bytes);
    check(p.locked_bytes == p.ring_bytes + p.cell_bytes, "huge: locked: %llu bytes", (unsigned long long)p.locked_bytes);
    end(q, "huge");
    o.numa = RP_NUMA_INTERLEAVE;
    q = make("huge.interleaved", &o);
    check(rp_queue_placement(q, &p) == 0 && p.huge_bytes == p.ring_bytes + p.cell_bytes, "huge.interleaved: %llu bytes",
          (unsigned long long)p.huge_bytes);
    end(q, "huge.interleaved");

    /* On a hugetlbfs, of which each node has some pages. */
    FILE *f = fopen("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "w");
    check(f != NULL && fputs("16", f) >= 0 && fclose(f) == 0, "pages for hugetlbfs on node 1");
    f = fopen("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "w");
    check(f != NULL && fputs("16", f) >= 0 && fclose(f) == 0, "pages for hugetlbfs on node 0");
    o = wishes(RP_NUMA_NODE, 1);
    o.lock_memory = 1; /* a lock there bears no flag */
    check(mkdir("/huge", 0755) == 0 && mount("none", "/huge", "hugetlbfs", 0, NULL) == 0, "hugetlbfs");
    q = make("/huge/queue", &o);
    if (q != NULL) {
        lies(q, "/huge/queue", 1);
        check(rp_queue_placement(q, &p) == 0 && p.page_bytes == 2 << 20 && p.huge_bytes == p.ring_bytes + p.cell_bytes,
              "/huge/queue: pages of %llu, %llu bytes", (unsigned long long)p.page_bytes, (unsigned long long)p.huge_bytes);
        check(p.locked_bytes == p.huge_bytes, "/huge/queue: locked: %llu bytes", (unsigned long long)p.locked_bytes);
        end(q, "/huge/queue");
    }
    pid_t child = fork();
    if (child == 0) {
        const struct filter_rule older = {SYS_madvise, SECCOMP_RET_ERRNO | EINVAL, 2, UINT32_MAX, MADV_POPULATE_WRITE};
        _exit(filter_calls(&older, 1, SECCOMP_RET_ALLOW) ? rp_queue_create("/huge/older", &o, &q) != 0 : 77);
    }
    int status = 1;
    check(waitpid(child, &status, 0) == child && status == 0, "/huge/older: made without MADV_POPULATE_WRITE");
    rp_queue_unlink("/huge/older");
    o.capacity = 100000;
    q = NULL;
    check(rp_queue_create("/huge/queue", &o, &q) == -ENOSPC, "too large for hugetlbfs: %s", rp_error_detail());
    o.numa = RP_NUMA_AUTO;
    run_on(EVERYWHERE);
    check(rp_queue_create("/huge/queue", &o, &q) == -ENOSPC, "too large for hugetlbfs: %s", rp_error_detail());
}

/* More than node 1 has: the rest comes from others, and is told. */
static void a_full_node(void) {
    struct rp_queue_options o = wishes(RP_NUMA_NODE, 1);
    struct rp_placement p;
    o.capacity = 100000;
    o.message_bytes = 2048;
    run_on(0);
    rp_queue *q = make("full", &o);
    if (q == NULL)
        return;
    check(rp_queue_placement(q, &p) == 0 && strstr(p.missing, "other nodes") != NULL, "full: '%s'", p.missing);
    check(p.cell_bytes_on[1] > 0 && p.cell_bytes_on[1] < p.cell_bytes, "full: %llu of %llu bytes of cells on node 1",
          (unsigned long long)p.cell_bytes_on[1], (unsigned long long)p.cell_bytes);
    /* Nobody asked for the node that auto chose, so nothing is amiss because it is full. */
    struct rp_queue_options small = wishes(RP_NUMA_AUTO, 0);
    small.strict = 1;
    run_on(1);
    rp_queue *other = make("full.auto", &small);
    if (other != NULL) {
        check(rp_queue_placement(other, &p) == 0 && p.missing[0] == '\0', "full.auto: nothing is missing: '%s'", p.missing);
        check(p.ring_nodes == 2 && p.cell_bytes_on[1] < p.cell_bytes, "full.auto: chosen, and not had");
        end(other, "full.auto");
    }
    run_on(0);
    end(q, "full");
    o.strict = 1;
    check(rp_queue_create("full", &o, &q) == -ENOTSUP, "full, strictly: %s", rp_error_detail());
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    bool ready = mount("none", "/proc", "proc", 0, NULL) == 0 && mount("none", "/sys", "sysfs", 0, NULL) == 0 &&
                 (mount("none", "/dev", "devtmpfs", 0, NULL) == 0 || errno == EBUSY) &&
                 (mkdir("/dev/shm", 01777) == 0 || errno == EEXIST) && mount("none", "/dev/shm", "tmpfs", 0, "size=90%") == 0;
    check(ready, "file systems: %s", strerror(errno));
    named_nodes();
    near_the_consumer(1, false);
    near_the_consumer(0, false);
    near_the_consumer(EVERYWHERE, false);
    shmem_huge("deny");
    near_the_consumer(1, true);
    shmem_huge("never");
    huge_pages();
    a_full_node();
    shards();
    printf("numa-vm: %u checks, %u failed\n", checks, failures);
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 0;
}
