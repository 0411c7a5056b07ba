#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the README says in figures, measured: ./bench/claims.sh [--traces DIR] [room...] (without a room: all)
#
# Each room has a table, bench/<room>.claims, and a program, bench/<room>_bench.cpp. Prints one line a claim,
#   claim <room>.<name> <measured> <op> <bar> held|missed|skipped
# and writes build/claims.md and build/claims.json. Exits 0 if none was missed, 1 if one was, 2 if it could not measure.
# --traces: a folder of recorded requests, NAME.trace.xz; without it the claims on hit ratios are skipped.
# A room takes at most 8 minutes after the build. Two-thread figures need two cores that nobody else uses.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${here%/*}
# shellcheck source=bench/need.sh
source "$here/need.sh"

room_limit_seconds=480
repetitions=15
min_time_seconds=0.05

traces=
rooms=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --traces)
        [[ $# -ge 2 && -d $2 ]] || { printf 'claims.sh: --traces needs a folder\n' >&2 && exit 2; }
        traces=$2
        shift
        ;;
    -*) printf 'claims.sh: no option "%s"\n' "$1" >&2 && exit 2 ;;
    *) rooms+=("$1") ;;
    esac
    shift
done
if [[ ${#rooms[@]} -eq 0 ]]; then
    for table in "$here"/*.claims; do rooms+=("$(basename "$table" .claims)"); done
fi
for room in "${rooms[@]}"; do
    if [[ ! -f $here/$room.claims ]]; then
        printf 'claims.sh: no room "%s": there is no bench/%s.claims\n' "$room" "$room" >&2
        exit 2
    fi
done

must g++ compiler
must cmake command -v cmake
must make command -v make
must jq command -v jq
must libbenchmark-dev has_header benchmark/benchmark.h
need libboost-dev has_header boost/multi_index_container.hpp ||
    printf 'claims.sh: without libboost-dev the claims against Boost.MultiIndex are skipped\n' >&2
need libmimalloc2.0 has_library libmimalloc.so.2 ||
    printf 'claims.sh: without libmimalloc2.0 the claims against mimalloc are skipped\n' >&2
need libtbb-dev has_header tbb/concurrent_queue.h ||
    printf 'claims.sh: without libtbb-dev the claims against oneTBB are skipped\n' >&2

if [[ " ${rooms[*]} " == *" cache "* ]]; then
    need libpoco-dev has_header Poco/LRUCache.h ||
        printf 'claims.sh: without libpoco-dev the claims against Poco are skipped\n' >&2
    need librocksdb-dev has_header rocksdb/cache.h ||
        printf 'claims.sh: without librocksdb-dev the claims against RocksDB are skipped\n' >&2
fi

tree=$root/build/bench
mkdir -p "$tree"
measuring=
# An interrupted run leaves no program behind.
trap '[[ -z $measuring ]] || kill "$measuring" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

printf 'building %s\n' "${rooms[*]/%/_bench}"
{
    cmake -S "$root" -B "$tree" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2" \
        -DPLATEAU_BUILD_BENCH=ON -DPLATEAU_BUILD_TESTS=OFF -DPLATEAU_BUILD_EXAMPLES=OFF &&
        cmake --build "$tree" --parallel "$(nproc)" --target "${rooms[@]/%/_bench}"
} >"$tree/build.log" 2>&1 || {
    tail -n 40 "$tree/build.log" >&2
    printf 'claims.sh: the build failed; all of it is in %s\n' "$tree/build.log" >&2
    exit 2
}

if [[ -n $traces ]]; then
    must xz-utils command -v xz
    mkdir -p "$tree/traces"
    for packed in "$traces"/*.trace.xz; do
        [[ ! -f $packed ]] || xz -dc "$packed" >"$tree/traces/$(basename "$packed" .xz)"
    done
    export PLATEAU_TRACES=$tree/traces
fi

for room in "${rooms[@]}"; do
    printf 'measuring %s (at most %d minutes)\n' "$room" $((room_limit_seconds / 60))
    timeout "$room_limit_seconds" "$tree/bench/${room}_bench" \
        --benchmark_enable_random_interleaving=true \
        --benchmark_repetitions="$repetitions" --benchmark_min_time="$min_time_seconds" \
        --benchmark_out="$tree/$room.json" --benchmark_out_format=json \
        >"$tree/$room.txt" 2>&1 &
    measuring=$!
    if ! wait "$measuring"; then
        tail -n 20 "$tree/$room.txt" >&2
        printf 'claims.sh: %s_bench failed or took longer than %d s\n' "$room" "$room_limit_seconds" >&2
        exit 2
    fi
    measuring=
    jq --arg room "$room" --rawfile table "$here/$room.claims" -f "$here/claims.jq" "$tree/$room.json" \
        >"$tree/$room.claims.json" || exit 2
done

for room in "${rooms[@]}"; do cat "$tree/$room.claims.json"; done | jq -s 'add' >"$root/build/claims.json"

# Figures to three digits are what a shared machine can repeat.
shown='def shown: if . == null then "-" elif . == 0 then "0" else
    (. as $x | pow(10; 2 - (($x | fabs | log10) | floor)) as $scale | ($x * $scale | round) / $scale | tostring) end;'
jq -r "$shown"' .[] | "claim \(.name) \(.measured | shown) \(.op) \(.bar) \(.verdict)"
    + (if .skipped then ": \(.skipped)" else "" end)' "$root/build/claims.json"
jq -r "$shown"' def tally($v): map(select(.verdict == $v)) | length;
    "# Claims", "",
    "\(tally("held")) held, \(tally("missed")) missed, \(tally("skipped")) skipped of \(length).", "",
    "| claim | what was measured | measured | bar | |", "|---|---|---|---|---|",
    (.[] | "| \(.name) | \(.measure) of `\(.of)`" + (if .against then " / `\(.against)`" else "" end)
        + " | \(.measured | shown) | \(.op) \(.bar) | \(if .verdict == "missed" then "**missed**" else .verdict end)"
        + (if .skipped then ": \(.skipped)" else "" end) + " |")' "$root/build/claims.json" >"$root/build/claims.md"
jq -r 'def tally($v): map(select(.verdict == $v)) | length;
    "\(tally("held")) held, \(tally("missed")) missed, \(tally("skipped")) skipped of \(length): build/claims.md"' \
    "$root/build/claims.json"
jq -e 'all(.[]; .verdict != "missed")' "$root/build/claims.json" >/dev/null || exit 1
