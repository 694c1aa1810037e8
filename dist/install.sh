#!/bin/sh
# install.sh: what meson install does last: the account that the worker runs as.
set -eu
[ -z "${DESTDIR:-}" ] || exit 0
[ "$(id -u)" = 0 ] || exit 0
getent passwd posthorse >/dev/null || useradd --system --home-dir /var/lib/posthorse --shell /usr/sbin/nologin --user-group posthorse
mkdir -p /etc/posthorse /var/lib/posthorse
chown posthorse:posthorse /var/lib/posthorse
chmod 0700 /var/lib/posthorse
[ ! -d /run/systemd/system ] || systemctl daemon-reload
