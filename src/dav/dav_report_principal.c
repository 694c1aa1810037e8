/* Finding principals (RFC 3744 sections 9.3 to 9.5). */
#include "conf/conf.h"
#include "dav/dav_report.h"
#include "dav/dav_view.h"

#define MATCHES_MAX 1000
#define SEARCHES_MAX 20
#define ADDRESS_BYTES_MAX 600

/* --- principal-match --- */

/* Whether the property of the resource names who asks. */
static bool names_me(const struct dav_call *call, const struct dav_resource *resource,
                     const struct dav_prop *prop)
{
    AUTO(buf) struct buf value = BUF(64 * KIB);
    AUTO(buf) struct buf mine = BUF(4 * KIB);

    if ((prop->kinds & (1u << resource->path.kind)) == 0 ||
        prop->write(call, resource, &value) != ST_OK)
        return false;
    dav_href_write_of(call->me, DAV_KIND_PRINCIPAL, &mine);
    return slice_find_slice(buf_slice(&value), buf_slice(&mine)) != SIZE_MAX;
}

static enum st match_property(struct dav_call *call, const struct xml_element *element,
                              struct dav_results *results)
{
    const struct dav_prop *prop = element != NULL ? dav_prop_find(element) : NULL;
    struct dav_list all = {NULL, 0, 0};

    dav_list_add(call, &all, &call->target);
    enum st st = dav_resource_members(call, &call->target, &all);
    for (size_t i = 0; st == ST_OK && prop != NULL && i < all.count; i++)
        if (names_me(call, &all.at[i], prop))
            dav_list_add(call, &results->list, &all.at[i]);
    return st;
}

static void add_person(struct dav_call *call, struct dav_results *results,
                       const struct directory_person *person)
{
    const struct dav_resource resource = {
        .path = {.kind = DAV_KIND_PRINCIPAL, .person = slice_str(person->name)},
        .person = person,
        .rights = person == call->me ? DAV_RIGHTS_OWN : DAV_RIGHTS_READ};

    dav_list_add(call, &results->list, &resource);
}

enum st dav_report_match(struct dav_call *call)
{
    const struct xml_element *property = xml_child(call->xml, XML_DAV, "principal-property");
    bool self = xml_child(call->xml, XML_DAV, "self") != NULL;
    unsigned kind = 1u << call->target.path.kind;
    struct dav_results *results = arena_one(call->arena, struct dav_results);
    enum st st = ST_OK;

    if (self == (property != NULL) || dav_results_wants(call, call->xml, results) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A DAV:principal-match holds DAV:self or DAV:principal-property");
    if (self && ((kind & (DAV_IN(ROOT) | DAV_IN(PRINCIPALS))) != 0 ||
                 (kind == DAV_IN(PRINCIPAL) && call->target.person == call->me)))
        add_person(call, results, call->me);
    else if (property != NULL)
        st = match_property(call, property->children, results);
    return st == ST_OK ? dav_results_reply(call, results) : st;
}

/* --- principal-property-search --- */

enum how { HOW_CONTAINS, HOW_STARTS, HOW_EQUALS };

struct search {
    bool (*has)(const struct search *search, const struct directory_person *person);
    struct slice text; /* lower case */
    enum how how;
};

static bool text_fits(const struct search *search, struct slice text)
{
    struct slice what = search->text;

    if (search->how == HOW_EQUALS)
        return slice_ieq(text, what);
    if (search->how == HOW_STARTS)
        return slice_istarts(text, what);
    for (size_t i = 0; i + what.len <= text.len; i++)
        if (slice_ieq(slice_sub(text, i, what.len), what))
            return true;
    return false;
}

static bool has_name(const struct search *search, const struct directory_person *person)
{
    return text_fits(search,
                     slice_str(person->full_name[0] != '\0' ? person->full_name : person->name));
}

static bool has_address(const struct search *search, const struct directory_person *person)
{
    struct slice rest = slice_str(conf_get()->domains);
    struct slice domain;

    while (slice_split(&rest, ' ', &domain)) {
        AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);

        if (domain.len == 0)
            continue;
        buf_putf(&address, "mailto:%s@%.*s", person->name, SLICE_ARG(domain));
        if (text_fits(search, buf_slice(&address)) ||
            text_fits(search, slice_sub(buf_slice(&address), 7, address.len)))
            return true;
    }
    return false;
}

static const struct {
    enum xml_ns ns;
    const char *name;
    const char *description;
    bool (*has)(const struct search *search, const struct directory_person *person);
} searchable[] = {
    {XML_DAV, "displayname", "Name", has_name},
    {XML_CALDAV, "calendar-user-address-set", "Calendar address", has_address},
    {XML_CS, "email-address-set", "Mail address", has_address},
};

struct searching {
    struct dav_call *call;
    struct dav_results *results;
    struct search list[SEARCHES_MAX];
    size_t count;
    bool any;     /* one is enough */
    bool nothing; /* something is asked of a property that nobody searches */
    bool full;
};

static void look_at(void *ctx, const struct directory_person *person)
{
    struct searching *searching = ctx;
    bool found = !searching->any;

    for (size_t i = 0; i < searching->count; i++) {
        const struct search *search = &searching->list[i];
        bool has = search->has(search, person);

        found = searching->any ? found || has : found && has;
    }
    if (!found || searching->full)
        return;
    searching->full = searching->results->list.count == MATCHES_MAX;
    if (!searching->full)
        add_person(searching->call, searching->results, person);
}

static enum how how_of(const struct xml_element *match)
{
    struct slice type = xml_attr(match, "match-type");

    return slice_eq(type, SLICE("starts-with")) ? HOW_STARTS
           : slice_eq(type, SLICE("equals"))    ? HOW_EQUALS
                                                : HOW_CONTAINS;
}

/* The properties of one DAV:property-search are all meant with the same text. */
static enum st read_search(struct searching *searching, const struct xml_element *element)
{
    const struct xml_element *prop = xml_child(element, XML_DAV, "prop");
    const struct xml_element *match = xml_child(element, XML_DAV, "match");

    if (prop == NULL || match == NULL)
        return ST_INVALID;
    for (prop = prop->children; prop != NULL; prop = prop->next) {
        size_t i = 0;

        while (i < COUNT(searchable) && !xml_is(prop, searchable[i].ns, searchable[i].name))
            i++;
        if (i == COUNT(searchable)) {
            searching->nothing = true;
            continue;
        }
        if (searching->count == SEARCHES_MAX)
            return ST_TOO_BIG;
        searching->list[searching->count++] =
            (struct search){searchable[i].has, slice_trim(match->text), how_of(match)};
    }
    return ST_OK;
}

static void tell_full(struct searching *searching)
{
    AUTO(buf) struct buf tail = BUF(4 * KIB);

    dav_status_write(&searching->call->target.path, "HTTP/1.1 507 Insufficient Storage",
                     "number-of-matches-within-limits", &tail);
    searching->results->tail = arena_copy(searching->call->arena, buf_slice(&tail));
}

enum st dav_report_search(struct dav_call *call)
{
    struct searching searching = {.call = call,
                                  .results = arena_one(call->arena, struct dav_results),
                                  .any = slice_eq(xml_attr(call->xml, "test"), SLICE("anyof"))};
    const struct xml_element *element = xml_child(call->xml, XML_DAV, "property-search");
    enum st st = element != NULL ? ST_OK : ST_INVALID;
    uint32_t depth;

    for (; st == ST_OK && element != NULL; element = xml_again(element))
        st = read_search(&searching, element);
    if (st != ST_OK || dav_depth(call, 0, &depth) != ST_OK || depth != 0 ||
        dav_results_wants(call, call->xml, searching.results) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "A search has Depth 0 and DAV:property-search elements, not too many");
    if (searching.count > 0 && (searching.any || !searching.nothing))
        directory_each(call->directory, look_at, &searching);
    if (searching.full)
        tell_full(&searching);
    return dav_results_reply(call, searching.results);
}

/* --- principal-search-property-set --- */

enum st dav_report_search_set(struct dav_call *call)
{
    AUTO(buf) struct buf out = BUF(8 * KIB);

    xml_write_begin(&out, XML_DAV, "principal-search-property-set");
    for (size_t i = 0; i < COUNT(searchable); i++) {
        xml_write_open(&out, XML_DAV, "principal-search-property");
        xml_write_open(&out, XML_DAV, "prop");
        xml_write_empty(&out, searchable[i].ns, searchable[i].name);
        xml_write_close(&out, XML_DAV, "prop");
        xml_write_text_in(&out, XML_DAV, "description", slice_str(searchable[i].description));
        xml_write_close(&out, XML_DAV, "principal-search-property");
    }
    xml_write_close(&out, XML_DAV, "principal-search-property-set");
    http_reply(call->request, 200, DAV_XML_TYPE, buf_slice(&out));
    return ST_OK;
}
