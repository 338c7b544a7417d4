/* SPDX-License-Identifier: MIT */
/**
 * @file error.h
 * Results of every call: 0 or a positive count on success, negative on failure. Causes that come from the operating
 * system are `-errno`; our own begin at -4096 and are listed here, in the one table that yields enum, name and text.
 * `errno` is never an output.
 */
#ifndef RINGPOST_ERROR_H
#define RINGPOST_ERROR_H

#include <ringpost/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** X(name, value, text) */
#define RP_ERROR_TABLE(X)                                                          \
    X(RP_EMPTY, -4096, "nothing to receive before the timeout")                    \
    X(RP_FULL, -4097, "no memory left for another message")                        \
    X(RP_TOO_BIG, -4098, "larger than the queue allows")                           \
    X(RP_LEASE_LOST, -4099, "the lease ran out; the message is no longer yours")   \
    X(RP_DUPLICATE, -4100, "a message with this id was sent already")              \
    X(RP_PAUSED, -4101, "this side of the queue is paused")                        \
    X(RP_CORRUPT, -4102, "the segment is damaged")                                 \
    X(RP_INCOMPATIBLE, -4103, "the segment was made by an incompatible version")   \
    X(RP_NOT_READY, -4104, "the segment is not ready yet")                         \
    X(RP_FORKED, -4105, "handle inherited over fork; open the queue in the child") \
    X(RP_GONE, -4106, "the queue or group was removed")                            \
    X(RP_NO_SEAT, -4107, "every participant seat is taken")                        \
    X(RP_LAPPED, -4108, "the writer overtook this reader")                         \
    X(RP_IN_USE, -4109, "still in use")                                            \
    X(RP_UNROUTABLE, -4110, "no queue is bound for this topic")                    \
    X(RP_NOT_DURABLE, -4111, "the journal cannot be written")

enum rp_error {
#define RP_ERROR_ENUM(name, value, text) name = value,
    RP_ERROR_TABLE(RP_ERROR_ENUM)
#undef RP_ERROR_ENUM
};

/** The name of a result, "RP_FULL" or "ENOENT"; "OK" for 0 and above. Never NULL. Any thread; does not block. */
RP_API const char *rp_error_name(int result);

/** One line that explains a result to a person. Never NULL; valid until the thread's next call. */
RP_API const char *rp_error_text(int result);

/**
 * What exactly failed in this thread's last failing call, with the name, path, offset or number concerned: "queue 'orders':
 * message of 2000 bytes, the limit is 1024". Empty when there is nothing to add. Valid until the thread's next
 * failing call. Hot-path results that are part of normal life (RP_EMPTY, RP_LEASE_LOST, ...) leave it untouched or empty.
 */
RP_API const char *rp_error_detail(void);

#ifdef __cplusplus
}
#endif
#endif
