"""netspace: machines of a test as network namespaces, joined by a bridge, whose links can be cut.

The test's own process moves into a namespace of network and mounts where the bridge is; each machine is a namespace kept by a
process that sleeps. With these processes all of it is gone; the network and the mounts of the real machine are not touched.
"""
import ctypes, os, signal, subprocess

from server import wait_until

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
NETWORK = "10.66.0."
HUB = NETWORK + "254"


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def checked(returned, what):
    if returned != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())} (needs root)")


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)   # PR_SET_PDEATHSIG


def make_hub():
    """Before any thread is made: this process goes where the bridge is."""
    checked(LIBC.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "addr", "add", HUB + "/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")


class Machine:
    """A namespace with an address on the bridge."""

    def __init__(self, number):
        self.address = f"{NETWORK}{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent)
        self.net = f"/proc/{self.holder.pid}/ns/net"
        wait_until(lambda: os.readlink(self.net) != os.readlink("/proc/self/ns/net"), what="a network namespace")
        self.inside = ["nsenter", f"--net={self.net}"]   # before a command; the process keeps its id
        run("ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        run("ip", "link", "set", f"port{number}", "master", "br0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", self.address + "/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words):
        run(*self.inside, *words)

    def enter(self):
        """The calling thread moves there, for good."""
        fd = os.open(self.net, os.O_RDONLY)
        try:
            checked(LIBC.setns(fd, CLONE_NEWNET), "setns")
        finally:
            os.close(fd)

    def drop(self, inward, outward):
        """What is to be dropped from now on: "" nothing, "drop" all, or a condition of nft before it."""
        rules = ["table inet fault {"]
        if inward:
            rules.append(f"chain in {{ type filter hook input priority 0; iifname eth0 {inward}; }}")
        if outward:
            rules.append(f"chain out {{ type filter hook output priority 0; oifname eth0 {outward}; }}")
        self.run("nft", "\n".join([*rules, "}"]))

    def mend(self):
        self.run("nft", "delete table inet fault")

    def slow(self, rate):
        self.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "5kb", "latency", "500ms")

    def fast(self):
        self.run("tc", "qdisc", "del", "dev", "eth0", "root")

    def end(self):
        self.holder.kill()
        self.holder.wait()
