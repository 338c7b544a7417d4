/* SPDX-License-Identifier: MIT */
/* A queue of the test's own, named by program and pid, and the calls that tests make all the time. */
#ifndef SUPPORT_FIXTURE_H
#define SUPPORT_FIXTURE_H

#include "check.h"
#include "peer.h"

#include <ringpost/ringpost.h>
#include <string.h>
#include <sys/mman.h>

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static char queue_name[64];

/* As until() of peer.h, but for conditions that take their time: asks once in half a millisecond and leaves the processor to others. */
#define eventually(condition)                                                  \
    __extension__({                                                            \
        time_t eventually_end = time(NULL) + PEER_DEADLINE_S;                  \
        bool eventually_met;                                                   \
        while (!(eventually_met = (condition)) && time(NULL) < eventually_end) \
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);            \
        eventually_met;                                                        \
    })

static inline int named(int result, const char *call, const char *file, int line) {
    if (result < 0)
        fprintf(stderr, "%s:%d: %s: %s: %s\n", file, line, call, rp_error_name(result), rp_error_detail());
    return result;
}
/* The call succeeds; says why not. In the test itself, and in a peer. */
#define succeeds(call) assert_true(named((call), #call, __FILE__, __LINE__) >= 0)
#define peer_succeeds(call) peer_check(named((call), #call, __FILE__, __LINE__) >= 0)

static inline int64_t time_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

/* Defaults that suit a test: small, impatient, nothing dies by itself. */
static inline struct rp_queue_options test_options(void) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 16;
    o.message_bytes = 64;
    o.backoff_ns = 0;
    o.backoff_max_ns = 0;
    o.max_deliveries = 0;
    o.max_participants = 16;
    return o;
}

static inline rp_queue *make_queue(const struct rp_queue_options *o) {
    rp_queue *q = NULL;
    snprintf(queue_name, sizeof queue_name, "test.%s.%d", program_invocation_short_name, (int)getpid());
    rp_queue_unlink(queue_name);
    succeeds(rp_queue_create(queue_name, o, &q));
    return q;
}

static inline void drop_queue(rp_queue *q) {
    succeeds(rp_queue_close(q));
    rp_queue_unlink(queue_name);
}

/* A test that failed in its middle leaves no name behind. */
static inline int unlink_queue(void **state) {
    (void)state;
    if (queue_name[0])
        rp_queue_unlink(queue_name);
    return 0;
}

/* A peer's own handles. */
struct handles {
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
};
static inline struct handles peer_open(uint32_t prefetch) {
    struct handles h;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.prefetch = prefetch;
    peer_succeeds(rp_queue_open(queue_name, NULL, &h.q));
    peer_succeeds(rp_producer_open(h.q, NULL, &h.p));
    peer_succeeds(rp_consumer_open(h.q, &o, &h.c));
    return h;
}

static inline int send_text(rp_producer *p, const char *text) { return rp_send(p, text, strlen(text) + 1, NULL); }
static inline bool says(const struct rp_message *m, const char *text) {
    return m->bytes == strlen(text) + 1 && memcmp(m->data, text, m->bytes) == 0;
}

static inline struct rp_queue_stats stats_of(rp_queue *q) {
    struct rp_queue_stats s;
    succeeds(rp_queue_stats(q, &s));
    return s;
}

/* At rest: no invariant is broken, and nothing is left to mend. */
static inline void audit_is_clean(rp_queue *q) {
    struct rp_audit a;
    succeeds(rp_queue_audit(q, &a));
    if (a.violations || a.repairable)
        fprintf(stderr, "audit: %llu violations, %llu repairable: %s\n", (unsigned long long)a.violations,
                (unsigned long long)a.repairable, a.first);
    assert_int_equal(a.violations, 0);
    assert_int_equal(a.repairable, 0);
}

/* Memory that children share with the test. */
static inline void *shared_memory(size_t bytes) {
    void *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(m != MAP_FAILED);
    return m;
}

#define TEST(body) cmocka_unit_test_teardown(body, unlink_queue)

#endif
