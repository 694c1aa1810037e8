#include "admin/admin_call.h"
#include "base/arena.h"
#include "directory/directory.h"

#include <string.h>

bool admin_arg_has(const struct admin_call *call, const char *key)
{
    return json_object_get(call->args, key) != NULL;
}

static struct slice text_of(const json_t *value)
{
    return json_is_string(value)
               ? (struct slice){json_string_value(value), json_string_length(value)}
               : SLICE("");
}

struct slice admin_arg_text(const struct admin_call *call, const char *key)
{
    return text_of(json_object_get(call->args, key));
}

enum st admin_arg_need(struct admin_call *call, const char *key, struct slice *text_r)
{
    *text_r = admin_arg_text(call, key);
    return text_r->len > 0 ? ST_OK : admin_refuse(call, ST_INVALID, "%s is missing", key);
}

enum st admin_arg_name(struct admin_call *call, const char *key, struct slice *name_r)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct slice text;
    enum st st = admin_arg_need(call, key, &text);

    if (st != ST_OK)
        return st;
    const struct directory_person *person = directory_login(directory, text);
    *name_r = person != NULL ? arena_copy(call->arena, slice_str(person->name))
                             : slice_lower(call->arena, text);
    return ST_OK;
}

enum st admin_arg_u64(struct admin_call *call, const char *key, uint64_t *value_r)
{
    const json_t *value = json_object_get(call->args, key);

    if (value == NULL)
        return ST_OK;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *value_r = (uint64_t)json_integer_value(value);
        return ST_OK;
    }
    if (json_is_string(value) && slice_to_u64(text_of(value), value_r) == ST_OK &&
        *value_r <= INT64_MAX)
        return ST_OK;
    return admin_refuse(call, ST_INVALID, "%s is not a whole number", key);
}

enum st admin_arg_bool(struct admin_call *call, const char *key, bool *value_r)
{
    const json_t *value = json_object_get(call->args, key);

    if (value == NULL)
        return ST_OK;
    *value_r = json_is_true(value) || slice_eq(text_of(value), SLICE("yes"));
    if (*value_r || json_is_false(value) || slice_eq(text_of(value), SLICE("no")))
        return ST_OK;
    return admin_refuse(call, ST_INVALID, "%s is neither yes nor no", key);
}

enum st admin_arg_list(struct admin_call *call, const char *key, struct slice **texts_r,
                       size_t *count_r)
{
    const json_t *list = json_object_get(call->args, key);

    *count_r = json_array_size(list);
    *texts_r = arena_many(call->arena, struct slice, *count_r + 1);
    if (list != NULL && !json_is_array(list))
        return admin_refuse(call, ST_INVALID, "%s is not a list", key);
    for (size_t i = 0; i < *count_r; i++) {
        (*texts_r)[i] = slice_lower(call->arena, text_of(json_array_get(list, i)));
        if ((*texts_r)[i].len == 0)
            return admin_refuse(call, ST_INVALID, "%s is not a list of texts", key);
    }
    return ST_OK;
}

json_t *admin_json_text(struct slice text)
{
    json_t *json = text.ptr != NULL ? json_stringn(text.ptr, text.len) : json_string("");

    if (json != NULL)
        return json;
    AUTO(buf) struct buf ascii = BUF(text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        buf_putf(&ascii, "%c", (unsigned char)text.ptr[i] < 0x80 ? text.ptr[i] : '?');
    return json_stringn(ascii.ptr, ascii.len);
}
