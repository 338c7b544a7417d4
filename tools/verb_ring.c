/* SPDX-License-Identifier: MIT */
/* ringpost ring create|rm|ls|stat|write|read|record|replay NAME ... */
#include "ring.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ring_fail(int result, const char *format, ...) {
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    int status = cli_fail(result, "%s", what);
    return result == -EINVAL ? CLI_USAGE : result == RP_NO_SEAT ? CLI_FULL : status;
}

int ring_open(const char *name, enum ring_access access, rp_ring **out) {
    struct rp_open_options options;
    rp_open_options_init(&options, sizeof options);
    options.read_only = access == RING_TO_LOOK;
    int result = rp_ring_open(name, &options, out);
    if (access == RING_TO_READ && (result == -EACCES || result == -EROFS)) {
        options.read_only = 1;
        result = rp_ring_open(name, &options, out);
    }
    if (result == 0)
        return CLI_DONE;
    if (result == -ENOENT) {
        cli_error("there is no ring '%s'", name);
        return CLI_NO_QUEUE;
    }
    return ring_fail(result, "'%s'", name);
}

bool ring_parse_from(const char *text, void *target) {
    struct ring_from *f = target;
    bool newest = strcmp(text, "newest") == 0;
    f->from = newest ? RP_FROM_NEWEST : RP_FROM_OLDEST;
    if (newest || strcmp(text, "oldest") == 0)
        return true;
    f->from = RP_FROM_SEQUENCE;
    return cli_parse_count(text, &f->sequence);
}

int ring_reader_open(rp_ring *ring, const struct ring_from *from, bool observe, rp_reader **out) {
    struct rp_reader_options options;
    struct rp_ring_info info;
    uint64_t *sequences = NULL;
    rp_reader_options_init(&options, sizeof options);
    options.from = from->from;
    options.observe = observe;
    int result = rp_ring_info(ring, &info);
    if (result == 0 && from->from == RP_FROM_SEQUENCE) {
        sequences = malloc(info.max_writers * sizeof *sequences);
        for (uint32_t i = 0; sequences && i < info.max_writers; i++)
            sequences[i] = from->sequence;
        options.sequences = sequences;
        options.sequence_count = info.max_writers;
        result = sequences ? 0 : -ENOMEM;
    }
    if (result == 0)
        result = rp_reader_open(ring, &options, out);
    free(sequences);
    return result < 0 ? ring_fail(result, "'%s'", rp_ring_name(ring)) : CLI_DONE;
}

struct ring_loss ring_loss(const rp_reader *r) {
    struct rp_reader_status s;
    struct ring_loss l = {0};
    uint64_t next;
    if (rp_reader_status(r, &s) == 0 && rp_reader_next_sequence(r, s.lane, &next) == 0)
        l = (struct ring_loss){.count = s.lost, .first = next - s.lost, .lane = s.lane};
    return l;
}

void ring_say_loss(const struct ring_loss *l) {
    cli_error("lane %" PRIu32 ": %" PRIu64 " message%s lost, from number %" PRIu64 " on", l->lane, l->count, cli_plural(l->count),
              l->first);
}

int ring_put(int fd, const void *bytes, size_t count, size_t *written) {
    const char *from = bytes;
    for (*written = 0; *written < count;) {
        size_t part = count - *written;
        if (cli_stop_count() > 0) { /* a pipe that is ready takes so much without a wait */
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            part = part < PIPE_BUF ? part : PIPE_BUF;
            if (cli_stop_count() > 1 || poll(&p, 1, 0) != 1)
                return -EINTR;
        }
        ssize_t n = write(fd, from + *written, part);
        if (n >= 0) {
            *written += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, 500); /* a signal may have come just before */
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

const char *ring_overflow_name(uint32_t overflow) { return overflow == RP_RING_GATE ? "gate" : "overwrite"; }

static bool parse_overflow(const char *text, void *target) {
    uint32_t *overflow = target;
    if (strcmp(text, "overwrite") != 0 && strcmp(text, "gate") != 0)
        return false;
    *overflow = *text == 'g' ? RP_RING_GATE : RP_RING_OVERWRITE;
    return true;
}

static void print_created(rp_ring *ring) {
    struct rp_ring_info i;
    if (rp_ring_info(ring, &i) < 0)
        return;
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "ring", rp_ring_name(ring), "overflow", ring_overflow_name(i.overflow),
                  "slots", (int)i.slots, "slot_bytes", (int)i.slot_bytes, "message_bytes", (int)i.message_bytes, "max_writers",
                  (int)i.max_writers, "max_readers", (int)i.max_readers);
    json_object_set_new(object, "segment_bytes", cli_json_u64(i.segment_bytes));
    cli_json_print(stdout, object);
}

static int ring_create(int argc, char **argv) {
    struct rp_ring_options o;
    bool json = false;
    rp_ring_options_init(&o, sizeof o);
    const struct flag flags[] = {
        CLI_FLAG("--slots", 0, FLAG_COUNT32, &o.slots, "N",
                 "messages of one slot that each lane holds; raised to a power of two, and to four of the largest messages (1024)"),
        CLI_FLAG("--message-bytes", 0, FLAG_SIZE32, &o.message_bytes, "SIZE", "largest message (48)"),
        CLI_FLAG("--slot-bytes", 0, FLAG_SIZE32, &o.slot_bytes, "SIZE",
                 "of a slot, 16 of which are not payload; larger messages take several (what the largest needs, 64 to 4096)"),
        CLI_FLAG("--max-writers", 0, FLAG_COUNT32, &o.max_writers, "N", "writers at once, each with a lane of its own (8)"),
        CLI_FLAG("--max-readers", 0, FLAG_COUNT32, &o.max_readers, "N", "with --overflow gate: readers with a seat at once (64)"),
        CLI_PARSED("--overflow", &o.overflow, "WHAT", parse_overflow, "overwrite or gate",
                   "what a write does to what has not been read: overwrite it, or wait for the slowest reader (overwrite)"),
        CLI_FLAG("--gate-timeout", 0, FLAG_DURATION, &o.gate_timeout_ns, "D",
                 "with --overflow gate: how long one write waits at most; then the slowest reader is evicted (1s)"),
        CLI_PARSED("--mode", &o.mode, "MODE", cli_parse_mode, "an octal mode such as 660", "permission bits (600)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o.group, "GROUP", "the Unix group that owns it (yours)"),
        CLI_FLAG("--no-prefault", 0, FLAG_OFF, &o.prefault, NULL, "do not touch its memory at once"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "ring create",
        .synopsis = "NAME [--slots N] [--message-bytes SIZE] [--slot-bytes SIZE] [--max-writers N] [--max-readers N] "
                    "[--overflow overwrite|gate] [--gate-timeout D] [--mode MODE] [--group GROUP] [--no-prefault] [--json]",
        .about = "Makes a broadcast ring: every reader sees every message, and nobody acknowledges.",
        .examples = "  ringpost ring create ticks\n  ringpost ring create telemetry --message-bytes 1KiB --overflow gate "
                    "--gate-timeout 10ms",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    rp_ring *ring;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    int result = rp_ring_create(operands.value[0], &o, &ring);
    if (result == -EEXIST) {
        cli_error("there is a ring '%s' already", operands.value[0]);
        return CLI_FAILED;
    }
    if (result < 0)
        return ring_fail(result, "'%s'", operands.value[0]);
    if (json)
        print_created(ring);
    rp_ring_close(ring);
    return cli_finish(CLI_DONE);
}

static int ring_rm(int argc, char **argv) {
    bool json = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--force", 'f', &force, "a ring that does not exist is no error"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "ring rm",
        .synopsis = "NAME [--force] [--json]",
        .about = "Removes a ring. Readers that have it open get what is still in it, writers are told that it is gone.",
        .examples = "  ringpost ring rm ticks",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    int result = rp_ring_unlink(operands.value[0]);
    status = CLI_DONE;
    if (result == -ENOENT && !force) {
        cli_error("there is no ring '%s'", operands.value[0]);
        status = CLI_NO_QUEUE;
    } else if (result < 0 && result != -ENOENT) {
        status = ring_fail(result, "'%s'", operands.value[0]);
    }
    if (json && status == CLI_DONE)
        cli_json_print(stdout, json_pack("{s:s, s:b}", "ring", operands.value[0], "removed", result == 0));
    return cli_finish(status);
}

static const struct verb ring_verbs[] = {
    {"create", "make a ring", ring_create},
    {"rm", "remove a ring", ring_rm},
    {"ls", "list the rings of this machine", ring_ls},
    {"stat", "show a ring's options, its writers and its readers", ring_stat},
    {"write", "write a file or stdin, one message a line", ring_write},
    {"read", "print messages", ring_read},
    {"record", "write what goes through a ring to a file", ring_record},
    {"replay", "write what was recorded to a ring, as fast as it was then", ring_replay},
    {NULL, NULL, NULL},
};

static const struct verb_family ring_family = {
    .name = "ring",
    .verbs = ring_verbs,
    .about =
        "Usage: ringpost ring create|rm|ls|stat|write|read|record|replay NAME ... [--json]\n\n"
        "A broadcast ring: every reader sees every message, nobody acknowledges. Each writer has a lane of its own; a reader that\n"
        "is overtaken is told how many messages it has lost, or holds the writers back (create --overflow gate).\n\n",
    .more =
        "\nringpost ring VERB --help explains one.\n"
        "\nExample:\n  ringpost ring create ticks\n  ringpost ring read ticks --follow &\n  seq 3 | ringpost ring write ticks\n",
    .there_are = "there are create, rm, ls, stat, write, read, record and replay",
};

int verb_ring(int argc, char **argv) { return cli_family(&ring_family, argc, argv); }
