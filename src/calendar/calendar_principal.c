#include "calendar/calendar_principal.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ical/ical.h"

#include <string.h>

#define NAME_BYTES_MAX 256
#define ADDRESS_BYTES_MAX 600

/* This server, one of its domains, or a host in one. */
static bool is_here(const struct directory *directory, struct slice host)
{
    host = slice_sub(host, 0, slice_find(host, ':')); /* port */
    if (host.len == 0 || slice_ieq(host, slice_str(conf_get()->server_name)))
        return true;
    while (host.len > 0) {
        size_t dot = slice_find(host, '.');

        if (directory_domain_is_local(directory, host))
            return true;
        host = dot == SIZE_MAX ? SLICE("") : slice_sub(host, dot + 1, host.len);
    }
    return false;
}

const struct directory_person *calendar_principal(const struct directory *directory,
                                                  struct slice address)
{
    char room[NAME_BYTES_MAX];
    struct slice host, name;

    if (!calendar_address_principal(address, room, sizeof(room), &host, &name) ||
        !is_here(directory, host))
        return NULL;
    return directory_login(directory, name);
}

const struct directory_person *calendar_principal_of(const struct directory *directory,
                                                     struct slice address)
{
    const struct slice mail = calendar_address_mail(address);
    const size_t at = slice_find_last(mail, '@');
    const struct directory_person *person = calendar_principal(directory, address);
    struct directory_found found;

    if (person != NULL)
        return person;
    if (at == SIZE_MAX || !directory_find(directory, slice_sub(mail, 0, at),
                                          slice_sub(mail, at + 1, mail.len), &found))
        return NULL;
    return strcmp(found.via, "direct") == 0 || strcmp(found.via, "alias") == 0 ? found.person
                                                                               : NULL;
}

/* Empty: it is no principal's. */
static struct slice mail_of(struct arena *arena, const struct directory *directory,
                            struct slice address)
{
    AUTO(buf) struct buf mail = BUF(ADDRESS_BYTES_MAX);
    const struct directory_person *person = calendar_principal(directory, address);

    if (person == NULL)
        return SLICE("");
    buf_putf(&mail, "mailto:%s@%.*s", person->name, SLICE_ARG(directory_first_domain(directory)));
    return mail.over ? SLICE("") : arena_copy(arena, buf_slice(&mail));
}

struct slice calendar_principal_mail(struct arena *arena, const struct directory *directory,
                                     struct slice address)
{
    struct slice mail = mail_of(arena, directory, address);

    return mail.len > 0 ? mail : address;
}

static void resolve(struct arena *arena, const struct directory *directory, struct ical_prop *prop)
{
    static const char *const names[] = {"SENT-BY", "DELEGATED-TO", "DELEGATED-FROM"};
    struct slice mail = mail_of(arena, directory, prop->value);

    if (mail.len > 0)
        prop->value = mail;
    for (size_t i = 0; i < COUNT(names) && prop->params != NULL; i++) {
        mail = mail_of(arena, directory, ical_param_text(prop, names[i]));
        if (mail.len > 0)
            ical_param_set(arena, prop, names[i], mail);
    }
}

void calendar_principals_resolve(struct arena *arena, const struct directory *directory,
                                 struct ical_comp *vcalendar)
{
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        for (struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
            if (prop->id == ICAL_ORGANIZER || prop->id == ICAL_ATTENDEE)
                resolve(arena, directory, prop);
}
