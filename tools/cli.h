/* SPDX-License-Identifier: MIT */
/*
 * What the verbs of the command share: exit statuses, flags and help, parsing and printing of values, JSON, signals, output.
 * Every verb is one function, verb_NAME, in one file; main.c has the table.
 */
#ifndef RINGPOST_TOOLS_CLI_H
#define RINGPOST_TOOLS_CLI_H

#include <jansson.h>
#include <ringpost/ringpost.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The exit statuses are part of the contract with scripts. */
enum cli_status {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_EMPTY = 3, /* nothing there */
    CLI_FULL = 4,  /* or sending is paused */
    CLI_NO_QUEUE = 5,
    CLI_CORRUPT = 6, /* or incompatible */
    CLI_LEASE_LOST = 7
};

#define CLI_NS_PER_MS UINT64_C(1000000)
#define CLI_NS_PER_S UINT64_C(1000000000)

/* Verbs ------------------------------------------------------------------------------------------------------------- */

struct verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */

/* A verb that has verbs of its own. */
struct verb_family {
    const char *name;
    const struct verb *verbs; /* ends with a NULL name */
    const char *about;        /* before their list in the help */
    const char *more;         /* after it */
    const char *there_are;    /* their names, as said to who asks for another */
};
int cli_family(const struct verb_family *f, int argc, char **argv);

int verb_cancel(int argc, char **argv);
int verb_create(int argc, char **argv);
int verb_rm(int argc, char **argv);
int verb_ls(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_send(int argc, char **argv);
int verb_receive(int argc, char **argv);
int verb_work(int argc, char **argv);
int verb_request(int argc, char **argv);
int verb_peek(int argc, char **argv);
int verb_dead(int argc, char **argv);
int verb_group(int argc, char **argv);
int verb_producer(int argc, char **argv);
int verb_stat(int argc, char **argv);
int verb_purge(int argc, char **argv);
int verb_forward(int argc, char **argv);
int verb_pause(int argc, char **argv);
int verb_resume(int argc, char **argv);
int verb_drain(int argc, char **argv);
int verb_dump(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_exchange(int argc, char **argv);
int verb_ring(int argc, char **argv);
int verb_journal(int argc, char **argv);
int verb_fsck(int argc, char **argv);
int verb_gc(int argc, char **argv);
int verb_keeper(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_help(int argc, char **argv);
int verb_version(int argc, char **argv);

/* Flags and help: cli_flags.c, cli_help.c --------------------------------------------------------------------------- */

enum flag_kind {
    FLAG_SWITCH,   /* target: bool, set to true */
    FLAG_OFF,      /* target: uint32_t, set to 0 */
    FLAG_TEXT,     /* target: const char * */
    FLAG_COUNT,    /* target: uint64_t, a plain number from 1 up */
    FLAG_COUNT32,  /* target: uint32_t, a plain number; its range is the library's business */
    FLAG_SIZE32,   /* target: uint32_t, a size in bytes */
    FLAG_SIZE,     /* target: uint64_t, the same */
    FLAG_DURATION, /* target: uint64_t, ns */
    FLAG_TIMEOUT,  /* target: int64_t, ns; `forever` is -1 */
    FLAG_REAL,     /* target: double */
    FLAG_PARSE     /* target: whatever `parse` expects */
};

struct flag {
    const char *name; /* "--lease", or NULL if it has only a letter */
    char letter;      /* 'n' for -n; 0: none */
    enum flag_kind kind;
    void *target;
    const char *value; /* what the help calls its value; NULL for switches */
    const char *help;
    bool (*parse)(const char *text, void *target); /* FLAG_PARSE: false if the text is not understood */
    const char *expects;                           /* FLAG_PARSE: what would be, for the error message */
};

/* Initialisers for tables of flags. */
#define CLI_SWITCH(flag_name, flag_letter, flag_target, flag_help) \
    { .name = (flag_name), .letter = (flag_letter), .kind = FLAG_SWITCH, .target = (flag_target), .help = (flag_help) }
#define CLI_FLAG(flag_name, flag_letter, flag_kind_, flag_target, flag_value, flag_help)                                    \
    {                                                                                                                       \
        .name = (flag_name), .letter = (flag_letter), .kind = (flag_kind_), .target = (flag_target), .value = (flag_value), \
        .help = (flag_help)                                                                                                 \
    }
#define CLI_PARSED(flag_name, flag_target, flag_value, flag_parse, flag_expects, flag_help)                             \
    {                                                                                                                   \
        .name = (flag_name), .kind = FLAG_PARSE, .target = (flag_target), .value = (flag_value), .parse = (flag_parse), \
        .expects = (flag_expects), .help = (flag_help)                                                                  \
    }

struct usage {
    const char *verb;     /* "send", "dead ls" */
    const char *synopsis; /* what follows the verb */
    const char *about;    /* some lines of prose */
    const char *examples; /* one or more lines */
    const char *statuses; /* exit statuses beside 0, 1, 2, 5 and 6; NULL: none */
    const struct flag *flags;
    size_t flag_count;
    size_t operands_min;
    size_t operands_max;
    bool wants_command; /* `-- CMD ...` must follow */
    bool takes_command; /* it may */
};

#define CLI_OPERANDS_MOST 64

struct operands {
    const char *value[CLI_OPERANDS_MOST];
    size_t count;
    char **command; /* behind `--`, NULL-terminated; NULL: none */
};

#define CLI_PROCEED (-1)

/* Parses argv[1..]. CLI_PROCEED: all is well; anything else: the verb ends with this status (help was shown, or an error). */
int cli_parse(const struct usage *u, int argc, char **argv, struct operands *out);
void cli_help(FILE *out, const struct usage *u);
/* Prints "ringpost VERB: ..." and where to find help; returns CLI_USAGE. */
int cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The candidate most like `word`, or NULL if none is near. `next` yields candidates 0, 1, ... until NULL. */
const char *cli_nearest(const char *word, const char *(*next)(const void *set, size_t index), const void *set);

/* Values: cli_value.c ----------------------------------------------------------------------------------------------- */

/* Strict: false on anything but one complete value in range. */
bool cli_parse_count(const char *text, uint64_t *out);
bool cli_parse_duration(const char *text, uint64_t *out_ns); /* 10us 5ms 30s 5m 2h, ns, d, 0, none */
bool cli_parse_timeout(const char *text, int64_t *out_ns);   /* the same, or `forever` */
bool cli_parse_size(const char *text, uint64_t *out_bytes);  /* 64KiB 10GiB 1000 */
bool cli_parse_real(const char *text, double *out);
bool cli_parse_states(const char *text, void *states);     /* unsigned: bits of enum rp_state are added; a comma-separated list */
bool cli_parse_reasons(const char *text, void *reasons);   /* uint32_t: bits of enum rp_dead_reason, the same way */
bool cli_parse_strategy(const char *text, void *strategy); /* uint32_t: enum rp_wait_strategy */
bool cli_parse_mode(const char *text, void *mode);         /* uint32_t: permission bits, up to five octal digits */
#define CLI_EXPECTS_STRATEGY "spin, adaptive or sleep"
#define CLI_STRATEGY_FLAG(target)                                                          \
    CLI_PARSED("--wait-strategy", target, "HOW", cli_parse_strategy, CLI_EXPECTS_STRATEGY, \
               "while it waits: spin on a processor, sleep at once, or adaptive: look for a while, then sleep (adaptive)")
#define CLI_EXPECTS_STATES "ready, leased, delayed, dead, all or a comma-separated list of them"
#define CLI_EXPECTS_REASONS "rejected, max-deliveries, held, expired, overflow, corrupt, unknown or a comma-separated list of them"

const char *cli_state_name(uint32_t state);
const char *cli_reason_name(uint32_t reason);
const char *cli_failure_name(uint32_t failure);

/* Printing: cli_print.c --------------------------------------------------------------------------------------------- */

#define CLI_TEXT_MAX 48
/* Each writes into `out` and returns it. */
const char *cli_format_duration(char out[CLI_TEXT_MAX], uint64_t ns);  /* "1.50s", "3m20s", "0" */
const char *cli_format_size(char out[CLI_TEXT_MAX], uint64_t bytes);   /* "5.3 MiB" */
const char *cli_format_time(char out[CLI_TEXT_MAX], uint64_t wall_ns); /* "2026-11-21T19:05:12.345Z"; "-" for 0 */
const char *cli_format_age(char out[CLI_TEXT_MAX], uint64_t wall_ns);  /* how long ago; "-" for 0 */
/* Shows bytes so that no terminal takes harm: at most `columns` of them (0: all), control and invalid bytes escaped. */
void cli_print_payload(FILE *out, const void *data, size_t bytes, size_t total_bytes, size_t columns);
#define CLI_PAYLOAD_COLUMNS 60
uint64_t cli_clock_ns(void); /* monotonic */
uint64_t cli_wall_ns(void);
const char *cli_plural(uint64_t count); /* "" or "s" */

/* JSON: cli_json.c -------------------------------------------------------------------------------------------------- */

json_t *cli_json_u64(uint64_t value);
json_t *cli_json_base64(const void *data, size_t bytes);
json_t *cli_json_failure(const struct rp_last_failure *f);
/* Adds `name` when the bytes are UTF-8, else `base64_name`. */
void cli_json_bytes(json_t *object, const char *name, const char *base64_name, const void *data, size_t bytes);
/* Adds `data` when the payload is UTF-8, else `data_base64`. */
void cli_json_payload(json_t *object, const void *data, size_t bytes);
/* Adds `key` or `key_base64`, if there is one, and `priority`. */
void cli_json_order(json_t *object, const void *key, size_t key_bytes, uint32_t priority);
/* Prints the object in one line and releases it. */
void cli_json_print(FILE *out, json_t *object);
/* The same as text for free(); NULL when out of memory. Releases the object. */
char *cli_json_text(json_t *object);

/* Queues and errors: cli_queue.c ------------------------------------------------------------------------------------ */

extern const char *cli_verb; /* for messages */

void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* to stderr, without a prefix */
int cli_status_of(int result);
/* Says what failed and why; returns the exit status that goes with it. */
int cli_fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* CLI_DONE, or the exit status after having said why not. */
int cli_open(const char *name, bool read_only, rp_queue **out);
int cli_open_consumer(rp_queue *q, const struct rp_consumer_options *o, rp_consumer **out);
/* Calls `visit` with the name of each queue in /dev/shm, in order of names, until it returns other than 0, and returns that; negative errno if the
   directory cannot be read. */
int cli_each_queue(int (*visit)(const char *name, void *context), void *context);
/* A message goes back at once and uncharged. Returns what rp_nack did. */
int cli_give_back(rp_consumer *c, struct rp_message *m);

/* Signals: cli_signal.c --------------------------------------------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP are counted and interrupt the waits of `q` from now on (NULL: of nobody). */
void cli_signals_install(rp_queue *q);
void cli_signals_release(void); /* call before the queue is closed */
int cli_stop_count(void);       /* how many of them came */
int cli_stop_status(void);      /* 128 + the number of the first */
void cli_signals_watch_children(void);
void cli_signals_reset_in_child(void); /* as it was when the program began, SIGPIPE included */
/* Sleeps until a signal of ours comes or the time is over; returns at once if one came since `*seen` was written. */
void cli_signals_wait(unsigned *seen, int64_t timeout_ns);
unsigned cli_signals_seen(void);

/* Output: cli_output.c ---------------------------------------------------------------------------------------------- */

/* Bytes for a descriptor, gathered so that what goes out at once is whole. */
struct output {
    int fd;
    char *bytes;
    size_t length;
    size_t room;
};
bool output_append(struct output *o, const void *data, size_t bytes); /* false: out of memory, nothing appended */
/* Writes all of it and empties it. `*written` is how much went out; result 0, or negative errno. A stop signal ends a write
   that has not begun with -EINTR, a second one any write. */
int output_flush(struct output *o, size_t *written);
void output_free(struct output *o);
/* Has the reader at the other end of the pipe gone? */
bool output_reader_gone(int fd);
/* Flushes stdout; the status, or CLI_FAILED if something could not be written. */
int cli_finish(int status);

#endif
