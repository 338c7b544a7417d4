/* SPDX-License-Identifier: MIT */
/* ringpost create NAME [flags] */
#include "cli.h"
#include "durable.h"
#include "placed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* MIN..MAX, or one duration for a wait that does not grow. */
static bool parse_backoff(const char *text, void *target) {
    struct rp_queue_options *o = target;
    const char *dots = strstr(text, "..");
    char least[32];
    if (!dots) {
        if (!cli_parse_duration(text, &o->backoff_ns))
            return false;
        o->backoff_max_ns = o->backoff_ns;
        return true;
    }
    if ((size_t)(dots - text) >= sizeof least)
        return false;
    memcpy(least, text, (size_t)(dots - text));
    least[dots - text] = '\0';
    return cli_parse_duration(least, &o->backoff_ns) && cli_parse_duration(dots + 2, &o->backoff_max_ns) &&
           o->backoff_ns <= o->backoff_max_ns;
}

struct choice {
    const char *name;
    uint32_t value;
};

static bool choose(const char *text, const struct choice *choices, void *target) {
    for (; choices->name; choices++) {
        if (strcmp(text, choices->name) == 0) {
            *(uint32_t *)target = choices->value;
            return true;
        }
    }
    return false;
}

static bool parse_overflow(const char *text, void *target) {
    static const struct choice choices[] = {{"reject", RP_OVERFLOW_REJECT},
                                            {"block", RP_OVERFLOW_BLOCK},
                                            {"drop-oldest", RP_OVERFLOW_DROP_OLDEST},
                                            {"spill", RP_OVERFLOW_SPILL},
                                            {NULL, 0}};
    return choose(text, choices, target);
}

static bool parse_dead_overflow(const char *text, void *target) {
    static const struct choice choices[] = {{"drop-oldest", RP_DEAD_DROP_OLDEST}, {"refuse", RP_DEAD_REFUSE}, {NULL, 0}};
    return choose(text, choices, target);
}

static bool parse_expired(const char *text, void *target) {
    static const struct choice choices[] = {{"dead", RP_EXPIRED_DEAD}, {"drop", RP_EXPIRED_DROP}, {NULL, 0}};
    return choose(text, choices, target);
}

/* Profiles are words of this very command line, put before those that were given, so that the latter win. */
#define PROFILE_LATENCY "--capacity 1024 --message-bytes 256 --lease none --backoff 1ms..100ms"
#define PROFILE_WORK "--message-bytes 4KiB --lease 5m --max-deliveries 10 --backoff 1s..10m --overflow block"
#define PROFILE_TELEMETRY \
    "--capacity 65536 --message-bytes 256 --lease 10s --max-deliveries 1 --dead-capacity 64 --overflow drop-oldest"
#define PROFILE_DURABLE "--message-bytes 4KiB --lease 5m --max-deliveries 10 --backoff 1s..10m --overflow block --sync always"
#define PROFILE_WORDS_MOST 16

static const struct profile {
    const char *name;
    const char *flags;
    bool journal; /* is needed */
} profiles[] = {{"latency", PROFILE_LATENCY, false},
                {"work", PROFILE_WORK, false},
                {"telemetry", PROFILE_TELEMETRY, false},
                {"durable", PROFILE_DURABLE, true},
                {NULL, NULL, false}};

static bool parse_profile(const char *text, void *target) {
    for (const struct profile *p = profiles; p->name; p++) {
        if (strcmp(text, p->name) == 0) {
            *(const struct profile **)target = p;
            return true;
        }
    }
    return false;
}

/* Parses the flags again, behind those of the profile. */
static int parse_with_profile(const struct usage *u, const struct profile *p, int argc, char **argv, struct operands *out) {
    char words[256], *rest = words;
    char **all = calloc((size_t)argc + PROFILE_WORDS_MOST, sizeof *all);
    int count = 0, status;
    if (!all)
        return cli_fail(-ENOMEM, "the profile");
    snprintf(words, sizeof words, "%s", p->flags);
    all[count++] = argv[0];
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;)
        all[count++] = word;
    memcpy(all + count, argv + 1, ((size_t)argc - 1) * sizeof *argv);
    status = cli_parse(u, count + argc - 1, all, out);
    free(all);
    return status;
}

static unsigned long long messages_in(const struct rp_queue_stats *s) { return s->cells - s->free_cells - s->owned_cells; }

static int create(const char *name, const struct rp_queue_options *o, bool json) {
    rp_queue *q;
    struct rp_queue_stats stats;
    struct rp_placement placement;
    char size[CLI_TEXT_MAX];
    int result = rp_queue_create(name, o, &q);
    if (result == -EEXIST) {
        cli_error("queue '%s' exists already", name);
        return CLI_FAILED;
    }
    if (result < 0) {
        int status = cli_fail(result, "'%s'", name);
        return result == -EINVAL ? CLI_USAGE : status;
    }
    result = rp_queue_stats(q, &stats);
    if (result == 0)
        result = rp_queue_placement(q, &placement);
    if (result < 0) {
        rp_queue_close(q);
        return cli_fail(result, "'%s'", name);
    }
    if (placement.missing[0])
        cli_error("'%s' is not all that was asked for: %s", name, placement.missing);
    if (json) {
        json_t *object = json_pack("{s:s, s:I, s:I, s:o, s:o}", "queue", name, "capacity", (json_int_t)stats.capacity,
                                   "message_bytes", (json_int_t)stats.message_bytes, "segment_bytes",
                                   cli_json_u64(stats.segment_bytes), "placement", placed_json(&placement));
        if (o->journal)
            json_object_set_new(object, "brought_back", cli_json_u64(messages_in(&stats)));
        cli_json_print(stdout, object);
    } else if (o->journal) {
        cli_note("created %s: %u messages of up to %u bytes, %s; of the journal %s: %llu messages", name, stats.capacity,
                 stats.message_bytes, cli_format_size(size, stats.segment_bytes), o->journal, messages_in(&stats));
    } else {
        cli_note("created %s: %u messages of up to %u bytes, %s", name, stats.capacity, stats.message_bytes,
                 cli_format_size(size, stats.segment_bytes));
    }
    rp_queue_close(q);
    return cli_finish(CLI_DONE);
}

int verb_create(int argc, char **argv) {
    struct rp_queue_options o;
    const struct profile *profile = NULL;
    bool json = false, hugepages = false, lock = false, strict = false;
    const struct flag flags[] = {
        CLI_PARSED("--profile", &profile, "NAME", parse_profile, "latency, work, telemetry or durable",
                   "a set of flags for people who do not want to tune, see below; flags that you give as well win"),
        CLI_FLAG("--capacity", 0, FLAG_COUNT32, &o.capacity, "N", "messages held at once, over all states (4096)"),
        CLI_FLAG("--message-bytes", 0, FLAG_SIZE32, &o.message_bytes, "SIZE", "largest payload (1024)"),
        CLI_FLAG("--header-bytes", 0, FLAG_SIZE32, &o.header_bytes, "SIZE",
                 "room for headers beside the largest payload (0: they have what the payload leaves)"),
        CLI_FLAG("--lease", 0, FLAG_DURATION, &o.lease_ns, "D",
                 "how long a receiver may hold a message before it is delivered again; none: until its process dies (30s)"),
        CLI_FLAG("--max-deliveries", 0, FLAG_COUNT32, &o.max_deliveries, "N",
                 "failed deliveries before the dead ring; 0: no limit (5)"),
        CLI_PARSED("--backoff", &o, "MIN..MAX", parse_backoff,
                   "two durations such as 100ms..30s, the first not the longer one, or one for both",
                   "wait before a failed message is ready again; grows from MIN to MAX (100ms..30s)"),
        CLI_FLAG("--backoff-factor", 0, FLAG_REAL, &o.backoff_factor, "X", "growth of the wait per failure (2)"),
        CLI_FLAG("--jitter", 0, FLAG_REAL, &o.jitter, "X", "random share of the wait, 0 to 1 (0.2)"),
        CLI_FLAG("--dead-capacity", 0, FLAG_COUNT32, &o.dead_capacity, "N",
                 "dead letters kept per group (a quarter of the capacity)"),
        CLI_PARSED("--dead-overflow", &o.dead_overflow, "HOW", parse_dead_overflow, "drop-oldest or refuse",
                   "a full dead ring: drop-oldest (counted) or refuse (drop-oldest)"),
        CLI_PARSED("--overflow", &o.overflow, "HOW", parse_overflow, "reject, block, drop-oldest or spill",
                   "a full queue: reject the message, block the sender, drop-oldest (counted), or spill to a file (reject)"),
        CLI_FLAG("--spill", 0, FLAG_TEXT, &o.spill_dir, "DIR", "with --overflow spill: where its file is made, on any disk"),
        CLI_FLAG("--spill-max", 0, FLAG_SIZE, &o.spill_max_bytes, "SIZE", "with --overflow spill: the most that the file takes"),
        CLI_FLAG("--max-bytes", 0, FLAG_SIZE, &o.max_bytes, "SIZE",
                 "bytes of payloads and headers held at once (what the capacity has room for)"),
        CLI_FLAG("--priorities", 0, FLAG_COUNT32, &o.priorities, "N", "strict levels, at most 16; 0 is the lowest (1)"),
        CLI_FLAG("--ageing", 0, FLAG_DURATION, &o.ageing_ns, "D",
                 "a message of level 0 that waited so long takes turns with higher ones (none)"),
        CLI_FLAG("--keyed", 0, FLAG_COUNT32, &o.lanes, "N",
                 "N lanes, at most 1024: messages of one key are received strictly in order, one at a time (off)"),
        CLI_FLAG("--lane-capacity", 0, FLAG_COUNT32, &o.lane_capacity, "N",
                 "messages that one lane holds (four times its fair share)"),
        CLI_FLAG("--ttl", 0, FLAG_DURATION, &o.ttl_ns, "D", "age at which a message that nobody received expires (none)"),
        CLI_PARSED("--expired", &o.expired, "HOW", parse_expired, "dead or drop",
                   "what becomes of it: dead, into the dead ring, or drop, and counted (dead)"),
        CLI_FLAG("--dedup", 0, FLAG_DURATION, &o.dedup_window_ns, "D",
                 "a second send under the --id of a message sent so recently stores nothing (none)"),
        CLI_FLAG("--dedup-entries", 0, FLAG_COUNT32, &o.dedup_entries, "N",
                 "ids kept for that; if more come in the time, the oldest are forgotten, and counted (four times the capacity)"),
        CLI_FLAG("--journal", 0, FLAG_TEXT, &o.journal, "DIR",
                 "keep a journal there: messages survive the end of the machine, and a journal's messages come back (none)"),
        CLI_PARSED("--sync", &o.sync, "WHEN", durable_parse_sync, EXPECTS_SYNC,
                   "a send returns when its message is on disk: always; or in the journal, which is synced at an interval, or none "
                   "of that (always)"),
        CLI_FLAG("--sync-interval", 0, FLAG_DURATION, &o.sync_interval_ns, "D", "that interval (100ms)"),
        CLI_FLAG("--journal-file-bytes", 0, FLAG_SIZE, &o.journal_file_bytes, "SIZE", "of each file of the journal (64MiB)"),
        CLI_PARSED("--retain", &o, "D[,SIZE]", durable_parse_retain, EXPECTS_RETAIN,
                   "keep files of the journal in which all is settled so long, or as long as they take no more than SIZE: for "
                   "journal replay (none)"),
        CLI_FLAG("--max-groups", 0, FLAG_COUNT32, &o.max_groups, "N", "room for consumer groups, at most 20 (4)"),
        CLI_FLAG("--max-participants", 0, FLAG_COUNT32, &o.max_participants, "N", "processes attached at once, at most 1000 (64)"),
        CLI_FLAG("--producers", 0, FLAG_COUNT32, &o.max_producer_ids, "N",
                 "room for ids of producers (send --producer), at most 4000 (16)"),
        CLI_PARSED("--mode", &o.mode, "OCTAL", cli_parse_mode, "octal permission bits such as 0660",
                   "permission bits: who may attach (0600)"),
        CLI_FLAG("--group", 0, FLAG_TEXT, &o.group, "NAME", "Unix group that owns the queue, by name or number"),
        CLI_PARSED("--numa", &o, "WHERE", placed_parse_numa, EXPECTS_NUMA,
                   "NUMA nodes of its memory: auto, interleave, consumer (where the first one runs) or node:N (auto)"),
        CLI_PARSED("--numa-shards", &o.numa_shards, "N", placed_parse_shards, EXPECTS_SHARDS,
                   "a lane and a range of cells for each node: auto, or so many; 0 and 1: off (0)"),
        CLI_SWITCH("--hugepages", 0, &hugepages, "in huge pages"),
        CLI_FLAG("--no-prefault", 0, FLAG_OFF, &o.prefault, NULL, "do not touch every page now"),
        CLI_SWITCH("--mlock", 0, &lock, "each process that attaches keeps the memory from being swapped out (ulimit -l)"),
        CLI_SWITCH("--strict", 0, &strict,
                   "fail if not all of --numa, --numa-shards, --hugepages and --mlock can be had; else that is only said"),
        CLI_SWITCH("--json", 0, &json, "describe the new queue as a JSON object"),
    };
    const struct usage usage = {
        .verb = "create",
        .synopsis = "NAME [flags]",
        .about = "Makes a queue. NAME becomes the shared-memory object /dev/shm/ringpost.NAME; a NAME that begins with '/' is\n"
                 "a file on a tmpfs. All memory is reserved now; what is in (brackets) is the default.\n\n"
                 "Profiles:\n"
                 "  latency    " PROFILE_LATENCY "\n"
                 "  work       " PROFILE_WORK "\n"
                 "  telemetry  " PROFILE_TELEMETRY "\n"
                 "  durable    " PROFILE_DURABLE "\n"
                 "             and needs --journal",
        .examples = "  ringpost create orders\n"
                    "  ringpost create jobs --capacity 100000 --message-bytes 4KiB --lease 5m --backoff 1s..10m\n"
                    "  ringpost create metrics --profile telemetry --capacity 1000000\n"
                    "  ringpost create events --overflow spill --spill /var/spool --spill-max 10GiB\n"
                    "  ringpost create orders --profile durable --journal /var/lib/orders",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    int status;
    rp_queue_options_init(&o, sizeof o);
    status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (profile)
        status = parse_with_profile(&usage, profile, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    if (profile && profile->journal && !o.journal)
        return cli_usage_error("the profile %s needs --journal DIR, where messages are kept", profile->name);
    o.hugepages = hugepages;
    o.lock_memory = lock;
    o.strict = strict;
    return create(operands.value[0], &o, json);
}
