/* calendar_keeper.h: the thread that does the calendars' tasks and lets the window of busytime
 * roll. Inside calendar/. */
#pragma once
#include "base/base.h"

struct buf;
struct calendar;
struct calendar_keeper;

MUST_USE enum st calendar_keeper_new(struct calendar *calendar, struct buf *why,
                                     struct calendar_keeper **keeper_r);
void calendar_keeper_free(struct calendar_keeper **keeper); /* waits for it */
void calendar_keeper_kick(struct calendar_keeper *keeper);
