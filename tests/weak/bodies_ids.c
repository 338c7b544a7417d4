/* SPDX-License-Identifier: MIT */
/* The table of known ids: alone (lib/ring/id_table.c), and under sends (lib/queue/dedup.c). All ids have one hash, so there is one chain. */
#include "heap_segment.h"
#include "id_table.h"
#include "queue.h"

#include <errno.h>

/* ---- the table ---- */

enum { KEPT_UNTIL = 1000, NOW = 5 };

static struct table {
    struct segment segment;
    struct id_entry entry[4];
    struct id_spare spare;
} * t;

static struct sought_id id_of(uint64_t first, uint64_t second) {
    const uint64_t words[2] = {first, second};
    struct sought_id x;
    sought_id_make(&x, words, sizeof words);
    return x;
}

static enum id_look look(uint64_t first, uint64_t second) {
    const struct sought_id x = id_of(first, second);
    struct id_entry entry;
    uint64_t head;
    return id_table_look(&t->segment, &x, &entry, &head);
}

/* As dedup_begin does it, of one who has the id for himself. */
static void enter(unsigned me, struct id_spare *spare, uint64_t first, uint64_t second, struct id_entry *entry) {
    const struct sought_id x = id_of(first, second);
    struct id_entry other;
    uint64_t head;
    bool forgotten;
    weak_check(id_table_take(&t->segment, me, NOW, 0, spare, entry, &forgotten) == ID_TAKE_DONE);
    id_table_fill(&t->segment, entry, &x, ID_NO_MESSAGE, first);
    do {
        weak_check(id_table_look(&t->segment, &x, &other, &head) == ID_UNKNOWN);
    } while (!id_table_link(&t->segment, entry, &x, head));
}

static void use(unsigned me, uint64_t first, uint64_t second, struct id_entry *entry) {
    enter(me, &(struct id_spare){.any = false}, first, second, entry);
    id_table_commit_mine(&t->segment, entry, KEPT_UNTIL);
}

static void make_table(void) {
    t = weak_allocate(sizeof *t);
    struct parameters parameters = small_parameters(1);
    parameters.max_groups = 1;
    parameters.dedup_window_ns = KEPT_UNTIL;
    parameters.dedup_entries = 4;
    struct layout l;
    if (layout_compute(&parameters, &l) != 0)
        abort();
    unsigned char *memory = weak_allocate(l.bytes);
    segment_initialise(memory, &parameters, &l, "default");
    if (segment_bind(&t->segment, memory, l.bytes, false) != 0)
        abort();
}

/* The only entry becomes another id's while B looks for one that has a half of each. */
static void setup_halves(void) {
    make_table();
    use(0, 1, 2, &t->entry[0]);
}
static void halves(unsigned me) {
    if (me == 0)
        use(me, 3, 4, &t->entry[0]);
    else
        weak_check(look(1, 4) == ID_UNKNOWN);
}

/*
 * In the middle of the chain is an id whose send A gives up; its entry is A's next, and its link leads nowhere for a while. B must get past it, to the id behind.
 */
static void setup_middle(void) {
    make_table();
    use(1, 1, 1, &t->entry[1]);
    enter(0, &t->spare, 2, 2, &t->entry[0]);
    use(1, 3, 3, &t->entry[1]);
}
static void middle(unsigned me) {
    if (me == 1) {
        weak_check(look(1, 1) == ID_KNOWN);
        return;
    }
    struct id_entry *e = &t->entry[0];
    id_table_abort_mine(&t->segment, e);
    weak_check(id_table_drop(&t->segment, e->index, e->word));
    t->spare = (struct id_spare){e->turn, true};
    enter(me, &t->spare, 4, 4, e);
    id_table_commit_mine(&t->segment, e, KEPT_UNTIL);
}
static void middle_finish(void) {
    weak_check(look(1, 1) == ID_KNOWN && look(2, 2) == ID_UNKNOWN && look(3, 3) == ID_KNOWN && look(4, 4) == ID_KNOWN);
}

/*
 * Two entries. A has drawn its turn and is slow; B comes round to the same entry. A must not take what is there now for the oldest: what is taken has an earlier turn. (One who sees an old PENDING
 * passes, as he would pass a slow sender's; then an id goes that is younger than another, and is counted.)
 */
static void turns(unsigned me) {
    if (me == 0) {
        use(me, 1, 1, &t->entry[0]);
    } else {
        use(me, 2, 2, &t->entry[1]);
        use(me, 3, 3, &t->entry[2]);
    }
}
static void turns_finish(void) {
    for (uint64_t i = 1; i < 3; i++)
        weak_check(look(1 + i, 1 + i) == ID_KNOWN || t->entry[0].turn > t->entry[i].turn || t->entry[2].turn > t->entry[i].turn);
}

/* ---- sends ---- */

static int send_once_as(unsigned me, unsigned letter) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    const uint64_t bytes = letter, id = 7;
    o.dedup_id = &id;
    o.dedup_id_bytes = sizeof id;
    o.timeout_ns = 0;
    office->tried[me] |= 1u << letter;
    int result = rp_send(office->producer[me], &bytes, sizeof bytes, &o);
    if (result == 0)
        office->sent[me] |= 1u << letter;
    return result;
}

/* A and B send under one id, and look whether it was sent: whoever is told so is told the truth, and only one of the two is sent. */
static void setup_sends(void) { open_office(&(struct plan){.processes = 2, .free_cells = 2, .warm_up = 2, .dedup = true}); }
static void two_sends(unsigned me) {
    int result = send_once_as(me, 1 + me);
    weak_check(result == 0 || result == RP_DUPLICATE || result == -EBUSY);
    if (result == RP_DUPLICATE) {
        weak_check(receive_letter(me)); /* known as sent is to be seen */
        (void)ack_letter(me);
    }
}
static void one_message(void) {
    unsigned came = 0;
    judge(true, AS_SENT);
    for (unsigned i = 0; i < PROCESSES; i++)
        for (unsigned letter = 0; letter < LETTERS; letter++)
            came += office->got[i][letter];
    weak_check(came == 1);
}

/* A is killed anywhere in its send, or not; B recovers it and sends under the same id, C receives. At last the judge sends it once more. */
static void setup_dead(void) { open_office(&(struct plan){.processes = 3, .free_cells = 2, .warm_up = 3, .dedup = true}); }
static void dead_send(unsigned me) {
    if (me == 0) {
        (void)send_once_as(me, 1);
    } else if (me == 1) {
        (void)rp_queue_sweep(office->queue[me]);
        (void)send_once_as(me, 2);
    } else {
        work(me, 1);
    }
}
/* The same, but C recovers him and sends, too. */
static void two_recoverers(unsigned me) {
    if (me > 0)
        (void)rp_queue_sweep(office->queue[me]);
    (void)send_once_as(me, 1 + me);
}
static void dead_finish(void) {
    weak_as(HOARDER);
    weak_clock_ms(LEASE_MS);
    (void)rp_queue_sweep(office->queue[HOARDER]);
    struct pool *pool = &office->producer[HOARDER]->actor.pool;
    int result = send_once_as(HOARDER, 4);
    weak_check(result == 0 || result == RP_DUPLICATE);
    pool_flush(pool);
    one_message();
}

const struct weak_program ids_halves = {.name = "ids-halves",
                                        .about = "an entry becomes another id's while it is read",
                                        .threads = 2,
                                        .setup = setup_halves,
                                        .body = halves,
                                        .known_ids = 1};
const struct weak_program ids_middle = {.name = "ids-middle",
                                        .about = "an entry of the chain's middle becomes another id's under a walk",
                                        .threads = 2,
                                        .setup = setup_middle,
                                        .body = middle,
                                        .finish = middle_finish,
                                        .known_ids = 4};
const struct weak_program ids_turns = {.name = "ids-turns",
                                       .about = "one who is slow to take what was the oldest id",
                                       .threads = 2,
                                       .setup = make_table,
                                       .body = turns,
                                       .finish = turns_finish,
                                       .known_ids = 2};
const struct weak_program ids_sends = {.name = "once-two",
                                       .about = "two sends under one id",
                                       .threads = 2,
                                       .setup = setup_sends,
                                       .body = two_sends,
                                       .finish = one_message,
                                       .known_ids = 4};
const struct weak_program ids_dead = {.name = "once-dead",
                                      .about = "a sender under an id killed at any store, its recovery, the next sender",
                                      .threads = 3,
                                      .setup = setup_dead,
                                      .body = dead_send,
                                      .finish = dead_finish,
                                      .killable = 1,
                                      .known_ids = 4};
const struct weak_program ids_recoverers = {.name = "once-recovered",
                                            .about = "a sender under an id killed at any store, two that recover it and send",
                                            .threads = 3,
                                            .setup = setup_dead,
                                            .body = two_recoverers,
                                            .finish = dead_finish,
                                            .killable = 1,
                                            .known_ids = 4};
