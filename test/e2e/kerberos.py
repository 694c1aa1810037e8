"""kerberos: a realm of its own on loopback, of Debian's krb5-kdc: its KDC, principals, keytabs, tickets and tokens."""
import os, pathlib, subprocess

import gssapi

from processes import Process, free_port, wait_listening

NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
KERBEROS = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")


class Realm:
    def __init__(self, folder, name="EXAMPLE.TEST", others=()):
        """others: realms that stand already; localhost is in the last one."""
        self.name, self.folder, self.port = name, pathlib.Path(folder), free_port()
        self.config, profile = self.folder / "krb5.conf", self.folder / "kdc.conf"
        self.config.write_text(
            f"[libdefaults]\ndefault_realm = {name}\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n"
            "dns_canonicalize_hostname = false\nudp_preference_limit = 1\n[realms]\n" +
            "".join(f"{r.name} = {{\nkdc = 127.0.0.1:{r.port}\n}}\n" for r in (self, *others)) +
            f"[domain_realm]\nlocalhost = {[name, *(r.name for r in others)][-1]}\n")
        profile.write_text(
            f"[kdcdefaults]\nkdc_listen = \"\"\nkdc_tcp_listen = 127.0.0.1:{self.port}\n[realms]\n{name} = {{\n"
            f"database_name = {self.folder}/principal\nkey_stash_file = {self.folder}/stash\nacl_file = {self.folder}/acl\n"
            "supported_enctypes = aes256-cts:normal\n}\n")
        self.env = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(profile)}
        self.run("/usr/sbin/kdb5_util", "create", "-s", "-r", name, "-P", "master")
        self.process = None

    def start(self):
        self.process = Process(["/usr/sbin/krb5kdc", "-n", "-P", str(self.folder / "pid")], self.folder / "out", self.env)
        wait_listening(self.process, "krb5kdc", [self.port])
        return self

    def stop(self):
        if self.process:
            self.process.stop()

    def run(self, *command, stdin="", **env):
        subprocess.run(command, input=stdin, text=True, check=True, capture_output=True, timeout=60,
                       env={**os.environ, **self.env, **env})

    def admin(self, *lines):
        self.run("/usr/sbin/kadmin.local", "-r", self.name, stdin="\n".join(lines) + "\n")

    def people(self, *names, password="horse"):
        self.admin(*(f"addprinc -pw {password} {name}" for name in names))

    def keytab(self, file, *services):
        """A file with fresh keys of the services, that the server can read."""
        path = self.folder / file
        self.admin(*(f"addprinc -randkey {s}" for s in services), *(f"ktadd -k {path} {s}" for s in services))
        path.chmod(0o644)
        return path

    def ticket(self, name, *, password="horse", more=()):
        """The ticket cache of who logged in."""
        cache = self.folder / f"cache-{name.replace('/', '-')}-{len(list(self.folder.glob('cache-*')))}"
        self.run("/usr/bin/kinit", *more, name, stdin=password + "\n", KRB5CCNAME=f"FILE:{cache}")
        return cache


class Client:
    """One side of an exchange: token() makes what is sent from what came."""

    def __init__(self, cache=None, service="HTTP@localhost", mechanism=SPNEGO, binding=None, mutual=False):
        store = {"ccache": f"FILE:{cache}"} if cache else None
        credentials = gssapi.Credentials(usage="initiate", store=store, mechs=[KERBEROS, SPNEGO]) if cache else None
        bound = gssapi.raw.ChannelBindings(application_data=binding) if binding else None
        flags = gssapi.RequirementFlag.mutual_authentication if mutual else 0
        self.context = gssapi.SecurityContext(name=gssapi.Name(service, gssapi.NameType.hostbased_service), creds=credentials,
                                              mech=mechanism, usage="initiate", flags=flags, channel_bindings=bound)

    def token(self, came=None):
        return self.context.step(came)
