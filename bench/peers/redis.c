/* SPDX-License-Identifier: MIT */
/*
 * Redis Streams through hiredis: XADD, XREADGROUP of a consumer group, XACK. A batch is a pipeline of XADDs, one XREADGROUP COUNT and one XACK. Acks are sent at once and
 * their replies read with the next call: the server gets what was sent even if the consumer is killed right after. Redis bounds no stream
 * without losing the oldest, so the bound is ours: two counters in shared memory.
 */
#include "allocate.h"
#include "bound.h"
#include "server.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>

enum { START_S = 20, WAIT_MS = 20, ID_MAX = 48 };

struct world {
    struct peer_setup setup;
    struct bound *bounds; /* shared */
};

struct end {
    redisContext *redis;
    struct bound *bound;
    struct peer_setup setup;
    char key[8], consumer[16], trim[24];
    bool asked;        /* an XREADGROUP is under way */
    bool acked;        /* the reply to an XACK is still to come */
    redisReply *batch; /* what the last get handed out lies in it */
    char (*ids)[ID_MAX];
    size_t held;
};

static struct server server;

static bool available(char why[PEER_WHY_MAX]) {
    snprintf(why, PEER_WHY_MAX, "no redis-server (Debian: redis-server)");
    return server_program("redis-server");
}

static bool launch(const char *persistence, char why[PEER_WHY_MAX]) {
    char script[400];
    snprintf(script, sizeof script, "exec redis-server --port 0 --unixsocket \"$PWD/redis\" --save '' --daemonize no %s",
             persistence);
    return server_launch(&server, script, "redis", 0, START_S, why);
}

static bool start(char why[PEER_WHY_MAX]) { return launch("--appendonly no", why); }

static bool start_durable(char why[PEER_WHY_MAX]) {
    return launch("--appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0 --dir \"${RINGPOST_BENCH_DATA:-$PWD}\"",
                  why);
}

static void stop(void) { server_stop(&server); }

static redisContext *connect_redis(void) {
    char path[SERVER_DIRECTORY_MAX + 8];
    snprintf(path, sizeof path, "%s/redis", server.directory);
    redisContext *redis = redisConnectUnix(path);
    if (redis == NULL || redis->err != 0) {
        crew_fail("Redis: %s", redis != NULL ? redis->errstr : "out of memory");
    }
    return redis;
}

/* The next reply; NULL if there is none within `wait_ms` (-1: for ever). */
static redisReply *next_reply(redisContext *redis, int wait_ms) {
    for (;;) {
        void *reply = NULL;
        int result = redisGetReplyFromReader(redis, &reply);
        redisReply *r = reply;
        if (r != NULL && r->type == REDIS_REPLY_ERROR) {
            crew_fail("Redis: %s", r->str);
        }
        if (r != NULL) {
            return r;
        }
        struct pollfd p = {.fd = redis->fd, .events = POLLIN};
        if (result == REDIS_OK && wait_ms >= 0 && poll(&p, 1, wait_ms) <= 0) {
            return NULL;
        }
        if (result != REDIS_OK || redisBufferRead(redis) != REDIS_OK) {
            crew_fail("Redis: %s", redis->errstr);
        }
    }
}

static void flush_output(redisContext *redis) {
    int done = 0;
    while (done == 0) {
        if (redisBufferWrite(redis, &done) != REDIS_OK) {
            crew_fail("Redis: %s", redis->errstr);
        }
    }
}

static void order(redisContext *redis, const char *command) {
    redisAppendCommand(redis, command);
    flush_output(redis);
    freeReplyObject(next_reply(redis, -1));
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    w.bounds = crew_share(sizeof *w.bounds * setup->channels);
    redisContext *redis = connect_redis();
    order(redis, "FLUSHALL");
    for (uint32_t i = 0; i < setup->channels; i++) {
        char command[64];
        snprintf(command, sizeof command, "XGROUP CREATE q%u g $ MKSTREAM", i);
        order(redis, command);
    }
    redisFree(redis);
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->redis = connect_redis();
    e->bound = &w->bounds[channel];
    e->setup = w->setup;
    e->ids = peer_allocate(sizeof *e->ids * w->setup.batch);
    snprintf(e->key, sizeof e->key, "q%u", channel);
    snprintf(e->consumer, sizeof e->consumer, "c%u", index);
    snprintf(e->trim, sizeof e->trim, "%u", 4 * w->setup.capacity);
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t room = bound_claim(e->bound, e->setup.capacity, count);
    const char *words[] = {"XADD", e->key, "MAXLEN", "~", e->trim, "*", "d", NULL};
    size_t lengths[] = {4, strlen(e->key), 6, 1, strlen(e->trim), 1, 1, e->setup.bytes};
    for (size_t i = 0; i < room; i++) {
        words[7] = (const char *)bodies + i * e->setup.bytes;
        redisAppendCommandArgv(e->redis, 8, words, lengths);
    }
    if (room > 0) {
        flush_output(e->redis);
    }
    for (size_t i = 0; i < room; i++) {
        freeReplyObject(next_reply(e->redis, -1));
    }
    return room;
}

/* Sends the request unless it is under way; -> the answer, NULL: not yet. */
static redisReply *ask(struct end *e, size_t count) {
    if (!e->asked) {
        char number[24];
        snprintf(number, sizeof number, "%zu", count);
        const char *words[] = {"XREADGROUP", "GROUP", "g", e->consumer, "COUNT", number, "BLOCK", "0", "STREAMS", e->key, ">"};
        redisAppendCommandArgv(e->redis, 11, words, NULL);
        flush_output(e->redis);
        e->asked = true;
    }
    int wait_ms = e->setup.may_wait ? WAIT_MS : 0;
    redisReply *reply = next_reply(e->redis, wait_ms);
    if (reply != NULL && e->acked) {
        freeReplyObject(reply);
        e->acked = false;
        reply = next_reply(e->redis, wait_ms);
    }
    e->asked = reply == NULL;
    return reply;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    if (e->batch != NULL) {
        freeReplyObject(e->batch);
        e->batch = NULL;
    }
    e->batch = ask(e, count);
    if (e->batch == NULL) {
        let_the_server_run(e->setup.may_wait);
        return 0;
    }
    if (e->batch->type != REDIS_REPLY_ARRAY || e->batch->elements != 1 || e->batch->element[0]->elements != 2) {
        crew_fail("Redis: not understood what XREADGROUP said");
    }
    const redisReply *entries = e->batch->element[0]->element[1];
    e->held = entries->elements;
    for (size_t i = 0; i < e->held; i++) {
        const redisReply *entry = entries->element[i], *body = entry->element[1]->element[1];
        snprintf(e->ids[i], ID_MAX, "%s", entry->element[0]->str);
        messages[i] = (struct peer_message){.data = body->str, .bytes = (size_t)body->len};
    }
    return e->held;
}

static void ack(void *end) {
    struct end *e = end;
    const char *words[3 + PEER_BATCH_MAX] = {"XACK", e->key, "g"};
    for (size_t i = 0; i < e->held; i++) {
        words[3 + i] = e->ids[i];
    }
    redisAppendCommandArgv(e->redis, 3 + (int)e->held, words, NULL);
    flush_output(e->redis);
    e->acked = true;
    bound_return(e->bound, e->held);
    e->held = 0;
}

static void detach(void *end) {
    struct end *e = end;
    if (e->batch != NULL) {
        freeReplyObject(e->batch);
    }
    if (e->acked) {
        freeReplyObject(next_reply(e->redis, -1));
    }
    redisFree(e->redis);
    free(e->ids);
    free(e);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_redis = {
    .name = "redis",
    .setting = "Redis Streams, nothing on disk, Unix socket: XADD, XREADGROUP BLOCK, XACK; batches pipelined; the reply to an ack "
               "is not waited for",
    .kind = PEER_SERVER,
    .acks = true,
    .survives_kill = true,
    .available = available,
    .start = start,
    .stop = stop,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .ack = ack,
    .detach = detach,
    .destroy = destroy,
};

const struct peer peer_redis_durable = {
    .name = "redis-durable",
    .setting = "as redis, with appendfsync always",
    .kind = PEER_SERVER,
    .acks = true,
    .survives_kill = true,
    .available = available,
    .start = start_durable,
    .stop = stop,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .ack = ack,
    .detach = detach,
    .destroy = destroy,
};
