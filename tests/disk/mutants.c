/* SPDX-License-Identifier: MIT */
#include "figure.h"
#include "scenarios.h"

#include <stdio.h>
#include <string.h>

int mutants_run(void);

/* The defects that can be seeded into lib/journal, and which scenario notices each. */
static const struct mutant {
    const char *name;
    const char *scenario;
    const char *about;
} mutants[] = {
    {"journal_owner_unsynced", "power", "the file that says whose it is has its name before its bytes are on disk"},
    {"journal_owner_unnamed", "power", "and its name is not made sure of"},
    {"journal_parent_unsynced", "power", "the directory's own name is not"},
    {"journal_head_unsynced", "power", "a file has its name before its head is on disk"},
    {"journal_name_unsynced", "power", "a file is written to whose name may be lost"},
    {"journal_spare_believed", "power", "a file is taken for the spare one because of its name"},
    {"journal_reused_though_open", "ghost", "a file is used again to which somebody still writes"},
    {"journal_sync_skipped", "power", "a sync does nothing"},
    {"journal_sync_error_ignored", "faults", "a sync that failed counts"},
    {"journal_short_write_taken", "faults", "a write that did part of it counts"},
    {"journal_durable_ahead", "power", "a batch says of others that they are on disk before they are"},
    {"journal_seal_ignored", "ghost", "a file is read beyond what the next one says"},
    {"journal_head_unchecked", "damage", "heads are believed"},
    {"journal_batch_head_unchecked", "forge", "heads of batches are believed"},
    {"journal_gap_unnoticed", "damage", "damage before later batches passes for the end"},
    {"journal_record_unchecked", "forge", "records are believed"},
    {"journal_body_unchecked", "forge", "batches are believed whose records are right"},
    {"journal_chain_unchecked", "forge", "a batch need not follow the one before"},
    {"journal_gap_unseen", "damage", "a file that is missing passes for one that was dropped"},
    {"journal_files_unchained", "forge", "nor a file"},
    {"store_handover_wrong", "queue-kill", "a writer is told a wrong number of the batch before"},
    {"store_other_life", "queue-places", "who has the journal of an earlier life writes to it"},
    {"store_write_unsynced", "queue-power", "where files cannot be opened for direct writing, nothing is synced"},
    {"store_all_durable", "queue-faults", "after a sync that failed all that was written counts"},
    {"store_drops_too_far", "queue-power", "a file goes one message too early"},
    {"durable_end_unsynced", "queue-power", "the next file says where this one ends before that is on disk"},
    {"durable_sync_never_due", "queue-power", "sync interval: what was written last is synced when more is written"},
    {"replay_end_unsynced", "queue-power", "what was read is not made sure of before the next life begins"},
    {"kept_unsynced", "queue-power", "the options have their name before they are on disk"},
    {"past_settled_again", "past-power", "what a group settled of what it was fed lives again"},
};

static struct ledger ledger;

/* -> how many disks were looked at; 0: it was not noticed. */
static uint64_t notice(const struct mutant *m) {
    enum { SEEDS = 300 };
    uint64_t looks = 0;
    for (const struct scenario *s = scenarios; s->name != NULL; s++) {
        for (uint64_t seed = 1; strcmp(s->name, m->scenario) == 0 && seed <= SEEDS; seed++) {
            ledger_begin(&ledger);
            looks += s->run(seed, &ledger);
            if (ledger.wrong[0])
                return looks ? looks : 1;
        }
    }
    return 0;
}

int mutants_run(void) {
    int unnoticed = 0;
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        disk_mutant = mutants[i].name;
        uint64_t looks = notice(&mutants[i]);
        disk_mutant = NULL;
        unnoticed += looks == 0;
        printf("%-30s %-12s %8llu  %s\n", mutants[i].name, mutants[i].scenario, (unsigned long long)looks,
               looks ? ledger.wrong : "NOT NOTICED");
    }
    figure("mutants", sizeof mutants / sizeof mutants[0]);
    figure("mutants_caught", sizeof mutants / sizeof mutants[0] - (size_t)unnoticed);
    return unnoticed;
}
