#!/bin/sh
# packages.sh build|test|soak: installs what is missing of the packages in packages.txt. The test set has
# the build set in it, and those that exclude one another as packages ("unpack"): they are fetched
# once, with what they need, and unpacked in build-packages/, where nothing of them is ever run by
# the system; and the clients that npm has and Debian does not (test/node), exactly those of its
# lock, in build-packages/node. The soak set has both in it. packages.sh unpack NAME...: these alone;
# packages.sh node: the clients of npm alone.
set -eu
cd "$(dirname "$0")/.."
usage() { echo "usage: tools/packages.sh build | test | soak | node | unpack NAME..." >&2; exit 64; }

listed() { sed -nE "s/^($1) +//p" tools/packages.txt; }

update() {
    [ -n "${updated:-}" ] || apt-get update -qq
    updated=yes
}

unpack() { # NAME
    folder=build-packages/$1
    [ ! -f "$folder/complete" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "$1 is not unpacked; as root: tools/packages.sh unpack $1" >&2
        exit 77
    fi
    echo "Unpacking: $1"
    update
    rm -rf "$folder"
    mkdir -p "$folder"
    names=$(apt-get -s install --no-install-recommends "$1" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
    # Without the names its installation would bring, the package alone: the rest is on the machine.
    # shellcheck disable=SC2086  # a list of names
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download ${names:-$1})
    for package in "$folder"/*.deb; do
        dpkg -x "$package" "$folder"
        rm "$package"
    done
    touch "$folder/complete"
}

install() { # KINDS
    missing=
    for package in $(listed "$1"); do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "These packages are missing; as root: apt-get install$missing" >&2
        exit 77
    fi
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    update
    # shellcheck disable=SC2086  # a list of names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# A machine may have its node and npm from elsewhere: Debian's are installed where there is no npm.
# The copy of the lock is written last: it says what is there, whole.
node() {
    folder=build-packages/node
    ! cmp -s test/node/package-lock.json "$folder/complete" || return 0
    command -v npm >/dev/null || install node
    echo "Fetching: the clients of test/node"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp test/node/package.json test/node/package-lock.json "$folder"
    if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); then
        echo "npm could not fetch the clients of test/node: see to its network or its settings, then tools/packages.sh node tries again." >&2
        exit 77
    fi
    cp test/node/package-lock.json "$folder/complete"
}

case "${1:-}" in
build) install build ;;
test | soak)
    if [ "$1" = test ]; then install 'build|test'; else install 'build|test|soak'; fi
    for package in $(listed unpack); do unpack "$package"; done
    node
    ;;
node) node ;;
unpack)
    shift
    [ $# -gt 0 ] || usage
    for package; do unpack "$package"; done
    ;;
*) usage ;;
esac
