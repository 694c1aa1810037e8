"""clients: settings of mail clients that more than one suite starts."""


def offlineimap_rc(place, port, user):
    """Its configuration: the account on 127.0.0.1 beside a Maildir in the folder."""
    return f"""
[general]
accounts = t
metadata = {place}/meta
ui = quiet
[Account t]
localrepository = L
remoterepository = R
[Repository L]
type = Maildir
localfolders = {place}/mail
[Repository R]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {user}
remotepass = horse
ssl = no
starttls = no
auth_mechanisms = PLAIN
"""
