#include "directory/directory_rule.h"

#include "base/arena.h"
#include "directory/directory_name.h"

#include <string.h>

#define LOCAL_BYTES_MAX 64

/* "a*b" into what stands around the *. False: there are two. */
static bool split_star(struct slice text, struct slice *before_r, struct slice *after_r,
                       bool *any_r)
{
    size_t star = slice_find(text, '*');

    *any_r = star != SIZE_MAX;
    *before_r = slice_sub(text, 0, star);
    *after_r = *any_r ? slice_sub(text, star + 1, text.len) : SLICE("");
    return slice_find(*after_r, '*') == SIZE_MAX;
}

static bool domain_pattern(struct slice domain)
{
    if (slice_eq(domain, SLICE("*")))
        return true;
    if (slice_starts(domain, SLICE("*.")))
        domain = slice_sub(domain, 2, domain.len);
    return directory_name_is_domain(domain);
}

/* A local part with at most one *; the rest as in an address. */
static bool local_pattern(struct slice local, struct slice *before_r, struct slice *after_r,
                          bool *any_r)
{
    if (local.len == 0 || local.len > LOCAL_BYTES_MAX || slice_find(local, '"') != SIZE_MAX)
        return false;
    return split_star(local, before_r, after_r, any_r);
}

static bool parse(struct arena *arena, struct slice text, struct directory_rule *rule_r)
{
    struct slice copy = arena_copy(arena, slice_trim(text));
    size_t blank = slice_find(copy, ' ');
    struct slice local;
    struct slice domain;

    if (blank == SIZE_MAX)
        return false;
    directory_name_split(slice_sub(copy, 0, blank), &local, &domain);
    rule_r->domain = slice_lower(arena, domain);
    if (!local_pattern(local, &rule_r->before, &rule_r->after, &rule_r->any) ||
        !domain_pattern(domain))
        return false;
    directory_name_split(slice_trim(slice_sub(copy, blank, copy.len)), &local, &domain);
    rule_r->to_domain = domain;
    return local_pattern(local, &rule_r->to_before, &rule_r->to_after, &rule_r->to_any) &&
           (rule_r->any || !rule_r->to_any) && slice_find(local, ' ') == SIZE_MAX &&
           directory_name_is_domain(domain);
}

struct directory_rule *directory_rule_append(struct arena *arena, struct directory_rules *rules)
{
    if (rules->count == rules->cap)
        rules->at =
            arena_grow(arena, rules->at, rules->count, &rules->cap, sizeof(struct directory_rule));
    return &rules->at[rules->count++];
}

enum st directory_rule_take(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_rules *rules = at;
    struct directory_rule rule = {.any = false};

    if (rules->count == DIRECTORY_RULES_MAX)
        return directory_text_refuse(reading, "one rule too many; %d of a kind may stand here",
                                     DIRECTORY_RULES_MAX);
    if (!parse(reading->arena, slice_str(value), &rule))
        return directory_text_refuse(
            reading, "%s is not a rule; write pattern and replacement: *@old.example *@new.example",
            value);
    *directory_rule_append(reading->arena, rules) = rule;
    return ST_OK;
}

bool directory_rule_reverse(const struct directory_rule *rule, struct arena *arena,
                            struct directory_rule *reverse_r)
{
    *reverse_r = (struct directory_rule){.before = rule->to_before,
                                         .after = rule->to_after,
                                         .any = rule->to_any,
                                         .domain = slice_lower(arena, rule->to_domain),
                                         .to_before = rule->before,
                                         .to_after = rule->after,
                                         .to_any = rule->any,
                                         .to_domain = rule->domain};
    return rule->any == rule->to_any && rule->domain.ptr[0] != '*';
}

/* --- applying --- */

static bool ends_ieq(struct slice text, struct slice end)
{
    return text.len >= end.len && slice_ieq(slice_sub(text, text.len - end.len, end.len), end);
}

static bool domain_fits(struct slice pattern, struct slice domain)
{
    if (pattern.ptr[0] != '*')
        return slice_ieq(pattern, domain);
    struct slice below = slice_sub(pattern, 1, pattern.len); /* ".x", or nothing */
    return domain.len > below.len && ends_ieq(domain, below);
}

/* *star_r: what the * stands for. */
static bool local_fits(const struct directory_rule *rule, struct slice local, struct slice *star_r)
{
    size_t around = rule->before.len + rule->after.len;

    if (!rule->any)
        return slice_ieq(local, rule->before);
    *star_r = slice_sub(local, rule->before.len, local.len - around);
    return local.len >= around && slice_istarts(local, rule->before) &&
           ends_ieq(local, rule->after);
}

/* False where the new local part would be none. */
static bool apply(const struct directory_rule *rule, struct arena *arena, struct slice star,
                  struct slice *local, struct slice *domain)
{
    size_t len = rule->to_before.len + (rule->to_any ? star.len : 0) + rule->to_after.len;

    if (len == 0 || len > LOCAL_BYTES_MAX)
        return false;
    char *text = arena_many(arena, char, len + 1);
    memcpy(text, rule->to_before.ptr, rule->to_before.len);
    if (rule->to_any && star.len > 0)
        memcpy(text + rule->to_before.len, star.ptr, star.len);
    if (rule->to_after.len > 0)
        memcpy(text + len - rule->to_after.len, rule->to_after.ptr, rule->to_after.len);
    *local = (struct slice){text, len};
    *domain = arena_copy(arena, rule->to_domain);
    return true;
}

bool directory_rule_rewrite(const struct directory_rules *rules, struct arena *arena,
                            struct slice *local, struct slice *domain)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct directory_rule *rule = &rules->at[i];
        struct slice star = {"", 0};

        if (domain_fits(rule->domain, *domain) && local_fits(rule, *local, &star) &&
            apply(rule, arena, star, local, domain))
            return true;
    }
    return false;
}
