/* SPDX-License-Identifier: MIT */
/** @file export.h  Marks what the shared library exports; everything else is hidden. */
#ifndef RINGPOST_EXPORT_H
#define RINGPOST_EXPORT_H

#define RP_VERSION_MAJOR 0
#define RP_VERSION_MINOR 1
#define RP_VERSION_PATCH 0

#if defined(__GNUC__)
#define RP_API __attribute__((visibility("default")))
#else
#define RP_API
#endif

#endif
