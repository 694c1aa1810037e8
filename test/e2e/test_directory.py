"""The commands for the directory's documents, and what a document does to mail."""
import json, os, pty, re

import pytest
import server as servers
from test_ctl import CANTCREAT, DATAERR, NOINPUT, NOUSER, Ctl, Unix, login


@pytest.fixture
def ctl(shared):
    return Ctl(shared)


def messages(server, user):
    with servers.Imap(server.port("imap"), user) as imap:
        return int(re.search(r"MESSAGES (\d+)", imap.ok("STATUS INBOX (MESSAGES)")[0])[1])


def mail(server, rcpts):
    with servers.Smtp(server.port("smtp")) as smtp:
        return smtp.mail("a@example.net", rcpts, b"Subject: x\r\n\r\nx\r\n")


def test_a_group_lives_from_edit_to_remove(ctl, shared, user, user2):
    group = f"crew-{user}"
    assert ctl.run("directory", "edit", "group", group, input=f"member = {user}\n") == f"group {group}: made\n"
    assert mail(shared, [f"{group}@example.test"])[1] == 250
    assert messages(shared, user) == 1
    assert ctl.run("directory", "edit", "group", group.upper(), input=f"member = {user}\nmember = {user2}\n") == \
        f"group {group.upper()}: changed\n"
    assert mail(shared, [f"{group}@example.test", f"{user}@example.test"])[-1] == 250
    assert (messages(shared, user), messages(shared, user2)) == (2, 1)
    assert ctl.run("directory", "show", "group", group) == f"member = {user}\nmember = {user2}\n"
    shown = ctl.json("directory", "show", "group", group)
    assert (shown["kind"], shown["name"]) == ("group", group) and shown["modified_ms"] > 0
    listed = ctl.json("directory", "list", "group")["documents"]
    assert group in [d["name"] for d in listed] and {d["kind"] for d in listed} == {"group"}
    assert group in ctl.run("directory", "list")
    ctl.run("directory", "remove", "group", group)
    assert mail(shared, [f"{group}@example.test"])[1] == 550
    ctl.run("directory", "remove", "group", group, status=NOUSER)
    ctl.run("directory", "show", "group", group, status=NOUSER)


def test_what_the_reader_refuses_is_refused_with_its_line(ctl, tmp_path):
    path = tmp_path / "text"
    for kind, text, sentence in (
            ("group", "full_name = X\nmembr = a\n", "line 2: membr is not a field of a group"),
            ("connection", "host = mx\n", "there is no domain"),
            ("connection", "domain = a.test\ntls = maybe\n", "line 2: tls = maybe"),
            ("settings", "rewrite_sender = x\n", "line 1: x is not a rule"),
            ("connection", "domain = a.test\nuser = u\npassword = ********\n", "line 3: ********"),
            ("thing", "", "thing: not a kind"),
            ("group", "alias = user1\n", "the alias user1 belongs to user1")):
        path.write_text(text)
        status = CANTCREAT if "belongs" in sentence else DATAERR
        ctl.run("directory", "edit", kind, "refused", "--file", path, status=status)
        assert sentence in ctl.err
        assert "refused" not in ctl.run("directory", "list")
    ctl.run("directory", "edit", "group", "refused", "--file", "/nonexistent", status=NOINPUT)
    ctl.run("directory", "edit", "group", "a b", input="", status=DATAERR)


def test_persons_and_groups_share_their_names(ctl, user):
    ctl.run("directory", "edit", "group", user, input="member = user1\n", status=CANTCREAT)
    assert f"the name {user} is a person's already" in ctl.err
    ctl.run("directory", "edit", "group", f"g-{user}", input=f"alias = a-{user}\n")
    ctl.run("account", "add", f"g-{user}", "--generate", status=CANTCREAT)
    assert f"the name g-{user} is a group's already" in ctl.err
    ctl.run("account", "add", f"a-{user}", "--generate", status=CANTCREAT)
    assert f"the name a-{user} is an alias of g-{user}" in ctl.err
    ctl.run("account", "rename", user, f"g-{user}", status=CANTCREAT)
    ctl.run("account", "set", user, "--alias", f"a-{user}", status=CANTCREAT)
    assert f"belongs to g-{user}" in ctl.err
    ctl.run("directory", "edit", "group", f"h-{user}", input=f"alias = a-{user}\n", status=CANTCREAT)
    ctl.run("directory", "edit", "group", f"g-{user}", input=f"alias = a-{user}\nalias = b-{user}\n")
    ctl.run("directory", "remove", "group", f"g-{user}")


def test_a_person_is_edited_but_not_made_or_removed(ctl, shared, user, user2):
    text = ctl.run("directory", "show", "person", user)
    assert "password_yescrypt = ********\n" in text and "$y$" not in text
    ctl.run("directory", "edit", "person", user, input=text + f"forward = {user2}\nforward_keep = no\n")
    assert login(shared, user, servers.PASSWORD)
    account = ctl.show(user)
    assert (account["forwards"], account["forward_keep"]) == ([user2], False)
    assert mail(shared, [f"{user}@example.test"])[-1] == 250
    assert (messages(shared, user), messages(shared, user2)) == (0, 1)
    # What the account commands change leaves the forwards alone.
    ctl.run("account", "set", user, "--full-name", "Somebody Else")
    assert ctl.show(user)["forwards"] == [user2]
    ctl.run("directory", "edit", "person", user, input=text)
    assert ctl.show(user)["forwards"] == []
    ctl.run("directory", "edit", "person", "newcomer", input=text, status=NOUSER)
    assert "make a person with account add" in ctl.err
    ctl.run("directory", "remove", "person", user, status=DATAERR)
    assert "account remove" in ctl.err


def test_a_password_is_shown_as_a_mask_and_kept(ctl, shared):
    ctl.run("directory", "edit", "connection", "provider",
            input="domain = far.test\nhost = smtp.far.test:587\nuser = u\npassword = hidden horse\n")
    text = ctl.run("directory", "show", "connection", "provider")
    assert "password = ********\n" in text and "hidden horse" not in text
    assert "hidden horse" not in json.dumps(ctl.json("directory", "show", "connection", "provider"))
    ctl.run("directory", "edit", "connection", "provider", input=text.replace("587", "465"))
    api = Unix(shared.dir / "data" / "admin.sock")
    status, dump = api.call("GET", "/v1/store/backup")
    api.close()
    assert status == 200 and b"hidden horse" in dump and b"smtp.far.test:465" in dump
    ctl.run("directory", "remove", "connection", "provider")


def test_a_fault_behind_the_servers_back_is_listed_and_logged(sqlite):
    sqlite.start()
    ctl = Ctl(sqlite)
    ctl.run("directory", "edit", "group", "broken", input="member = alice\n")
    sqlite.sql("UPDATE document SET body = 'x = y' WHERE kind = 'group'")
    ctl.run("directory", "edit", "group", "whole", input="member = bob\n")
    assert mail(sqlite, ["broken@example.test"])[1] == 550
    assert mail(sqlite, ["whole@example.test"])[1] == 250
    assert "x is not a field of a group" in sqlite.await_line("event=directory_refused")
    faults = {d["name"]: d.get("fault") for d in ctl.json("directory", "list", "group")["documents"]}
    assert faults["whole"] is None and "line 1: x is not a field" in faults["broken"]
    ctl.run("directory", "edit", "group", "broken", input="member = alice\n")
    assert mail(sqlite, ["broken@example.test"])[1] == 250


def terminal(server, editor, *args):
    """Runs a command on a terminal, with the editor; gives what it says."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["EDITOR"] = str(editor)
        os.environ.pop("VISUAL", None)
        os.execv(servers.BINARY, [servers.BINARY, "--dir", str(server.dir), *args])
    said = b""
    try:
        while True:
            if said.rstrip().endswith(b"[Y/n]"):
                os.write(fd, b"\n")
                said += b"\n"
            said += os.read(fd, 1000)
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_an_editor_is_opened_until_the_text_is_taken(ctl, shared, user, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nif grep -q membr \"$1\"; then sed -i s/membr/member/ \"$1\"\n"
                      f"else echo 'membr = {user}' >> \"$1\"; fi\n")
    editor.chmod(0o755)
    code, said = terminal(shared, editor, "directory", "edit", "group", f"t-{user}")
    assert code == 0 and "line 1: membr is not a field of a group" in said and f"t-{user}: made" in said
    assert ctl.run("directory", "show", "group", f"t-{user}") == f"member = {user}\n"
    code, said = terminal(shared, "true", "directory", "edit", "group", f"t-{user}")
    assert code == 0 and "not changed" in said
    code, said = terminal(shared, "false", "directory", "edit", "group", f"t-{user}")
    assert code == 70 and "the editor false failed" in said
    ctl.run("directory", "remove", "group", f"t-{user}")


def test_a_group_of_two_thousand_reaches_each_once(own):
    names = [f"p{n}" for n in range(2000)]
    own.start()
    ctl = Ctl(own)
    ctl.run("account", "import", "-", input="".join(f"{n} horse-{n}\n" for n in names[:60]))
    ctl.run("directory", "edit", "group", "most",
            input="".join(f"member = {n}\n" for n in names) + "member = alice\n")
    ctl.run("directory", "edit", "group", "all", input="member = most\nmember = p0\nmember = bob\n")
    assert mail(own, ["all@example.test", "p1@example.test", "most+x@example.test"])[-1] == 250
    counts = {a["name"]: a["messages"] for a in ctl.json("account", "list")["accounts"]}
    assert [counts[n] for n in names[:60]] == [1] * 60
    assert (counts["alice"], counts["bob"], counts["carol"]) == (1, 1, 0)
    assert "lost=1940" in own.await_line("event=router_lost")


# --- the domain: readers, versions, export and import, lint ---

NOPERM = 77


def edit(ctl, kind, name, text, *args, **how):
    return ctl.run("directory", "edit", kind, name, *args, input=text, **how)


def test_an_edit_lets_no_more_see_a_document_unless_told(ctl, user):
    """The trap: an edit that drops or adds a readers field changes who works by the document."""
    group, way = f"ordinary-{user}", f"ex-{user}"
    edit(ctl, "group", group, f"member = {user}\n")
    text = f"domain = x{user}\nmail_server = gate1\nreader = gate1\nreader = {group}\n"
    edit(ctl, "foreign-domain", way, text)
    for worse, who in ((f"domain = x{user}\nmail_server = gate1\n", "everybody"),
                       (text + "reader = [localdomainservers]\n", "[localdomainservers]"),
                       (text + "author = gate2\n", "gate2")):
        edit(ctl, "foreign-domain", way, worse, status=NOPERM)
        assert f"with this edit {who} may see it too" in ctl.err and f"gate1 {group}" in ctl.err and "--widen" in ctl.err
        assert ctl.run("directory", "show", "foreign-domain", way) == text
    # A member of a group that reads it reads it already.
    said = edit(ctl, "foreign-domain", way, text + f"reader = {user}\n")
    assert f"it may now be seen by: gate1 {group} {user}" in said
    said = edit(ctl, "foreign-domain", way, f"domain = x{user}\nreader = gate1\n")
    assert "it may now be seen by: gate1\n" in said
    assert "it may now be seen by: everybody" in edit(ctl, "foreign-domain", way, f"domain = x{user}\n", "--widen")
    ctl.run("directory", "remove", "foreign-domain", way)
    ctl.run("directory", "remove", "group", group)


def test_a_persons_readers_survive_the_account_commands(ctl, user):
    text = ctl.run("directory", "show", "person", user)
    edit(ctl, "person", user, text + "reader = mail.example.test\nserver = mail.example.test\n")
    ctl.run("account", "set", user, "--full-name", "Somebody Else")
    now = ctl.run("directory", "show", "person", user)
    assert "reader = mail.example.test\n" in now and "server = mail.example.test\n" in now


def test_what_this_server_may_not_see_does_not_count(ctl, shared, user, user2):
    hidden, shown = f"h-{user}", f"s-{user}"
    edit(ctl, "group", hidden, f"member = {user}\nreader = elsewhere\n")
    edit(ctl, "group", shown, f"member = {user}\nreader = [mailers]\n")
    assert [mail(shared, [f"{g}@example.test"])[1] for g in (hidden, shown)] == [550, 550]
    edit(ctl, "server", "mail.example.test", "role = mailers\n")
    assert [mail(shared, [f"{g}@example.test"])[1] for g in (hidden, shown)] == [550, 250]
    for group in (hidden, shown):
        ctl.run("directory", "remove", "group", group)
    ctl.run("directory", "remove", "server", "mail.example.test")


def test_history_and_diff_tell_what_was_changed_and_by_whom(ctl, user):
    group = f"v-{user}"
    edit(ctl, "group", group, f"member = {user}\nfull_name = One\n")
    edit(ctl, "group", group, f"member = {user}\nfull_name = Two\n")
    edit(ctl, "group", group, f"member = {user}\nfull_name = Two\n")  # no change, no version
    ctl.run("directory", "remove", "group", group)
    edit(ctl, "group", group, f"member = {user}\nfull_name = Three\n")
    versions = ctl.json("directory", "history", "group", group)["versions"]
    assert [(v["removed"], v["lost"]) for v in versions] == [(False, False), (True, False), (False, False), (False, False)]
    assert {v["server"] for v in versions} == {"mail.example.test"} and all(v["editor"] for v in versions)
    assert [v["modified_ms"] for v in versions] == sorted({v["modified_ms"] for v in versions}, reverse=True)
    assert "removed" in ctl.run("directory", "history", "group", group)
    diff = ctl.run("directory", "diff", "group", group, "4", "3").splitlines()
    assert diff[0].startswith(f"--- group {group} version 4 ") and diff[1].startswith(f"+++ group {group} version 3 ")
    assert diff[2:] == ["@@ -1,2 +1,2 @@", f" member = {user}", "-full_name = One", "+full_name = Two"]
    assert ctl.run("directory", "diff", "group", group).endswith(f"@@ -0,0 +1,2 @@\n+member = {user}\n+full_name = Three\n")
    ctl.run("directory", "diff", "group", group, "9", status=NOUSER)
    ctl.run("directory", "diff", "group", group, "x", status=64)
    ctl.run("directory", "history", "group", "never", status=NOUSER)
    ctl.run("directory", "remove", "group", group)


def test_export_and_import_go_round(own, tmp_path):
    own.start()
    ctl = Ctl(own)
    edit(ctl, "group", "sales", "member = alice\n\n; the best\nmember = bob\n")
    edit(ctl, "connection", "provider", "domain = far.test\nuser = u\npassword = hidden horse\n")
    edit(ctl, "foreign-domain", "ex", "domain = BTEx\nreader = gate1\n")
    text = ctl.run("directory", "export")
    assert "[group sales]\nmember = alice\n\n; the best\nmember = bob\n" in text and "hidden horse" not in text
    assert "hidden horse" in ctl.run("directory", "export", "--secrets")
    ctl.run("directory", "export", tmp_path / "all.ini")
    assert (tmp_path / "all.ini").read_text() == text
    folder = tmp_path / "folder"
    folder.mkdir()
    ctl.run("directory", "export", folder)
    assert (folder / "connection.provider.ini").read_text() == "[connection provider]\ndomain = far.test\nuser = u\npassword = ********\n"
    for source in (tmp_path / "all.ini", folder):
        assert re.fullmatch(r"\d+ not changed\n", ctl.run("directory", "import", source))
    ctl.run("directory", "remove", "group", "sales")
    assert "group sales: made\n" in ctl.run("directory", "import", "-", input=text)
    assert ctl.run("directory", "export") == text
    # All or none, and no more readers than before.
    bad = "[group new]\nmember = alice\n[group sales]\nmembr = x\n"
    ctl.run("directory", "import", "-", input=bad, status=DATAERR)
    assert "group sales: line 1: membr is not a field" in ctl.err and "[group new]" not in ctl.run("directory", "export")
    ctl.run("directory", "import", "-", input="[foreign-domain ex]\ndomain = BTEx\n", status=NOPERM)
    assert "foreign-domain ex: with this edit everybody" in ctl.err
    assert "seen by: everybody" in ctl.run("directory", "import", "-", "--widen", input="[foreign-domain ex]\ndomain = BTEx\n")
    ctl.run("directory", "import", "-", input="[group]\n", status=DATAERR)
    ctl.run("directory", "import", "-", input="[person newcomer]\n", status=NOUSER)
    ctl.run("directory", "import", "/nonexistent", status=NOINPUT)
    assert ctl.run("directory", "import", "-", input="") == ""


def test_lint_says_what_would_surprise(own):
    own.start()
    ctl = Ctl(own)
    assert ctl.run("directory", "lint") == ""
    for name in ("gate1", "gate2", "lone"):
        edit(ctl, "server", name, "")
    edit(ctl, "cluster", "gates", "member = gate1\nmember = gate2\n")
    edit(ctl, "foreign-domain", "a", "domain = BTEx\nmail_server = gate1\nhost = x.test\nreader = gate2\n")
    edit(ctl, "foreign-domain", "b", "domain = BTEx\nmail_server = gone\nhost = x.test\n")
    edit(ctl, "foreign-domain", "c", "domain = BTEx\npriority = 7\n")
    edit(ctl, "foreign-domain", "d", "domain = Other\nmail_server = gate1\n")
    edit(ctl, "group", "crew", "member = nobody\nmember = alice\nmember = x@far.test\nreader = ghost\n")
    edit(ctl, "person", "alice", ctl.run("directory", "show", "person", "alice") + "server = gone\n")
    edit(ctl, "connection", "one", "domain = far.test\nhost = relay.test\npriority = 1\n")
    edit(ctl, "connection", "two", "domain = far.test\nhost = relay.test\n")
    said = ctl.run("directory", "lint", status=DATAERR).splitlines()
    for begin, part in (
            ("server lone: ", "it is in no cluster"),
            ("foreign-domain a: ", "its own mail_server gate1 may not see it"),
            ("foreign-domain a: ", "have the priority 100 for btex"),
            ("foreign-domain b: ", "the mail_server gone has no server document"),
            ("foreign-domain d: ", "nobody can reach other"),
            ("foreign-domain d: ", "its gateway gate1 has no host"),
            ("group crew: ", "the member nobody leads nowhere"),
            ("group crew: ", "the reader ghost is nobody"),
            ("group crew: ", "no server may see it"),
            ("person alice: ", "the server gone is to hold the account"),
            ("connection two: ", "never used: the connection one")):
        assert [line for line in said if line.startswith(begin) and part in line], (begin, part, said)
    assert len(said) == 11, said
    api = Unix(own.dir / "data" / "admin.sock")
    found = json.loads(api.call("GET", "/v1/directory/lint")[1])["findings"]
    api.close()
    assert {f["kind"] for f in found} == {"server", "foreign-domain", "group", "person", "connection"}


def test_the_order_of_documents_is_told_once_a_change(own):
    own.start()
    ctl = Ctl(own)
    orders = lambda: [re.search(r"documents=(\d+) order=.([^\"]*)", line).groups() for line in own.lines if "event=foreign_order" in line]

    edit(ctl, "foreign-domain", "a", "domain = BTEx\n")
    edit(ctl, "foreign-domain", "b", "domain = BTEx\n")
    edit(ctl, "foreign-domain", "hidden", "domain = BTEx\nreader = gate1\n")
    mail(own, ["bob@example.test"])
    own.await_line('order="b a"')
    edit(ctl, "group", "crew", "member = bob\n")
    assert mail(own, ["crew@example.test"])[1] == 250  # a new snapshot, and nothing to tell
    edit(ctl, "foreign-domain", "a", "domain = btex\n")  # edited last: first
    assert mail(own, ["crew@example.test"])[1] == 250
    own.await_line('order="a b"')
    edit(ctl, "foreign-domain", "b", "domain = BTEx\npriority = 7\n")
    assert mail(own, ["crew@example.test"])[1] == 250
    own.await_line("foreign_order", since=own.lines.index(next(x for x in own.lines if 'order="a b"' in x)) + 1)
    assert orders() == [("2", "b a"), ("2", "a b"), ("2", "b a")]
