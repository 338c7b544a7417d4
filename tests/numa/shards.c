/* SPDX-License-Identifier: MIT */
/* Queues with shards on a machine that has nodes: each lane and each range of cells lies on its own, and who runs there uses them. */
#include "guest.h"

#include "handle.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Of the whole pages from `begin` to `end`, how many there are, and how many are on the node. */
static void pages_on(const void *begin, const void *end, int node, const char *what) {
    unsigned all = 0, there = 0;
    for (uintptr_t at = ((uintptr_t)begin + PAGE - 1) / PAGE * PAGE; at + PAGE <= (uintptr_t)end; at += PAGE, all++) {
        void *page = (void *)at;
        int status = -1;
        *(volatile unsigned char *)page; /* in our page table, or the kernel does not say */
        there += syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0) == 0 && status == node;
    }
    check(all > 0 && there == all, "shards: %s: %u of %u pages on node %d", what, there, all, node);
}

/* As the layout is said to be cut (docs/segment-format.md), not as the library computes it. */
static uint32_t border(const struct segment *s, uint32_t i, uint32_t count) {
    return i == count ? s->layout.cell_count : (uint32_t)(((uint64_t)s->parameters.capacity * i / count + 63) / 64 * 64);
}

static void lies_on_its_nodes(rp_queue *q) {
    const struct segment *s = &q->segment;
    char what[64];
    for (int i = 0; i < 2; i++) {
        const uint32_t first = border(s, (uint32_t)i, 2), last = border(s, (uint32_t)i + 1, 2);
        snprintf(what, sizeof what, "lane %d", i);
        pages_on(s->lanes + (size_t)i * s->layout.lane_slot_count, s->lanes + (size_t)(i + 1) * s->layout.lane_slot_count, i, what);
        snprintf(what, sizeof what, "cells %u to %u", first, last);
        pages_on(segment_cell(s, first), segment_cell(s, last), i, what);
        for (unsigned g = 0; g < s->parameters.max_groups; g++) {
            snprintf(what, sizeof what, "lines of group %u of these cells", g);
            unsigned char *begin = (unsigned char *)segment_delivery(s, g, first),
                          *end = (unsigned char *)segment_delivery(s, g, last);
            pages_on(begin + (i > 0 ? PAGE : 0), end - PAGE, i, what); /* but for the page that neighbours share */
        }
    }
}

/* Messages that lie in a lane, in cells of a range. */
static unsigned count(rp_queue *q, uint32_t lane, uint32_t range) {
    const struct segment *s = &q->segment;
    unsigned found = 0;
    for (uint32_t c = border(s, range, 2); c < border(s, range + 1, 2); c++)
        found += cell_is_published(load_acquire(&segment_cell(s, c)->word, cell_word)) &&
                 position_lane(load_acquire(&segment_cell(s, c)->position, position)) == lane;
    return found;
}

static void send_from(rp_queue *q, int node, int messages) {
    rp_producer *p = NULL;
    run_on(node);
    bool sent = rp_producer_open(q, NULL, &p) == 0;
    for (int i = 0; sent && i < messages; i++)
        sent = rp_send(p, &node, sizeof node, NULL) == 0;
    check(sent, "shards: %d messages from node %d", messages, node);
    rp_producer_close(p);
}

/* Who runs on `node` receives so many: `from` which node are they? */
static void receive_on(rp_queue *q, int node, int messages, int from) {
    struct rp_message m;
    rp_consumer *c = NULL;
    int right = 0, sent_on = -1;
    run_on(node);
    bool works = rp_consumer_open(q, NULL, &c) == 0;
    if (works)
        c->lane_turn = 0; /* it begins elsewhere with its 16th receive */
    for (int i = 0; works && i < messages; i++) {
        works = rp_receive(c, &m, 0) == 0 && m.bytes == sizeof sent_on;
        if (works) {
            memcpy(&sent_on, m.data, sizeof sent_on);
            works = rp_ack(c, &m) == 0;
        }
        right += works && sent_on == from;
    }
    check(works && right == messages, "shards: on node %d %d of %d messages are from node %d", node, right, messages, from);
    rp_consumer_close(c);
}

static void homes(rp_queue *q) {
    for (int node = 1; node >= 0; node--) {
        send_from(q, node, 100);
        check(count(q, (uint32_t)node, (uint32_t)node) == 100, "shards: node %d: its lane, its cells: %u", node,
              count(q, (uint32_t)node, (uint32_t)node));
    }
    receive_on(q, 1, 15, 1);
    receive_on(q, 0, 15, 0);
    receive_on(q, 1, 15, 1);
    check(rp_queue_purge(q, NULL, RP_STATE_ALL) == 155, "shards: purged");
    send_from(q, 0, 30);
    receive_on(q, 1, 30, 0); /* nothing at home */
}

static void a_full_shard(void) {
    struct rp_queue_options o = wishes(RP_NUMA_AUTO, 0);
    struct rp_placement p;
    o.numa_shards = 2;
    o.capacity = 100000;
    o.message_bytes = 4000;
    rp_queue *q = make("shards.full", &o);
    if (q == NULL)
        return;
    check(rp_queue_placement(q, &p) == 0 && strstr(p.missing, "shards") != NULL, "shards.full: '%s'", p.missing);
    check(p.shard_bytes_home < p.shard_bytes && p.shard_bytes_home > p.shard_bytes / 2, "shards.full: %llu of %llu bytes at home",
          (unsigned long long)p.shard_bytes_home, (unsigned long long)p.shard_bytes);
    end(q, "shards.full");
    o.strict = 1;
    check(rp_queue_create("shards.full", &o, &q) == -ENOTSUP, "shards.full, strictly: %s", rp_error_detail());
}

void shards(void) {
    struct rp_queue_options o = wishes(RP_NUMA_AUTO, 0), got;
    struct rp_placement p;
    o.numa_shards = RP_NUMA_SHARDS_AUTO;
    o.strict = 1;
    for (int here = EVERYWHERE; here < 2; here++) {
        run_on(here); /* where the creator is says nothing about the others */
        rp_queue *q = make("shards", &o);
        rp_queue_options_init(&got, sizeof got);
        if (q == NULL)
            return;
        check(rp_queue_options_get(q, &got) == 0 && got.numa_shards == 2, "shards: one for each node that has both");
        lies_on_its_nodes(q);
        check(rp_queue_placement(q, &p) == 0 && p.shards == 2 && p.shard_nodes == 3, "shards: of nodes 0 and 1");
        check(p.shard_bytes > p.cell_bytes && p.shard_bytes_home == p.shard_bytes && p.missing[0] == '\0',
              "shards: %llu of %llu bytes at home: '%s'", (unsigned long long)p.shard_bytes_home, (unsigned long long)p.shard_bytes,
              p.missing);
        homes(q);
        end(q, "shards");
    }
    run_on(0);
    o.numa = RP_NUMA_INTERLEAVE;
    o.hugepages = 1;
    rp_queue *q = make("shards.huge", &o);
    if (q != NULL) {
        check(rp_queue_placement(q, &p) == 0 && p.huge_bytes == p.ring_bytes + p.cell_bytes, "shards.huge: %llu bytes",
              (unsigned long long)p.huge_bytes);
        check(p.shard_bytes >= 2 << 21 && p.shard_bytes_home == p.shard_bytes, "shards.huge: %llu of %llu bytes at home",
              (unsigned long long)p.shard_bytes_home, (unsigned long long)p.shard_bytes);
        end(q, "shards.huge");
    }
    a_full_shard();
}
