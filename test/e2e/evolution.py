"""Evolution's calendar without its windows: evolution-data-server, its client library and its CalDAV backend.

Evolution() in a test starts a session bus of its own with this file on it as a program, which does what it is told line by line: JSON
in, JSON out. The bus knows Evolution's services alone, so no keyring answers; passwords come by e_source_invoke_authenticate(), as they
do from Evolution's prompt.
"""
import glob, json, os, pathlib, shutil, subprocess, sys, threading, time

SERVICES = "/usr/share/dbus-1/services/org.gnome.evolution.dataserver.*"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={place}</listen><auth>EXTERNAL</auth><servicedir>{place}/services</servicedir>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


class Refused(Exception):
    """What Evolution says it could not do."""


class Evolution:
    def __init__(self, place, port, password):
        place = pathlib.Path(place)
        (place / "services").mkdir()
        for file in glob.glob(SERVICES):
            shutil.copy(file, place / "services")
        (place / "bus.conf").write_text(BUS.format(place=place))
        homes = {f"XDG_{name}_HOME": str(place / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
        env = {**os.environ, **homes, "HOME": str(place), "XDG_RUNTIME_DIR": str(place), "GSETTINGS_BACKEND": "memory",
               "GIO_USE_VFS": "local", "CALDAV_DEBUG": "all", "WEBDAV_DEBUG": "all"}
        self.debug = open(place / "debug", "w+")  # what it says and hears, too
        answers, says = os.pipe()  # the services write to the program's output, too
        self.process = subprocess.Popen(["dbus-run-session", f"--config-file={place}/bus.conf", "--", "/usr/bin/python3", __file__,
                                         str(port), password, str(says)], env=env, stdin=subprocess.PIPE, stdout=self.debug,
                                        stderr=self.debug, text=True, start_new_session=True, pass_fds=[says])
        os.close(says)
        self.answers = open(answers)

    def __call__(self, what, *args):
        self.process.stdin.write(json.dumps([what, *args]) + "\n")
        self.process.stdin.flush()
        line = self.answers.readline()
        assert line, "Evolution is gone; what it said:\n" + self.said()
        ok, answer = json.loads(line)
        if not ok:
            raise Refused(answer)
        return answer

    def said(self):
        return pathlib.Path(self.debug.name).read_text(errors="replace")[-6000:]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:  # the services end with their bus
            try:
                os.killpg(self.process.pid, 9)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.answers.close()
            self.debug.close()


# --- the program on the bus ---

def program(port, password, says):
    import gi
    for name, version in (("EDataServer", "1.2"), ("ECal", "2.0"), ("ICalGLib", "3.0")):
        gi.require_version(name, version)
    from gi.repository import ECal, EDataServer, GLib, ICalGLib

    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    registry = EDataServer.SourceRegistry.new_sync(None)
    clients, asked, refreshed = {}, {}, {}

    def wanted(_registry, source, reason, *_more):
        user = source.get_extension("Authentication").get_user()
        asked.setdefault(user, []).append(reason.value_nick)
        if len(asked[user]) > 3:
            return  # the password is wrong
        credentials = EDataServer.NamedParameters.new()
        credentials.set("username", user)
        credentials.set("password", password)
        source.invoke_authenticate(credentials, None, lambda s, result: s.invoke_authenticate_finish(result))

    registry.connect("credentials-required", wanted)

    def locate(source, user, path):
        login = source.get_extension("Authentication")
        login.set_host("127.0.0.1")
        login.set_port(port)
        login.set_user(user)
        login.set_method("plain/password")
        dav = source.get_extension("WebDAV Backend")
        dav.set_resource_path(path)
        dav.set_calendar_auto_schedule(True)
        dav.set_email_address(f"{user}@example.test")
        source.get_extension("Security").set_method("none")
        source.get_extension("Offline").set_stay_synchronized(True)

    def add(user, address, path, tasks=False, name=None):
        """A calendar, or what it holds of to-dos, that somebody typed the URL of; to be called name, else user."""
        source = EDataServer.Source.new(None, None)
        source.set_display_name(user)
        source.set_parent("caldav-stub")
        source.get_extension("Task List" if tasks else "Calendar").set_backend_name("caldav")
        locate(source, user, path)
        source.get_extension("WebDAV Backend").set_email_address(address)
        registry.commit_source_sync(source, None)
        source = registry.ref_source(source.get_uid())
        kind = ECal.ClientSourceType.TASKS if tasks else ECal.ClientSourceType.EVENTS
        clients[name or user] = ECal.Client.connect_sync(source, kind, 30, None)

    def state(user):
        client = clients[user]
        return {"status": client.get_source().get_connection_status().value_nick, "readonly": client.is_readonly(),
                "capabilities": client.get_capabilities(), "asked": asked.get(user, [])}

    def objects(user):
        """All that is known of the server, asked anew; not so often that one look ends the one before."""
        if time.monotonic() > refreshed.get(user, 0) + 0.5:
            refreshed[user] = time.monotonic()
            clients[user].refresh_sync(None)
        return [o.as_ical_string() for o in clients[user].get_object_list_sync("#t", None)[1]]

    def create(user, text):
        return clients[user].create_object_sync(ICalGLib.Component.new_from_string(text), ECal.OperationFlags.NONE, None)[1]

    def modify(user, text, mod="all"):
        kinds = {"all": ECal.ObjModType.ALL, "this": ECal.ObjModType.THIS}
        clients[user].modify_object_sync(ICalGLib.Component.new_from_string(text), kinds[mod], ECal.OperationFlags.NONE, None)

    def remove(user, uid, rid=None):
        mod = ECal.ObjModType.ALL if rid is None else ECal.ObjModType.THIS
        clients[user].remove_object_sync(uid, rid, mod, ECal.OperationFlags.NONE, None)

    def freebusy(user, start, end, people):
        return [c.get_as_string() for c in clients[user].get_free_busy_sync(start, end, people, None)[1]]

    def collection(user):
        """An account that somebody gave name and server of."""
        name = "account of " + user
        for source in registry.list_sources("Collection"):
            if source.get_display_name() == name:
                return source
        source = EDataServer.Source.new(None, None)
        source.set_display_name(name)
        kind = source.get_extension("Collection")
        kind.set_backend_name("webdav")
        kind.set_identity(user)
        kind.set_calendar_url(f"http://127.0.0.1:{port}/")
        kind.set_contacts_enabled(False)
        kind.set_mail_enabled(False)
        locate(source, user, "")
        registry.commit_source_sync(source, None)
        return registry.ref_source(source.get_uid())

    def children(user):
        parent = collection(user).get_uid()
        return [s for s in registry.list_sources("Calendar") if s.get_parent() == parent]

    def discover(user):
        """Paths and names of the calendars that it found."""
        return [[s.get_extension("WebDAV Backend").get_resource_path(), s.get_display_name()] for s in children(user)]

    def browse(user):
        """What its window for the calendars of an account does."""
        session = EDataServer.WebDAVSession.new(collection(user))
        credentials = EDataServer.NamedParameters.new()
        credentials.set("username", user)
        credentials.set("password", password)
        session.set_credentials(credentials)
        return session

    def make(user, path, name, color):
        browse(user).mkcalendar_sync(f"http://127.0.0.1:{port}{path}", name, None, color, EDataServer.WebDAVResourceSupports.EVENTS, None)
        registry.refresh_backend_sync(collection(user).get_uid(), None)

    def drop(user, path):
        browse(user).delete_sync(f"http://127.0.0.1:{port}{path}", None, None, None)
        registry.refresh_backend_sync(collection(user).get_uid(), None)

    commands = {f.__name__: f for f in (add, state, objects, create, modify, remove, freebusy, discover, make, drop)}
    for line in sys.stdin:
        what, *args = json.loads(line)
        try:
            answer = True, commands[what](*args)
        except GLib.Error as error:
            answer = False, error.message
        print(json.dumps(answer), file=says, flush=True)


if __name__ == "__main__":
    program(int(sys.argv[1]), sys.argv[2], open(int(sys.argv[3]), "w"))
