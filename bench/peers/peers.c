/* SPDX-License-Identifier: MIT */
#include "peer.h"

/* Weak: which of them are built is CMake's business alone, and those that are not are NULL here. */
#define PEER(id) extern const struct peer peer_##id __attribute__((weak))
PEER(ringpost);
PEER(rp_ring);
PEER(vyukov);
PEER(pipe);
PEER(unix_stream);

const struct peer_entry peer_entries[] = {
    {&peer_ringpost, "ringpost", NULL},       {&peer_rp_ring, "rp_ring", "the library has no rp_ring"},
    {&peer_vyukov, "vyukov", NULL},           {&peer_pipe, "pipe", NULL},
    {&peer_unix_stream, "unix-stream", NULL}, {0},
};
