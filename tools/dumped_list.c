/* SPDX-License-Identifier: MIT */
/* ringpost dump --list FILE */
#include "dumped.h"
#include "headers.h"

#include <inttypes.h>
#include <string.h>

/* ---- for people ---- */

static void print_head(const struct rp_dump_head *h, const struct rp_queue_options *o) {
    char dumped[CLI_TEXT_MAX], created[CLI_TEXT_MAX], lease[CLI_TEXT_MAX];
    printf("queue          ");
    cli_print_payload(stdout, h->name, strlen(h->name), strlen(h->name), 0);
    putchar('\n');
    printf("dumped         %s ago, format version %u\n", cli_format_age(dumped, h->dumped_ns), h->version);
    printf("created        %s ago\n", cli_format_age(created, h->created_ns));
    printf("capacity       %u messages of up to %u bytes\n", o->capacity, o->message_bytes);
    if (o->priorities > 1)
        printf("priorities     %u\n", o->priorities);
    if (o->lanes > 0)
        printf("keyed lanes    %u\n", o->lanes);
    if (o->numa_shards > 1)
        printf("shards         %u\n", o->numa_shards);
    printf("lease          %s, %u deliveries\n", o->lease_ns ? cli_format_duration(lease, o->lease_ns) : "none", o->max_deliveries);
    if (h->paused)
        printf("paused         %s%s%s\n", h->paused & RP_SIDE_SEND ? "send" : "",
               h->paused == (RP_SIDE_SEND | RP_SIDE_RECEIVE) ? ", " : "", h->paused & RP_SIDE_RECEIVE ? "receive" : "");
}

static void print_id(const char *what, const void *id, size_t bytes) {
    printf("%-15s", what);
    cli_print_payload(stdout, id, bytes, bytes, CLI_PAYLOAD_COLUMNS);
}

static void print_item(const struct rp_dump_item *i) {
    if (i->kind == RP_DUMP_GROUP) {
        printf("group          %s%s\n", i->group->name, i->group->paused ? ", paused" : "");
    } else if (i->kind == RP_DUMP_PRODUCER) {
        print_id("producer", i->producer->id, i->producer->id_bytes);
        printf(", sequence %" PRIu64 "\n", i->producer->sequence);
    }
}

static void print_summary(const struct rp_dump_summary *n) {
    char payload[CLI_TEXT_MAX], file[CLI_TEXT_MAX];
    printf("messages       %" PRIu64 ", %s of payload\n", n->messages, cli_format_size(payload, n->payload_bytes));
    printf("deliveries     %" PRIu64 " ready, %" PRIu64 " leased, %" PRIu64 " delayed, %" PRIu64 " dead\n", n->ready, n->leased,
           n->delayed, n->dead);
    if (n->ids)
        printf("ids            %" PRIu64 "\n", n->ids);
    if (n->damaged)
        printf("damaged        %" PRIu64 " messages were left out\n", n->damaged);
    printf("whole          %s, all checksums are right\n", cli_format_size(file, n->bytes));
}

/* ---- for programs: one object a line ---- */

static json_t *delivery_json(const struct rp_dump_delivery *d) {
    const struct rp_dead_letter *l = &d->letter;
    json_t *object = json_object();
    json_object_set_new(object, "group", cli_json_u64(d->group));
    json_object_set_new(object, "state", json_string(cli_state_name(d->state)));
    json_object_set_new(object, "due_ns", cli_json_u64(d->due_ns));
    json_object_set_new(object, "deliveries", cli_json_u64(l->deliveries));
    json_object_set_new(object, "acquisitions", cli_json_u64(l->acquisitions));
    json_object_set_new(object, "last_failed_ns", cli_json_u64(l->last_failed_ns));
    json_object_set_new(object, "pid", cli_json_u64(l->pid));
    cli_json_bytes(object, "executable", "executable_base64", l->executable, strlen(l->executable));
    cli_json_bytes(object, "text", "text_base64", l->text, strlen(l->text));
    return object;
}

static void message_json(json_t *object, const struct rp_dump_message *m) {
    json_t *deliveries = json_array();
    json_object_set_new(object, "id", cli_json_u64(m->id));
    json_object_set_new(object, "lane", cli_json_u64(m->lane));
    json_object_set_new(object, "sent_ns", cli_json_u64(m->sent_ns));
    json_object_set_new(object, "waiting", json_boolean(m->flags & RP_DUMP_WAITING));
    if (m->flags & RP_DUMP_SCHEDULED)
        json_object_set_new(object, "due_ns", cli_json_u64(m->due_ns));
    if (m->flags & RP_DUMP_EXPIRES)
        json_object_set_new(object, "expires_ns", cli_json_u64(m->expires_ns));
    json_object_set_new(object, "bytes", cli_json_u64(m->bytes));
    if (m->key_bytes)
        cli_json_bytes(object, "key", "key_base64", m->key, m->key_bytes);
    cli_json_headers(object, &m->headers);
    cli_json_payload(object, m->data, m->bytes);
    for (size_t i = 0; i < m->delivery_count; i++)
        json_array_append_new(deliveries, delivery_json(&m->deliveries[i]));
    json_object_set_new(object, "groups", deliveries);
}

static void summary_json(json_t *object, const struct rp_dump_summary *n) {
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"bytes", n->bytes},
                  {"groups", n->groups},
                  {"producers", n->producers},
                  {"messages", n->messages},
                  {"payload_bytes", n->payload_bytes},
                  {"ids", n->ids},
                  {"ready", n->ready},
                  {"leased", n->leased},
                  {"delayed", n->delayed},
                  {"dead", n->dead},
                  {"damaged", n->damaged}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(object, counts[i].name, cli_json_u64(counts[i].value));
}

static void print_item_json(const struct rp_dump_item *i) {
    static const char *const kinds[] = {"", "queue", "group", "message", "producer", "id", "counters", "end"};
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string(kinds[i->kind]));
    json_object_set_new(object, "offset", cli_json_u64(i->offset));
    if (i->group) {
        json_object_set_new(object, "group", json_string(i->group->name));
        json_object_set_new(object, "paused", json_boolean(i->group->paused));
    } else if (i->producer) {
        cli_json_bytes(object, "id", "id_base64", i->producer->id, i->producer->id_bytes);
        json_object_set_new(object, "sequence", cli_json_u64(i->producer->sequence));
    } else if (i->message) {
        message_json(object, i->message);
    } else if (i->id) {
        cli_json_bytes(object, "id", "id_base64", i->id->id, i->id->id_bytes);
        json_object_set_new(object, "of", json_string(i->id->kind == 0 ? "send" : i->id->kind == 1 ? "delivery" : "work"));
        json_object_set_new(object, "until_ns", cli_json_u64(i->id->until_ns));
    } else if (i->counters) {
        json_object_set_new(object, "sent", cli_json_u64(i->counters->sent));
        json_object_set_new(object, "received", cli_json_u64(i->counters->received));
        json_object_set_new(object, "acked", cli_json_u64(i->counters->acked));
        json_object_set_new(object, "died", cli_json_u64(i->counters->died));
    } else if (i->summary) {
        summary_json(object, i->summary);
    }
    cli_json_print(stdout, object);
}

static void print_head_json(const struct rp_dump_head *h, const struct rp_queue_options *o) {
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string("queue"));
    cli_json_bytes(object, "queue", "queue_base64", h->name, strlen(h->name));
    json_object_set_new(object, "version", cli_json_u64(h->version));
    json_object_set_new(object, "dumped_ns", cli_json_u64(h->dumped_ns));
    json_object_set_new(object, "created_ns", cli_json_u64(h->created_ns));
    json_object_set_new(object, "capacity", cli_json_u64(o->capacity));
    json_object_set_new(object, "message_bytes", cli_json_u64(o->message_bytes));
    json_object_set_new(object, "priorities", cli_json_u64(o->priorities));
    json_object_set_new(object, "lanes", cli_json_u64(o->lanes));
    json_object_set_new(object, "shards", cli_json_u64(o->numa_shards));
    cli_json_print(stdout, object);
}

int dumped_list(struct dumped *d, bool json) {
    struct rp_dump_head head;
    struct rp_queue_options options;
    struct rp_dump_item item;
    int result;
    rp_queue_options_init(&options, sizeof options);
    if ((result = rp_dump_head(d->dump, &head)) < 0 || (result = rp_dump_queue_options(d->dump, &options)) < 0)
        return dumped_fail(d, result);
    if (json)
        print_head_json(&head, &options);
    else
        print_head(&head, &options);
    while ((result = rp_dump_next(d->dump, &item)) == 0 && !ferror(stdout)) {
        if (json)
            print_item_json(&item);
        else if (item.kind == RP_DUMP_END)
            print_summary(item.summary);
        else
            print_item(&item);
    }
    if (result < 0 && result != RP_EMPTY) {
        fflush(stdout);
        return dumped_fail(d, result);
    }
    return CLI_DONE;
}
