/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_number(const char **at, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    bool good = **at >= '0' && **at <= '9' && errno == 0;
    *at = end;
    return good;
}

bool options_parse_numbers(const char *text, void *numbers) {
    struct numbers *n = numbers;
    for (n->count = 0; n->count < NUMBERS_MAX; text++) {
        uint64_t *value = &n->value[n->count++];
        if (!read_number(&text, value) || *value == 0 || (*text != ',' && *text != 0)) {
            return false;
        }
        if (*text == 0) {
            return true;
        }
    }
    return false;
}

bool options_parse_rate(const char *text, void *interval_ns) {
    uint64_t count;
    if (!read_number(&text, &count) || count == 0 || count > 100000000) {
        return false;
    }
    uint64_t factor = *text == 'k' ? 1000 : *text == 'M' ? 1000000 : 1;
    text += factor > 1;
    if (strcmp(text, "/s") != 0 || count > 100000000 / factor) {
        return false;
    }
    *(uint64_t *)interval_ns = 1000000000 / (count * factor);
    return true;
}

bool options_parse_tolerance(const char *text, void *tolerance) {
    char *end;
    double percent = strtod(text, &end);
    *(double *)tolerance = percent / 100;
    return end != text && percent >= 0 && percent <= 1000 && (strcmp(end, "%") == 0 || *end == 0);
}

static bool within(const struct numbers *n, uint64_t least, uint64_t most, uint64_t multiple) {
    for (int i = 0; i < n->count; i++) {
        if (n->value[i] < least || n->value[i] > most || n->value[i] % multiple != 0) {
            return false;
        }
    }
    return true;
}

/* A run takes minutes; that its result cannot be kept should be known before. */
static bool can_write(const char *path) {
    char folder[4096];
    struct stat st;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1, slash != NULL ? path : ".");
    if (path == NULL) {
        return true;
    }
    if (stat(path, &st) == 0) {
        errno = EISDIR;
        if (!S_ISDIR(st.st_mode) && access(path, W_OK) == 0) {
            return true;
        }
    } else if (errno == ENOENT && *path != 0 && path[strlen(path) - 1] != '/' && access(folder, W_OK) == 0) {
        return true;
    }
    cli_error("%s: %s", path, strerror(errno));
    return false;
}

static bool read_earlier(struct options *o) {
    json_error_t error;
    o->earlier = json_load_file(o->against, 0, &error);
    if (o->earlier == NULL || !json_is_array(json_object_get(o->earlier, "results"))) {
        cli_error("%s: %s", o->against, o->earlier == NULL ? error.text : "not what --json of this command prints");
        return false;
    }
    return true;
}

int options_check(struct options *o) {
    if (!within(&o->bytes, 8, 1 << 20, 8)) {
        return cli_usage_error("--bytes takes multiples of 8 from 8 to 1048576");
    }
    if (!within(&o->pairs, 1, PEER_PARTIES_MAX, 1) || !within(&o->readers, 1, PEER_PARTIES_MAX, 1)) {
        return cli_usage_error("there are at most %d producers and %d consumers", PEER_PARTIES_MAX, PEER_PARTIES_MAX);
    }
    if (!within(&o->batches, 1, PEER_BATCH_MAX, 1)) {
        return cli_usage_error("--batch takes 1 to %d", PEER_BATCH_MAX);
    }
    if (o->capacity < 4 || o->capacity > 1 << 22 || (o->capacity & (o->capacity - 1)) != 0) {
        return cli_usage_error("--capacity takes powers of two from 4 to 4194304");
    }
    if (o->slices > 100000 || o->slice_ns < 1000000 || o->slice_ns > 60 * CLI_NS_PER_S) {
        return cli_usage_error("--slices ends at 100000, --slice is 1ms to 60s");
    }
    if (o->fail && o->against == NULL) {
        return cli_usage_error("--fail says what to do when --against finds something worse");
    }
    if (!can_write(o->svg) || !can_write(o->hgrm) || !can_write(o->save) || (o->against != NULL && !read_earlier(o))) {
        return CLI_FAILED;
    }
    return CLI_PROCEED;
}

/* -- peers -- */

bool options_absent(const struct peer_entry *e, char why[PEER_WHY_MAX]) {
    if (e->peer == NULL) {
        snprintf(why, PEER_WHY_MAX, "not built in: %s", e->needs != NULL ? e->needs : "left out");
        return true;
    }
    snprintf(why, PEER_WHY_MAX, "not available");
    return e->peer->available != NULL && !e->peer->available(why);
}

static const char *name_at(const void *set, size_t index) { return ((const struct peer_entry *)set)[index].name; }

static const struct peer_entry *entry_of(const char *name, size_t length) {
    for (const struct peer_entry *e = peer_entries; e->name != NULL; e++) {
        if (strlen(e->name) == length && strncmp(e->name, name, length) == 0) {
            return e;
        }
    }
    char text[40];
    snprintf(text, sizeof text, "%.*s", (int)(length < 39 ? length : 39), name);
    const char *near = cli_nearest(text, name_at, peer_entries);
    cli_usage_error("there is no peer '%s'%s%s%s; 'ringpost bench peers' lists them", text, near != NULL ? "; did you mean '" : "",
                    near != NULL ? near : "", near != NULL ? "'?" : "");
    return NULL;
}

static bool by_default(const struct peer_entry *e, bool everything) {
    return everything || strcmp(e->name, "ringpost") == 0 || strcmp(e->name, "rp_ring") == 0;
}

const struct peer **options_peers(const struct options *o, bool everything) {
    static const struct peer *chosen[64];
    char why[PEER_WHY_MAX];
    size_t count = 0, most = sizeof chosen / sizeof *chosen - 1;
    const char *at = o->peers != NULL && strcmp(o->peers, "all") != 0 ? o->peers : NULL;
    for (const struct peer_entry *e = peer_entries; at == NULL && e->name != NULL && count < most; e++) {
        if (by_default(e, everything || o->peers != NULL) && !options_absent(e, why)) {
            chosen[count++] = e->peer;
        }
    }
    while (at != NULL && count < most) {
        size_t length = strcspn(at, ",");
        const struct peer_entry *e = entry_of(at, length);
        if (e == NULL) {
            return NULL;
        }
        if (options_absent(e, why)) {
            cli_error("%s: %s", e->name, why);
            return NULL;
        }
        chosen[count++] = e->peer;
        at = at[length] == ',' ? at + length + 1 : NULL;
    }
    chosen[count] = NULL;
    return chosen;
}
