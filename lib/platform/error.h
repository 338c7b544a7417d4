/* SPDX-License-Identifier: MIT */
/* The thread's detail text behind rp_error_detail(). */
#ifndef RP_PLATFORM_ERROR_H
#define RP_PLATFORM_ERROR_H

#include <ringpost/error.h>

/* Sets the detail (printf-like, cut at 255 bytes) and returns `result`, so that a failure is one line: return fail(-EINVAL, "...", ...). */
int fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
