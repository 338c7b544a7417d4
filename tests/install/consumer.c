/* SPDX-License-Identifier: MIT */
/* A C program that uses an installed ringpost: create, send, receive, ack, unlink. */
#include <ringpost/ringpost.h>
#include <stdio.h>
#include <string.h>

static int check(const char *what, int result) {
    if (result < 0)
        fprintf(stderr, "%s: %s: %s\n", what, rp_error_name(result), rp_error_detail());
    return result < 0;
}

/* The library must live with a program that has a symbol of such a name. */
int fail(void);
int fail(void) { return 1; }

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    rp_queue *queue;
    rp_producer *producer;
    rp_consumer *consumer;
    struct rp_message message;
    struct rp_queue_options options;
    rp_queue_options_init(&options, sizeof options);
    options.capacity = 16;

    if (check("create", rp_queue_create(argv[1], &options, &queue)) ||
        check("producer", rp_producer_open(queue, NULL, &producer)) ||
        check("consumer", rp_consumer_open(queue, NULL, &consumer)) || check("send", rp_send(producer, "hello", 5, NULL)) ||
        check("receive", rp_receive(consumer, &message, 0)))
        return fail();
    if (message.bytes != 5 || memcmp(message.data, "hello", 5) != 0 || message.deliveries != 1) {
        fprintf(stderr, "received something else\n");
        return fail();
    }
    if (check("ack", rp_ack(consumer, &message)))
        return fail();
    if (rp_receive(consumer, &message, 0) != RP_EMPTY) {
        fprintf(stderr, "not empty after the ack\n");
        return fail();
    }
    rp_consumer_close(consumer);
    rp_producer_close(producer);
    return check("close", rp_queue_close(queue)) || check("unlink", rp_queue_unlink(argv[1]));
}
