/* SPDX-License-Identifier: MIT */
/*
 * RabbitMQ through librabbitmq, by TCP to 127.0.0.1 (it has no Unix socket): a classic queue, publisher confirms, a consumer with a window, acks. A batch is
 * published before its confirms are waited for, and acked by one frame.
 */
#include "allocate.h"
#include "bound.h"
#include "server.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { START_S = 90, WAIT_MS = 20, WINDOW_BATCHES = 4, WINDOW_MIN = 64, FRAME_MAX = 131072, CHANNEL = 1 };

struct world {
    struct peer_setup setup;
    long pid;
    struct bound *bounds; /* shared */
};

struct end {
    amqp_connection_state_t connection;
    struct bound *bound;
    struct peer_setup setup;
    amqp_bytes_t queue;
    char name[48];
    uint64_t published, confirmed; /* delivery tags */
    uint64_t got;                  /* the tag of what get handed out last */
    size_t held;
    unsigned char *bodies;
};

/* Debian's rabbitmq-server in PATH is a wrapper that changes the user and the directories; the program itself does not. */
static const char program[] = "/usr/lib/rabbitmq/bin/rabbitmq-server";

static struct server server;
static int server_port;
static bool durable; /* queues and messages are on disk before they are confirmed */

static bool available(char why[PEER_WHY_MAX]) {
    snprintf(why, PEER_WHY_MAX, "no rabbitmq-server (Debian: rabbitmq-server)");
    return access(program, X_OK) == 0 || server_program("rabbitmq-server");
}

/*
 * A node that knows nobody, with a port mapper (epmd) of its own, which would otherwise remain when everything else is gone. NOTIFY_SOCKET makes the script exec
 * the server instead of watching it. Its schedulers do not spin when they have nothing to do: on few processors that takes time from the parties.
 */
static bool start(char why[PEER_WHY_MAX]) {
    char script[1600];
    int mapper = server_free_port(), distribution = server_free_port();
    server_port = server_free_port();
    snprintf(script, sizeof script,
             "export HOME=\"$PWD\" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=%d RABBITMQ_DIST_PORT=%d\n"
             "export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=%d RABBITMQ_NODENAME=bench@localhost\n"
             "export RABBITMQ_MNESIA_BASE=\"${RINGPOST_BENCH_DATA:-$PWD}\" RABBITMQ_LOG_BASE=\"$PWD\" RABBITMQ_LOGS=- "
             "RABBITMQ_PID_FILE=\"$PWD/pid\"\n"
             "export RABBITMQ_CONF_ENV_FILE=\"$PWD/none\" RABBITMQ_CONFIG_FILE=\"$PWD/rabbit\" "
             "RABBITMQ_ENABLED_PLUGINS_FILE=\"$PWD/plugins\"\n"
             "export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+sbwt none +sbwtdcpu none +sbwtdio none\" NOTIFY_SOCKET=\"$PWD/none\"\n"
             "echo '[].' >plugins; : >none; : >rabbit.conf\n"
             "epmd -port %d -address 127.0.0.1 &\n"
             "test -x %s && exec %s || exec rabbitmq-server",
             mapper, distribution, server_port, mapper, program, program);
    return server_launch(&server, script, NULL, server_port, START_S, why);
}

static bool start_durable(char why[PEER_WHY_MAX]) {
    durable = true;
    return start(why);
}

static void stop(void) { server_stop(&server); }

/* -- its replies -- */

static void check(int status, const char *call) {
    if (status < 0) {
        crew_fail("%s: %s", call, amqp_error_string2(status));
    }
}

static void check_reply(amqp_rpc_reply_t reply, const char *call) {
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        crew_fail("%s: %s", call, amqp_error_string2(reply.library_error));
    } else if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        crew_fail("%s: RabbitMQ refuses", call);
    }
}

static void connect_broker(struct end *e) {
    e->connection = amqp_new_connection();
    amqp_socket_t *socket = e->connection != NULL ? amqp_tcp_socket_new(e->connection) : NULL;
    if (socket == NULL) {
        crew_fail("out of memory");
    }
    check(amqp_socket_open(socket, "127.0.0.1", server_port), "amqp_socket_open");
    setsockopt(amqp_get_sockfd(e->connection), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    check_reply(amqp_login(e->connection, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "amqp_login");
    amqp_channel_open(e->connection, CHANNEL);
    check_reply(amqp_get_rpc_reply(e->connection), "amqp_channel_open");
}

static void disconnect_broker(struct end *e) {
    amqp_connection_close(e->connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(e->connection);
}

static void name_queue(struct end *e, const struct world *w, uint32_t channel) {
    snprintf(e->name, sizeof e->name, "t%ld-%u", w->pid, channel);
    e->queue = amqp_cstring_bytes(e->name);
}

/* -- the peer -- */

static void *create(const struct peer_setup *setup) {
    static struct world w;
    struct end e = {0};
    w = (struct world){.setup = *setup, .pid = getpid(), .bounds = crew_share(sizeof *w.bounds * setup->channels)};
    connect_broker(&e);
    for (uint32_t i = 0; i < setup->channels; i++) {
        name_queue(&e, &w, i);
        amqp_queue_declare(e.connection, CHANNEL, e.queue, 0, durable, 0, 0, amqp_empty_table);
        check_reply(amqp_get_rpc_reply(e.connection), "amqp_queue_declare");
    }
    disconnect_broker(&e);
    return &w;
}

static void destroy(void *world) {
    const struct world *w = world;
    struct end e = {0};
    connect_broker(&e);
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        name_queue(&e, w, i);
        amqp_queue_delete(e.connection, CHANNEL, e.queue, 0, 0);
    }
    disconnect_broker(&e);
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->setup = w->setup;
    e->bound = &w->bounds[channel];
    e->bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch);
    connect_broker(e);
    name_queue(e, w, channel);
    if (producer) {
        amqp_confirm_select(e->connection, CHANNEL);
        check_reply(amqp_get_rpc_reply(e->connection), "amqp_confirm_select");
        return e;
    }
    uint32_t window = WINDOW_BATCHES * w->setup.batch;
    amqp_basic_qos(e->connection, CHANNEL, 0, (uint16_t)(window > WINDOW_MIN ? window : WINDOW_MIN), 0);
    check_reply(amqp_get_rpc_reply(e->connection), "amqp_basic_qos");
    amqp_basic_consume(e->connection, CHANNEL, e->queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    check_reply(amqp_get_rpc_reply(e->connection), "amqp_basic_consume");
    return e;
}

static void await_confirm(struct end *e) {
    amqp_frame_t frame;
    check(amqp_simple_wait_frame(e->connection, &frame), "amqp_simple_wait_frame");
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
        crew_fail("RabbitMQ did not confirm a message");
    }
    const amqp_basic_ack_t *confirm = frame.payload.method.decoded;
    e->confirmed += confirm->multiple ? confirm->delivery_tag - e->confirmed : 1; /* in whatever order they come */
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t room = bound_claim(e->bound, e->setup.capacity, count);
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = durable ? 2 : 1};
    for (size_t i = 0; i < room; i++) {
        amqp_bytes_t body = {.len = e->setup.bytes, .bytes = (void *)(uintptr_t)(bodies + i * e->setup.bytes)};
        check(amqp_basic_publish(e->connection, CHANNEL, amqp_empty_bytes, e->queue, 0, 0, &properties, body),
              "amqp_basic_publish");
        e->published++;
    }
    while (e->confirmed < e->published) {
        await_confirm(e);
    }
    amqp_maybe_release_buffers(e->connection);
    return room;
}

/* One message, if it begins to arrive within `wait_ms`. */
static bool take(struct end *e, int wait_ms, struct peer_message *m) {
    struct timeval wait = {.tv_usec = wait_ms * 1000};
    amqp_envelope_t envelope;
    amqp_rpc_reply_t reply = amqp_consume_message(e->connection, &envelope, &wait, 0);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT) {
        return false;
    }
    check_reply(reply, "amqp_consume_message");
    size_t bytes = envelope.message.body.len;
    unsigned char *body = e->bodies + e->held * e->setup.bytes;
    memcpy(body, envelope.message.body.bytes, bytes < e->setup.bytes ? bytes : e->setup.bytes);
    *m = (struct peer_message){.data = body, .bytes = bytes, .again = envelope.redelivered};
    e->got = envelope.delivery_tag;
    e->held++;
    amqp_destroy_envelope(&envelope);
    return true;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    amqp_maybe_release_buffers(e->connection);
    size_t done = 0;
    while (done < count && take(e, done == 0 && e->setup.may_wait ? WAIT_MS : 0, messages + done)) {
        done++;
    }
    if (done == 0) {
        let_the_server_run(e->setup.may_wait);
    }
    return done;
}

static void ack(void *end) {
    struct end *e = end;
    check(amqp_basic_ack(e->connection, CHANNEL, e->got, e->held > 1), "amqp_basic_ack");
    bound_return(e->bound, e->held);
    e->held = 0;
}

static void detach(void *end) {
    struct end *e = end;
    disconnect_broker(e);
    free(e->bodies);
    free(e);
}

const struct peer peer_rabbitmq = {
    .name = "rabbitmq",
    .setting = "transient classic queue, TCP to 127.0.0.1, confirms, a window of 64 messages or 4 batches; batches published "
               "before their confirms, one ack for all",
    .kind = PEER_SERVER,
    .acks = true,
    .survives_kill = true,
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
    .scatters = true,
};

const struct peer peer_rabbitmq_durable = {
    .name = "rabbitmq-durable",
    .setting = "as rabbitmq, with a durable queue and persistent messages",
    .kind = PEER_SERVER,
    .acks = true,
    .survives_kill = true,
    .available = available,
    .start = start_durable,
    .stop = stop,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .ack = ack,
    .detach = detach,
    .destroy = destroy,
    .scatters = true,
};
