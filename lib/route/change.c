/* SPDX-License-Identifier: MIT */
/* The calls that change bindings. What a change is, and what one who dies in it leaves: bindings.h. */
#include "attached.h"
#include "error.h"
#include "options.h"
#include "topic.h"
#include <errno.h>
#include <string.h>

RP_API void rp_bind_options_init(struct rp_bind_options *o, size_t size) {
    const struct rp_bind_options defaults = {.size = sizeof defaults, .timeout_ns = INT64_C(1000000000)};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* As those of messages: tokens, in which case says nothing. */
static bool is_header_name(const char *name) {
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    size_t bytes = name == NULL ? 0 : strnlen(name, RP_HEADER_NAME_MAX + 1);
    return bytes >= 1 && bytes <= RP_HEADER_NAME_MAX && strspn(name, token) == bytes;
}

static int pack_headers(struct binding *x, const struct rp_bind_options *o) {
    if (o->header_count > BINDING_HEADERS_MAX || (o->header_count > 0 && o->headers == NULL))
        return fail(-EINVAL, "%u headers, allowed are 0 to %d", o->header_count, BINDING_HEADERS_MAX);
    for (uint32_t i = 0; i < o->header_count; i++) {
        const struct rp_header *h = &o->headers[i];
        if (!is_header_name(h->name) || h->value == NULL)
            return fail(-EINVAL, "header %u of the binding: no name that a header can have, or no value", i);
        size_t name_bytes = strlen(h->name) + 1, value_bytes = strnlen(h->value, RP_BINDING_HEADERS) + 1;
        if (x->headers_bytes + name_bytes + value_bytes > RP_BINDING_HEADERS)
            return fail(-EINVAL, "a binding's headers have %d bytes together, with a NUL behind each name and value",
                        RP_BINDING_HEADERS);
        char *to = x->text.headers + x->headers_bytes;
        for (size_t k = 0; k < name_bytes; k++)
            to[k] = (char)(h->name[k] >= 'A' && h->name[k] <= 'Z' ? h->name[k] + ('a' - 'A') : h->name[k]);
        memcpy(to + name_bytes, h->value, value_bytes);
        x->headers_bytes += (uint32_t)(name_bytes + value_bytes);
    }
    x->header_count = o->header_count;
    x->match = o->match;
    return 0;
}

static int describe(struct binding *x, const char *pattern, const char *queue, const struct rp_bind_options *o) {
    size_t pattern_bytes, queue_bytes;
    char path[SHM_PATH_MAX];
    *x = (struct binding){0};
    int result = pattern_check(pattern, &pattern_bytes);
    if (result < 0 || (result = binding_check_queue(queue, &queue_bytes)) < 0 || (result = shm_path(queue, path)) < 0)
        return result;
    queue = exchange_queue_name(queue);
    queue_bytes = strlen(queue);
    if (o->match > RP_MATCH_ANY || (o->match == RP_MATCH_ANY && o->header_count == 0) || o->timeout_ns < -1)
        return fail(-EINVAL, "rp_bind_options: %s", o->timeout_ns < -1 ? "negative timeout" : "any of no headers never matches");
    x->pattern_bytes = (uint32_t)pattern_bytes;
    x->queue_bytes = (uint32_t)queue_bytes;
    memcpy(x->text.pattern, pattern, pattern_bytes);
    memcpy(x->text.queue, queue, queue_bytes);
    return pack_headers(x, o);
}

static int change(rp_exchange *x, const char *pattern, const char *queue, const struct rp_bind_options *given,
                  int (*how)(struct bindings *b, const struct binding *x)) {
    struct rp_bind_options o;
    struct binding binding;
    struct change c;
    rp_bind_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_bind_options");
    if (result < 0 || (result = exchange_check(x)) < 0 || (result = describe(&binding, pattern, queue, &o)) < 0)
        return result;
    if (x->read_only)
        return fail(-EROFS, "exchange '%.80s' was opened read-only", x->name);
    result = change_begin(x, o.timeout_ns, &c);
    if (result < 0)
        return result;
    result = how(&x->bindings, &binding);
    change_end(&c);
    return result;
}

RP_API int rp_exchange_bind(rp_exchange *x, const char *pattern, const char *queue, const struct rp_bind_options *o) {
    return change(x, pattern, queue, o, bindings_add);
}

RP_API int rp_exchange_unbind(rp_exchange *x, const char *pattern, const char *queue, const struct rp_bind_options *o) {
    return change(x, pattern, queue, o, bindings_remove);
}

RP_API int rp_exchange_sweep(rp_exchange *x) {
    struct rp_bind_options o;
    struct change c;
    rp_bind_options_init(&o, sizeof o);
    int result = exchange_check(x);
    if (result < 0)
        return result;
    if (x->read_only)
        return fail(-EROFS, "exchange '%.80s' was opened read-only", x->name);
    result = change_begin(x, o.timeout_ns, &c);
    if (result < 0)
        return result;
    result = bindings_mend(&x->bindings);
    change_end(&c);
    return result;
}
