/* SPDX-License-Identifier: MIT */
/* JSON: one object a line, fields in the order in which they were added. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

json_t *cli_json_u64(uint64_t value) {
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    return json_sprintf("%" PRIu64, value);
}

json_t *cli_json_base64(const void *data, size_t bytes) {
    const unsigned char *p = data;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (bytes + 2) / 3 * 4, at = 0;
    char *text = malloc(length + 1);
    json_t *string;
    if (!text)
        return NULL;
    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t group = (uint32_t)p[i] << 16;
        if (i + 1 < bytes)
            group |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < bytes)
            group |= p[i + 2];
        text[at++] = digits[group >> 18];
        text[at++] = digits[group >> 12 & 63];
        text[at++] = i + 1 < bytes ? digits[group >> 6 & 63] : '=';
        text[at++] = i + 2 < bytes ? digits[group & 63] : '=';
    }
    string = json_stringn(text, length);
    free(text);
    return string;
}

void cli_json_bytes(json_t *object, const char *name, const char *base64_name, const void *data, size_t bytes) {
    json_t *text = json_stringn(bytes ? data : "", bytes); /* NULL if it is not UTF-8 */
    if (text) {
        json_object_set_new(object, name, text);
    } else {
        json_object_set_new(object, base64_name, cli_json_base64(data, bytes));
    }
}

json_t *cli_json_failure(const struct rp_last_failure *f) {
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string(cli_failure_name(f->kind)));
    json_object_set_new(object, "text", json_stringn(f->text, strnlen(f->text, sizeof f->text)));
    json_object_set_new(object, "failed_ns", cli_json_u64(f->failed_ns));
    json_object_set_new(object, "first_failed_ns", cli_json_u64(f->first_failed_ns));
    json_object_set_new(object, "pid", cli_json_u64(f->pid));
    json_object_set_new(object, "executable", json_stringn(f->executable, strnlen(f->executable, sizeof f->executable)));
    return object;
}

void cli_json_payload(json_t *object, const void *data, size_t bytes) {
    cli_json_bytes(object, "data", "data_base64", data, bytes);
}

void cli_json_order(json_t *object, const void *key, size_t key_bytes, uint32_t priority) {
    if (key_bytes > 0)
        cli_json_bytes(object, "key", "key_base64", key, key_bytes);
    json_object_set_new(object, "priority", cli_json_u64(priority));
}

char *cli_json_text(json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

void cli_json_print(FILE *out, json_t *object) {
    json_dumpf(object, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(object);
}
