/* SPDX-License-Identifier: MIT */
/*
 * Ids of durable queues. After each write the journal is read as if the machine had failed: a message is there with its id and its sequence, or neither is. And nobody is told of what is not there.
 */
#include "scenario.h"
#include "sim_journal.h"
#include "witness_log.h"

#include "durable.h"
#include "identity.h"

#define WINDOW_NS (UINT64_C(3600) * 1000 * MS)
#define IDS_PAIR(make, does)                                                                                                 \
    .participants = 2, .setup = make, .body = does, .interim = witness_interim, .finish = witness_finish_once, .bare = true, \
    .long_runs = true, .share = 2

static void make(uint32_t sync) {
    struct rp_queue_options o = scenario_options(4);
    o.journal = "/sim";
    o.sync = sync;
    o.sync_interval_ns = MS;
    o.max_participants = 4;
    o.dedup_window_ns = WINDOW_NS;
    o.max_producer_ids = 2;
    sim_journal_syncs = sync == RP_SYNC_ALWAYS;
    witness_create(&o, NULL);
}
static void setup(void) { make(RP_SYNC_ALWAYS); }

static void open_ready(struct desk *d) {
    witness_open(d);
    sim_ready();
}
static void done_close(struct desk *d) {
    sim_done();
    witness_close(d);
}

/* ---- ids of messages ---- */

static void body_two(unsigned me) {
    struct desk d;
    (void)me;
    open_ready(&d);
    witness_send_once(&d, 1, 0, 0);
    done_close(&d);
}
static const struct sim_program once_two = {.name = "durable-once",
                                            .about =
                                                "two send under one id, and who is told that it was sent finds it in the journal",
                                            IDS_PAIR(setup, body_two),
                                            .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void body_dead(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 1) {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    witness_send_once(&d, 1, 0, 0);
    done_close(&d);
}
static const struct sim_program once_dead = {.name = "durable-once-dead",
                                             .about =
                                                 "a sender under an id dies anywhere, another mends, receives, and sends under it",
                                             IDS_PAIR(setup, body_dead),
                                             .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* Who was told that it is not durable sends again: one message. */
static void setup_broken(void) {
    setup();
    sim_journal.fail_writes = 1;
    sim_journal.fail_files = 1;
}
static void body_again(unsigned me) {
    struct desk d;
    open_ready(&d);
    witness_send_once(&d, 1, 0, 0);
    sim_linger();
    if (me == 0)
        witness_send_once(&d, 1, 0, 0);
    done_close(&d);
}
static const struct sim_program once_broken = {.name = "durable-once-broken",
                                               .about = "a write fails, and who was told so sends again under the same id",
                                               IDS_PAIR(setup_broken, body_again),
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {200 * MS}};

/* One id's message is settled, another's is there, when a sync fails, and all is written again while a third is sent. */
static void setup_unsynced(void) {
    struct desk d;
    make(RP_SYNC_INTERVAL);
    witness_open(&d);
    witness_send_once(&d, 1, 0, 0);
    scenario_receive_and_ack(&d, 1);
    witness_send_once(&d, 2, 0, 0);
    witness_close(&d);
    sim_journal.fail_syncs = 1;
}
static void body_snapshot(unsigned me) {
    struct desk d;
    open_ready(&d);
    witness_send_once(&d, (uint8_t)(3 + me), 0, 0);
    done_close(&d);
}
static void finish_all_known(void) {
    struct desk d;
    witness_open(&d);
    (void)rp_flush(d.producer); /* the sync may fail only now */
    sim_advance_ns(200 * MS);
    witness_must(rp_flush(d.producer), "rp_flush");
    witness_close(&d);
    for (uint8_t id = 1; id <= 2; id++)
        if (sim_journal_id(id) == 0)
            sim_fail("the journal has forgotten id %u", (unsigned)id);
    witness_finish_once();
}
static const struct sim_program once_snapshot = {.name = "durable-once-snapshot",
                                                 .about = "a sync fails, and all ids are written again while two send",
                                                 .participants = 2,
                                                 .setup = setup_unsynced,
                                                 .body = body_snapshot,
                                                 .interim = witness_interim,
                                                 .finish = finish_all_known,
                                                 .bare = true,
                                                 .long_runs = true,
                                                 .share = 2,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* All is to be written again, which takes several writes; its writer comes late, when it is told anew by another. */
static void setup_asked(void) {
    struct desk d;
    make(RP_SYNC_ALWAYS);
    witness_open(&d);
    for (uint8_t id = 1; id <= 6; id++) {
        witness_send_once(&d, id, 0, 0);
        scenario_receive_and_ack(&d, id < 5);
    }
    witness_close(&d);
}
static void body_snapshot_late(unsigned me) {
    struct desk d;
    witness_open(&d);
    atomic_store(&d.queue->segment.control->journal_snapshot, 1);
    sim_ready();
    witness_send_once(&d, (uint8_t)(7 + me), 0, 0);
    done_close(&d);
}
static const struct sim_program once_snapshot_late = {.name = "durable-once-snapshot-late",
                                                      .about = "who wrote all again is late, and another is at it",
                                                      .participants = 2,
                                                      .setup = setup_asked,
                                                      .body = body_snapshot_late,
                                                      .interim = witness_interim,
                                                      .finish = finish_all_known,
                                                      .bare = true,
                                                      .long_runs = true,
                                                      .share = 2,
                                                      .budget = {.preemptions = 2, .freezes = 1, .jumps = 1},
                                                      .jumps_ns = {600 * MS}};

/* One stops where his message has a position, and nothing lies there; another's gets it, and all is written again. */
static void body_snapshot_enter(unsigned me) {
    struct desk d;
    open_ready(&d);
    witness_send_once(&d, (uint8_t)(1 + me), 0, 0);
    if (me == 1) {
        (void)snapshot_ask(&d.queue->segment);
        witness_send_once(&d, 3, 0, 0);
    }
    done_close(&d);
}
static const struct sim_program once_snapshot_enter = {.name = "durable-once-snapshot-enter",
                                                       .about = "all is written again while somebody enters his message",
                                                       IDS_PAIR(setup, body_snapshot_enter),
                                                       .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* Files in which nothing but ids is needed are many, and the last one is full but for one write. */
static void setup_files(void) {
    struct desk d;
    setup();
    witness_open(&d);
    witness_send_once(&d, 1, 0, 0);
    witness_send_once(&d, 2, 0, 0);
    for (unsigned i = 0; i < 2 + 5 * JOURNAL_WRITES - 4; i++) {
        scenario_receive_and_ack(&d, 2);
        witness_send(&d, 0);
    }
    witness_close(&d);
}
static void body_files(unsigned me) {
    struct desk d;
    open_ready(&d);
    scenario_receive_and_ack(&d, 1);
    witness_send_once(&d, (uint8_t)(3 + me), 0, 0);
    witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program once_files = {.name = "durable-once-files",
                                              .about = "the files of settled messages go, and their ids are said again",
                                              .participants = 2,
                                              .setup = setup_files,
                                              .body = body_files,
                                              .interim = witness_interim,
                                              .finish = finish_all_known,
                                              .bare = true,
                                              .long_runs = true,
                                              .share = 2,
                                              .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

/* ---- ids of producers ---- */

/* Goes on where the id came to. */
static void go_on(struct desk *d, uint64_t to) {
    if (witness_producer_id(d) != 0)
        return;
    for (uint64_t n = witness_sequence(d) + 1; n <= to; n++) {
        d->number = n;
        (void)witness_send(d, 0);
    }
    d->number = 0;
}

static void setup_known(void) {
    struct desk d;
    setup();
    witness_open(&d);
    go_on(&d, 1);
    scenario_receive_and_ack(&d, 1);
    witness_close(&d);
}
static void body_successor(unsigned me) {
    struct desk d;
    open_ready(&d);
    go_on(&d, 2 + me);
    done_close(&d);
}
static const struct sim_program successor = {
    .name = "durable-id",
    .about = "two have one id: one at a time sends under it, and is told what the journal knows",
    .participants = 2,
    .setup = setup_known,
    .body = body_successor,
    FINISH,
    .bare = true,
    .long_runs = true,
    .share = 2,
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* What somebody sent as his does not wait for the disk: his successor is told of it when it is there. */
static void body_async(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        if (witness_producer_id(&d) == 0) {
            d.number = witness_sequence(&d) + 1;
            (void)witness_send_async(&d);
        }
    } else if (witness_producer_id(&d) == 0) {
        d.number = 2;
        (void)witness_send(&d, 0);
    }
    d.number = 0;
    done_close(&d);
}
static const struct sim_program async = {.name = "durable-id-async",
                                         .about = "one sends without waiting for the disk, and another goes on as he",
                                         .participants = 2,
                                         .setup = setup_known,
                                         .body = body_async,
                                         FINISH,
                                         .bare = true,
                                         .long_runs = true,
                                         .share = 2,
                                         .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void setup_known_unsynced(void) {
    struct desk d;
    make(RP_SYNC_INTERVAL);
    witness_open(&d);
    go_on(&d, 1);
    witness_close(&d);
    sim_journal.fail_syncs = 1;
}
static void body_snapshot_id(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0)
        go_on(&d, 2);
    else
        (void)witness_send(&d, 0);
    done_close(&d);
}
static const struct sim_program id_snapshot = {.name = "durable-id-snapshot",
                                               .about = "a producer with an id sends while all is written again",
                                               .participants = 2,
                                               .setup = setup_known_unsynced,
                                               .body = body_snapshot_id,
                                               FINISH,
                                               .bare = true,
                                               .long_runs = true,
                                               .share = 2,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* Who goes on as a dead one comes to know that his last message was sent, while a third writes all again. */
static void body_heir(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        go_on(&d, 2);
    } else if (me == 1) {
        (void)witness_producer_id(&d);
    } else {
        (void)snapshot_ask(&d.queue->segment);
        (void)witness_send(&d, 0);
    }
    done_close(&d);
}
static const struct sim_program heir = {.name = "durable-id-heir",
                                        .about = "a dead producer's id is opened while all is written again",
                                        .participants = 3,
                                        .setup = setup_known,
                                        .body = body_heir,
                                        FINISH,
                                        .bare = true,
                                        .long_runs = true,
                                        .share = 2,
                                        .budget = {.preemptions = 2, .kills = 1},
                                        .killable = 1};

/* An id is removed: the journal forgets it as well, whoever dies. */
static void body_remove(unsigned me) {
    struct desk d;
    open_ready(&d);
    if (me == 0) {
        if (witness_producer_id(&d) == 0) {
            d.number = 2;
            (void)witness_send_async(&d);
            d.number = 0;
            rp_producer_close(d.producer);
            witness_producer(&d);
        }
        sim_call("rp_producer_id_remove");
        int result = rp_producer_id_remove(d.queue, "a", 1);
        sim_return(result == 0);
        sim_note("rp_producer_id_remove -> %s", rp_error_name(result));
        if (result == 0 && sim_journal_sequence() != 0)
            sim_fail("an id was removed, and the journal has it at %u", (unsigned)sim_journal_sequence());
    } else {
        (void)witness_send(&d, 0);
    }
    done_close(&d);
}
static void finish_removed(void) {
    struct desk d;
    struct rp_producer_id found;
    witness_open(&d);
    sim_advance_ns(2000 * MS);
    witness_must(rp_queue_sweep(d.queue), "rp_queue_sweep");
    witness_must(rp_flush(d.producer), "rp_flush");
    if (rp_producer_id_next(d.queue, 0, &found) == RP_EMPTY && sim_journal_sequence() != 0)
        sim_fail("there is no id, and the journal has one at %u", (unsigned)sim_journal_sequence());
    for (unsigned i = 0; i < 2; i++) /* each place can be had */
        if (rp_producer_id_next(d.queue, 0, &found) == RP_EMPTY &&
            identity_state(atomic_load(&d.queue->segment.identities[i].word)) != IDENTITY_UNUSED)
            sim_fail("place %u is not free", i);
    witness_close(&d);
    witness_finish();
}
static const struct sim_program removal = {.name = "durable-id-remove",
                                           .about = "a producer's id is removed while somebody writes",
                                           .participants = 2,
                                           .setup = setup_known,
                                           .body = body_remove,
                                           .interim = witness_interim,
                                           .finish = finish_removed,
                                           .bare = true,
                                           .long_runs = true,
                                           .share = 2,
                                           .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_durable_ids[] = {
    &once_two, &once_dead, &once_broken, &once_snapshot, &once_snapshot_late, &once_snapshot_enter, &once_files, &successor, &async,
    &id_snapshot, &heir, &removal, NULL};
