/* admin_mail.h: system flags by name, shared by import and export. Inside admin/. */
#pragma once
#include "base/base.h"

#include <jansson.h>

struct store_keywords;

/* The bit of "\Seen" and its like, without case; 0: it is none of them. */
uint64_t admin_mail_flag(struct slice name);
