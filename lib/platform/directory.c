/* SPDX-License-Identifier: MIT */
#include "directory.h"
#include "error.h"
#include "shm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of what is not there, as that of its parent and its name. */
static char *resolve_new(const char *given) {
    size_t bytes = strlen(given);
    while (bytes > 1 && given[bytes - 1] == '/')
        bytes--;
    char *copy = strndup(given, bytes), *slash = copy == NULL ? NULL : strrchr(copy, '/'), *parent, *whole = NULL;
    const char *name = slash == NULL ? copy : slash + 1;
    if (copy == NULL)
        return NULL;
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
        free(copy);
        errno = ENOENT;
        return NULL;
    }
    if (slash != NULL)
        *slash = 0;
    parent = realpath(slash == NULL ? "." : slash == copy ? "/" : copy, NULL);
    const bool root = parent != NULL && parent[1] == 0;
    if (parent != NULL && (whole = malloc(strlen(parent) + strlen(name) + 2)) != NULL) {
        strcpy(whole, root ? "" : parent);
        strcat(whole, "/");
        strcat(whole, name);
    }
    free(parent);
    free(copy);
    return whole;
}

int directory_path(const char *given, char *path, size_t room) {
    if (given[0] == 0)
        return fail(-EINVAL, "the directory's path is empty");
    char *whole = realpath(given, NULL);
    if (whole == NULL && errno == ENOENT)
        whole = resolve_new(given);
    if (whole == NULL)
        return fail(-errno, "directory '%.160s': %s", given, rp_error_text(-errno));
    size_t bytes = strlen(whole);
    if (bytes < room)
        memcpy(path, whole, bytes + 1);
    free(whole);
    return bytes < room ? 0
                        : fail(-EINVAL, "the directory's path has %zu bytes, allowed are %zu: '%.80s...'", bytes, room - 1, given);
}

int directory_make(const char *path, uint32_t mode, const char *group) {
    uint32_t gid = 0;
    int result = group != NULL ? shm_group(group, &gid) : 0;
    if (result < 0)
        return result;
    mode |= (mode & 0444) >> 2 | (group != NULL ? S_ISGID : 0); /* who may read may look for names */
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? 0 : fail(-errno, "make directory '%.160s': %s", path, rp_error_text(-errno));
    if ((group == NULL || chown(path, (uid_t)-1, gid) == 0) && chmod(path, mode) == 0)
        return 0;
    result = -errno;
    (void)rmdir(path);
    return fail(result, "give directory '%.120s' its mode %04o and group: %s", path, mode, rp_error_text(result));
}
