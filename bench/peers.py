"""peers: Postfix, Dovecot and Cyrus from Debian's packages, on loopback, in a folder of their own.

`bench/peers.py dovecot|postfix|cyrus` starts one, prints its ports and waits for Ctrl-C."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import machine  # it makes the modules of test/ known
import processes
from imap import Imap, ImapError

from mta import MAIL_UID, Postfix, make_certificate, need
from packages import unpacked
from processes import CannotStart, Process, free_port, wait_listening
from ours import account_names

DOMAIN = "example.test"
PACKAGES = ("postfix", "dovecot-imapd", "dovecot-lmtpd", "libsasl2-modules", "sasl2-bin",
            "openssl")


class Server(Protocol):
    """What the benches measure."""
    side: str  # its name in tables and drawings
    skip: str  # processes whose names begin so are not counted as memory
    ports: dict[str, int]

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def roots(self) -> list[int]: ...


def missing_packages() -> list[str]:
    def installed(name: str) -> bool:
        query = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name],
                               capture_output=True, text=True)
        return query.stdout.endswith(" installed")

    return [name for name in PACKAGES if not installed(name)]


def install(names: list[str]) -> None:
    """Without starting what is installed: the bench brings its own configurations."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *names], check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            policy.unlink()


DOVECOT_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_username_format = %Ln
mail_location = sdbox:{folder}/mail/%n
mail_home = {folder}/mail/%n
mail_fsync = optimized
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = {uid}
mail_max_userip_connections = 10000
postmaster_address = postmaster@{domain}
default_client_limit = 20000
default_process_limit = 3000
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%n {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={folder}/mail/%n allow_all_users=yes
}}
service imap-login {{
  process_limit = 3000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service imap {{
  process_limit = 3000
}}
service lmtp {{
  process_limit = 200
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""
DOVECOT_EXTRA = {
    "": "",
    # Dovecot's manual, "Login processes", high-performance mode; and its imap processes used again.
    "fast log-in": """\
service imap-login {
  service_count = 0
  process_min_avail = 2
}
service imap {
  service_count = 1000
}
""",
    "hibernating": """\
imap_hibernate_timeout = 2s
service imap {
  extra_groups = $default_internal_group
  unix_listener imap-master {
    user = $default_internal_user
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0660
    group = $default_internal_group
  }
}
""",
}


class Dovecot:
    """Dovecot with sdbox, its fastest durable store; mode is a key of DOVECOT_EXTRA.

    mail_fsync = optimized is durable: strace shows the message, its folder and the index log
    synced before the answer. `always` only adds the cache, which can be made anew."""
    skip = ""

    def __init__(self, folder: Path, mode: str = "", names: list[str] | None = None) -> None:
        self.names = names or account_names()
        self.side = f"dovecot {mode}".strip()
        self.folder = folder / self.side.replace(" ", "-")
        self.mode = mode
        self.ports: dict[str, int] = {}
        self.process: Process | None = None

    def start(self) -> None:
        need("dovecot", "openssl")
        self.folder.mkdir(mode=0o755)
        (self.folder / "mail").mkdir()
        os.chown(self.folder / "mail", MAIL_UID, MAIL_UID)
        make_certificate(self.folder, DOMAIN)
        (self.folder / "users").write_text(
            "".join(f"{name}:{{PLAIN}}pass::::::\n" for name in self.names))
        self.ports = {name: free_port() for name in ("imap", "imaps", "lmtp")}
        conf = self.folder / "dovecot.conf"
        conf.write_text(DOVECOT_CONF.format(folder=self.folder, uid=MAIL_UID, domain=DOMAIN,
                                            **self.ports) + DOVECOT_EXTRA[self.mode])
        self.process = Process(["dovecot", "-F", "-c", str(conf)], self.folder / "out")
        wait_listening(self.process, self.side, list(self.ports.values()))

    def roots(self) -> list[int]:
        return [self.process.pid] if self.process else []

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostfixDovecot(Postfix):
    """Postfix with its default limits, handing everything to a Dovecot by LMTP."""
    side = "postfix + dovecot"

    def __init__(self, folder: Path, names: list[str] | None = None) -> None:
        super().__init__(folder, DOMAIN)
        self.dovecot = Dovecot(self.folder, names=names)

    def prepare(self) -> list[str]:
        self.dovecot.start()
        self.ports.update(self.dovecot.ports)
        self.settings["virtual_transport"] = f"lmtp:inet:127.0.0.1:{self.ports['lmtp']}"
        return super().prepare()

    def roots(self) -> list[int]:
        return super().roots() + self.dovecot.roots()

    def stop(self) -> None:
        self.dovecot.stop()
        super().stop()


CYRUS_CONF = """\
configdirectory: {folder}/conf
partition-default: {folder}/spool
defaultpartition: default
proc_path: {folder}/proc
mboxname_lockpath: {folder}/lock
admins: cyrus
cyrus_user: {user}
allowplaintext: yes
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
servername: {domain}
altnamespace: yes
unixhierarchysep: yes
lmtp_downcase_rcpt: yes
virtdomains: off
idlesocket: {folder}/socket/idle
lmtpsocket: {folder}/socket/lmtp
notifysocket: {folder}/socket/notify
sievedir: {folder}/sieve
tls_sessions_db_path: {folder}/conf/tls.db
hashimapspool: yes
maxlogins_per_user: 0
maxlogins_per_host: 0
timeout: 60
sendmail: /bin/true
httpmodules: caldav
caldav_allowscheduling: on
calendar_user_address_set: {domain}
zoneinfo_db_path: {folder}/conf/zoneinfo.db
"""
CYRUS_SERVICES = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {folder}/imapd.conf -r"
  idled cmd="{bin}/idled -C {folder}/imapd.conf"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {folder}/imapd.conf -U 30" listen="127.0.0.1:{imap}" maxchild=1000
  lmtp cmd="{bin}/lmtpd -C {folder}/imapd.conf -a" listen="127.0.0.1:{lmtp}" maxchild=200
  http cmd="{caldav}/httpd -C {folder}/imapd.conf -U 30" listen="127.0.0.1:{http}" maxchild=200
}}
EVENTS {{
  checkpoint cmd="{bin}/ctl_cyrusdb -C {folder}/imapd.conf -c" period=30
}}
"""
CYRUS_FOLDERS = ("conf", "spool", "proc", "lock", "socket", "sieve", "conf/proc", "conf/db",
                 "conf/user", "conf/quota", "conf/msg", "conf/socket", "conf/lock", "conf/log")
CYRUS_USER = "mail"  # Debian's own user, so that none need be made


class Cyrus:
    side = "cyrus"
    skip = ""
    calendar = "/dav/calendars/user/{}/Default/"

    def __init__(self, folder: Path, names: list[str] | None = None) -> None:
        self.names = names or account_names()
        self.folder = folder / "cyrus"
        self.ports: dict[str, int] = {}
        self.process: Process | None = None

    def start(self) -> None:
        need("apt-get", "dpkg", "saslpasswd2")
        root, caldav = unpacked("cyrus-imapd"), unpacked("cyrus-caldav")
        self.ports = {name: free_port() for name in ("imap", "lmtp", "http")}
        for name in ("", *CYRUS_FOLDERS):
            (self.folder / name).mkdir(mode=0o755)
        words = {"folder": self.folder, "user": CYRUS_USER, "domain": DOMAIN,
                 "bin": root / "usr/lib/cyrus/bin", "caldav": caldav / "usr/lib/cyrus/bin", **self.ports}
        (self.folder / "imapd.conf").write_text(CYRUS_CONF.format(**words))
        (self.folder / "cyrus.conf").write_text(CYRUS_SERVICES.format(**words))
        self.make_passwords()
        subprocess.run(["chown", "-R", f"{CYRUS_USER}:", str(self.folder)], check=True)
        libraries = ":".join(str(p) for part in (root, caldav) for p in (part / "usr/lib").glob("*-linux-gnu*"))
        self.process = Process(
            [str(root / "usr/lib/cyrus/bin/master"), "-C", f"{self.folder}/imapd.conf", "-M",
             f"{self.folder}/cyrus.conf", "-p", f"{self.folder}/master.pid", "-l", "1000"],
            self.folder / "out", {"LD_LIBRARY_PATH": libraries, "CYRUS_USER": CYRUS_USER,
                                  "CYRUS_VERBOSE": "0"})
        wait_listening(self.process, "cyrus", list(self.ports.values()))
        self.make_folders()

    def make_passwords(self) -> None:
        for name in ("cyrus", *self.names):
            made = subprocess.run(["saslpasswd2", "-p", "-c", "-f", f"{self.folder}/sasldb2", "-u",
                                   DOMAIN, name], input="pass", capture_output=True, text=True)
            if made.returncode != 0:
                raise CannotStart(f"cyrus: saslpasswd2: {made.stderr.strip()}")

    def make_folders(self) -> None:
        try:
            admin = Imap(self.ports["imap"], "cyrus")
            for name in self.names:
                admin.command(f"CREATE user/{name}")
            admin.close()
        except (ImapError, OSError) as error:
            raise CannotStart(f"cyrus: {error}") from error

    def roots(self) -> list[int]:
        return [self.process.pid] if self.process else []

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    processes.prepare()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="posthorse-peer.", dir="/var/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(processes.end_descendants)
        folder.chmod(0o755)
        known: dict[str, Server] = {"dovecot": Dovecot(folder), "postfix": PostfixDovecot(folder),
                                    "cyrus": Cyrus(folder)}
        server = known[sys.argv[1]]
        stack.callback(server.stop)
        server.start()
        print(server.side, server.ports, server.roots(), flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("dovecot", "postfix", "cyrus"):
        sys.exit("usage: peers.py dovecot|postfix|cyrus")
    try:
        main()
    except KeyboardInterrupt:
        pass
    except CannotStart as error:
        sys.exit(f"peers: {error}")
