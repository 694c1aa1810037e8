#include "calendar/calendar_connector_plan.h"

#include "base/arena.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "directory/directory_name.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX 700
#define ADDRESS_BYTES_MAX 1000 /* another server takes no longer one */

struct planned {
    struct calendar_connector_step step;
    enum calendar_hedge_kind kind;
    enum health_rank rank;
};

struct planning {
    const struct calendar_connector_question *question;
    struct arena *arena;
    struct calendar_connector_plan *plan;
    struct slice local, domain; /* the attendee's, as it is written in our domain */
    struct slice address;
    /* Of a foreign system: the documents, in their order. */
    const struct directory_foreign *documents[DIRECTORY_CONNECTIONS_MAX];
    size_t document_count;
    bool asks_itself; /* this server is the calendar server of one of them */
    size_t direct_count, detours;
    struct planned *list;
    size_t count, cap;
    struct health_candidate *candidates; /* none where nobody wants to know */
    size_t candidate_count, candidate_cap;
};

/* Only for people: "" where nobody wants to know. */
static PRINTF(2, 3) const char *text(const struct planning *p, const char *fmt, ...)
{
    char line[TEXT_BYTES_MAX];
    va_list ap;

    if (!p->question->explain)
        return "";
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    return slice_cstr(p->arena, slice_str(line));
}

static bool is_here(const struct planning *p, struct slice server)
{
    return p->question->server_name != NULL &&
           slice_ieq(server, slice_str(p->question->server_name));
}

static bool is_visited(const struct planning *p, struct slice server)
{
    for (size_t i = 0; i < p->question->visited_count; i++)
        if (slice_ieq(server, p->question->visited[i]))
            return true;
    return false;
}

static struct health_look look_at(const struct planning *p, struct slice server)
{
    if (p->question->servers == NULL)
        return (struct health_look){.state = HEALTH_UP};
    return health_of(p->question->servers, server, p->question->mono_ms);
}

/* --- the list --- */

static void note(struct planning *p, const struct health_candidate *candidate)
{
    if (!p->question->explain)
        return;
    if (p->candidate_count == p->candidate_cap)
        p->candidates = arena_grow(p->arena, p->candidates, p->candidate_count, &p->candidate_cap,
                                   sizeof(*p->candidates));
    p->candidates[p->candidate_count++] = *candidate;
}

static void add(struct planning *p, const struct planned *planned, const char *name,
                const char *state)
{
    if (p->count == CALENDAR_CONNECTOR_STEPS_MAX)
        return;
    if (p->count == p->cap)
        p->list = arena_grow(p->arena, p->list, p->count, &p->cap, sizeof(*p->list));
    p->list[p->count++] = *planned;
    p->direct_count += planned->kind == CALENDAR_HEDGE_DIRECT;
    note(p, &(struct health_candidate){name, state, true, planned->step.why});
}

static void pass(struct planning *p, const char *name, const char *state, const char *why)
{
    note(p, &(struct health_candidate){name, state, false, why});
}

/* The direct step of the server, plus 1; 0: none. */
static size_t direct_of(const struct planning *p, const struct directory_server *server)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].kind == CALENDAR_HEDGE_DIRECT && p->list[i].step.server == server)
            return i + 1;
    return 0;
}

/* Why the server is not asked; NULL: it is. */
static const char *why_passed(const struct planning *p, const struct directory_server *server,
                              struct slice name, enum calendar_hedge_kind kind,
                              const struct health_look *look)
{
    if (server == NULL)
        return "passed over: there is no server document of this name";
    if (is_visited(p, name))
        return "passed over: the question comes from there";
    if (p->question->hops_left == 0)
        return "passed over: the question has no hops left";
    if (kind == CALENDAR_HEDGE_DIRECT && direct_of(p, server) > 0)
        return "passed over: it is asked already";
    if (look->state == HEALTH_RESTRICTED)
        return "passed over: restricted";
    if (look->state == HEALTH_DOWN && p->question->visited_count > 0)
        return "passed over: it is down, and the question was handed on to this server";
    return NULL;
}

static void add_server(struct planning *p, struct slice name, enum calendar_hedge_kind kind,
                       bool later, const char *as, const char *why)
{
    const struct directory_server *server = directory_server(p->question->directory, name);
    const struct health_look look = look_at(p, name);
    const char *passed = why_passed(p, server, name, kind, &look);
    const char *state =
        p->question->explain ? health_rank_text(p->arena, &look, p->question->mono_ms) : "";
    enum health_rank rank = health_rank_of(&look, p->question->pass_busy);
    unsigned hops_left = kind == CALENDAR_HEDGE_DETOUR ? p->question->hops_left - 1 : 0;
    const struct planned planned = {
        .step = {.way = CALENDAR_CONNECTOR_SERVER,
                 .server = server,
                 .hops_left = hops_left,
                 .key = {server, hops_left},
                 .address = p->address,
                 .why = rank == HEALTH_RANK_DOWN ? "tried last: it is down" : why},
        .kind = kind,
        .rank = later ? health_rank_later(rank) : rank,
    };

    if (passed != NULL)
        pass(p, as, state, passed);
    else
        add(p, &planned, as, state);
}

/* --- an account --- */

static void plan_person(struct planning *p, const struct directory_person *person)
{
    const struct planned here = {.step = {.way = CALENDAR_CONNECTOR_HERE,
                                          .account_id = person->account_id,
                                          .address = p->address,
                                          .why = "the account is in this store"}};

    p->plan->why = text(p, "%s's account", person->name);
    if (person->account_id != 0)
        add(p, &here, "this server", "here");
    for (unsigned i = 0; i < person->server_count; i++) {
        struct slice server = person->servers[i];
        const char *name = text(p, "server %.*s", SLICE_ARG(server));

        if (!is_here(p, server))
            add_server(p, server, CALENDAR_HEDGE_DIRECT, false, name,
                       i == 0 ? "it leads for the account" : "it holds the account too");
        else if (person->account_id == 0)
            pass(p, name, "here", "passed over: the account is not in its store yet");
    }
}

/* --- a foreign system --- */

static void add_foreign(struct planning *p, const struct directory_foreign *foreign)
{
    struct slice local = p->local;
    struct slice domain = p->domain;
    const struct directory_calendar *calendar = &foreign->calendar;
    struct planned planned = {.step = {.way = CALENDAR_CONNECTOR_FOREIGN,
                                       .foreign = foreign,
                                       .key = {foreign, 0},
                                       .each = directory_calendar_is_each(calendar),
                                       .why = "this server is the document's calendar server"}};

    planned.step.address =
        directory_foreign_rewrite(foreign, DIRECTORY_OUT, p->arena, &local, &domain)
            ? directory_name_join(p->arena, local, domain)
            : p->address;
    add(p, &planned, text(p, "document %s", foreign->name), "here");
}

/* What was handed on to a calendar server is asked there before others are. */
static void add_document(struct planning *p, const struct directory_foreign *foreign)
{
    struct slice server = slice_str(foreign->calendar_server);
    const char *name = server.len > 0 ? text(p, "calendar server %s of %s",
                                             foreign->calendar_server, foreign->name)
                                      : text(p, "document %s", foreign->name);

    if (server.len == 0)
        pass(p, name, "", "passed over: the document names no calendar server");
    else if (foreign->calendar.way == DIRECTORY_CALENDAR_NONE)
        pass(p, name, "", "passed over: the document does not say how to ask (calendar)");
    else if (is_here(p, server))
        add_foreign(p, foreign);
    else if (!directory_foreign_is_seen_by(foreign, server))
        pass(p, name, "", "passed over: it may not see the document");
    else
        add_server(p, server, CALENDAR_HEDGE_DIRECT,
                   p->asks_itself && p->question->visited_count > 0, name,
                   "the document's calendar server");
}

static void plan_foreign(struct planning *p)
{
    for (size_t i = 0; i < p->document_count; i++)
        p->asks_itself |= is_here(p, slice_str(p->documents[i]->calendar_server));
    p->plan->why = text(p, "%zu document%s, %s first", p->document_count,
                        p->document_count > 1 ? "s" : "", p->documents[0]->name);
    for (size_t i = 0; i < p->document_count; i++)
        add_document(p, p->documents[i]);
}

/* --- round what does not answer --- */

static bool knows_a_document(const struct planning *p, struct slice server)
{
    for (size_t i = 0; i < p->document_count; i++)
        if (directory_foreign_is_seen_by(p->documents[i], server))
            return true;
    return p->document_count == 0;
}

static void add_detour(struct planning *p, const struct directory_server *server, bool twin)
{
    struct slice name = slice_str(server->name);

    if ((direct_of(p, server) > 0) != twin || is_here(p, name) || is_visited(p, name) ||
        p->detours == CALENDAR_CONNECTOR_DETOURS_MAX || !knows_a_document(p, name))
        return;
    p->detours++;
    add_server(p, name, CALENDAR_HEDGE_DETOUR, true, text(p, "server %s", server->name),
               twin ? "asked to go on where it cannot answer itself, and another is not reached"
                    : "to go round those that are not reached");
}

static void add_stranger(void *ctx, const struct directory_server *server)
{
    add_detour(ctx, server, false);
}

static void add_twin(void *ctx, const struct directory_server *server)
{
    add_detour(ctx, server, true);
}

/* --- the plan --- */

static size_t place_of(const size_t *order, size_t count, size_t index)
{
    size_t i = 0;

    while (i < count && order[i] != index)
        i++;
    return i;
}

static void choose(struct planning *p)
{
    struct calendar_connector_step *steps =
        arena_many(p->arena, struct calendar_connector_step, p->count + 1);
    struct calendar_hedge_step *hedge =
        arena_many(p->arena, struct calendar_hedge_step, p->count + 1);
    enum health_rank ranks[CALENDAR_CONNECTOR_STEPS_MAX];
    size_t order[CALENDAR_CONNECTOR_STEPS_MAX];

    for (size_t i = 0; i < p->count; i++)
        ranks[i] = p->list[i].rank;
    size_t count = health_rank_order(ranks, p->count, order);
    for (size_t i = 0; i < count; i++) {
        const struct planned *planned = &p->list[order[i]];
        size_t twin =
            planned->kind == CALENDAR_HEDGE_DETOUR ? direct_of(p, planned->step.server) : 0;

        steps[i] = planned->step;
        hedge[i].kind = planned->kind;
        hedge[i].twin = twin > 0 ? place_of(order, count, twin - 1) + 1 : 0;
    }
    p->plan->steps = steps;
    p->plan->hedge = hedge;
    p->plan->step_count = count;
    p->plan->candidates = p->candidates;
    p->plan->candidate_count = p->candidate_count;
}

static void put_visited(struct planning *p)
{
    size_t count = p->question->visited_count;
    struct slice *visited = arena_many(p->arena, struct slice, count + 1);

    for (size_t i = 0; i < count; i++)
        visited[i] = p->question->visited[i];
    if (p->question->server_name != NULL)
        visited[count++] = slice_str(p->question->server_name);
    p->plan->visited = visited;
    p->plan->visited_count = count;
}

static enum calendar_connector_end end(struct planning *p, enum calendar_connector_end end,
                                       const char *why)
{
    p->plan->why = why;
    return end;
}

/* The documents of an address that nobody here has, or of a domain that is not ours. */
static enum calendar_connector_end plan_elsewhere(struct planning *p, bool shared)
{
    const struct directory *directory = p->question->directory;
    size_t max = COUNT(p->documents);

    if (!p->question->from_foreign)
        p->document_count = shared
                                ? directory_foreign_shared(directory, p->domain, p->documents, max)
                                : directory_foreign(directory, p->domain, p->documents, max);
    if (p->document_count == 0 && shared)
        return end(p, CALENDAR_CONNECTOR_NOBODY, "nobody has the address");
    if (p->document_count == 0)
        return end(p, CALENDAR_CONNECTOR_STRANGER, "no foreign-domain document is for the domain");
    plan_foreign(p);
    return CALENDAR_CONNECTOR_ASK;
}

static enum calendar_connector_end plan_address(struct planning *p)
{
    const struct directory *directory = p->question->directory;
    struct directory_found found;

    if (!directory_domain_is_local(directory, p->domain))
        return plan_elsewhere(p, false);
    if (!directory_find(directory, p->local, p->domain, &found))
        return plan_elsewhere(p, true);
    if (strcmp(found.via, "catch-all") == 0)
        return end(p, CALENDAR_CONNECTOR_NOBODY,
                   "only a catch-all has the address: it takes mail, and is nobody's calendar");
    if (found.person == NULL)
        return end(p, CALENDAR_CONNECTOR_GROUP, "the address is a group's");
    plan_person(p, found.person);
    return CALENDAR_CONNECTOR_ASK;
}

/* What is none is sent nowhere: it would be another URL, or a line of its own, or fail the question
 * for those beside it. */
static bool is_address(struct slice text)
{
    return text.len <= ADDRESS_BYTES_MAX && utf8_valid(text) && directory_name_is_address(text);
}

void calendar_connector_plan(const struct calendar_connector_question *question,
                             struct arena *arena, struct calendar_connector_plan *plan_r)
{
    struct planning *p = arena_one(arena, struct planning);
    const struct directory *directory = question->directory;

    *plan_r = (struct calendar_connector_plan){.why = ""};
    p->question = question;
    p->arena = arena;
    p->plan = plan_r;
    p->address = question->address;
    directory_name_split(question->address, &p->local, &p->domain);
    if (!is_address(question->address) || question->from_s >= question->until_s) {
        plan_r->end = end(p, CALENDAR_CONNECTOR_INVALID,
                          !is_address(question->address) ? "it is no address of a domain"
                                                         : "the window ends before it begins");
        return;
    }
    if (question->visited_count == 0 &&
        directory_rewrite(directory, DIRECTORY_REWRITE_RECIPIENT, arena, &p->local, &p->domain))
        p->address = directory_name_join(arena, p->local, p->domain);
    plan_r->end = plan_address(p);
    if (plan_r->end != CALENDAR_CONNECTOR_ASK)
        return;
    if (p->direct_count > 0 && question->hops_left > 1) {
        directory_server_each(directory, add_stranger, p);
        if (p->direct_count > 1) /* else it had nobody to go on to */
            directory_server_each(directory, add_twin, p);
    }
    put_visited(p);
    choose(p);
}
