/* SPDX-License-Identifier: MIT */
#include <ringpost/ringpost.h>

RP_API const char *rp_version(void) {
#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)
    return VERSION_TEXT(RP_VERSION_MAJOR, RP_VERSION_MINOR, RP_VERSION_PATCH);
}
