/* SPDX-License-Identifier: MIT */
/* ringpost restore NAME --into: the messages of a dump as new ones. */
#include "dumped.h"

#include <inttypes.h>
#include <string.h>

struct sending {
    const char *name;
    rp_producer *producer;
    struct rp_queue_options to; /* the queue's that is there */
    bool dead;
    uint64_t sent, left_out, expired;
};

/* Does any group need it, or did it die in all? */
static bool is_wanted(const struct sending *s, const struct rp_dump_message *m) {
    bool wanted = m->flags & RP_DUMP_WAITING;
    for (size_t i = 0; i < m->delivery_count; i++)
        wanted = wanted || s->dead || m->deliveries[i].state != RP_STATE_DEAD;
    return wanted;
}

/* False: its time to live is over. */
static bool describe(const struct sending *s, const struct rp_dump_message *m, uint64_t now_ns, struct rp_send_options *o) {
    uint64_t ready_ns = m->flags & RP_DUMP_WAITING && m->due_ns > now_ns ? m->due_ns : now_ns;
    rp_send_options_init(o, sizeof *o);
    o->carry = m->headers.bytes > 0 ? &m->headers : NULL;
    if (s->to.lanes > 0 && m->flags & RP_DUMP_KEYED) {
        o->key = m->key;
        o->key_bytes = m->key_bytes;
    }
    if (s->to.priorities > 1)
        o->priority = m->lane < s->to.priorities ? m->lane : s->to.priorities - 1;
    if (ready_ns > now_ns && m->flags & RP_DUMP_BY_WALL)
        o->at_ns = m->due_ns;
    else
        o->delay_ns = ready_ns - now_ns;
    if (!(m->flags & RP_DUMP_EXPIRES) || m->expires_ns == UINT64_MAX)
        return true;
    o->ttl_ns = m->expires_ns > ready_ns ? (int64_t)(m->expires_ns - ready_ns) : 0;
    return o->ttl_ns > 0;
}

static int send_all(struct sending *s, struct dumped *d) {
    struct rp_dump_item item;
    int result;
    while ((result = rp_dump_next(d->dump, &item)) == 0) {
        struct rp_send_options o;
        const struct rp_dump_message *m = item.message;
        if (!m)
            continue;
        if (!is_wanted(s, m)) {
            s->left_out++;
            continue;
        }
        if (!describe(s, m, cli_wall_ns(), &o)) {
            s->expired++;
            continue;
        }
        if ((result = rp_send(s->producer, m->data, m->bytes, &o)) < 0)
            return cli_fail(result, "'%s'", s->name);
        s->sent++;
        dumped_progress(NULL, s->sent, 0);
    }
    return result == RP_EMPTY ? CLI_DONE : dumped_fail(d, result);
}

static void tell(const struct sending *s, bool json) {
    if (json) {
        cli_json_print(stdout, json_pack("{s:s, s:o, s:o, s:o}", "queue", s->name, "sent", cli_json_u64(s->sent), "dead",
                                         cli_json_u64(s->left_out), "expired", cli_json_u64(s->expired)));
        return;
    }
    cli_note("sent %" PRIu64 " message%s to %s", s->sent, cli_plural(s->sent), s->name);
    if (s->left_out)
        cli_note("%" PRIu64 " dead letter%s left out; --dead sends them, too", s->left_out, s->left_out == 1 ? " was" : "s were");
    if (s->expired)
        cli_note("%" PRIu64 " had expired", s->expired);
}

int dumped_send(struct dumped *d, const char *queue, bool dead, bool json) {
    struct sending s = {.name = queue, .dead = dead};
    rp_queue *q;
    int status = cli_open(queue, false, &q);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(q);
    rp_queue_options_init(&s.to, sizeof s.to);
    int result = rp_queue_options_get(q, &s.to);
    if (result == 0)
        result = rp_producer_open(q, NULL, &s.producer);
    status = result < 0 ? cli_fail(result, "'%s'", queue) : send_all(&s, d);
    dumped_progress_end();
    if (result == 0)
        tell(&s, json);
    cli_signals_release();
    rp_producer_close(s.producer);
    rp_queue_close(q);
    return cli_finish(status);
}
