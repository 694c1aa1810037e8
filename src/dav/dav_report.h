/* dav_report.h: REPORT (RFC 3253 section 3.6) and its table. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

struct dav_report {
    enum xml_ns ns;
    const char *name;
    unsigned kinds; /* of resources that it is legal on */
    enum dav_rights rights;
    enum st (*run)(struct dav_call *call); /* as a method's; call->xml is the report */
};
extern const struct dav_report dav_reports[];

#define DAV_REPORT(ns, name, kinds, rights, handler) \
    MUST_USE enum st dav_report_##handler(struct dav_call *call);
#include "dav/dav_report.def"
