/* ews_view.h: who is busy when as EWS tells it. Pure. Inside ews/. */
#pragma once
#include "calendar/calendar_detail.h"
#include "calendar/calendar_hours.h"
#include "ews/ews_ask.h"

/* Digits: 0 free, 1 tentative, 2 busy, 3 away, 4 nobody knows; the highest counts. */
#define EWS_DIGIT_NO_DATA '4'

/* One person's time. */
struct ews_times {
    const struct calendar_busy_row *rows; /* as calendar_freebusy_merge() gives them */
    size_t count;
    int64_t from_s, until_s; /* they are known of that; the same: of nothing */
};

/* How many digits there are; the last one may reach beyond the window. */
size_t ews_digits_count(int64_t from_s, int64_t until_s, uint64_t interval_min);
/* That many digits for the window, without a NUL. */
void ews_digits(const struct ews_times *times, int64_t from_s, int64_t until_s,
                uint64_t interval_min, char *digits);
const char *ews_busy_name(enum store_busy_kind kind); /* "Busy" */

/* What is told of one mailbox. */
struct ews_told {
    const struct ews_fault *fault; /* NULL: none, and the rest counts */
    struct ews_times times;
    const struct calendar_detail *events; /* in place of the rows; NULL: none are told */
    size_t event_count;
    enum ews_view view;               /* at most what was asked for */
    const struct calendar_week *week; /* NULL: working hours are not told */
    bool elsewhere;                   /* the client knows WorkingElsewhere */
};
/* <m:FreeBusyResponse> */
void ews_view_write(const struct ews_ask *ask, const struct ews_told *told, struct buf *out);
