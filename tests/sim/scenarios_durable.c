/* SPDX-License-Identifier: MIT */
/* Durable queues: who writes, what a dead or stopped writer leaves, files that end, disks that fail. Each send that returns must be in the journal at that moment, and at the end it must know nothing that is not there. */
#include "scenario.h"
#include "sim_journal.h"
#include "witness_log.h"

#include <ringpost/group.h>

enum { PAST_ROLE_MS = 600, G1 = 1 };

#define DURABLE_PAIR(make, does) PAIR(make, does), .bare = true, .long_runs = true, .share = 2

static struct rp_queue_options options(uint32_t sync) {
    struct rp_queue_options o = scenario_options(4);
    o.journal = "/sim";
    o.sync = sync;
    sim_journal_syncs = sync == RP_SYNC_ALWAYS;
    return o;
}
static void make(uint32_t sync, const struct witness_expectations *e, unsigned messages) {
    struct rp_queue_options o = options(sync);
    witness_create(&o, e);
    if (messages > 0)
        scenario_preload(messages);
}
static void setup(void) { make(RP_SYNC_ALWAYS, NULL, 0); }

static void open_ready(struct desk *d) {
    witness_open(d);
    sim_ready();
}
static void done_close(struct desk *d) {
    sim_done();
    witness_close(d);
}

/* ---- the role ---- */

static void body_send(unsigned me) {
    struct desk d;
    (void)me;
    open_ready(&d);
    witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_send = {
    .name = "durable-send", .about = "two senders, one of whom writes for both", DURABLE_PAIR(setup, body_send)};

/* Nobody needs a tick to be woken. */
static const struct sim_program durable_wakes = {
    .name = "durable-wakes", .about = "two senders, none of whom oversleeps", DURABLE_PAIR(setup, body_send), .strict_wakes = true};
static const struct sim_program durable_threads = {.name = "durable-threads",
                                                   .about = "two threads of one process send",
                                                   DURABLE_PAIR(setup, body_send),
                                                   .thread_of = {0, 1},
                                                   .strict_wakes = true};

/* Two enter the same message. */
static void body_enter(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_sweep(&d);
    done_close(&d);
}
static const struct sim_program durable_enter_both = {.name = "durable-enter",
                                                      .about = "a sender, and a sweep that enters its message for it",
                                                      .participants = 2,
                                                      .setup = setup,
                                                      .body = body_enter,
                                                      FINISH,
                                                      .bare = true,
                                                      .long_runs = true,
                                                      .share = 2,
                                                      .budget = {.preemptions = 3}};

/* A writer that is stopped loses the role, and his late write must not count. */
static void body_late(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 1)
        sim_linger();
    witness_send(&d, 0);
    if (me == 1)
        witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_late = {.name = "durable-late",
                                                .about = "a writer is late, and another goes on in a new file",
                                                .participants = 2,
                                                .setup = setup,
                                                .body = body_late,
                                                FINISH,
                                                .bare = true,
                                                .long_runs = true,
                                                .share = 2,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                .jumps_ns = {PAST_ROLE_MS * MS}};

static void body_three(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me > 0)
        sim_linger();
    witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_crowd = {.name = "durable-crowd",
                                                 .about = "three senders, leases that end",
                                                 .participants = 3,
                                                 .setup = setup,
                                                 .body = body_three,
                                                 FINISH,
                                                 .bare = true,
                                                 .long_runs = true,
                                                 .share = 2,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                 .jumps_ns = {PAST_ROLE_MS * MS}};

/* ---- what was received ---- */

static void setup_one(void) { make(RP_SYNC_ALWAYS, NULL, 1); }
static void body_receive(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 2);
    done_close(&d);
}
static const struct sim_program durable_receive = {
    .name = "durable-receive", .about = "a sender, and a receiver who acks", DURABLE_PAIR(setup_one, body_receive)};

static void setup_two(void) { make(RP_SYNC_ALWAYS, NULL, 2); }
static void body_settle(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else if (witness_receive(&d, 0) == 0)
        witness_nack(&d, 0, 0, true);
    witness_sweep(&d);
    done_close(&d);
}
static const struct sim_program durable_settle = {
    .name = "durable-settle", .about = "an ack and a nack, each recorded by whoever sweeps", DURABLE_PAIR(setup_two, body_settle)};

/* Two want recorded what they settled: there may be nothing left to write for who comes second. */
static void body_flush(unsigned me) {
    struct desk d;
    (void)me;
    open_ready(&d);
    scenario_receive_and_ack(&d, 1);
    sim_call("rp_flush");
    sim_return(rp_flush(d.producer) == 0);
    done_close(&d);
}
static const struct sim_program durable_flush_both = {.name = "durable-flush",
                                                      .about = "two settle, and each wants that recorded",
                                                      .participants = 2,
                                                      .setup = setup_two,
                                                      .body = body_flush,
                                                      FINISH,
                                                      .bare = true,
                                                      .long_runs = true,
                                                      .share = 2,
                                                      .budget = {.preemptions = 2},
                                                      .strict_wakes = true};

/* Letters must be dead in the journal, too, whoever lost what he was about to record. */
static void body_letters(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
        sim_linger();
    }
    witness_send(&d, 0);
    done_close(&d);
}
static void setup_letters(void) { make(RP_SYNC_ALWAYS, &(struct witness_expectations){.redrives = true}, 1); }
static const struct sim_program durable_letters = {.name = "durable-letters",
                                                   .about = "a message is rejected while somebody writes",
                                                   .participants = 2,
                                                   .setup = setup_letters,
                                                   .body = body_letters,
                                                   FINISH,
                                                   .bare = true,
                                                   .long_runs = true,
                                                   .share = 2,
                                                   .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                   .jumps_ns = {PAST_ROLE_MS * MS}};
static void setup_letters_broken(void) {
    setup_letters();
    sim_journal.fail_writes = 1;
}
static const struct sim_program durable_letters_broken = {.name = "durable-letters-broken",
                                                          .about = "the same, and the first write fails",
                                                          DURABLE_PAIR(setup_letters_broken, body_letters)};

/* What is marked while a writer looks at marks. */
static void body_marks(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    } else if (witness_receive(&d, 0) == 0) {
        witness_reject(&d, 0);
    }
    done_close(&d);
}
static void setup_marks(void) { make(RP_SYNC_ALWAYS, &(struct witness_expectations){.redrives = true}, 2); }
static const struct sim_program durable_marks = {
    .name = "durable-marks", .about = "a message is rejected while an ack is recorded", DURABLE_PAIR(setup_marks, body_marks)};

/* More than a batch has room for. */
static void setup_many(void) {
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    o.capacity = o.dead_capacity = 8;
    witness_create(&o, &(struct witness_expectations){.redrives = true});
    scenario_preload(7);
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < 6; i++)
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
    witness_close(&d);
}
static void body_many(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 1 && witness_receive(&d, 0) == 0)
        witness_reject(&d, 0);
    witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_many = {
    .name = "durable-many", .about = "more is to be recorded than a batch has room for", DURABLE_PAIR(setup_many, body_many)};

/* Who flushes finds his letter recorded, also if the one who was about to record it lost the role. */
static void body_robbed(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        witness_send(&d, 0);
    } else if (witness_receive(&d, 0) == 0) {
        witness_reject(&d, 0);
        sim_linger();
        sim_call("rp_flush");
        int result = rp_flush(d.producer);
        sim_return(result == 0);
        if (result == 0)
            sim_journal_check_dead(d.queue);
    }
    done_close(&d);
}
static const struct sim_program durable_robbed = {.name = "durable-robbed",
                                                  .about = "who flushes robs the one who was about to record his letter",
                                                  .participants = 2,
                                                  .setup = setup_letters,
                                                  .body = body_robbed,
                                                  FINISH,
                                                  .bare = true,
                                                  .long_runs = true,
                                                  .share = 2,
                                                  .budget = {.preemptions = 2, .freezes = 1, .jumps = 1},
                                                  .jumps_ns = {PAST_ROLE_MS * MS}};

/* No cell is free until what was settled is in the journal. */
static void setup_full(void) {
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    o.capacity = 1;
    o.max_participants = 3;
    o.overflow = RP_OVERFLOW_BLOCK;
    witness_create(&o, NULL);
    scenario_preload(1);
}
static void body_room(unsigned me) {
    struct desk d;
    struct lent any;
    witness_open(&d);
    if (me == 1)
        while (scenario_free_cells(&d) > 0)
            witness_loan(&d, &any);
    sim_ready();
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else
        witness_send(&d, 200 * (int64_t)MS);
    done_close(&d);
}
static const struct sim_program durable_room = {.name = "durable-room",
                                                .about = "a sender waits for memory that is free when an ack is recorded",
                                                DURABLE_PAIR(setup_full, body_room)};

/* ---- files ---- */

/* The file is full but for one write. */
static void setup_end(void) {
    make(RP_SYNC_ALWAYS, NULL, 2);
    for (unsigned i = 0; i < JOURNAL_WRITES - 3; i++) {
        struct desk d;
        witness_open(&d);
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
        witness_close(&d);
    }
}
static const struct sim_program durable_files = {
    .name = "durable-files", .about = "two senders come to the end of a file", DURABLE_PAIR(setup_end, body_send)};

/* Files went, but for two that are kept, the one that counts, and the one before it, as long as no other says that nobody needs that. */
static void setup_retain(void) {
    enum { KEPT = 2 };
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    o.retain_bytes = KEPT;
    witness_create(&o, NULL);
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < 5 * JOURNAL_WRITES; i++) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    witness_close(&d);
    if (sim_journal_files() != KEPT + 2)
        sim_fail("there are %u files", sim_journal_files());
}
static const struct sim_program durable_retain = {.name = "durable-retain",
                                                  .about = "two senders, and files that are only kept",
                                                  .participants = 2,
                                                  .setup = setup_retain,
                                                  .body = body_late,
                                                  FINISH,
                                                  .bare = true,
                                                  .long_runs = true,
                                                  .share = 2,
                                                  .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                  .jumps_ns = {PAST_ROLE_MS * MS}};

static void setup_broken(void) {
    make(RP_SYNC_ALWAYS, NULL, 1);
    sim_journal.fail_writes = 1;
}
static const struct sim_program durable_broken = {.name = "durable-broken",
                                                  .about = "a write fails: what it had goes into another file",
                                                  DURABLE_PAIR(setup_broken, body_receive)};

/* Files cannot be made for a while. Who is told so sends again. */
static void setup_no_room(void) {
    make(RP_SYNC_ALWAYS, NULL, 0);
    sim_journal.fail_writes = 1;
    sim_journal.fail_files = 1;
}
static void body_again(unsigned me) {
    struct desk d;
    (void)me;
    open_ready(&d);
    sim_linger();
    (void)witness_send(&d, 0);
    sim_linger();
    (void)witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_no_room = {.name = "durable-no-room",
                                                   .about = "a write fails, and no file can be made; later one can",
                                                   .participants = 2,
                                                   .setup = setup_no_room,
                                                   .body = body_again,
                                                   FINISH,
                                                   .bare = true,
                                                   .long_runs = true,
                                                   .share = 2,
                                                   .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                                   .jumps_ns = {200 * MS}};

/* ---- the other settings ---- */

static void setup_none(void) { make(RP_SYNC_NONE, NULL, 0); }
static const struct sim_program durable_none = {.name = "durable-none",
                                                .about = "two senders that wait for nobody: whoever writes looks for the other's",
                                                DURABLE_PAIR(setup_none, body_send)};

static void body_none(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me < 2)
        witness_send(&d, 0);
    else
        for (unsigned i = 0; i < 2; i++)
            if (witness_receive(&d, 1000 * (int64_t)MS) == 0)
                witness_ack(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_none_wakes = {.name = "durable-none-wakes",
                                                      .about = "two send, a third receives without oversleeping",
                                                      .participants = 3,
                                                      .setup = setup_none,
                                                      .body = body_none,
                                                      FINISH,
                                                      .bare = true,
                                                      .long_runs = true,
                                                      .share = 2,
                                                      .budget = {.preemptions = 2},
                                                      .strict_wakes = true};

/* A sync fails: all that is live is written again. */
static void setup_unsynced(void) {
    struct rp_queue_options o = options(RP_SYNC_INTERVAL);
    o.sync_interval_ns = MS;
    witness_create(&o, NULL);
    scenario_preload(2);
    sim_journal.fail_syncs = 1;
}
static const struct sim_program durable_snapshot = {.name = "durable-snapshot",
                                                    .about = "a sync fails, and all that is live is written again",
                                                    DURABLE_PAIR(setup_unsynced, body_receive)};

/* ---- times, groups, keys ---- */

enum { FIRST = (SIM_CREATOR + 1) << 16 | 1 };

static void setup_timed(void) {
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    witness_create(&o, &(struct witness_expectations){.waits = true, .purges = true});
    struct desk d;
    witness_open(&d);
    witness_send_timed(&d, 1000 * MS, 0);
    witness_close(&d);
}
static void body_cancel(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_cancel(&d, FIRST);
    else
        witness_send_timed(&d, 500 * MS, 0);
    witness_sweep(&d);
    done_close(&d);
}
static const struct sim_program durable_cancel = {.name = "durable-cancel",
                                                  .about = "a message that waits is taken back, another is sent",
                                                  DURABLE_PAIR(setup_timed, body_cancel)};

static void body_due(unsigned me) {
    struct desk d;
    open_ready(&d);
    sim_linger();
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else
        witness_sweep(&d);
    done_close(&d);
}
static const struct sim_program durable_due = {.name = "durable-due",
                                               .about = "the time of a message comes",
                                               .participants = 2,
                                               .setup = setup_timed,
                                               .body = body_due,
                                               FINISH,
                                               .bare = true,
                                               .long_runs = true,
                                               .share = 2,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {1200 * MS}};

static void setup_groups(void) {
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    o.max_groups = 2;
    witness_create(&o, &(struct witness_expectations){.groups = true});
}
static void body_group(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_group_create(&d, G1);
    done_close(&d);
}
static const struct sim_program durable_group = {
    .name = "durable-group", .about = "a group is made while somebody sends", DURABLE_PAIR(setup_groups, body_group)};

static void body_group_three(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 1)
        witness_group_create(&d, G1);
    else
        witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program durable_group_send = {.name = "durable-group-send",
                                                      .about = "a group is made, and another sends for it, while somebody writes",
                                                      .participants = 3,
                                                      .setup = setup_groups,
                                                      .body = body_group_three,
                                                      FINISH,
                                                      .bare = true,
                                                      .long_runs = true,
                                                      .share = 2,
                                                      .budget = {.preemptions = 2, .kills = 1}};

static void setup_no_group(void) {
    setup_groups();
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, G1);
    witness_send(&d, 0);
    witness_close(&d);
}
static void body_no_group(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_group_remove(&d, G1);
    done_close(&d);
}
static const struct sim_program durable_no_group = {
    .name = "durable-no-group", .about = "a group is removed while somebody sends", DURABLE_PAIR(setup_no_group, body_no_group)};

static void setup_keys(void) {
    struct rp_queue_options o = options(RP_SYNC_ALWAYS);
    o.lanes = 1;
    witness_create(&o, NULL);
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, 1, 0);
    witness_close(&d);
}
static void body_keys(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        witness_send_in(&d, 1, 0);
    } else {
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
        (void)witness_redrive(&d);
    }
    done_close(&d);
}
static void setup_keys_dead(void) {
    setup_keys();
    witness.expect.redrives = true;
}
static const struct sim_program durable_keys = {.name = "durable-keys",
                                                .about = "a letter of a keyed lane is redriven behind what is sent",
                                                DURABLE_PAIR(setup_keys_dead, body_keys)};

/* The lane is full: what is in the journal waits for a place, in order. */
static void setup_key_full(void) {
    setup_keys();
    witness.expect.queues_up = true;
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, 1, 0);
    witness_close(&d);
}
static void body_key_full(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        witness_send_in(&d, 1, 0);
        witness_send_in(&d, 1, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    done_close(&d);
}
static const struct sim_program durable_key_full = {.name = "durable-key-full",
                                                    .about = "two are sent to a lane that is full",
                                                    DURABLE_PAIR(setup_key_full, body_key_full),
                                                    .lane_slots = 2};

/* And are still nowhere but in the journal when a sync fails, and all that is live is written again. */
static void setup_key_unsynced(void) {
    setup_key_full();
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, 1, 0);
    witness_send_in(&d, 1, 0);
    sim_journal.fail_syncs = 1;
    sim_call("rp_flush");
    sim_return(rp_flush(d.producer) == 0);
    sim_advance_ns(200 * MS);
    witness_close(&d);
}
static void body_key_unsynced(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        witness_send_in(&d, 1, 0);
    else
        scenario_receive_and_ack(&d, 1);
    done_close(&d);
}
static const struct sim_program durable_key_snapshot = {.name = "durable-key-snapshot",
                                                        .about = "a snapshot while a lane is full",
                                                        DURABLE_PAIR(setup_key_unsynced, body_key_unsynced),
                                                        .lane_slots = 2};

const struct sim_program *const scenarios_durable[] = {&durable_send,
                                                       &durable_wakes,
                                                       &durable_threads,
                                                       &durable_enter_both,
                                                       &durable_late,
                                                       &durable_crowd,
                                                       &durable_receive,
                                                       &durable_settle,
                                                       &durable_letters,
                                                       &durable_letters_broken,
                                                       &durable_marks,
                                                       &durable_many,
                                                       &durable_robbed,
                                                       &durable_flush_both,
                                                       &durable_room,
                                                       &durable_files,
                                                       &durable_broken,
                                                       &durable_no_room,
                                                       &durable_none,
                                                       &durable_none_wakes,
                                                       &durable_snapshot,
                                                       &durable_cancel,
                                                       &durable_due,
                                                       &durable_group,
                                                       &durable_retain,
                                                       &durable_group_send,
                                                       &durable_no_group,
                                                       &durable_keys,
                                                       &durable_key_full,
                                                       &durable_key_snapshot,
                                                       NULL};
