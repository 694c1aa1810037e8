/* sandbox_calendar.h: events for the calendars of a sandbox, some days around today. Inside
 * server/. */
#pragma once
#include "base/base.h"

struct calendar;

/* A room to book; like SANDBOX_PEOPLE. */
#define SANDBOX_ROOMS "room-1 " SANDBOX_PASSWORD "\n"

/* server_options.furnish, with the struct sandbox_server as its ctx: those who have an account here
 * get events, unless they have calendars already. */
MUST_USE enum st sandbox_calendar_furnish(struct calendar *calendar, void *ctx);
