/* SPDX-License-Identifier: MIT */
/* Round trips: one after the other, and by the clock. */
#include "party.h"

#include "../payload.h"
#include "../peers/wait.h"

static inline void put_one(const struct party *p, const unsigned char *body) {
    uint32_t spins = 0;
    while (p->job->peer->put(p->out, body, 1) == 0) {
        peer_wait(p->crowded, &spins);
    }
}

static inline void get_one(const struct party *p, struct peer_message *m) {
    uint32_t spins = 0;
    while (p->job->peer->get(p->in, m, 1) == 0) {
        peer_wait(p->crowded, &spins);
    }
}

static inline void ack(const struct party *p) {
    if (p->job->peer->ack != NULL) {
        p->job->peer->ack(p->in);
    }
}

static uint64_t read_tag(const struct party *p, const struct peer_message *m) {
    uint64_t tag;
    if (m->bytes != p->job->bytes || !payload_read(m->data, m->bytes, &tag)) {
        crew_fail("a message is torn: wrong length or content");
    }
    return tag;
}

static void expect(uint64_t tag, uint64_t wanted) {
    if (tag != wanted) {
        crew_fail("message %llu came in the place of %llu", (unsigned long long)payload_sequence(tag),
                  (unsigned long long)payload_sequence(wanted));
    }
}

void party_answer(struct party *p) {
    const bool reply_first = p->job->reply_first;
    uint64_t tag;
    for (uint64_t i = 0;; i++) {
        struct peer_message m;
        get_one(p, &m);
        tag = read_tag(p, &m);
        if (payload_sequence(tag) != i) {
            expect(tag, payload_tag(0, i));
        }
        payload_write(p->bodies, p->job->bytes, tag);
        if (reply_first) {
            put_one(p, p->bodies);
            ack(p);
        } else {
            ack(p);
            put_one(p, p->bodies);
        }
        if (payload_producer(tag) == PARTY_STOP) {
            return;
        }
    }
}

void party_ask(struct party *p, uint64_t duration_ns) {
    struct histogram *h = &p->shared->outcome.ticks;
    histogram_clear(h);
    uint64_t from = ticks_now(), end = from + (uint64_t)((double)duration_ns * p->machine->ticks_per_ns);
    for (uint64_t i = 0;; i++) {
        bool last = from >= end;
        uint64_t tag = payload_tag(last ? PARTY_STOP : 0, i);
        struct peer_message m;
        payload_write(p->bodies, p->job->bytes, tag);
        put_one(p, p->bodies);
        get_one(p, &m);
        expect(read_tag(p, &m), tag);
        ack(p);
        if (last) {
            return;
        }
        uint64_t now = ticks_now();
        histogram_add(h, now - from);
        from = now;
    }
}

/*
 * Question k is due at start + k * interval, and its time runs from there, however late it could be sent: a stall counts for all that were due in it, and not as one slow
 * round trip. What could not be sent before the end has waited at least until then.
 */
void party_ask_by_the_clock(struct party *p, uint64_t duration_ns) {
    struct histogram *h = &p->shared->outcome.ticks;
    histogram_clear(h);
    const double per_ns = p->machine->ticks_per_ns, interval = (double)p->job->interval_ns * per_ns;
    const uint64_t start = ticks_now(), end = start + (uint64_t)((double)duration_ns * per_ns);
    uint64_t sent = 0, answered = 0, due = start;
    bool stopping = false;
    while (!stopping || answered < sent) {
        uint64_t now = ticks_now();
        if (!stopping && (now >= due || now >= end)) {
            bool last = due >= end || now >= end;
            payload_write(p->bodies, p->job->bytes, payload_tag(last ? PARTY_STOP : 0, sent));
            if (p->job->peer->put(p->out, p->bodies, 1) == 1) {
                stopping = last;
                sent++;
                due = start + (uint64_t)((double)sent * interval);
            }
        }
        struct peer_message m;
        if (answered == sent || p->job->peer->get(p->in, &m, 1) == 0) {
            cpu_pause();
            continue;
        }
        uint64_t tag = read_tag(p, &m);
        expect(payload_sequence(tag), answered);
        ack(p);
        if (payload_producer(tag) != PARTY_STOP) {
            histogram_add(h, ticks_now() - (start + (uint64_t)((double)answered * interval)));
        }
        answered++;
    }
    p->shared->outcome.unsent = 0;
    for (uint64_t k = sent - 1; (due = start + (uint64_t)((double)k * interval)) < end; k++) { /* the stop was no question */
        histogram_add(h, end - due);
        p->shared->outcome.unsent++;
    }
}
