/* SPDX-License-Identifier: MIT */
/* The .hgrm files. */
#include "../hgrm.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool write_one(const char *path, const struct plan *p, const struct measure *m) {
    struct histogram *all = calloc(1, sizeof *all);
    FILE *f = all != NULL ? fopen(path, "we") : NULL;
    bool good = f != NULL;
    for (int r = 0; good && r < REGIME_COUNT; r++) {
        if (m->ticks[r] != NULL) {
            histogram_merge(all, m->ticks[r]);
        }
    }
    if (good) {
        hgrm_print(f, all, p->machine->ticks_per_ns);
        good = !ferror(f);
        good = fclose(f) == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "ringpost bench: %s: %s\n", path, strerror(errno));
    }
    free(all);
    return good;
}

static bool is_timed(const struct measure *m) {
    return m->job.peer != NULL && (m->job.kind == TRIAL_TRIP || m->job.kind == TRIAL_RATE) && m->series.count > 0;
}

bool report_hgrm(const char *path, const struct plan *p) {
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        count += is_timed(&p->measures[i]);
    }
    bool good = true;
    for (size_t i = 0; i < p->count; i++) {
        const struct measure *m = &p->measures[i];
        if (!is_timed(m)) {
            continue;
        }
        const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
        int stem = dot != NULL && (slash == NULL || dot > slash + 1) ? (int)(dot - path) : (int)strlen(path);
        char name[4096];
        int length = count == 1
                         ? snprintf(name, sizeof name, "%s", path)
                         : snprintf(name, sizeof name, "%.*s-%s-%u%s", stem, path, m->series.peer, m->job.bytes, path + stem);
        if (length >= (int)sizeof name) {
            errno = ENAMETOOLONG;
            perror(path);
            return false;
        }
        good = write_one(name, p, m) && good;
    }
    return good;
}
