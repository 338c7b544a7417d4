/* SPDX-License-Identifier: MIT */
/* Directories on disk. Errors are negative, with the detail set. */
#ifndef RP_PLATFORM_DIRECTORY_H
#define RP_PLATFORM_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

/* The absolute path, without links, of a directory that need not be there, but its parent must. -EINVAL: it has `room` bytes or more; errno. */
int directory_path(const char *given, char *path, size_t room);

/* Makes it, for whoever may use a file of this mode and Unix group (NULL: the caller's). 0 also if it is there, as it is. */
int directory_make(const char *path, uint32_t mode, const char *group);

#endif
