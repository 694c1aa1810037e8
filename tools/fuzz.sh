#!/bin/bash
# fuzz.sh SECONDS [TARGET...]: builds the libFuzzer targets and runs each on its corpus, as many at a
# time as there are processors. What it finds is left in test/fuzz/found/. FUZZ_BUILD: a build folder
# that has them already.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?seconds}
shift
folder=${FUZZ_BUILD:-build-fuzz}
[ -f "$folder/build.ninja" ] || CC=clang meson setup "$folder" -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
ninja -C "$folder" | tail -1
[ $# -gt 0 ] || set -- $(cd "$folder/test/fuzz" && find . -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sed 's|./fuzz_||' | sort)
mkdir -p test/fuzz/found
run_one() {
    name=$1
    work=$(mktemp -d)
    mkdir -p "test/fuzz/corpus/$name"
    if "$folder/test/fuzz/fuzz_$name" -max_total_time="$2" -rss_limit_mb=4096 -timeout=20 -verbosity=0 \
        -artifact_prefix="test/fuzz/found/$name-" "$work" "test/fuzz/corpus/$name" >"$work.log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        tail -40 "$work.log"
        touch "$3"
    fi
    rm -rf "$work" "$work.log"
}
failed=$(mktemp -u)
for name; do
    run_one "$name" "$seconds" "$failed" &
    while [ "$(jobs -r | wc -l)" -ge "$(nproc)" ]; do wait -n 2>/dev/null || sleep 1; done
done
wait
[ ! -e "$failed" ] || { rm -f "$failed"; exit 1; }
