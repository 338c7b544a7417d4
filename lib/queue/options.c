/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "error.h"
#include <errno.h>
#include <string.h>

void options_fill(void *o, size_t size, const void *defaults, size_t known) {
    if (o == NULL || size < sizeof size)
        return;
    memset(o, 0, size);
    memcpy(o, defaults, size < known ? size : known);
    memcpy(o, &size, sizeof size);
}

static int size_of(const void *theirs, const char *what, size_t *size) {
    memcpy(size, theirs, sizeof *size);
    return *size >= sizeof *size && *size <= 65536 ? 0
                                                   : fail(-EINVAL, "%s: size is %zu; fill it with its _init function", what, *size);
}

int options_take(void *into, size_t known, const void *given, const char *what) {
    size_t size;
    if (given == NULL)
        return 0;
    int result = size_of(given, what, &size);
    if (result < 0)
        return result;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return fail(-E2BIG, "%s: byte %zu is set, this library knows %zu bytes", what, i, known);
    memcpy(into, given, size < known ? size : known);
    memcpy(into, &known, sizeof known);
    return 0;
}

int options_give(void *out, const void *values, size_t known, const char *what) {
    size_t size;
    int result = size_of(out, what, &size);
    if (result == 0)
        options_fill(out, size, values, known);
    return result;
}
