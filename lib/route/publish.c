/* SPDX-License-Identifier: MIT */
/* One message to many queues. Nothing is read-locked while it is sent: a send may wait, and tends to the dead. */
#include "clock.h"
#include "error.h"
#include "options.h"
#include "publisher.h"
#include "topic.h"
#include <errno.h>
#include <string.h>

enum { GONE_CHECK_NS = 50000000 };

RP_API void rp_publish_options_init(struct rp_publish_options *o, size_t size) {
    const struct rp_publish_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* A message on its way. */
struct parcel {
    struct rp_publisher *publisher;
    const void *data;
    size_t bytes;
    const struct rp_publish_options *options;
    const struct rp_send_options *send; /* with timeout 0; NULL: none were given */
    int64_t timeout_ns;                 /* for those that are full */
    uint32_t sent, duplicates, failed;
    int first_error;
};

static const struct rp_publish_options plain_publish = {.size = sizeof plain_publish};

/* What this queue has of what is asked for; headers and times are for every queue. */
static struct rp_send_options fitted(const struct rp_send_options *given, const struct attachment *a, int64_t timeout_ns,
                                     uint64_t *id) {
    struct rp_send_options o;
    if (given != NULL)
        o = *given;
    else
        rp_send_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    o.id_out = id;
    if (!a->keyed) {
        o.key = NULL;
        o.key_bytes = 0;
    }
    if (!a->dedup) {
        o.dedup_id = NULL;
        o.dedup_id_bytes = 0;
    }
    if (o.priority > a->priorities)
        o.priority = a->priorities;
    return o;
}

static int send_to(const struct parcel *m, const struct place *place, int64_t timeout_ns, uint64_t *id) {
    if (m->send == NULL && id == NULL && timeout_ns == 0 && !place->attachment->waits)
        return rp_send(place->producer, m->data, m->bytes, NULL);
    struct rp_send_options o = fitted(m->send, place->attachment, timeout_ns, id);
    return rp_send(place->producer, m->data, m->bytes, &o);
}

static int deliver(const struct parcel *m, struct place *place, int64_t timeout_ns, uint64_t *id) {
    int result = publisher_prepare(m->publisher, place);
    if (result < 0)
        return result;
    result = send_to(m, place, timeout_ns, id);
    if (result != RP_GONE)
        return result;
    publisher_forget(m->publisher, place); /* removed; perhaps there is another of that name */
    result = publisher_prepare(m->publisher, place);
    return result < 0 ? result : send_to(m, place, timeout_ns, id);
}

static void count_failure(const struct parcel *m, const struct place *place) {
    struct rp_exchange *x = m->publisher->exchange;
    pthread_mutex_lock(&x->mutex);
    uint32_t binding = place->target->binding;
    pthread_mutex_unlock(&x->mutex);
    if (binding < x->bindings.header.max_bindings)
        counter_add_shared(&x->bindings.entries[binding].failed, 1);
}

/* What became of it in the queue chosen as number `i`. */
static void report(struct parcel *m, uint32_t i, const struct place *place, int result, uint64_t id) {
    m->sent += result == 0;
    m->duplicates += result == RP_DUPLICATE;
    if (result < 0 && result != RP_DUPLICATE) {
        m->failed++;
        m->first_error = m->first_error == 0 ? result : m->first_error;
        count_failure(m, place);
    }
    if (m->options->results == NULL || i >= m->options->result_room)
        return;
    struct rp_publish_result *r = &m->options->results[i];
    *r = (struct rp_publish_result){.result = result, .id = result == 0 || result == RP_DUPLICATE ? id : 0};
    memccpy(r->queue, place->target->name, 0, sizeof r->queue);
}

/* Each chosen queue once without waiting, then those that were full or paused, or where somebody else is sending under this id, until the time is over. */
static void deliver_all(struct parcel *m) {
    struct rp_publisher *p = m->publisher;
    bool wants_ids = m->options->results != NULL;
    uint64_t id = 0, *id_out = wants_ids ? &id : NULL;
    uint32_t full = 0;
    for (uint32_t i = 0; i < p->chosen_count; i++) {
        struct place *place = &p->places[p->chosen[i]];
        int result = deliver(m, place, 0, id_out);
        if ((result == RP_FULL || result == RP_PAUSED || result == -EBUSY) && m->timeout_ns != 0)
            place->publish = ~p->publish, full++; /* a mark: to be tried again */
        else
            report(m, i, place, result, id);
    }
    uint64_t end_ns = full == 0 || m->timeout_ns < 0 ? UINT64_MAX : clock_boot_ns() + (uint64_t)m->timeout_ns;
    for (uint32_t i = 0; i < p->chosen_count && full > 0; i++) {
        struct place *place = &p->places[p->chosen[i]];
        if (place->publish != ~p->publish)
            continue;
        uint64_t now_ns = m->timeout_ns < 0 ? 0 : clock_boot_ns();
        int64_t left_ns = m->timeout_ns < 0 ? -1 : now_ns < end_ns ? (int64_t)(end_ns - now_ns) : 0;
        report(m, i, place, deliver(m, place, left_ns, id_out), id);
        full--;
    }
}

static int check(rp_publisher *p, const void *data, size_t bytes, const struct rp_publish_options *o) {
    if (p == NULL)
        return fail(-EINVAL, "no publisher");
    struct rp_exchange *x = p->exchange;
    int result = exchange_check(x);
    if (result < 0)
        return result;
    if (data == NULL && bytes > 0)
        return fail(-EINVAL, "rp_publish: %zu bytes of nothing", bytes);
    if (o->reserved != 0)
        return fail(-E2BIG, "rp_publish_options: a reserved field is not 0");
    uint64_t now_ns = clock_wall_coarse_ns();
    if (now_ns - p->next_check_ns < UINT64_MAX / 2) { /* now and then: is the name still there? */
        p->next_check_ns = now_ns + GONE_CHECK_NS;
        exchange_notice_removal(x);
    }
    return load_relaxed(&x->gone, hint) != 0 ? fail(RP_GONE, "exchange '%.80s' was removed", x->name) : 0;
}

static int count_and_answer(const struct parcel *m, bool alternate) {
    struct exchange_counters *c = m->publisher->counters;
    uint32_t took = m->sent + m->duplicates;
    counter_add_shared(&c->published, 1);
    if (took > 0)
        counter_add_shared(&c->routed, took);
    if (m->duplicates > 0)
        counter_add_shared(&c->duplicates, m->duplicates);
    if (m->failed > 0)
        counter_add_shared(&c->failed, m->failed);
    if (alternate || m->publisher->chosen_count == 0)
        counter_add_shared(&c->unroutable, 1);
    if (alternate && took > 0)
        counter_add_shared(&c->alternate, 1);
    if (m->publisher->chosen_count == 0)
        return m->publisher->exchange->bindings.header.unroutable == RP_UNROUTABLE_RETURN ? RP_UNROUTABLE : 0;
    return took > 0 ? (int)took : m->first_error;
}

RP_API int rp_publish(rp_publisher *p, const char *topic, const void *data, size_t bytes, const struct rp_publish_options *given) {
    struct rp_publish_options copy = plain_publish;
    struct rp_send_options send;
    size_t topic_bytes;
    bool alternate;
    int result = given == NULL ? 0 : options_take(&copy, sizeof copy, given, "rp_publish_options");
    if (result < 0 || (result = check(p, data, bytes, &copy)) < 0 || (result = topic_check(topic, &topic_bytes)) < 0)
        return result;
    struct parcel m = {.publisher = p, .data = data, .bytes = bytes, .options = &copy};
    if (copy.send != NULL) {
        rp_send_options_init(&send, sizeof send);
        result = options_take(&send, sizeof send, copy.send, "rp_send_options");
        if (result < 0)
            return result;
        if (send.timeout_ns < -1 && send.timeout_ns != RP_TIMEOUT_POLICY)
            return fail(-EINVAL, "negative timeout");
        if (send.header_count > RP_HEADERS_MAX || (send.header_count > 0 && send.headers == NULL))
            return fail(-EINVAL, "rp_publish: %zu headers", send.header_count);
        m.send = copy.send = &send;
        m.timeout_ns = send.timeout_ns == RP_TIMEOUT_POLICY ? 0 : send.timeout_ns;
    }
    result = publisher_choose(p, topic, topic_bytes, &copy, &alternate);
    if (result < 0)
        return result;
    if (copy.matched_out != NULL)
        *copy.matched_out = alternate ? 0 : p->chosen_count;
    deliver_all(&m);
    return count_and_answer(&m, alternate);
}
