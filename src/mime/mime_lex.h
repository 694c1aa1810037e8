/* mime_lex.h: lexical pieces that the header parsers of this folder share. */
#pragma once
#include "base/base.h"

/* A slice in a static table, where C17 takes no compound literal. */
#define MIME_LEX_TEXT(lit) \
    { \
        (lit), sizeof(lit) - 1 \
    }

static inline bool mime_lex_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline char mime_lex_lower(char c)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    if (c >= 'A' && c <= 'Z')
        return letters[c - 'A'];
    return c;
}

/* The value of a hexadecimal digit, or -1. */
int mime_lex_hex(char c);
/* Length of the comment that text begins with (RFC 5322 section 3.2.2), parentheses included; one
 * that is never closed runs to the end, so that hostile input stays linear. */
size_t mime_lex_comment(struct slice text);
/* The same for a quoted string (RFC 5322 section 3.2.4) or what else opens with text's first byte
 * and closes with the byte given. */
size_t mime_lex_quoted(struct slice text, char close);
/* Length of what must not be cut at the beginning of text: a quoted string, a comment, a quoted
 * pair, or one byte. text is not empty. */
size_t mime_lex_atom(struct slice text);
/* Skips blanks, line ends and comments. */
void mime_lex_cfws(struct slice *rest);
/* Takes what runs up to a blank or one of stop's bytes. Empty where one stands first. */
struct slice mime_lex_token(struct slice *rest, const char *stop);
/* Appends what a quoted string says, quotes, backslashes and line ends removed, at to, which must
 * have room for quoted.len bytes. Returns the bytes written. */
size_t mime_lex_unquote(struct slice quoted, char *to);
