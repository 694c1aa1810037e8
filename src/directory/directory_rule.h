/* directory_rule.h: rules that rewrite addresses: a pattern, a blank, a replacement. Inside
 * directory/; directory_settings.h tells what a rule may say. */
#pragma once
#include "directory/directory_text.h"

#define DIRECTORY_RULES_MAX 1000 /* of each kind in one document */

struct directory_rule {
    struct slice before; /* of the pattern's local part: what stands before the * ... */
    struct slice after;  /* ... and after it; without one before is all of it */
    bool any;            /* there is a * */
    struct slice domain; /* lower case; "*.x", "*" */
    struct slice to_before;
    struct slice to_after;
    bool to_any;
    struct slice to_domain;
};

struct directory_rules {
    struct directory_rule *at;
    size_t count;
    size_t cap;
};

/* A field: one rule more in a struct directory_rules. */
directory_take_fn directory_rule_take;
/* Room for one more; in arena. */
struct directory_rule *directory_rule_append(struct arena *arena, struct directory_rules *rules);
/* The rule that undoes it; false: there is none (the pattern is wider than what comes out). */
bool directory_rule_reverse(const struct directory_rule *rule, struct arena *arena,
                            struct directory_rule *reverse_r);
/* Applies the first rule that fits: true, and both halves are replaced by texts in arena. */
bool directory_rule_rewrite(const struct directory_rules *rules, struct arena *arena,
                            struct slice *local, struct slice *domain);
