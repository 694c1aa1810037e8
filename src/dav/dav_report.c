#include "dav/dav_report.h"

#include "dav/dav_prop.h"

const struct dav_report dav_reports[] = {
#define DAV_REPORT(ns, name, kinds, rights, handler) \
    {XML_##ns, name, kinds, DAV_RIGHTS_##rights, dav_report_##handler},
#include "dav/dav_report.def"
};

static const struct dav_report *find_report(const struct dav_call *call)
{
    for (size_t i = 0; i < COUNT(dav_reports); i++)
        if (xml_is(call->xml, dav_reports[i].ns, dav_reports[i].name))
            return (dav_reports[i].kinds & (1u << call->target.path.kind)) != 0 ? &dav_reports[i]
                                                                                : NULL;
    return NULL;
}

enum st dav_method_report(struct dav_call *call)
{
    if (call->xml == NULL)
        return dav_refuse(call, 400, XML_DAV, NULL, "The body must be a report");
    const struct dav_report *report = find_report(call);
    if (report == NULL)
        return dav_refuse(call, 403, XML_DAV, "supported-report",
                          "The resource does not answer this report; see supported-report-set");
    if (call->target.rights < report->rights)
        return dav_refuse_rights(call, &call->target.path, "read");
    return report->run(call);
}

/* RFC 3253 section 3.1.5. */
enum st dav_prop_supported_report_set(const struct dav_call *call,
                                      const struct dav_resource *resource, struct buf *out)
{
    for (size_t i = 0; i < COUNT(dav_reports); i++) {
        if ((dav_reports[i].kinds & (1u << resource->path.kind)) == 0)
            continue;
        xml_write_open(out, XML_DAV, "supported-report");
        xml_write_open(out, XML_DAV, "report");
        xml_write_empty(out, dav_reports[i].ns, dav_reports[i].name);
        xml_write_close(out, XML_DAV, "report");
        xml_write_close(out, XML_DAV, "supported-report");
    }
    return ST_OK;
}
