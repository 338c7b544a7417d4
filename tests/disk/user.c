/* SPDX-License-Identifier: MIT */
#include "user.h"

#include "disk.h"
#include "error.h"
#include "machine.h"
#include "past_books.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 64 << 10, CAPACITY = 64, BATCH = 3, RECEIVES_MOST = 6, TRIES = 4 };
static const uint64_t hour_ns = UINT64_C(3600000000000), interval_ns = 100000000;

static char queue_name[40];

/* ---- lives ---- */

static struct rp_queue_options options(void) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = CAPACITY;
    o.message_bytes = BOOKS_BODY_BYTES;
    o.lease_ns = 0;
    o.max_deliveries = BOOKS_MOST_DELIVERIES;
    o.backoff_ns = o.backoff_max_ns = 0;
    o.dead_capacity = CAPACITY;
    o.max_groups = 3;
    o.max_participants = 4;
    o.prefault = 0;
    o.journal = DISK_PATH;
    o.sync = books->sync;
    o.sync_interval_ns = interval_ns;
    o.journal_file_bytes = FILE_BYTES;
    o.retain_bytes = books->past ? 3 * FILE_BYTES : 0;
    return o;
}

static bool expected(int result, const char *call) {
    if (result < 0 && !disk_is_off())
        books_wrong("%s: %s: %s", call, rp_error_name(result), rp_error_detail());
    return result >= 0;
}

static int open_any(struct user *u) {
    struct rp_open_options open;
    rp_open_options_init(&open, sizeof open);
    open.journal = DISK_PATH;
    int result = books_roll(2) ? rp_queue_open(queue_name, &open, &u->q) : -ENOENT;
    if (result != -ENOENT || (books->made && books_roll(2)))
        return result != -ENOENT ? result : rp_queue_open(queue_name, &open, &u->q);
    struct rp_queue_options o = options();
    return rp_queue_create(queue_name, &o, &u->q);
}

bool user_start(struct user *u) {
    int result = -EIO;
    snprintf(queue_name, sizeof queue_name, "disk.%d", (int)getpid());
    *u = (struct user){.who = 0};
    for (int i = 0; result < 0 && i < (books->faulty ? TRIES : 1) && !disk_is_off(); i++)
        result = open_any(u);
    if (result < 0 && books->faulty) /* it may fail for as long as calls do */
        return false;
    if (!expected(result, "start"))
        return false;
    books->made = true;
    books_check_life(u->q);
    result = rp_producer_open(u->q, NULL, &u->p);
    return expected(result, "rp_producer_open") && !books->wrong[0];
}

bool user_join(struct user *u, unsigned who) {
    *u = (struct user){.who = who};
    return expected(rp_queue_open(queue_name, NULL, &u->q), "rp_queue_open") &&
           expected(rp_producer_open(u->q, NULL, &u->p), "rp_producer_open");
}

void user_leave(struct user *u) {
    if (u->p != NULL)
        rp_producer_close(u->p);
    if (u->q != NULL && rp_queue_close(u->q) < 0)
        books_wrong("rp_queue_close: %s", rp_error_detail());
    u->p = NULL;
    u->q = NULL;
}

void user_forget(void) { rp_queue_unlink(queue_name); }

static void rename_memory(const char *from, const char *to) {
    char a[80], b[80];
    snprintf(a, sizeof a, "/dev/shm/ringpost.%s%s", queue_name, from);
    snprintf(b, sizeof b, "/dev/shm/ringpost.%s%s", queue_name, to);
    if (rename(a, b) != 0)
        books_wrong("cannot rename %s", a);
}
void user_hide(void) { rename_memory("", ".aside"); }
void user_change_places(void) {
    rename_memory("", ".other");
    rename_memory(".aside", "");
    rename_memory(".other", ".aside");
}
void user_show(void) { rename_memory(".aside", ""); }

void user_is_refused(struct user *u) {
    rp_queue *q;
    int sent = rp_send(u->p, "taken over", 10, NULL), opened = rp_queue_open(queue_name, NULL, &q);
    books_say("whose journal was taken over sends: %d, opens: %d", sent, opened);
    if (sent != RP_NOT_DURABLE)
        books_wrong("one whose journal was taken over writes to it: %d", sent);
    if (opened == 0)
        rp_queue_close(q);
    if (opened != -ESTALE)
        books_wrong("a queue whose journal was taken over is opened: %d", opened);
}

/* ---- sending ---- */

/* In which groups a message may come to stand, if it is sent now. */
static void begin_send(struct book_message *m, bool waits) {
    m->waits = m->unordered = m->delayed = waits;
    for (unsigned g = 0; g < BOOKS_GROUPS; g++) {
        const struct book_group *group = &books->groups[g];
        bool maybe = g < books->groups_made && group->now <= GROUP_THERE;
        m->of[g] = (struct book_state){.may = maybe ? STATE_GONE | STATE_LIVE : STATE_GONE, .now = maybe ? 0 : STATE_GONE};
    }
}

static void end_send(struct book_message *m, uint64_t since, int result, bool promised) {
    m->returned = result == 0;
    m->safe = m->returned && promised;
    for (unsigned g = 0; g < books->groups_made; g++) {
        struct book_state *s = &m->of[g];
        bool uncertain = books->groups[g].now == GROUP_COMING || books->groups[g].born > since;
        if (s->may == STATE_GONE || uncertain || result == RP_NOT_DURABLE || result == -EINTR)
            continue;
        if (result < 0) {
            s->may = s->now = STATE_GONE;
            continue;
        }
        s->now = STATE_LIVE;
        if (promised)
            s->may = STATE_LIVE;
    }
}

static bool may_fail_to_send(int result) { return result == RP_NOT_DURABLE || result == RP_FULL || result == -EINTR; }

static struct book_message *new_message(const struct user *u, uint32_t *n) {
    if (books->sent + 1 >= BOOKS_MESSAGES)
        return NULL;
    *n = ++books->sent;
    books->messages[*n] = (struct book_message){.user = (uint8_t)u->who};
    return &books->messages[*n];
}

static int send_loan(struct user *u, const void *body, size_t bytes, const struct rp_send_options *o) {
    struct rp_loan loan;
    int result = rp_loan(u->p, bytes, &loan);
    if (result < 0)
        return result;
    memcpy(loan.data, body, bytes);
    result = rp_commit(u->p, &loan, o);
    if (result < 0)
        (void)rp_abandon(u->p, &loan); /* RP_NOT_DURABLE: sometimes it is used up */
    return result;
}

static void send_one(struct user *u) {
    unsigned char body[BOOKS_BODY_BYTES];
    struct rp_send_options o;
    uint32_t n;
    struct book_message *m = new_message(u, &n);
    if (m == NULL)
        return;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    uint64_t id = 0;
    o.id_out = &id;
    o.delay_ns = books_roll(8) == 0 ? hour_ns : 0;
    size_t bytes = books_body(n, body);
    uint32_t way = books_roll(4);
    begin_send(m, o.delay_ns > 0);
    uint64_t since = books_open(m);
    int result = way == 0   ? rp_send_async(u->p, body, bytes, &o)
                 : way == 1 ? send_loan(u, body, bytes, &o)
                            : rp_send(u->p, body, bytes, &o);
    if (result == 0)
        m->id = id;
    books_say("user %u sends %u%s%s: %d", u->who, n, way == 0 ? ", without waiting" : "", o.delay_ns > 0 ? ", for later" : "",
              result);
    if (books_same(m, since))
        end_send(m, since, result, way != 0 && books->sync == RP_SYNC_ALWAYS);
    books_close(m, since);
    if (!may_fail_to_send(result))
        expected(result, "send");
}

static void send_batch(struct user *u) {
    static unsigned char bodies[BATCH][BOOKS_BODY_BYTES];
    struct rp_send_item items[BATCH] = {{0}};
    uint32_t n[BATCH];
    uint64_t since[BATCH];
    struct book_message *m[BATCH];
    if (books->sent + BATCH + 1 >= BOOKS_MESSAGES)
        return;
    for (int i = 0; i < BATCH; i++) {
        m[i] = new_message(u, &n[i]);
        items[i].data = bodies[i];
        items[i].bytes = books_body(n[i], bodies[i]);
        begin_send(m[i], false);
        since[i] = books_open(m[i]);
    }
    int result = rp_send_batch(u->p, items, BATCH);
    books_say("user %u sends %u and others: %d", u->who, n[0], result);
    for (int i = 0; i < BATCH; i++) {
        int one = result < 0 ? result : i < result ? 0 : RP_NOT_DURABLE /* why, nobody was told */;
        if (books_same(m[i], since[i]))
            end_send(m[i], since[i], one, books->sync == RP_SYNC_ALWAYS);
        books_close(m[i], since[i]);
    }
    if (!may_fail_to_send(result))
        expected(result, "rp_send_batch");
}

/* ---- receiving ---- */

static bool is_group_usable(unsigned g) { return books->groups[g].now == GROUP_THERE && !books->groups[g].open; }

/* A message came: may it? */
static struct book_message *received(struct user *u, unsigned g, const struct rp_message *r) {
    uint32_t n = books_whose(r->data, r->bytes);
    if (n == 0)
        return NULL;
    struct book_message *m = &books->messages[n];
    struct book_state *s = &m->of[g];
    uint8_t state = r->deliveries <= BOOKS_MOST_DELIVERIES ? (uint8_t)(STATE_LIVE << (r->deliveries - 1)) : 0;
    if (!(s->may & state) || (s->now != 0 && s->now != state))
        books_wrong("message %u is delivered in group %u for the %u. time: it is in state %#x, and on disk may be in %#x", n, g,
                    r->deliveries, s->now, s->may);
    uint64_t *last = &books->last[g][m->user];
    if (r->deliveries == 1 && r->acquisitions == 1 && !m->unordered) {
        if (n < *last)
            books_wrong("message %u is received in group %u after %llu", n, g, (unsigned long long)*last);
        *last = n;
    }
    books_now(s, state);
    if (books->sync == RP_SYNC_ALWAYS)
        s->may &= (uint8_t)~STATE_GONE; /* nobody receives what is not on disk */
    s->leased = u->who != 0;
    return m;
}

static uint8_t one_more_failure(uint8_t state) { return (uint8_t)(state << 1); }

/* What becomes of it. */
static void settle(const struct user *u, rp_consumer *c, unsigned g, struct book_message *m, struct rp_message *r, uint32_t how) {
    struct book_state *s = &m->of[g];
    struct rp_nack_options n;
    rp_nack_options_init(&n, sizeof n);
    n.charge = how < 3;
    n.delay_ns = how == 0 ? (int64_t)hour_ns : -1;
    uint8_t next = how < 3 ? one_more_failure(s->now) : how < 5 ? s->now : how < 6 ? (uint8_t)STATE_DEAD : (uint8_t)STATE_GONE;
    const uint8_t before = s->now;
    s->may |= next;
    uint64_t since = books_open(m);
    int result = how < 5 ? rp_nack(c, r, &n) : how < 6 ? rp_reject(c, r, "hopeless") : rp_ack(c, r);
    books_say("user %u settles %u in group %u, %#x -> %#x: %d", u->who, (unsigned)(m - books->messages), g, before, next, result);
    if (books_same(m, since))
        books_now(s, result < 0 ? before : next);
    s->leased = false;
    books_close(m, since);
    if (result != RP_FULL)
        expected(result, "settle");
}

static void receive_some(struct user *u, unsigned g, uint32_t most, bool ack_all) {
    struct rp_consumer_options o;
    struct rp_message r;
    rp_consumer *c;
    char name[16];
    if (!is_group_usable(g))
        return;
    books_group_name(g, name);
    rp_consumer_options_init(&o, sizeof o);
    o.group = name;
    if (!expected(rp_consumer_open(u->q, &o, &c), "rp_consumer_open"))
        return;
    int result = 0;
    for (; most > 0 && (result = rp_receive(c, &r, 0)) == 0; most--) {
        struct book_message *m = received(u, g, &r);
        uint32_t how = ack_all ? 15 : books_roll(16);
        if (m == NULL || (how == 15 && !ack_all))
            continue; /* closing gives it back */
        settle(u, c, g, m, &r, how);
    }
    rp_consumer_close(c);
    if (result != RP_EMPTY && result != RP_GONE && !books->faulty) /* gone: while we were stopped */
        expected(result, "rp_receive");
    for (uint32_t n = 1; u->who != 0 && n <= books->sent; n++)
        books->messages[n].of[g].leased = false;
}

/* ---- operating ---- */

static struct book_message *find(unsigned g, uint8_t state) {
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        if (m->of[g].now == state && m->id != 0 && !m->open)
            return m;
    }
    return NULL;
}

/* A dead letter lives again, or goes. */
static void handle_letter(struct user *u, unsigned g, bool redrive) {
    struct book_message *m = is_group_usable(g) ? find(g, STATE_DEAD) : NULL;
    if (m == NULL)
        return;
    struct rp_redrive_options o;
    char name[16];
    books_group_name(g, name);
    rp_redrive_options_init(&o, sizeof o);
    o.id = m->id;
    uint8_t next = redrive ? STATE_LIVE : STATE_GONE;
    m->of[g].may |= next;
    m->unordered = true;
    uint64_t since = books_open(m);
    int result = redrive ? rp_dead_redrive(u->q, name, &o) : rp_dead_purge(u->q, name, &o);
    books_say("user %u %s letter %u of group %u: %d", u->who, redrive ? "redrives" : "purges", (unsigned)(m - books->messages), g,
              result);
    if (books_same(m, since))
        books_now(&m->of[g], result == 1 ? next : STATE_DEAD);
    books_close(m, since);
    expected(result, redrive ? "rp_dead_redrive" : "rp_dead_purge");
}

static void cancel_one(struct user *u) {
    struct book_message *m = NULL;
    for (uint32_t n = 1; n <= books->sent; n++)
        if (books->messages[n].waits && books->messages[n].of[0].now != STATE_GONE && books->messages[n].id != 0 &&
            !books->messages[n].open)
            m = &books->messages[n];
    if (m == NULL)
        return;
    for (unsigned g = 0; g < books->groups_made; g++)
        m->of[g].may |= STATE_GONE;
    uint64_t since = books_open(m);
    int result = rp_queue_cancel(u->q, m->id);
    books_say("user %u cancels %u: %d", u->who, (unsigned)(m - books->messages), result);
    for (unsigned g = 0; g < books->groups_made && books_same(m, since); g++)
        if (m->of[g].now != STATE_DEAD) /* letters stay */
            m->of[g].now = result == 0 ? STATE_GONE : 0;
    books_close(m, since);
    if (result != -ENOENT) /* not yet in the journal */
        expected(result, "rp_queue_cancel");
}

/* All that is ready, whether it was fed or not. */
static void purge_group(struct user *u, unsigned g) {
    static uint64_t since[BOOKS_MESSAGES];
    char name[16];
    if (!is_group_usable(g))
        return;
    books_group_name(g, name);
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        since[n] = m->changed;
        m->of[g].may |= m->of[g].may & (STATE_DEAD - STATE_LIVE) ? STATE_GONE : 0;
    }
    struct rp_group_info info = {.behind = 0};
    for (uint32_t i = 0; rp_group_next(u->q, i, &info) == 0 && strcmp(info.name, name) != 0; i = info.index + 1) {
    }
    const bool behind = strcmp(info.name, name) == 0 && info.behind > 0; /* what it was not fed yet stays */
    int result = rp_queue_purge(u->q, name, RP_STATE_READY);
    books_say("user %u purges group %u: %d", u->who, g, result);
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        struct book_state *s = &m->of[g];
        bool ready = !behind && m->safe && !m->delayed && !m->open && m->changed == since[n] && !s->leased;
        if (s->now != STATE_DEAD && s->now != STATE_GONE) /* one that failed may wait to come again */
            s->now = ready && s->now == STATE_LIVE ? STATE_GONE : 0;
        m->changed = ++books->time; /* also under the hands of who is stopped while he sends it */
    }
    expected(result, "rp_queue_purge");
}

static void make_group(struct user *u) {
    struct rp_group_options o;
    char name[16];
    if (books->groups_made == BOOKS_GROUPS)
        return;
    rp_group_options_init(&o, sizeof o);
    const bool past = books->past && books_roll(4) != 0;
    if (past && books_roll(2))
        user_flush(u);
    unsigned g = books->groups_made++;
    struct book_group *group = &books->groups[g];
    books_group_name(g, name);
    if (past && past_books_look())
        past_books_choose(&o);
    /* What waits will be for it, too; what waited until lately may wait again after a failure. */
    for (uint32_t n = 1; n <= books->sent; n++) {
        const struct book_message *m = &books->messages[n];
        bool maybe = m->waits || m->has_gone || m->open;
        books->messages[n].of[g] =
            (struct book_state){.may = maybe ? m->of[0].may | STATE_GONE | STATE_LIVE : STATE_GONE, .now = maybe ? 0 : STATE_GONE};
    }
    if (o.start != RP_START_NEWEST)
        past_books_begin(g, &o);
    uint64_t begin = ++books->time;
    *group = (struct book_group){
        .may_be = true, .may_not_be = true, .open = true, .past = o.start != RP_START_NEWEST, .born = begin, .changed = begin};
    int result = rp_group_create(u->q, name, &o);
    books_say("user %u makes group %u, start %u at %llu: %d", u->who, g, o.start, (unsigned long long)o.start_at, result);
    group->open = false;
    group->now = result == 0 || result == RP_NOT_DURABLE ? GROUP_THERE : GROUP_REMOVED;
    group->may_be = group->now == GROUP_THERE;
    group->may_not_be = !(result == 0 && books->sync == RP_SYNC_ALWAYS);
    group->changed = ++books->time;
    if (result != RP_NOT_DURABLE && result != -ENOSPC && !(past && books->faulty))
        expected(result, "rp_group_create");
    if (past && group->now == GROUP_THERE && books_roll(6) == 0)
        purge_group(u, g);
}

static void remove_group(struct user *u) {
    unsigned g = books->past ? books_roll(books->groups_made) : books->groups_made - 1;
    struct book_group *group = &books->groups[g];
    char name[16];
    if (g == 0 || !is_group_usable(g))
        return;
    books_group_name(g, name);
    group->open = group->may_not_be = true;
    group->now = GROUP_GOING;
    int result = rp_group_remove(u->q, name);
    books_say("user %u removes group %u: %d", u->who, g, result);
    group->open = false;
    group->now = GROUP_REMOVED;
    group->may_be = !(result == 0 && books->sync == RP_SYNC_ALWAYS);
    group->changed = ++books->time;
    if (result != RP_NOT_DURABLE)
        expected(result, "rp_group_remove");
}

/* All that waits gets its time; but what is perhaps not in the journal comes only when it is. */
static void let_time_come(struct user *u) {
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        m->has_gone |= m->waits;
        m->waits = m->waits && m->of[0].may & STATE_GONE;
    }
    books_say("user %u lets the time come", u->who);
    machine_pass(2 * hour_ns);
    for (int i = 0; i < 2; i++) /* what the first one brings from the journal */
        expected(rp_queue_sweep(u->q), "rp_queue_sweep");
}

/* Somebody is there for a while, and nobody does anything. */
static void wait_a_while(struct user *u) {
    books_say("user %u waits a while", u->who);
    machine_pass(2 * interval_ns);
    expected(rp_queue_keep(u->q, 3 * (int64_t)interval_ns), "rp_queue_keep");
    if (books->sync == RP_SYNC_INTERVAL && !books->faulty && !disk_is_off())
        books_sends_synced();
}

static bool flush(struct user *u, bool look) {
    uint64_t begin = ++books->time;
    int result = rp_flush(u->p);
    books_say("user %u flushes: %d", u->who, result);
    if (result == 0) {
        books_flushed(begin);
        if (look)
            books_check_memory(u->q, begin);
    } else if (result != RP_NOT_DURABLE)
        expected(result, "rp_flush");
    return result == 0;
}
bool user_flush(struct user *u) { return flush(u, false); }
bool user_flush_and_look(struct user *u) { return flush(u, true); }

/* ---- all of it ---- */

static void do_anything(struct user *u) {
    unsigned g = books_roll(books->groups_made);
    if (books->past && books_roll(4) == 0) {
        if (g == 0 && books_roll(2))
            make_group(u);
        else if (g == 0)
            remove_group(u);
        else if (books_roll(8) == 0)
            purge_group(u, g);
        else
            receive_some(u, g, books_roll(RECEIVES_MOST), false);
        return;
    }
    switch (books_roll(20)) {
    case 0: user_flush(u); break;
    case 1: user_flush_and_look(u); break;
    case 2: make_group(u); break;
    case 3: remove_group(u); break;
    case 4: handle_letter(u, g, true); break;
    case 5: handle_letter(u, g, false); break;
    case 6: cancel_one(u); break;
    case 7: let_time_come(u); break;
    case 8: wait_a_while(u); break;
    case 9: send_batch(u); break;
    case 10:
    case 11:
    case 12:
    case 13: receive_some(u, g, books_roll(RECEIVES_MOST), false); break;
    default: send_one(u);
    }
}

void user_live(struct user *u, int calls) {
    for (; calls > 0 && !disk_is_off() && !books->wrong[0]; calls--)
        do_anything(u);
}

void user_fill(struct user *u, int calls) {
    for (; calls > 0; calls--) {
        do_anything(u);
        if (books_roll(3) == 0)
            for (unsigned g = 0; g < books->groups_made; g++)
                receive_some(u, g, 2, false);
    }
    user_flush(u);
}

void user_empty(struct user *u) {
    let_time_come(u);
    for (int i = 0; i < 4 * BOOKS_MOST_DELIVERIES; i++)
        for (unsigned g = 0; g < books->groups_made; g++)
            receive_some(u, g, CAPACITY, true);
    user_flush_and_look(u);
    for (uint32_t n = 1; n <= books->sent; n++)
        for (unsigned g = 0; g < books->groups_made; g++)
            if (books->messages[n].of[g].now != STATE_GONE && books->messages[n].of[g].now != STATE_DEAD)
                books_wrong("message %u cannot be received in group %u", n, g);
}
