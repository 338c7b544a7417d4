/* SPDX-License-Identifier: MIT */
#include "bounce.h"

enum { WARM_UP_ROUNDS = 200 };

static inline void await_turn(struct bounce_line *line, uint64_t turn) {
    while (atomic_load_explicit(&line->turn, memory_order_acquire) != turn) {
        cpu_pause();
    }
}

void bounce_serve(struct bounce_line *line, uint64_t base, uint64_t rounds) {
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + rounds; i++) {
        await_turn(line, base + 2 * i + 1);
        atomic_store_explicit(&line->turn, base + 2 * i + 2, memory_order_release);
    }
}

void bounce_sample(struct bounce_line *line, uint64_t base, uint64_t rounds, struct histogram *h) {
    uint64_t from = ticks_now();
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + rounds; i++) {
        atomic_store_explicit(&line->turn, base + 2 * i + 1, memory_order_release);
        await_turn(line, base + 2 * i + 2);
        uint64_t now = ticks_now();
        if (i >= WARM_UP_ROUNDS) {
            histogram_add(h, now - from);
        }
        from = now;
    }
}

struct bounce_result bounce_measure(struct bounce_line *line, uint64_t base, uint64_t rounds, const struct machine *m) {
    static struct histogram h;
    histogram_clear(&h);
    bounce_sample(line, base, rounds, &h);
    return (struct bounce_result){
        .p50_ns = machine_quantile_ns(m, &h, 0.50),
        .p90_ns = machine_quantile_ns(m, &h, 0.90),
        .p99_ns = machine_quantile_ns(m, &h, 0.99),
    };
}
