/* SPDX-License-Identifier: MIT */
#include "groups.h"
#include <string.h>

enum { NAME_WORDS = GROUP_NAME_BYTES / 8 };

static bool name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/*
 * Versions are compared by serial difference, so a group must not grow older than the difference reaches: before it does, it is made younger by a little. Otherwise it would
 * be taken for younger than the messages that were sent for it, and they would be dropped. Of a place that has changed hands since `w` was read the version
 * is ahead of w's, or not what we read: the CAS fails.
 */
static void keep_ages(const struct segment *s, uint64_t w) {
    const uint64_t half = (GROUPS_VERSION_MASK + 1) / 2;
    for (uint32_t rest = groups_active(s, w); rest != 0; rest &= rest - 1) {
        a64 *word = &s->groups[__builtin_ctz(rest)].since;
        uint64_t since = load_acquire(word, active), age = (groups_version(w) - since) & GROUPS_VERSION_MASK;
        if (age > half - half / 8 && age < half)
            (void)cas_acq_rel(word, &since, (groups_version(w) - (half - half / 4)) & GROUPS_VERSION_MASK, active);
    }
}

bool groups_change(const struct segment *s, uint64_t *seen, uint32_t draining, uint32_t active) {
    keep_ages(s, *seen);
    return cas_seq_cst(&s->control->active, seen, groups_word(groups_version(*seen) + 1, draining, active), active);
}

bool group_name_valid(const char *name) {
    size_t n = 0;
    while (n < GROUP_NAME_BYTES && name_byte(name[n]))
        n++;
    return n > 0 && n < GROUP_NAME_BYTES && name[n] == '\0';
}

static void name_words(const char *name, uint64_t words[NAME_WORDS]) {
    memset(words, 0, GROUP_NAME_BYTES);
    memcpy(words, name, strnlen(name, GROUP_NAME_BYTES - 1));
}

void group_set_name(const struct segment *s, unsigned group, const char *name) {
    uint64_t words[NAME_WORDS];
    name_words(name, words);
    for (unsigned i = 0; i < NAME_WORDS; i++)
        store_release(&s->groups[group].name[i], words[i], active);
}

void group_name(const struct segment *s, unsigned group, char out[GROUP_NAME_BYTES]) {
    uint64_t words[NAME_WORDS];
    for (unsigned i = 0; i < NAME_WORDS; i++)
        words[i] = load_acquire(&s->groups[group].name[i], active);
    memcpy(out, words, GROUP_NAME_BYTES);
    out[GROUP_NAME_BYTES - 1] = '\0';
    for (char *c = out; *c != '\0'; c++)
        if (!name_byte(*c))
            *c = '?';
}

int groups_find_in(const struct segment *s, uint64_t w, const char *name) {
    uint64_t wanted[NAME_WORDS];
    if (strlen(name) >= GROUP_NAME_BYTES)
        return -1;
    name_words(name, wanted);
    for (uint32_t rest = groups_active(s, w); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        bool same = true;
        for (unsigned i = 0; i < NAME_WORDS && same; i++)
            same = load_acquire(&s->groups[g].name[i], active) == wanted[i];
        if (same)
            return (int)g;
    }
    return -1;
}

int groups_find(const struct segment *s, const char *name, uint64_t *generation) {
    uint64_t w = groups_load(s);
    for (;;) {
        int g = groups_find_in(s, w, name);
        if (g >= 0 && generation != NULL)
            *generation = group_generation(load_acquire(&s->groups[g].word, active));
        uint64_t now = groups_load(s); /* a name belongs to an active group as long as nothing changed */
        if (now == w)
            return g;
        w = now;
    }
}
