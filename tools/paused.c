/* SPDX-License-Identifier: MIT */
#include "paused.h"

#include <string.h>

const char *paused_sides(rp_queue *q) {
    static const char *const names[] = {"", "send", "receive", "send, receive"};
    int sides = rp_queue_paused(q);
    return names[sides < 0 ? 0 : sides & (RP_SIDE_SEND | RP_SIDE_RECEIVE)];
}

const char *paused_text(rp_queue *q, char out[PAUSED_TEXT_MAX]) {
    struct rp_group_info g;
    size_t length = (size_t)snprintf(out, PAUSED_TEXT_MAX, "%s", paused_sides(q));
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1) {
        if (g.paused && length < PAUSED_TEXT_MAX)
            length += (size_t)snprintf(out + length, PAUSED_TEXT_MAX - length, "%sgroup %s", length > 0 ? ", " : "", g.name);
    }
    return out;
}

json_t *paused_json(rp_queue *q) {
    json_t *array = json_array();
    int sides = rp_queue_paused(q);
    if (sides > 0 && (sides & RP_SIDE_SEND))
        json_array_append_new(array, json_string("send"));
    if (sides > 0 && (sides & RP_SIDE_RECEIVE))
        json_array_append_new(array, json_string("receive"));
    return array;
}
