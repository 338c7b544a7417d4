/* SPDX-License-Identifier: MIT */
/*
 * A census of the hot path: which lines of shared memory a send, a receive and an ack read and write, and with how many read-modify-writes. Counted, not timed, so it is the same on every
 * machine: the code that ships, compiled once more with a call before each access. `--check` compares with what docs/performance.md says.
 *
 * What is not a shared word is not seen: payload, id, time and length of a message, which lie in its cell and are written by plain stores.
 */
#include "handle.h"
#include <ringpost/ringpost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void census_access(const volatile void *word, const char *what);

enum { WARM = 512, MESSAGES = 1024, ROWS = 64, OPERATIONS = 3, PAYLOAD = 8 };
enum kind { READ, WRITE, RMW, KINDS };

static const char *const operations[OPERATIONS] = {"send", "receive", "ack"};
/* The most read-modify-writes that each may make for a message on average, in thousandths. */
static const unsigned allowed[OPERATIONS] = {2300, 2200, 2300};

static struct row {
    const char *line;
    unsigned accesses[OPERATIONS][KINDS];
    unsigned calls[OPERATIONS]; /* that touched it */
    bool now;
} rows[ROWS];
static unsigned row_count;
static const struct segment *seen; /* NULL: nothing is counted */
static unsigned operation;
static char name[64]; /* of the queue */

static bool in(uint64_t at, uint64_t from, uint64_t bytes) { return at >= from && at < from + bytes; }

static const char *control_line(uint64_t at) {
    if (at < offsetof(struct control, next_id))
        return at < LINE ? "control: groups, due times, pauses" : at < 4 * LINE ? "control: tickets" : "control: producers, bells";
    return at < offsetof(struct control, tick_until_ms) ? "control: next id" : "control: the rest";
}

/* Which line of the segment it is; NULL: not in the segment. */
static const char *line_of(const volatile void *word) {
    const struct layout *l = &seen->layout;
    uint64_t at = (uint64_t)((const unsigned char *)(uintptr_t)word - seen->base);
    if (at >= l->bytes)
        return NULL;
    if (in(at, l->control, sizeof(struct control)))
        return control_line(at - l->control);
    if (at >= l->cells)
        return (at - l->cells) % l->cell_stride < LINE ? "the cell's first line" : "the cell's other lines";
    if (in(at, l->lanes, 8 * (uint64_t)l->lane_slot_count * seen->parameters.lane_count))
        return "the lane's slot";
    if (in(at, l->bitmap, 8 * (uint64_t)l->bitmap_words))
        return "free bits";
    if (in(at, l->lane_ends, sizeof(struct lane_end)))
        return "the lane's tail";
    if (in(at, l->lane_starts, sizeof(struct lane_start)))
        return "the lane's head, redeliveries";
    if (in(at, l->group_rings, 8 * (uint64_t)(2 * l->slot_count + l->death_slot_count)))
        return "rings of redeliveries";
    if (in(at, l->seats, sizeof(struct seat) * (uint64_t)seen->parameters.max_participants))
        return "the process's own seat";
    return "elsewhere";
}

static struct row *row_of(const char *line) {
    for (unsigned i = 0; i < row_count; i++)
        if (strcmp(rows[i].line, line) == 0)
            return &rows[i];
    if (row_count == ROWS)
        abort();
    rows[row_count].line = line;
    return &rows[row_count++];
}

void census_access(const volatile void *word, const char *what) {
    const char *line = seen == NULL ? NULL : line_of(word);
    if (line == NULL)
        return;
    static const char *const changes[] = {"cas_", "fetch_", "exchange_", "counter_add_shared"};
    enum kind kind = strncmp(what, "load_", 5) == 0 || strncmp(what, "field_read", 10) == 0 ? READ : WRITE;
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++)
        if (strncmp(what, changes[i], strlen(changes[i])) == 0)
            kind = RMW;
    struct row *r = row_of(line);
    r->accesses[operation][kind]++;
    r->calls[operation] += !r->now;
    r->now = true;
}

static void begin(unsigned which, const struct segment *s) {
    for (unsigned i = 0; i < row_count; i++)
        rows[i].now = false;
    operation = which;
    seen = s;
}

static void must(int result, const char *what) {
    seen = NULL;
    if (result < 0) {
        fprintf(stderr, "census: %s: %s (%s)\n", what, rp_error_name(result), rp_error_detail());
        (void)rp_queue_unlink(name);
        exit(1);
    }
}

static void move_messages(rp_producer *p, rp_consumer *c, const struct segment *counted, unsigned count) {
    static const unsigned char payload[PAYLOAD];
    for (unsigned i = 0; i < count; i++) {
        struct rp_message m;
        begin(0, counted);
        must(rp_send(p, payload, sizeof payload, NULL), "rp_send");
        begin(1, counted);
        must(rp_receive(c, &m, 0), "rp_receive");
        begin(2, counted);
        must(rp_ack(c, &m), "rp_ack");
    }
}

static double per_message(unsigned n) { return (double)n / MESSAGES; }

/* -> how many operations make more read-modify-writes than they may. */
static int report(void) {
    int over = 0;
    for (unsigned o = 0; o < OPERATIONS; o++) {
        unsigned sums[KINDS] = {0};
        printf("%s\n  %-38s %8s %8s %8s %8s\n", operations[o], "line", "calls", "reads", "writes", "rmw");
        for (unsigned i = 0; i < row_count; i++) {
            const struct row *r = &rows[i];
            if (r->calls[o] == 0)
                continue;
            printf("  %-38s %8.3f %8.3f %8.3f %8.3f\n", r->line, per_message(r->calls[o]), per_message(r->accesses[o][READ]),
                   per_message(r->accesses[o][WRITE]), per_message(r->accesses[o][RMW]));
            for (unsigned k = 0; k < KINDS; k++)
                sums[k] += r->accesses[o][k];
        }
        printf("  %-38s %8s %8.3f %8.3f %8.3f\n", "all", "", per_message(sums[READ]), per_message(sums[WRITE]),
               per_message(sums[RMW]));
        if (per_message(sums[RMW]) * 1000 > allowed[o]) {
            fprintf(stderr, "census: %.3f read-modify-writes for a %s, the limit is %.3f\n", per_message(sums[RMW]), operations[o],
                    allowed[o] / 1000.0);
            over++;
        }
    }
    return over;
}

int main(int argc, char **argv) {
    bool check = argc == 2 && strcmp(argv[1], "--check") == 0;
    if (argc > 1 && !check) {
        fputs("usage: census [--check]\n", stderr);
        return 2;
    }
    struct rp_queue_options o;
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
    snprintf(name, sizeof name, "census.%d", (int)getpid());
    rp_queue_options_init(&o, sizeof o);
    must(rp_queue_create(name, &o, &q), "rp_queue_create");
    must(rp_producer_open(q, NULL, &p), "rp_producer_open");
    must(rp_consumer_open(q, NULL, &c), "rp_consumer_open");
    move_messages(p, c, NULL, WARM);
    move_messages(p, c, &q->segment, MESSAGES);
    int over = report();
    rp_producer_close(p);
    rp_consumer_close(c);
    rp_queue_close(q);
    must(rp_queue_unlink(name), "rp_queue_unlink");
    return check && over > 0;
}
