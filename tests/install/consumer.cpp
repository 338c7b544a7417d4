/* SPDX-License-Identifier: MIT */
/* A C++ program that uses an installed ringpost, with its handles in smart pointers. */
#include <cstdio>
#include <memory>
#include <ringpost/ringpost.h>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

void check(int result) {
    if (result < 0)
        throw std::runtime_error(std::string(rp_error_name(result)) + ": " + rp_error_detail());
}

template <typename Handle, typename Close> auto owned(Handle *handle, Close close) {
    return std::unique_ptr<Handle, Close>(handle, close);
}

void work(const char *name) {
    rp_queue *q = nullptr;
    check(rp_queue_create(name, nullptr, &q));
    auto queue = owned(q, rp_queue_close);
    rp_producer *p = nullptr;
    check(rp_producer_open(q, nullptr, &p));
    auto producer = owned(p, rp_producer_close);
    rp_consumer *c = nullptr;
    check(rp_consumer_open(q, nullptr, &c));
    auto consumer = owned(c, rp_consumer_close);

    constexpr std::string_view text = "hello";
    check(rp_send(p, text.data(), text.size(), nullptr));
    rp_message message{};
    check(rp_receive(c, &message, 0));
    if (std::string_view(static_cast<const char *>(message.data), message.bytes) != text)
        throw std::runtime_error("received something else");
    check(rp_ack(c, &message));
    check(rp_queue_unlink(name));
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    try {
        work(argv[1]);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
