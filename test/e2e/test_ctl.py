"""The commands of posthorse against a running server, and those that work without one."""
import http.client, imaplib, json, mailbox, os, pty, re, select, signal, socket, stat, subprocess, time

import pytest
import server as servers

USAGE, DATAERR, NOINPUT, NOUSER, UNAVAILABLE, CANTCREAT, TEMPFAIL, NOPERM, CONFIG = \
    64, 65, 66, 67, 69, 73, 75, 77, 78


class Ctl:
    """Runs commands on one server."""

    def __init__(self, server):
        self.server = server

    def run(self, *args, input="", status=0):
        done = subprocess.run([servers.BINARY, "--dir", str(self.server.dir), *map(str, args)],
                              input=input if isinstance(input, bytes) else input.encode(),
                              capture_output=True, timeout=120)
        self.err = done.stderr.decode()
        assert done.returncode == status, (args, done.returncode, self.err)
        if status:
            assert self.err.startswith("posthorse: ") and self.err.count("\n") == 1, self.err
        return done.stdout.decode()

    def json(self, *args):
        return json.loads(self.run(*args, "--json"))

    def show(self, name):
        return self.json("account", "show", name)

    def folders(self, name):
        return {f["name"]: f for f in self.show(name)["folders"]}


class Unix(http.client.HTTPConnection):
    """The admin API itself."""

    def __init__(self, path):
        super().__init__("posthorse")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None, **more):
        self.request(method, path, body, **more)
        answer = self.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def ctl(shared):
    return Ctl(shared)


@pytest.fixture
def api(shared):
    with_api = Unix(shared.dir / "data" / "admin.sock")
    yield with_api
    with_api.close()


def login(server, name, password):
    imap = imaplib.IMAP4("127.0.0.1", server.port("imap"))
    try:
        return imap.login(name, password)[0] == "OK"
    except imaplib.IMAP4.error:
        return False
    finally:
        imap.shutdown()


def message(n, body="Text\n"):
    return f"From: a@example.test\nTo: b@example.test\nSubject: {n}\n\n{body}"


# --- status and settings ---

def test_status_tells_engine_and_counts(ctl, shared):
    status = ctl.json("status")
    assert status["store"] == shared.store
    assert status["persons"] >= 200
    assert status["pid"] == shared.worker()
    text = ctl.run("status")
    assert f"process {status['pid']}" in text and re.search(r"^persons +\d+$", text, re.M)


def test_settings_are_shown_and_reloaded(own):
    own.start()
    ctl = Ctl(own)
    assert "domains = example.test\n" in ctl.run("config", "show", "--changed")
    assert "smtp_timeout_ms = 5 min\n" in ctl.run("config", "show")
    assert "smtp_timeout_ms" not in ctl.run("config", "show", "--changed")
    path = own.dir / "posthorse.ini"
    path.write_text(path.read_text() + "smtp_timeout_ms = 7 min\n")
    since = len(own.lines)
    ctl.run("config", "reload")
    own.await_line("event=config_reloaded", since=since)
    assert "smtp_timeout_ms = 7 min\n" in ctl.run("config", "show", "--changed")
    own.stop()
    assert "smtp_timeout_ms = 7 min\n" in ctl.run("config", "show", "--changed")
    assert "no server is running" in ctl.err


def test_config_check_names_file_line_and_nearest(tmp_path):
    bad = tmp_path / "bad.ini"
    bad.write_text("domains = example.test\nsmtp_timeot_ms = 5 min\n")
    done = subprocess.run([servers.BINARY, "config", "check", bad], capture_output=True, text=True)
    assert done.returncode == CONFIG
    assert f"{bad}:2: " in done.stderr and "smtp_timeout_ms" in done.stderr
    bad.write_text("domains = example.test\n")
    assert "good" in subprocess.check_output([servers.BINARY, "config", "check", bad], text=True)


# --- accounts ---

def test_an_account_lives_from_add_to_remove(ctl, shared):
    out = ctl.run("account", "add", "zoe", "--full-name", "Zoë Z", "--alias", "zz", "--quota", "1GiB",
                  "--generate")
    password = re.search(r"^password: (\S+)$", out, re.M)[1]
    assert login(shared, "zoe", password) and not login(shared, "zoe", "wrong")
    account = ctl.show("zoe")
    assert (account["full_name"], account["aliases"], account["quota_bytes"]) == ("Zoë Z", ["zz"], 1 << 30)
    assert {"INBOX", "Sent", "Trash"} <= {f["name"] for f in account["folders"]}
    ctl.run("account", "passwd", "zoe", "--password-stdin", input="other horse\n")
    assert not login(shared, "zoe", password)
    assert login(shared, "zoe@example.test", 'other horse')
    ctl.run("account", "disable", "zoe")
    assert not login(shared, "zoe", 'other horse')
    assert "disabled" in ctl.run("account", "list")
    ctl.run("account", "enable", "zoe")
    ctl.run("account", "rename", "zoe", "zora")
    assert login(shared, "zora", 'other horse') and not login(shared, "zoe", 'other horse')
    ctl.run("account", "set", "zora", "--remove-alias", "zz", "--alias", "zzz", "--full-name", "Z", "--quota", "0",
            "--admin")
    account = ctl.show("zora")
    assert (account["full_name"], account["aliases"], account["quota_bytes"]) == ("Z", ["zzz"], 0)
    assert account["admin"]
    ctl.run("account", "remove", "zora")
    assert not login(shared, "zora", 'other horse')
    ctl.run("account", "show", "zora", status=NOUSER)


@pytest.mark.parametrize("args,status,sentence", [
    (("account", "add", "Ünl"), DATAERR, "not a name"),
    (("account", "add", "user0"), CANTCREAT, "user0: the account exists already"),
    (("account", "add", "new1", "--alias", "user0"), CANTCREAT, "the alias user0 belongs to user0"),
    (("account", "add", "new1", "--alias", "user0@example.test"), CANTCREAT, "belongs to user0"),
    (("account", "add", "new1", "--alias", "a b"), DATAERR, "not an alias"),
    (("account", "add", "new1", "--full-name", "a;b"), DATAERR, "semicolon"),
    (("account", "add", "new1", "--quota", "much"), USAGE, "not a size"),
    (("account", "passwd", "nobody"), NOUSER, "there is no such account"),
    (("account", "rename", "user0", "user1"), CANTCREAT, "user1: the account exists already"),
    (("account", "rename", "user0", ".x"), DATAERR, "not a name"),
    (("account", "set", "user0", "--alias", "user1"), CANTCREAT, "belongs to user1"),
    (("account", "set", "user0", "--remove-alias", "none"), NOUSER, "user0 has no alias none"),
    (("account", "set", "user0", "--admin", "--no-admin"), USAGE, "say one of them"),
    (("account", "disable", "nobody"), NOUSER, "there is no such account"),
    (("account", "remove", "nobody"), NOUSER, "there is no such account"),
    (("account", "export", "user0"), USAGE, "--maildir DIR or --mbox FILE"),
    (("account", "import", "/nonexistent"), NOINPUT, "No such file"),
    (("account", "import", "user0", "--maildir", "/nonexistent"), NOINPUT, "No such file"),
    (("account", "import", "nobody", "--mbox", "/dev/null"), NOUSER, "there is no such account"),
    (("convert", "-e", "-e-", "user0"), USAGE, "say -e- first"),
    (("convert", "user0"), USAGE, "say what to do"),
    (("convert", "-e"), USAGE, "name the accounts"),
    (("convert", "-h", "user0"), USAGE, "from the moment it arrives"),
    (("convert", "-m", "user0"), USAGE, "no folder references"),
    (("convert", "-r", "*"), USAGE, "accounts lie in no folders"),
    (("convert", "-l", "-", "-e", "user0"), USAGE, "lists and changes nothing"),
    (("convert", "-n", "user0", "nobody"), NOUSER, "nobody: there is no such account"),
    (("convert", "-n", "*nobody*"), NOUSER, "*nobody*: there is no such account"),
    (("convert", "-n", "-f", "/nonexistent"), NOINPUT, "/nonexistent"),
    (("acount", "list"), USAGE, "the nearest is account list"),
    (("man", "7"), USAGE, "no such section"),
])
def test_what_cannot_be_is_refused_in_one_sentence(ctl, args, status, sentence):
    ctl.run(*args, input="secret\n", status=status)
    assert sentence in ctl.err


def test_convert_takes_names_patterns_and_files_and_tells_what_it_would_do(ctl, shared, user, user2, tmp_path):
    names = tmp_path / "names"
    assert ctl.run("convert", "-l", names, user, user2, f"{user}*").startswith("")
    listed = names.read_text().split()
    assert len(listed) == len(set(listed)) and {user, user2} <= set(listed)
    names.write_text(f"# two\n{user}@example.test\n\n {user2} \n")
    assert ctl.run("convert", "-n", "-e-", "-f", names).count("would be off") == 2
    assert ctl.run("convert", "-n", "-e", "-f", names).count("is on already; nothing would change") == 2
    before = ctl.show(user)["folders"]
    assert ctl.run("convert", "-e-", "-f", "-", input=names.read_text()).count("IMAP is off") == 2
    assert not login(shared, user, "horse")
    assert re.search(rf"^{user}\s+off\s", ctl.run("convert", "-n", user), re.M)
    done = ctl.json("convert", "-e", user, user2)
    assert done["root"] is None and [(a["imap"], a["changed"], a["raised"]) for a in done["accounts"]] == [(True, True, False)] * 2
    assert login(shared, user, "horse") and ctl.show(user)["folders"] == before


def test_an_alias_taken_by_an_alias_is_refused_by_its_owners_name(ctl):
    ctl.run("account", "add", "owner", "--alias", "taken", "--generate")
    ctl.run("account", "add", "taken", "--generate", status=CANTCREAT)
    assert "the name taken is an alias of owner" in ctl.err
    ctl.run("account", "add", "rival", "--alias", "taken", "--generate", status=CANTCREAT)
    assert "the alias taken belongs to owner" in ctl.err
    ctl.run("account", "remove", "owner")
    ctl.run("account", "add", "rival", "--alias", "taken", "--generate")
    ctl.run("account", "remove", "rival")


def test_a_password_is_asked_for_without_echo_on_a_terminal(ctl, shared, user):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(servers.BINARY, [servers.BINARY, "--dir", str(shared.dir), "account", "passwd", user])
    seen = b""
    try:
        for prompt in (b"Password for ", b"The same again for "):
            while prompt not in seen:
                seen += os.read(fd, 1000)
            time.sleep(0.1)
            os.write(fd, b"from the terminal\n")
        while True:
            seen += os.read(fd, 1000)
    except OSError:
        pass
    assert os.waitpid(pid, 0)[1] == 0
    assert b"from the terminal" not in seen and b"password changed" in seen
    assert login(shared, user, 'from the terminal')


def test_many_accounts_come_from_a_file(ctl, shared, tmp_path):
    path = tmp_path / "people"
    path.write_text("# people\n" + "".join(f"many{n} pw{n} Full Name {n}\n\n" for n in range(60)))
    assert "60 accounts added" in ctl.run("account", "import", path)
    assert ctl.show("many59")["full_name"] == "Full Name 59"
    assert login(shared, "many7", "pw7")
    path.write_text("fresh pw\nmany3 pw\n")
    ctl.run("account", "import", path, status=CANTCREAT)
    assert "many3: the account exists already" in ctl.err
    ctl.run("account", "show", "fresh", status=NOUSER)
    path.write_text("fresh\n")
    ctl.run("account", "import", path, status=DATAERR)
    assert f"{path}:1: no password" in ctl.err


# --- mail ---

def make_maildir(path, count=30):
    box = mailbox.Maildir(path, create=True)
    for n in range(count):
        m = mailbox.MaildirMessage(message(n, "From here\n>From there\n\udc80\n.\n\n").encode("ascii", "surrogateescape"))
        m.set_flags("FS" if n % 2 else "R")
        m.set_subdir("cur")
        m.set_date(1_000_000_000 + n)
        key = box.add(m)
        if n == 0:
            first = next((path / "cur").glob(f"{key}:*"))
    for name in ("Work.2025", "Entw&APw-rfe"):
        sub = box.add_folder(name)
        sub.add(mailbox.MaildirMessage(message(name)))
    (path / "dovecot-keywords").write_text("0 $Junk\n1 Work\n")
    first.rename(str(first) + "ab")


def snapshot(path):
    """What a Maildir holds: folder, flags, date and text of each message."""
    found = []
    for folder in [path, *sorted(p for p in path.iterdir() if p.name.startswith("."))]:
        keywords = dict(line.split(" ", 1) for line in (folder / "dovecot-keywords").read_text().splitlines()) \
            if (folder / "dovecot-keywords").exists() else {}
        for part in ("cur", "new"):
            for file in (folder / part).iterdir():
                letters = file.name.partition(":2,")[2]
                flags = {keywords[str(ord(c) - ord("a"))] if c.islower() else c for c in letters}
                found.append((folder.name if folder != path else "", sorted(flags), int(file.stat().st_mtime),
                              file.read_bytes()))
    return sorted(found)


def test_a_maildir_goes_in_and_comes_out_the_same(ctl, user, user2, tmp_path):
    make_maildir(tmp_path / "in")
    assert "32 messages" in ctl.run("account", "import", user, "--maildir", tmp_path / "in")
    folders = ctl.folders(user)
    assert folders["INBOX"]["messages"] == 30 and folders["Work/2025"]["messages"] == 1
    assert "Entwürfe" in folders
    ctl.run("account", "export", user, "--maildir", tmp_path / "out")
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "in")
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in (tmp_path / "out" / "cur").iterdir())
    ctl.run("account", "import", user2, "--maildir", tmp_path / "out", "--folder", "Work/2025")
    assert ctl.folders(user2)["INBOX"]["messages"] == 0
    assert ctl.folders(user2)["Work/2025"]["messages"] == 1


def test_imap_sees_flags_dates_and_structure_of_what_was_imported(ctl, shared, user, tmp_path):
    make_maildir(tmp_path / "in")
    ctl.run("account", "import", user, "--maildir", tmp_path / "in")
    with servers.Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        fetched = imap.ok("FETCH 1:2 (FLAGS INTERNALDATE ENVELOPE)")
        assert "\\Answered" in fetched[0] and "$Junk" in fetched[0] and "Work" in fetched[0]
        assert "\\Seen" in fetched[1] and "\\Flagged" in fetched[1]
        assert " 9-Sep-2001 01:46:40 +0000" in fetched[0] and '"0"' in fetched[0]


def test_an_mbox_goes_in_and_comes_out_the_same(ctl, user, user2, tmp_path):
    box = mailbox.mbox(tmp_path / "in.mbox")
    for n in range(20):
        m = mailbox.mboxMessage(message(n))
        m.set_flags("RO" if n % 2 else "OF")
        m.set_from("a@example.test", time.gmtime(1_000_000_000 + n))
        box.add(m)
    box.flush()
    assert "20 messages" in ctl.run("account", "import", user, "--mbox", tmp_path / "in.mbox", "--folder", "Old/Box")
    ctl.run("account", "export", user, "--mbox", tmp_path / "out.mbox", "--folder", "Old/Box")
    out = mailbox.mbox(tmp_path / "out.mbox")
    assert len(out) == 20
    for n, m in enumerate(out):
        assert m["Subject"] == str(n) and m.get_payload() == "Text\n"
        assert set(m.get_flags()) == set("RO" if n % 2 else "OF")
        assert m.get_from().endswith(time.asctime(time.gmtime(1_000_000_000 + n)))
    ctl.run("account", "export", user, "--mbox", tmp_path / "out.mbox", status=CANTCREAT)
    piped = ctl.run("account", "export", user, "--mbox", "-", "--folder", "Old/Box")
    assert piped == (tmp_path / "out.mbox").read_text()
    ctl.run("account", "import", user2, "--mbox", "-", input=piped)
    assert ctl.folders(user2)["INBOX"]["messages"] == 20
    (tmp_path / "no.mbox").write_text("Hello\n")
    ctl.run("account", "import", user2, "--mbox", tmp_path / "no.mbox", status=74)
    assert "no mbox" in ctl.err


def test_a_large_message_streams_through(ctl, user, tmp_path):
    box = mailbox.Maildir(tmp_path / "in", create=True)
    box.add((message("big") + ("x" * 76 + "\n") * 400_000).encode())
    ctl.run("account", "import", user, "--maildir", tmp_path / "in")
    ctl.run("account", "export", user, "--maildir", tmp_path / "out")
    assert snapshot(tmp_path / "in")[0][3] == snapshot(tmp_path / "out")[0][3]


# --- the store ---

def test_check_and_backup_of_a_running_server_restore_of_a_stopped_one(own, tmp_path):
    own.start()
    ctl = Ctl(own)
    make_maildir(tmp_path / "in")
    ctl.run("account", "import", "alice", "--maildir", tmp_path / "in")
    assert ctl.run("store", "check", "--deep") == "no faults\n"
    assert ctl.json("store", "check")["count"] == 0
    dump = tmp_path / "today.dump"
    ctl.run("store", "backup", dump)
    assert ctl.err.endswith("written\n") and not (tmp_path / "today.dump.part").exists()
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    ctl.run("store", "restore", dump, status=TEMPFAIL)
    assert "stop it first" in ctl.err
    before = ctl.show("alice")
    own.stop()
    ctl.run("status", status=UNAVAILABLE)
    assert "is not running" in ctl.err
    fresh = servers.Server("sqlite")
    try:
        fresh.start()
        fresh.stop()
        for file in (fresh.dir / "data").glob("posthorse.db*"):
            file.unlink()
        again = Ctl(fresh)
        tmp_path.chmod(0o755)
        assert "restored" in again.run("store", "restore", dump)
        assert again.run("store", "check", "--deep") == "no faults\n"
        again.run("store", "restore", dump, status=CANTCREAT)
        assert "not empty" in again.err
        fresh.start()
        assert again.show("alice") == before
        assert login(fresh, "alice", servers.PASSWORD)
        again.run("account", "export", "alice", "--maildir", tmp_path / "out")
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "in")
    finally:
        fresh.remove()


def test_a_fault_in_the_store_is_told_in_a_sentence(own):
    own.start()
    own.sql("UPDATE account SET bytes_used = bytes_used + 5 WHERE name = 'bob'")
    out = subprocess.run([servers.BINARY, "--dir", own.dir, "store", "check"], capture_output=True, text=True)
    assert out.returncode == DATAERR
    assert "bob" in out.stdout and "1 faults" in out.stdout


def test_a_cut_backup_is_not_restored(sqlite, tmp_path):
    sqlite.start()
    ctl = Ctl(sqlite)
    dump = tmp_path / "x.dump"
    ctl.run("store", "backup", dump)
    sqlite.stop()
    dump.write_bytes(dump.read_bytes()[:-10])
    for file in (sqlite.dir / "data").glob("posthorse.db*"):
        file.unlink()
    ctl.run("store", "restore", dump, status=DATAERR)


# --- init ---

def test_init_makes_a_server_that_serves(tmp_path):
    tmp_path.chmod(0o755)
    root = servers.make_dir()
    config = root / "etc" / "horse.ini"
    user = "nobody" if os.geteuid() == 0 else "posthorse"
    args = [servers.BINARY, "init", "-c", config, "--data-dir", root / "data", "--domain", "example.test",
            "--domain", "example.net", "--server-name", "mail.example.test", "--admin-name", "chief", "--user", user,
            "--password-stdin"]
    done = subprocess.run(args, input="secret horse\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "posthorse serve -c" in done.stdout
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "data" / "key.pem").stat().st_mode) == 0o600
    again = subprocess.run(args, input="x\n", capture_output=True, text=True)
    assert again.returncode == CANTCREAT and "--force" in again.stderr
    text = config.read_text()
    base = servers.free_base_port()
    for n, kind in enumerate(("smtp", "submission", "submissions", "imap", "imaps")):
        text = re.sub(rf"^listen_{kind} = .*$", f"listen_{kind} = 127.0.0.1:{base + n}", text, flags=re.M)
    text = re.sub(r"^listen_admin = .*$", f"listen_admin = 127.0.0.1:{base + 5}", text, flags=re.M)
    config.write_text(text)
    server = servers.Server(config=config, dir=root)
    server.start()
    try:
        with servers.Imap(base + 3, tls=False) as imap:
            imap.command("STARTTLS")
            imap.starttls()
            assert imap.ok('LOGIN chief@example.net "secret horse"') is not None
        listed = json.loads(subprocess.check_output([servers.BINARY, "-c", config, "account", "list", "--json"]))
        assert [(a["name"], a["admin"]) for a in listed["accounts"]] == [("chief", True)]
    finally:
        server.remove()


# --- finding the server ---

def test_without_settings_the_command_says_what_to_do(tmp_path):
    done = subprocess.run([servers.BINARY, "-c", tmp_path / "none.ini", "status"], capture_output=True, text=True)
    assert done.returncode == CONFIG and "posthorse init" in done.stderr


def test_a_bare_data_folder_is_enough(ctl, shared):
    out = subprocess.check_output([servers.BINARY, "status", "--dir", shared.dir / "data", "--json"])
    assert json.loads(out)["pid"] == shared.worker()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_others_have_no_permission(shared):
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", servers.BINARY, "status",
                           "--dir", shared.dir], capture_output=True, text=True)
    assert done.returncode == NOPERM and "no permission" in done.stderr, done.stderr


def test_every_command_has_help():
    out = subprocess.check_output([servers.BINARY, "--help"], text=True)
    commands = re.findall(r"^  ((?:[a-z]+ ?)+?)  +\S", out, re.M)
    assert len(commands) > 15
    for words in map(str.strip, commands):
        text = subprocess.check_output([servers.BINARY, *words.split(), "--help"], text=True)
        assert text.startswith(f"posthorse {words}") and "Examples:" in text


# --- the API itself ---

def test_only_metrics_and_health_are_told_on_tcp(shared):
    http_tcp = http.client.HTTPConnection("127.0.0.1", shared.port("admin"))
    for path, status, text in (("/metrics", 200, b"posthorse_events_total"), ("/health", 200, b"ok"),
                               ("/v1/status", 404, b"error"), ("/", 404, b"error")):
        http_tcp.request("GET", path)
        answer = http_tcp.getresponse()
        assert answer.status == status and text in answer.read()
    http_tcp.request("POST", "/v1/account/add", b"{}")
    assert http_tcp.getresponse().status == 405


@pytest.mark.parametrize("method,path,body,status", [
    ("GET", "/v1/nothing", None, 404),
    ("DELETE", "/v1/status", None, 405),
    ("POST", "/v1/account/add", b"{", 400),
    ("POST", "/v1/account/add", b"[]", 400),
    ("POST", "/v1/account/add", b"{}", 400),
    ("POST", "/v1/account/add", b'{"name": 5}', 400),
    ("POST", "/v1/account/add", b'{"name": "x", "aliases": "y"}', 400),
    ("POST", "/v1/account/add", b'{"name": "x", "quota_bytes": -1}', 400),
    ("POST", "/v1/account/add", b'{"name": "x", "admin": "maybe"}', 400),
    ("POST", "/v1/account/add", b'{"name": "x", "name": "y"}', 400),
    ("POST", "/v1/account/add", "5 MiB", 413),
    ("POST", "/v1/account/add", "20 MiB", 413),
    ("POST", "/v1/mail/import?name=user0", b"nonsense\n", 400),
    ("POST", "/v1/mail/import?name=user0", b'{"folder":"INBOX"}\n5\nab', 400),
    ("POST", "/v1/mail/import?name=user0", b'{"folder":"a//b"}\n2\nab0\n', 400),
    ("POST", "/v1/mail/import?name=user0", b'{"flags":["\\\\Bad"]}\n2\nab0\n', 400),
    ("POST", "/v1/mail/import?name=nobody", b"", 404),
    ("GET", "/v1/mail/body?name=user0&folder=INBOX&uid=77", None, 404),
    ("GET", "/v1/mail/body?name=user0&folder=INBOX&uid=x", None, 400),
    ("GET", "/v1/mail/list?name=user0&folder=none", None, 404),
])
def test_a_bad_call_gets_a_status_and_a_sentence(api, method, path, body, status):
    if isinstance(body, str):
        body = b" " * (int(body.split()[0]) << 20)
    try:
        got, answer = api.call(method, path, body)
    except BrokenPipeError:  # too much to be read for a refusal
        assert len(body) > 16 << 20
        return
    assert got == status
    assert json.loads(answer)["error"] if status != 413 else answer
    api.close()
    assert api.call("GET", "/v1/status")[0] == 200


def test_one_message_is_uploaded_and_read_back(api, user):
    text = b"Subject: up\r\n\r\n" + b"x" * 300_000 + b"\r\n"
    status, answer = api.call("POST", f"/v1/mail/upload?name={user}&folder=New/One&flags=%5CSeen+$Work&date_s=5",
                              iter([text[:1000], text[1000:]]))
    assert status == 200
    uid = json.loads(answer)["uid"]
    assert api.call("GET", f"/v1/mail/body?name={user}&folder=New/One&uid={uid}") == (200, text)
    listed = json.loads(api.call("GET", f"/v1/mail/list?name={user}&folder=New/One")[1])
    assert (listed["flags"], listed["date_s"], listed["bytes"]) == (["\\Seen", "$Work"], 5, len(text))


def test_calls_are_logged_without_passwords(ctl, shared):
    since = len(shared.lines)
    ctl.run("account", "add", "logged", "--password-stdin", input="very-secret\n")
    line = shared.await_line("call=/v1/account/add", since=since)
    assert "event=admin_call" in line and "name=logged" in line
    assert not shared.seen("very-secret")
    ctl.run("account", "remove", "logged")


def test_a_reader_who_leaves_does_no_harm(api, ctl, shared, user, tmp_path):
    box = mailbox.Maildir(tmp_path / "in", create=True)
    for n in range(20):
        box.add((message(n) + ("y" * 76 + "\n") * 10_000).encode())
    ctl.run("account", "import", user, "--maildir", tmp_path / "in")
    for _ in range(5):
        leaver = Unix(shared.dir / "data" / "admin.sock")
        leaver.request("GET", f"/v1/mail/export?name={user}")
        leaver.getresponse().read(1000)
        leaver.close()
    assert api.call("GET", "/v1/status")[0] == 200


def test_a_clean_stop_finishes_the_call_under_way(sqlite):
    sqlite.settings.write_text("shutdown_timeout_ms = 60 s\n")    # passwords cost what the machine has to spare
    sqlite.start()
    accounts = [{"name": f"late{n}", "password": "pw"} for n in range(20)]
    body = json.dumps({"accounts": accounts}).encode()
    api = Unix(sqlite.dir / "data" / "admin.sock")
    api.putrequest("POST", "/v1/account/import")
    api.putheader("Expect", "100-continue")
    api.putheader("Content-Length", len(body))
    api.endheaders()
    assert select.select([api.sock], [], [], 20)[0]    # it says 100: from here on the call is under way
    api.send(body)
    sqlite.signal(signal.SIGTERM)
    answer = api.getresponse()
    assert answer.status == 200 and json.loads(answer.read()) == {"added": 20}
    assert sqlite.wait(60) == 0
