/* SPDX-License-Identifier: MIT */
/* The queue that messages are forwarded to, and what goes there. */
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_NS \
    (INT64_C(100) * (int64_t)CLI_NS_PER_MS) /* in one wait for room: stop signals and leases are looked at in between */

int outlet_open(struct outlet *o, rp_consumer *from) {
    int result, status = cli_open(o->name, false, &o->queue);
    if (status != CLI_DONE)
        return status;
    rp_queue_options_init(&o->options, sizeof o->options);
    result = rp_queue_options_get(o->queue, &o->options);
    if (result == 0)
        result = rp_producer_open(o->queue, NULL, &o->producer);
    if (result == 0)
        result = rp_forward_check(from, o->producer);
    return result < 0 ? cli_fail(result, "'%s'", o->name) : CLI_DONE;
}

void outlet_close(struct outlet *o) {
    rp_producer_close(o->producer);
    rp_queue_close(o->queue);
}

int outlet_file(void) {
    int fd = memfd_create("ringpost-output", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What an output takes along from its message, as far as the queue has a place for it. */
static void carry(const struct outlet *o, const struct rp_message *m, struct rp_send_options *out) {
    if (o->options.lanes > 0 && m->key) {
        out->key = m->key;
        out->key_bytes = m->key_bytes;
    }
    out->carry = &m->headers;
    if (o->options.lanes == 0)
        out->priority = m->priority < o->options.priorities ? m->priority : o->options.priorities - 1;
}

static int send_patiently(struct worker *w, struct job *job, const void *data, size_t bytes) {
    struct rp_send_options options;
    int64_t patience_ns = PATIENCE_NS;
    rp_send_options_init(&options, sizeof options);
    carry(&w->outlet, &job->message, &options);
    if (w->lease_ns && (int64_t)w->lease_ns / 4 < patience_ns)
        patience_ns = (int64_t)w->lease_ns / 4;
    options.timeout_ns = 0;
    for (;;) {
        int result = rp_forward(w->consumer, &job->message, w->outlet.producer, data, bytes, &options);
        if (result != RP_FULL && result != RP_PAUSED && result != -EBUSY)
            return result;
        if (cli_stop_count() > 0)
            return -EINTR;
        options.timeout_ns = patience_ns;
        if (w->lease_ns && (result = rp_extend(w->consumer, &job->message, w->lease_ns)) < 0 && result != RP_LEASE_LOST)
            return result;
        (void)work_extend(w);
        result = keep_house(&w->keep, 0);
        if (result < 0)
            return result;
    }
}

int outlet_forward(struct worker *w, struct job *job) {
    struct stat about;
    char *data;
    ssize_t n = 0;
    int result;
    if (job->output < 0)
        return send_patiently(w, job, job->message.data, job->message.bytes);
    if (fstat(job->output, &about) != 0)
        return -errno;
    if (about.st_size > (off_t)w->outlet.options.message_bytes)
        return RP_TOO_BIG;
    data = malloc((size_t)about.st_size + 1);
    if (!data)
        return -ENOMEM;
    for (size_t done = 0; done < (size_t)about.st_size; done += (size_t)n) { /* not mapped: who still writes to it may cut it off */
        n = pread(job->output, data + done, (size_t)about.st_size - done, (off_t)done);
        if (n <= 0) {
            result = n < 0 ? -errno : -EIO;
            free(data);
            return result;
        }
    }
    result = send_patiently(w, job, data, (size_t)about.st_size);
    free(data);
    return result;
}
