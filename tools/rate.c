/* SPDX-License-Identifier: MIT */
#include "rate.h"

#include <string.h>

#define MOST UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static uint64_t period_ns(const char *unit) {
    if (strcmp(unit, "/s") == 0)
        return NS_PER_S;
    if (strcmp(unit, "/m") == 0)
        return 60 * NS_PER_S;
    return strcmp(unit, "/h") == 0 ? 3600 * NS_PER_S : 0;
}

bool rate_parse(const char *text, void *rate) {
    size_t digits = strspn(text, "0123456789");
    uint64_t count = 0, period = period_ns(text + digits);
    if (digits == 0 || digits > 7 || period == 0)
        return false;
    for (size_t i = 0; i < digits; i++)
        count = count * 10 + (uint64_t)(text[i] - '0');
    if (count == 0 || count > MOST)
        return false;
    *(struct rate *)rate = (struct rate){.interval_ns = (period + count - 1) / count}; /* rounded so that it is never faster */
    return true;
}

uint64_t rate_wait_ns(const struct rate *r, uint64_t now_ns) {
    uint64_t ready_ns = r->next_ns > RATE_SLACK_NS ? r->next_ns - RATE_SLACK_NS : 0;
    return r->interval_ns && ready_ns > now_ns ? ready_ns - now_ns : 0;
}

struct rate rate_take(struct rate r, uint64_t now_ns) {
    r.next_ns = (r.next_ns > now_ns ? r.next_ns : now_ns) + r.interval_ns;
    return r;
}
