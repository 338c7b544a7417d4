/* SPDX-License-Identifier: MIT */
/* ringpost-bench, which `ringpost bench` runs. */
#include "cli.h"
#include "options.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUICK_ROUNDS = 3, QUICK_TRIALS = 90, PROBE_ROUNDS = 10000, QUICK_PROBE_ROUNDS = 2000, STALL_S = 20 };
#define JSON_STYLE (JSON_COMPACT | JSON_REAL_PRECISION(6))
#define QUICK_NS (4 * CLI_NS_PER_S) /* of measuring; making and ending processes comes on top */

static struct options options = {
    .bytes = {.value = {64}, .count = 1},
    .pairs = {.value = {1, 2, 4}, .count = 3},
    .readers = {.value = {1, 2, 4, 8}, .count = 4},
    .batches = {.value = {1, 16}, .count = 2},
    .slices = 10,
    .slice_ns = 100000000,
    .capacity = 1024,
    .tolerance = 0.1,
};

#define NUMBERS "numbers from 1 up, with commas between them"
#define FLAG_BYTES \
    CLI_PARSED("--bytes", &options.bytes, "N[,N...]", options_parse_numbers, NUMBERS, "message sizes, multiples of 8 (default 64)")
#define FLAG_PAIRS                                                                    \
    CLI_PARSED("--pairs", &options.pairs, "N[,N...]", options_parse_numbers, NUMBERS, \
               "so many producers and so many consumers (default 1,2,4)")
#define FLAG_BATCH                                                                      \
    CLI_PARSED("--batch", &options.batches, "N[,N...]", options_parse_numbers, NUMBERS, \
               "messages per send and receive (default 1,16)")
#define FLAG_MIXED CLI_SWITCH("--mixed", 0, &options.mixed, "let producers and consumers share processors")
#define FLAG_POLL CLI_SWITCH("--poll", 0, &options.poll, "no waiting of the peer's own: ask again and again")
#define FLAGS_COMMON                                                                                                          \
    CLI_FLAG("--peers", 0, FLAG_TEXT, &options.peers, "NAME[,NAME...]",                                                       \
             "what to measure; 'all' for whatever is there, see 'ringpost bench peers'"),                                     \
        CLI_FLAG("--cpus", 0, FLAG_TEXT, &options.cpus, "N,N[,N...]",                                                         \
                 "the processors that parties take in turns (default: the first two allowed)"),                               \
        CLI_FLAG("--capacity", 0, FLAG_COUNT, &options.capacity, "N",                                                         \
                 "messages that a queue holds, a power of two (default 1024)"),                                               \
        CLI_FLAG("--slices", 0, FLAG_COUNT, &options.slices, "N", "how often everything is measured, in turns (default 10)"), \
        CLI_FLAG("--slice", 0, FLAG_DURATION, &options.slice_ns, "TIME", "how long each time (default 100ms)"),               \
        CLI_SWITCH("--quick", 0, &options.quick, "a few seconds in all: a look, not a result"),                               \
        CLI_SWITCH("--json", 0, &options.json, "as a JSON object"),                                                           \
        CLI_FLAG("--save", 0, FLAG_TEXT, &options.save, "FILE", "write what --json prints, for --against"),                   \
        CLI_FLAG("--svg", 0, FLAG_TEXT, &options.svg, "FILE", "draw it, too"),                                                \
        CLI_FLAG("--against", 0, FLAG_TEXT, &options.against, "FILE",                                                         \
                 "compare the ratios with those of an earlier run, which --json printed"),                                    \
        CLI_PARSED("--tolerance", &options.tolerance, "N%", options_parse_tolerance, "a percentage, as in 10%",               \
                   "what is no difference (default 10%)"),                                                                    \
        CLI_SWITCH("--fail", 0, &options.fail, "exit status 1 if --against finds something worse")

/* -- plans -- */

static void add(struct plan *p, const struct peer *peer, struct trial_job job) {
    bool trips = job.kind == TRIAL_TRIP || job.kind == TRIAL_RATE;
    struct peer_setup setup = {.channels = trips ? 2 : 1,
                               .producers = job.producers,
                               .consumers = job.consumers,
                               .capacity = (uint32_t)options.capacity,
                               .bytes = job.bytes,
                               .batch = job.batch,
                               .broadcast = job.kind == TRIAL_FAN};
    char why[PEER_WHY_MAX];
    bool fits = (peer->producers_max == 0 || job.producers <= peer->producers_max) &&
                (peer->consumers_max == 0 || job.consumers <= peer->consumers_max) &&
                (peer->bytes_max == 0 || job.bytes <= peer->bytes_max) && (!setup.broadcast || peer->broadcasts) &&
                (peer->can == NULL || peer->can(&setup, why));
    if (fits) {
        job.peer = peer;
        job.capacity = (uint32_t)options.capacity;
        job.poll = options.poll;
        job.stall_s = STALL_S;
        plan_add(p, &job);
    }
}

static void plan_trips(struct plan *p, const struct peer *peer) {
    for (int b = 0; b < options.bytes.count; b++) {
        add(p, peer,
            (struct trial_job){.kind = options.interval_ns != 0 ? TRIAL_RATE : TRIAL_TRIP,
                               .bytes = (uint32_t)options.bytes.value[b],
                               .producers = 1,
                               .consumers = 1,
                               .batch = 1,
                               .reply_first = options.reply_first,
                               .interval_ns = options.interval_ns});
    }
}

static void plan_flows(struct plan *p, const struct peer *peer, bool batches_of_many) {
    for (int b = 0; b < options.bytes.count; b++) {
        for (int j = 0; j < options.batches.count; j++) {
            for (int i = 0; i < options.pairs.count; i++) {
                uint32_t pairs = (uint32_t)options.pairs.value[i], batch = (uint32_t)options.batches.value[j];
                if (pairs == 1 || batch == 1 || batches_of_many) {
                    add(p, peer,
                        (struct trial_job){.kind = TRIAL_FLOW,
                                           .bytes = (uint32_t)options.bytes.value[b],
                                           .producers = pairs,
                                           .consumers = pairs,
                                           .batch = batch,
                                           .mixed = options.mixed});
                }
            }
        }
    }
}

static void plan_fans(struct plan *p, const struct peer *peer) {
    for (int b = 0; b < options.bytes.count; b++) {
        for (int j = 0; j < options.batches.count; j++) {
            for (int i = 0; i < options.readers.count; i++) {
                add(p, peer,
                    (struct trial_job){.kind = TRIAL_FAN,
                                       .bytes = (uint32_t)options.bytes.value[b],
                                       .producers = 1,
                                       .consumers = (uint32_t)options.readers.value[i],
                                       .batch = (uint32_t)options.batches.value[j]});
            }
        }
    }
}

/* How long and how often, the same for all. */
static void set_times(struct plan *p) {
    p->rounds = (uint32_t)options.slices;
    uint64_t slice_ns = options.slice_ns;
    if (options.quick) {
        p->rounds = p->count * QUICK_ROUNDS <= QUICK_TRIALS ? QUICK_ROUNDS : p->count * 2 <= QUICK_TRIALS ? 2 : 1;
        slice_ns = QUICK_NS / p->rounds / p->count;
        slice_ns = slice_ns < 10 * CLI_NS_PER_MS   ? 10 * CLI_NS_PER_MS
                   : slice_ns > 50 * CLI_NS_PER_MS ? 50 * CLI_NS_PER_MS
                                                   : slice_ns;
    }
    uint64_t warm_ns = slice_ns / 4 < 50 * CLI_NS_PER_MS ? slice_ns / 4 : 50 * CLI_NS_PER_MS;
    for (size_t i = 0; i < p->count; i++) {
        p->measures[i].job.measure_ns = slice_ns;
        p->measures[i].job.warm_ns = warm_ns;
        p->measures[i].job.probe_rounds = options.quick ? QUICK_PROBE_ROUNDS : PROBE_ROUNDS;
    }
}

/* -- a run -- */

static void print_absent(bool everything) {
    char why[PEER_WHY_MAX];
    for (const struct peer_entry *e = peer_entries; everything && e->name != NULL; e++) {
        if (options_absent(e, why)) {
            printf("Not measured: %s: %s\n", e->name, why);
        }
    }
}

static bool save(const json_t *json) {
    if (json_dump_file(json, options.save, JSON_STYLE) == 0) {
        return true;
    }
    cli_error("%s: %s", options.save, strerror(errno));
    return false;
}

static int report(const struct plan *p, bool everything) {
    json_t *json = options.json || options.save != NULL ? report_json(p) : NULL;
    int worse = 0;
    if (!options.json) {
        report_table(stdout, p);
        print_absent(everything);
    }
    if (options.earlier != NULL) {
        worse = report_against(p, options.earlier, options.tolerance, options.json ? NULL : stdout, json);
        if (worse < 0) {
            cli_error("%s: nothing that was measured now, in the same way and with the processors as far from each other",
                      options.against);
        }
    }
    if (options.json) {
        json_dumpf(json, stdout, JSON_STYLE);
        putchar('\n');
    }
    bool good = options.save == NULL || save(json);
    json_decref(json);
    good = (options.svg == NULL || report_svg(options.svg, p)) && good;
    good = (options.hgrm == NULL || report_hgrm(options.hgrm, p)) && good;
    return good && (worse == 0 || !options.fail) ? CLI_DONE : CLI_FAILED;
}

static int run(void (*plan)(struct plan *p, const struct peer *peer), bool everything) {
    static struct machine machine;
    struct plan p;
    const struct peer **peers = options_peers(&options, everything);
    if (peers == NULL) {
        return CLI_USAGE;
    }
    if (!machine_read(&machine, options.cpus)) {
        return CLI_FAILED;
    }
    crew_begin("ringpost-bench");
    trial_prepare();
    plan_begin(&p, &machine);
    for (; *peers != NULL; peers++) {
        plan(&p, *peers);
    }
    if (p.count == 1) {
        cli_error("none of the peers can do that; 'ringpost bench peers' says who can what");
        plan_end(&p);
        return CLI_FAILED;
    }
    set_times(&p);
    bool good = plan_run(&p);
    int status = report(&p, everything && options.peers == NULL);
    plan_end(&p);
    return cli_finish(good ? status : CLI_FAILED);
}

/* -- verbs -- */

/* Flags, then what they say; CLI_PROCEED or a status. */
static int read_line(const struct usage *u, int argc, char **argv) {
    struct operands operands;
    cli_verb = u->verb;
    int status = cli_parse(u, argc, argv, &operands);
    return status != CLI_PROCEED ? status : options_check(&options);
}

static int verb_rtt(int argc, char **argv) {
    const struct flag flags[] = {
        CLI_PARSED("--bytes", &options.bytes, "N[,N...]", options_parse_numbers, NUMBERS,
                   "message sizes, multiples of 8 (default 8,64,1024)"),
        CLI_PARSED("--rate", &options.interval_ns, "N/s", options_parse_rate, "100000/s, 100k/s or 1M/s",
                   "begin so many a second, whatever became of those before, and time each from when it was due"),
        CLI_SWITCH("--reply-first", 0, &options.reply_first,
                   "answer before the question is acked, as a service does that acks what it has done"),
        FLAG_POLL,
        CLI_FLAG("--hgrm", 0, FLAG_TEXT, &options.hgrm, "FILE",
                 "percentiles in ns, as HdrHistogram's plotters read them; of several peers or sizes: FILE's name with them"),
        FLAGS_COMMON,
    };
    const struct usage usage = {
        .verb = "bench rtt",
        .synopsis = "[flags]",
        .about = "Round trips between two processes over two queues, each message verified and acked: percentiles in ns, and as "
                 "ratios to a bare cache line that goes there and back.",
        .examples = "  ringpost bench rtt --bytes 8,64,1024\n  ringpost bench rtt --rate 100k/s --hgrm rtt.hgrm --svg rtt.svg",
        .flags = flags,
        .flag_count = sizeof flags / sizeof *flags,
    };
    options.bytes = (struct numbers){.value = {8, 64, 1024}, .count = 3};
    int status = read_line(&usage, argc, argv);
    if (status == CLI_PROCEED && options.reply_first && options.interval_ns != 0) {
        status = cli_usage_error("--reply-first is about round trips one after the other, not about --rate");
    }
    return status != CLI_PROCEED ? status : run(plan_trips, false);
}

static void plan_all_flows(struct plan *p, const struct peer *peer) { plan_flows(p, peer, true); }

static int verb_throughput(int argc, char **argv) {
    const struct flag flags[] = {FLAG_BYTES, FLAG_PAIRS, FLAG_BATCH, FLAG_MIXED, FLAG_POLL, FLAGS_COMMON};
    const struct usage usage = {
        .verb = "bench throughput",
        .synopsis = "[flags]",
        .about = "Messages per second from producers to consumers, each a process, more of them than processors included; verified "
                 "and acked.",
        .examples = "  ringpost bench throughput --pairs 1,4 --batch 1,16\n  ringpost bench throughput --peers ringpost,vyukov "
                    "--cpus 0,1,2,3",
        .flags = flags,
        .flag_count = sizeof flags / sizeof *flags,
    };
    int status = read_line(&usage, argc, argv);
    return status != CLI_PROCEED ? status : run(plan_all_flows, false);
}

static int verb_fanout(int argc, char **argv) {
    const struct flag flags[] = {
        FLAG_BYTES,
        CLI_PARSED("--readers", &options.readers, "N[,N...]", options_parse_numbers, NUMBERS,
                   "who get every message (default 1,2,4,8)"),
        CLI_PARSED("--batch", &options.batches, "N[,N...]", options_parse_numbers, NUMBERS,
                   "messages per send and receive (default 1)"),
        FLAGS_COMMON,
    };
    const struct usage usage = {
        .verb = "bench fanout",
        .synopsis = "[flags]",
        .about = "What one writer pays for a message that several readers get: bursts are timed while the readers follow, and "
                 "between bursts they catch up.",
        .examples = "  ringpost bench fanout --readers 1,8",
        .flags = flags,
        .flag_count = sizeof flags / sizeof *flags,
    };
    options.batches = (struct numbers){.value = {1}, .count = 1};
    int status = read_line(&usage, argc, argv);
    return status != CLI_PROCEED ? status : run(plan_fans, false);
}

static void plan_compare(struct plan *p, const struct peer *peer) {
    plan_trips(p, peer);
    plan_flows(p, peer, false);
}

static int verb_compare(int argc, char **argv) {
    const struct flag flags[] = {FLAG_BYTES, FLAG_PAIRS, FLAG_BATCH, FLAG_MIXED, FLAGS_COMMON};
    const struct usage usage = {
        .verb = "bench compare",
        .synopsis = "[flags]",
        .about = "ringpost beside other ways to move messages between processes, in one run, in turns, each in its best "
                 "configuration: round trips, streams one by one and in batches, "
                 "and more parties than processors.",
        .examples = "  ringpost bench compare --svg compare.svg\n  ringpost bench compare --peers ringpost,vyukov,pipe --json "
                    ">before.json\n"
                    "  ringpost bench compare --against before.json --fail",
        .flags = flags,
        .flag_count = sizeof flags / sizeof *flags,
    };
    int status = read_line(&usage, argc, argv);
    return status != CLI_PROCEED ? status : run(plan_compare, true);
}

static json_t *peer_json(const struct peer_entry *e, bool absent, const char *why) {
    json_t *o = json_pack("{s:s, s:b}", "peer", e->name, "available", !absent);
    if (absent) {
        json_object_set_new(o, "why", json_string(why));
    }
    if (e->peer != NULL) {
        json_object_set_new(o, "acks", json_boolean(e->peer->acks));
        json_object_set_new(o, "survives_kill", json_boolean(e->peer->survives_kill));
        json_object_set_new(o, "broadcasts", json_boolean(e->peer->broadcasts));
        json_object_set_new(o, "setting", json_string(e->peer->setting));
    }
    return o;
}

static int verb_peers(int argc, char **argv) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "as a JSON object each")};
    const struct usage usage = {
        .verb = "bench peers",
        .synopsis = "[--json]",
        .about = "Lists what can be measured, how each is used, whether it knows acks and fan-out, and whether a process that is "
                 "killed leaves the others unharmed.",
        .examples = "  ringpost bench peers",
        .flags = flags,
        .flag_count = 1,
    };
    int status = read_line(&usage, argc, argv);
    if (status != CLI_PROCEED) {
        return status;
    }
    if (!json) {
        printf("%-18s %-5s %-8s %-7s %s\n", "PEER", "ACKS", "KILL -9", "FANOUT", "HOW IT IS USED");
    }
    for (const struct peer_entry *e = peer_entries; e->name != NULL; e++) {
        char why[PEER_WHY_MAX] = "";
        bool absent = options_absent(e, why);
        if (json) {
            cli_json_print(stdout, peer_json(e, absent, why));
        } else if (absent) {
            printf("%-18s %-5s %-8s %-7s %s\n", e->name, "", "", "", why);
        } else {
            printf("%-18s %-5s %-8s %-7s %s\n", e->name, e->peer->acks ? "yes" : "-", e->peer->survives_kill ? "yes" : "-",
                   e->peer->broadcasts ? "yes" : "-", e->peer->setting);
        }
    }
    return cli_finish(CLI_DONE);
}

int main(int argc, char **argv) {
    static const struct verb verbs[] = {
        {"rtt", "round trips", verb_rtt},
        {"throughput", "streams from producers to consumers", verb_throughput},
        {"fanout", "one writer, many readers", verb_fanout},
        {"compare", "ringpost beside other systems", verb_compare},
        {"peers", "list what can be measured", verb_peers},
        {NULL, NULL, NULL},
    };
    static const struct verb_family family = {
        .name = "bench",
        .verbs = verbs,
        .about = "Usage: ringpost bench VERB [flags]\n\nMeasures messaging on this machine, as ratios to a bare cache line.\n\n",
        .more = "\nringpost bench VERB --help explains a verb.\n",
        .there_are = "there are rtt, throughput, fanout, compare and peers",
    };
    return cli_family(&family, argc, argv);
}
