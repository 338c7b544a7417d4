/* SPDX-License-Identifier: MIT */
#include "notes.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { COUNT_MAX = (1 << 20) - 1 };
#define UNKNOWN_MS UINT64_MAX

/* Which failure of its incarnation a hold follows: 0 before the first. Seqs go on at 128 after 255, so numbers at 64 after 127. */
static uint32_t failure_number(uint32_t seq) { return seq == 255 ? 64 : (seq + 1) / 2; }

/* How many failures the hold is after the note; negative when it is before. Over the wrap: nobody misses half of a round. */
static int32_t failures_since(uint64_t note, uint32_t hold) {
    uint32_t number = failure_number(hold_seq(hold));
    int32_t since = (int32_t)number - (int32_t)failure_number((uint32_t)bits(note, 40, 8));
    if (number >= 64 && since < -32) /* it went round */
        since += 64;
    else if (number >= 64 && since > 32)
        since -= 64;
    return since;
}

static bool same_incarnation(uint64_t note, uint32_t hold) { return note >> 48 == (hold_incarnation(hold) & 0xffff); }

struct counts notes_counts(const struct segment *s, unsigned group, uint32_t c, uint32_t hold) {
    uint32_t number = failure_number(hold_seq(hold));
    if (number == 0)
        return (struct counts){0, 0};
    uint64_t note = load_acquire(&segment_delivery(s, group, c)->failures, failures);
    if (!same_incarnation(note, hold))
        return (struct counts){number, number};
    int32_t since = failures_since(note, hold);
    int32_t charged = (int32_t)bits(note, 20, 20) + since, handed_out = (int32_t)bits(note, 0, 20) + since;
    if (handed_out < 0) /* of a hold before a redrive let the counts begin anew: we slept, or it is about to be redriven */
        return (struct counts){number, number};
    return (struct counts){charged > 0 ? (uint32_t)charged : 0, (uint32_t)handed_out};
}

/* Only while the word is still of `beside`, and never over a later note: read the note, then the word, then CAS the note. */
static void write_counts(const struct segment *s, unsigned group, uint32_t c, uint32_t beside, uint32_t hold,
                         struct counts counts) {
    uint64_t charged = counts.charged < COUNT_MAX ? counts.charged : COUNT_MAX;
    uint64_t handed_out = counts.handed_out < COUNT_MAX ? counts.handed_out : COUNT_MAX;
    a64 *note = &segment_delivery(s, group, c)->failures;
    uint64_t value = stamp(hold, charged << 20 | handed_out), before;
    do {
        before = load_acquire(note, failures);
        if ((!MUTANT(counts_over_later) && same_incarnation(before, hold) && failures_since(before, hold) < 0) ||
            delivery_hold(load_acquire(delivery_at(s, group, c), delivery)) != beside)
            return;
    } while (!cas_acq_rel(note, &before, value, failures) && !MUTANT(counts_once));
}

void notes_counts_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct counts counts) {
    write_counts(s, group, c, hold, hold, counts);
}

void notes_counts_anew(const struct segment *s, unsigned group, uint32_t c, uint32_t hold) {
    write_counts(s, group, c, hold, hold_returned(hold), (struct counts){0, 0});
}

/* Writes beside a word, unless the word is of another hold by now: who sleeps before the CAS does not overwrite what came after. */
static bool put(const struct segment *s, unsigned group, uint32_t c, a64 *note, uint32_t hold, uint64_t value) {
    uint64_t before = load_acquire(note, note);
    return delivery_hold(load_acquire(delivery_at(s, group, c), delivery)) == hold && cas_acq_rel(note, &before, value, note);
}

static uint64_t text_key(unsigned group, uint32_t c, uint32_t hold, size_t bytes) {
    return (uint64_t)(group + 1) << 54 | (uint64_t)c << 32 | (uint64_t)stamp_tag(hold) << 8 | bytes;
}

static uint64_t text_check(uint64_t key, const uint64_t *words) { return XXH3_64bits_withSeed(words, TEXT_BYTES, key); }

void notes_text_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const char *text) {
    struct failure_text *entry = &s->texts[c & (s->layout.text_count - 1)];
    uint64_t words[TEXT_BYTES / 8] = {0};
    size_t bytes = strnlen(text, TEXT_BYTES - 1);
    memcpy(words, text, bytes);
    uint64_t key = text_key(group, c, hold, bytes);
    store_release(&entry->key, 0, note);
    for (unsigned i = 0; i < TEXT_BYTES / 8; i++)
        store_release(&entry->text[i], words[i], note);
    store_release(&entry->check, text_check(key, words), note);
    store_release(&entry->key, key, note);
}

static void read_text(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, char *out) {
    const struct failure_text *entry = &s->texts[c & (s->layout.text_count - 1)];
    uint64_t key = load_acquire(&entry->key, note), words[TEXT_BYTES / 8];
    size_t bytes = key & 0xff;
    if (bytes >= TEXT_BYTES || key != text_key(group, c, hold, bytes))
        return;
    for (unsigned i = 0; i < TEXT_BYTES / 8; i++)
        words[i] = load_acquire(&entry->text[i], note);
    if (load_acquire(&entry->check, note) == text_check(key, words))
        memcpy(out, words, bytes);
}

/* What is written of one failure. */
struct record {
    uint64_t failed_ms; /* or UNKNOWN_MS */
    uint32_t kind;      /* enum rp_failure */
    uint32_t reason;    /* enum rp_dead_reason */
    uint32_t pid;       /* 0: not known */
    uint64_t name[2];   /* the same */
    char text[TEXT_BYTES];
};

static uint64_t name_hash(uint32_t hold, const uint64_t *name) {
    uint64_t words[3] = {hold, name[0], name[1]};
    return XXH3_64bits(words, sizeof words);
}

static bool record_read_of(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct record *r) {
    const struct delivery *note = segment_delivery(s, group, c);
    uint64_t holder = load_acquire(&note->holder, note);
    *r = (struct record){.failed_ms = UNKNOWN_MS, .reason = RP_DEAD_UNKNOWN};
    if ((uint32_t)(holder >> 40) != stamp_tag(hold))
        return false;
    r->kind = (uint32_t)bits(holder, 36, 4);
    r->reason = UINT32_C(1) << bits(holder, 32, 4);
    r->pid = (uint32_t)holder;
    uint64_t last = load_acquire(&note->last_failed, note);
    if (stamp_is_of(last, hold))
        r->failed_ms = stamp_value(last);
    uint64_t name[2] = {load_acquire(&note->word, note), load_acquire(&note->time, note)};
    if (group == 0 && load_acquire(&note->name_check, note) == stamp(hold, name_hash(hold, name)))
        memcpy(r->name, name, sizeof name);
    read_text(s, group, c, hold, r->text);
    return true;
}

/* The last failure before or at `hold`: its own, or that of the DELAYED word before a ready one (127 and 255 both go on at 128). */
static bool record_read(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct record *r) {
    uint32_t seq = hold_seq(hold);
    return record_read_of(s, group, c, hold, r) || (seq > 0 && seq % 2 == 0 && record_read_of(s, group, c, hold - 1, r)) ||
           (seq == 0x80 && record_read_of(s, group, c, hold | 0xff, r));
}

static void record_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const struct record *r) {
    struct delivery *note = segment_delivery(s, group, c);
    uint64_t reason = r->reason == 0 ? 0 : (uint64_t)__builtin_ctz(r->reason);
    uint64_t value = (uint64_t)stamp_tag(hold) << 40 | (uint64_t)r->kind << 36 | reason << 32 | r->pid;
    if (!put(s, group, c, &note->holder, hold, value))
        return;
    if (r->failed_ms != UNKNOWN_MS)
        store_release(&note->last_failed, stamp(hold, r->failed_ms), note);
    if (group == 0 && r->name[0] != 0) { /* elsewhere the two words are in use */
        store_release(&note->word, r->name[0], note);
        store_release(&note->time, r->name[1], note);
        store_release(&note->name_check, stamp(hold, name_hash(hold, r->name)), note);
    }
    if (r->text[0] != 0)
        notes_text_write(s, group, c, hold, r->text);
}

void notes_failure_write(const struct segment *s, unsigned group, uint32_t c, uint32_t failed, uint32_t next, uint64_t now_ms,
                         enum rp_failure kind, uint32_t reason, uint32_t holder) {
    struct record r = {.failed_ms = now_ms, .kind = kind, .reason = reason};
    if (hold_seq(failed) == 0)
        store_release(&segment_delivery(s, group, c)->first_failed, stamp(failed, now_ms), note);
    if (holder < s->parameters.max_participants) {
        const struct seat *seat = &s->seats[holder];
        r.pid = (uint32_t)load_relaxed(&seat->pid, recheck);
        r.name[0] = load_relaxed(&seat->name[0], recheck);
        r.name[1] = load_relaxed(&seat->name[1], recheck);
    }
    record_write(s, group, c, next, &r);
}

void notes_carry(const struct segment *s, unsigned group, uint32_t c, uint32_t from, uint32_t to, uint64_t now_ms,
                 uint32_t reason) {
    struct record r;
    (void)record_read(s, group, c, from, &r);
    if (reason != 0) {
        r.reason = reason;
        r.failed_ms = now_ms;
    }
    record_write(s, group, c, to, &r);
}

unsigned notes_reason_bit(const struct segment *s, unsigned group, uint32_t c, uint32_t hold) {
    uint64_t holder = load_acquire(&segment_delivery(s, group, c)->holder, note);
    return (uint32_t)(holder >> 40) == stamp_tag(hold) ? (unsigned)bits(holder, 32, 4) : 0;
}

bool notes_death_found(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, uint64_t now_ms) {
    const struct delivery *note = segment_delivery(s, group, c);
    if ((uint32_t)(load_acquire(&note->holder, note) >> 40) == stamp_tag(hold) &&
        stamp_is_of(load_acquire(&note->last_failed, note), hold))
        return false;
    struct record r;
    (void)record_read(s, group, c, hold, &r);
    r.failed_ms = now_ms;
    record_write(s, group, c, hold, &r);
    return true;
}

static uint64_t wall_ns(const struct segment *s, uint64_t ms) { return s->created_wall_ns + ms * 1000000; }

void notes_read(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct rp_dead_letter *out) {
    struct counts counts = notes_counts(s, group, c, hold);
    struct record r;
    (void)record_read(s, group, c, hold, &r);
    out->deliveries = counts.charged;
    out->acquisitions = counts.handed_out;
    out->reason = r.reason;
    out->last_failure = r.kind;
    out->pid = r.pid;
    uint64_t first = load_acquire(&segment_delivery(s, group, c)->first_failed, note);
    if (stamp_is_of(first, hold_make(hold_incarnation(hold), 0)))
        out->first_failed_ns = wall_ns(s, stamp_value(first));
    if (r.failed_ms != UNKNOWN_MS)
        out->last_failed_ns = wall_ns(s, r.failed_ms);
    memcpy(out->executable, r.name, sizeof r.name);
    memcpy(out->text, r.text, sizeof r.text);
}

static uint64_t ms_of(const struct segment *s, uint64_t wall) {
    return wall > s->created_wall_ns ? (wall - s->created_wall_ns) / 1000000 : 0;
}

void notes_restore(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const struct rp_dead_letter *letter) {
    struct record r = {.failed_ms = UNKNOWN_MS, .kind = letter->last_failure, .reason = letter->reason, .pid = letter->pid};
    write_counts(s, group, c, hold, hold, (struct counts){letter->deliveries, letter->acquisitions});
    if (letter->first_failed_ns != 0)
        store_release(&segment_delivery(s, group, c)->first_failed,
                      stamp(hold_make(hold_incarnation(hold), 0), ms_of(s, letter->first_failed_ns)), note);
    if (letter->last_failed_ns != 0)
        r.failed_ms = ms_of(s, letter->last_failed_ns);
    memcpy(r.name, letter->executable, 15);
    memcpy(r.text, letter->text, TEXT_BYTES - 1);
    if (r.kind != RP_FAILURE_NONE || r.reason > RP_DEAD_UNKNOWN || r.failed_ms != UNKNOWN_MS)
        record_write(s, group, c, hold, &r);
}
