/* SPDX-License-Identifier: MIT */
#include "notes.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { COUNT_MAX = (1 << 20) - 1 };

/* Which failure of its incarnation a hold follows: 0 before the first. Seqs go on at 128 after 255, so numbers at 64 after 127. */
static uint32_t failure_number(uint32_t seq) { return seq == 255 ? 64 : (seq + 1) / 2; }

struct counts notes_counts(const struct segment *s, unsigned group, uint32_t c, uint32_t hold) {
    uint32_t number = failure_number(hold_seq(hold));
    if (number == 0)
        return (struct counts){0, 0};
    uint64_t note = load_acquire(&segment_delivery(s, group, c)->failures, failures);
    if (note >> 48 != (hold_incarnation(hold) & 0xffff))
        return (struct counts){number, number};
    /* How many failures the hold is after the note; before it, when we slept and the hold was lost meanwhile. */
    int32_t since = (int32_t)number - (int32_t)failure_number((uint32_t)bits(note, 40, 8));
    if (number >= 64 && since < -32) /* it went round */
        since += 64;
    else if (number >= 64 && since > 32)
        since -= 64;
    int32_t charged = (int32_t)bits(note, 20, 20) + since, handed_out = (int32_t)bits(note, 0, 20) + since;
    if (handed_out < 0) /* we slept, the hold was lost meanwhile, and a redrive let the counts begin anew */
        return (struct counts){number, number};
    return (struct counts){charged > 0 ? (uint32_t)charged : 0, (uint32_t)handed_out};
}

void notes_counts_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct counts counts) {
    uint64_t charged = counts.charged < COUNT_MAX ? counts.charged : COUNT_MAX;
    uint64_t handed_out = counts.handed_out < COUNT_MAX ? counts.handed_out : COUNT_MAX;
    a64 *note = &segment_delivery(s, group, c)->failures;
    uint64_t before = load_acquire(note, failures);
    /* Only while the word is still of this hold: read the note, then the word, then CAS the note. */
    if (delivery_hold(load_acquire(delivery_at(s, group, c), delivery)) == hold)
        (void)cas_acq_rel(note, &before, stamp(hold, charged << 20 | handed_out), failures);
}

static uint64_t name_hash(uint32_t hold, uint64_t first, uint64_t second) {
    uint64_t words[3] = {hold, first, second};
    return XXH3_64bits(words, sizeof words);
}

void notes_failure_write(const struct segment *s, unsigned group, uint32_t c, uint32_t failed, uint32_t next, uint64_t now_ms,
                         enum rp_failure kind, enum rp_dead_reason reason, uint32_t holder) {
    struct delivery *note = segment_delivery(s, group, c);
    if (failure_number(hold_seq(failed)) == 0)
        store_release(&note->first_failed, stamp(failed, now_ms), note);
    store_release(&note->last_failed, stamp(next, now_ms), note);
    if (holder >= s->parameters.max_participants)
        return;
    const struct seat *seat = &s->seats[holder];
    uint64_t pid = load_relaxed(&seat->pid, recheck) & UINT32_MAX;
    store_release(&note->holder, (uint64_t)stamp_tag(next) << 40 | (uint64_t)kind << 36 | (uint64_t)reason << 32 | pid, note);
    if (group != 0)
        return; /* there the two words are in use */
    uint64_t first = load_relaxed(&seat->name[0], recheck), second = load_relaxed(&seat->name[1], recheck);
    store_release(&note->word, first, note);
    store_release(&note->time, second, note);
    store_release(&note->name_check, stamp(next, name_hash(next, first, second)), note);
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

static uint64_t wall_ns(const struct segment *s, uint64_t ms) { return s->created_wall_ns + ms * 1000000; }

void notes_read(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct rp_dead_letter *out) {
    const struct delivery *note = segment_delivery(s, group, c);
    struct counts counts = notes_counts(s, group, c, hold);
    out->deliveries = counts.charged;
    out->acquisitions = counts.handed_out;
    out->reason = RP_DEAD_UNKNOWN;
    uint64_t first = load_acquire(&note->first_failed, note), last = load_acquire(&note->last_failed, note);
    if (stamp_is_of(first, hold_make(hold_incarnation(hold), 0)))
        out->first_failed_ns = wall_ns(s, stamp_value(first));
    if (stamp_is_of(last, hold))
        out->last_failed_ns = wall_ns(s, stamp_value(last));
    uint64_t holder = load_acquire(&note->holder, note);
    if ((uint32_t)(holder >> 40) == stamp_tag(hold)) {
        out->last_failure = (uint32_t)bits(holder, 36, 4);
        out->reason = (uint32_t)bits(holder, 32, 4);
        out->pid = (uint32_t)holder;
    }
    uint64_t words[2] = {load_acquire(&note->word, note), load_acquire(&note->time, note)};
    if (group == 0 && load_acquire(&note->name_check, note) == stamp(hold, name_hash(hold, words[0], words[1])))
        memcpy(out->executable, words, sizeof words);
    read_text(s, group, c, hold, out->text);
}
