/* SPDX-License-Identifier: MIT */
#include "dump_write.h"
#include "error.h"
#include <errno.h>
#include <stdlib.h>

#ifdef RP_SIM
enum { BUFFER = 512 }; /* simulated worlds are small */
#else
enum { BUFFER = 256 * 1024 };
#endif

static void give(struct dump_writer *w, const void *data, size_t bytes) {
    if (w->result < 0 || bytes == 0)
        return;
    int result = w->write(w->context, data, bytes);
    if (result < 0)
        w->result = fail(result, "writing the dump");
    else if (result > 0)
        w->result = fail(-EINVAL, "rp_queue_dump: the function that writes returned %d, neither 0 nor an error", result);
}

int dump_writer_flush(struct dump_writer *w) {
    give(w, w->buffer, w->held);
    w->held = 0;
    return w->result;
}

static void put(struct dump_writer *w, const void *data, size_t bytes) {
    w->offset += bytes;
    if (bytes > BUFFER - w->held)
        (void)dump_writer_flush(w);
    if (bytes > BUFFER) {
        give(w, data, bytes);
        return;
    }
    memcpy(w->buffer + w->held, data, bytes);
    w->held += bytes;
}

int dump_writer_open(struct dump_writer *w, rp_dump_write write, void *context, uint64_t salt, uint64_t now_ns) {
    *w = (struct dump_writer){.write = write, .context = context, .salt = salt, .buffer = malloc(BUFFER)};
    if (w->buffer == NULL)
        return fail(-ENOMEM, "no memory for a dump");
    unsigned char head[DUMP_HEAD_BYTES] = {0};
    memcpy(head, DUMP_MAGIC, 8);
    dump_put64(head + 8, DUMP_VERSION);
    dump_put64(head + 32, salt);
    dump_put64(head + 40, now_ns);
    dump_put64(head + 56, dump_check(head, 56, 0));
    put(w, head, sizeof head);
    return w->result;
}

void dump_writer_close(struct dump_writer *w) {
    free(w->buffer);
    free(w->body.data);
}

int dump_writer_record(struct dump_writer *w, uint32_t kind) {
    unsigned char frame[DUMP_FRAME_BYTES], check[DUMP_CHECK_BYTES];
    uint64_t seed = w->salt + w->offset;
    if (w->body.failed)
        return w->result = fail(-ENOMEM, "no memory for a message of a dump");
    dump_put64(frame, kind);
    dump_put64(frame + 8, w->body.bytes);
    dump_put64(frame + 16, dump_check(frame, 16, seed));
    dump_put64(check, dump_check(w->body.data, w->body.bytes, seed));
    put(w, frame, sizeof frame);
    put(w, w->body.data, w->body.bytes);
    put(w, check, sizeof check);
    return w->result;
}
