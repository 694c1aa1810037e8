"""exchangelib_says URL USER PASSWORD STEP [JSON]: one step of python3-exchangelib against a server, told as JSON. A
program of its own: exchangelib wants the module dns, and the tests have another of that name."""
import json, sys, time, warnings

from exchangelib import (DELEGATE, Account, Configuration, Credentials, EWSDateTime, EWSTimeZone, OofSettings)
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
from exchangelib.services import GetUserSettings

warnings.simplefilter("error")   # a time without an offset is one
warnings.filterwarnings("ignore", message="Unverified HTTPS request")
warnings.filterwarnings("ignore", category=DeprecationWarning)
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
DOMAIN = "example.test"


def time_of(text, zone):
    return EWSDateTime(*time.strptime(text, "%Y-%m-%dT%H:%M:%S")[:6], tzinfo=EWSTimeZone(zone))


def event(e):
    d = e.details
    return {"start": e.start.astimezone(EWSTimeZone("UTC")).isoformat(), "end": e.end.astimezone(EWSTimeZone("UTC")).isoformat(),
            "kind": e.busy_type, "subject": d and d.subject, "place": d and d.location, "private": bool(d and d.is_private),
            "recurring": bool(d and d.is_recurring)}


def view(v):
    if isinstance(v, Exception):
        return {"error": type(v).__name__}
    return {"view": v.view_type, "merged": v.merged, "events": [event(e) for e in v.calendar_events or []],
            "hours": [[p.weekdays, p.start.isoformat(), p.end.isoformat()] for p in v.working_hours or []],
            "bias": v.working_hours_timezone and v.working_hours_timezone.bias}


def busy(account, zone="UTC", **ask):
    found = account.protocol.get_free_busy_info(
        [(who, "Required", False) for who in ask["who"]], time_of(ask["from"], zone), time_of(ask["until"], zone),
        merged_free_busy_interval=ask.get("interval", 30), requested_view=ask.get("view", "DetailedMerged"))
    return [view(v) for v in found]


def oof(account, **wanted):
    if wanted:
        for name in ("start", "end"):
            if name in wanted:
                wanted[name] = time_of(wanted[name], "UTC")
        account.oof_settings = OofSettings(**wanted)
    now = account.oof_settings
    return {"state": now.state, "external": now.external_audience, "inside": now.internal_reply, "outside": now.external_reply,
            "start": now.start.isoformat(), "end": now.end.isoformat()}


def names(account, who):
    found = account.protocol.resolve_names([who])
    return [type(f).__name__ if isinstance(f, Exception) else f.email_address for f in found]


def rooms(account):
    lists = [l.email_address for l in account.protocol.get_roomlists()]
    return {l: [r.email_address for r in account.protocol.get_rooms(l)] for l in lists}


def zones(account):
    return sorted(z.id for z in account.protocol.get_timezones(return_full_timezone_data=True))


def calendar(account, **window):
    return [i.subject for i in account.calendar.view(start=time_of(window["from"], "UTC"), end=time_of(window["until"], "UTC"))]


def discover(account, url):
    protocol = AutodiscoverProtocol(config=Configuration(service_endpoint=url, credentials=account.protocol.credentials, auth_type="basic"))
    [found] = GetUserSettings(protocol=protocol).call(users=[account.primary_smtp_address], settings=["external_ews_url", "user_display_name"])
    return found.user_settings


url, user, password, step, *more = sys.argv[1:]
account = Account(f"{user}@{DOMAIN}", credentials=None, autodiscover=False, access_type=DELEGATE,
                  config=Configuration(service_endpoint=url, credentials=Credentials(user, password), max_connections=1))
steps = {f.__name__: f for f in (busy, oof, names, rooms, zones, calendar, discover)}
try:
    told = {"ok": steps[step](account, **json.loads(more[0] if more else "{}")), "version": str(account.protocol.version.build)}
except Exception as why:
    told = {"error": type(why).__name__, "why": str(why)}
print(json.dumps(told))
