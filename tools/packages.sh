#!/bin/sh
# packages.sh build|test: installs what is missing of the packages in packages.txt. The test set has
# the build set in it.
set -eu
case "${1:-}" in
build) kinds='build' ;;
test) kinds='build|test' ;;
*) echo "usage: tools/packages.sh build|test" >&2; exit 64 ;;
esac
missing=
for package in $(sed -nE "s/^($kinds) +//p" "$(dirname "$0")/packages.txt"); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "These packages are missing; as root: apt-get install$missing" >&2
    exit 77
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
