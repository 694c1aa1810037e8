#!/usr/bin/python3
"""mta: Debian's Postfix, OpenSMTPD and Exim on loopback, each in a folder of its own, as destination and as source.

    mta.py postfix|opensmtpd|exim [NEXT-HOP-PORT]     starts one, prints its port and folder, ends with Ctrl-C

Each takes mail for its own domain (all of it into one Maildir), and everything else it is given from this machine
goes on to the next hop, if it has one. Nothing outside the folder is touched: OpenSMTPD and Exim, which exclude
Postfix as packages, are unpacked (tools/packages.sh) and run in a mount namespace of their own, in which they and
their folders lie where Debian has them. Needs root, since all three change to their own users.
"""
from __future__ import annotations

import email
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
from packages import unpacked
from processes import CannotStart, Process, free_port, wait_for, wait_listening

MAIL_UID = 5000  # no account of the machine; stored mail belongs to it


def need(*programs: str) -> None:
    if os.geteuid() != 0:
        raise CannotStart("needs root: it changes to its own users")
    gone = [p for p in programs if not shutil.which(p)]
    if gone:
        raise CannotStart(f"{', '.join(gone)} not found; tools/packages.sh test installs it")


def make_certificate(folder: Path, name: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-subj",
         f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        cwd=folder, check=True, capture_output=True)
    (folder / "key.pem").chmod(0o600)


class Mta:
    """What the three have in common. `next_hop`: the port on 127.0.0.1 for mail that is not for `domain`."""
    side = ""
    skip = ""
    extensions: tuple[str, ...] = ()  # of those that matter here

    def __init__(self, folder: Path | str, domain: str = "", next_hop: int = 0, tls: bool = False,
                 retry_s: int = 60, settings: dict[str, object] | None = None) -> None:
        self.folder = Path(folder) / self.side.split()[0]
        self.domain = domain or f"{self.side}.example"
        self.next_hop, self.tls, self.retry_s = next_hop, tls, retry_s
        self.settings = settings or {}
        self.ports: dict[str, int] = {}
        self.process: Process | None = None

    def start(self) -> Mta:
        self.folder.mkdir(mode=0o755)
        self.folder.chmod(0o755)
        (self.folder / "mail").mkdir()
        os.chown(self.folder / "mail", MAIL_UID, MAIL_UID)
        if self.tls:
            make_certificate(self.folder, f"mx.{self.domain}")
        self.ports["smtp"] = free_port()
        try:
            self.process = Process(self.prepare(), self.folder / "out")
            wait_listening(self.process, self.side, [self.ports["smtp"]])
        except CannotStart:
            self.stop()
            raise
        return self

    def prepare(self) -> list[str]:
        """Writes the configuration; gives the command."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        return self.ports["smtp"]

    def roots(self) -> list[int]:
        return [self.process.pid] if self.process else []

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Mta:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def flush(self) -> None:
        """Has everything in the queue tried now."""
        raise NotImplementedError

    # --- the mail that came in ---

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("mail/all/new/*"))

    def count(self) -> int:
        try:
            return len(os.listdir(self.folder / "mail/all/new"))
        except OSError:
            return 0

    def messages(self) -> list[email.message.Message]:
        return [email.message_from_bytes(path.read_bytes()) for path in self.paths()]

    def wait_messages(self, count: int, seconds: float = 30) -> list[email.message.Message]:
        """Until so many copies (one for each recipient) are there; gives all that are."""
        if not wait_for(lambda: self.count() >= count, seconds):
            raise TimeoutError(f"{self.side}: {self.count()} of {count} messages after {seconds} s: {self.log()[-2000:]}")
        return self.messages()

    def log(self) -> str:
        return self.process.said() if self.process and self.process.log.exists() else ""


POSTFIX_SETTINGS = {
    "compatibility_level": "3.6", "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin",
    "mail_owner": "postfix", "setgid_group": "postdrop", "mydestination": "", "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
    "smtpd_relay_restrictions": "permit_mynetworks, reject", "virtual_mailbox_maps": "static:all/",
    "virtual_minimum_uid": MAIL_UID, "virtual_uid_maps": f"static:{MAIL_UID}",
    "virtual_gid_maps": f"static:{MAIL_UID}", "alias_maps": "", "alias_database": "", "local_recipient_maps": "",
    "maillog_file_prefixes": "/var, /dev/stdout, /tmp", "maillog_file": "/dev/stdout", "message_size_limit": 0,
    "mailbox_size_limit": 0, "virtual_mailbox_limit": 0, "notify_classes": "", "smtp_host_lookup": "native",
    "smtpd_tls_security_level": "none", "smtp_tls_security_level": "none", "lmtp_tls_security_level": "none",
}


class Postfix(Mta):
    """Its default limits, its usual durability. `settings` are lines of main.cf."""
    side = "postfix"
    extensions = ("PIPELINING", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING")

    def prepare(self) -> list[str]:
        need("postfix")
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir(mode=0o755)
        shutil.chown(self.folder / "data", "postfix")
        etc = self.folder / "etc"
        lines = {**POSTFIX_SETTINGS, **self.own_settings(), **self.settings}
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        (etc / "master.cf").write_text(self.services())
        check = subprocess.run(["postfix", "-c", str(etc), "check"], capture_output=True, text=True)
        if check.returncode != 0:
            raise CannotStart(f"postfix: {check.stderr.strip()}")
        return ["postfix", "-c", str(etc), "start-fg"]

    def own_settings(self) -> dict[str, object]:
        lines: dict[str, object] = {
            "queue_directory": self.folder / "queue", "data_directory": self.folder / "data",
            "myhostname": f"mx.{self.domain}", "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_base": self.folder / "mail", "minimal_backoff_time": f"{self.retry_s}s",
            "maximal_backoff_time": f"{max(self.retry_s, 60)}s", "queue_run_delay": f"{self.retry_s}s"}
        if self.next_hop:
            lines["default_transport"] = lines["relay_transport"] = f"smtp:[127.0.0.1]:{self.next_hop}"
        else:
            lines["smtpd_relay_restrictions"] = "reject_unauth_destination"
        if self.tls:
            lines.update({"smtpd_tls_security_level": "may", "smtp_tls_security_level": "may",
                          "smtpd_tls_cert_file": self.folder / "cert.pem",
                          "smtpd_tls_key_file": self.folder / "key.pem"})
        return lines

    def services(self) -> str:
        """Debian's master.cf, on our port and without chroot."""
        lines = []
        for line in Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
            words = line.split()
            if len(words) >= 8 and line[0] not in "# ":
                words[4] = "n"
                if words[:2] == ["smtp", "inet"]:
                    words[0] = f"127.0.0.1:{self.port}"
                line = " ".join(words)
            lines.append(line)
        return "\n".join(lines) + "\n"

    def flush(self) -> None:
        subprocess.run(["postqueue", "-c", str(self.folder / "etc"), "-f"], check=True, capture_output=True)


class RoomMta(Mta):
    """One that runs in a mount namespace: its package's /usr and /etc laid over the machine's, its folders bound to
    where it looks for them, and its users in an /etc/passwd of its own. The shell that made the room stays, as the
    first process of a namespace of processes, and buries those that nobody waits for: Exim leaves one a message."""
    package = ""
    users: dict[str, int] = {}
    binds: dict[str, str] = {}  # a folder of the room -> ours
    empty = ("/run", "/var/spool", "/var/lib", "/var/log")

    def room(self) -> list[str]:
        """The command that enters it; what follows is run inside."""
        need("unshare", "mount")
        root = unpacked(self.package)
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        everybody = {**self.users, "keeper": MAIL_UID}
        (etc / "passwd").write_text(Path("/etc/passwd").read_text() + "".join(
            f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n" for name, uid in everybody.items()))
        (etc / "group").write_text(Path("/etc/group").read_text() + "".join(
            f"{name}:x:{uid}:\n" for name, uid in everybody.items()))
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        (etc / "mailname").write_text(self.domain + "\n")
        steps = ["set -e", f"mount -t overlay overlay -o lowerdir={root}/usr:/usr /usr",
                 f"mount -t overlay overlay -o lowerdir={etc}:{root}/etc:/etc /etc"]
        steps += [f"mount -t tmpfs tmpfs {folder}" for folder in self.empty]
        for inside, name in self.binds.items():
            (self.folder / name).mkdir(exist_ok=True)
            steps += [f"mkdir -p {inside}", f"mount --bind {self.folder / name} {inside}"]
        steps += self.more_steps() + ['"$@" &', "wait $!"]
        return ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c",
                "\n".join(steps), self.side]

    def more_steps(self) -> list[str]:
        return []

    def stop(self) -> None:
        """The server first: the room ends with it, and unshare would ignore a signal."""
        if self.process and self.process.running():
            for pid in processes.tree(self.process.pid)[2:3]:
                os.kill(pid, signal.SIGTERM)
            wait_for(lambda: self.process is None or not self.process.running(), 10, 0.01)
        super().stop()

    def inside(self, *command: str) -> str:
        """Runs a command in the room of the running server."""
        assert self.process
        done = subprocess.run(["nsenter", "--mount", "--target", str(self.process.pid), *command],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"{self.side}: {command[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


OPENSMTPD_CONF = """\
{pki}queue ttl 4d
smtp max-message-size 200M
smtp limit max-mails 1000000
mta limit session-mail-max 10000
mta limit conn-delay-host 0
mta limit conn-delay-route 0
mta limit conn-delay-source 0
mta limit conn-delay-connector 0
mta limit conn-delay-relay 0
mta limit conn-delay-domain 0
mta limit session-transaction-delay 0
table keeper {{ "@" = "keeper" }}
listen on 127.0.0.1 port {port} hostname mx.{domain}{tls}
action "keep" maildir "{folder}/mail/all" virtual <keeper>
{relay}match from any for domain "{domain}" action "keep"
{match}"""


class OpenSmtpd(RoomMta):
    """As it is in Debian 12 it offers TLS, and every handshake fails in it ("EVP lib"): so do servers out there."""
    side = "opensmtpd"
    package = "opensmtpd"
    extensions = ("8BITMIME", "DSN")
    users = {"opensmtpd": 5001, "opensmtpq": 5002}
    binds = {"/var/spool/smtpd": "spool"}

    def prepare(self) -> list[str]:
        command = self.room()
        relay = match = pki = tls = ""
        if self.next_hop:
            relay = f'action "relay" relay host "smtp{"" if self.tls else "+notls"}://127.0.0.1:{self.next_hop}"\n'
            match = 'match from any for any action "relay"\n'
        if self.tls:
            pki = f'pki peer cert "{self.folder}/cert.pem"\npki peer key "{self.folder}/key.pem"\n'
            tls = " tls pki peer"
        (self.folder / "etc/smtpd.conf").write_text(OPENSMTPD_CONF.format(
            pki=pki, tls=tls, port=self.port, domain=self.domain, folder=self.folder, relay=relay, match=match))
        (self.folder / "spool").mkdir(exist_ok=True)
        (self.folder / "spool").chmod(0o711)
        return [*command, "/usr/sbin/smtpd", "-d"]

    def more_steps(self) -> list[str]:
        return ["mkdir -p /var/lib/opensmtpd/empty", "chmod 711 /var/lib/opensmtpd /var/lib/opensmtpd/empty"]

    def flush(self) -> None:
        group = str(self.users["opensmtpq"])  # smtpctl is set-group-ID where it is installed
        self.inside("setpriv", "--regid", group, "--clear-groups", "/usr/sbin/smtpctl", "schedule", "all")


EXIM_CONF = """\
primary_hostname = mx.{domain}
domainlist local_domains = {domain}
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts = {tls}
{certificate}chunking_advertise_hosts = *
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
host_lookup =
rfc1413_hosts =
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
never_users =
message_size_limit = 200M
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
queue_run_max = 20
remote_max_parallel = 20
trusted_users = root
keep_environment =
split_spool_directory = true
disable_ipv6 = true
{settings}
begin acl
rcpt:
  accept domains = +local_domains
  {relay}
  deny message = relay not permitted

begin routers
keep:
  driver = accept
  domains = +local_domains
  transport = keep
next_hop:
  driver = manualroute
  domains = ! +local_domains
  route_list = * 127.0.0.1::{next_hop}
  self = send
  transport = remote

begin transports
keep:
  driver = appendfile
  directory = {folder}/mail/all
  maildir_format
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add
  user = keeper
  group = keeper
remote:
  driver = smtp
  hosts_avoid_tls = {avoid}

begin retry
* * F,4d,{retry}s

begin rewrite

begin authenticators
"""


class Exim(RoomMta):
    """`settings` are lines of its main section."""
    side = "exim"
    package = "exim4-daemon-light"
    extensions = ("PIPELINING", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING")
    users = {"Debian-exim": 5003}
    binds = {"/var/spool/exim4": "spool", "/var/log/exim4": "log", "/etc/exim4": "conf"}

    def prepare(self) -> list[str]:
        command = self.room()
        for name in ("spool", "log"):
            os.chown(self.folder / name, self.users["Debian-exim"], self.users["Debian-exim"])
        certificate = "" if not self.tls else \
            f"tls_certificate = {self.folder}/cert.pem\ntls_privatekey = {self.folder}/key.pem\n"
        (self.folder / "conf/exim4.conf").write_text(EXIM_CONF.format(
            domain=self.domain, port=self.port, folder=self.folder, certificate=certificate,
            tls="*" if self.tls else "", avoid="" if self.tls else "*", retry=self.retry_s,
            relay="accept hosts = 127.0.0.1" if self.next_hop else "", next_hop=self.next_hop or 9,
            settings="".join(f"{name} = {value}\n" for name, value in self.settings.items())))
        if self.tls:
            os.chown(self.folder / "key.pem", self.users["Debian-exim"], self.users["Debian-exim"])
        return [*command, "/usr/sbin/exim4", "-bdf", f"-q{self.retry_s}s"]

    def flush(self) -> None:
        self.inside("/usr/sbin/exim4", "-qff")

    def log(self) -> str:
        main = self.folder / "log/mainlog"
        return super().log() + (main.read_text(errors="replace") if main.exists() else "")


MTAS: dict[str, type[Mta]] = {mta.side: mta for mta in (Postfix, OpenSmtpd, Exim)}


def main() -> None:
    from server import make_dir
    processes.prepare()
    with MTAS[sys.argv[1]](make_dir(), next_hop=int((sys.argv + ["0", "0"])[2])) as mta:
        print(mta.side, mta.ports, mta.roots(), mta.folder, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in MTAS:
        sys.exit("usage: mta.py postfix|opensmtpd|exim [NEXT-HOP-PORT]")
    try:
        main()
    except KeyboardInterrupt:
        pass
    except CannotStart as error:
        sys.exit(f"mta: {error}")
