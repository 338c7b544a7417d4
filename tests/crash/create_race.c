/* SPDX-License-Identifier: MIT */
/*
 * Two creators of the same name. Only system calls of theirs can meet, so a schedule says who makes his next call. With two preemptions: A goes as far as his
 * call i, then B as far as his call j, then A to his end, or he is killed there, then B to his end; for all i and j.
 */
#include "create.h"
#include <errno.h>

static void judge_two(const struct scene *s, enum act act, bool dead[PUPPETS]) {
    const struct report *a = &reports[0], *b = &reports[1];
    struct names n = scene_names(s);
    unsigned died = (unsigned)dead[0] + dead[1];
    if (n.queues != 1 && died < PUPPETS)
        violation("%u queues", n.queues);
    if (n.private_files > (private_names ? died : 0) || n.others)
        violation("%u private files, %u others, %u dead", n.private_files, n.others, died);
    for (unsigned i = 0; i < PUPPETS; i++)
        if (!dead[i] && reports[i].result != 0 && (act == CREATE_OR_OPEN || reports[i].result != -EEXIST))
            violation("creator %u: %s", i, rp_error_name(reports[i].result));
    if (died > 0)
        return;
    if (act == CREATE && (a->result == 0) == (b->result == 0))
        violation("creators: %s and %s", rp_error_name(a->result), rp_error_name(b->result));
    if (act == CREATE_OR_OPEN && (a->created == b->created || a->inode != b->inode))
        violation("of two who create or open, %d created, in %s queue", a->created + b->created,
                  a->inode == b->inode ? "one" : "more than one");
}

static void finish(const struct scene *s, enum act act, struct puppet p[PUPPETS], bool dead[PUPPETS]) {
    for (unsigned i = 0; i < PUPPETS; i++)
        if (!dead[i])
            puppet_finish(&p[i]);
    judge_two(s, act, dead);
    bool there = scene_names(s).queues > 0;
    for (unsigned i = 0; i < PUPPETS; i++)
        if (!dead[i])
            puppet_kill(&p[i]);
    if (there)
        check_queue(s, 0);
    check_end(s);
    figures.schedules++;
}

bool race(const struct scene *s, enum act act, bool one_dies) {
    bool a_returned = false;
    for (unsigned i = 1; !a_returned; i += 2) { /* odd stops are entries */
        bool b_returned = false;
        for (unsigned j = 1; !b_returned; j += 2) {
            struct puppet p[PUPPETS];
            bool dead[PUPPETS] = {one_dies, false};
            now_doing("%s: A to stop %u, B to stop %u, A %s, B to the end", act == CREATE ? "two create" : "two create or open", i,
                      j, one_dies ? "dies" : "to the end");
            if (!puppet_start(&p[0], 0, s, act) || !puppet_start(&p[1], 1, s, act))
                return false;
            puppet_move_by(&p[0], i);
            a_returned = reports[0].stage == 2;
            puppet_move_by(&p[1], j);
            b_returned = reports[1].stage == 2;
            if (one_dies)
                puppet_kill(&p[0]);
            finish(s, act, p, dead);
        }
    }
    return true;
}

/*
 * Whoever removes the queue of a creator who has not returned yet, and gives its name to another: the creator gets the queue that he made, or learns that
 * his name is gone, and never the other's.
 */
bool race_removed(const struct scene *s) {
    bool returned = false;
    for (unsigned i = 1; !returned; i++) {
        struct puppet p;
        rp_queue *q;
        now_doing("a creator at stop %u; his queue is removed, and made by another", i);
        if (!puppet_start(&p, 0, s, CREATE))
            return false;
        puppet_move_by(&p, i);
        returned = reports[0].stage == 2;
        bool published = scene_names(s).queues > 0;
        if (published)
            must(rp_queue_unlink(s->path) == 0);
        create_queue(s, &q);
        puppet_finish(&p);
        int result = reports[0].result;
        bool his_own = result == 0 && reports[0].inode != inode_of(q);
        if (!his_own && result != (published ? -ENOENT : -EEXIST))
            violation("the creator got %s%s", rp_error_name(result), result == 0 ? ", and a queue that is not his" : "");
        puppet_kill(&p);
        must(rp_queue_close(q) == 0);
        check_queue(s, 0);
        check_end(s);
        figures.schedules++;
    }
    return true;
}

bool race_at_random(const struct scene *s, uint64_t *random) {
    struct puppet p[PUPPETS];
    bool dead[PUPPETS] = {false};
    enum act act = random_next(random) % 2 ? CREATE : CREATE_OR_OPEN;
    private_names = random_next(random) % 2;
    uint64_t deadly = random_next(random) % 3; /* of 64 moves */
    now_doing("two at random, state %llu", (unsigned long long)*random);
    if (!puppet_start(&p[0], 0, s, act) || !puppet_start(&p[1], 1, s, act))
        return false;
    for (bool more = true; more;) {
        unsigned who = (unsigned)(random_next(random) >> 20) % PUPPETS;
        if (dead[who] || !puppet_move(&p[who])) {
            more = !dead[!who] && puppet_move(&p[!who]);
        } else if ((random_next(random) >> 20) % 64 < deadly) {
            puppet_kill(&p[who]);
            dead[who] = true;
        }
    }
    finish(s, act, p, dead);
    return true;
}
