/* SPDX-License-Identifier: MIT */
/* Boost.Interprocess: a message_queue in POSIX shared memory, one mutex for all. */
#include "peer.h"

#include <boost/interprocess/ipc/message_queue.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <unistd.h>
#include <vector>

namespace {

using boost::interprocess::message_queue;

struct World {
    peer_setup setup;
    std::unique_ptr<message_queue> queues[2];
};

struct End {
    message_queue &queue;
    uint32_t bytes;
    std::vector<uint64_t> bodies;
};

void *create(const peer_setup *setup) {
    try {
        auto world = std::make_unique<World>();
        world->setup = *setup;
        for (uint32_t i = 0; i < setup->channels; i++) {
            char path[CREW_PATH_MAX];
            std::snprintf(path, sizeof path, "/dev/shm/ringpost-bench-boost-%ld-%u", static_cast<long>(getpid()), i);
            const char *name = path + sizeof "/dev/shm/" - 1;
            crew_file(path);
            world->queues[i] =
                std::make_unique<message_queue>(boost::interprocess::create_only, name, setup->capacity, setup->bytes);
            message_queue::remove(name); // those who are forked have it mapped
        }
        return world.release();
    } catch (const std::exception &e) {
        crew_fail("message_queue: %s", e.what());
    }
}

void *attach(void *world, uint32_t channel, bool, uint32_t) {
    auto *w = static_cast<World *>(world);
    return new End{*w->queues[channel], w->setup.bytes, std::vector<uint64_t>(w->setup.bytes / 8 * w->setup.batch)};
}

size_t put(void *end, const unsigned char *bodies, size_t count) {
    auto *e = static_cast<End *>(end);
    size_t done = 0;
    while (done < count && e->queue.try_send(bodies + done * e->bytes, e->bytes, 0)) {
        done++;
    }
    return done;
}

size_t get(void *end, peer_message *messages, size_t count) {
    auto *e = static_cast<End *>(end);
    size_t done = 0;
    for (; done < count; done++) {
        message_queue::size_type bytes;
        unsigned priority;
        uint64_t *body = e->bodies.data() + done * (e->bytes / 8);
        if (!e->queue.try_receive(body, e->bytes, bytes, priority)) {
            break;
        }
        messages[done] = peer_message{body, bytes, false};
    }
    return done;
}

void detach(void *end) { delete static_cast<End *>(end); }

void destroy(void *world) { delete static_cast<World *>(world); }

peer describe() {
    peer p{};
    p.name = "boost-mq";
    p.setting = "Boost.Interprocess message_queue, try_send and try_receive, asked again and again";
    p.kind = PEER_RING;
    p.create = create;
    p.attach = attach;
    p.put = put;
    p.get = get;
    p.detach = detach;
    p.destroy = destroy;
    return p;
}

} // namespace

extern "C" {
extern const struct peer peer_boost_mq;
const struct peer peer_boost_mq = describe();
}
