/* SPDX-License-Identifier: MIT */
/*
 * What a send costs with many consumer groups, against one: the same program, the same queue but for its groups, in turns. Only the sends are timed;
 * between the slices each group receives and acks all of it, which is timed apart.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 20, SLICES_MAX = 10000, SENDS = 512 };

struct side {
    char name[CREW_NAME_MAX];
    unsigned groups;
    rp_queue *queue;
    rp_producer *producer;
    rp_consumer *consumers[GROUPS_MAX];
    double send_ns[SLICES_MAX], receive_ns[SLICES_MAX]; /* of one message; of one message in one group */
};

static void open_side(struct side *s, unsigned groups, uint32_t bytes) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 2 * SENDS;
    o.message_bytes = bytes;
    o.max_groups = GROUPS_MAX;
    char which[16];
    snprintf(which, sizeof which, "groups%u", groups);
    crew_queue_name(s->name, which);
    s->groups = groups;
    crew_check(rp_queue_create(s->name, &o, &s->queue), "rp_queue_create");
    crew_check(rp_producer_open(s->queue, NULL, &s->producer), "rp_producer_open");
    for (unsigned g = 0; g < groups; g++) {
        char group[16] = "default";
        if (g > 0) {
            snprintf(group, sizeof group, "group%u", g);
            crew_check(rp_group_create(s->queue, group, NULL), "rp_group_create");
        }
        struct rp_consumer_options consumer;
        rp_consumer_options_init(&consumer, sizeof consumer);
        consumer.group = group;
        crew_check(rp_consumer_open(s->queue, &consumer, &s->consumers[g]), "rp_consumer_open");
    }
}

static void close_side(struct side *s) {
    for (unsigned g = 0; g < s->groups; g++)
        rp_consumer_close(s->consumers[g]);
    rp_producer_close(s->producer);
    crew_check(rp_queue_close(s->queue), "rp_queue_close");
    crew_check(rp_queue_unlink(s->name), "rp_queue_unlink");
}

static void slice(struct side *s, const unsigned char *body, size_t bytes, uint64_t i) {
    uint64_t from = clock_ns();
    for (unsigned n = 0; n < SENDS; n++)
        crew_check(rp_send(s->producer, body, bytes, NULL), "rp_send");
    uint64_t sent = clock_ns();
    for (unsigned g = 0; g < s->groups; g++)
        for (unsigned n = 0; n < SENDS; n++) {
            struct rp_message m;
            crew_check(rp_receive(s->consumers[g], &m, 0), "rp_receive");
            if (m.bytes != bytes || memcmp(m.data, body, bytes) != 0)
                crew_fail("group %u received something else", g);
            crew_check(rp_ack(s->consumers[g], &m), "rp_ack");
        }
    s->send_ns[i] = (double)(sent - from) / SENDS;
    s->receive_ns[i] = (double)(clock_ns() - sent) / SENDS / s->groups;
    crew_progress();
}

int main(int argc, char **argv) {
    uint64_t slices = 400, bytes = 64, groups = GROUPS_MAX;
    bool quick = false, json = false;
    const struct argument rows[] = {
        {.name = "slices", .help = "of 512 sends each (400)", .number = &slices},
        {.name = "bytes", .help = "of a message (64)", .number = &bytes},
        {.name = "groups", .help = "how many, against one (20)", .number = &groups},
        {.name = "quick", .help = "40 slices", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "what a send costs with many consumer groups", rows);
    slices = quick ? 40 : slices;
    if (slices == 0 || slices > SLICES_MAX || bytes == 0 || bytes > 65536 || groups == 0 || groups > GROUPS_MAX) {
        fprintf(stderr, "bench_groups: --slices is 1 .. %d, --bytes 1 .. 65536, --groups 1 .. %d\n", SLICES_MAX, GROUPS_MAX);
        return 2;
    }
    crew_begin("bench_groups");
    static struct side one, many;
    static unsigned char body[65536];
    static double ratios[SLICES_MAX];
    memset(body, 'x', bytes);
    open_side(&one, 1, (uint32_t)bytes);
    open_side(&many, (unsigned)groups, (uint32_t)bytes);
    for (uint64_t i = 0; i < slices; i++) {
        slice(&one, body, bytes, i);
        slice(&many, body, bytes, i);
        ratios[i] = many.send_ns[i] / one.send_ns[i];
    }
    close_side(&one);
    close_side(&many);
    double of_one = quantile(one.send_ns, slices, 0.5), of_many = quantile(many.send_ns, slices, 0.5);
    double ratio = quantile(ratios, slices, 0.5), low = quantile(ratios, slices, 0.1), high = quantile(ratios, slices, 0.9);
    double received_one = quantile(one.receive_ns, slices, 0.5), received_many = quantile(many.receive_ns, slices, 0.5);
    if (json)
        printf("{\n  \"results\": [\n    {\"peer\": \"ringpost\", \"test\": \"groups\", \"bytes\": %llu, \"groups\": %llu, "
               "\"slices\": %llu, "
               "\"send_one_ns\": %.1f, \"send_many_ns\": %.1f, \"ratio\": %.3f, \"ratio_low\": %.3f, \"ratio_high\": %.3f, "
               "\"receive_one_ns\": %.1f, \"receive_many_ns\": %.1f}\n  ]\n}\n",
               (unsigned long long)bytes, (unsigned long long)groups, (unsigned long long)slices, of_one, of_many, ratio, low, high,
               received_one, received_many);
    else
        printf("a send of %llu bytes, nobody waiting: to 1 group %.1f ns, to %llu groups %.1f ns, ratio %.2f (%.2f - %.2f, %llu "
               "slices)\n"
               "receive and ack, of one group: of 1 %.1f ns, of %llu %.1f ns\n",
               (unsigned long long)bytes, of_one, (unsigned long long)groups, of_many, ratio, low, high, (unsigned long long)slices,
               received_one, (unsigned long long)groups, received_many);
    return 0;
}
