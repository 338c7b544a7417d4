/* SPDX-License-Identifier: MIT */
/* One puppet, killed at each stop of its call. */
#include "create.h"
#include <errno.h>

/* Whatever a dead creator left, others create the queue or open it, and the rest is collected. */
static void after_a_creation(const struct scene *s, bool collect_first) {
    rp_queue *q;
    struct names n = scene_names(s);
    if (n.others || n.queues > 1 || n.private_files > (unsigned)private_names)
        violation("there are %u private files and %u others", n.private_files, n.others);
    if (n.queues > 0 && n.private_files > 0)
        violation("the queue has a second name, and would outlive its removal");
    if (collect_first && rp_collect(s->directory) != (int)n.private_files)
        violation("a collector left some of %u private files", n.private_files);
    if (n.queues == 0)
        create_queue(s, &q);
    else if (rp_queue_create(s->path, NULL, &q) != -EEXIST)
        violation("a name is created that is there");
    if (n.queues == 0)
        must(rp_queue_close(q) == 0);
    check_queue(s, 0);
    check_end(s);
}

bool die_creating(const struct scene *s) {
    bool returned = false, there_before = false;
    for (unsigned stop = 0; !returned; stop++) {
        struct puppet p;
        now_doing("create, killed at stop %u", stop);
        if (!puppet_start(&p, 0, s, CREATE))
            return false;
        puppet_move_by(&p, stop);
        returned = reports[0].stage == 2;
        puppet_kill(&p);
        bool there = scene_names(s).queues > 0;
        if ((there_before && !there) || (returned && (reports[0].result != 0 || !there)))
            violation("the queue's name is not there (any more); create said %s", rp_error_name(reports[0].result));
        there_before = there;
        after_a_creation(s, stop % 2);
    }
    return true;
}

/* ---- the other calls ---- */

/* What a creator leaves that was killed before it published, under a private name. */
static bool leave_a_private_file(const struct scene *s) {
    struct puppet p;
    struct scene another = *s; /* of another name: this one is taken */
    bool before = private_names, any = true;
    snprintf(another.path, sizeof another.path, "%s/another", s->directory);
    private_names = true;
    if (!puppet_start(&p, 1, &another, CREATE))
        return false;
    while (scene_names(s).private_files == 0 && any)
        any = puppet_move(&p);
    puppet_kill(&p);
    private_names = before;
    must(any);
    return true;
}

/* With a living neighbour, who has the queue open. */
static bool die_in(const struct scene *s, enum act act, const char *name) {
    enum { LETTERS = 3 };
    bool returned = false;
    for (unsigned stop = 0; !returned; stop++) {
        struct puppet p;
        rp_queue *q;
        now_doing("%s, killed at stop %u", name, stop);
        create_queue(s, &q);
        send_letters(q, LETTERS);
        if ((act == COLLECT && !leave_a_private_file(s)) || !puppet_start(&p, 0, s, act))
            return false;
        puppet_move_by(&p, stop);
        returned = reports[0].stage == 2;
        int result = reports[0].result;
        puppet_kill(&p);
        struct names n = scene_names(s);
        if (returned && result != (act == COLLECT))
            violation("said %s", rp_error_name(result));
        if (n.queues != 1 && act != REMOVE)
            violation("the name is gone");
        if (n.queues == 1) {
            check_queue(s, LETTERS);
            if (act == REMOVE && returned)
                violation("the name is still there");
        } else {
            if (rp_queue_sweep(q) != RP_GONE)
                violation("the neighbour does not notice that the queue was removed");
            rp_queue *other;
            create_queue(s, &other);
            must(rp_queue_close(other) == 0);
            check_queue(s, 0);
        }
        must(rp_queue_close(q) == 0);
        check_end(s);
    }
    return true;
}

bool die_otherwise(const struct scene *s) {
    return die_in(s, OPEN, "open") && die_in(s, CLOSE, "close") && die_in(s, REMOVE, "remove") && die_in(s, COLLECT, "collect");
}

/* A creator at work is not disturbed by a collector; at worst it has to find another private name. */
bool collect_meanwhile(const struct scene *s) {
    bool returned = false;
    for (unsigned stop = 0; !returned; stop++) {
        struct puppet p;
        now_doing("a collector comes at stop %u of create", stop);
        if (!puppet_start(&p, 0, s, CREATE))
            return false;
        puppet_move_by(&p, stop);
        returned = reports[0].stage == 2;
        must(rp_collect(s->directory) >= 0);
        puppet_finish(&p);
        if (reports[0].result != 0)
            violation("create said %s", rp_error_name(reports[0].result));
        struct names n = scene_names(s);
        if (n.queues != 1 || n.private_files || n.others)
            violation("%u queues, %u private files, %u others", n.queues, n.private_files, n.others);
        puppet_kill(&p);
        figures.schedules++;
        check_queue(s, 0);
        check_end(s);
    }
    return true;
}
