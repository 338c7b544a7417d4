/* SPDX-License-Identifier: MIT */
/*
 * The payment service: takes payments, and leaves a note in the queue "receipts" for each. It neither knows nor waits for whoever sends the e-mail.
 *
 *     payments QUEUE FIRST LAST
 *
 * It may be killed anywhere and started over from the beginning: each note is sent under the payment's id, and a second send of an id stores nothing.
 */
#include <errno.h>
#include <ringpost/ringpost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const customers[] = {"ann@example.org", "bob@example.org", "nobody", "carol@example.org"};

/* True: the note is in the queue, from now or from before. */
static int leave_note(rp_producer *receipts, long payment) {
    char id[32], note[128];
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    snprintf(id, sizeof id, "payment-%ld", payment);
    snprintf(note, sizeof note, "%ld %s %ld.%02ld", payment, customers[payment % 50 == 7 ? 2 : payment % 2], payment * 3 % 200,
             payment % 100);
    o.dedup_id = id;
    o.dedup_id_bytes = strlen(id);
    o.timeout_ns = 5000000000; /* how long a customer may wait if the queue is full */
    int result;
    do
        result = rp_send(receipts, note, strlen(note), &o);
    while (result == -EBUSY || result == -EINTR); /* somebody is sending this very id */
    if (result == 0 || result == RP_DUPLICATE)
        return 1;
    fprintf(stderr, "payments: %ld: %s (%s)\n", payment, rp_error_text(result), rp_error_detail());
    return 0;
}

int main(int argc, char **argv) {
    rp_queue *q;
    rp_producer *receipts;
    if (argc != 4) {
        fprintf(stderr, "usage: payments QUEUE FIRST LAST\n");
        return 2;
    }
    int result = rp_queue_open(argv[1], NULL, &q);
    if (result == 0)
        result = rp_producer_open(q, NULL, &receipts);
    if (result < 0) {
        fprintf(stderr, "payments: %s (%s)\n", rp_error_text(result), rp_error_detail());
        return 1;
    }
    for (long payment = atol(argv[2]); payment <= atol(argv[3]); payment++) {
        /* ... the money moves here ... */
        if (!leave_note(receipts, payment))
            return 1;
    }
    rp_producer_close(receipts);
    return rp_queue_close(q) == 0 ? 0 : 1;
}
