/* SPDX-License-Identifier: MIT */
/* Sends under an id: whoever dies or stops wherever, an id is a message once, and who is told that it was sent is told the truth. */
#include "witness_log.h"

#include "handle.h"
#include "keyed.h"
#include "scenario.h"
#include <errno.h>
#include <ringpost/group.h>

#define WINDOW_NS (UINT64_C(3600) * 1000 * MS)
#define SHORT_NS (20 * MS)

static struct rp_queue_options options(uint32_t capacity) {
    struct rp_queue_options o = scenario_options(capacity);
    o.max_participants = 4; /* a recoverer that is stopped keeps the dead one's seat */
    o.dedup_window_ns = WINDOW_NS;
    return o;
}
static void setup(void) {
    struct rp_queue_options o = options(2);
    witness_create(&o, NULL);
}

#define ONCE .interim = witness_interim, .finish = witness_finish_once
#define ONCE_PAIR(make, does) \
    .participants = 2, .setup = make, .body = does, ONCE, .budget = {.preemptions = 2, .kills = 1, .freezes = 1}

/* ---- two of one id ---- */

static void body_two(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send_once(&d, 1, 0, 0);
    if (me == 1)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_two = {.name = "once-two", .about = "two send under one id", ONCE_PAIR(setup, body_two)};

static void body_wait(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send_once(&d, 1, me == 0 ? 0 : (int64_t)(300 * MS), 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_wait = {
    .name = "once-wait", .about = "one sends under an id, another waits until that is decided", ONCE_PAIR(setup, body_wait)};

static void body_dead(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_dead = {
    .name = "once-dead", .about = "a sender that dies anywhere, its recoverer sends again", ONCE_PAIR(setup, body_dead)};

static void body_loan(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    bool lent = me == 0 && witness_loan(&d, &l) == 0;
    sim_ready();
    if (lent)
        lent = witness_commit_once(&d, &l, 1) != 0;
    else
        witness_send_once(&d, 1, 0, 0);
    sim_done();
    if (lent)
        witness_abandon(&d, &l);
    witness_close(&d);
}
static const struct sim_program once_loan = {
    .name = "once-loan", .about = "a loan is committed under an id, and another sends under it", ONCE_PAIR(setup, body_loan)};

/* ---- the dead leave an id undecided ---- */

/* The creator has sent under id 1, and died right before he could say so. */
static void leave_undecided(struct desk *d) {
    const struct segment *s = &d->queue->segment;
    witness_send_once(d, 1, 0, 0);
    for (uint32_t i = 0; i < s->layout.known_count; i++) {
        uint64_t w = atomic_load(&s->known_ids[i].word);
        if (id_state(w) == ID_COMMITTED) {
            atomic_store(&s->known_ids[i].until_ns, UINT64_C(1) << 63 | id_generation(w));
            atomic_store(&s->known_ids[i].word, id_word(ID_PENDING, d->queue->seat, id_generation(w)));
        }
    }
}
static void setup_undecided(void) {
    struct desk d;
    setup();
    witness_open(&d);
    leave_undecided(&d);
}

/*
 * A, about to decide its id, is found dead. B asks the message's cell what became of it, while C acks it, and uses that very cell again, since all others are
 * on loan.
 */
enum { LENT_MAX = 40 };
static void body_verdict(unsigned me) {
    struct desk d;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    witness_open(&d);
    if (me == 0)
        leave_undecided(&d);
    if (me == 2) { /* not one loan more: who finds nothing looks for the dead */
        witness_receive(&d, 0);
        for (uint64_t free = scenario_free_cells(&d); count < free && witness_loan(&d, &lent[count]) == 0;)
            count++;
    }
    sim_ready();
    if (me == 1) {
        witness_sweep(&d);
    } else if (me == 2) {
        witness_ack(&d, 0);
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    const struct segment *s = &d.queue->segment;
    for (uint32_t i = 0; me == 0 && i < s->layout.known_count; i++)
        if (id_state(atomic_load(&s->known_ids[i].word)) == ID_PENDING)
            (void)id_table_commit(s, i, atomic_load(&s->known_ids[i].word), sim_now_ns() + WINDOW_NS);
    witness_close(&d);
}
static const struct sim_program once_verdict = {.name = "once-verdict",
                                                .about =
                                                    "a dead sender's message is settled and its cell used again while it is judged",
                                                .participants = 3,
                                                .setup = setup,
                                                .body = body_verdict,
                                                ONCE,
                                                .budget = {.preemptions = 2, .kills = 1},
                                                .killable = 1};

static void body_recoverers(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_sweep(&d);
    if (me == 1)
        witness_send_once(&d, 1, 0, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_recoverers = {.name = "once-recoverers",
                                                   .about = "two decide a dead sender's id, and one sends under it",
                                                   ONCE_PAIR(setup_undecided, body_recoverers)};

/* C dies in its send, A decides, B sends again. */
static void body_three(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 2) {
        witness_send_once(&d, 1, 0, 0);
    } else if (me == 0) {
        witness_sweep(&d);
    } else {
        scenario_receive_and_ack(&d, 1);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_three = {.name = "once-three",
                                              .about = "a sender that dies anywhere, one who decides, one who sends again",
                                              .participants = 3,
                                              .setup = setup,
                                              .body = body_three,
                                              ONCE,
                                              .budget = {.preemptions = 2, .kills = 1},
                                              .killable = 4,
                                              .share = 2};

/* ---- chains and entries ---- */

static void body_collide(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send_once(&d, (uint8_t)(1 + me), 0, 0);
    if (me == 1)
        witness_send_once(&d, 1, 0, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_collide = {
    .name = "once-collide", .about = "ids with one hash", ONCE_PAIR(setup, body_collide), .one_hash = true};

static void setup_few(void) {
    struct desk d;
    struct rp_queue_options o = options(4);
    witness_create(&o, NULL);
    witness_open(&d);
    witness_send_once(&d, 1, 0, 0);
    witness_send_once(&d, 2, 0, 0);
    scenario_receive_and_ack(&d, 2);
    witness_close(&d);
}
/* One walks over entries that the other drops, frees and uses again. */
static void body_few(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        witness_send_once(&d, 3, 0, 0);
        witness_send_once(&d, 4, 0, 0);
        witness_send_once(&d, 5, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_few = {.name = "once-few",
                                            .about = "three ids are kept, in one chain: their entries are used again and again",
                                            ONCE_PAIR(setup_few, body_few),
                                            .known_ids = 3,
                                            .one_hash = true};

static void setup_turn(void) {
    struct rp_queue_options o = options(8);
    witness_create(&o, NULL);
}
/* One who slept from his turn on for a whole round must not drop what was sent last. */
static void body_turn(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        for (uint8_t id = 2; id <= 4; id++)
            witness_send_once(&d, id, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static void finish_turn(void) {
    bool sent = false;
    struct desk d;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        sent = sent || (e->kind == SEND && e->once == 4 && e->result == 0);
    witness_open(&d);
    if (sent && witness_send_once(&d, 4, 0, 0) != RP_DUPLICATE)
        sim_fail("the id that was sent last is forgotten");
    witness_close(&d);
    witness_finish();
}
static const struct sim_program once_turn = {.name = "once-turn",
                                             .about = "three ids are kept; one waits for a round between his turn and his entry",
                                             .participants = 2,
                                             .setup = setup_turn,
                                             .body = body_turn,
                                             .interim = witness_interim,
                                             .finish = finish_turn,
                                             .known_ids = 3,
                                             .budget = {.preemptions = 2}};

/* ---- a send that fails ---- */

static void setup_full(void) {
    struct rp_queue_options o = options(4);
    struct desk d;
    o.lanes = 2;
    o.lane_capacity = 1;
    witness_create(&o, &(struct witness_expectations){.full_at = 1});
    witness_open(&d);
    witness_send(&d, 0);
    witness_close(&d);
}
/* The one cell that is not on loan goes from one to the other, who has a lane with room. */
static void body_full(unsigned me) {
    struct desk d;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    uint8_t full = 0, other = 1;
    witness_open(&d);
    const struct segment *s = &d.queue->segment;
    while (keyed_lane(s, &other, 1) == keyed_lane(s, &full, 1))
        other++;
    if (me == 1)
        for (uint64_t free = scenario_free_cells(&d); count + 1 < free && witness_loan(&d, &lent[count]) == 0;)
            count++;
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        witness_send_in(&d, other, 0);
        witness_sweep(&d);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    witness_close(&d);
}
static const struct sim_program once_full = {.name = "once-full",
                                             .about = "a send under an id finds its lane full, and another uses its cell",
                                             ONCE_PAIR(setup_full, body_full),
                                             .min_slots = 1};

/* ---- time ---- */

static void setup_window(void) {
    struct rp_queue_options o = options(4);
    o.dedup_window_ns = SHORT_NS;
    witness_create(&o, NULL);
}
static void body_window(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send_once(&d, 1, 0, 0);
    if (me == 0) {
        sim_linger();
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_window = {.name = "once-window",
                                               .about = "a window that passes while two send under one id",
                                               .participants = 2,
                                               .setup = setup_window,
                                               .body = body_window,
                                               ONCE,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {SHORT_NS + 50 * MS}};

static void setup_delay(void) {
    struct rp_queue_options o = options(2);
    witness_create(&o, &(struct witness_expectations){.waits = true, .purges = true});
}
static void body_delay(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 10 * MS);
    } else {
        witness_purge(&d, RP_STATE_ALL);
        witness_sweep(&d);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static void body_delay_dead(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 1)
        witness_sweep(&d);
    witness_send_once(&d, 1, 0, me == 0 ? 10 * MS : 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_delay_dead = {.name = "once-delay-dead",
                                                   .about = "a delayed send by one who dies anywhere, his recoverer sends again",
                                                   ONCE_PAIR(setup_delay, body_delay_dead)};
static const struct sim_program once_delay = {
    .name = "once-delay", .about = "a delayed send under an id, purged, and sent again", ONCE_PAIR(setup_delay, body_delay)};

/* ---- what becomes of the message ---- */

static void setup_drop(void) {
    struct rp_queue_options o = options(1);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    witness_create(&o, &(struct witness_expectations){.drops = true, .purges = true});
}
static void body_drop(unsigned me) {
    struct desk d;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    witness_open(&d);
    if (me == 1) /* all but two */
        for (uint64_t free = scenario_free_cells(&d); count + 2 < free && witness_loan(&d, &lent[count]) == 0;)
            count++;
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        witness_send(&d, 0);
        witness_send(&d, 0);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    witness_close(&d);
}
static const struct sim_program once_drop = {
    .name = "once-drop", .about = "a message with an id is dropped to make room", ONCE_PAIR(setup_drop, body_drop)};

static void setup_groups(void) {
    struct rp_queue_options o = options(2);
    o.max_groups = 2;
    struct desk d;
    witness_create(&o, &(struct witness_expectations){.groups = true});
    witness_must(witness_attach(&d), "attach");
    witness_must(witness_group_create(&d, 1), "a group");
    witness_close(&d);
}
static void body_groups(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_once(&d, 1, 0, 0);
    } else {
        witness_group_remove(&d, 1);
        witness_sweep(&d);
        witness_send_once(&d, 1, 0, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_groups = {
    .name = "once-groups", .about = "a group goes while a message with an id is sent", ONCE_PAIR(setup_groups, body_groups)};

/* The dead one's id is undecided, and its sender dead before anybody asks: whoever comes is told what became of the message, never that somebody is sending it. */
static void body_asked(unsigned me) {
    struct desk d;
    (void)me;
    witness_open(&d);
    sim_ready();
    if (witness_send_once(&d, 1, 0, 0) == -EBUSY)
        sim_fail("who is dead was said to be sending");
    sim_done();
    witness_close(&d);
}
static const struct sim_program once_asked = {
    .name = "once-asked", .about = "two ask for an id that a dead sender left undecided", ONCE_PAIR(setup_undecided, body_asked)};

const struct sim_program *const scenarios_once[] = {
    &once_two,     &once_full,   &once_wait,  &once_dead,       &once_loan, &once_verdict, &once_three, &once_recoverers, &once_few,
    &once_collide, &once_window, &once_delay, &once_delay_dead, &once_drop, &once_groups,  &once_asked, &once_turn,       NULL};
