#include "mime/mime_lex.h"

#include "base/slice.h"

#include <string.h>

int mime_lex_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = mime_lex_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t mime_lex_comment(struct slice text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '(')
            depth++;
        else if (text.ptr[i] == ')' && --depth == 0)
            return i + 1;
    }
    return text.len;
}

size_t mime_lex_quoted(struct slice text, char close)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == close)
            return i + 1;
    }
    return text.len;
}

void mime_lex_cfws(struct slice *rest)
{
    while (rest->len > 0) {
        size_t skip = 0;

        if (mime_lex_blank(rest->ptr[0]))
            skip = 1;
        else if (rest->ptr[0] == '(')
            skip = mime_lex_comment(*rest);
        else
            break;
        *rest = slice_sub(*rest, skip, rest->len);
    }
}

struct slice mime_lex_token(struct slice *rest, const char *stop)
{
    size_t len = 0;

    while (len < rest->len && !mime_lex_blank(rest->ptr[len]) &&
           (rest->ptr[len] == '\0' || strchr(stop, rest->ptr[len]) == NULL))
        len++;
    struct slice token = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len, rest->len);
    return token;
}

size_t mime_lex_unquote(struct slice quoted, char *to)
{
    size_t len = 0;

    for (size_t i = 1; i < quoted.len; i++) {
        char c = quoted.ptr[i];

        if (c == '\\' && i + 1 < quoted.len)
            c = quoted.ptr[++i];
        else if (c == quoted.ptr[0])
            break;
        if (c != '\r' && c != '\n')
            to[len++] = c;
    }
    return len;
}

size_t mime_lex_atom(struct slice text)
{
    switch (text.ptr[0]) {
    case '"':
        return mime_lex_quoted(text, '"');
    case '(':
        return mime_lex_comment(text);
    case '\\':
        return text.len < 2 ? text.len : 2;
    default:
        return 1;
    }
}
