/* ctl_directory.h: what the commands about the directory's documents share. Inside ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

#define CTL_DOCUMENT_BYTES_MAX (4 * MIB)

/* The arguments kind and name of a call; NULL: they are not UTF-8. */
json_t *ctl_directory_subject(const struct ctl *ctl);
/* Prints that they are not; gives EX_DATAERR. */
int ctl_directory_not_utf8(void);
/* Who runs the command, for the history: behind sudo too. */
const char *ctl_directory_editor(struct ctl *ctl);
/* Prints who may see a document where an edit changed it. */
void ctl_directory_print_seen(struct ctl *ctl, const json_t *document);
