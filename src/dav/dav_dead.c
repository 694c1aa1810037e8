/* Properties that clients keep here and that are nothing to us ("dead", RFC 4918 section 4.1). */
#include "dav/dav_prop.h"

static const struct xml_limits limits = {.bytes_max = 2 * DAV_DEAD_BYTES_MAX,
                                         .elements_max = 5000,
                                         .attributes_max = 5000,
                                         .depth_max = 33,
                                         .namespaces_max = 256};

const struct xml_element *dav_dead_read(struct arena *arena, struct slice props)
{
    AUTO(buf) struct buf text = BUF(2 * DAV_DEAD_BYTES_MAX);
    struct xml_element *root;
    struct xml_error error;

    if (props.len == 0)
        return NULL;
    xml_write_begin(&text, XML_DAV, "prop");
    buf_put(&text, props);
    xml_write_close(&text, XML_DAV, "prop");
    if (text.over || xml_parse(arena, buf_slice(&text), &limits, &root, &error) != ST_OK)
        return NULL;
    return root->children;
}

enum st dav_dead_set(struct dav_setting *setting, const struct xml_element *element, bool value)
{
    AUTO(buf) struct buf text = BUF(DAV_DEAD_BYTES_MAX);
    struct arena *arena = setting->arena;
    const struct xml_element *kept = dav_dead_read(arena, setting->calendar->props);

    for (; kept != NULL; kept = kept->next)
        if (!slice_eq(kept->uri, element->uri) || !slice_eq(kept->name, element->name))
            xml_write_element(&text, kept);
    if (value)
        xml_write_element(&text, element);
    if (text.over)
        return ST_TOO_BIG;
    if (value && dav_dead_read(arena, buf_slice(&text)) == NULL)
        return ST_TOO_BIG;
    setting->calendar->props = arena_copy(arena, buf_slice(&text));
    return ST_OK;
}
