/* SPDX-License-Identifier: MIT */
/* ringpost send NAME [FILE] */
#include "cli.h"
#include "headers.h"
#include "records.h"
#include "when.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BATCH_MOST 512
#define WAIT_BY_POLICY INT64_MIN /* no --wait */

struct sender {
    const char *name;
    rp_producer *producer;
    int64_t wait_ns;
    struct header_flags headers;
    struct rp_send_options options; /* of every message */
    bool with_options;
    bool one_by_one; /* --wait on a queue whose policy would wait longer */
    bool print_ids;
    bool json;
    bool no_newline;         /* at the end of the one message */
    bool ids;                /* a record begins with its id and a tab */
    const char *producer_id; /* NULL: none */
    uint64_t first_sequence; /* of the first record */
    uint64_t sent;
    uint64_t duplicates; /* of those */
    uint64_t bytes;
    const char *unit; /* "line", "record" */
};

static void print_id(const struct sender *s, uint64_t id) {
    if (!s->print_ids)
        return;
    printf(s->json ? "{\"id\":%" PRIu64 "}\n" : "%" PRIu64 "\n", id);
}

static int send_one(struct sender *s, struct rp_send_item *item) {
    struct rp_send_options options = item->options ? *item->options : s->options;
    if (s->wait_ns != WAIT_BY_POLICY)
        options.timeout_ns = s->wait_ns;
    options.id_out = &item->id;
    for (;;) {
        int result = rp_send(s->producer, item->data, item->bytes, &options);
        if (result == RP_DUPLICATE) {
            item->result = result;
            return 0;
        }
        if (result == RP_TOO_BIG && s->headers.trace_taken && options.header_count == s->headers.count)
            options.header_count--; /* the traceparent of our environment goes along where there is room, and only there */
        else if (result != -EINTR || cli_stop_count() > 0)
            return result;
    }
}

/* Sends all, or stops at the first that could not be sent and says so. 0 or the error. */
static int send_items(struct sender *s, struct rp_send_item *items, size_t count) {
    size_t done = 0;
    int result = 0;
    while (done < count && result >= 0) {
        size_t before = done;
        if (!s->one_by_one) {
            result = rp_send_batch(s->producer, items + done, count - done);
            if (result > 0)
                done += (size_t)result;
        }
        /* What the batch did not take gets its own chance: --wait, and a reason if there is none. */
        if (done < count && done == before) {
            result = cli_stop_count() > 0 ? -EINTR : send_one(s, &items[done]);
            if (result >= 0)
                done++;
        }
        for (size_t i = before; i < done; i++) {
            print_id(s, items[i].id);
            s->bytes += items[i].result == RP_DUPLICATE ? 0 : items[i].bytes;
            s->duplicates += items[i].result == RP_DUPLICATE;
        }
    }
    s->sent += done;
    return result < 0 ? result : 0;
}

static int say_why(const struct sender *s, int result) {
    if (result == -EINTR && cli_stop_count() > 0) {
        cli_error("interrupted before %s %" PRIu64, s->unit, s->sent + 1);
        return cli_stop_status();
    }
    return cli_fail(result, "%s %" PRIu64 " was not sent to '%s'", s->unit, s->sent + 1, s->name);
}

/* "ID<tab>payload": *options become those of the record. */
static bool take_id(struct rp_send_item *item, const struct rp_send_options *all, struct rp_send_options *options) {
    const char *tab = memchr(item->data, '\t', item->bytes);
    size_t bytes = tab ? (size_t)(tab - (const char *)item->data) : 0;
    if (bytes < 1 || bytes > RP_DEDUP_ID_MAX)
        return false;
    *options = *all;
    options->dedup_id = item->data;
    options->dedup_id_bytes = bytes;
    item->options = options;
    item->data = tab + 1;
    item->bytes -= bytes + 1;
    return true;
}

/* The record gets a sequence of its own. False: they are used up. */
static bool number(const struct sender *s, struct rp_send_item *item, struct rp_send_options *options, uint64_t sequence) {
    if (item->options != options)
        *options = s->options;
    options->sequence = sequence;
    item->options = options;
    return sequence >= s->first_sequence;
}

static int bad_record(const struct sender *s) {
    if (s->producer_id && s->first_sequence + s->sent < s->first_sequence) {
        cli_error("%s %" PRIu64 ": there is no sequence after %" PRIu64, s->unit, s->sent + 1, UINT64_MAX);
        return CLI_FAILED;
    }
    cli_error("%s %" PRIu64 " does not begin with an id of 1 to %d bytes and a tab", s->unit, s->sent + 1, RP_DEDUP_ID_MAX);
    return CLI_FAILED;
}

/* Sends every record that is there already. CLI_DONE or why not. */
static int send_available(struct sender *s, struct records *r) {
    struct rp_send_item items[BATCH_MOST];
    struct rp_send_options options[BATCH_MOST];
    for (;;) {
        size_t count = 0;
        int result = 0;
        bool good = true;
        const char *data;
        memset(items, 0, sizeof items);
        while (count < BATCH_MOST && good && records_next(r, &data, &items[count].bytes)) {
            items[count].data = data;
            items[count].options = s->with_options ? &s->options : NULL;
            if (s->no_newline && items[count].bytes > 0 && data[items[count].bytes - 1] == '\n')
                items[count].bytes--;
            good = !s->ids || take_id(&items[count], &s->options, &options[count]);
            if (s->producer_id && good)
                good = number(s, &items[count], &options[count], s->first_sequence + s->sent + count);
            count += good;
        }
        if (count > 0)
            result = send_items(s, items, count);
        if (result < 0)
            return say_why(s, result);
        if (!good)
            return bad_record(s);
        if (count == 0)
            return CLI_DONE;
    }
}

static int send_all(struct sender *s, struct records *r) {
    int status = CLI_DONE, result = 1;
    while (status == CLI_DONE && result > 0) {
        result = cli_stop_count() > 0 ? -EINTR : records_fill(r);
        if (result == -EINTR && cli_stop_count() == 0) {
            result = 1;
            continue;
        }
        if (result > 0)
            status = send_available(s, r);
        if (s->print_ids && fflush(stdout) != 0)
            status = status == CLI_DONE ? CLI_FAILED : status;
    }
    if (result < 0 && status == CLI_DONE) {
        if (result == -EINTR)
            return say_why(s, result);
        cli_error("reading: %s", strerror(-result));
        return CLI_FAILED;
    }
    return status;
}

/* --whole of an empty input is one empty message. */
static int send_empty(struct sender *s) {
    struct rp_send_item item = {.data = "", .bytes = 0, .options = s->with_options ? &s->options : NULL};
    struct rp_send_options options;
    if (s->producer_id)
        (void)number(s, &item, &options, s->first_sequence);
    int result = send_items(s, &item, 1);
    return result < 0 ? say_why(s, result) : CLI_DONE;
}

static int send_from(struct sender *s, rp_queue *q, int fd, int separator) {
    struct rp_queue_options options;
    struct records records;
    int status, result;
    struct rp_producer_options producer;
    rp_queue_options_init(&options, sizeof options);
    rp_producer_options_init(&producer, sizeof producer);
    producer.id = s->producer_id;
    producer.id_bytes = s->producer_id ? strlen(s->producer_id) : 0;
    result = rp_queue_options_get(q, &options);
    if (result == 0)
        result = rp_producer_open(q, &producer, &s->producer);
    if (result < 0)
        return cli_fail(result, "'%s'", s->name);
    s->one_by_one = s->wait_ns != WAIT_BY_POLICY && options.overflow != RP_OVERFLOW_REJECT;
    result =
        records_init(&records, fd, separator, options.message_bytes + (s->ids ? RP_DEDUP_ID_MAX + 1 : 0) + (s->no_newline ? 1 : 0));
    if (result < 0) {
        rp_producer_close(s->producer);
        return cli_fail(result, "'%s'", s->name);
    }
    status = send_all(s, &records);
    if (status == CLI_DONE && separator == RECORDS_WHOLE && s->sent == 0)
        status = send_empty(s);
    records_free(&records);
    rp_producer_close(s->producer);
    return status;
}

static int send_file(struct sender *s, const char *file, int separator) {
    rp_queue *q;
    int status, fd = STDIN_FILENO;
    if (file && strcmp(file, "-") != 0) {
        fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            cli_error("%s: %s", file, strerror(errno));
            return CLI_FAILED;
        }
    }
    status = cli_open(s->name, false, &q);
    if (status == CLI_DONE) {
        cli_signals_install(q);
        status = send_from(s, q, fd, separator);
        cli_signals_release();
        rp_queue_close(q);
        if (s->json && !s->print_ids) {
            cli_json_print(stdout,
                           json_pack("{s:s, s:o, s:o, s:o}", "queue", s->name, "sent", cli_json_u64(s->sent - s->duplicates),
                                     "duplicates", cli_json_u64(s->duplicates), "bytes", cli_json_u64(s->bytes)));
        } else {
            uint64_t fresh = s->sent - s->duplicates;
            char before[64] = "";
            if (s->duplicates > 0)
                snprintf(before, sizeof before, ", %" PRIu64 " had been sent before", s->duplicates);
            cli_note("sent %" PRIu64 " message%s to %s%s", fresh, cli_plural(fresh), s->name, before);
        }
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return cli_finish(status);
}

/* A time as when_parse reads it, or "+10m" from now. */
static bool parse_time(const char *text, void *target) {
    uint64_t ns, now = cli_wall_ns();
    if (*text != '+')
        return when_parse(text, target);
    if (!cli_parse_duration(text + 1, &ns) || ns > UINT64_MAX - now)
        return false;
    *(uint64_t *)target = now + ns;
    return true;
}

static bool parse_ttl(const char *text, void *target) {
    uint64_t ns;
    if (!cli_parse_duration(text, &ns) || ns > INT64_MAX)
        return false;
    *(int64_t *)target = ns ? (int64_t)ns : -1;
    return true;
}

int verb_send(int argc, char **argv) {
    struct sender s = {.wait_ns = WAIT_BY_POLICY, .unit = "line"};
    bool nul = false, whole = false;
    const char *key = NULL, *id = NULL;
    const struct flag flags[] = {
        CLI_FLAG("--delay", 0, FLAG_DURATION, &s.options.delay_ns, "D",
                 "nobody receives them before so much time has passed (none)"),
        CLI_PARSED("--at", &s.options.at_ns, "TIME", parse_time, "a time such as 2026-11-22T09:30:00Z, @1795339800 or +10m",
                   "nobody receives them before this wall-clock time: RFC 3339 with its zone, @SECONDS since 1970, or +D from now"),
        CLI_PARSED("--ttl", &s.options.ttl_ns, "D", parse_ttl, "a duration such as 30s or 5m, or none",
                   "they expire when nobody received them so long after they were ready; none: never (the queue's --ttl)"),
        CLI_FLAG("--priority", 0, FLAG_COUNT32, &s.options.priority, "N", "their level, 0 is the lowest (0)"),
        CLI_FLAG("--key", 0, FLAG_TEXT, &key, "KEY",
                 "in a queue made with --keyed: messages of one key are received in order, one at a time (none)"),
        CLI_FLAG("--id", 0, FLAG_TEXT, &id, "ID",
                 "in a queue made with --dedup: the input, without a newline at its end, is one message; not sent if one with this "
                 "ID was (none)"),
        CLI_SWITCH("--ids", 0, &s.ids, "the same for many: each line begins with its id and a tab, which are not sent"),
        HEADER_FLAGS(s.headers),
        CLI_FLAG("--producer", 0, FLAG_TEXT, &s.producer_id, "ID",
                 "send as this producer: run again with the same input, only what is not there yet is sent (none)"),
        CLI_FLAG("--first-sequence", 0, FLAG_COUNT, &s.first_sequence, "N",
                 "with --producer: the number of the first message of the input (1)"),
        CLI_FLAG("--wait", 0, FLAG_TIMEOUT, &s.wait_ns, "D",
                 "how long to wait for room when the queue is full, or forever (what the queue's --overflow says)"),
        CLI_SWITCH("--null", '0', &nul, "messages are separated by NUL, not newline"),
        CLI_SWITCH("--whole", 0, &whole, "all of the input is one message"),
        CLI_SWITCH("--print-ids", 0, &s.print_ids, "print the id of each message sent, one a line"),
        CLI_SWITCH("--json", 0, &s.json, "print the count as a JSON object; with --print-ids one object per message"),
    };
    const struct usage usage = {
        .verb = "send",
        .synopsis = "NAME [--delay D | --at TIME] [--ttl D] [--priority N] [--key KEY] [--id ID | --ids] [--header NAME=VALUE] "
                    "[--producer ID [--first-sequence N]] [--wait D] [-0 | --whole] [--print-ids] [--json] [FILE]",
        .about = "Sends one message a line, without the newline, from FILE or stdin; an empty line is an empty message. Says how\n"
                 "many on stderr. Stops at the first that could not be sent and says which one and why.",
        .examples = "  ringpost send orders access.log\n"
                    "  tail -f access.log | ringpost send orders --wait forever\n"
                    "  ringpost send images --whole photo.jpg\n"
                    "  echo 'wake up' | ringpost send orders --at 2030-01-01T08:00:00+01:00\n"
                    "  ringpost send payments --id invoice-4711 --wait 1s invoice.json\n"
                    "  ringpost send orders --producer import-7 orders.txt",
        .statuses = "4 the queue is full, or sending is paused",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 2,
    };
    struct operands operands;
    int status;
    rp_send_options_init(&s.options, sizeof s.options);
    status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (s.options.delay_ns && s.options.at_ns)
        return cli_usage_error("--delay and --at exclude each other");
    if (key && (*key == '\0' || strlen(key) > RP_KEY_MAX))
        return cli_usage_error("a key has 1 to %d bytes", RP_KEY_MAX);
    if (s.producer_id && (*s.producer_id == '\0' || strlen(s.producer_id) > RP_PRODUCER_ID_MAX))
        return cli_usage_error("a producer's id has 1 to %d bytes", RP_PRODUCER_ID_MAX);
    if (s.first_sequence && !s.producer_id)
        return cli_usage_error("--first-sequence is for --producer");
    s.first_sequence += s.first_sequence == 0;
    s.options.key = key;
    s.options.key_bytes = key ? strlen(key) : 0;
    if (id && (*id == '\0' || strlen(id) > RP_DEDUP_ID_MAX))
        return cli_usage_error("an id has 1 to %d bytes", RP_DEDUP_ID_MAX);
    if (id && (s.ids || nul))
        return cli_usage_error("--id is of one message: neither --ids nor -0 goes with it");
    if (s.ids && whole)
        return cli_usage_error("--ids and --whole exclude each other");
    s.options.dedup_id = id;
    s.options.dedup_id_bytes = id ? strlen(id) : 0;
    if ((status = header_flags_done(&s.headers)) != CLI_PROCEED)
        return status;
    s.options.headers = s.headers.list;
    s.options.header_count = s.headers.count;
    s.with_options = s.headers.count || key || id || s.options.delay_ns || s.options.at_ns || s.options.priority ||
                     s.options.ttl_ns != RP_TTL_POLICY;
    s.no_newline = id && !whole;
    whole = whole || id;
    if (nul && whole)
        return cli_usage_error("-0 and --whole exclude each other");
    if (nul || whole)
        s.unit = "message";
    s.name = operands.value[0];
    return send_file(&s, operands.count > 1 ? operands.value[1] : NULL, whole ? RECORDS_WHOLE : nul ? '\0' : '\n');
}
