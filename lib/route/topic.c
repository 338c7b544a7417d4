/* SPDX-License-Identifier: MIT */
#include "topic.h"
#include "error.h"
#include <errno.h>
#include <string.h>

static int check(const char *what, const char *text, bool pattern, size_t *bytes) {
    if (text == NULL)
        return fail(-EINVAL, "no %s", what);
    size_t length = strnlen(text, TOPIC_BYTES_MAX + 1);
    if (length == 0 || length > TOPIC_BYTES_MAX)
        return fail(-EINVAL, "a %s has 1 to %d bytes", what, TOPIC_BYTES_MAX);
    for (size_t i = 0; i < length; i++) {
        bool first = i == 0 || text[i - 1] == '.', last = i + 1 == length || text[i + 1] == '.';
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            return fail(-EINVAL, "a control character in a %s, at byte %zu", what, i);
        if ((c == '*' || c == '#') && !(pattern && first && last))
            return fail(-EINVAL, pattern ? "%s '%.100s': %c stands for whole words" : "%s '%.100s': %c is for patterns", what, text,
                        c);
        if (c == '.' && (first || i + 1 == length))
            return fail(-EINVAL, "%s '%.100s': an empty word", what, text);
    }
    *bytes = length;
    return 0;
}

int topic_check(const char *topic, size_t *bytes) { return check("topic", topic, false, bytes); }

int pattern_check(const char *pattern, size_t *bytes) { return check("pattern", pattern, true, bytes); }
