/* SPDX-License-Identifier: MIT */
#include "place.h"
#include "cli.h"
#include "when.h"

#include <string.h>

bool place_parse(const char *text, struct place *p) {
    static const char ago[] = " ago";
    size_t length = strlen(text), tail = sizeof ago - 1;
    char duration[CLI_TEXT_MAX];
    uint64_t ns, now = cli_wall_ns();
    *p = (struct place){0};
    if (length > tail && length - tail < sizeof duration && strcmp(text + length - tail, ago) == 0) {
        memcpy(duration, text, length - tail);
        duration[length - tail] = '\0';
        if (!cli_parse_duration(duration, &ns))
            return false;
        p->time_ns = now > ns ? now - ns : 1;
        return true;
    }
    return cli_parse_count(text, &p->sequence) || (when_parse(text, &p->time_ns) && p->time_ns > 0);
}
