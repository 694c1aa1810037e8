/* free-busy-query (RFC 4791 section 7.10). */
#include "dav/dav_report.h"
enum st dav_report_freebusy(struct dav_call *call)
{
    return dav_refuse(call, 501, XML_DAV, NULL, "Not yet");
}
