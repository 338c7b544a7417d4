/* SPDX-License-Identifier: MIT */
/* An exchange of the test's own, and queues beside it, named by program and pid; removed also when the test fails. */
#ifndef SUPPORT_EXCHANGE_FIXTURE_H
#define SUPPORT_EXCHANGE_FIXTURE_H

#include "fixture.h"

enum { EXCHANGE_QUEUES_MAX = 64 };

static char exchange_name[64];

static inline const char *queue_number(unsigned i) {
    static char names[EXCHANGE_QUEUES_MAX][96];
    snprintf(names[i], sizeof names[i], "test.%s.%d.%u", program_invocation_short_name, (int)getpid(), i);
    return names[i];
}

static inline rp_queue *make_queue_number(unsigned i, const struct rp_queue_options *o) {
    rp_queue *q = NULL;
    rp_queue_unlink(queue_number(i));
    succeeds(rp_queue_create(queue_number(i), o, &q));
    return q;
}

static inline rp_exchange *make_exchange(const struct rp_exchange_options *o) {
    rp_exchange *x = NULL;
    snprintf(exchange_name, sizeof exchange_name, "test.%s.%d", program_invocation_short_name, (int)getpid());
    rp_exchange_unlink(exchange_name);
    succeeds(rp_exchange_create(exchange_name, o, &x));
    return x;
}

static inline int unlink_exchange(void **state) {
    (void)state;
    if (exchange_name[0])
        rp_exchange_unlink(exchange_name);
    for (unsigned i = 0; i < EXCHANGE_QUEUES_MAX; i++)
        rp_queue_unlink(queue_number(i));
    return 0;
}

/* How many messages are ready; they are taken out. Each must say `text`, if there is one. */
static inline unsigned drain(rp_queue *q, const char *text) {
    rp_consumer *c;
    struct rp_message m;
    unsigned count = 0;
    succeeds(rp_consumer_open(q, NULL, &c));
    while (rp_receive(c, &m, 0) == 0) {
        assert_true(text == NULL || says(&m, text));
        succeeds(rp_ack(c, &m));
        count++;
    }
    rp_consumer_close(c);
    return count;
}

static inline int publish_text(rp_publisher *p, const char *topic, const char *text, const struct rp_publish_options *o) {
    return rp_publish(p, topic, text, strlen(text) + 1, o);
}

#define EXCHANGE_TEST(body) cmocka_unit_test_teardown(body, unlink_exchange)

#endif
