/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct ledger *ledger;

void ledger_create(void) {
    if (ledger != NULL)
        munmap(ledger, sizeof *ledger);
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ledger == MAP_FAILED)
        abort();
}

void ledger_violation(const char *format, ...) {
    uint64_t n = atomic_fetch_add(&ledger->violations, 1);
    if (n >= VIOLATION_TEXTS)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ledger->texts[n], VIOLATION_BYTES, format, arguments);
    va_end(arguments);
}

uint64_t ledger_take_numbers(void) {
    uint64_t first = atomic_fetch_add(&ledger->next_message, LEDGER_CHUNK);
    return first + LEDGER_CHUNK <= LEDGER_MESSAGES ? first : UINT64_MAX;
}

union mark ledger_mark(uint64_t number) {
    return (union mark){.word = atomic_load(&ledger->marks[number])};
}

/* One change of the entry `m`, as one step. Declares nothing that outlives it but `before`, in the function around it. */
#define CHANGE(number, m, statements)           \
    union mark before = ledger_mark(number), m; \
    do {                                        \
        m = before;                             \
        statements                              \
    } while (!atomic_compare_exchange_weak(&ledger->marks[number], &before.word, m.word))

void ledger_send_begins(uint64_t number) {
    CHANGE(number, m, { m.sent = SENT_INTENT; });
}

void ledger_send_ended(uint64_t number, bool sent) {
    CHANGE(number, m, { m.sent = sent ? SENT_DONE : SENT_REFUSED; });
}

bool ledger_shown(uint64_t number, uint32_t acquisitions) {
    bool first;
    CHANGE(number, m, {
        first = acquisitions == 1 && m.redriven == 0;
        m.first += acquisitions == 1 && m.first < 15;
        m.shown += m.shown < 4095;
        m.most = acquisitions <= m.most ? m.most : acquisitions < 4095 ? acquisitions : 4095;
    });
    return first;
}

void ledger_settling(uint64_t number) {
    CHANGE(number, m, { m.open++; });
}

void ledger_settle_ended(uint64_t number, bool settled) {
    CHANGE(number, m, {
        m.open--;
        m.settled += settled && m.settled < 15;
    });
}

void ledger_reject_ended(uint64_t number, bool rejected) {
    CHANGE(number, m, { m.rejected += rejected && m.rejected < 15; });
}

void ledger_redriving(uint64_t number) {
    CHANGE(number, m, { m.redriven += m.redriven < 255; });
}

void ledger_consumed(uint64_t number, uint32_t acquisitions) {
    (void)ledger_shown(number, acquisitions);
    ledger_settling(number);
    ledger_settle_ended(number, true);
}

void ledger_key_shown(uint32_t producer, uint64_t number) {
    _Atomic uint64_t *latest = &ledger->latest[producer % LEDGER_PRODUCERS];
    uint64_t now = atomic_load(latest);
    while (now < number + 1 && !atomic_compare_exchange_weak(latest, &now, number + 1)) {
    }
}

uint64_t ledger_key_latest(uint32_t producer) { return atomic_load(&ledger->latest[producer % LEDGER_PRODUCERS]); }
