/* SPDX-License-Identifier: MIT */
/*
 * beanstalkd, without a log, by its own text protocol. A batch is a pipeline of puts, and one of reserves: the first waits, the others take what there is. The reply to a
 * delete, its ack, is read with the next call: it is carried out even if the consumer is killed right after. Of several in a pipeline only the first is, so their replies are waited for.
 */
#include "allocate.h"
#include "bound.h"
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { START_S = 20, WAIT_MS = 20, LINE_MAX_BYTES = 64, BYTES_MAX = 65528 };

struct world {
    struct peer_setup setup;
    long pid;
    struct bound *bounds; /* shared */
};

struct end {
    int socket;
    struct bound *bound;
    struct peer_setup setup;
    size_t asked; /* replies to reserves that are still to come */
    bool deleted; /* the reply to a delete is still to come */
    size_t held;
    uint64_t ids[PEER_BATCH_MAX];
    unsigned char *bodies;
    char *output, *input; /* input holds what was read and not understood yet */
    size_t output_room, output_used, input_room, input_from, input_used;
};

static struct server server;

static bool available(char why[PEER_WHY_MAX]) {
    snprintf(why, PEER_WHY_MAX, "no beanstalkd (Debian: beanstalkd)");
    return server_program("beanstalkd");
}

static bool start(char why[PEER_WHY_MAX]) {
    return server_launch(&server, "exec beanstalkd -l unix:\"$PWD/beanstalkd\" -z 65535", "beanstalkd", 0, START_S, why);
}

static void stop(void) { server_stop(&server); }

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w = (struct world){.setup = *setup, .pid = getpid(), .bounds = crew_share(sizeof *w.bounds * setup->channels)};
    return &w;
}

/* -- what goes out and what comes in -- */

static void say(struct end *e, const void *data, size_t bytes) {
    memcpy(e->output + e->output_used, data, bytes);
    e->output_used += bytes;
}

static void say_line(struct end *e, const char *format, uint64_t number) {
    char line[LINE_MAX_BYTES];
    say(e, line, (size_t)snprintf(line, sizeof line, format, (unsigned long long)number));
}

static void flush_output(struct end *e) {
    for (size_t done = 0; done < e->output_used;) {
        ssize_t n = send(e->socket, e->output + done, e->output_used - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            crew_fail("beanstalkd: %s", strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    e->output_used = 0;
}

/* False: nothing came within `wait_ms` (-1: for ever). */
static bool read_more(struct end *e, int wait_ms) {
    if (e->input_from > 0) {
        memmove(e->input, e->input + e->input_from, e->input_used - e->input_from);
        e->input_used -= e->input_from;
        e->input_from = 0;
    }
    struct pollfd p = {.fd = e->socket, .events = POLLIN};
    if (wait_ms > 0 && poll(&p, 1, wait_ms) <= 0) {
        return false;
    }
    ssize_t n = recv(e->socket, e->input + e->input_used, e->input_room - e->input_used, wait_ms >= 0 ? MSG_DONTWAIT : 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        crew_fail("beanstalkd: %s", n == 0 ? "it hung up" : strerror(errno));
    }
    e->input_used += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* The next line, its end cut off; it stays until more is read. NULL: as above. */
static char *next_line(struct end *e, int wait_ms) {
    for (;;) {
        char *line = e->input + e->input_from, *after = memchr(line, '\n', e->input_used - e->input_from);
        if (after != NULL) {
            e->input_from += (size_t)(after + 1 - line);
            after[after > line && after[-1] == '\r' ? -1 : 0] = 0;
            return line;
        }
        if (!read_more(e, wait_ms)) {
            return NULL;
        }
    }
}

static void expect(const char *line, const char *beginning) {
    if (strncmp(line, beginning, strlen(beginning)) != 0) {
        crew_fail("beanstalkd said %.40s instead of %s", line, beginning);
    }
}

/* -- the peer -- */

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->setup = w->setup;
    e->bound = &w->bounds[channel];
    e->output_room = (w->setup.bytes + LINE_MAX_BYTES) * (size_t)w->setup.batch;
    e->input_room = 2 * e->output_room;
    e->output = peer_allocate(e->output_room);
    e->input = peer_allocate(e->input_room);
    e->bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch);
    e->socket = server_connect(&server, "beanstalkd", 0);
    if (e->socket < 0) {
        crew_fail("beanstalkd: %s", strerror(errno));
    }
    char line[LINE_MAX_BYTES];
    say(e, line, (size_t)snprintf(line, sizeof line, "%s t%ld-%u\r\n", producer ? "use" : "watch", w->pid, channel));
    flush_output(e);
    expect(next_line(e, -1), producer ? "USING" : "WATCHING");
    if (!producer) {
        say_line(e, "ignore default\r\n", 0);
        flush_output(e);
        expect(next_line(e, -1), "WATCHING");
    }
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t room = bound_claim(e->bound, e->setup.capacity, count);
    for (size_t i = 0; i < room; i++) {
        say_line(e, "put 0 0 600 %llu\r\n", e->setup.bytes);
        say(e, bodies + i * e->setup.bytes, e->setup.bytes);
        say(e, "\r\n", 2);
    }
    flush_output(e);
    for (size_t i = 0; i < room; i++) {
        expect(next_line(e, -1), "INSERTED ");
    }
    return room;
}

/* One reply to a reserve, all of it; true: it was a message. */
static bool take(struct end *e, char *line, struct peer_message *m) {
    e->asked--;
    if (strcmp(line, "TIMED_OUT") == 0) {
        return false;
    }
    unsigned long long id;
    size_t bytes;
    if (sscanf(line, "RESERVED %llu %zu", &id, &bytes) != 2 || bytes > e->setup.bytes) {
        crew_fail("beanstalkd said %.40s", line);
    }
    while (e->input_used - e->input_from < bytes + 2) {
        read_more(e, -1);
    }
    unsigned char *body = e->bodies + e->held * e->setup.bytes;
    memcpy(body, e->input + e->input_from, bytes);
    e->input_from += bytes + 2;
    e->ids[e->held++] = id;
    *m = (struct peer_message){.data = body, .bytes = bytes};
    return true;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    if (e->asked == 0) {
        say_line(e, "reserve\r\n", 0);
        for (e->asked = 1; e->asked < count; e->asked++) {
            say_line(e, "reserve-with-timeout 0\r\n", 0);
        }
        flush_output(e);
    }
    int wait_ms = e->setup.may_wait ? WAIT_MS : 0;
    char *line = next_line(e, wait_ms);
    if (line != NULL && e->deleted) {
        expect(line, "DELETED");
        e->deleted = false;
        line = next_line(e, wait_ms);
    }
    if (line == NULL) {
        let_the_server_run(e->setup.may_wait);
        return 0;
    }
    size_t done = take(e, line, messages);
    while (e->asked > 0) {
        done += take(e, next_line(e, -1), messages + done);
    }
    return done;
}

static void ack(void *end) {
    struct end *e = end;
    for (size_t i = 0; i < e->held; i++) {
        say_line(e, "delete %llu\r\n", e->ids[i]);
    }
    flush_output(e);
    e->deleted = e->held == 1;
    for (size_t i = 0; !e->deleted && i < e->held; i++) {
        expect(next_line(e, -1), "DELETED");
    }
    bound_return(e->bound, e->held);
    e->held = 0;
}

static void detach(void *end) {
    struct end *e = end;
    if (e->deleted) {
        expect(next_line(e, -1), "DELETED");
    }
    close(e->socket);
    free(e->output);
    free(e->input);
    free(e->bodies);
    free(e);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_beanstalkd = {
    .name = "beanstalkd",
    .setting =
        "nothing on disk, Unix socket: put, reserve, delete; batches pipelined; the reply to a single delete is not waited for",
    .kind = PEER_SERVER,
    .acks = true,
    .survives_kill = true,
    .bytes_max = BYTES_MAX,
    .available = available,
    .start = start,
    .stop = stop,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .ack = ack,
    .detach = detach,
    .destroy = destroy,
};
