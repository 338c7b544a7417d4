/* SPDX-License-Identifier: MIT */
/* ringpost journal ls|verify|repair DIRECTORY; replay: journal_replay.c */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *state_name(uint32_t state) {
    return state == RP_JOURNAL_WHOLE ? "whole" : state == RP_JOURNAL_TORN ? "torn" : "damaged";
}

int journal_failed(int result, const char *path) {
    int status = cli_fail(result, "'%s'", path);
    return result == -ENOENT ? CLI_NO_QUEUE : status;
}

/* ---- ls, verify ---- */

struct report {
    json_t *files; /* NULL: lines are printed */
    bool all;      /* else what is wrong only */
    uint64_t count;
};

static void print_file(const struct rp_journal_file *f) {
    char size[CLI_TEXT_MAX];
    printf("%016" PRIx64 " %10s %10" PRIu64, f->number, cli_format_size(size, f->bytes), f->records);
    if (f->records > 0)
        printf(" %20" PRIu64 " %20" PRIu64, f->first_sequence, f->last_sequence);
    else
        printf(" %20s %20s", "-", "-");
    printf("  %s", state_name(f->state));
    if (f->kept)
        fputs(", kept", stdout);
    if (f->state != RP_JOURNAL_WHOLE)
        printf(" at byte %" PRIu64 ": %s", f->end, f->why);
    if (f->lost_records > 0)
        printf("; %" PRIu64 " record%s behind it", f->lost_records, cli_plural(f->lost_records));
    putchar('\n');
}

static int report_file(void *context, const struct rp_journal_file *f) {
    struct report *r = context;
    if (r->files == NULL) {
        if (!r->all && f->state == RP_JOURNAL_WHOLE)
            return 0;
        if (r->count++ == 0)
            printf("%-16s %10s %10s %20s %20s  %s\n", "FILE", "SIZE", "RECORDS", "FIRST SEQUENCE", "LAST SEQUENCE", "STATE");
        print_file(f);
        return 0;
    }
    json_t *object = json_object();
    json_object_set_new(object, "file", cli_json_u64(f->number));
    json_object_set_new(object, "bytes", cli_json_u64(f->bytes));
    json_object_set_new(object, "records", cli_json_u64(f->records));
    json_object_set_new(object, "batches", cli_json_u64(f->batches));
    json_object_set_new(object, "payload_bytes", cli_json_u64(f->payload_bytes));
    json_object_set_new(object, "first_sequence", f->records ? cli_json_u64(f->first_sequence) : json_null());
    json_object_set_new(object, "last_sequence", f->records ? cli_json_u64(f->last_sequence) : json_null());
    json_object_set_new(object, "state", json_string(state_name(f->state)));
    json_object_set_new(object, "sealed", json_boolean(f->sealed));
    json_object_set_new(object, "kept", json_boolean(f->kept));
    json_object_set_new(object, "end", cli_json_u64(f->end));
    json_object_set_new(object, "lost_records", cli_json_u64(f->lost_records));
    json_object_set_new(object, "why", f->why[0] ? json_string(f->why) : json_null());
    json_array_append_new(r->files, object);
    return 0;
}

static int look(const char *path, bool all, bool json) {
    struct report r = {.files = json ? json_array() : NULL, .all = all};
    struct rp_journal_summary s;
    char kept[CLI_TEXT_MAX];
    int result = rp_journal_verify(path, report_file, &r, &s);
    if (result < 0) {
        json_decref(r.files);
        return journal_failed(result, path);
    }
    if (json) {
        json_t *object = json_object();
        cli_json_bytes(object, "queue", "queue_base64", s.queue, strlen(s.queue));
        json_object_set_new(object, "state", json_string(state_name(s.state)));
        json_object_set_new(object, "records", cli_json_u64(s.records));
        json_object_set_new(object, "payload_bytes", cli_json_u64(s.payload_bytes));
        json_object_set_new(object, "lost_records", cli_json_u64(s.lost_records));
        json_object_set_new(object, "kept_files", cli_json_u64(s.kept_files));
        json_object_set_new(object, "kept_bytes", cli_json_u64(s.kept_bytes));
        json_object_set_new(object, "files", r.files);
        cli_json_print(stdout, object);
    } else {
        printf("%s: of queue ", path);
        cli_print_payload(stdout, s.queue, strlen(s.queue), strlen(s.queue), 0);
        printf(", %" PRIu64 " file%s, %" PRIu64 " record%s, %s", s.files, cli_plural(s.files), s.records, cli_plural(s.records),
               state_name(s.state));
        if (s.kept_files > 0)
            printf("; %" PRIu64 " file%s (%s) %s only kept", s.kept_files, cli_plural(s.kept_files),
                   cli_format_size(kept, s.kept_bytes), s.kept_files == 1 ? "is" : "are");
        putchar('\n');
    }
    return cli_finish(!all && s.state == RP_JOURNAL_DAMAGED ? CLI_CORRUPT : CLI_DONE);
}

static int run_look(int argc, char **argv, bool all, const struct usage *words) {
    bool json = false;
    const struct flag flags[] = {CLI_SWITCH("--json", 0, &json, "one JSON object, with all files")};
    struct usage usage = *words;
    struct operands operands;
    usage.synopsis = "DIRECTORY [--json]";
    usage.flags = flags;
    usage.flag_count = 1;
    usage.operands_min = usage.operands_max = 1;
    int status = cli_parse(&usage, argc, argv, &operands);
    return status != CLI_PROCEED ? status : look(operands.value[0], all, json);
}

static int journal_ls(int argc, char **argv) {
    const struct usage usage = {
        .verb = "journal ls",
        .about = "Lists the files of a journal, and what is in them.",
        .examples = "  ringpost journal ls /var/lib/orders",
    };
    return run_look(argc, argv, true, &usage);
}

static int journal_verify(int argc, char **argv) {
    const struct usage usage = {
        .verb = "journal verify",
        .about = "Reads a journal from front to back, checks every byte that counts, and shows the files that are not whole.\n"
                 "A torn end is no damage: nobody was told that it is on disk. Changes nothing.",
        .examples = "  ringpost journal verify /var/lib/orders",
    };
    return run_look(argc, argv, false, &usage);
}

/* ---- repair ---- */

/* A queue that works with the journal would go on with files that are not there. */
static int check_unused(const char *path) {
    struct rp_journal_summary s;
    struct rp_open_options o;
    rp_queue *q;
    rp_open_options_init(&o, sizeof o);
    o.read_only = 1;
    int result = rp_journal_verify(path, NULL, NULL, &s);
    if (result < 0)
        return journal_failed(result, path);
    if (s.queue[0] == 0 || rp_queue_open(s.queue, &o, &q) < 0)
        return CLI_DONE;
    rp_queue_close(q);
    cli_error("'%s': the queue '%s' is there, and may be writing; stop those who use it, remove it ('ringpost rm'), or say --force",
              path, s.queue);
    return CLI_FAILED;
}

static void print_repair(const char *path, const struct rp_journal_repair *r, bool dry_run) {
    if (r->state != RP_JOURNAL_DAMAGED) {
        printf("%s: %s, nothing to repair\n", path, state_name(r->state));
        return;
    }
    printf("%s: file %016" PRIx64 " is damaged at byte %" PRIu64 ": %s\n", path, r->file, r->at, r->why);
    printf("%s: %" PRIu64 " record%s before it stay%s", path, r->records, cli_plural(r->records), r->records == 1 ? "s" : "");
    if (r->records > 0)
        printf(", the last of them %" PRIu64, r->last_sequence);
    printf("; %" PRIu64 " or more %s given up, %u file%s %s put aside\n", r->lost_records, dry_run ? "would be" : "were",
           r->files_aside, cli_plural(r->files_aside), dry_run ? "would be" : "were");
}

static int journal_repair(int argc, char **argv) {
    bool json = false, dry_run = false, force = false;
    const struct flag flags[] = {
        CLI_SWITCH("--dry-run", 'n', &dry_run, "change nothing, say what would be given up"),
        CLI_SWITCH("--force", 'f', &force, "also if the queue is there"),
        CLI_SWITCH("--json", 0, &json, "as a JSON object"),
    };
    const struct usage usage = {
        .verb = "journal repair",
        .synopsis = "DIRECTORY [--dry-run] [--force] [--json]",
        .about = "Ends a damaged journal where the damage is, so that its queue can be made again from what is before it.\n"
                 "What is behind it is given up, and put aside under names that end in .damaged; nothing is deleted.",
        .examples = "  ringpost journal repair --dry-run /var/lib/orders\n  ringpost journal repair /var/lib/orders",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .operands_min = 1,
        .operands_max = 1,
    };
    struct operands operands;
    struct rp_journal_repair r;
    int status = cli_parse(&usage, argc, argv, &operands);
    if (status != CLI_PROCEED)
        return status;
    const char *path = operands.value[0];
    status = force || dry_run ? CLI_DONE : check_unused(path);
    if (status != CLI_DONE)
        return status;
    int result = rp_journal_repair(path, dry_run, &r);
    if (result < 0)
        return journal_failed(result, path);
    if (!json) {
        print_repair(path, &r, dry_run);
        return cli_finish(CLI_DONE);
    }
    json_t *object = json_object();
    json_object_set_new(object, "state", json_string(state_name(r.state)));
    json_object_set_new(object, "repaired", json_boolean(r.state == RP_JOURNAL_DAMAGED && !dry_run));
    json_object_set_new(object, "file", cli_json_u64(r.file));
    json_object_set_new(object, "at", cli_json_u64(r.at));
    json_object_set_new(object, "why", r.why[0] ? json_string(r.why) : json_null());
    json_object_set_new(object, "records", cli_json_u64(r.records));
    json_object_set_new(object, "last_sequence", r.records ? cli_json_u64(r.last_sequence) : json_null());
    json_object_set_new(object, "lost_records", cli_json_u64(r.lost_records));
    json_object_set_new(object, "files_aside", cli_json_u64(r.files_aside));
    cli_json_print(stdout, object);
    return cli_finish(CLI_DONE);
}

static const struct verb journal_verbs[] = {
    {"ls", "list the files", journal_ls},
    {"verify", "look for damage", journal_verify},
    {"repair", "end a damaged journal where the damage is", journal_repair},
    {"replay", "print what was sent, or send it again", journal_replay},
    {NULL, NULL, NULL},
};

static const struct verb_family journal_family = {
    .name = "journal",
    .verbs = journal_verbs,
    .about = "Usage: ringpost journal ls|verify|repair DIRECTORY ... [--json]\n"
             "       ringpost journal replay NAME ...\n\n"
             "A durable queue keeps a journal: a directory of files from which it is made again after a restart.\n\n",
    .more = "\nringpost journal VERB --help explains one.\n"
            "\nExample:\n  ringpost journal verify /var/lib/orders\n",
    .there_are = "there are ls, verify, repair and replay",
};

int verb_journal(int argc, char **argv) { return cli_family(&journal_family, argc, argv); }
