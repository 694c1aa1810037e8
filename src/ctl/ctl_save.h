/* ctl_save.h: an answer of the admin API as it comes, into a file or to standard output. Inside
 * ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

/* GET url. path NULL or "-": standard output; a file has its name only when it is whole and on the
 * disk. Says on standard error how much was written. An exit status, the sentence
 * printed; what: that is not whole where the server breaks off ("the backup"). */
int ctl_save(struct ctl *ctl, const char *url, const char *path, const char *what);
