/* SPDX-License-Identifier: MIT */
/* json KEY...: reads one JSON object a line and prints the values of the keys, a tab between them; a key may be a path, a.b. Fails if
   a line is not an object or has no such key. Without keys it only checks. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *find(const json_t *object, const char *path) {
    char key[64];
    size_t length = strcspn(path, ".");
    if (length >= sizeof key)
        return NULL;
    memcpy(key, path, length);
    key[length] = '\0';
    object = json_object_get(object, key);
    return path[length] && object ? find(object, path + length + 1) : object;
}

static void print_value(const json_t *value) {
    if (json_is_string(value)) {
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    } else if (json_is_array(value)) {
        printf("%zu", json_array_size(value));
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY);
    }
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) > 0) {
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &error);
        if (!json_is_object(object)) {
            fprintf(stderr, "not a JSON object: %s%s\n", line, error.text);
            return 1;
        }
        for (int i = 1; i < argc; i++) {
            const json_t *value = find(object, argv[i]);
            if (!value) {
                fprintf(stderr, "no '%s' in %s", argv[i], line);
                return 1;
            }
            if (i > 1)
                putchar('\t');
            print_value(value);
        }
        if (argc > 1)
            putchar('\n');
        json_decref(object);
    }
    free(line);
    return 0;
}
