/* SPDX-License-Identifier: MIT */
/* Request and reply: headers say which reply belongs to which request, and where it goes. */
#include "error.h"
#include "headers.h"
#include "options.h"
#include "process.h"
#include "room.h"
#include "sweep.h"
#include "view.h"
#include "wait.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

RP_API void rp_request_options_init(struct rp_request_options *o, size_t size) {
    const struct rp_request_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API void rp_responder_options_init(struct rp_responder_options *o, size_t size) {
    const struct rp_responder_options defaults = {.size = sizeof defaults, .queues = 64};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* Our own headers, then the caller's. */
struct headers {
    struct rp_header list[RP_HEADERS_MAX];
    size_t count;
};

static void add(struct headers *h, const char *name, const char *value) { h->list[h->count++] = (struct rp_header){name, value}; }

/* *o: the caller's options, with ours before his headers. */
static int merge(struct rp_send_options *o, const struct rp_send_options *given, struct headers *h) {
    rp_send_options_init(o, sizeof *o);
    int result = options_take(o, sizeof *o, given, "rp_send_options");
    if (result < 0)
        return result;
    if (o->header_count > RP_HEADERS_MAX - h->count || (o->headers == NULL && o->header_count > 0))
        return fail(-EINVAL, "%zu headers, allowed are %zu beside those of a request or reply", o->header_count,
                    RP_HEADERS_MAX - h->count);
    for (size_t i = 0; i < o->header_count; i++)
        h->list[h->count++] = o->headers[i];
    o->headers = h->list;
    o->header_count = h->count;
    return 0;
}

/* ---- asking ---- */

/* Random bits, the time and the pid tell this requester from all others; the number tells its requests apart. */
static void make_id(rp_consumer *c, char id[RP_CORRELATION_ID_BYTES]) {
    if (c->requests++ == 0) {
        c->requester[0] = process_random();
        c->requester[1] = clock_wall_ns();
    }
    snprintf(id, RP_CORRELATION_ID_BYTES, "%016llx-%llx-%x-%llx", (unsigned long long)c->requester[0],
             (unsigned long long)c->requester[1], process_pid(), (unsigned long long)c->requests);
}

/* What is left of a timeout. */
static int64_t left_until(uint64_t end_ns) {
    uint64_t now_ns = clock_boot_ns();
    return end_ns == UINT64_MAX ? -1 : now_ns < end_ns ? (int64_t)(end_ns - now_ns) : 0;
}

static int wait_for_reply(rp_consumer *replies, const char *id, struct rp_message *reply, uint64_t end_ns, uint64_t *late) {
    const uint32_t cells = replies->actor.segment->layout.cell_count;
    for (uint32_t after = 0; after <= cells;) { /* what lies there when the time is over is still looked through, but not more */
        int64_t left = left_until(end_ns);
        after += left == 0;
        int result = rp_receive(replies, reply, left);
        if (result < 0)
            return result;
        const char *answers = rp_message_header(reply, RP_HEADER_CORRELATION_ID);
        if (answers != NULL && strcmp(answers, id) == 0)
            return 0;
        if (replies->ack_mode == RP_ACK_EXPLICIT)
            (void)rp_ack(replies, reply); /* too late: whoever has it now does the same */
        if (late != NULL)
            ++*late;
    }
    return RP_EMPTY;
}

RP_API int rp_request_wait(rp_consumer *replies, const char *correlation_id, struct rp_message *reply, int64_t timeout_ns,
                           uint64_t *late) {
    if (replies == NULL || correlation_id == NULL || reply == NULL || timeout_ns < -1)
        return fail(-EINVAL, "rp_request_wait: %s",
                    timeout_ns < -1 ? "negative timeout" : "no consumer, id, or place for the reply");
    return wait_for_reply(replies, correlation_id, reply, wait_deadline_ns(clock_boot_ns(), timeout_ns), late);
}

static int send_request(rp_producer *to, const void *data, size_t bytes, const struct rp_request_options *o, struct headers *h,
                        int64_t timeout_ns) {
    struct rp_send_options s;
    int result = merge(&s, o->send, h);
    if (result < 0)
        return result;
    int64_t patience = room_patience(to, s.timeout_ns);
    if (timeout_ns >= 0 && (patience < 0 || patience > timeout_ns))
        s.timeout_ns = timeout_ns;
    if (o->expires && timeout_ns > 0 && s.ttl_ns == RP_TTL_POLICY)
        s.ttl_ns = timeout_ns;
    return rp_send(to, data, bytes, &s);
}

RP_API int rp_request(rp_producer *to, rp_consumer *replies, const void *data, size_t bytes, const struct rp_request_options *given,
                      struct rp_message *reply, int64_t timeout_ns) {
    struct rp_request_options o;
    rp_request_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_request_options");
    if (o.correlation_id != NULL)
        o.correlation_id[0] = '\0';
    if (result < 0)
        return result;
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_request_options: a reserved field is not 0");
    if (to == NULL || replies == NULL || reply == NULL || timeout_ns < -1 || o.expires > 1)
        return fail(-EINVAL, "rp_request: %s",
                    to == NULL        ? "no producer"
                    : replies == NULL ? "no consumer for the reply"
                    : reply == NULL   ? "no place for the reply"
                    : timeout_ns < -1 ? "negative timeout"
                                      : "`expires` is neither 0 nor 1");
    if ((result = queue_check(replies->actor.queue)) < 0)
        return fail(result, "the reply queue was opened by the parent process");
    if (shm_same(&to->actor.queue->prober.identity, &replies->actor.queue->prober.identity))
        return fail(-EINVAL, "queue '%s': requests and replies need a queue each", to->actor.queue->name);
    uint64_t end_ns = wait_deadline_ns(clock_boot_ns(), timeout_ns);
    char id[RP_CORRELATION_ID_BYTES], *shown = o.correlation_id != NULL ? o.correlation_id : id;
    struct headers h = {.count = 0};
    make_id(replies, shown);
    add(&h, RP_HEADER_CORRELATION_ID, shown);
    add(&h, RP_HEADER_REPLY_TO, replies->actor.queue->name);
    result = send_request(to, data, bytes, &o, &h, timeout_ns);
    if (result < 0) {
        shown[0] = '\0';
        return result;
    }
    return wait_for_reply(replies, shown, reply, end_ns, o.late);
}

/* ---- answering ---- */

/* A reply queue that is open. */
struct reply_queue {
    rp_queue *queue; /* NULL: this place is free */
    rp_producer *producer;
    uint64_t used; /* when, in replies */
};

struct rp_responder {
    struct reply_queue *queues;
    uint32_t room;
    uint64_t replies;
};

RP_API int rp_responder_open(const struct rp_responder_options *given, rp_responder **out) {
    struct rp_responder_options o;
    rp_responder_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_responder_options");
    if (result < 0)
        return result;
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_responder_options: a reserved field is not 0");
    if (out == NULL || o.queues < 1 || o.queues > 4096)
        return fail(-EINVAL, "rp_responder_open: %s", out == NULL ? "no place for the result" : "queues is not 1 to 4096");
    struct rp_responder *r = calloc(1, sizeof *r);
    struct reply_queue *queues = calloc(o.queues, sizeof *queues);
    if (r == NULL || queues == NULL) {
        free(r);
        free(queues);
        return fail(-ENOMEM, "no memory for a responder");
    }
    *r = (struct rp_responder){.queues = queues, .room = o.queues};
    *out = r;
    return 0;
}

static void shut(struct reply_queue *e) {
    rp_producer_close(e->producer);
    (void)rp_queue_close(e->queue);
    *e = (struct reply_queue){0};
}

RP_API void rp_responder_close(rp_responder *r) {
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->room; i++)
        if (r->queues[i].queue != NULL)
            shut(&r->queues[i]);
    free(r->queues);
    free(r);
}

/* The reply queue of this name, open. */
static int find_queue(rp_responder *r, const char *name, struct reply_queue **out) {
    struct reply_queue *oldest = &r->queues[0];
    for (uint32_t i = 0; i < r->room; i++) {
        struct reply_queue *e = &r->queues[i];
        if (e->queue != NULL && strcmp(rp_queue_name(e->queue), name) == 0) {
            *out = e;
            return 0;
        }
        if (e->used < oldest->used)
            oldest = e;
    }
    rp_queue *q;
    int result = rp_queue_open(name, NULL, &q);
    if (result < 0)
        return fail(result, "reply queue '%.80s': %s", name, rp_error_detail());
    struct reply_queue opened = {.queue = q};
    result = rp_producer_open(q, NULL, &opened.producer);
    if (result < 0) {
        (void)rp_queue_close(q);
        return result;
    }
    if (oldest->queue != NULL)
        shut(oldest);
    *oldest = opened;
    *out = oldest;
    return 0;
}

/* Copies a header of the request. -> 1; 0: it has none, or a longer one, and `text` is empty. */
static int copy_header(const struct rp_message *m, const char *name, char *text, size_t room) {
    const char *value = rp_message_header(m, name);
    size_t bytes = value == NULL ? 0 : strnlen(value, room);
    bool fits = bytes > 0 && bytes < room;
    if (fits)
        memcpy(text, value, bytes);
    text[fits ? bytes : 0] = '\0';
    return fits;
}

/* Adds one of ours, unless the caller has given it. */
static void add_default(struct headers *h, const struct rp_send_options *o, const char *name, const char *value) {
    if (o != NULL && o->size > offsetof(struct rp_send_options, header_count) && o->headers == NULL)
        o = NULL; /* merge says what is wrong with a count of nothing */
    for (size_t i = 0; o != NULL && o->size > offsetof(struct rp_send_options, header_count) && i < o->header_count; i++)
        if (o->headers[i].name != NULL && strcasecmp(o->headers[i].name, name) == 0)
            return;
    add(h, name, value);
}

enum { COPIED_BYTES = 256 };

static int send_reply(rp_responder *r, const char *name, const struct rp_message *m, const void *data, size_t bytes,
                      const struct rp_send_options *given) {
    char id[COPIED_BYTES], trace[COPIED_BYTES];
    struct headers h = {.count = 0};
    struct rp_send_options o;
    struct reply_queue *e = NULL;
    if (copy_header(m, RP_HEADER_CORRELATION_ID, id, sizeof id))
        add_default(&h, given, RP_HEADER_CORRELATION_ID, id);
    if (copy_header(m, RP_HEADER_TRACEPARENT, trace, sizeof trace))
        add_default(&h, given, RP_HEADER_TRACEPARENT, trace);
    int result = merge(&o, given, &h);
    if (result < 0)
        return result;
    const bool own_id = o.dedup_id != NULL;
    for (bool again = true;; again = false) {
        if ((result = find_queue(r, name, &e)) < 0)
            return result;
        e->used = ++r->replies;
        notice_removal(e->queue); /* a request that came after the queue was made anew must not be answered in the old one */
        if (!own_id) {
            bool once = e->queue->segment.parameters.dedup_window_ns > 0 && id[0] != '\0' && strlen(id) <= RP_DEDUP_ID_MAX;
            o.dedup_id = once ? id : NULL;
            o.dedup_id_bytes = once ? strlen(id) : 0;
        }
        result = rp_send(e->producer, data, bytes, &o);
        if (result == RP_DUPLICATE && !own_id)
            return 0; /* there is a reply already */
        if (result != RP_GONE)
            return result;
        shut(e); /* removed; another may have its name by now */
        if (!again)
            return fail(-ENOENT, "reply queue '%.80s' was removed", name);
    }
}

RP_API int rp_reply(rp_responder *r, rp_consumer *c, struct rp_message *m, const void *data, size_t bytes,
                    const struct rp_send_options *o) {
    char name[SHM_PATH_MAX];
    if (r == NULL || c == NULL || m == NULL)
        return fail(-EINVAL, "rp_reply: no responder, consumer or message");
    int result = queue_check(c->actor.queue);
    if (result < 0)
        return fail(result, "queue '%s' was opened by the parent process", c->actor.queue->name);
    if (c->ack_mode == RP_ACK_EXPLICIT && view_of(c, m) == NULL)
        return fail(-EINVAL, "the message was settled before, or was received by another consumer");
    if (!copy_header(m, RP_HEADER_REPLY_TO, name, sizeof name))
        return fail(-EINVAL, "message %llu asks for no reply", (unsigned long long)m->id);
    result = send_reply(r, name, m, data, bytes, o);
    return result < 0 || c->ack_mode == RP_ACK_NONE ? result : rp_ack(c, m);
}
