/* SPDX-License-Identifier: MIT */
/* A server that a benchmark started is gone with all that it started itself, and with its directory, however the benchmark ends. */
#include "../../../bench/peers/server.c"

#include "check.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One that has a child elsewhere: in a session of its own, its parent gone. `pids` is complete when it is there. */
static const char script[] = "mkdir below; touch below/file\n"
                             "sh -c 'setsid sleep 1000 & echo $! >part'\n"
                             "echo $$ >>part; mv part pids\n"
                             "exec sleep 1000";

enum { PIDS = 2 };

struct pids {
    pid_t pid[PIDS];
};

static void pause_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static bool lives(pid_t pid) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return false;
    }
    bool zombie = fgets(line, sizeof line, f) != NULL && strstr(line, ") Z ") != NULL;
    fclose(f);
    return !zombie;
}

static struct pids await_pids(const struct server *s) {
    char path[SERVER_DIRECTORY_MAX + 8];
    snprintf(path, sizeof path, "%s/pids", s->directory);
    FILE *f;
    while ((f = fopen(path, "r")) == NULL) {
        pause_a_moment();
    }
    struct pids p;
    assert_int_equal(fscanf(f, "%d %d", &p.pid[0], &p.pid[1]), PIDS);
    fclose(f);
    for (int i = 0; i < PIDS; i++) {
        assert_true(lives(p.pid[i]));
    }
    return p;
}

static bool directory_is_there(const struct server *s) {
    struct stat st;
    return stat(s->directory, &st) == 0;
}

static void stopped(void **state) {
    (void)state;
    struct server s = {0};
    assert_true(server_start(&s, script));
    struct pids p = await_pids(&s);
    server_stop(&s);
    assert_false(directory_is_there(&s));
    for (int i = 0; i < PIDS; i++) {
        assert_false(lives(p.pid[i]));
    }
    server_stop(&s); /* twice does no harm */
}

/* The benchmark dies without a word, while a party of it has all that it had, and dies after it. */
static void killed(void **state) {
    (void)state;
    int report[2];
    assert_int_equal(pipe(report), 0);
    pid_t benchmark = fork();
    if (benchmark == 0) {
        struct server s = {0};
        if (!server_start(&s, script) || write(report[1], &s, sizeof s) != sizeof s) {
            _exit(1);
        }
        pid_t party = fork();
        if (party == 0) {
            pause();
        }
        if (write(report[1], &party, sizeof party) != sizeof party) {
            _exit(1);
        }
        pause();
    }
    struct server s;
    pid_t party;
    assert_int_equal(read(report[0], &s, sizeof s), sizeof s);
    assert_int_equal(read(report[0], &party, sizeof party), sizeof party);
    struct pids p = await_pids(&s);
    kill(benchmark, SIGKILL);
    assert_int_equal(waitpid(benchmark, NULL, 0), benchmark);
    kill(party, SIGKILL);
    while (directory_is_there(&s) || lives(p.pid[0]) || lives(p.pid[1])) {
        pause_a_moment(); /* or for ever, which the test's time limit ends */
    }
}

static void not_launched(void **state) {
    (void)state;
    struct server s = {0};
    char why[PEER_WHY_MAX];
    assert_false(server_launch(&s, "echo first; echo 'the reason is this'; echo", "socket", 0, 60, why));
    assert_string_equal(why, "the reason is this");
    assert_false(directory_is_there(&s));
    assert_false(server_launch(&s, "exec sleep 1000", "socket", 0, 1, why)); /* lives, and listens to nobody */
    assert_string_equal(why, "the server said nothing");
    assert_false(directory_is_there(&s));
}

/* The server is this test's own: it listens at a port once the launch has begun to try. */
static void launched(void **state) {
    (void)state;
    struct server s = {0};
    char why[PEER_WHY_MAX];
    int port = server_free_port();
    assert_true(port > 0);
    assert_int_equal(server_connect(&s, NULL, port), -1);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_true(server_launch(&s, "exec sleep 1000", NULL, port, 60, why));
    server_stop(&s);
    close(listener);
}

static void programs(void **state) {
    (void)state;
    assert_true(server_program("sh"));
    assert_false(server_program("no-such-program-anywhere"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped),  cmocka_unit_test(killed),   cmocka_unit_test(not_launched),
        cmocka_unit_test(launched), cmocka_unit_test(programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
