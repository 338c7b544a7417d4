/* SPDX-License-Identifier: MIT */
#include "books.h"

#include "past_books.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct books *books;

void books_begin(uint32_t sync, uint64_t seed) {
    memset(books, 0, sizeof *books);
    books->sync = sync;
    books->dice = seed;
    books->groups[0] = (struct book_group){.now = GROUP_THERE, .may_be = true};
    books->groups_made = 1;
}

uint32_t books_roll(uint32_t below) {
    books->dice = books->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(books->dice >> 33) % below;
}

void books_wrong(const char *format, ...) {
    if (books->wrong[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(books->wrong, sizeof books->wrong, format, arguments);
    va_end(arguments);
}

void books_group_name(unsigned group, char name[16]) { snprintf(name, 16, group == 0 ? "default" : "g%u", group); }

bool books_trace;
void books_say(const char *format, ...) {
    va_list arguments;
    if (!books_trace)
        return;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

/* ---- bodies ---- */

size_t books_body(uint32_t n, unsigned char body[BOOKS_BODY_BYTES]) {
    uint64_t mixed = n * UINT64_C(0x9e3779b97f4a7c15);
    size_t bytes = 8 + (size_t)(mixed >> 40) % (mixed >> 33 & 3 ? 200 : BOOKS_BODY_BYTES - 8);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (unsigned char)(n * 31 + i * 7);
    memcpy(body, &n, sizeof n);
    return bytes;
}

uint32_t books_whose(const void *data, size_t bytes) {
    unsigned char body[BOOKS_BODY_BYTES];
    uint32_t n = 0;
    if (bytes >= sizeof n)
        memcpy(&n, data, sizeof n);
    if (n == 0 || n > books->sent)
        books_wrong("a message of %zu bytes was never sent", bytes);
    else if (books_body(n, body) != bytes || memcmp(body, data, bytes) != 0)
        books_wrong("message %u is not as it was sent", n);
    else
        return n;
    return 0;
}

/* ---- calls ---- */

uint64_t books_open(struct book_message *m) {
    m->open = true;
    return m->changed = ++books->time;
}
bool books_same(const struct book_message *m, uint64_t since) { return m->changed == since; }
void books_close(struct book_message *m, uint64_t since) {
    if (books_same(m, since))
        m->changed = ++books->time;
    m->open = false;
}

void books_now(struct book_state *s, uint8_t state) {
    s->may |= state;
    s->now = state;
}

static void doubt(struct book_state *s) {
    s->may |= STATE_GONE;
    s->now = s->now == STATE_LIVE ? 0 : s->now;
}

void books_flushed(uint64_t time) {
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        if (m->open || m->changed > time)
            continue;
        /* A sync that failed may have lost what is in no memory any more, and what a group that was behind should have read. */
        const bool doubted = books->faulty && books->sync != RP_SYNC_ALWAYS && !m->safe;
        m->safe |= m->returned && !doubted;
        for (unsigned g = 0; g < books->groups_made; g++)
            if (doubted && books->groups[g].past)
                doubt(&m->of[g]);
            else if (m->of[g].now != 0)
                m->of[g].may = m->of[g].now;
        m->has_gone = false;
    }
    for (unsigned g = 0; g < books->groups_made; g++) {
        struct book_group *group = &books->groups[g];
        if (group->open || group->changed > time || group->now == GROUP_COMING || group->now == GROUP_GOING)
            continue;
        group->may_be = group->now == GROUP_THERE;
        group->may_not_be = !group->may_be;
    }
}

void books_sends_synced(void) {
    for (uint32_t n = 1; n <= books->sent; n++) {
        books->messages[n].safe |= books->messages[n].returned && !books->messages[n].open;
        for (unsigned g = 0; g < books->groups_made; g++) {
            struct book_state *s = &books->messages[n].of[g];
            if (!books->messages[n].open && s->now != 0 && s->now != STATE_GONE)
                s->may &= (uint8_t)~STATE_GONE;
        }
    }
}

static uint8_t failed_once(uint8_t state) {
    return state == STATE_GONE || state == STATE_DEAD ? state : (uint8_t)(state << 1); /* the last failure makes it a dead letter */
}

void books_user_died(void) {
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        for (unsigned g = 0; g < books->groups_made; g++) {
            struct book_state *s = &m->of[g];
            if (s->leased || m->open) {
                for (unsigned state = STATE_DEAD; s->leased && state != 0; state >>= 1)
                    if (s->may & state)
                        s->may |= failed_once((uint8_t)state);
                s->now = 0;
            }
            s->leased = false;
        }
        m->open = false;
    }
    for (unsigned g = 0; g < books->groups_made; g++)
        books->groups[g].open = false;
}

/* ---- looking ---- */

#define NEW_LIFE UINT64_MAX

static const char *name_of(uint8_t state) {
    return state == STATE_GONE ? "gone" : state == STATE_DEAD ? "dead" : state == STATE_LIVE ? "live" : "live after failures";
}

/* Message n stands like that in the group. */
static void check(uint32_t n, unsigned g, uint8_t found, uint64_t time) {
    struct book_message *m = &books->messages[n];
    struct book_state *s = &m->of[g];
    const bool life = time == NEW_LIFE;
    if (!life && (m->open || m->changed > time))
        return;
    if (!life && s->now != 0 && s->now != found)
        books_wrong("message %u is %s in group %u, and should be %s", n, name_of(found), g, name_of(s->now));
    if (!(s->may & found))
        books_wrong("message %u came back %s in group %u: it may only be in states %#x", n, name_of(found), g, s->may);
    s->may = s->now = found;
    if (life)
        s->leased = false;
}

/* What the queue has of the group: found[n]. */
static void list(rp_queue *q, unsigned g, uint8_t *found) {
    static uint64_t buffer[BOOKS_BODY_BYTES / 8 + 16];
    struct rp_peeked p;
    char name[16];
    books_group_name(g, name);
    for (uint64_t id = 0; rp_peek(q, name, RP_STATE_ALL, id, &p, buffer, sizeof buffer) == 0; id = p.id) {
        uint32_t n = books_whose(buffer, p.bytes);
        if (n == 0)
            return;
        if (found[n] != STATE_GONE)
            books_wrong("message %u is there twice in group %u", n, g);
        if (books->messages[n].id != 0 && books->messages[n].id != p.id)
            books_wrong("message %u has id %llu, and was sent with %llu", n, (unsigned long long)p.id,
                        (unsigned long long)books->messages[n].id);
        books->messages[n].id = p.id;
        unsigned failures = p.deliveries < BOOKS_MOST_DELIVERIES ? p.deliveries : BOOKS_MOST_DELIVERIES - 1;
        found[n] = (uint8_t)(p.state == RP_STATE_DEAD ? STATE_DEAD : STATE_LIVE << failures);
    }
}

static bool is_there(rp_queue *q, unsigned g, uint32_t *index) {
    struct rp_group_info info;
    char name[16];
    books_group_name(g, name);
    for (uint32_t i = 0; rp_group_next(q, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, name) == 0) {
            *index = info.index;
            return true;
        }
    return false;
}

static void check_group(rp_queue *q, unsigned g, uint64_t time) {
    struct book_group *group = &books->groups[g];
    uint8_t found[BOOKS_MESSAGES];
    uint32_t index = 0;
    bool there = is_there(q, g, &index), unknown = group->now >= GROUP_GOING; /* its messages went with it, or some of them */
    if (time != NEW_LIFE && (group->open || group->changed > time))
        return;
    if (there ? !group->may_be : !group->may_not_be)
        books_wrong("group %u is %s", g, there ? "there" : "not there");
    group->now = there ? GROUP_THERE : GROUP_REMOVED;
    group->may_be = there;
    group->may_not_be = !there;
    memset(found, STATE_GONE, sizeof found);
    if (there)
        list(q, g, found);
    if (there && books->past)
        past_books_list(q, index, g, found);
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_state *s = &books->messages[n].of[g];
        if (there && !unknown)
            check(n, g, found[n], time);
        else
            s->may = s->now = found[n];
    }
}

static void check_all(rp_queue *q, uint64_t time) {
    struct rp_audit a;
    if (books->past && !past_books_look())
        return;
    for (unsigned g = 0; g < books->groups_made; g++)
        check_group(q, g, time);
    if (rp_queue_audit(q, &a) != 0 || a.violations > 0)
        books_wrong("audit: %llu violations: %s", (unsigned long long)a.violations, a.first);
}

void books_check_life(rp_queue *q) {
    books_say("a life begins");
    memset(books->last, 0, sizeof books->last);
    check_all(q, NEW_LIFE);
    for (uint32_t n = 1; n <= books->sent; n++) {
        struct book_message *m = &books->messages[n];
        m->waits |= m->has_gone; /* nobody can tell */
        m->open = m->has_gone = false;
        m->safe |= m->in_files;
        if (!m->in_files) /* nor will it be */
            m->sequence = 1;
    }
    for (unsigned g = 0; g < books->groups_made; g++)
        books->groups[g].open = false;
}

void books_check_memory(rp_queue *q, uint64_t time) { check_all(q, time); }
