/* Writes the delivery report of the case named, for dsn_python.py to read. */
#include "base/buf.h"
#include "base/slice.h"
#include "router/router_dsn.h"
#include "router/router_dsn_text.h"

#include <stdio.h>
#include <string.h>

#define HEADER \
    "Date: Tue, 3 Jun 2025 12:11:58 +0200\r\nFrom: Alice <alice@example.test>\r\n" \
    "To: Bob <bob@example.net>\r\nSubject: Lunch on Friday\r\n" \
    "Message-ID: <lunch@example.test>\r\n\r\n"
#define HEADER_UTF8 \
    "From: J\xc3\xbcrgen <j\xc3\xbcrgen@example.test>\r\nSubject: Gr\xc3\xbc\xc3\x9f" \
    "e aus K\xc3\xb6ln\r\n\r\n"
/* A slice in a static table. */
#define TEXT(lit) \
    { \
        (lit), sizeof(lit) - 1 \
    }
#define T 1748945523000 /* Tue, 3 Jun 2025 10:12:03 +0000 */

static const struct router_dsn_rcpt one[] = {
    {.address = TEXT("bob@example.net"),
     .orcpt = TEXT("rfc822;bob@example.net"),
     .status = TEXT("5.1.1"),
     .remote = TEXT("mx.example.net"),
     .diagnostic = TEXT("smtp; 550 5.1.1 No such user"),
     .tried_ms = T + 2000},
};

static const struct router_dsn_rcpt two[] = {
    {.address = TEXT("bob@example.net"),
     .status = TEXT("4.4.1"),
     .diagnostic = TEXT("x-posthorse; mx.example.net: connection refused"),
     .tried_ms = T + 60000,
     .until_ms = T + 432000000},
    {.address = TEXT("carol@corp.example"),
     .orcpt = TEXT("rfc822;carol+2Bnews@example.net"),
     .status = TEXT("4.2.2"),
     .remote = TEXT("mx.corp.example"),
     .diagnostic = TEXT("smtp; 452 4.2.2 Over quota"),
     .tried_ms = T + 61000,
     .until_ms = T + 432000000},
};

static const struct router_dsn_rcpt wide[] = {
    {.address = TEXT("gr\xc3\xbcn@b\xc3\xbc"
                     "cher.example"),
     .orcpt = TEXT("utf-8;gr\\x{FC}n@b\\x{FC}cher.example"),
     .status = TEXT("5.6.7"),
     .remote = TEXT("mx.example.net"),
     .diagnostic = TEXT("smtp; 550 5.6.7 SMTPUTF8 needed: gr\xc3\xbcn"),
     .tried_ms = T},
};

static const struct {
    const char *name;
    const struct router_dsn_rcpt *rcpts;
    size_t rcpt_count;
    enum router_dsn_kind kind;
    const char *header;
    const char *body; /* NULL: headers only */
} cases[] = {
    {"failed", one, 1, ROUTER_DSN_FAILED, HEADER, NULL},
    {"whole", one, 1, ROUTER_DSN_FAILED, HEADER, "Shall we?\r\n-- \r\nA.\r\n"},
    {"whole_eight_bit", one, 1, ROUTER_DSN_FAILED, HEADER,
     "Gr\xc3\xbc\xc3\x9f"
     "e\r\n"},
    {"delayed", two, 2, ROUTER_DSN_DELAYED, HEADER, NULL},
    {"delivered", one, 1, ROUTER_DSN_DELIVERED, HEADER, NULL},
    {"relayed", one, 1, ROUTER_DSN_RELAYED, HEADER, NULL},
    {"expanded", one, 1, ROUTER_DSN_EXPANDED, HEADER, NULL},
    {"global", wide, 1, ROUTER_DSN_FAILED, HEADER_UTF8, NULL},
    {"global_whole", wide, 1, ROUTER_DSN_FAILED, HEADER_UTF8, "K\xc3\xb6ln\r\n"},
};

static void put(void *ctx, struct slice text)
{
    fwrite(text.ptr, 1, text.len, ctx);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct router_dsn dsn = {
            .kind = cases[i].kind,
            .mta = SLICE("mail.example.test"),
            .from_name = SLICE("Mail Delivery System"),
            .from = SLICE("postmaster@example.test"),
            .to = SLICE("alice@example.test"),
            .envid = SLICE("QQ+2B314"),
            .guid = SLICE("00112233445566778899aabbccddeeff"),
            .boundary = SLICE("0123456789abcdef0123456789abcdef"),
            .words = router_dsn_text_default(cases[i].kind),
            .arrived_ms = T,
            .now_ms = T + 3000,
            .rcpts = cases[i].rcpts,
            .rcpt_count = cases[i].rcpt_count,
            .header = slice_str(cases[i].header),
            .whole = cases[i].body != NULL,
            .eight_bit = cases[i].body != NULL && strchr(cases[i].body, '\xc3') != NULL,
        };

        if (argc < 2) {
            printf("%s\n", cases[i].name);
            continue;
        }
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        router_dsn_begin(&dsn, put, stdout);
        if (dsn.whole) {
            put(stdout, dsn.header);
            put(stdout, slice_str(cases[i].body));
        }
        router_dsn_end(&dsn, put, stdout);
    }
    return 0;
}
