/* calendar_mail.h: mail that the calendars make: invitations and automatic replies. Inside
 * calendar/. */
#pragma once
#include "base/base.h"

struct calendar;
struct router_message;

/* Puts the message into mailboxes and the queue. text is what message->body was made of; envelope,
 * structure and Message-ID (of the guid) are filled in from it, all else of message is the
 * caller's. What router_accept() says. */
MUST_USE enum st calendar_mail_accept(struct calendar *calendar, struct router_message *message,
                                      struct slice text);
