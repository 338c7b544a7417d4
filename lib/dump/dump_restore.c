/* SPDX-License-Identifier: MIT */
/* rp_queue_restore: the dump is read while the queue that nobody sees is filled. */
#include "contents.h"
#include "dump_rebuild.h"
#include "error.h"
#include <errno.h>
#include <stddef.h>

struct restoring {
    struct queue_contents contents;
    rp_dump *dump;
    struct rebuild rebuild;
};

static int put(struct rebuild *r, const struct rp_dump_item *item) {
    struct rebuilt where;
    switch (item->kind) {
    case RP_DUMP_GROUP: return rebuild_group(r, item->group, REBUILD_GENERATION);
    case RP_DUMP_PRODUCER: return rebuild_producer(r, item->producer);
    case RP_DUMP_MESSAGE: return rebuild_message(r, item->message, &where);
    case RP_DUMP_ID: return rebuild_id(r, item->id);
    default: return 0; /* counters begin anew */
    }
}

static int fill(struct queue_contents *c, void *memory, uint64_t bytes) {
    struct restoring *x = (struct restoring *)c; /* its first member */
    struct rp_dump_item item;
    int result = rebuild_begin(&x->rebuild, memory, bytes, x->dump->queue.head.created_ns, x->dump->queue.head.paused);
    while (result == 0 && (result = rp_dump_next(x->dump, &item)) == 0)
        result = put(&x->rebuild, &item);
    if (result == RP_EMPTY) {
        rebuild_end(&x->rebuild, x->dump->end.next_id);
        result = 0;
    }
    rebuild_free(&x->rebuild);
    return result;
}

RP_API int rp_queue_restore(const char *name, rp_dump *d, const struct rp_queue_options *o, rp_queue **out) {
    if (d == NULL || d->kind != DUMP_QUEUE || d->result < 0)
        return fail(-EINVAL, "rp_queue_restore: no dump, or one that was read already");
    if (o != NULL && o->size > offsetof(struct rp_queue_options, journal) && o->journal != NULL)
        return fail(-ENOTSUP, "rp_queue_restore: into a queue with a journal nothing can be restored");
    struct restoring x = {.contents.fill = fill,
                          .dump = d,
                          .rebuild = {.name = name == NULL ? "" : name, .source = "dump", .from = &d->queue.options}};
    return queue_create(name, o != NULL ? o : &d->queue.options, &x.contents, out);
}
