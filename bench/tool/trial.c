/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include "party.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct trial_shared *shared;

struct trial {
    const struct machine *machine;
    const struct trial_job *job;
};

/* -- the parties -- */

/* All parties of the trial pass together. Those that are early sleep: the probes between two gates want the processors for themselves. */
static void pass_gate(const struct party *p) {
    uint32_t before = atomic_load_explicit(&shared->gate, memory_order_acquire);
    if (atomic_fetch_add_explicit(&shared->arrived, 1, memory_order_acq_rel) + 1 == p->job->producers + p->job->consumers) {
        atomic_store_explicit(&shared->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&shared->stops_taken, 0, memory_order_relaxed);
        atomic_store_explicit(&shared->producers_left, p->job->producers, memory_order_relaxed);
        atomic_store_explicit(&shared->gate, before + 1, memory_order_release);
        syscall(SYS_futex, &shared->gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
    while (atomic_load_explicit(&shared->gate, memory_order_acquire) == before) {
        syscall(SYS_futex, &shared->gate, FUTEX_WAIT, before, NULL, NULL, 0);
    }
}

static void probe(const struct party *p, double *ns) {
    pass_gate(p);
    if (p->index == 0) {
        uint64_t base = atomic_load_explicit(&shared->line.turn, memory_order_relaxed) & ~1ull;
        if (p->producer) {
            static struct histogram h;
            histogram_clear(&h);
            bounce_sample(&shared->line, base, p->job->probe_rounds, &h);
            *ns = machine_quantile_ns(p->machine, &h, 0.5);
            histogram_merge(&shared->outcome.bare, &h);
        } else {
            bounce_serve(&shared->line, base, p->job->probe_rounds);
        }
    }
    pass_gate(p);
}

static void act(struct party *p, enum phase phase, uint64_t duration_ns) {
    p->phase = phase;
    const enum trial_kind kind = p->job->kind;
    if (!p->producer) {
        if (kind == TRIAL_TRIP || kind == TRIAL_RATE) {
            party_answer(p);
        } else {
            party_consume(p);
        }
    } else if (kind == TRIAL_TRIP) {
        party_ask(p, duration_ns);
    } else if (kind == TRIAL_RATE) {
        party_ask_by_the_clock(p, duration_ns);
    } else if (kind == TRIAL_FLOW) {
        party_produce(p, duration_ns);
    } else {
        party_fan_out(p, duration_ns);
    }
}

static uint64_t preemptions(void) {
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (uint64_t)u.ru_nivcsw : 0;
}

static void take_part(void *argument) {
    struct party *p = argument;
    const struct trial_job *job = p->job;
    bool trips = job->kind == TRIAL_TRIP || job->kind == TRIAL_RATE;
    if (p->crowded) {
        crew_schedule(true);
    }
    size_t room = (size_t)job->bytes * job->batch;
    p->bodies = aligned_alloc(CACHE_LINE, (room + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (p->bodies == NULL) {
        crew_fail("out of memory");
    }
    if (p->producer || trips) {
        p->out = job->peer->attach(p->world, p->producer ? 0 : 1, true, p->index);
    }
    if (!p->producer || trips) {
        p->in = job->peer->attach(p->world, p->producer ? 1 : 0, false, p->index);
    }
    pass_gate(p);
    act(p, PHASE_WARM_UP, job->warm_ns);
    probe(p, &shared->outcome.before_ns);
    uint64_t preempted = preemptions();
    act(p, PHASE_MEASURED, job->measure_ns);
    atomic_fetch_add_explicit(&shared->preempted, preemptions() - preempted, memory_order_relaxed);
    probe(p, &shared->outcome.after_ns);
    if (p->out != NULL) {
        job->peer->detach(p->out);
    }
    if (p->in != NULL) {
        job->peer->detach(p->in);
    }
    free(p->bodies);
}

/* -- the trial's first process -- */

/* Did everything arrive that was sent? Order and content were looked at on the way. */
static void verify(const struct trial_job *job, enum phase phase) {
    uint32_t copies = job->kind == TRIAL_FAN ? job->consumers : 1;
    for (uint32_t p = 0; p < job->producers; p++) {
        uint64_t sent = shared->producers[phase][p].sent, count = 0, sum = 0;
        for (uint32_t c = 0; c < job->consumers; c++) {
            const struct tally *t = &shared->consumers[phase][c].tally;
            count += t->count[p];
            sum += t->sequence_sum[p];
        }
        if (count != copies * sent || sum != copies * (sent * (sent - 1) / 2)) {
            crew_fail("producer %u sent %llu messages, %llu arrived", p, (unsigned long long)(copies * sent),
                      (unsigned long long)count);
        }
    }
}

static void sum_up(const struct trial_job *job) {
    struct trial_outcome *o = &shared->outcome;
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    for (uint32_t i = 0; i < job->producers; i++) {
        const struct party_board *b = &shared->producers[PHASE_MEASURED][i];
        first_ns = b->first_ns < first_ns ? b->first_ns : first_ns;
        last_ns = b->last_ns > last_ns ? b->last_ns : last_ns;
        o->messages += b->sent;
    }
    for (uint32_t i = 0; i < job->consumers; i++) {
        const struct party_board *b = &shared->consumers[PHASE_MEASURED][i];
        last_ns = b->last_ns > last_ns ? b->last_ns : last_ns;
        o->again += b->tally.again;
    }
    if (o->messages == 0) {
        crew_fail("not one message went through");
    }
    o->message_ns = (double)(last_ns - first_ns) / (double)o->messages;
}

static int processor_of(const struct trial *t, uint32_t index, bool producer) {
    uint32_t count = (uint32_t)t->machine->cpu_count;
    if (t->job->kind == TRIAL_FAN) { /* the producer has one for itself */
        return t->machine->cpus[producer ? 0 : 1 + index % (count - 1)];
    }
    uint32_t place = 2 * index + (producer ? 0 : 1);
    if (t->job->mixed && index % 2 == 1) {
        place ^= 1;
    }
    return t->machine->cpus[place % count];
}

static void run(void *argument) {
    const struct trial *t = argument;
    const struct trial_job *job = t->job;
    bool trips = job->kind == TRIAL_TRIP || job->kind == TRIAL_RATE;
    uint32_t parties = job->producers + job->consumers;
    struct peer_setup setup = {
        .channels = trips ? 2 : 1,
        .producers = job->producers,
        .consumers = job->consumers,
        .capacity = job->capacity,
        .bytes = job->bytes,
        .batch = job->batch,
        .broadcast = job->kind == TRIAL_FAN,
        .may_wait = !job->poll && (job->kind == TRIAL_TRIP || job->kind == TRIAL_FLOW),
        .crowded = parties > (uint32_t)t->machine->cpu_count,
    };
    struct party party = {.machine = t->machine, .job = job, .shared = shared, .crowded = setup.crowded};
    party.world = job->peer->create(&setup);
    for (uint32_t i = 0; i < parties; i++) {
        party.producer = i < job->producers;
        party.index = party.producer ? i : i - job->producers;
        crew_fork(processor_of(t, party.index, party.producer), take_part, &party); /* which has a copy */
    }
    crew_join();
    shared->outcome.preempted = atomic_load_explicit(&shared->preempted, memory_order_relaxed);
    if (trips) {
        shared->outcome.messages = shared->outcome.ticks.count - shared->outcome.unsent;
    } else {
        verify(job, PHASE_WARM_UP);
        verify(job, PHASE_MEASURED);
        sum_up(job);
    }
    job->peer->destroy(party.world);
}

void trial_prepare(void) { shared = crew_share(sizeof *shared); }

bool trial_run(const struct machine *m, const struct trial_job *job, const struct trial_outcome **outcome,
               char reason[CREW_REASON_MAX]) {
    struct trial t = {.machine = m, .job = job};
    memset(shared, 0, sizeof *shared);
    *outcome = &shared->outcome;
    uint64_t duration_s = (job->warm_ns + job->measure_ns) / 1000000000 + 1;
    return crew_trial(job->stall_s + (unsigned)duration_s, run, &t, reason);
}
