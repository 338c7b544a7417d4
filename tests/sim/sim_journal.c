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
    sim_journal.on = true;
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
    }
    uint32_t groups = 0;
    for (uint32_t rest = m.groups; rest != 0; rest &= rest - 1)
        groups |= generations[__builtin_ctz(rest)] != 0 ? rest & -rest : 0;
    if (groups != m.groups)
        sim_fail("message %u is for the groups %#x, of which the journal knows %#x", (unsigned)sequence, m.groups, groups);
    *k = (struct known){.sequence = sequence, .id = m.id, .groups = m.groups, .waits = m.flags & RP_DUMP_WAITING};
    memcpy(&k->tag, m.data, sizeof k->tag);
}

static void read_groups(const unsigned char *at, size_t bytes) {
    struct record_groups g;
    uint64_t now[MAX_GROUPS] = {0};
    if (!record_groups_read(at, bytes, &g))
        sim_fail("the record of groups is damaged");
    for (uint32_t i = 0; i < g.count; i++)
        now[g.groups[i].index] = g.groups[i].generation;
    for (unsigned i = 0; i < MAX_GROUPS; i++) {
        for (unsigned k = 0; k < MESSAGES && now[i] != generations[i]; k++) {
            told.messages[k].groups &= ~(UINT32_C(1) << i);
            snapshot.messages[k].groups &= ~(UINT32_C(1) << i);
        }
        generations[i] = now[i];
    }
}

static void went(struct known *k, uint32_t of) {
    if (k->waits && of != 0) {
        k->waits = false;
        k->groups = of;
    }
}

static void read_record(uint16_t type, bool ends, uint64_t sequence, const unsigned char *at, size_t bytes) {
    if (type == RECORD_GROUPS) {
        read_groups(at, bytes);
    } else if (type == RECORD_MESSAGE) {
        read_message(sequence, at, bytes);
    } else if (type == RECORD_SETTLED) {
        for (; bytes >= RECORD_SETTLED_BYTES; bytes -= RECORD_SETTLED_BYTES, at += RECORD_SETTLED_BYTES) {
            struct record_settled r;
            record_settled_read(at, &r);
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

/* ---- judging ---- */

static enum journal_says says(uint32_t tag) {
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].tag == tag)
            return told.messages[i].groups != 0 || told.messages[i].waits ? JOURNAL_LIVE : JOURNAL_SETTLED;
    return JOURNAL_UNKNOWN;
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
    read_all();
    for (unsigned i = 0; i < told.count; i++)
        if (told.messages[i].groups != 0 || told.messages[i].waits)
            sim_fail("at the end message %x lives on in the journal, for the groups %#x", told.messages[i].tag,
                     told.messages[i].groups);
}
