/* SPDX-License-Identifier: MIT */
/* What the programs of the crash laboratory share: skipping aloud, private mounts, asking a queue whether it is whole. */
#ifndef CRASH_LAB_H
#define CRASH_LAB_H

#include "fixture.h"

#include <fcntl.h>
#include <sys/mount.h>

/* A test that cannot run here says why, and the program ends with 77, which is not "passed". */
static bool lab_skipped;
#define lab_skip(why)                                          \
    do {                                                       \
        fprintf(stderr, "%s: skipped: %s\n", __func__, (why)); \
        lab_skipped = true;                                    \
        skip();                                                \
    } while (0)

/* What a peer ended with; one that could not do what it was for is a skip. */
#define lab_ended_well(status, why)      \
    do {                                 \
        int lab_status = (status);       \
        if (lab_status == PEER_SKIP)     \
            lab_skip(why);               \
        assert_int_equal(lab_status, 0); \
    } while (0)

#define LAB_MAIN(name, ...)                                                    \
    int main(void) {                                                           \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                       \
        int lab_failed = cmocka_run_group_tests_name(name, tests, NULL, NULL); \
        return lab_failed ? lab_failed : lab_skipped ? PEER_SKIP : 0;          \
    }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LAB_SANITIZED = 1 };
#else
enum { LAB_SANITIZED = 0 };
#endif

static inline bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* Whoever is nobody in his own user namespace can make no files there. */
static inline bool map_own_user(uid_t user, gid_t group) {
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", user);
    snprintf(groups, sizeof groups, "0 %u 1", group);
    return write_text("/proc/self/uid_map", users) && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/gid_map", groups);
}

/* In a peer: a mount namespace of its own; ends it with PEER_SKIP where that is not allowed. */
static inline void enter_own_mounts(void) {
    uid_t user = geteuid();
    gid_t own_group = getegid();
    if (unshare(CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) != 0 || (user && !map_own_user(user, own_group)) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(PEER_SKIP);
}

/* In a peer: an error that says what is the matter. */
static inline bool clear_error(int result, const char *word) {
    bool clear = result < 0 && strstr(rp_error_detail(), word) != NULL;
    if (!clear)
        fprintf(stderr, "%s: '%s' should name '%s'\n", rp_error_name(result), rp_error_detail(), word);
    return clear;
}

/* In a peer: `count` messages go in and come out, in order, each once. */
static inline void there_and_back(struct handles *h, int count) {
    for (int i = 0; i < count; i++) {
        struct rp_message m;
        peer_succeeds(rp_send(h->p, &i, sizeof i, NULL));
        peer_succeeds(rp_receive(h->c, &m, 0));
        peer_check(m.bytes == sizeof i && memcmp(m.data, &i, sizeof i) == 0);
        peer_succeeds(rp_ack(h->c, &m));
    }
}

static inline void peer_close(struct handles *h) {
    rp_consumer_close(h->c);
    rp_producer_close(h->p);
    peer_succeeds(rp_queue_close(h->q));
}

/* Nobody is left but the test: what the dead left is mended, and every cell is back but those of `ready` messages. */
static inline void only_ready_is_left(rp_queue *q, uint64_t ready) {
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 1 && stats_of(q).participants_dead == 0));
    struct rp_queue_stats s = stats_of(q);
    assert_int_equal(s.leased + s.delayed + s.dead + s.owned_cells + s.lingering, 0);
    assert_int_equal(s.ready, ready);
    assert_int_equal(s.free_cells, s.cells - ready);
    audit_is_clean(q);
}

#endif
