#!/bin/sh
# check.sh: every test: `make check`. gcc's build runs all suites; clang's runs the unit and prefix
# tests under AddressSanitizer with UBSan and under ThreadSanitizer, then each fuzz target for 5 s.
# What mostly waits (servers that time out, come back, are killed) runs four at a time.
set -eu
cd "$(dirname "$0")/.."
passed=0
failed=0

say() { printf '\n== %s\n' "$*"; }

# step NAME COMMAND...: runs it, counts it, goes on.
step() {
    name=$1
    shift
    say "$name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "** $name failed"; fi
}

setup() { # FOLDER CC OPTION...
    folder=$1 cc=$2
    shift 2
    reconfigure=
    [ ! -f "$folder/build.ninja" ] || reconfigure=--reconfigure
    CC=$cc meson setup $reconfigure "$folder" -Dtests=true "$@" >/dev/null
}

build() { setup "$@" && ninja -C "$1" --quiet; }

sanitized() { # FOLDER OPTION...: lines in its reports, and not more to compile than that needs
    folder=$1
    shift
    setup "$folder" clang -Db_lundef=false -Doptimization=1 -Ddebug=false "$@"
}

asan() {
    sanitized build-asan -Db_sanitize=address,undefined -Dfuzz=true \
        '-Dc_args=-gline-tables-only -fsanitize=fuzzer-no-link' && ninja -C build-asan --quiet
}

tsan() { sanitized build-tsan -Db_sanitize=thread -Dc_args=-gline-tables-only && suites build-tsan "$@"; }

style() {
    /usr/bin/python3 tools/tidy.py . && git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

suites() { # FOLDER SUITE...: of what is not built yet, what they need
    folder=$1
    shift
    for suite; do set -- "$@" --suite "$suite"; shift; done
    meson test -C "$folder" --print-errorlogs "$@"
}

waiting() { MESON_TESTTHREADS=$((2 * $(nproc))) && export MESON_TESTTHREADS && suites "$@"; }

step 'build with gcc' build build gcc
step 'build with clang, ASan and UBSan, fuzz targets too' asan
step 'style' style
step 'unit, prefix, oracle and store tests' suites build unit prefix oracle store
step 'the same with ASan and UBSan' suites build-asan unit prefix store
step 'the same with TSan' tsan unit store
step 'the router simulated, 200,000 messages; domains of servers, 1,000,000' suites build sim
step 'the same with ASan and UBSan, 20,000 messages' build-asan/test/sim/sim_router --messages 20000
step 'domains of servers with ASan and UBSan, 20,000 messages' build-asan/test/sim/sim_domain --messages 20000
step 'wire and CalDAV cases, real clients, peers, servers of one domain, two on one PostgreSQL' waiting build wire caldav e2e relay pair
step 'crashes' waiting build fault
step 'fuzz targets, 5 s each' env FUZZ_BUILD=build-asan tools/fuzz.sh 5
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
