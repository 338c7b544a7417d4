/* SPDX-License-Identifier: MIT */
#include "sim_journal.h"
#include "contents.h"
#include "durable_record.h"
#include "durable_store.h"
#include "journal_format.h"
#include "witness_log.h"

enum { MESSAGES = 128 };

struct sim_journal sim_journal;

/* ---- creating ---- */

struct made {
    struct queue_contents contents;
};

static int begin(struct queue_contents *c, void *memory, uint64_t bytes) {
    struct segment s;
    (void)c;
    int result = segment_bind(&s, memory, bytes, false);
    if (result == 0)
        durable_begin(&s, "/sim", (const unsigned char[16]){0}, 1, 1, STORE_HEAD_UNITS, 1, 1, false);
    return result;
}

int replay_create(const char *name, const struct rp_queue_options *o, rp_queue **out) {
    struct made made = {.contents.fill = begin};
    return queue_create(name, o, &made.contents, out);
}

void sim_journal_begin(void) {
    sim_keep(&sim_journal, sizeof sim_journal);
    memset(&sim_journal, 0, sizeof sim_journal);
    sim_journal.there = true;
    sim_journal.on = sim_journal_is_kept;
    sim_journal.files[0].number = sim_journal.files[0].needed = sim_journal.needed = 1;
}

/* ---- reading ---- */

struct known {
    uint64_t sequence, id;
    uint32_t tag, groups;
    bool waits, dead;
};
/* As in lib/replay: a snapshot takes the place of what was known when it has its end. */
static struct told {
    struct known messages[MESSAGES];
    unsigned count;
    uint64_t ids[256]; /* the message of each; 0: not known */
    uint64_t until[256];
    uint64_t sequence, made; /* of the producer "a" */
    bool removed;            /* it was, and not made again */
} told, snapshot, *into = &told;
static uint64_t generations[MAX_GROUPS];
static struct record_groups groups;
enum { HISTORY = 512 };
static struct past_message {
    uint64_t sequence;
    uint32_t tag;
} history[HISTORY];
static unsigned history_count;
/* What groups that began in the past have settled, as lib/replay/fold.h has it. */
static struct aside {
    uint64_t sequence;
    uint32_t groups;
} aside[MESSAGES];
static unsigned aside_count;

static struct known *find(uint64_t sequence) {
    for (unsigned i = 0; i < into->count; i++)
        if (into->messages[i].sequence == sequence)
            return &into->messages[i];
    return NULL;
}

static void read_message(uint64_t sequence, const unsigned char *at, size_t bytes) {
    struct record_message m;
    if (!record_message_read(at, bytes, &m))
        sim_fail("the record of message %u is damaged", (unsigned)sequence);
    struct known *k = find(sequence);
    if (k == NULL) {
        if (into->count == MESSAGES)
            sim_fail("too many messages in the journal");
        k = &into->messages[into->count++];
        *k = (struct known){.sequence = sequence};
    }
    uint32_t known = 0;
    for (uint32_t rest = m.groups; rest != 0; rest &= rest - 1)
        known |= generations[__builtin_ctz(rest)] != 0 ? rest & -rest : 0;
    if (known != m.groups && into != &snapshot) /* who holds a message of a group that was removed has it live still: a start leaves it out */
        sim_fail("message %u is for the groups %#x, of which the journal knows %#x", (unsigned)sequence, m.groups, known);
    /* It may come twice in a snapshot, in two cells: one that was fed to a group. */
    known |= into == &snapshot ? k->groups : 0;
    *k = (struct known){.sequence = sequence, .id = m.id, .groups = known, .waits = m.flags & RP_DUMP_WAITING};
    memcpy(&k->tag, m.data, sizeof k->tag);
}

static uint32_t aside_of(uint64_t sequence) {
    for (unsigned i = 0; i < aside_count; i++)
        if (aside[i].sequence == sequence)
            return aside[i].groups;
    return 0;
}

/* Between the two, of a group that began in the past, what is said of settlements is noted aside. */
static uint32_t fed_to(uint64_t sequence) {
    uint32_t fed = 0;
    for (uint32_t i = 0; i < groups.count; i++) {
        const struct record_group *g = &groups.groups[i];
        if (g->past != PAST_NONE && sequence >= g->told && sequence < g->fed)
            fed |= UINT32_C(1) << g->index;
    }
    return fed;
}

static void settle_aside(uint64_t sequence, uint32_t settled) {
    unsigned i = 0;
    while (i < aside_count && aside[i].sequence != sequence)
        i++;
    if (settled == 0 || (i == aside_count && aside_count == MESSAGES))
        return;
    if (i == aside_count)
        aside[aside_count++] = (struct aside){.sequence = sequence};
    aside[i].groups |= settled;
}

static void forget_aside(uint32_t gone) {
    unsigned kept = 0;
    for (unsigned i = 0; i < aside_count; i++) {
        aside[i].groups &= fed_to(aside[i].sequence) & ~gone;
        if (aside[i].groups != 0)
            aside[kept++] = aside[i];
    }
    aside_count = kept;
}

static void read_groups(const unsigned char *at, size_t bytes, uint16_t flags) {
    uint64_t now[MAX_GROUPS] = {0};
    uint32_t gone = 0;
    if (!record_groups_read(at, bytes, flags, &groups))
        sim_fail("the record of groups is damaged");
    for (uint32_t i = 0; i < groups.count; i++)
        now[groups.groups[i].index] = groups.groups[i].generation;
    for (unsigned i = 0; i < MAX_GROUPS; i++) {
        for (unsigned k = 0; k < MESSAGES && now[i] != generations[i]; k++) {
            told.messages[k].groups &= ~(UINT32_C(1) << i);
            snapshot.messages[k].groups &= ~(UINT32_C(1) << i);
        }
        gone |= now[i] != generations[i] ? UINT32_C(1) << i : 0;
        generations[i] = now[i];
    }
    forget_aside(gone);
}

static void went(struct known *k, uint32_t of) {
    if (k->waits && of != 0) {
        k->waits = false;
        k->groups = of;
    }
}

static void read_record(uint16_t type, uint16_t flags, uint64_t sequence, const unsigned char *at, size_t bytes) {
    const bool ends = flags != 0;
    if (flags > 1)
        sim_fail("a record of type %u has the flags %#x", type, flags);
    if (type == RECORD_GROUPS) {
        read_groups(at, bytes, flags);
    } else if (type == RECORD_MESSAGE) {
        read_message(sequence, at, bytes);
    } else if (type == RECORD_SETTLED) {
        for (; bytes >= RECORD_SETTLED_BYTES; bytes -= RECORD_SETTLED_BYTES, at += RECORD_SETTLED_BYTES) {
            struct record_settled r;
            record_settled_read(at, &r);
            settle_aside(r.sequence, r.groups != RECORD_ALL_GROUPS ? fed_to(r.sequence) & r.groups : 0);
            struct known *k = find(r.sequence);
            if (k == NULL)
                continue;
            went(k, r.of);
            k->groups &= ~r.groups;
            k->waits = k->waits && r.groups != RECORD_ALL_GROUPS;
        }
    } else if (type == RECORD_DELIVERY) {
        struct record_delivery r;
        struct known *k = find(sequence);
        if (!record_delivery_read(at, bytes, &r))
            sim_fail("the record of a delivery is damaged");
        if (k == NULL)
            return;
        went(k, r.of);
        k->dead = r.delivery.group == 0 ? r.delivery.state == RP_STATE_DEAD : k->dead;
    } else if (type == RECORD_ID) {
        struct record_id r;
        if (!record_id_read(at, bytes, KNOWN_ID_BYTES, &r))
            sim_fail("the record of an id is damaged");
        if (r.time_ns >= into->until[r.id[0]]) {
            into->ids[r.id[0]] = r.number;
            into->until[r.id[0]] = r.time_ns;
        }
    } else if (type == RECORD_PRODUCER) {
        struct record_id r;
        if (!record_id_read(at, bytes, PRODUCER_ID_BYTES, &r))
            sim_fail("the record of a producer is damaged");
        if (r.id[0] == 'a' && (r.number != 0 || r.time_ns == into->made)) {
            into->sequence = r.number;
            into->removed = r.number == 0;
            into->made = r.time_ns;
        }
    } else if (type == RECORD_SNAPSHOT && ends) {
        if (into == &snapshot) /* else the file with its begin is gone */
            told = snapshot;
        into = &told;
    } else if (type == RECORD_SNAPSHOT) {
        memset(&snapshot, 0, sizeof snapshot);
        into = &snapshot;
    }
}

static void read_batch(const unsigned char *data, uint32_t bytes) {
    for (uint32_t at = JOURNAL_BATCH_HEAD_BYTES; at < bytes;) {
        const unsigned char *head = data + at;
        size_t payload = get32(head + RECORD_BYTES);
        read_record(get16(head + RECORD_TYPE), get16(head + RECORD_FLAGS), get64(head + RECORD_SEQUENCE),
                    head + JOURNAL_RECORD_HEAD_BYTES, payload);
        at += (uint32_t)journal_record_bytes(payload);
    }
}

static const struct sim_journal_file *file(uint64_t number) {
    for (unsigned i = 0; i < JOURNAL_FILES; i++)
        if (sim_journal.files[i].number == number)
            return &sim_journal.files[i];
    return NULL;
}

unsigned sim_journal_files(void) {
    unsigned files = 0;
    for (unsigned i = 0; i < JOURNAL_FILES; i++)
        files += sim_journal.files[i].number != 0;
    return files;
}

static void read_all(void) {
    uint64_t last = 1;
    memset(&told, 0, sizeof told);
    into = &told;
    memset(generations, 0, sizeof generations);
    for (unsigned i = 0; i < JOURNAL_FILES; i++)
        last = sim_journal.files[i].number > last ? sim_journal.files[i].number : last;
    const uint64_t said =
        file(last)
            ->needed; /* below there may be files, and gaps: those that are kept, and one that somebody makes who was stopped */
    for (uint64_t number = said; number <= last; number++)
        if (number > 0 && file(number) == NULL)
            sim_fail("file %u is missing, and file %u says that it is needed", (unsigned)number, (unsigned)last);
    uint64_t number = sim_journal.needed > said ? sim_journal.needed : said;
    for (const struct sim_journal_file *f; (f = file(number)) != NULL; number++) {
        const struct sim_journal_file *next = file(number + 1);
        unsigned end = next != NULL ? next->previous_end - STORE_HEAD_UNITS : JOURNAL_WRITES;
        for (unsigned i = 0; i < end && f->written[i] != 0; i++)
            read_batch(f->data[i], f->written[i]);
    }
}

/* ---- groups that began in the past ---- */

/* What would be for them, if the machine were started anew: all that the files have, each once. After read_all. */
static void read_history(void) {
    history_count = 0;
    for (unsigned i = 0; i < JOURNAL_FILES; i++) {
        const struct sim_journal_file *f = &sim_journal.files[i], *next = f->number != 0 ? file(f->number + 1) : NULL;
        unsigned end = next != NULL ? next->previous_end - STORE_HEAD_UNITS : JOURNAL_WRITES;
        for (unsigned k = 0; f->number != 0 && k < end && f->written[k] != 0; k++)
            for (uint32_t at = JOURNAL_BATCH_HEAD_BYTES; at < f->written[k];) {
                const unsigned char *head = f->data[k] + at;
                struct record_message m;
                size_t payload = get32(head + RECORD_BYTES);
                if (get16(head + RECORD_TYPE) == RECORD_MESSAGE &&
                    record_message_read(head + JOURNAL_RECORD_HEAD_BYTES, payload, &m)) {
                    if (history_count == HISTORY)
                        sim_fail("too many messages in all files of the journal");
                    struct past_message *p = &history[history_count++];
                    p->sequence = get64(head + RECORD_SEQUENCE);
                    memcpy(&p->tag, m.data, sizeof p->tag);
                }
                at += (uint32_t)journal_record_bytes(payload);
            }
    }
}

static const struct record_group *group_named(const char *name) {
    for (uint32_t i = 0; i < groups.count; i++)
        if (strcmp(groups.groups[i].name, name) == 0)
            return &groups.groups[i];
    return NULL;
}

/* Would the group get the message, or once more? */
static bool lives_for(const struct record_group *g, uint32_t tag) {
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].tag == tag && told.messages[i].groups >> g->index & 1)
            return true;
    for (unsigned i = 0; i < history_count && g->past != PAST_NONE; i++) {
        uint64_t sequence = history[i].sequence;
        if (history[i].tag != tag || sequence < g->told)
            continue;
        if (sequence < g->fed ? !(aside_of(sequence) >> g->index & 1) : g->past == PAST_BEHIND)
            return true;
    }
    return false;
}

/* Of a group that nobody removed, or may have: all that it gets and did not ack is there; and, if `recorded`, nothing that it did. */
static void check_past(unsigned group, bool recorded) {
    const struct event *made = witness_group_event(group, GROUP_CREATE);
    const struct record_group *g = group_named(witness_group_name(group));
    if (made == NULL || made->result != 0 || made->past == 0 || witness_group_may_be_gone(group) || witness.expect.purges ||
        witness.expect.drops)
        return;
    if (g == NULL)
        sim_fail("group g%u was made, and is not in the journal", group);
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++) {
        bool acked = false, perhaps = false;
        if (e->kind != SEND || e->result != 0 || !witness_past_gets(made, e) || e->ttl_ns != 0 || e->delay_ns != 0)
            continue;
        for (const struct event *f = witness.events; f < witness.events + witness.count; f++)
            if (f->tag == e->tag && f->group == group && f->kind == ACK) {
                acked = acked || f->result == 0;
                perhaps = perhaps || f->result == UNKNOWN;
            }
        bool lives = lives_for(g, e->tag);
        if (!acked && !perhaps && !lives)
            sim_fail("message %x was not acked in group g%u, and the journal has it no more: past %u, told %u, fed %u", e->tag,
                     group, g->past, (unsigned)g->told, (unsigned)g->fed);
        if (acked && recorded && lives)
            sim_fail("message %x was acked in group g%u, and lives in the journal: past %u, told %u, fed %u", e->tag, group,
                     g->past, (unsigned)g->told, (unsigned)g->fed);
    }
}

void sim_journal_check_past(bool recorded) {
    read_all();
    read_history();
    for (unsigned g = 1; g < WITNESS_GROUPS && sim_journal_syncs; g++)
        check_past(g, recorded);
}

/* ---- judging ---- */

/* Is it in the past of the default group? */
static bool past_default(uint32_t tag) {
    const struct record_group *g = group_named(witness_group_name(0));
    if (g == NULL || g->past == PAST_NONE)
        return false;
    read_history();
    return lives_for(g, tag);
}

static enum journal_says says(uint32_t tag) {
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].tag == tag)
            return told.messages[i].groups != 0 || told.messages[i].waits || past_default(tag) ? JOURNAL_LIVE : JOURNAL_SETTLED;
    return past_default(tag) ? JOURNAL_LIVE : JOURNAL_UNKNOWN;
}

enum journal_says sim_journal_of(uint32_t tag) {
    read_all();
    return says(tag);
}

/* May something have ended it, as far as anybody was told? */
static bool may_be_over(uint32_t tag) {
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if ((e->tag == tag && e->kind == ACK) || e->at_most_once || e->kind == PURGE || e->kind == GROUP_REMOVE)
            return true;
    const struct witness_expectations *x = &witness.expect;
    return x->drops || x->expires != 0 || x->evicts != 0 || x->forwards;
}

uint64_t sim_journal_id(uint8_t once) {
    read_all();
    return told.ids[once];
}
uint64_t sim_journal_sequence(void) {
    read_all();
    return told.sequence;
}

#define EACH_SEND(e) (const struct event *e = witness.events; e < witness.events + witness.count; e++) if (e->kind == SEND)

static const struct event *sent_as(uint32_t tag) {
    for
        EACH_SEND(e)
    if (e->tag == tag)
        return e;
    return NULL;
}

/* Of a message in the journal. */
static void check_its_ids(const struct known *k) {
    const struct event *e = sent_as(k->tag);
    if (e == NULL)
        return;
    if (e->once != 0 && told.ids[e->once] == 0 && !witness.forgets)
        sim_fail("message %x is in the journal without its id %u", k->tag, (unsigned)e->once);
    if (e->number > told.sequence && !told.removed)
        sim_fail("message %x is in the journal, and its producer has come to %u", k->tag, (unsigned)told.sequence);
    for
        EACH_SEND(f)
    if (e->number != 0 && f != e && f->number == e->number && says(f->tag) != JOURNAL_UNKNOWN)
        sim_fail("sequence %u is in the journal twice, as %x and %x", (unsigned)e->number, e->tag, f->tag);
}

/* Was the message with this number of the library's sent, as far as the journal knows, or may it have come and gone with its file? */
static bool was_there(uint64_t id) {
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].id == id)
            return true;
    for
        EACH_SEND(e)
    if (e->id == id && e->result != RP_DUPLICATE && may_be_over(e->tag))
        return true;
    return false;
}

static bool was_numbered(uint64_t number) {
    bool used = false;
    for
        EACH_SEND(e) if (e->number == number) {
            used = true;
            if (says(e->tag) != JOURNAL_UNKNOWN || may_be_over(e->tag))
                return true;
        }
    return !used;
}

void sim_journal_check_ids(void) {
    read_all();
    for (unsigned i = 0; i < told.count; i++)
        check_its_ids(&told.messages[i]);
    for (unsigned i = 0; i < 256; i++)
        if (told.ids[i] != 0 && !was_there(told.ids[i]))
            sim_fail("the journal has the id %u of message %u without that message", i, (unsigned)told.ids[i]);
    for (uint64_t n = 1; n <= told.sequence; n++)
        if (!was_numbered(n))
            sim_fail("the journal says that a producer has come to %u, and has no %u", (unsigned)told.sequence, (unsigned)n);
}

void sim_journal_check(void) {
    read_all();
    if (sim_journal_syncs && generations[0] == 0 && witness.sent_by[SIM_CREATOR] > 0)
        sim_fail("the journal has lost its groups");
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if (sim_journal_syncs && e->kind == SEND && e->result == 0 && says(e->tag) != JOURNAL_LIVE && !may_be_over(e->tag))
            sim_fail("message %x was sent and never settled, and the journal %s", e->tag,
                     says(e->tag) == JOURNAL_UNKNOWN ? "does not know it" : "says that it was settled");
    bool any = false; /* some scenarios send without the witness */
    for
        EACH_SEND(e)
    any = true;
    for (unsigned i = 0; i < told.count && any; i++) {
        bool sent = false;
        for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
            sent = sent || ((e->kind == SEND || e->kind == LOAN) && e->tag == told.messages[i].tag);
        if (!sent)
            sim_fail("the journal has a message %x, which nobody sent", told.messages[i].tag);
    }
}

void sim_journal_check_dead(rp_queue *q) {
    struct rp_dead_letter letter;
    uint32_t tag;
    unsigned char data[64];
    read_all();
    for (uint64_t after = 0; rp_dead_peek(q, "default", after, &letter, data, sizeof data) == 0; after = letter.id) {
        memcpy(&tag, data, sizeof tag);
        for (unsigned i = 0; i < told.count; i++)
            if (told.messages[i].tag == tag && !told.messages[i].dead)
                sim_fail("message %x is a dead letter, and not in the journal", tag);
    }
}

void sim_journal_check_empty(void) {
    sim_journal_check_past(true);
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].groups != 0 || told.messages[i].waits)
            sim_fail("at the end message %x lives on in the journal, for the groups %#x", told.messages[i].tag,
                     told.messages[i].groups);
}
