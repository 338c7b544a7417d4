/* SPDX-License-Identifier: MIT */
/*
 * One creation, instruction by instruction: what others can see of it changes in system calls only, before the file has its name. So the deaths of create_deaths.c,
 * at the entry and exit of each, are all there are up to there. From then on stores count, too: each memory that they leave is tried.
 */
#include "create.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

enum { IMAGES = 512 };

struct sights {
    struct names names;
    unsigned char *memory; /* the queue's, once it has its name */
    size_t bytes;
    unsigned char *images[IMAGES];
    unsigned count;
};

static void map_queue(const struct scene *s, struct sights *x) {
    struct stat status;
    int fd = shm_open_file(s->path, false);
    must(fd >= 0 && fstat(fd, &status) == 0);
    x->bytes = (size_t)status.st_size;
    x->memory = mmap(NULL, x->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(x->memory != MAP_FAILED);
    close(fd);
}

static bool was_system_call(pid_t pid) {
#ifdef __x86_64__
    uintptr_t next = (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
    return (ptrace(PTRACE_PEEKTEXT, pid, next - 2, NULL) & 0xffff) == 0x050f;
#else
    (void)pid;
    return false;
#endif
}

static void look(const struct scene *s, struct sights *x, pid_t pid) {
    struct names n = scene_names(s);
    bool other_names = memcmp(&n, &x->names, sizeof n) != 0;
    x->names = n;
    if (other_names && !was_system_call(pid))
        violation("names in the directory changed, and it was no system call");
    if (n.queues > 0 && x->memory == NULL)
        map_queue(s, x);
    if (x->memory == NULL || (x->count > 0 && memcmp(x->images[x->count - 1], x->memory, x->bytes) == 0))
        return;
    must(x->count < IMAGES);
    unsigned char *image = malloc(x->bytes);
    must(image != NULL);
    memcpy(image, x->memory, x->bytes);
    x->images[x->count++] = image;
}

bool step_creating(const struct scene *s) {
    struct puppet p;
    struct sights x = {0};
    unsigned instructions = 0;
    now_doing("create, instruction by instruction");
    if (!puppet_start(&p, 0, s, CREATE))
        return false;
    while (reports[0].stage == 0)
        puppet_step(&p);
    for (; reports[0].stage == 1; instructions++) {
        puppet_step(&p);
        look(s, &x, p.pid);
    }
    puppet_kill(&p);
    must(x.count > 0);
    figures.instructions += instructions;
    figures.images += x.count;
    for (unsigned i = 0; i < x.count; i++) {
        now_doing("create, its memory number %u", i);
        memcpy(x.memory, x.images[i], x.bytes);
        check_queue(s, 0);
        free(x.images[i]);
    }
    munmap(x.memory, x.bytes);
    check_end(s);
    return true;
}
