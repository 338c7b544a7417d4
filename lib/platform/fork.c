/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

const volatile uint32_t *fork_canary_create(void) {
    void *page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, page_bytes(), MADV_WIPEONFORK) != 0) {
        munmap(page, page_bytes());
        return NULL;
    }
    *(uint32_t *)page = 1;
    return page;
}

void fork_canary_destroy(const volatile uint32_t *canary) {
    if (canary)
        munmap((void *)canary, page_bytes());
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void take(void) { pthread_mutex_lock(&mutex); }

static void release(void) { pthread_mutex_unlock(&mutex); }

/* The child's only thread is a copy of the one that took the mutex, and so may release it. */
static void hook_fork(void) { pthread_atfork(take, release, release); }

static sigset_t mask_before; /* of the thread that has the mutex */

/* No handler may run in between: one that forks would wait for itself. */
void fork_lock(void) {
    sigset_t all, mask;
    pthread_once(&once, hook_fork);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    take();
    mask_before = mask;
}

void fork_unlock(void) {
    sigset_t mask = mask_before;
    release();
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}
