/* SPDX-License-Identifier: MIT */
/*
 * Who does what need be done only once: a time lease, which is enough since whatever is done under it may be done twice. A word says until when somebody is
 * at it, or wants nobody to be; who dies or stops meanwhile keeps others from it no longer than that.
 */
#ifndef RP_MEMORY_ROLE_H
#define RP_MEMORY_ROLE_H

#include "atomic.h"

/* Takes the role until `until`, in the unit of `now`. A word that says more than `longest` from now is damage, and free. */
static inline bool role_take(a64 *role, uint64_t now, uint64_t until, uint64_t longest) {
    uint64_t taken_until = load_relaxed(role, hint);
    bool free = now >= taken_until || taken_until - now > longest;
    return free && cas_relaxed(role, &taken_until, until, hint);
}

#endif
