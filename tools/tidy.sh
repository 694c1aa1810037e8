#!/bin/sh
# tidy.sh: the style that tools can check: tidy.py, clang-format, clang-tidy over what has changed
# since the last run on this tree (all, the first time).
set -eu
cd "$(dirname "$0")/.."
/usr/bin/python3 tools/tidy.py .
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
exec run-clang-tidy-14 -p build-asan -quiet 'src/.*\.c$' >build/clang-tidy.log 2>&1 || { grep -E 'error|warning' build/clang-tidy.log; exit 1; }
