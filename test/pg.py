#!/usr/bin/env python3
"""pg: runs a command beside a PostgreSQL of its own.

    test/pg.py COMMAND [ARG...]

The server is Debian's newest, runs as an unprivileged user (postgres when we are root) on a unix socket in a
temporary folder, and is stopped and removed when the command ends. The command sees
POSTHORSE_TEST_POSTGRES (a connection string of an administrator) and POSTHORSE_TEST_PG_PID: SIGUSR1 sent there
crashes the server and starts it again, SIGUSR2 stops it, and the next SIGUSR1 starts it again.
"""
import atexit, ctypes, os, pathlib, pwd, shutil, signal, subprocess, sys, tempfile, time

SETTINGS = """
listen_addresses = ''
fsync = off
shared_buffers = 32MB
max_connections = 100
max_wal_size = 256MB
wal_level = minimal
max_wal_senders = 0
autovacuum_naptime = 10s
log_min_messages = fatal
"""
PR_SET_PDEATHSIG = 1


def bin_dir():
    found = list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        sys.exit("pg.py: no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")
    return max(found, key=lambda p: int(p.parent.parent.name)).parent


def become(user):
    """In the child: another user, a session of its own, and an end with the test."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def owner():
    """Who runs it: PostgreSQL refuses to run as root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


templates = {}    # of this process, by the name of the superuser


@atexit.register
def remove_templates():
    for path in templates.values():
        shutil.rmtree(path.parent, ignore_errors=True)


def init(data, superuser):
    args = [bin_dir() / "initdb", "--no-sync", "--no-instructions", "-A", "trust", "-U", superuser, "-E", "UTF8", "--locale=C",
            "-D", data]
    done = subprocess.run(args, preexec_fn=lambda: become(owner()), cwd=data.parent, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit("pg.py: initdb failed")


def copy(source, to):
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(to)], check=True)


def make_data(data, superuser="postgres"):
    """What initdb makes, in the folder data that is to come. It costs seconds, so it is done once a process, or once for
    all that are told of one folder by POSTHORSE_TEST_PG_TEMPLATE, and copied."""
    kept = os.environ.get("POSTHORSE_TEST_PG_TEMPLATE")
    template = pathlib.Path(f"{kept}-{bin_dir().parent.name}-{superuser}") if kept else templates.get(superuser)
    if template is None or not template.exists():
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorse-pg-"))
        os.chown(folder, owner().pw_uid, owner().pw_gid)
        made = templates[superuser] = folder / "data"
        init(made, superuser)
        if template is not None:
            keep(made, template)
        template = made
    copy(template, data)


def keep(made, template):
    """Whole or not at all, whoever else does the same at the same time."""
    part = template.with_name(f"{template.name}.{os.getpid()}")
    copy(made, part)
    try:
        part.rename(template)
    except OSError:
        shutil.rmtree(part)


class Server:
    def __init__(self, settings=""):
        self.settings = SETTINGS + settings    # the later line counts
        self.bin = bin_dir()
        memory = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posthorse-pg-", dir="/dev/shm" if memory else None))
        self.data = self.dir / "data"
        self.user = owner()
        os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self.dir.chmod(0o755)    # for servers of other users; the data stay ours
        self.process = None

    def run(self, *args, **more):
        return subprocess.Popen([str(a) for a in args], preexec_fn=lambda: become(self.user), cwd=self.dir, **more)

    def create(self):
        make_data(self.data)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(self.settings + f"unix_socket_directories = '{self.dir}'\n")

    def start(self):
        log = open(self.dir / "log", "ab")
        self.process = self.run(self.bin / "postgres", "-D", self.data, stdout=log, stderr=log)
        ready = [self.bin / "pg_isready", "-q", "-h", self.dir]
        for _ in range(600):
            if subprocess.call(ready, stdout=subprocess.DEVNULL) == 0:
                return
            if self.process.poll() is not None:
                sys.exit("pg.py: the server ended:\n" + (self.dir / "log").read_text())
            time.sleep(0.05)
        sys.exit("pg.py: the server did not come up")

    def stop(self, how=signal.SIGINT):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()

    def restart(self, *_):
        self.stop(signal.SIGQUIT)
        self.start()

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    server = Server()
    try:
        server.create()
        server.start()
        signal.signal(signal.SIGUSR1, server.restart)
        signal.signal(signal.SIGUSR2, lambda *_: server.stop(signal.SIGQUIT))
        env = dict(os.environ, POSTHORSE_TEST_POSTGRES=f"host={server.dir} user=postgres dbname=postgres",
                   POSTHORSE_TEST_PG_PID=str(os.getpid()))
        command = subprocess.Popen(sys.argv[1:], env=env)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: command.terminate())
        status = command.wait()
        return status if status >= 0 else 128 - status
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
