/* SPDX-License-Identifier: MIT */
/*
 * A program that keeps a journal, as a queue would: reads it when it starts, seals it, goes on in the next file; and the ledger of what it did. After each loss of power the ledger is asked:
 * is everything there that was reported as committed, as it was written, in order, and nothing that was never written, or was given up?
 */
#ifndef DISK_CREW_H
#define DISK_CREW_H

#include "disk.h"
#include "journal_reader.h"

enum { CREW_FILE_BYTES = 16 << 10, CREW_ROOM = 8 << 10, CREW_RECORDS_MAX = 4096 };

struct ledger {
    uint64_t first;                    /* sequences below were dropped with their files */
    uint64_t committed;                /* up to this sequence: reported as on disk, or read after a start and made so */
    uint64_t added;                    /* up to this sequence: written, perhaps in vain */
    uint64_t begins[CREW_RECORDS_MAX]; /* of the files, by number: their first sequence */
    uint32_t tag[CREW_RECORDS_MAX];    /* of each sequence: which writing of it counts */
    uint32_t next_tag;
    bool made;       /* the directory was said to be there */
    char wrong[300]; /* the first thing that was wrong; "": nothing */
};

/* How it syncs. */
enum crew_habit { CREW_DIRECT, CREW_SYNCS, CREW_SYNCS_LATE, CREW_HABITS };

/* A process that writes. */
struct writer {
    struct journal_dir d;
    struct journal_file f;
    struct journal_point at, durable; /* behind the last write; behind the last sync */
    uint64_t durable_sequence;
    struct journal_batch batch; /* the last one */
    bool under_way;             /* it was not said to be written */
    unsigned char *buffer;
    bool open, file_open;
    uint64_t needed; /* what the next file says */
};

void ledger_wrong(struct ledger *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Starts, works for so many steps, ends or is ended. -> true: it came to its end; false: the disk was off, or had enough. Its descriptors stay open: the writer may come back as a ghost.
 * Faults that are not the end of the disk are overcome.
 */
bool writer_live(struct writer *w, struct ledger *l, enum crew_habit habit, int steps);
/* What a stopped process does when it goes on: ends the write that was under way; when others have gone on, also begins another. */
void writer_haunt(struct writer *w, bool late);
void writer_close(struct writer *w);

/* A file after this one, sealed at what is durable. 0, or what failed */
int crew_next_file(struct writer *w, struct ledger *l, enum crew_habit habit);

/* Adds the record of this sequence; `bytes`: of its payload, 0: as its sequence and tag say. False: no room */
bool crew_add(struct journal_batch *b, uint64_t sequence, uint32_t tag, size_t bytes);

/* Reads all, changes nothing, and compares. -> how reading ended */
int ledger_check(struct ledger *l, bool whole);
/* Nothing is looked for but what must not be there: of a journal that somebody damaged. -> how reading ended, and the last sequence that could be read */
int ledger_check_damaged(struct ledger *l, uint64_t *last);

#endif
