/* SPDX-License-Identifier: MIT */
#include "placed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const numa_names[] = {"auto", "interleave", "consumer", "node"};

bool placed_parse_numa(const char *text, void *options) {
    struct rp_queue_options *o = options;
    uint64_t node;
    if (strncmp(text, "node:", 5) == 0 && cli_parse_count(text + 5, &node) && node < RP_NODES_MOST) {
        o->numa = RP_NUMA_NODE;
        o->numa_node = (uint32_t)node;
        return true;
    }
    for (uint32_t i = RP_NUMA_AUTO; i < RP_NUMA_NODE; i++) {
        if (strcmp(text, numa_names[i]) == 0) {
            o->numa = i;
            o->numa_node = 0;
            return true;
        }
    }
    return false;
}

bool placed_parse_shards(const char *text, void *shards) {
    uint64_t count;
    bool automatic = strcmp(text, "auto") == 0;
    if (!automatic && (!cli_parse_count(text, &count) || count > 16))
        return false;
    *(uint32_t *)shards = automatic ? RP_NUMA_SHARDS_AUTO : (uint32_t)count;
    return true;
}

const char *placed_numa(char out[PLACED_NUMA_MAX], uint32_t numa, uint32_t node) {
    if (numa == RP_NUMA_NODE) {
        snprintf(out, PLACED_NUMA_MAX, "node:%u", node % 1000);
    } else {
        snprintf(out, PLACED_NUMA_MAX, "%s", numa < RP_NUMA_NODE ? numa_names[numa] : "unknown");
    }
    return out;
}

static json_t *nodes_json(uint64_t nodes) {
    json_t *array = json_array();
    for (int n = 0; n < RP_NODES_MOST; n++) {
        if (nodes >> n & 1)
            json_array_append_new(array, json_integer(n));
    }
    return array;
}

/* {"0": bytes, ...}: the nodes that have some. */
static json_t *bytes_json(const uint64_t *on) {
    json_t *object = json_object();
    char name[16];
    for (int n = 0; n < RP_NODES_MOST; n++) {
        snprintf(name, sizeof name, "%d", n);
        if (on[n])
            json_object_set_new(object, name, cli_json_u64(on[n]));
    }
    return object;
}

json_t *placed_json(const struct rp_placement *p) {
    json_t *object = json_object();
    json_object_set_new(object, "nodes", cli_json_u64(p->nodes));
    json_object_set_new(object, "ring_nodes", nodes_json(p->ring_nodes));
    json_object_set_new(object, "cell_nodes", nodes_json(p->cell_nodes));
    json_object_set_new(object, "ring_bytes", cli_json_u64(p->ring_bytes));
    json_object_set_new(object, "cell_bytes", cli_json_u64(p->cell_bytes));
    json_object_set_new(object, "ring_bytes_on", bytes_json(p->ring_bytes_on));
    json_object_set_new(object, "cell_bytes_on", bytes_json(p->cell_bytes_on));
    json_object_set_new(object, "shards", cli_json_u64(p->shards));
    json_object_set_new(object, "shard_nodes", nodes_json(p->shard_nodes));
    json_object_set_new(object, "shard_bytes", cli_json_u64(p->shard_bytes));
    json_object_set_new(object, "shard_bytes_home", cli_json_u64(p->shard_bytes_home));
    json_object_set_new(object, "page_bytes", cli_json_u64(p->page_bytes));
    json_object_set_new(object, "mapped_bytes", cli_json_u64(p->mapped_bytes));
    json_object_set_new(object, "huge_bytes", cli_json_u64(p->huge_bytes));
    json_object_set_new(object, "locked_bytes", cli_json_u64(p->locked_bytes));
    json_object_set_new(object, "missing", json_string(p->missing));
    return object;
}

static void print_on(const char *what, const uint64_t *on) {
    char size[CLI_TEXT_MAX];
    const char *separator = "";
    printf("%s", what);
    for (int n = 0; n < RP_NODES_MOST; n++) {
        if (on[n]) {
            printf("%s %s on node %d", separator, cli_format_size(size, on[n]), n);
            separator = ",";
        }
    }
}

void placed_print(rp_queue *q, const struct rp_placement *p) {
    char a[CLI_TEXT_MAX], b[CLI_TEXT_MAX], numa[PLACED_NUMA_MAX];
    if (p->nodes > 1 || p->numa != RP_NUMA_AUTO) {
        printf("  %-18s%s", "numa", placed_numa(numa, p->numa, p->numa_node));
        print_on("; rings:", p->ring_bytes_on);
        print_on("; cells:", p->cell_bytes_on);
        putchar('\n');
    }
    if (p->shards) {
        const char *separator = ", of node ";
        printf("  %-18s%u", "shards", (unsigned)p->shards);
        for (int n = 0; n < RP_NODES_MOST; n++) {
            if (p->shard_nodes >> n & 1) {
                printf("%s%d", separator, n);
                separator = ", ";
            }
        }
        if (p->shard_bytes)
            printf("; %s of %s there", cli_format_size(a, p->shard_bytes_home), cli_format_size(b, p->shard_bytes));
        putchar('\n');
    }
    printf("  %-18s%s", "pages", cli_format_size(a, p->page_bytes));
    if (p->hugepages || p->huge_bytes)
        printf(", huge ones for %s of %s", cli_format_size(a, p->huge_bytes), cli_format_size(b, p->ring_bytes + p->cell_bytes));
    putchar('\n');
    if (p->lock_memory) {
        struct rp_participant who;
        uint32_t locked = 0, count = 0;
        for (uint32_t seat = 0; rp_participant_next(q, seat, &who) == 0; seat = who.seat + 1, count++)
            locked += who.locked_bytes > 0;
        printf("  %-18sby %u of the %u process%s attached\n", "locked", locked, count, count == 1 ? "" : "es");
    }
    if (p->missing[0])
        printf("  %-18s%s\n", "not as asked", p->missing);
}
