/* directory_lint.h: what in the directory would surprise: what leads nowhere, what counts nowhere,
 * what does not decide. Pure. */
#pragma once
#include "base/base.h"

struct directory_lint;

struct directory_lint *directory_lint_new(void);
void directory_lint_free(struct directory_lint **lint); /* NULL is fine */
/* One document; its texts are copied. */
void directory_lint_add(struct directory_lint *lint, struct slice kind, struct slice name,
                        int64_t modified_ms, struct slice body);
/* Once all documents are in: calls fn for each finding, a sentence that says what to do, by kind
 * and then name as they were added. */
typedef void directory_lint_fn(void *ctx, struct slice kind, struct slice name,
                               struct slice sentence);
void directory_lint_run(struct directory_lint *lint, directory_lint_fn *fn, void *ctx);
