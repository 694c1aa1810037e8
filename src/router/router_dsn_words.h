/* router_dsn_words.h: the part of a delivery report that people read, made of a text with
 * placeholders. Inside router/. Pure.
 *
 * The text is UTF-8. Its first line may be "Subject: ...". In a line, {subject} {sender} {server}
 * {arrived} are the same for all recipients; a paragraph (lines up to an empty one) with
 * {recipient} {status} {reason} {answer} or {until} is written once for each. A line with one of
 * them about which nothing is known is left out. Other braces stay. Lines are wrapped. */
#pragma once
#include "router/router_dsn.h"

struct buf;

/* The Subject field. */
void router_dsn_words_subject(const struct router_dsn *dsn, struct buf *out);
/* The text, lines of at most MIME_WRITE_LINE_MAX bytes that end in CR LF. */
void router_dsn_words_body(const struct router_dsn *dsn, router_dsn_put *put, void *ctx);
