/* SPDX-License-Identifier: MIT */
/*
 * What a lost ring costs is a tick (event.h), so whoever waits on a whole descriptor hardly notices one. Some receivers here take the timer out of their descriptor. If one of them sleeps in vain and
 * finds a message that nobody had before, the books say whether its send has returned: then it has rung, unless a receiver on a futex (`waiters`) was woken instead, who may have been killed.
 * A sender that is killed between message and ring may cause one such sleep; a row of them means that a living receiver is deaf.
 */
#include "sleeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    SILENCE_MS = 20000,    /* a descriptor with its timer: a tick is 50 ms */
    RING_PATIENCE_MS = 25, /* without it: then somebody has to look after leases and the dead */
    DEAF_ROW = 20,
    WAIT_NS = 10000000,
    BELLS_PER_PARTICIPANT = 4 /* event.h */
};

static void count(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

/* False: the descriptor has none. */
static bool take_timer_out(int descriptor) {
    char path[64], line[256], what[64];
    bool done = false;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
    FILE *info = fopen(path, "re");
    while (info != NULL && fgets(line, sizeof line, info) != NULL) {
        int fd;
        if (sscanf(line, "tfd: %d", &fd) != 1)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t bytes = readlink(path, what, sizeof what - 1);
        what[bytes > 0 ? bytes : 0] = 0;
        if (strstr(what, "timerfd") != NULL)
            done = epoll_ctl(descriptor, EPOLL_CTL_DEL, fd, NULL) == 0;
    }
    if (info != NULL)
        fclose(info);
    return done;
}

bool sleeper_open(struct sleeper *s, struct worker *w, rp_consumer *c) {
    static const enum sleep_way ways[] = {SLEEP_LEVEL, SLEEP_EDGE, SLEEP_RINGS, SLEEP_RINGS, SLEEP_WAIT};
    *s = (struct sleeper){.worker = w,
                          .consumer = c,
                          .way = ways[worker_random(w, w->storm->variant->waiters ? 5 : 4)],
                          .descriptor = -1,
                          .loop = -1};
    if (s->way == SLEEP_WAIT)
        return true;
    s->descriptor = rp_consumer_fd(c);
    if (s->descriptor < 0) {
        ledger_violation("descriptor: %s: %s", rp_error_name(s->descriptor), rp_error_detail());
        return false;
    }
    if (s->way == SLEEP_EDGE) {
        struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
        s->loop = epoll_create1(EPOLL_CLOEXEC);
        if (s->loop < 0 || epoll_ctl(s->loop, EPOLL_CTL_ADD, s->descriptor, &edge) != 0)
            abort();
    }
    if (s->way == SLEEP_RINGS && !take_timer_out(s->descriptor))
        ledger_violation("a descriptor without a timer");
    return true;
}

void sleeper_close(struct sleeper *s) {
    if (s->loop >= 0)
        close(s->loop);
    s->loop = -1;
}

/* -> 1: readable; 0: the time is over. */
static int sleep_on(struct sleeper *s) {
    int patience_ms = s->way == SLEEP_RINGS ? RING_PATIENCE_MS : SILENCE_MS, ready;
    struct pollfd readable = {.fd = s->descriptor, .events = POLLIN};
    struct epoll_event e;
    do
        ready = s->loop >= 0 ? epoll_wait(s->loop, &e, 1, patience_ms) : poll(&readable, 1, patience_ms);
    while (ready < 0 && errno == EINTR); /* stopped, and continued */
    count(&s->worker->tallies->sleeps);
    if (ready < 0 || (ready == 0 && s->way != SLEEP_RINGS))
        ledger_violation("a descriptor was not readable for %d ms", patience_ms);
    return ready;
}

static bool came_while_asleep(const struct rp_message *m) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t age_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - (int64_t)m->sent_ns;
    return m->acquisitions == 1 && age_ns > RING_PATIENCE_MS * INT64_C(500000);
}

/* Its send has returned, and the descriptor is not readable. */
static bool ring_is_lost(const struct sleeper *s, const struct rp_message *m) {
    union mark mark = ledger_mark(((const struct letter *)m->data)->number);
    struct pollfd readable = {.fd = s->descriptor, .events = POLLIN};
    return m->acquisitions == 1 && mark.sent == SENT_DONE && mark.redriven == 0 && !s->worker->storm->variant->waiters &&
           poll(&readable, 1, 0) == 0;
}

/* In a row, also over the deaths of those who have this worker's place. */
static void judge_ears(struct sleeper *s, bool rung, int result, const struct rp_message *m) {
    struct tallies *t = s->worker->tallies;
    if (rung) {
        count(&t->rung);
        atomic_store(&t->unrung_row, 0);
        return;
    }
    if (result < 0 || !letter_check(m->data, m->bytes, "received without a ring"))
        return;
    if (ring_is_lost(s, m))
        ledger_violation("message %llu was sent, and the ring is lost",
                         (unsigned long long)((const struct letter *)m->data)->number);
    if (came_while_asleep(m)) {
        count(&t->unrung);
        if (atomic_fetch_add(&t->unrung_row, 1) + 1 == DEAF_ROW)
            ledger_violation("a receiver slept %d times while messages came, and was not rung once", (int)DEAF_ROW);
    }
}

static int receive(struct sleeper *s, struct rp_message *m, size_t max) {
    int result = max > 1 ? rp_receive_batch(s->consumer, m, max, 0) : rp_receive(s->consumer, m, 0);
    s->asleep = result == RP_EMPTY || result == RP_PAUSED;
    return result;
}

int sleeper_receive(struct sleeper *s, struct rp_message *m, size_t max) {
    if (s->way == SLEEP_WAIT) {
        rp_consumer *named_twice[] = {s->consumer, s->consumer};
        int result = rp_wait(named_twice, 2, WAIT_NS);
        return result < 0 ? result : receive(s, m, max);
    }
    if (s->way != SLEEP_LEVEL && !s->asleep)
        return receive(s, m, max);
    bool rung = sleep_on(s) == 1;
    int result = receive(s, m, max);
    if (s->way == SLEEP_RINGS)
        judge_ears(s, rung, result, m);
    return result;
}

/* ---- afterwards ---- */

static void all_are_rung(rp_queue *q, rp_consumer **consumers, uint32_t n) {
    const char text[] = "for one of you";
    struct rp_message m;
    rp_producer *p;
    int result = RP_EMPTY;
    for (uint32_t i = 0; i < n && result == RP_EMPTY; i++)
        if (take_timer_out(rp_consumer_fd(consumers[i])))
            result = rp_receive(consumers[i], &m, 0);
    if (result != RP_EMPTY || rp_producer_open(q, NULL, &p) != 0) {
        ledger_violation("afterwards: a receive from the empty queue: %s", rp_error_name(result));
        return;
    }
    if (rp_send(p, text, sizeof text, NULL) != 0)
        ledger_violation("afterwards: a send: %s", rp_error_detail());
    rp_producer_close(p);
    for (uint32_t i = 0; i < n; i++) {
        struct pollfd readable = {.fd = rp_consumer_fd(consumers[i]), .events = POLLIN};
        if (poll(&readable, 1, SILENCE_MS) != 1) {
            ledger_violation("afterwards: the descriptor in place %u of %u is not rung", i, n);
            break;
        }
    }
    if (rp_receive(consumers[0], &m, 0) != 0 || rp_ack(consumers[0], &m) != 0)
        ledger_violation("afterwards: nothing is there to be received");
}

void sleepers_judge(rp_queue *q, uint32_t max_participants) {
    uint32_t room = BELLS_PER_PARTICIPANT * max_participants, n = 0;
    rp_consumer **consumers = calloc(room + 1, sizeof *consumers);
    int result = 0;
    if (consumers == NULL)
        abort();
    while (n <= room && result >= 0) {
        if (rp_consumer_open(q, NULL, &consumers[n]) != 0)
            abort();
        result = rp_consumer_fd(consumers[n]);
        n += result >= 0;
    }
    if (result != -ENOSPC || n != room)
        ledger_violation("afterwards: %u descriptors are to be had, not %u: %s", n, room, rp_error_name(result));
    all_are_rung(q, consumers, n);
    for (uint32_t i = 0; i <= room; i++)
        rp_consumer_close(consumers[i]);
    free(consumers);
}
