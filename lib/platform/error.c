/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_BYTES = 256, TEXT_BYTES = 128, LOWEST_ERRNO = -4095 };

static _Thread_local char detail[DETAIL_BYTES];

int fail(int result, const char *format, ...) {
    char text[DETAIL_BYTES]; /* apart, as the detail itself may be among the arguments */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(detail, text, sizeof text);
    return result;
}

const char *rp_error_detail(void) { return detail; }

const char *rp_error_name(int result) {
    if (result >= 0)
        return "OK";
    switch (result) {
#define CASE(name, value, text) \
    case value: return #name;
        RP_ERROR_TABLE(CASE)
#undef CASE
    }
    const char *name = result >= LOWEST_ERRNO ? strerrorname_np(-result) : NULL;
    return name ? name : "unknown";
}

const char *rp_error_text(int result) {
    if (result >= 0)
        return "success";
    switch (result) {
#define CASE(name, value, text) \
    case value: return text;
        RP_ERROR_TABLE(CASE)
#undef CASE
    }
    /* strerror_r may answer with the buffer or with a constant. */
    static _Thread_local char text[TEXT_BYTES];
    return result >= LOWEST_ERRNO ? strerror_r(-result, text, sizeof text) : "unknown error";
}
