/* SPDX-License-Identifier: MIT */
/* What becomes of a message when its command has ended, and its lease until then. */
#include "work.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_REJECT 100
#define STATUS_DROP 101 /* of a filter */

static void say(const struct worker *w, const struct job *job, const char *outcome, const char *why) {
    uint64_t took_ns = cli_clock_ns() - job->started_ns;
    const struct rp_message *m = &job->message;
    if (w->json) {
        json_t *object = json_object();
        json_object_set_new(object, "id", cli_json_u64(m->id));
        json_object_set_new(object, "outcome", json_string(outcome));
        if (why)
            json_object_set_new(object, "reason", json_string(why));
        json_object_set_new(object, "deliveries", cli_json_u64(m->deliveries));
        json_object_set_new(object, "acquisitions", cli_json_u64(m->acquisitions));
        cli_json_order(object, m->key, m->key_bytes, m->priority);
        json_object_set_new(object, "took_ns", cli_json_u64(took_ns));
        cli_json_print(stdout, object);
        fflush(stdout);
    } else if (why) {
        cli_error("message %" PRIu64 ": %s: %s (delivery %" PRIu32 ")", m->id, outcome, why, m->deliveries);
    }
}

/* What a settlement came to. Returns false if it did not happen. */
static bool settled(struct worker *w, const struct job *job, int result) {
    if (result >= 0)
        return true;
    if (result == RP_LEASE_LOST) {
        w->lost++;
        say(w, job, "lost", "its lease ran out while the command ran");
    } else {
        work_stop(w, cli_fail(result, "message %" PRIu64, job->message.id));
    }
    return false;
}

static int nack(struct worker *w, struct job *job, const char *reason) {
    struct rp_nack_options options;
    rp_nack_options_init(&options, sizeof options);
    options.reason = reason;
    return rp_nack(w->consumer, &job->message, &options);
}

static void release(struct worker *w, struct job *job) {
    if (job->output >= 0)
        close(job->output);
    job->output = -1;
    job->pid = 0;
    w->running--;
}

void work_return(struct worker *w, struct job *job, const char *why) {
    if (settled(w, job, cli_give_back(w->consumer, &job->message))) {
        w->returned++;
        say(w, job, "given back", why);
    }
    release(w, job);
}

static void fail(struct worker *w, struct job *job, const char *reason) {
    if (settled(w, job, nack(w, job, reason))) {
        w->failed++;
        say(w, job, "failed", reason);
    }
    release(w, job);
}

static void reject(struct worker *w, struct job *job, const char *reason) {
    int result = rp_reject(w->consumer, &job->message, reason);
    if (result == RP_FULL) { /* the dead ring takes no more: it stays in the queue, as a failure */
        fail(w, job, reason);
        return;
    }
    if (settled(w, job, result)) {
        w->rejected++;
        say(w, job, "rejected", reason);
    }
    release(w, job);
}

static void ack(struct worker *w, struct job *job, const char *outcome, uint64_t *count) {
    if (settled(w, job, rp_ack(w->consumer, &job->message))) {
        ++*count;
        say(w, job, outcome, NULL);
    }
    release(w, job);
}

static void forward(struct worker *w, struct job *job) {
    int result = outlet_forward(w, job);
    if (result == -EINTR) {
        work_return(w, job, "the worker was told to stop");
        return;
    }
    if (result == RP_TOO_BIG) {
        char reason[RP_REASON_MAX + 1];
        snprintf(reason, sizeof reason, "larger than the %" PRIu32 " bytes that '%.30s' takes", w->outlet.options.message_bytes,
                 w->outlet.name);
        reject(w, job, reason);
        return;
    }
    if (settled(w, job, result)) {
        w->outlet.sent++;
        w->outlet.repeated += result > 0;
        say(w, job, result > 0 ? "forwarded before" : "forwarded", NULL);
    }
    release(w, job);
}

void work_settle(struct worker *w, struct job *job, int how) {
    char reason[RP_REASON_MAX + 1];
    if (w->killed && !(WIFEXITED(how) && WEXITSTATUS(how) == 0)) {
        work_return(w, job, "the worker was told to stop at once");
        return;
    }
    if (WIFSIGNALED(how)) {
        snprintf(reason, sizeof reason, "killed by signal %d", WTERMSIG(how));
    } else {
        snprintf(reason, sizeof reason, "exit status %d", WEXITSTATUS(how));
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0 && w->outlet.name)
        forward(w, job);
    else if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        ack(w, job, "acked", &w->acked);
    else if (WIFEXITED(how) && WEXITSTATUS(how) == STATUS_DROP && w->outlet.name)
        ack(w, job, "dropped", &w->outlet.dropped);
    else if (WIFEXITED(how) && WEXITSTATUS(how) == STATUS_REJECT)
        reject(w, job, reason);
    else
        fail(w, job, reason);
}

uint64_t work_extend(struct worker *w) {
    uint64_t now = cli_clock_ns(), next = 0;
    if (w->lease_ns == 0)
        return 0;
    for (size_t i = 0; i < w->scale.most; i++) {
        struct job *job = &w->jobs[i];
        if (job->pid == 0 || job->lost)
            continue;
        if (now >= job->extend_ns) {
            int result = rp_extend(w->consumer, &job->message, w->lease_ns);
            uint64_t pause = w->lease_ns / 3 > CLI_NS_PER_MS ? w->lease_ns / 3 : CLI_NS_PER_MS;
            if (result < 0) {
                cli_fail(result, "message %" PRIu64, job->message.id);
                job->lost = true;
                continue;
            }
            job->extend_ns = now + pause;
        }
        if (next == 0 || job->extend_ns < next)
            next = job->extend_ns;
    }
    return next;
}
