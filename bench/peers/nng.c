/* SPDX-License-Identifier: MIT */
/*
 * nng over its Unix sockets, in the abstract namespace, so that no file remains. Each consumer listens with a PULL socket, each producer dials all of them with a PUSH
 * socket. A PULL socket has no buffer, and one nng_recvmsg after the other costs a hand-over between threads each; so many receives are under way
 * at any time, and finish in the order in which they were begun.
 */
#include "allocate.h"

#include <linux/futex.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20, REDIAL_MS = 1, RECEIVES = 64 };

struct world {
    struct peer_setup setup;
    long pid;
};

enum receive_state { UNDER_WAY, AWAITED, DONE };

struct receive {
    nng_aio *aio;
    _Atomic uint32_t state; /* a futex */
};

struct end {
    nng_socket socket;
    uint32_t bytes;
    bool may_wait;
    nng_msg **held; /* what the last get handed out */
    size_t held_count;
    struct receive receives[RECEIVES]; /* of a consumer, in turns */
    uint64_t turn;                     /* the oldest of them */
};

static void check(int result, const char *call) {
    if (result != 0) {
        crew_fail("%s: %s", call, nng_strerror(result));
    }
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w = (struct world){.setup = *setup, .pid = getpid()};
    return &w;
}

/* Called by a thread of nng's. */
static void note_done(void *receive) {
    struct receive *r = receive;
    if (atomic_exchange_explicit(&r->state, DONE, memory_order_acq_rel) == AWAITED) {
        syscall(SYS_futex, &r->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

/* True: done. */
static bool await_receive(struct receive *r, bool may_wait) {
    uint32_t state = UNDER_WAY;
    if (may_wait &&
        atomic_compare_exchange_strong_explicit(&r->state, &state, AWAITED, memory_order_acquire, memory_order_acquire)) {
        struct timespec limit = {.tv_nsec = WAIT_MS * 1000000};
        syscall(SYS_futex, &r->state, FUTEX_WAIT_PRIVATE, AWAITED, &limit, NULL, 0);
        state = AWAITED;
        atomic_compare_exchange_strong_explicit(&r->state, &state, UNDER_WAY, memory_order_acquire, memory_order_acquire);
    }
    return atomic_load_explicit(&r->state, memory_order_acquire) == DONE;
}

static void begin_receive(struct end *e, struct receive *r) {
    atomic_store_explicit(&r->state, UNDER_WAY, memory_order_relaxed);
    nng_recv_aio(e->socket, r->aio);
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    const struct world *w = world;
    const struct peer_setup *s = &w->setup;
    struct end *e = peer_allocate(sizeof *e);
    /* Under `chrt -f` its threads, all on one processor, never come to an end, and nobody else to anything. */
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    e->bytes = s->bytes;
    e->may_wait = s->may_wait;
    e->held = peer_allocate(sizeof *e->held * s->batch);
    check(producer ? nng_push0_open(&e->socket) : nng_pull0_open(&e->socket), "nng_push0_open or nng_pull0_open");
    if (producer) {
        check(nng_socket_set_ms(e->socket, NNG_OPT_SENDTIMEO, WAIT_MS), "NNG_OPT_SENDTIMEO");
        check(nng_socket_set_int(e->socket, NNG_OPT_SENDBUF, (int)s->capacity), "NNG_OPT_SENDBUF");
    }
    for (uint32_t consumer = 0; consumer < s->consumers; consumer++) {
        char address[96];
        snprintf(address, sizeof address, "abstract://ringpost-bench-%ld-%u-%u", w->pid, channel, consumer);
        if (producer) {
            check(nng_socket_set_ms(e->socket, NNG_OPT_RECONNMINT, REDIAL_MS), "NNG_OPT_RECONNMINT");
            check(nng_dial(e->socket, address, NULL, NNG_FLAG_NONBLOCK), "nng_dial");
        } else if (consumer == index) {
            check(nng_listen(e->socket, address, NULL, 0), "nng_listen");
        }
    }
    for (uint32_t i = 0; !producer && i < RECEIVES; i++) {
        check(nng_aio_alloc(&e->receives[i].aio, note_done, &e->receives[i]), "nng_aio_alloc");
        begin_receive(e, &e->receives[i]);
    }
    return e;
}

static bool would_wait(int result, const char *call) {
    if (result == NNG_EAGAIN || result == NNG_ETIMEDOUT) {
        return true;
    }
    check(result, call);
    return false;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    for (size_t done = 0; done < count; done++) {
        nng_msg *message;
        check(nng_msg_alloc(&message, e->bytes), "nng_msg_alloc");
        memcpy(nng_msg_body(message), bodies + done * e->bytes, e->bytes);
        if (would_wait(nng_sendmsg(e->socket, message, done == 0 && e->may_wait ? 0 : (int)NNG_FLAG_NONBLOCK), "nng_sendmsg")) {
            nng_msg_free(message);
            return done;
        }
    }
    return count;
}

static void let_go(struct end *e) {
    while (e->held_count > 0) {
        nng_msg_free(e->held[--e->held_count]);
    }
}

/* Bodies are read where nng received them. */
static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    let_go(e);
    while (e->held_count < count) {
        struct receive *r = &e->receives[e->turn % RECEIVES];
        if (!await_receive(r, e->held_count == 0 && e->may_wait)) {
            break;
        }
        nng_aio_wait(r->aio); /* for that thread to have left note_done */
        check(nng_aio_result(r->aio), "nng_recv_aio");
        nng_msg *message = nng_aio_get_msg(r->aio);
        begin_receive(e, r);
        e->turn++;
        messages[e->held_count] = (struct peer_message){.data = nng_msg_body(message), .bytes = nng_msg_len(message)};
        e->held[e->held_count++] = message;
    }
    return e->held_count;
}

static void detach(void *end) {
    struct end *e = end;
    let_go(e);
    for (uint32_t i = 0; i < RECEIVES; i++) {
        if (e->receives[i].aio != NULL) {
            nng_aio_stop(e->receives[i].aio);
            nng_aio_free(e->receives[i].aio);
        }
    }
    nng_close(e->socket);
    free(e->held);
    free(e);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_nng = {
    .name = "nng",
    .setting = "PUSH to PULL over ipc, its own threads, 64 receives under way; waits by its own means",
    .kind = PEER_KERNEL,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
    .scatters = true,
};
