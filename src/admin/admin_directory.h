/* admin_directory.h: what the calls about the directory's documents share. Inside admin/. */
#pragma once
#include "admin/admin_call.h"
#include "directory/directory.h"

#define ADMIN_DOCUMENT_BYTES_MAX (4 * MIB)

/* One document that a call is about. */
struct admin_subject {
    struct admin_call *call;
    enum directory_kind kind;
    struct slice kind_name;
    struct slice name; /* lower case */
};

/* Sets kind and kind_name from the name of a kind; ST_INVALID, refused in a sentence. */
MUST_USE enum st admin_directory_kind(struct admin_subject *subject, struct slice kind);
/* What the arguments kind and name mean; ST_INVALID, refused in a sentence. */
MUST_USE enum st admin_directory_subject(struct admin_call *call, struct admin_subject *subject);
/* Refuses: there is no such document; gives ST_NOT_FOUND. */
enum st admin_directory_none(const struct admin_subject *subject, const char *hint);
