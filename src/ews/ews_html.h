/* ews_html.h: the words of an HTML text: Outlook sends what to say when somebody is away as HTML.
 * Pure. Inside ews/. */
#pragma once
#include "base/base.h"

struct buf;

/* Whether it is HTML: it has a tag in it that Outlook writes. */
bool ews_html_is(struct slice text);
/* Appends the words: blocks and <br> end a line, blanks are one, what stands in head, style and
 * script is left out, character references are undone. */
void ews_html_words(struct slice html, struct buf *out);
