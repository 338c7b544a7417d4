/* SPDX-License-Identifier: MIT */
/* ringpost ring replay FILE NAME */
#include "pace.h"
#include "recording.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANE_UNSET UINT32_MAX

struct replay {
    const char *file, *name;
    int fd;
    rp_ring *ring;
    rp_writer *writers[RECORDING_LANES_MAX]; /* of recorded lanes */
    double speed;                            /* 0: as fast as can be */
    uint32_t lane;                           /* LANE_UNSET: all */
    uint64_t limit;                          /* UINT64_MAX: none */
    uint64_t from;                           /* number of the first message wanted of each lane */
    struct pace pace;
    uint64_t replayed, payload;
    bool complete; /* the recording was read to its end, and ended in order */
    bool json;
};

static bool wanted(const struct replay *r, const struct record_head *head) {
    return head->kind == RECORD_MESSAGE && (r->lane == LANE_UNSET || head->lane == r->lane) && head->sequence >= r->from;
}

/* How reading a recording ended. */
static int say_ended(struct replay *r, const struct recording *rec, int result, const char *then) {
    switch (result) {
    case RECORDING_ENDED: r->complete = true; return CLI_DONE;
    case RECORDING_TORN:
        cli_note("%s: the recorder was killed, or the file cut: it ends after %" PRIu64 " message%s%s", r->file, rec->messages,
                 cli_plural(rec->messages), rec->left > 0 ? ", and with the beginning of another record" : "");
        return CLI_DONE;
    case RECORDING_DAMAGED:
        cli_error("%s: damaged at byte %" PRIu64 ", after %" PRIu64 " good message%s%s", r->file, rec->offset, rec->messages,
                  cli_plural(rec->messages), then);
        return CLI_CORRUPT;
    case RECORDING_FOREIGN: cli_error("%s is no recording", r->file); return CLI_CORRUPT;
    case RECORDING_INCOMPATIBLE: cli_error("%s: a recording of another version or byte order", r->file); return CLI_CORRUPT;
    default: cli_error("%s: %s", r->file, strerror(-result)); return CLI_FAILED;
    }
}

/* ---- before: what a file holds ---- */

/* Whether all of it can be replayed is known before the first message, where the file can be read twice. CLI_DONE, or the status with which all ends. */
static int look_through(struct replay *r, const struct rp_ring_info *ring) {
    struct recording rec;
    const struct record_head *head;
    const void *payload;
    bool used[RECORDING_LANES_MAX] = {false};
    uint32_t lanes = 0, free_lanes = ring->max_writers;
    uint64_t messages = 0, largest = 0;
    struct rp_ring_lane l;
    int result = recording_open(&rec, r->fd);
    while (result == RECORDING_RECORD && messages < r->limit && cli_stop_count() == 0) {
        result = recording_next(&rec, &head, &payload);
        if (result == -EINTR)
            result = RECORDING_RECORD;
        else if (result == RECORDING_RECORD && wanted(r, head)) {
            messages++;
            largest = head->size > largest ? head->size : largest;
            lanes += !used[head->lane];
            used[head->lane] = true;
        }
    }
    /* What a file without an end lacks is said when that is reached. */
    int status = result == RECORDING_RECORD || (result == RECORDING_TORN && rec.next > 0)
                     ? CLI_DONE
                     : say_ended(r, &rec, result, "; nothing was replayed (-n takes those before it)");
    recording_close(&rec);
    if (status != CLI_DONE)
        return status;
    for (uint32_t i = 0; rp_ring_lane(r->ring, i, &l) == 0; i++)
        free_lanes -= l.holder == RP_HOLDER_ALIVE;
    if (lanes > free_lanes) {
        cli_error("%s has messages of %" PRIu32 " lanes, and '%s' room for %" PRIu32 " more writers, of %" PRIu32
                  "; --lane replays one",
                  r->file, lanes, r->name, free_lanes, ring->max_writers);
        return CLI_FULL;
    }
    if (largest > ring->message_bytes) {
        cli_error("%s has a message of %" PRIu64 " bytes, and those of '%s' have at most %" PRIu32, r->file, largest, r->name,
                  ring->message_bytes);
        return CLI_FAILED;
    }
    return CLI_DONE;
}

/* ---- replaying ---- */

/* CLI_DONE, or the status with which all ends. */
static int replay_one(struct replay *r, const struct record_head *head, const void *payload) {
    rp_writer **w = &r->writers[head->lane];
    int result = *w == NULL ? rp_writer_open(r->ring, NULL, w) : 0;
    if (result < 0)
        return ring_fail(result, "recorded lane %" PRIu32 " has no writer in '%s'", head->lane, r->name);
    result = pace_wait(&r->pace, head->time_ns);
    while (result == 0 && (result = rp_write(*w, payload, head->size)) == -EINTR && cli_stop_count() == 0)
        result = 0;
    if (result == -EINTR) {
        cli_error("interrupted after %" PRIu64 " message%s", r->replayed, cli_plural(r->replayed));
        return cli_stop_status();
    }
    if (result < 0)
        return ring_fail(result, "message %" PRIu64 " of lane %" PRIu32 " was not written to '%s'", head->sequence, head->lane,
                         r->name);
    r->replayed++;
    r->payload += head->size;
    return CLI_DONE;
}

static void tell(const struct replay *r, const struct recording *rec) {
    char size[CLI_TEXT_MAX], late[CLI_TEXT_MAX];
    if (!r->json) {
        cli_note("replayed %" PRIu64 " message%s (%s) to %s%s%s", r->replayed, cli_plural(r->replayed),
                 cli_format_size(size, r->payload), r->name, r->speed > 0 ? ", at most late by " : "",
                 r->speed > 0 ? cli_format_duration(late, r->pace.late_ns) : "");
        if (rec->lost > 0)
            cli_note("%" PRIu64 " had been lost when they were recorded", rec->lost);
        return;
    }
    json_t *object = json_object(); /* names of files need not be UTF-8 */
    cli_json_bytes(object, "file", "file_base64", r->file, strlen(r->file));
    cli_json_bytes(object, "recorded_ring", "recorded_ring_base64", rec->header.ring, strlen(rec->header.ring));
    cli_json_bytes(object, "ring", "ring_base64", r->name, strlen(r->name));
    json_object_set_new(object, "complete", json_boolean(r->complete));
    json_object_set_new(object, "replayed", cli_json_u64(r->replayed));
    json_object_set_new(object, "bytes", cli_json_u64(r->payload));
    json_object_set_new(object, "lost", cli_json_u64(rec->lost));
    json_object_set_new(object, "started_ns", cli_json_u64(rec->header.started_ns));
    if (r->speed > 0)
        json_object_set_new(object, "late_max_ns", cli_json_u64(r->pace.late_ns));
    cli_json_print(stdout, object);
}

static int replay_all(struct replay *r) {
    struct recording rec;
    const struct record_head *head;
    const void *payload;
    int status = CLI_DONE, result = recording_open(&rec, r->fd);
    while (status == CLI_DONE && result == RECORDING_RECORD && r->replayed < r->limit) {
        result = cli_stop_count() > 0 ? -EINTR : recording_next(&rec, &head, &payload);
        if (result == -EINTR && cli_stop_count() > 0) {
            cli_error("interrupted after %" PRIu64 " message%s", r->replayed, cli_plural(r->replayed));
            status = cli_stop_status();
        } else if (result == -EINTR) {
            result = RECORDING_RECORD;
        } else if (result == RECORDING_RECORD && wanted(r, head)) {
            status = replay_one(r, head, payload);
        }
    }
    if (status == CLI_DONE && result != RECORDING_RECORD)
        status = say_ended(r, &rec, result, r->replayed > 0 ? ", which are replayed" : "");
    if (rec.next > 0)
        tell(r, &rec);
    recording_close(&rec);
    return status == CLI_DONE && r->replayed == 0 ? CLI_EMPTY : status;
}

static int replay(struct replay *r) {
    struct rp_ring_info info;
    off_t begin = lseek(r->fd, 0, SEEK_CUR); /* -1: it can be read only once */
    int status = ring_open(r->name, RING_TO_WRITE, &r->ring);
    if (status != CLI_DONE)
        return status;
    cli_signals_install(NULL);
    pace_begin(&r->pace, r->speed);
    int result = rp_ring_info(r->ring, &info);
    if (result < 0)
        status = ring_fail(result, "'%s'", r->name);
    else if (begin >= 0)
        status = look_through(r, &info);
    if (status == CLI_DONE && begin >= 0 && lseek(r->fd, begin, SEEK_SET) != begin)
        status = cli_fail(-errno, "%s", r->file);
    if (status == CLI_DONE)
        status = replay_all(r);
    for (uint32_t i = 0; i < RECORDING_LANES_MAX; i++)
        rp_writer_close(r->writers[i]);
    rp_ring_close(r->ring);
    return status;
}

static bool parse_speed(const char *text, void *target) { return cli_parse_real(text, target) && *(double *)target > 0; }

static bool parse_number(const char *text, void *target) { return cli_parse_count(text, target); }

int ring_replay(int argc, char **argv) {
    struct replay *r = calloc(1, sizeof *r);
    bool max = false;
    if (r == NULL)
        return CLI_FAILED;
    r->speed = 0;
    r->lane = LANE_UNSET;
    r->limit = UINT64_MAX;
    const struct flag flags[] = {
        CLI_PARSED("--speed", &r->speed, "X", parse_speed, "a number such as 2 or 0.5",
                   "so many times as fast as the messages came when they were recorded (1)"),
        CLI_SWITCH("--max", 0, &max, "as fast as can be"),
        CLI_FLAG("--lane", 0, FLAG_COUNT32, &r->lane, "LANE", "only what was recorded of this lane (all)"),
        CLI_FLAG(NULL, 'n', FLAG_COUNT, &r->limit, "N", "at most N messages (no limit)"),
        CLI_PARSED("--from", &r->from, "SEQ", parse_number, "the number of a message",
                   "leave out those of lower numbers in each lane (0)"),
        CLI_SWITCH("--json", 0, &r->json, "print the counts as a JSON object"),
    };
    const struct usage usage = {
        .verb = "ring replay",
        .synopsis = "FILE NAME [--speed X | --max] [--lane LANE] [-n N] [--from SEQ] [--json]",
        .about =
            "Writes the messages of a recording (- is stdin) to a ring, with the pauses that were between them; each lane through "
            "a\n"
            "writer of its own, so that each keeps its order. Each checksum is verified, in a file that can be read twice before\n"
            "the first message is written.",
        .examples = "  ringpost ring replay monday.rec ticks\n  ringpost ring replay monday.rec ticks --speed 10 --lane 0\n"
                    "  zstd -dc sample.rec.zst | ringpost ring replay - test --max",
        .statuses = "3 there is no such message, 4 the ring has not enough lanes without a writer",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 2,
        .operands_max = 2,
    };
    struct operands operands;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status == CLI_PROCEED && max && r->speed > 0)
        status = cli_usage_error("--speed and --max exclude each other");
    if (status == CLI_PROCEED) {
        r->speed = max ? 0 : r->speed > 0 ? r->speed : 1;
        r->file = operands.value[0];
        r->name = operands.value[1];
        r->fd = strcmp(r->file, "-") == 0 ? STDIN_FILENO : open(r->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (r->fd < 0) {
            cli_error("%s: %s", r->file, strerror(errno));
            status = CLI_FAILED;
        } else {
            status = cli_finish(replay(r));
            if (r->fd != STDIN_FILENO)
                close(r->fd);
        }
    }
    free(r);
    return status;
}
