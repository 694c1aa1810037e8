/* calendar_principal.h: URLs of principals as calendar user addresses (RFC 6638 section 2.4.1):
 * clients write ORGANIZER and ATTENDEE so, too. */
#pragma once
#include "base/base.h"

struct arena;
struct directory;
struct directory_person;
struct ical_comp;

/* Whom the address is the principal's URL of: "/dav/principals/NAME/", after "https://HOST" or not,
 * where HOST is this server or in a domain served here. NULL: nobody's. */
const struct directory_person *calendar_principal(const struct directory *directory,
                                                  struct slice address);
/* Who has the calendar user address, be it such a URL or a mail address with or without mailto:,
 * and wherever his account is; a catch-all and a group are nobody. NULL: nobody has. */
const struct directory_person *calendar_principal_of(const struct directory *directory,
                                                     struct slice address);
/* The person's "mailto:" in the arena where calendar_principal() is somebody, else the address. */
struct slice calendar_principal_mail(struct arena *arena, const struct directory *directory,
                                     struct slice address);
/* Such values of ORGANIZER and ATTENDEE, and their SENT-BY, DELEGATED-TO and DELEGATED-FROM, become
 * the person's "mailto:", so that all that is compared later, here and elsewhere, is one address.
 * In place; texts in the arena. */
void calendar_principals_resolve(struct arena *arena, const struct directory *directory,
                                 struct ical_comp *vcalendar);
