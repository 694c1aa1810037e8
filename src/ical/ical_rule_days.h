/* ical_rule_days.h: which days of a year a recurrence rule allows, as bits. Inside of ical/. Pure.
 */
#pragma once
#include "ical/ical_rule.h"

/* What the parts of the rule that speak of days leave of the year: bit 0 is January 1st. */
void ical_rule_days(const struct ical_rule *rule, int32_t year, uint64_t bits[ICAL_BITS366]);
/* Years of the same kind (of 28) have the same days, whatever the rule. */
unsigned ical_rule_year_type(int32_t year);
