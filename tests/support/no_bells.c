/* SPDX-License-Identifier: MIT */
/* For platforms in memory, where nobody has a descriptor: nothing can be rung, and nothing is. */
#include "bell.h"
#include "error.h"
#include "futex.h"

#include <errno.h>

int bell_open(struct bell *b) {
    *b = (struct bell){.descriptor = -1, .timer = -1, .socket = -1};
    return fail(-ENOSYS, "no descriptors here");
}
void bell_close(struct bell *b) { (void)b; }
int bell_bind(struct bell *b, const struct bell_name *name) {
    (void)b, (void)name;
    return fail(-ENOSYS, "no names here");
}
bool bell_has_name(const struct bell_name *name) {
    (void)name;
    return false;
}
void bell_remove(const struct bell_name *name) { (void)name; }
void bell_drain(const struct bell *b) { (void)b; }
void bell_after(const struct bell *b, uint64_t ns) { (void)b, (void)ns; }
int bell_ringer_open(void) { return 0; }
void bell_ringer_close(int ringer) { (void)ringer; }
/* As if it were of the dead. */
bool bell_ring(int ringer, const struct bell_name *name) {
    (void)ringer, (void)name;
    return true;
}

int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    (void)words, (void)expected, (void)count, (void)timeout_ns;
    return -ENOSYS;
}
