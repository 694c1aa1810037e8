/* calendar_address.h: calendar user addresses (RFC 5545 section 3.3.3): the values of ATTENDEE and
 * ORGANIZER, and whether two of them are one. */
#pragma once
#include "base/base.h"

struct arena;
struct ical_prop;

/* The address in lower case, "mailto:" before what is a mere address, its %XX undone (RFC 6068). In
 * the arena. */
struct slice calendar_address(struct arena *arena, struct slice text);
/* That of an ATTENDEE or ORGANIZER: its value, or EMAIL (RFC 7986 section 6.2) where that is no
 * "mailto:": Apple writes paths. */
struct slice calendar_address_prop(struct arena *arena, const struct ical_prop *prop);
/* Whether calendar_address() of both is the same. */
bool calendar_address_eq(struct slice a, struct slice b);
/* Whether calendar_address_prop() of one is calendar_address() of the other. */
bool calendar_address_is(const struct ical_prop *prop, struct slice address);
/* Whether the value or calendar_address_prop() is one of own (as in calendar_itip_world). */
bool calendar_address_among(const struct ical_prop *prop, const struct slice *own, size_t count);
/* Without "mailto:"; borrowed. */
struct slice calendar_address_mail(struct slice text);
/* Whether it is the URL of a principal: "/dav/principals/NAME/", behind "https://HOST",
 * "http://HOST" or nothing. host_r: borrowed, with its port, empty where there is none; name_r: in
 * room, of room_bytes, its %XX undone, in lower case. */
bool calendar_address_principal(struct slice text, char *room, size_t room_bytes,
                                struct slice *host_r, struct slice *name_r);
