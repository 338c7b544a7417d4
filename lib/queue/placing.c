/* SPDX-License-Identifier: MIT */
#include "placing.h"
#include "error.h"
#include "pages.h"
#include "topology.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

_Static_assert((int)PLACEMENT_AUTO == RP_NUMA_AUTO && (int)PLACEMENT_INTERLEAVE == RP_NUMA_INTERLEAVE &&
                   (int)PLACEMENT_CONSUMER == RP_NUMA_CONSUMER && (int)PLACEMENT_NODE == RP_NUMA_NODE &&
                   NODES_MOST == RP_NODES_MOST,
               "the same numbers");

enum { ROUND_MOST = 2 << 20 };

/* Whole huge pages, as far as that is no waste: those of a kernel with pages of 64 KiB have 512 MiB. 0: no rounding. */
static size_t round_bytes(void) {
    uint64_t huge = pages_huge_bytes();
    return huge <= ROUND_MOST ? huge : 0;
}

/* What is not to be divided. */
static size_t unit_of(size_t page, bool huge) { return huge && page < round_bytes() ? round_bytes() : page; }

/* Where the rings end and the cells begin, as far as pages can tell: the page in which both are is the rings'. */
static size_t rings_end(const struct layout *l, size_t bytes, size_t page, bool huge) {
    page = unit_of(page, huge);
    size_t end = (l->cells + page - 1) / page * page;
    return end < bytes ? end : bytes;
}

/* One call where it can be: each border is a border of mappings, over which no huge page goes. */
static void bind_pages(unsigned char *memory, size_t bytes, size_t rings, const struct placement *where) {
    if (where->rings == where->cells)
        rings = bytes;
    (void)pages_bind(memory, rings, where->rings);
    if (rings < bytes)
        (void)pages_bind(memory + rings, bytes - rings, where->cells);
}

/* ---- creating ---- */

struct plan {
    const struct parameters *parameters;
    const struct layout *layout;
    struct placement where;
    bool huge;
};

static void place(void *context, void *memory, size_t bytes, size_t page) {
    const struct plan *p = context;
    if (p->where.rings != 0)
        bind_pages(memory, bytes, rings_end(p->layout, bytes, page, p->huge), &p->where);
    if (p->where.rings != 0)
        placing_bind_shards(memory, bytes, unit_of(page, p->huge), p->parameters, p->layout);
    if (p->huge)
        pages_want_huge(memory, bytes);
}

int placing_create(const char *path, const struct rp_queue_options *o, const struct parameters *p, const struct layout *l,
                   struct shm_build *b, struct placement *where) {
    struct plan plan = {.parameters = p, .layout = l, .huge = o->hugepages != 0};
    struct topology t;
    if (o->numa != RP_NUMA_CONSUMER && topology_has_nodes(TOPOLOGY_ROOT)) {
        uint64_t near = topology_read(TOPOLOGY_ROOT, topology_allowed(), &t);
        struct placement_question q = {(enum placement_request)o->numa, o->numa_node, near, l->bytes};
        (void)placement_decide(&t, &q, &plan.where); /* a node that is not there: placing_look says so */
    }
    if (p->shard_nodes != 0 && plan.where.rings != 0)
        plan.where.cells = p->shard_nodes; /* what is no shard's whole page, in turns over them */
    *where = plan.where;
    if (plan.where.rings == 0 && !plan.huge)
        return shm_create(path, l->bytes, o->mode, o->group, o->prefault, b);
    struct shm_wishes wishes = {.place = place, .context = &plan, .multiple = plan.huge ? round_bytes() : 0, .touch = plan.huge};
    int result = shm_create_placed(path, l->bytes, o->mode, o->group, o->prefault, &wishes, b);
    if (result == 0 && plan.huge)
        pages_gather(b->memory, b->bytes);
    return result;
}

/* ---- what was obtained ---- */

static void missing(struct rp_placement *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void missing(struct rp_placement *out, const char *format, ...) {
    size_t used = strlen(out->missing);
    va_list arguments;
    va_start(arguments, format);
    if (used > 0 && used + 2 < sizeof out->missing) {
        memcpy(out->missing + used, "; ", 3);
        used += 2;
    }
    (void)vsnprintf(out->missing + used, sizeof out->missing - used, format, arguments);
    va_end(arguments);
}

static uint64_t elsewhere(const uint64_t *on, uint64_t bytes, uint64_t nodes) {
    for (unsigned n = 0; n < NODES_MOST; n++)
        bytes -= nodes >> n & 1 ? on[n] : 0;
    return bytes;
}

/* `memory_nodes`: those that have any. */
static void look_where(unsigned char *memory, uint64_t memory_nodes, struct rp_placement *out) {
    const size_t page = out->page_bytes;
    int result = pages_where(memory, out->ring_bytes, page, out->ring_bytes_on);
    if (result == 0)
        result = pages_where(memory + out->ring_bytes, out->cell_bytes, page, out->cell_bytes_on);
    const bool named = out->numa == RP_NUMA_NODE;
    uint64_t rings = named ? UINT64_C(1) << out->numa_node : out->ring_nodes, cells = named ? rings : out->cell_nodes;
    if (rings == 0 || out->numa == RP_NUMA_AUTO) /* which nobody asked for */
        return;
    if (result < 0 && named && memory_nodes == rings) /* the only node: all is there, whether the kernel says so or not */
        return;
    if (result < 0) {
        missing(out, "NUMA: the kernel does not say where pages are: %s", rp_error_text(result));
        return;
    }
    uint64_t far = elsewhere(out->ring_bytes_on, out->ring_bytes, rings) + elsewhere(out->cell_bytes_on, out->cell_bytes, cells);
    if (far > 0 && named && out->ring_nodes == 0)
        missing(out, "NUMA: there is no memory for this process on a node %u", out->numa_node);
    else if (far > 0)
        missing(out, "NUMA: %llu bytes are on other nodes than asked for", (unsigned long long)far);
}

/* On a machine of one node there is no other place. */
static void look_shards(unsigned char *memory, size_t bytes, const struct parameters *p, const struct layout *l,
                        struct rp_placement *out) {
    out->shards = p->numa_shards;
    out->shard_nodes = p->shard_nodes;
    if (p->numa_shards == 0 || out->nodes < 2)
        return;
    if (!placing_look_shards(memory, bytes, unit_of(out->page_bytes, out->hugepages != 0), p, l, out))
        missing(out, "shards: the kernel does not say where pages are");
    else if (out->shard_bytes_home < out->shard_bytes)
        missing(out, "shards: %llu of %llu bytes are on other nodes than their own",
                (unsigned long long)(out->shard_bytes - out->shard_bytes_home), (unsigned long long)out->shard_bytes);
}

static void look_locked(struct rp_placement *out, int lock_result) {
    struct rlimit limit;
    uint64_t bytes = out->ring_bytes + out->cell_bytes;
    if (out->locked_bytes >= bytes)
        return;
    const bool limited = lock_result == -ENOMEM || lock_result == -EPERM || lock_result == -EAGAIN;
    if (limited && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        missing(out, "locked: %llu of %llu bytes, all or nothing; this process may lock %llu in all (RLIMIT_MEMLOCK, ulimit -l)",
                (unsigned long long)out->locked_bytes, (unsigned long long)bytes, (unsigned long long)limit.rlim_cur);
    else
        missing(out, "locked: %llu of %llu bytes: %s", (unsigned long long)out->locked_bytes, (unsigned long long)bytes,
                lock_result < 0 ? rp_error_text(lock_result) : "some were unlocked");
}

/* Only pages that are here say where they are, how large, and whether they stay. Who asked for none of that should not wait for gigabytes. */
static bool must_touch(const struct rp_placement *p, int lock_result) {
    return p->numa != RP_NUMA_AUTO || p->ring_nodes != 0 || p->hugepages != 0 || (p->lock_memory != 0 && lock_result == 0);
}

/* `out` says already what was asked for and decided. `lock_result` is 1 where nobody locks. */
static void placing_look(unsigned char *memory, size_t bytes, const struct parameters *parameters, const struct layout *l,
                         int lock_result, struct rp_placement *out) {
    struct topology t;
    struct pages_state state;
    (void)topology_read(TOPOLOGY_ROOT, topology_allowed(), &t);
    uint64_t memory_nodes = 0;
    for (unsigned n = 0; n < NODES_MOST; n++)
        memory_nodes |= (uint64_t)(t.node[n].memory_bytes > 0) << n;
    out->nodes = (uint32_t)__builtin_popcountll(memory_nodes);
    (void)pages_state(memory, bytes, &state);
    out->page_bytes = state.page > 0 ? state.page : 4096;
    out->ring_bytes = rings_end(l, bytes, out->page_bytes, out->hugepages != 0);
    out->cell_bytes = bytes - out->ring_bytes;
    if (must_touch(out, lock_result))
        (void)pages_touch(memory, bytes, true); /* before Linux 5.14: what is there is what is told of */
    look_where(memory, memory_nodes, out);
    look_shards(memory, bytes, parameters, l, out);
    const bool known = pages_state(memory, bytes, &state) == 0; /* again: by now pages were touched */
    out->mapped_bytes = state.mapped;
    out->huge_bytes = state.huge;
    out->locked_bytes = state.locked;
    if (out->lock_memory != 0 && lock_result == 0) /* what only the call's result tells */
        out->locked_bytes = known ? state.locked + state.hugetlb : bytes;
    uint64_t huge = pages_huge_bytes();
    if (out->hugepages != 0 && !known)
        missing(out, "huge pages: the kernel does not say how large pages are (/proc/self/smaps)");
    else if (out->hugepages != 0 && state.huge < bytes)
        missing(out, "huge pages: %llu of %llu bytes%s", (unsigned long long)state.huge, (unsigned long long)bytes,
                huge == 0           ? ": this kernel has none"
                : huge > ROUND_MOST ? ": they are so large here that no size is rounded up to them"
                                    : "");
    if (out->lock_memory != 0 && lock_result != 1)
        look_locked(out, lock_result);
}

static struct control *control_in(const struct shm_build *b, const struct layout *l) {
    return (struct control *)(void *)((unsigned char *)b->memory + l->control);
}

int placing_made(const struct shm_build *b, const struct rp_queue_options *o, const struct layout *l,
                 const struct placement *where) {
    struct control *c = control_in(b, l);
    store_relaxed(&c->ring_nodes, where->rings, init);
    store_relaxed(&c->cell_nodes, where->cells, init);
    if (o->strict == 0)
        return 0;
    struct rp_placement p = {.numa = o->numa,
                             .numa_node = o->numa_node,
                             .hugepages = o->hugepages,
                             .lock_memory = o->lock_memory,
                             .ring_nodes = where->rings,
                             .cell_nodes = where->cells};
    int locked = o->lock_memory != 0 ? pages_lock(b->memory, b->bytes, true) : 0;
    placing_look(b->memory, b->bytes, &((const struct header *)b->memory)->parameters, l, locked, &p);
    return p.missing[0] == '\0' ? 0 : fail(-ENOTSUP, "'%s': %s", b->path, p.missing);
}

RP_API int rp_queue_placement(rp_queue *q, struct rp_placement *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_placement");
    const struct segment *s = &q->segment;
    const struct parameters *p = &s->parameters;
    *out = (struct rp_placement){.numa = p->numa,
                                 .numa_node = p->numa_node,
                                 .hugepages = p->hugepages,
                                 .prefault = p->prefault,
                                 .lock_memory = p->lock_memory,
                                 .ring_nodes = load_relaxed(&s->control->ring_nodes, stat),
                                 .cell_nodes = load_relaxed(&s->control->cell_nodes, stat)};
    placing_look(q->memory, s->layout.bytes, p, &s->layout, q->read_only ? 1 : q->lock_result, out);
    return 0;
}

/* ---- attaching ---- */

void placing_attached(struct rp_queue *q) {
    const struct parameters *p = &q->segment.parameters;
    if (p->lock_memory == 0)
        return;
    q->lock_result = pages_lock(q->memory, q->segment.layout.bytes, p->prefault != 0);
    store_relaxed(&q->segment.seats[q->seat].locked_bytes, q->lock_result == 0 ? q->segment.layout.bytes : 0, stat);
}

/*
 * Pages that somebody else has mapped stay where they are, so this does most for a queue that was made before anybody uses it. Consumers that open at once from several nodes
 * move them one after the other; the last one's choice stays.
 */
void placing_consumer(struct rp_queue *q) {
    const struct segment *s = &q->segment;
    const size_t bytes = s->layout.bytes;
    struct topology t;
    struct placement where;
    struct pages_state state;
    if (s->parameters.numa != RP_NUMA_CONSUMER || load_relaxed(&s->control->ring_nodes, hint) != 0 ||
        !topology_has_nodes(TOPOLOGY_ROOT))
        return;
    uint64_t near = topology_read(TOPOLOGY_ROOT, topology_allowed(), &t);
    struct placement_question question = {PLACEMENT_CONSUMER, 0, near, bytes};
    if (placement_decide(&t, &question, &where) < 0 || where.rings == 0 || pages_state(q->memory, bytes, &state) < 0)
        return;
    size_t page = state.page > 0 ? state.page : 4096, huge = s->parameters.hugepages != 0 ? round_bytes() : 0;
    size_t rings = rings_end(&s->layout, bytes, page, huge != 0);
    unsigned char *memory = q->memory;
    (void)pages_touch(memory, bytes, false);
    bind_pages(memory, bytes, rings, &where);
    const size_t unit = huge > page ? huge : page; /* huge pages may not have been had: each small one is moved */
    (void)pages_move(memory, rings, where.rings, page, unit);
    (void)pages_move(memory + rings, bytes - rings, where.cells, page, unit);
    store_relaxed(&s->control->cell_nodes, where.cells, hint);
    store_relaxed(&s->control->ring_nodes, where.rings, hint);
}
