/* SPDX-License-Identifier: MIT */
/* ringpost ring record NAME FILE */
#include "recording.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE_NS (UINT64_C(500) * CLI_NS_PER_MS)
enum { GATHER = 1 << 18 };

struct recorder {
    const char *name, *file;
    rp_reader *reader;
    int fd;
    bool regular; /* a file that can be cut and synced */
    struct recording_header header;
    unsigned char *bytes; /* records that are not in the file yet, and room for the largest */
    size_t length;
    uint64_t offset; /* in the file, of the first of them */
    uint64_t clock_ns, wall_ns;
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint64_t limit;       /* UINT64_MAX: none */
    uint64_t messages, payload, lost;
    uint64_t kept; /* messages that are in the file */
    bool write_failed;
};

/* Messages among the first `bytes` of what is gathered; cuts `*bytes` down to whole records. */
static uint64_t count_whole(const struct recorder *r, size_t *bytes) {
    uint64_t messages = 0;
    size_t at = 0;
    while (at + sizeof(struct record_head) <= *bytes) {
        const struct record_head *head = (const void *)(r->bytes + at);
        if (record_bytes(head) > *bytes - at)
            break;
        messages += head->kind == RECORD_MESSAGE;
        at += record_bytes(head);
    }
    *bytes = at;
    return messages;
}

/* What does not fit leaves a recording that ends with a whole record. CLI_DONE or CLI_FAILED. */
static int say_kept(struct recorder *r, int result) {
    r->write_failed = true;
    bool cut = r->regular && ftruncate(r->fd, (off_t)r->offset) == 0;
    if (r->offset < sizeof r->header)
        cli_error("%s: %s; nothing was recorded", r->file, strerror(-result));
    else
        cli_error("%s: %s; %" PRIu64 " message%s kept, in %" PRIu64 " bytes%s", r->file, strerror(-result), r->kept,
                  r->kept == 1 ? " is" : "s are", r->offset, cut ? "" : ", and what follows them is not whole");
    return CLI_FAILED;
}

static int flush(struct recorder *r) {
    size_t written;
    int result = ring_put(r->fd, r->bytes, r->length, &written);
    r->length = 0;
    r->kept += count_whole(r, &written);
    r->offset += written;
    return result < 0 ? say_kept(r, result) : CLI_DONE;
}

static void add(struct recorder *r, struct record_head head) {
    unsigned char *record = r->bytes + r->length;
    head.time_ns = r->wall_ns + (cli_clock_ns() - r->clock_ns);
    memcpy(record, &head, sizeof head);
    r->length += record_seal(&r->header, r->offset + r->length, record);
}

static int add_message(struct recorder *r, size_t bytes) {
    struct rp_reader_status s;
    int result = rp_reader_status(r->reader, &s);
    if (result < 0)
        return result;
    add(r, (struct record_head){.kind = RECORD_MESSAGE, .lane = s.lane, .sequence = s.sequence, .size = bytes});
    r->messages++;
    r->payload += bytes;
    return 0;
}

static void add_loss(struct recorder *r) {
    struct ring_loss l = ring_loss(r->reader);
    ring_say_loss(&l);
    add(r, (struct record_head){.kind = RECORD_LOSS, .lane = l.lane, .sequence = l.first, .size = l.count});
    r->lost += l.count;
}

/* The next message, where it will be recorded: as rp_read. What came before goes to the file first, if there is time. */
static int take(struct recorder *r, size_t *bytes, int *status) {
    unsigned char *place = r->bytes + r->length + sizeof(struct record_head);
    int result = rp_read(r->reader, place, r->header.message_bytes, bytes, 0);
    if (result != RP_EMPTY)
        return result;
    if ((*status = flush(r)) != CLI_DONE)
        return RP_EMPTY;
    if (!r->regular && output_reader_gone(r->fd)) {
        *status = say_kept(r, -EPIPE);
        return RP_EMPTY;
    }
    uint64_t now = cli_clock_ns(), left = r->deadline_ns > now ? r->deadline_ns - now : 0;
    if (cli_stop_count() > 0)
        return -EINTR;
    return rp_read(r->reader, r->bytes + sizeof(struct record_head), r->header.message_bytes, bytes,
                   (int64_t)(left < SLICE_NS ? left : SLICE_NS));
}

/* Until a signal, -n, --for or an error. */
static int record_all(struct recorder *r) {
    int status = CLI_DONE;
    while (status == CLI_DONE && cli_stop_count() == 0 && r->messages < r->limit) {
        size_t bytes;
        int result = take(r, &bytes, &status);
        if (result == 0)
            result = add_message(r, bytes);
        else if (result == RP_LAPPED)
            add_loss(r);
        if (result == RP_GONE) {
            cli_error("'%s' was removed", r->name);
            return CLI_NO_QUEUE;
        }
        if (result < 0 && result != RP_EMPTY && result != RP_LAPPED && result != -EINTR)
            return ring_fail(result, "'%s'", r->name);
        if (r->length >= GATHER)
            status = flush(r);
        if (r->deadline_ns != UINT64_MAX && cli_clock_ns() >= r->deadline_ns)
            break;
    }
    return status;
}

/* The last record, and all of it where a crash of the machine does not take it back. */
static int finish(struct recorder *r) {
    add(r, (struct record_head){.kind = RECORD_END, .sequence = r->messages, .size = r->lost});
    int status = flush(r);
    if (status == CLI_DONE && r->regular && fsync(r->fd) != 0) {
        cli_error("%s: %s; it cannot be told what is kept", r->file, strerror(errno));
        r->write_failed = true;
        status = CLI_FAILED;
    }
    return status;
}

static int begin(struct recorder *r, rp_ring *ring) {
    struct rp_ring_info i;
    struct stat s;
    int result = rp_ring_info(ring, &i);
    r->regular = fstat(r->fd, &s) == 0 && S_ISREG(s.st_mode);
    r->wall_ns = cli_wall_ns();
    r->clock_ns = cli_clock_ns();
    r->header = (struct recording_header){
        .started_ns = r->wall_ns,
        .slots = i.slots,
        .slot_bytes = i.slot_bytes,
        .message_bytes = i.message_bytes,
        .max_writers = i.max_writers,
        .max_readers = i.max_readers,
        .overflow = i.overflow,
        .gate_timeout_ns = i.gate_timeout_ns,
        .ring_created_ns = i.created_ns,
    };
    memccpy(r->header.ring, r->name, 0, RECORDING_NAME - 1);
    recording_seal(&r->header);
    r->bytes = result == 0 ? malloc(GATHER + 2 * sizeof(struct record_head) + (((size_t)i.message_bytes + 7) & ~(size_t)7)) : NULL;
    if (r->bytes == NULL)
        return ring_fail(result < 0 ? result : -ENOMEM, "'%s'", r->name);
    size_t written;
    result = ring_put(r->fd, &r->header, sizeof r->header, &written);
    r->offset = result < 0 ? 0 : sizeof r->header;
    return result < 0 ? say_kept(r, result) : CLI_DONE;
}

static void tell(const struct recorder *r, bool json) {
    char size[CLI_TEXT_MAX];
    if (!json) {
        cli_note("recorded %" PRIu64 " message%s (%s) of %s in %s, %" PRIu64 " lost", r->messages, cli_plural(r->messages),
                 cli_format_size(size, r->payload), r->name, r->file, r->lost);
        return;
    }
    json_t *object = json_object(); /* names of files need not be UTF-8 */
    cli_json_bytes(object, "ring", "ring_base64", r->name, strlen(r->name));
    cli_json_bytes(object, "file", "file_base64", r->file, strlen(r->file));
    json_object_set_new(object, "messages", cli_json_u64(r->messages));
    json_object_set_new(object, "bytes", cli_json_u64(r->payload));
    json_object_set_new(object, "lost", cli_json_u64(r->lost));
    json_object_set_new(object, "file_bytes", cli_json_u64(r->offset));
    cli_json_print(stdout, object);
}

static int record_ring(struct recorder *r, rp_ring *ring, const struct ring_from *from, bool observe, uint64_t for_ns, bool json) {
    cli_signals_install(NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like others */
    int status = ring_reader_open(ring, from, observe, &r->reader);
    if (status == CLI_DONE)
        status = begin(r, ring);
    if (status == CLI_DONE) {
        r->deadline_ns = for_ns && for_ns < UINT64_MAX - r->clock_ns ? r->clock_ns + for_ns : UINT64_MAX;
        status = record_all(r);
        if (!r->write_failed) {
            int ended = finish(r);
            status = status == CLI_DONE ? ended : status;
        }
        if (!r->write_failed)
            tell(r, json);
    }
    rp_reader_close(r->reader);
    free(r->bytes);
    return status;
}

/* A recording that is there is not overwritten by mistake. -1: could not be opened, as was said. */
static int open_file(const char *file, bool force) {
    struct stat s;
    if (strcmp(file, "-") == 0)
        return STDOUT_FILENO;
    if (!force && stat(file, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0)
        errno = EEXIST;
    else {
        int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd >= 0)
            return fd;
    }
    cli_error("%s: %s%s", file, strerror(errno), errno == EEXIST ? " (--force overwrites it)" : "");
    return -1;
}

int ring_record(int argc, char **argv) {
    struct recorder r = {.limit = UINT64_MAX};
    struct ring_from from = {.from = RP_FROM_NEWEST};
    uint64_t for_ns = 0;
    bool observe = false, force = false, json = false;
    const struct flag flags[] = {
        CLI_PARSED(
            "--from", &from, "WHERE", ring_parse_from, RING_EXPECTS_FROM,
            "begin with the newest (what is written from now on), the oldest that is there, or this number in each lane (newest)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &r.limit, "N", "end after N messages (no limit)"),
        CLI_FLAG("--for", 0, FLAG_DURATION, &for_ns, "D", "end after so much time (no limit)"),
        CLI_SWITCH("--observe", 0, &observe, "hold no writer back, in a ring made with --overflow gate"),
        CLI_SWITCH("--force", 'f', &force, "overwrite FILE if it is there and not empty"),
        CLI_SWITCH("--json", 0, &json, "print the counts as a JSON object"),
    };
    const struct usage usage = {
        .verb = "ring record",
        .synopsis = "NAME FILE [--from newest|oldest|SEQ] [-n N] [--for D] [--observe] [--force] [--json]",
        .about =
            "Writes all messages of all lanes to FILE (- is stdout), with the time at which each was read and a checksum, until a\n"
            "signal, -n or --for. Messages that were overwritten before they could be read are told on stderr, and in FILE. What "
            "a\n"
            "recorder that is killed leaves is a good recording of what came before.",
        .examples =
            "  ringpost ring record ticks monday.rec --for 8h\n  ringpost ring record ticks - -n 100000 | zstd >sample.rec.zst",
        .statuses = "4 all seats have readers",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    r.name = operands.value[0];
    r.file = operands.value[1];
    if (json && strcmp(r.file, "-") == 0)
        return cli_usage_error("--json prints to stdout, where the recording goes");
    rp_ring *ring;
    if ((status = ring_open(r.name, RING_TO_READ, &ring)) != CLI_DONE) /* before FILE is touched */
        return status;
    r.fd = open_file(r.file, force);
    status = r.fd < 0 ? CLI_FAILED : record_ring(&r, ring, &from, observe, for_ns, json);
    rp_ring_close(ring);
    if (r.fd >= 0 && r.fd != STDOUT_FILENO && close(r.fd) != 0 && status == CLI_DONE) {
        cli_error("%s: %s", r.file, strerror(errno));
        status = CLI_FAILED;
    }
    return cli_finish(status);
}
