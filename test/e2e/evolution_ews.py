"""What evolution-ews, which gives Evolution its Exchange accounts, makes of a server: calls of its library, in a process of their own.

evolution_ews.py URL USER PASSWORD STEP [JSON]: what the library gave, or the error that it told, as JSON. test_evolution_ews.py runs it.
"""
import ctypes, json, pathlib, sys
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_long, c_size_t, c_uint32, c_void_p, cast

LIBRARY = "/usr/lib/evolution-ews/libevolution-ews.so"
DOMAIN = "example.test"
STATES = ("Disabled", "Enabled", "Scheduled")
AUDIENCES = ("None", "Known", "All")
LOG_INS = ("error", "error of TLS", "accepted", "rejected", "required")    # ESourceAuthenticationResult


class Error(Structure):
    _fields_ = [("domain", c_uint32), ("code", c_int), ("message", c_char_p)]


class Link(Structure):
    pass


Link._fields_ = [("data", c_void_p), ("next", POINTER(Link))]


class Mailbox(Structure):
    _fields_ = [(n, c_char_p) for n in ("name", "email", "routing", "kind")] + [("id", c_void_p)]


class FreeBusy(Structure):
    _fields_ = [("start", c_long), ("end", c_long), ("who", c_void_p)]


class Zone(Structure):
    _fields_ = [("name", c_char_p), ("id", c_char_p), ("periods", POINTER(Link)), ("groups", POINTER(Link)), ("transitions", c_void_p)]


class FolderId(Structure):
    _fields_ = [("id", c_char_p), ("change_key", c_char_p), ("distinguished", c_int)]


class Refused(Exception):
    pass


class Library:
    """Functions by name; a result is a pointer, arguments are as they come."""

    def __init__(self, *paths):
        self.parts = [ctypes.CDLL(path) for path in paths]

    def find(self, name, gives=c_void_p):
        for part in self.parts:
            try:
                function = part[name]    # each time another object: its type is its own
            except AttributeError:
                continue
            function.restype = gives
            return function
        raise AttributeError(name)

    def __call__(self, name, *args, gives=c_void_p):
        return self.find(name, gives)(*[as_argument(a) for a in args])


def as_argument(value):
    if isinstance(value, str):
        return value.encode()
    return c_void_p(value) if isinstance(value, int) and value > 0xffff else value


def items(link):
    while link:
        yield link.contents.data
        link = link.contents.next


lib = Library(LIBRARY, "libedataserver-1.2.so.27", "libical-glib.so.3", "libgobject-2.0.so.0", "libglib-2.0.so.0")


def tried(name, *args):
    """A call that gives whether it could, with room for an error as its last argument."""
    error = POINTER(Error)()
    if not lib(name, *args, None, byref(error), gives=c_int):
        raise Refused(error.contents.message.decode() if error else "no error was told")


def text_list(texts):
    made = None
    for text in texts:
        made = lib("g_slist_append", made, lib("g_strdup", text))
    return made


def settings_of(url, user):
    kind = lib("camel_ews_settings_get_type", gives=c_size_t)
    return lib("g_object_new", kind, "auth-mechanism", "PLAIN", "user", user, "hosturl", url, "email", f"{user}@{DOMAIN}", None)


def source_of(user):
    source = lib("e_source_new", None, None, None)
    lib("e_source_authentication_set_user", lib("e_source_get_extension", source, "Authentication"), user)
    return source


def connect(url, user, password):
    source = source_of(user)
    link = lib("e_ews_connection_new_full", source, url, settings_of(url, user), 0)
    login = lib("e_named_parameters_new")
    lib("e_named_parameters_set", login, "username", user)
    lib("e_named_parameters_set", login, "password", password)
    error = POINTER(Error)()
    done = lib("e_ews_connection_try_credentials_sync", link, login, None, None, None, None, byref(error), gives=c_int)
    if LOG_INS[done] != "accepted":
        raise Refused(error.contents.message.decode() if error else LOG_INS[done])
    return link


# --- the steps ---

def version(link):
    return lib("e_ews_connection_get_server_version_string", link, gives=c_char_p).decode()


def busy(link, who, start, end):
    """As iCalendar, one VFREEBUSY for each."""
    question = FreeBusy(start, end, text_list(who))
    found = POINTER(Link)()
    tried("e_ews_connection_get_free_busy_sync", link, 0, lib.find("e_ews_cal_utils_prepare_free_busy_request"), byref(question),
          byref(found))
    return [lib("i_cal_component_as_ical_string", c, gives=c_char_p).decode().replace("\r\n ", "") for c in items(found)]


def names(link, who, contacts=False):
    found, more, last = POINTER(Link)(), POINTER(Link)(), c_int()
    tried("e_ews_connection_resolve_names_sync", link, 0, who, 0, None, int(contacts), byref(last), byref(found),
          byref(more) if contacts else None)
    boxes = [cast(b, POINTER(Mailbox)).contents for b in items(found)]
    return [[b.name.decode(), b.email.decode(), (b.routing or b"").decode()] for b in boxes]


def members(link, group):
    found, last = POINTER(Link)(), c_int()
    box = Mailbox(b"", group.encode(), b"SMTP", None, None)
    tried("e_ews_connection_expand_dl_sync", link, 0, byref(box), byref(last), byref(found))
    return [cast(b, POINTER(Mailbox)).contents.email.decode() for b in items(found)]


def oof(link, state=None, audience=None, start=None, end=None, inside=None, outside=None):
    error = POINTER(Error)()
    now = lib("e_ews_oof_settings_new_sync", link, None, byref(error))
    if not now:
        raise Refused(error.contents.message.decode())
    if state:
        lib("e_ews_oof_settings_set_state", now, STATES.index(state))
        lib("e_ews_oof_settings_set_external_audience", now, AUDIENCES.index(audience))
        for name, seconds in (("start", start), ("end", end)):
            if seconds:
                lib(f"e_ews_oof_settings_set_{name}_time", now, lib("g_date_time_new_from_unix_utc", c_long(seconds)))
        lib("e_ews_oof_settings_set_internal_reply", now, inside)
        lib("e_ews_oof_settings_set_external_reply", now, outside)
        tried("e_ews_oof_settings_submit_sync", now)
        now = lib("e_ews_oof_settings_new_sync", link, None, None)
    number = lambda name: lib(f"e_ews_oof_settings_get_{name}", now, gives=c_int)
    unix = lambda name: lib("g_date_time_to_unix", lib(f"e_ews_oof_settings_ref_{name}_time", now), gives=c_long)
    reply = lambda name: lib(f"e_ews_oof_settings_get_{name}_reply", now, gives=c_char_p).decode()
    return {"state": STATES[number("state")], "audience": AUDIENCES[number("external_audience")], "start": unix("start"),
            "end": unix("end"), "inside": reply("internal"), "outside": reply("external")}


def zones(link, ids):
    found = POINTER(Link)()
    tried("e_ews_connection_get_server_time_zones_sync", link, 0, text_list(ids), byref(found))
    told = [cast(z, POINTER(Zone)).contents for z in items(found)]
    return {z.id.decode(): [len(list(items(z.periods))), len(list(items(z.groups)))] for z in told}


def same_id(link, ident):
    made = c_char_p()
    tried("e_ews_connection_convert_id_sync", link, 0, "", ident, "EwsId", "EntryId", byref(made))
    return made.value.decode()


def folder(link, name):
    fid, found = FolderId(name.encode(), None, 1), POINTER(Link)()
    tried("e_ews_connection_get_folder_sync", link, 0, "Default", None, lib("g_slist_append", None, ctypes.addressof(fid)), byref(found))
    ident = lambda f: cast(lib("e_ews_folder_get_id", f), POINTER(FolderId)).contents.id
    return [[lib("e_ews_folder_get_name", f, gives=c_char_p).decode(), ident(f).decode()] for f in items(found)]


def hierarchy(link):
    """What an account asks before anything of its mail."""
    state, last = c_char_p(), c_int()
    lists = [POINTER(Link)() for _ in range(3)]
    tried("e_ews_connection_sync_folder_hierarchy_sync", link, 0, None, byref(state), byref(last), *map(byref, lists))
    return [len(list(items(l))) for l in lists]


def listed(link):
    """Two levels of folders below the root."""
    found, last = POINTER(Link)(), c_int()
    fid = FolderId(b"msgfolderroot", None, 1)
    tried("e_ews_connection_find_folder_sync", link, 0, byref(fid), byref(last), byref(found))
    return len(list(items(found)))


def delegates(link, who):
    found, deliver = POINTER(Link)(), c_int()
    tried("e_ews_connection_get_delegate_sync", link, 0, who, 1, byref(deliver), byref(found))
    return len(list(items(found)))


def photo(link, who):
    made = c_char_p()
    tried("e_ews_connection_get_user_photo_sync", link, 0, who, 48, byref(made))
    return made.value


def expires(link, who):
    made = c_char_p()
    tried("e_ews_connection_get_password_expiration_sync", link, 0, who, byref(made))
    return made.value


def subscribe(link, ident):
    made = c_char_p()
    tried("e_ews_connection_subscribe_sync", link, 0, text_list([ident]), byref(made))
    return made.value


def discover(url, user, password):
    """Where the server is, by nothing but an address, asked as Autodiscover has it."""
    settings = settings_of("", user)
    tried("e_ews_autodiscover_ws_url_sync", source_of(user), settings, f"{user}@{DOMAIN}", password, None, None)
    return lib("camel_ews_settings_get_hosturl", settings, gives=c_char_p).decode()


def main(url, user, password, step, more="{}"):
    known = {f.__name__: f for f in (version, busy, names, members, oof, zones, same_id, folder, hierarchy, listed, delegates, photo,
                                     expires, subscribe)}
    try:
        if step == "discover":
            return {"ok": discover(url, user, password)}
        return {"ok": known[step](connect(url, user, password), **json.loads(more))}
    except Refused as why:
        return {"error": str(why)}


if __name__ == "__main__":
    assert pathlib.Path(LIBRARY).exists(), "evolution-ews is not installed: tools/packages.sh soak"
    print(json.dumps(main(*sys.argv[1:])))
