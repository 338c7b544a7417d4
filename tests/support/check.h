/* SPDX-License-Identifier: MIT */
/* cmocka, with what it wants included before it. */
#ifndef SUPPORT_CHECK_H
#define SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* ours is the one of lib/platform/error.h */

#endif
