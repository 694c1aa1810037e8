/* router_dsn_text.h: the words of delivery reports: the administrator's files, or ours. */
#pragma once
#include "router/router_dsn.h"

struct buf;

#define ROUTER_DSN_TEXT_BYTES_MAX (64 * KIB)

/* Our own words for the kind; router_dsn_words.h tells what stands in braces. */
struct slice router_dsn_text_default(enum router_dsn_kind kind);
/* Appends the words for the kind: those of the file failed.txt, delayed.txt, delivered.txt,
 * relayed.txt or expanded.txt in the folder of the setting dsn_text_dir, otherwise ours. A file
 * that cannot be read, is over ROUTER_DSN_TEXT_BYTES_MAX or no UTF-8 text is logged and ours are
 * taken. Reads the file at each call, so that an edit counts at once. out's ceiling must be
 * ROUTER_DSN_TEXT_BYTES_MAX at least. */
void router_dsn_text_read(enum router_dsn_kind kind, struct buf *out);
