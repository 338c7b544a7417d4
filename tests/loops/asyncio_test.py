# SPDX-License-Identifier: MIT
"""asyncio: two consumers of one loop share what a sender sends, which is killed in the middle; another goes on.

Usage: asyncio_test.py LIBRINGPOST.SO
"""
import asyncio
import ctypes
import os
import signal
import sys
import time

DEADLINE_S = 60

ringpost = ctypes.CDLL(sys.argv[1], use_errno=True)
ringpost.rp_error_detail.restype = ctypes.c_char_p
ringpost.rp_error_name.restype = ctypes.c_char_p
NAME = b"test.asyncio.%d" % os.getpid()


class Message(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("id", ctypes.c_uint64), ("rest", ctypes.c_uint64 * 32)]


def must(result, what):
    if result < 0:
        sys.exit("%s: %s: %s" % (what, ringpost.rp_error_name(result).decode(), ringpost.rp_error_detail().decode()))
    return result


def opened(call, *arguments):
    handle = ctypes.c_void_p()
    must(getattr(ringpost, call)(*arguments, ctypes.byref(handle)), call)
    return handle


class Reader:
    """A consumer in the running loop; counts what it gets in `counts`."""

    def __init__(self, queue, counts, done):
        self.consumer = opened("rp_consumer_open", queue, None)
        self.fd = must(ringpost.rp_consumer_fd(self.consumer), "rp_consumer_fd")
        self.counts, self.done, self.got = counts, done, 0
        asyncio.get_running_loop().add_reader(self.fd, self.look)

    def look(self):
        message = Message()
        result = ringpost.rp_receive(self.consumer, ctypes.byref(message), ctypes.c_int64(0))
        if result < 0 and ringpost.rp_error_name(result) == b"RP_EMPTY":
            return
        must(result, "rp_receive")
        number = int(ctypes.string_at(message.data, message.bytes))
        must(ringpost.rp_ack(self.consumer, ctypes.byref(message)), "rp_ack")
        self.counts[number] = self.counts.get(number, 0) + 1
        self.got += 1
        self.done()

    def close(self):
        asyncio.get_running_loop().remove_reader(self.fd)
        ringpost.rp_consumer_close(self.consumer)


def sender(first, count):
    """A process that sends the numbers from `first` on; its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        queue = opened("rp_queue_open", NAME, None)
        producer = opened("rp_producer_open", queue, None)
        for number in range(first, first + count):
            text = b"%d" % number
            while ringpost.rp_send(producer, text, ctypes.c_size_t(len(text)), None) != 0:
                time.sleep(0.001)
        os._exit(0)
    finally:
        os._exit(1)


async def reach(condition, event, what):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit("in vain: " + what)
        event.clear()
        try:
            await asyncio.wait_for(event.wait(), 1)
        except asyncio.TimeoutError:
            pass


async def main():
    queue = opened("rp_queue_create", NAME, None)
    event, counts = asyncio.Event(), {}
    readers = [Reader(queue, counts, event.set) for _ in range(2)]
    try:
        first = sender(0, 10**6)
        await reach(lambda: len(counts) >= 500, event, "500 messages")
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        second = sender(10**6, 500)
        await reach(lambda: 10**6 + 499 in counts, event, "the second sender's last")
        assert os.waitpid(second, 0)[1] == 0
        sent = max(n for n in counts if n < 10**6) + 1
        await reach(lambda: len(counts) == sent + 500, event, "all that were sent")
        assert set(counts) == set(range(sent)) | set(range(10**6, 10**6 + 500)), "a message is missing"
        assert set(counts.values()) == {1}, "a message came twice"
        assert all(reader.got > 0 for reader in readers), "one had nothing to do"
    finally:
        for reader in readers:
            reader.close()
        must(ringpost.rp_queue_close(queue), "rp_queue_close")
        ringpost.rp_queue_unlink(NAME)


try:
    asyncio.run(main())
finally:
    ringpost.rp_queue_unlink(NAME)
