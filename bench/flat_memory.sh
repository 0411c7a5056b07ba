#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Memory that rises while a service warms up, and then stays flat:
#
#   ./bench/flat_memory.sh [--quick] [--only CASE]... [--break CASE[:leaky|:ceiling]]
#
# Each case runs twice, each time in a process of its own: with the founding mistake and with plateau. The kernel's
# figure of their resident memory is read from outside. Writes build/flat_memory.md and build/flat_memory.svg. Exits 0
# only if every plateau twin is judged flat and stays below its declared ceiling and every leaky twin is judged growing;
# 1 if not, 2 if it could not measure. --break shows that it can fail. A new case is a new file in bench/flat_memory/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${here%/*}
# shellcheck source=bench/need.sh
source "$here/need.sh"

must g++ compiler
must cmake command -v cmake
must make command -v make
need gnuplot-nox command -v gnuplot ||
    printf 'flat_memory.sh: without gnuplot (apt-get install gnuplot-nox) there are tables but no chart\n' >&2

tree=$root/build/bench
data=$tree/flat_memory_data
mkdir -p "$data"
proving=
# An interrupted run leaves no process behind; the twins end with the prover.
trap '[[ -z $proving ]] || kill "$proving" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

printf 'building flat_memory\n'
{
    cmake -S "$root" -B "$tree" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2" \
        -DPLATEAU_BUILD_BENCH=ON -DPLATEAU_BUILD_TESTS=OFF -DPLATEAU_BUILD_EXAMPLES=OFF &&
        cmake --build "$tree" --parallel "$(nproc)" --target flat_memory
} >"$tree/build.log" 2>&1 || {
    tail -n 40 "$tree/build.log" >&2
    printf 'flat_memory.sh: the build failed; all of it is in %s\n' "$tree/build.log" >&2
    exit 2
}

rm -f "$data"/*.tsv "$data"/*.ceiling
"$tree/bench/flat_memory" --out "$data" "$@" &
proving=$!
held=0
wait "$proving" || held=$?
proving=
[[ $held -le 1 ]] || exit 2

cp "$data/flat_memory.md" "$root/build/flat_memory.md"
if command -v gnuplot >/dev/null; then
    names=()
    for ceiling in "$data"/*.ceiling; do names+=("$(basename "$ceiling" .ceiling)"); done
    gnuplot -e "dir='$data'; out='$root/build/flat_memory.svg'; names='${names[*]}'" "$here/flat_memory/flat_memory.gp"
    printf 'chart: build/flat_memory.svg\n'
fi
if [[ $held -eq 0 ]]; then
    printf 'held: every plateau twin is flat below its ceiling, every leaky twin grows. build/flat_memory.md\n'
else
    printf 'NOT held: build/flat_memory.md\n'
fi
exit "$held"
