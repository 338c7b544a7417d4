/* SPDX-License-Identifier: MIT */
#include "peer.h"

/* Weak: which of them are built is CMake's business alone, and those that are not are NULL here. */
#define PEER(id) extern const struct peer peer_##id __attribute__((weak))
PEER(ringpost);
PEER(rp_ring);
PEER(one_line);
PEER(vyukov);
PEER(pipe);
PEER(unix_stream);
PEER(unix_seqpacket);
PEER(posix_mq);
PEER(eventfd_shm);
PEER(zeromq);
PEER(nng);
PEER(boost_mq);
PEER(libqb);
PEER(ck_spsc);
PEER(ck_mpmc);
PEER(rte_spsc);
PEER(rte_mpmc);
PEER(rte_rts);
PEER(rte_hts);
PEER(redis);
PEER(beanstalkd);
PEER(rabbitmq);

const struct peer_entry peer_entries[] = {
    {&peer_ringpost, "ringpost", NULL},
    {&peer_rp_ring, "rp_ring", NULL},
    {&peer_one_line, "one-line", NULL},
    {&peer_vyukov, "vyukov", NULL},
    {&peer_ck_spsc, "ck-spsc", "Concurrency Kit (Debian: libck-dev)"},
    {&peer_ck_mpmc, "ck-mpmc", "Concurrency Kit (Debian: libck-dev)"},
    {&peer_rte_spsc, "rte-spsc", "DPDK (Debian: libdpdk-dev)"},
    {&peer_rte_mpmc, "rte-mpmc", "DPDK (Debian: libdpdk-dev)"},
    {&peer_rte_rts, "rte-rts", "DPDK (Debian: libdpdk-dev)"},
    {&peer_rte_hts, "rte-hts", "DPDK (Debian: libdpdk-dev)"},
    {&peer_libqb, "libqb", "libqb (Debian: libqb-dev)"},
    {&peer_eventfd_shm, "eventfd-shm", NULL},
    {&peer_boost_mq, "boost-mq", "a C++ compiler and Boost.Interprocess (Debian: g++ libboost-dev)"},
    {&peer_pipe, "pipe", NULL},
    {&peer_unix_stream, "unix-stream", NULL},
    {&peer_unix_seqpacket, "unix-seqpacket", NULL},
    {&peer_posix_mq, "posix-mq", NULL},
    {&peer_zeromq, "zeromq", "ZeroMQ (Debian: libzmq3-dev)"},
    {&peer_nng, "nng", "nng (Debian: libnng-dev)"},
    {&peer_redis, "redis", "hiredis (Debian: libhiredis-dev)"},
    {&peer_beanstalkd, "beanstalkd", NULL},
    {&peer_rabbitmq, "rabbitmq", "librabbitmq (Debian: librabbitmq-dev)"},
    {0},
};
