/* SPDX-License-Identifier: MIT */
/* Put before every source of lib/ in the simulator's build: what it takes from the C library and not from lib/platform. */
#ifndef PLATFORM_SIM_H
#define PLATFORM_SIM_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *sim_malloc(size_t bytes);
void *sim_calloc(size_t count, size_t bytes);
void *sim_realloc(void *memory, size_t bytes);
void sim_free(void *memory);
int sim_close(int fd);
int sim_fcntl(int fd, int command, struct flock *lock);
int sim_fstat(int fd, struct stat *status);
int sim_polls(struct pollfd *fds, unsigned count, int timeout_ms);
void sim_mutex_lock(uint32_t *mutex);
bool sim_mutex_trylock(uint32_t *mutex);
void sim_mutex_unlock(uint32_t *mutex);

#ifdef SIM_LIBRARY
#define malloc(bytes) sim_malloc(bytes)
#define calloc(count, bytes) sim_calloc(count, bytes)
#define realloc(memory, bytes) sim_realloc(memory, bytes)
#define free(memory) sim_free(memory)
#define close(fd) sim_close(fd)
#define fcntl(fd, command, lock) sim_fcntl(fd, command, lock)
#define fstat(fd, status) sim_fstat(fd, status)
#define poll(fds, count, timeout_ms) sim_polls(fds, count, timeout_ms)
/* The simulator's mutex lies where the real one would. */
static inline int sim_pthread_lock(pthread_mutex_t *mutex) {
    sim_mutex_lock((uint32_t *)(void *)mutex);
    return 0;
}
static inline int sim_pthread_trylock(pthread_mutex_t *mutex) { return sim_mutex_trylock((uint32_t *)(void *)mutex) ? 0 : -1; }
static inline int sim_pthread_unlock(pthread_mutex_t *mutex) {
    sim_mutex_unlock((uint32_t *)(void *)mutex);
    return 0;
}
static inline int sim_pthread_init(pthread_mutex_t *mutex) {
    memset(mutex, 0, sizeof *mutex);
    return 0;
}
#define pthread_mutex_init(mutex, attributes) sim_pthread_init(mutex)
#define pthread_mutex_destroy(mutex) ((void)(mutex))
#define pthread_mutex_lock(mutex) sim_pthread_lock(mutex)
#define pthread_mutex_trylock(mutex) sim_pthread_trylock(mutex)
#define pthread_mutex_unlock(mutex) sim_pthread_unlock(mutex)
#endif

#endif
