/* SPDX-License-Identifier: MIT */
/* Groups that begin in the past of a durable queue: lib/queue/catch_up.h. What others have done with a message and freed comes to them out of the files, each once, whoever dies or stops. */
#include "scenario.h"
#include "sim_journal.h"
#include "witness_log.h"

#include <ringpost/group.h>

enum { PAST_ROLE_MS = 600, G1 = 1, G2 = 2, OLDEST = 0 };

#define PAST_PAIR(make, does) PAIR(make, does), .bare = true, .long_runs = true, .share = 2
#define PAST_LATE(make, does)                                                                            \
    .participants = 2, .setup = make, .body = does, FINISH, .bare = true, .long_runs = true, .share = 2, \
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1}, .jumps_ns = {PAST_ROLE_MS * MS}

static struct rp_queue_options options(uint32_t capacity, uint32_t sync) {
    struct rp_queue_options o = scenario_options(capacity);
    o.journal = "/sim";
    o.sync = sync;
    o.sync_interval_ns = MS;
    o.retain_bytes = JOURNAL_FILES; /* all stay, for groups that are made */
    o.max_groups = 2;
    o.max_participants = 4;
    sim_journal_syncs = sync == RP_SYNC_ALWAYS;
    return o;
}

static void flush(struct desk *d) {
    sim_call("rp_flush");
    sim_return(rp_flush(d->producer) == 0);
}

/* So many messages were sent, and acked by the group "default", and freed. */
static void fill(unsigned messages, unsigned acked) {
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < messages; i++) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, i < acked);
    }
    flush(&d);
    witness_close(&d);
}
static void make_group(unsigned group, uint64_t start) {
    struct desk d;
    witness_must(witness_attach(&d), "attach");
    witness_group_create_past(&d, group, start);
    witness_close(&d);
}
static void make(const struct rp_queue_options *o, unsigned messages, unsigned acked) {
    witness_create(o, &(struct witness_expectations){.groups = true});
    fill(messages, acked);
}
static void setup_of(uint32_t sync, unsigned messages) {
    struct rp_queue_options o = options(3, sync);
    make(&o, messages, messages);
    make_group(G1, OLDEST);
}
static void setup_one(void) { setup_of(RP_SYNC_ALWAYS, 1); }
static void setup_two(void) { setup_of(RP_SYNC_ALWAYS, 2); }

static void open_in(struct desk *d, unsigned group) {
    witness_must(witness_attach(d), "attach");
    witness_producer(d);
    witness_must(witness_group_consumer(d, group), "rp_consumer_open");
}
static void done_close(struct desk *d) {
    sim_done();
    witness_close(d);
}

/* ---- feeding ---- */

static void body_feed(unsigned me) {
    struct desk d;
    (void)me;
    open_in(&d, G1);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    done_close(&d);
}
static const struct sim_program past_feed = {
    .name = "past-feed", .about = "two receivers of a group that is behind", PAST_PAIR(setup_two, body_feed)};

/* The messages are also in memory, where "default" has not acked them. */
static void setup_live(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    make(&o, 2, 0);
    make_group(G1, OLDEST);
}
static void body_live(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? G1 : 0);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    witness_sweep(&d);
    done_close(&d);
}
static const struct sim_program past_live = {.name = "past-live",
                                             .about =
                                                 "a receiver of a group that is behind, and one of another that has the same still",
                                             PAST_PAIR(setup_live, body_live)};

/* It begins with the second of three. */
static void setup_sequence(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    make(&o, 3, 3);
    make_group(G1, 2);
}
static const struct sim_program past_sequence = {
    .name = "past-sequence", .about = "two receivers of a group that begins with a sequence", PAST_PAIR(setup_sequence, body_feed)};

static void setup_small(void) {
    struct rp_queue_options o = options(1, RP_SYNC_ALWAYS);
    make(&o, 2, 2);
    make_group(G1, OLDEST);
}
static const struct sim_program past_small = {
    .name = "past-small", .about = "two receivers of a group that is behind, in little memory", PAST_PAIR(setup_small, body_feed)};

/* The cell of one message is soon that of the next. */
static void body_reuse(unsigned me) {
    struct desk d;
    (void)me;
    open_in(&d, G1);
    sim_ready();
    scenario_receive_and_ack(&d, 1);
    flush(&d);
    witness_close(&d);
    sim_done();
}
static const struct sim_program past_reuse = {.name = "past-reuse",
                                              .about = "two receivers of a group that is behind, and a cell that is free again",
                                              PAST_PAIR(setup_one, body_reuse)};

/* The last cell that was fed is free, and is fed again. */
static void setup_half(void) {
    setup_of(RP_SYNC_ALWAYS, 4);
    struct desk d;
    open_in(&d, G1);
    scenario_receive_and_ack(&d, 2);
    flush(&d);
    witness_close(&d);
}
static const struct sim_program past_half = {
    .name = "past-half",
    .about = "two receivers of a group that has half of it, and in whose word a cell is that is free",
    .participants = 2,
    .setup = setup_half,
    .body = body_feed,
    FINISH,
    .bare = true,
    .long_runs = true,
    .share = 2,
    .budget = {.preemptions = 2, .kills = 1}};

/* ---- catching up ---- */

static void body_send(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 3);
    done_close(&d);
}
static const struct sim_program past_send = {
    .name = "past-send", .about = "a sender, and a receiver who catches up", PAST_PAIR(setup_one, body_send)};

static void setup_none(void) { setup_of(RP_SYNC_NONE, 1); }
static const struct sim_program past_none = {
    .name = "past-none", .about = "a sender who waits for nobody, and a receiver who catches up", PAST_PAIR(setup_none, body_send)};
static void setup_interval(void) { setup_of(RP_SYNC_INTERVAL, 1); }
static const struct sim_program past_interval = {.name = "past-interval",
                                                 .about = "a sender, a receiver who catches up, and syncs now and then",
                                                 PAST_PAIR(setup_interval, body_send)};

/* What a dead writer wrote was read; it does not count, and another writes over it. */
static void body_rewrite(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 2);
    }
    done_close(&d);
}
static const struct sim_program past_rewrite = {.name = "past-rewrite",
                                                .about =
                                                    "two senders, one of whom catches up meanwhile, and goes on after the other",
                                                PAST_PAIR(setup_one, body_rewrite)};

/* Who is done, and who writes: also when he is stopped in between, and another has the role. */
static void body_late(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        sim_linger();
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 2);
    }
    done_close(&d);
}
static const struct sim_program past_late = {.name = "past-late",
                                             .about = "a writer is late, and a group comes to where he believes it has caught up",
                                             .participants = 2,
                                             .setup = setup_one,
                                             .body = body_late,
                                             FINISH,
                                             .bare = true,
                                             .long_runs = true,
                                             .share = 2,
                                             .budget = {.preemptions = 2, .jumps = 1},
                                             .jumps_ns = {PAST_ROLE_MS * MS}};
static const struct sim_program past_late_dead = {
    .name = "past-late-dead", .about = "the same, and one of the two dies or stops", PAST_LATE(setup_one, body_late)};

/* The group has all but the last. */
static void setup_near(void) {
    setup_two();
    struct desk d;
    open_in(&d, G1);
    scenario_receive_and_ack(&d, 2);
    witness_close(&d);
    d.number = 0;
}
static void body_near(unsigned me) {
    struct desk d;
    open_in(&d, G1);
    sim_ready();
    if (me == 1)
        sim_linger();
    witness_send(&d, 0);
    scenario_receive_and_ack(&d, 2);
    done_close(&d);
}
static const struct sim_program past_near = {
    .name = "past-near", .about = "two send, and are the group that has caught up", PAST_LATE(setup_near, body_near)};

/* Under a stream of messages the receiver asks for a break. */
static void body_stream(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0) {
        for (unsigned i = 0; i < 3; i++)
            witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 5);
    }
    done_close(&d);
}
static const struct sim_program past_stream = {.name = "past-stream",
                                               .about = "a sender does not cease, and a receiver catches up",
                                               .participants = 2,
                                               .setup = setup_one,
                                               .body = body_stream,
                                               FINISH,
                                               .bare = true,
                                               .long_runs = true,
                                               .share = 2,
                                               .budget = {.preemptions = 3, .kills = 1}};

static void body_sleep(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        for (unsigned i = 0; i < 2; i++)
            if (witness_receive(&d, 1000 * (int64_t)MS) == 0)
                witness_ack(&d, 0);
    done_close(&d);
}
static const struct sim_program past_wakes = {.name = "past-wakes",
                                              .about = "a sender, and a receiver who catches up and does not oversleep",
                                              .participants = 2,
                                              .setup = setup_one,
                                              .body = body_sleep,
                                              FINISH,
                                              .bare = true,
                                              .long_runs = true,
                                              .share = 2,
                                              .budget = {.preemptions = 2},
                                              .strict_wakes = true};

/* ---- what the journal says ---- */

/* Acks of what was fed, recorded by whoever sweeps. One stays behind: else a snapshot would say all again. */
static void setup_five(void) { setup_of(RP_SYNC_ALWAYS, 5); }
static void body_record(unsigned me) {
    struct desk d;
    open_in(&d, G1);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 3);
    } else {
        witness_sweep(&d);
        flush(&d);
    }
    done_close(&d);
}
static const struct sim_program past_record = {.name = "past-record",
                                               .about = "acks of a group that is behind, and who records them",
                                               .participants = 2,
                                               .setup = setup_five,
                                               .body = body_record,
                                               FINISH,
                                               .bare = true,
                                               .long_runs = true,
                                               .share = 2,
                                               .budget = {.preemptions = 2}};

/* More was fed than is to lie between two snapshots. */
static void setup_far(void) {
    struct rp_queue_options o = options(1, RP_SYNC_ALWAYS);
    make(&o, 20, 20);
    make_group(G1, OLDEST);
    struct desk d;
    open_in(&d, G1);
    scenario_receive_and_ack(&d, 17);
    witness_close(&d);
}
static void body_far(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? G1 : 0);
    sim_ready();
    if (me == 0)
        scenario_receive_and_ack(&d, 2);
    else
        witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program past_snapshot = {
    .name = "past-snapshot", .about = "a snapshot while a group is behind", PAST_PAIR(setup_far, body_far)};

static void body_unsynced(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        flush(&d);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    done_close(&d);
}

/* Nobody had done with any: all is said again. */
static void setup_unsynced_live(void) {
    struct rp_queue_options o = options(3, RP_SYNC_INTERVAL);
    make(&o, 2, 0);
    make_group(G1, OLDEST);
    sim_journal.fail_syncs = 1;
}
static const struct sim_program past_unsynced_live = {.name = "past-unsynced-live",
                                                      .about = "a sync fails, and what a group needs is written again",
                                                      PAST_PAIR(setup_unsynced_live, body_unsynced)};

/* What others had done with, and was not on disk yet, is gone for it: nobody has that any more. */
static void setup_unsynced(void) {
    struct rp_queue_options o = options(3, RP_SYNC_INTERVAL);
    make(&o, 2, 1);
    make_group(G1, OLDEST);
    witness.expect.expires = 3;
    sim_journal.fail_syncs = 1;
}
static const struct sim_program past_unsynced = {
    .name = "past-unsynced", .about = "a sync fails while a group is behind", PAST_PAIR(setup_unsynced, body_unsynced)};

/* Letters of a group that is behind. */
static void setup_letters(void) {
    setup_two();
    witness.expect.redrives = true;
}
static void body_letters(unsigned me) {
    struct desk d;
    open_in(&d, G1);
    sim_ready();
    if (me == 0) {
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_send(&d, 0);
    }
    done_close(&d);
}
static const struct sim_program past_letters = {
    .name = "past-letters", .about = "a group that is behind rejects, and a sender", PAST_PAIR(setup_letters, body_letters)};

/* ---- groups ---- */

static void setup_no_group(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    make(&o, 2, 1);
}
static void body_create(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_group_create_past(&d, G1, OLDEST);
        if (witness_group_consumer(&d, G1) == 0)
            scenario_receive_and_ack(&d, 2);
    }
    done_close(&d);
}
static const struct sim_program past_create = {.name = "past-create",
                                               .about = "a group is made with a start in the past while somebody sends",
                                               PAST_PAIR(setup_no_group, body_create)};

/* It is fed and acks before its maker said in the journal that it is there. */
static void body_early(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else if (me == 1) {
        witness_group_create_past(&d, G1, OLDEST);
    } else if (witness_group_consumer(&d, G1) == 0) {
        scenario_receive_and_ack(&d, 1);
    }
    done_close(&d);
}
static const struct sim_program past_early = {.name = "past-early",
                                              .about = "a group acks before it is in the journal, while somebody writes",
                                              .participants = 3,
                                              .setup = setup_no_group,
                                              .body = body_early,
                                              FINISH,
                                              .bare = true,
                                              .long_runs = true,
                                              .share = 2,
                                              .budget = {.preemptions = 2}};

static void replace(unsigned me, bool past) {
    struct desk d;
    open_in(&d, G1);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 2);
    } else {
        witness_group_remove(&d, G1);
        if (past)
            witness_group_create_past(&d, G2, OLDEST);
        else
            witness_group_create(&d, G2);
        witness_send(&d, 0);
    }
    done_close(&d);
}
static void body_replace(unsigned me) { replace(me, false); }
static const struct sim_program past_replace = {.name = "past-replace",
                                                .about = "a group that is behind is removed, and an ordinary one gets its place",
                                                PAST_PAIR(setup_two, body_replace)};
static void body_again(unsigned me) { replace(me, true); }
static const struct sim_program past_again = {.name = "past-again",
                                              .about = "a group that is behind is removed, and another such gets its place",
                                              PAST_PAIR(setup_two, body_again)};

/* Who sends has looked at an ordinary group, whose place one gets that begins in the past. */
static void setup_ordinary(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    make(&o, 1, 1);
    struct desk d;
    witness_must(witness_attach(&d), "attach");
    witness_group_create(&d, G1);
    witness_close(&d);
}
static void body_turn(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create_past(&d, G2, OLDEST);
        if (witness_group_consumer(&d, G2) == 0)
            scenario_receive_and_ack(&d, 2);
    }
    done_close(&d);
}
static const struct sim_program past_turn = {.name = "past-turn",
                                             .about =
                                                 "a sender, and an ordinary group whose place one gets that begins in the past",
                                             PAST_PAIR(setup_ordinary, body_turn)};

/* And what is in the journal was not moved yet: its lane was full. */
static void setup_turn_keys(void) {
    struct rp_queue_options o = options(4, RP_SYNC_ALWAYS);
    struct desk d;
    o.lanes = 1;
    witness_create(&o, &(struct witness_expectations){.groups = true, .queues_up = true});
    witness_open(&d);
    witness_group_create(&d, G1);
    for (unsigned i = 0; i < 4; i++)
        witness_send_in(&d, 1, 0);
    witness_close(&d);
}
static void body_turn_keys(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 2);
        witness_sweep(&d);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create_past(&d, G2, OLDEST);
    }
    done_close(&d);
}
static const struct sim_program past_turn_keys = {.name = "past-turn-keys",
                                                  .about = "the same, and messages wait for a place in their lane",
                                                  .participants = 2,
                                                  .setup = setup_turn_keys,
                                                  .body = body_turn_keys,
                                                  FINISH,
                                                  .bare = true,
                                                  .long_runs = true,
                                                  .share = 2,
                                                  .budget = {.preemptions = 2},
                                                  .lane_slots = 2};

/* The only group begins in the past: what is sent is for nobody until it has caught up. */
static void setup_only(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    o.max_groups = 1;
    witness_create(&o, &(struct witness_expectations){.groups = true});
    scenario_preload(1);
    struct rp_group_options g;
    rp_group_options_init(&g, sizeof g);
    g.start = RP_START_OLDEST;
    rp_queue *q;
    witness_must(rp_queue_open("sim", NULL, &q), "rp_queue_open");
    witness_must(rp_group_remove(q, "default"), "rp_group_remove");
    witness_must(rp_group_create(q, "default", &g), "rp_group_create");
    witness_must(rp_queue_close(q), "rp_queue_close");
}
static void body_only(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    done_close(&d);
}
static const struct sim_program past_only = {
    .name = "past-only", .about = "a sender, and the only group, which is behind", PAST_PAIR(setup_only, body_only)};

/* The last that counts was for groups that are gone, and is not recorded: a reader looks for it behind. There lies what a dead writer wrote, until another writes over it. */
static void setup_hole(void) {
    struct rp_queue_options o = options(3, RP_SYNC_NONE);
    witness_create(&o, &(struct witness_expectations){.groups = true});
    scenario_preload(1);
    struct rp_group_options g;
    rp_group_options_init(&g, sizeof g);
    g.start = RP_START_OLDEST;
    rp_queue *q;
    rp_producer *p;
    witness_must(rp_queue_open("sim", NULL, &q), "rp_queue_open");
    witness_must(rp_producer_open(q, NULL, &p), "rp_producer_open");
    witness_must(rp_group_create(q, "other", NULL), "rp_group_create");
    witness_must(rp_group_remove(q, "default"), "rp_group_remove");
    witness_must(rp_send_async(p, "nobody's", 8, NULL), "rp_send_async");
    witness_must(rp_group_remove(q, "other"), "rp_group_remove");
    witness_must(rp_group_create(q, "default", &g), "rp_group_create");
    rp_producer_close(p);
    witness_must(rp_queue_close(q), "rp_queue_close");
}
static void body_hole(unsigned me) {
    struct desk d;
    open_in(&d, 0);
    sim_ready();
    if (me == 2) {
        scenario_receive_and_ack(&d, 3);
    } else {
        witness_send(&d, 0);
        if (me == 1)
            witness_sweep(&d); /* finds the other dead */
    }
    done_close(&d);
}
static const struct sim_program past_hole = {.name = "past-hole",
                                             .about = "a receiver looks for what is not there, where a dead writer wrote",
                                             .participants = 3,
                                             .setup = setup_hole,
                                             .body = body_hole,
                                             FINISH,
                                             .bare = true,
                                             .long_runs = true,
                                             .share = 2,
                                             .killable = 1,
                                             .budget = {.preemptions = 2, .kills = 1}};

/* ---- files, lanes ---- */

/* Files went that nobody needs, but for those of a group that is behind. */
static void setup_retain(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    o.retain_bytes = 1;
    make(&o, 2, 2);
    make_group(G1, OLDEST);
    fill(4 * JOURNAL_WRITES, UINT_MAX); /* a snapshot, too: what it says again is not what the group needs */
}
static void body_retain(unsigned me) {
    struct desk d;
    open_in(&d, me == 0 ? 0 : G1);
    sim_ready();
    if (me == 0)
        for (unsigned i = 0; i < 2; i++) {
            witness_send(&d, 0);
            scenario_receive_and_ack(&d, 1);
        }
    else
        scenario_receive_and_ack(&d, 3);
    done_close(&d);
}
static const struct sim_program past_retain = {
    .name = "past-retain", .about = "files that a group needs which is behind", PAST_PAIR(setup_retain, body_retain)};

/* What the group acked is recorded in files that nobody else needs. */
static void setup_files(void) {
    struct rp_queue_options o = options(3, RP_SYNC_ALWAYS);
    make(&o, 4, 4);
    make_group(G1, OLDEST);
    struct desk d;
    open_in(&d, G1);
    scenario_receive_and_ack(&d, 2);
    flush(&d);
    witness_close(&d);
    fill(JOURNAL_WRITES, UINT_MAX);
}
static const struct sim_program past_files = {.name = "past-files",
                                              .about = "files that a start needs to know what a group did which is behind",
                                              PAST_PAIR(setup_files, body_send)};

static void setup_keys(void) {
    struct rp_queue_options o = options(4, RP_SYNC_ALWAYS);
    o.lanes = 2;
    witness_create(&o, &(struct witness_expectations){.groups = true, .queues_up = true});
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, 1, 0);
    witness_send_in(&d, 1, 0);
    scenario_receive_and_ack(&d, 2);
    witness_close(&d);
    make_group(G1, OLDEST);
}
static void body_keys(unsigned me) {
    struct desk d;
    open_in(&d, G1);
    sim_ready();
    if (me == 0)
        witness_send_in(&d, 1, 0);
    scenario_receive_and_ack(&d, 2);
    done_close(&d);
}
static const struct sim_program past_keys = {
    .name = "past-keys", .about = "two receivers of a group that is behind in a keyed queue", PAST_PAIR(setup_keys, body_keys)};
static const struct sim_program past_key_full = {.name = "past-key-full",
                                                 .about = "the same, and a lane has two slots",
                                                 .participants = 2,
                                                 .setup = setup_keys,
                                                 .body = body_keys,
                                                 FINISH,
                                                 .bare = true,
                                                 .long_runs = true,
                                                 .share = 2,
                                                 .budget = {.preemptions = 2, .kills = 1},
                                                 .lane_slots = 2};

const struct sim_program *const scenarios_past[] = {
    &past_feed,     &past_live,      &past_sequence,  &past_small,         &past_send,    &past_none,   &past_interval,
    &past_rewrite,  &past_late,      &past_near,      &past_stream,        &past_wakes,   &past_record, &past_snapshot,
    &past_unsynced, &past_letters,   &past_create,    &past_early,         &past_replace, &past_again,  &past_turn,
    &past_only,     &past_retain,    &past_keys,      &past_key_full,      &past_hole,    &past_reuse,  &past_half,
    &past_files,    &past_turn_keys, &past_late_dead, &past_unsynced_live, NULL};
