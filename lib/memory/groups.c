/* SPDX-License-Identifier: MIT */
#include "groups.h"
#include <string.h>

enum { NAME_WORDS = GROUP_NAME_BYTES / 8 };

static bool name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
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
