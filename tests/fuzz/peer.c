/* SPDX-License-Identifier: MIT */
/*
 * fuzz_peer: as fuzz_segment, while another thread damages the segment without a pause, as a mad process that has it mapped would. What happens depends on
 * the scheduler, so an input does not always show the same.
 */
#include "mutate.h"
#include "program.h"
#include "steps.h"
#include "use.h"
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_t peer;
static atomic_bool end, quiet = true, resting;
static struct base *target;
static uint64_t state = 88172645463325252, damages;

static bool is(atomic_bool *flag) { return atomic_load_explicit(flag, memory_order_seq_cst); }
static void set(atomic_bool *flag, bool value) { atomic_store_explicit(flag, value, memory_order_seq_cst); }

static void damage_once(void) {
    uint8_t bytes[16];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(dice(&state) >> 32);
    struct reader r = {bytes, bytes + sizeof bytes};
    (void)mutate(&r, &target->segment, world_bytes(), world_size());
    damages++;
}

static void *rage(void *nothing) {
    while (!is(&end)) {
        if (is(&quiet)) {
            set(&resting, true);
            continue;
        }
        set(&resting, false);
        damage_once();
        for (uint64_t n = dice(&state) % 512; n > 0; n--)
            atomic_signal_fence(memory_order_seq_cst);
    }
    return nothing;
}

static void peer_run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    target = program_load(&r);
    world_layout_known = false;
    if (world_size() >= target->bytes) {
        set(&resting, false);
        set(&quiet, false);
    }
    program_run(&r, target);
    set(&quiet, true);
    for (set(&resting, false); !is(&resting);) {
    }
    use_healthy();
}

static void peer_start(void) {
    use_among_vandals = true;
    program_start();
    must(pthread_create(&peer, NULL, rage, NULL) == 0);
}

static void peer_stop(void) {
    set(&end, true);
    pthread_join(peer, NULL);
    program_stop();
}

static void peer_summary(void) {
    printf("%llu changes by the other thread; the longest call took %llu steps\n", (unsigned long long)damages,
           (unsigned long long)steps_most);
    use_summary();
}

const struct fuzz_target fuzz_target = {
    .name = "peer",
    .prepare = world_prepare,
    .clean = world_clean,
    .start = peer_start,
    .run = peer_run,
    .stop = peer_stop,
    .summary = peer_summary,
};
