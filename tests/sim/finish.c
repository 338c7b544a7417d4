/* SPDX-License-Identifier: MIT */
/* What happens while somebody is stopped, and after all others are gone: survivors mend, drain, and look whether everything is in its place. */
#include "sim_journal.h"
#include "witness_log.h"

#include <ringpost/group.h>
#include <string.h>

enum { ROUNDS = 24 };

static void let_pass(void) { sim_advance_ns(witness.expect.settle_ns ? witness.expect.settle_ns : UINT64_C(2000000000)); }

static bool ack_all_there_is(struct desk *d) {
    bool any = false;
    while (witness_receive(d, 0) == 0) {
        any = true;
        if (witness_ack(d, 0) != 0)
            sim_fail("a survivor lost a lease that had just begun");
    }
    return any;
}

/* Messages that the desk's group was not fed yet. */
static uint64_t behind(const struct desk *d) {
    struct rp_group_info info;
    for (uint32_t i = 0; rp_group_next(d->queue, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, witness_group_name(d->group)) == 0)
            return info.behind;
    return 0;
}

/* Until nothing is left but dead letters. */
static void drain(struct desk *d) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        let_pass();
        int mended = witness_sweep(d);
        bool any = ack_all_there_is(d);
        struct rp_queue_stats s;
        rp_queue_stats(d->queue, &s);
        if (!mended && !any && s.ready + s.leased + s.delayed + behind(d) == 0)
            return;
    }
    struct rp_queue_stats s;
    rp_queue_stats(d->queue, &s);
    sim_fail("after %d rounds of mending there are %llu ready, %llu leased, %llu delayed, %llu behind", (int)ROUNDS,
             (unsigned long long)s.ready, (unsigned long long)s.leased, (unsigned long long)s.delayed,
             (unsigned long long)behind(d));
}

/* All groups are served, one is removed and another takes its place. */
static void move_groups(void) {
    struct desk d;
    for (unsigned g = 1; g < WITNESS_GROUPS; g++) {
        witness_must(witness_attach(&d), "attach");
        if (witness_group_consumer(&d, g) == 0) {
            let_pass();
            witness_sweep(&d);
            ack_all_there_is(&d);
        }
        witness_close(&d);
    }
    witness_must(witness_attach(&d), "attach");
    for (unsigned g = 1; g < WITNESS_GROUPS; g++)
        if (!witness_group_event(g, GROUP_REMOVE) && witness_group_remove(&d, g) == 0)
            break;
    witness_group_create(&d, WITNESS_GROUPS - 1);
    witness_close(&d);
}

/*
 * The world moves on: everything is mended, received and acked, all memory is used for other messages, and some of those are queued,
 * some held by a living consumer, when he who was stopped comes back.
 */
void witness_interim(void) {
    struct desk d;
    if (witness.expect.groups)
        move_groups();
    witness_open(&d);
    for (unsigned round = 0; round < 4; round++) {
        let_pass();
        witness_sweep(&d);
        ack_all_there_is(&d);
    }
    unsigned sent = 0, enough = witness.expect.drops || witness.expect.spills ? witness.capacity : UINT_MAX;
    while (sent < enough && witness_send(&d, 0) == 0)
        if (++sent > witness.capacity + 8 * witness.participants)
            sim_fail("more messages fit than there are cells");
    for (unsigned i = 0; i < sent; i++) /* some free cells, some held messages, the others queued */
        if (i % 3 == 0 && d.held_count < 8)
            witness_receive(&d, 0);
    while (d.held_count > 2)
        witness_ack(&d, 0);
    sim_done();
    while (d.held_count > 0)
        witness_ack(&d, 0);
    witness_close(&d);
}

static void check_rest(void) {
    struct rp_open_options o;
    rp_open_options_init(&o, sizeof o);
    o.read_only = 1;
    rp_queue *q;
    struct rp_audit audit;
    struct rp_queue_stats s;
    if (rp_queue_open("sim", &o, &q) != 0 || rp_queue_audit(q, &audit) != 0 || rp_queue_stats(q, &s) != 0)
        sim_fail("the queue cannot be looked at: %s", rp_error_detail());
    if (audit.violations)
        sim_fail("audit: %llu violations: %s", (unsigned long long)audit.violations, audit.first);
    if (audit.unsettled || audit.repairable)
        sim_fail("audit: %llu unsettled, %llu repairable: %s", (unsigned long long)audit.unsettled,
                 (unsigned long long)audit.repairable, audit.first);
    if (s.ready || s.leased || s.delayed || s.dead || s.lingering)
        sim_fail("at the end: %llu ready, %llu leased, %llu delayed, %llu dead, %llu lingering", (unsigned long long)s.ready,
                 (unsigned long long)s.leased, (unsigned long long)s.delayed, (unsigned long long)s.dead,
                 (unsigned long long)s.lingering);
    if (s.free_cells != s.cells)
        sim_fail("at the end %llu of %u cells are free", (unsigned long long)s.free_cells, s.cells);
    if (s.participants != 0)
        sim_fail("at the end %u participants are attached", s.participants);
    rp_queue_close(q);
}

/* The dead letters of the desk's group are redriven. -> how many */
static int bring_back_dead(struct desk *d) {
    const char *group = witness_group_name(d->group);
    struct rp_dead_letter letter;
    int dead = 0;
    unsigned char data[64];
    for (uint64_t after = 0; rp_dead_peek(d->queue, group, after, &letter, data, sizeof data) == 0; after = letter.id) {
        witness_died(d->group, data, letter.bytes);
        dead++;
    }
    sim_note("%d dead letters", dead);
    if (dead == 0)
        return 0;
    sim_call("rp_dead_redrive");
    int redriven = rp_dead_redrive(d->queue, group, NULL);
    sim_return(true);
    if (redriven != dead)
        sim_fail("%d dead letters, %d were redriven", dead, redriven);
    return dead;
}

static void receive_what_is_there(struct desk *d) {
    let_pass();
    witness_sweep(d);
    ack_all_there_is(d);
}
static void empty(struct desk *d) {
    drain(d);
    if (bring_back_dead(d) > 0)
        drain(d);
}
static void redrive_dead(struct desk *d) { (void)bring_back_dead(d); }

static void in_each_group(void (*act)(struct desk *d)) {
    struct desk d;
    for (unsigned g = 0; g < WITNESS_GROUPS; g++) {
        witness_must(witness_attach(&d), "attach");
        if (witness_group_consumer(&d, g) == 0)
            act(&d);
        witness_close(&d);
    }
}

/* What can be received while it is paused is received, so that the judge sees it; then it is resumed. */
static void end_pauses(void) {
    struct desk d;
    witness_open(&d);
    let_pass();
    witness_sweep(&d);
    ack_all_there_is(&d);
    witness_resume(&d, RP_SIDE_SEND | RP_SIDE_RECEIVE);
    for (unsigned g = 0; g < WITNESS_GROUPS; g++)
        (void)rp_group_resume(d.queue, witness_group_name(g));
    witness_close(&d);
}

static void check_journal(void) {
    struct desk d;
    sim_journal_check();
    sim_journal_check_past(false);
    witness_open(&d);
    witness_sweep(&d);
    sim_call("rp_flush");
    uint64_t before = sim_now_ns();
    int result = rp_flush(d.producer);
    if (sim_now_ns() != before)
        sim_fail("a flush waits, and nobody else is there");
    sim_journal_check_ids();
    sim_return(result == 0);
    if (result == 0) {
        sim_journal_check_dead(d.queue);
        sim_journal_check_past(true);
    }
    witness_close(&d);
}

void witness_finish(void) {
    struct desk d;
    if (sim_journal.on)
        check_journal();
    if (witness.expect.pauses)
        end_pauses();
    if (witness.expect.groups) {
        if (witness.keyed) { /* a redriven letter comes back to one group when the others are done with it */
            in_each_group(receive_what_is_there);
            in_each_group(redrive_dead);
        }
        in_each_group(empty);
    }
    witness_open(&d);
    drain(&d);
    if (witness.expect.purge_dead)
        witness_dead_purge(&d);
    else if (bring_back_dead(&d) > 0)
        drain(&d);
    struct rp_queue_stats s;
    rp_queue_stats(d.queue, &s);
    witness.dropped = (unsigned)s.dropped;
    witness.forgotten = (unsigned)s.forgotten_ids;
    witness_close(&d);
    if (sim_journal.on)
        sim_journal_check_empty();
    witness_judge();
    check_rest();
}
