/* SPDX-License-Identifier: MIT */
#include "when.h"

#include <ctype.h>
#include <stddef.h>

#define NS_PER_S UINT64_C(1000000000)
#define YEAR_MOST 2500
#define SECONDS_MOST UINT64_C(16756761600) /* 2501-01-01 */

/* Exactly `digits` of them; NULL if they are not there. */
static const char *read_number(const char *text, int digits, int *out) {
    *out = 0;
    for (; digits > 0; digits--, text++) {
        if (!isdigit((unsigned char)*text))
            return NULL;
        *out = *out * 10 + (*text - '0');
    }
    return text;
}

/* ".25", or nothing. */
static const char *read_fraction(const char *text, uint64_t *out_ns) {
    uint64_t unit = NS_PER_S;
    *out_ns = 0;
    if (*text != '.')
        return text;
    text++;
    if (!isdigit((unsigned char)*text))
        return NULL;
    for (; isdigit((unsigned char)*text); text++) {
        unit /= 10;
        if (unit == 0)
            return NULL; /* finer than a nanosecond */
        *out_ns += unit * (uint64_t)(*text - '0');
    }
    return text;
}

static bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int days_in_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t days_since_1970(int year, int month, int day) {
    int64_t before = year - 1; /* whole years since year 1 */
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return days + day - 1;
}

/* "Z", "+01:00". */
static bool read_offset(const char *text, int *out_minutes) {
    int hours, minutes, sign = *text == '-' ? -1 : 1;
    *out_minutes = 0;
    if ((*text == 'Z' || *text == 'z') && text[1] == '\0')
        return true;
    if (*text != '+' && *text != '-')
        return false;
    text = read_number(text + 1, 2, &hours);
    if (!text || *text != ':')
        return false;
    text = read_number(text + 1, 2, &minutes);
    *out_minutes = sign * (hours * 60 + minutes);
    return text && *text == '\0' && hours < 24 && minutes < 60;
}

static bool parse_rfc3339(const char *text, uint64_t *out_ns) {
    static const struct {
        int digits;
        char after;
    } parts[] = {{4, '-'}, {2, '-'}, {2, 'T'}, {2, ':'}, {2, ':'}, {2, '\0'}};
    int value[6], offset;
    uint64_t fraction;
    int64_t seconds;
    for (size_t i = 0; i < 6; i++) {
        text = read_number(text, parts[i].digits, &value[i]);
        if (!text)
            return false;
        if (parts[i].after == '\0')
            break;
        if (*text != parts[i].after && !(parts[i].after == 'T' && (*text == ' ' || *text == 't')))
            return false;
        text++;
    }
    text = read_fraction(text, &fraction);
    if (!text || !read_offset(text, &offset))
        return false;
    if (value[0] < 1 || value[0] > YEAR_MOST || value[1] < 1 || value[1] > 12 || value[2] < 1 ||
        value[2] > days_in_month(value[0], value[1]) || value[3] > 23 || value[4] > 59 || value[5] > 59)
        return false;
    seconds = ((days_since_1970(value[0], value[1], value[2]) * 24 + value[3]) * 60 + value[4] - offset) * 60 + value[5];
    if (seconds < 0)
        return false;
    *out_ns = (uint64_t)seconds * NS_PER_S + fraction;
    return true;
}

static bool parse_epoch(const char *text, uint64_t *out_ns) {
    uint64_t seconds = 0, fraction;
    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++) {
        seconds = seconds * 10 + (uint64_t)(*text - '0');
        if (seconds >= SECONDS_MOST)
            return false;
    }
    text = read_fraction(text, &fraction);
    if (!text || *text)
        return false;
    *out_ns = seconds * NS_PER_S + fraction;
    return true;
}

bool when_parse(const char *text, uint64_t *out_ns) {
    return *text == '@' ? parse_epoch(text + 1, out_ns) : parse_rfc3339(text, out_ns);
}
