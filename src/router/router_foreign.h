/* router_foreign.h: what a gateway rewrites: a foreign-domain document's rules over a message's
 * envelope and header, on its way to the foreign system and back. Pure.
 *
 * A DKIM signature (RFC 6376) does not outlive a change of the fields it covers; facts.signature
 * tells that there was one. */
#pragma once
#include "directory/directory.h"
#include "mime/mime_rewrite.h"

struct arena;

struct router_foreign {
    /* DIRECTORY_IN: an address that somebody here has (a catch-all aside) stays as it is. NULL:
     * nobody is asked for. */
    const struct directory *directory;
    const struct directory_foreign *foreign;
    enum directory_way way;
};

/* address: as between angle brackets. True: what it becomes, in arena, is in *address_r, of at most
 * 320 bytes. False: no rule fits, and *address_r is address. */
bool router_foreign_address(const struct router_foreign *rewriting, struct arena *arena,
                            struct slice address, struct slice *address_r);

/* The foreign system that a message with this sender (as between angle brackets, or "" ) comes
 * from, where this server is its gateway; NULL: none. peer: who gives it, "192.0.2.1". A document
 * that names networks is taken at its word: the peer lies in one, or is one of its hosts by
 * address. Of one that names none the sender's address must fit a rule; anybody can forge that. */
const struct directory_foreign *router_foreign_origin(const struct directory *directory,
                                                      const char *server_name, const char *peer,
                                                      struct slice sender);

/* A header that passes; rewriting must stay until it is freed. */
struct router_foreign_header;
struct router_foreign_header *router_foreign_header_new(const struct router_foreign *rewriting);
void router_foreign_header_free(struct router_foreign_header **header); /* NULL is fine */
/* mime_rewrite_feed() and its companions with it. */
struct mime_rewrite *router_foreign_header(const struct router_foreign_header *header);

/* What gives a message's text piece by piece: ST_OK once all was given, what put returned where
 * that was not ST_OK, or an error of its own. */
typedef enum st router_foreign_put(void *ctx, struct slice text);
typedef enum st router_foreign_give(void *ctx, router_foreign_put *put, void *put_ctx);
/* put gets the text with its header rewritten; returns as give does. */
MUST_USE enum st router_foreign_pass(const struct router_foreign *rewriting,
                                     router_foreign_give *give, void *give_ctx,
                                     router_foreign_put *put, void *put_ctx);
/* What rewriting would do; the body is not read. The text grows by facts_r->bytes_out -
 * facts_r->bytes_in. */
MUST_USE enum st router_foreign_measure(const struct router_foreign *rewriting,
                                        router_foreign_give *give, void *give_ctx,
                                        struct mime_rewrite_facts *facts_r);
/* "rfc822;alice@example.org" for ORCPT (RFC 3461 section 4.2), in arena; empty where the address
 * has bytes over 127. */
struct slice router_foreign_orcpt(struct arena *arena, struct slice address);
