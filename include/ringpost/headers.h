/* SPDX-License-Identifier: MIT */
/**
 * @file headers.h
 * Headers: names with values that travel with a message, beside its payload, which stays opaque.
 *
 * A name has 1 to 64 characters of `A-Z a-z 0-9 ! # $ % & ' * + - . ^ _ ` | ~` (a token of HTTP). Case says nothing: names are kept and shown in lower case, and looked for
 * in any. A value is text without a zero byte, at most RP_HEADER_VALUE_MAX bytes, and may be empty; it is kept as it is. A message has each name once, and at most
 * RP_HEADERS_MAX of them.
 *
 * They lie in the message's own memory, behind the payload, and take: for each the bytes of name and value and 6 more, rounded up to 8 all together, and 8. There must be room for that:
 * whatever the payload leaves of `message_bytes`, and the queue's `header_bytes` beside. Else RP_TOO_BIG, and nothing was sent. In `max_bytes` they count as the payload does.
 */
#ifndef RINGPOST_HEADERS_H
#define RINGPOST_HEADERS_H

#include <ringpost/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_HEADER_CONTENT_TYPE "content-type"     /**< what the payload is, as a media type: "application/json" */
#define RP_HEADER_CORRELATION_ID "correlation-id" /**< which request this answers; request.h */
#define RP_HEADER_REPLY_TO "reply-to"             /**< the queue that waits for the answer; request.h */
#define RP_HEADER_TRACEPARENT "traceparent"       /**< W3C trace context: `00-32 hex digits-16 hex digits-2 hex digits` */

#define RP_HEADERS_MAX 64        /**< headers of a message */
#define RP_HEADER_NAME_MAX 64    /**< bytes of a name */
#define RP_HEADER_VALUE_MAX 8192 /**< bytes of a value */

struct rp_header {
    const char *name;
    const char *value;
};

/** The headers of a message that was received, peeked, or is dead: to be read with the functions below. Zeros: it has none. */
struct rp_headers {
    const void *block; /**< the library's; NULL: none, or there was no room for a copy */
    size_t bytes;      /**< of the block */
};

/**
 * The value of a header, or NULL: there is none. Ends with a zero, and lives as long as the payload beside it. Any thread; no system call, steps bounded by the bytes of the block, which is checked anew
 * each time: a damaged one ends where it is damaged. As with the payload, somebody who overwrites a message that is being read changes what is read: who does not trust the other
 * processes of a queue copies before he looks, or receives at most once, where the library has copied.
 */
RP_API const char *rp_headers_get(const struct rp_headers *h, const char *name);

/**
 * One header after the other, in the order of the send: begin with `*at` = 0. -> 1: `*out` is one; 0: no more; RP_CORRUPT: damaged from here on.
 */
RP_API int rp_headers_next(const struct rp_headers *h, size_t *at, struct rp_header *out);

#ifdef __cplusplus
}
#endif
#endif
