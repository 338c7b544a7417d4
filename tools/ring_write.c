/* SPDX-License-Identifier: MIT */
/* ringpost ring write NAME [FILE] */
#include "rate.h"
#include "records.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { BATCH_MOST = 256 };

struct writing {
    const char *name;
    rp_writer *writer;
    struct rate rate;
    unsigned seen; /* signals */
    uint64_t written, bytes;
    const char *unit; /* "line", "message" */
};

static int say_why(const struct writing *w, int result) {
    if (result == -EINTR && cli_stop_count() > 0) {
        cli_error("interrupted before %s %" PRIu64, w->unit, w->written + 1);
        return cli_stop_status();
    }
    return ring_fail(result, "%s %" PRIu64 " was not written to '%s'", w->unit, w->written + 1, w->name);
}

/* Waits until the next message may be written. 0 or -EINTR. */
static int keep_rate(struct writing *w) {
    uint64_t wait_ns;
    while (cli_stop_count() == 0) {
        uint64_t now = cli_clock_ns();
        if ((wait_ns = rate_wait_ns(&w->rate, now)) == 0) {
            w->rate = rate_take(w->rate, now);
            return 0;
        }
        cli_signals_wait(&w->seen, (int64_t)wait_ns);
    }
    return -EINTR;
}

/* All of them, or up to the first that could not be written. 0 or the error. */
static int write_items(struct writing *w, const struct rp_write_item *items, uint32_t count) {
    uint32_t done = 0;
    while (done < count) {
        int result = 1;
        if (w->rate.interval_ns)
            result = keep_rate(w);
        if (result >= 0)
            result = rp_write_batch(w->writer, items + done, w->rate.interval_ns ? 1 : count - done);
        if (result == RP_TOO_BIG && !w->rate.interval_ns &&
            count - done > 1) /* it looks at all of them first: those before it are good */
            result = rp_write_batch(w->writer, items + done, 1);
        if (result < 0 && (result != -EINTR || cli_stop_count() > 0))
            return result;
        for (uint32_t i = 0; result > 0 && i < (uint32_t)result; i++)
            w->bytes += items[done + i].bytes;
        done += result > 0 ? (uint32_t)result : 0;
        w->written += result > 0 ? (uint64_t)result : 0;
    }
    return 0;
}

/* Writes every record that is there already. CLI_DONE or why not. */
static int write_available(struct writing *w, struct records *r) {
    for (;;) {
        struct rp_write_item items[BATCH_MOST];
        const char *data;
        uint32_t count = 0;
        while (count < BATCH_MOST && records_next(r, &data, &items[count].bytes))
            items[count++].data = data;
        if (count == 0)
            return CLI_DONE;
        int result = write_items(w, items, count);
        if (result == 0 && cli_stop_count() > 0)
            result = -EINTR;
        if (result < 0)
            return say_why(w, result);
    }
}

static int write_all(struct writing *w, int fd, int separator, size_t most) {
    struct records records;
    int status = CLI_DONE, result = records_init(&records, fd, separator, most);
    if (result < 0)
        return ring_fail(result, "'%s'", w->name);
    while (status == CLI_DONE && (result = records_fill(&records)) != 0) {
        if (result > 0) {
            status = write_available(w, &records);
        } else if (result != -EINTR) {
            cli_error("reading: %s", strerror(-result));
            status = CLI_FAILED;
        } else if (cli_stop_count() > 0) {
            status = say_why(w, result);
        }
    }
    if (status == CLI_DONE && separator == RECORDS_WHOLE && w->written == 0) { /* an empty input is one empty message */
        const struct rp_write_item empty = {.data = "", .bytes = 0};
        result = write_items(w, &empty, 1);
        status = result < 0 ? say_why(w, result) : CLI_DONE;
    }
    records_free(&records);
    return status;
}

static int write_fd(struct writing *w, int fd, int separator, bool json) {
    struct rp_ring_info info;
    rp_ring *ring;
    int status = ring_open(w->name, RING_TO_WRITE, &ring);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(NULL);
    w->seen = cli_signals_seen();
    int result = rp_ring_info(ring, &info);
    if (result == 0)
        result = rp_writer_open(ring, NULL, &w->writer);
    if (result < 0) {
        status = ring_fail(result, "'%s'", w->name);
        rp_ring_close(ring);
        return status;
    }
    status = write_all(w, fd, separator, info.message_bytes);
    if (json)
        cli_json_print(stdout, json_pack("{s:s, s:i, s:o, s:o}", "ring", w->name, "lane", (int)rp_writer_lane(w->writer), "written",
                                         cli_json_u64(w->written), "bytes", cli_json_u64(w->bytes)));
    else
        cli_note("wrote %" PRIu64 " message%s to %s, lane %" PRIu32, w->written, cli_plural(w->written), w->name,
                 rp_writer_lane(w->writer));
    rp_writer_close(w->writer);
    rp_ring_close(ring);
    return status;
}

int ring_write(int argc, char **argv) {
    struct writing w = {.unit = "line"};
    bool nul = false, whole = false, json = false;
    const struct flag flags[] = {
        CLI_PARSED("--rate", &w.rate, "N/s", rate_parse, "N/s, N/m or N/h, N from 1 to 1,000,000",
                   "at most so many messages (no limit)"),
        CLI_SWITCH("--null", '0', &nul, "messages are separated by NUL, not newline"),
        CLI_SWITCH("--whole", 0, &whole, "all of the input is one message"),
        CLI_SWITCH("--json", 0, &json, "print the count as a JSON object"),
    };
    const struct usage usage = {
        .verb = "ring write",
        .synopsis = "NAME [--rate N/s] [-0 | --whole] [--json] [FILE]",
        .about =
            "Writes one message a line, without the newline, from FILE or stdin; an empty line is an empty message. All of them "
            "go\n"
            "to one lane, so readers get them in order. Stops at the first that could not be written and says which one and why.",
        .examples = "  vmstat 1 | ringpost ring write telemetry\n  ringpost ring write ticks --rate 1000/s ticks.txt",
        .statuses = "4 each lane has a writer",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 2,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands), fd = STDIN_FILENO;
    if (status != CLI_PROCEED)
        return status;
    if (nul && whole)
        return cli_usage_error("-0 and --whole exclude each other");
    if (nul || whole)
        w.unit = "message";
    w.name = operands.value[0];
    if (operands.count > 1 && strcmp(operands.value[1], "-") != 0) {
        fd = open(operands.value[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            cli_error("%s: %s", operands.value[1], strerror(errno));
            return CLI_FAILED;
        }
    }
    status = write_fd(&w, fd, whole ? RECORDS_WHOLE : nul ? '\0' : '\n', json);
    if (fd != STDIN_FILENO)
        close(fd);
    return cli_finish(status);
}
