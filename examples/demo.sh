#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real HTTP page service under real load, twice: as it often begins, and with plateau. Memory is read from outside.
set -euo pipefail

usage() {
    cat <<'END'
usage: ./examples/demo.sh [--quick] [--yes] [--trace FILE] [--out DIR]

  --quick       13 rounds instead of 36 (under 150 seconds after the build, instead of under 5 minutes)
  --yes         install what is missing without asking (apt-get; never a daemon)
  --trace FILE  replay the products of a real trace: big-endian 32-bit integers, one a request
  --out DIR     build and write results there (default: build/demo)

Exit code: 0 when plateau is flat below its ceiling, the leaky twin grows, and every check held; 1 when not;
2 when the demo cannot run here, or was called wrongly.
END
}

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/build/demo
rounds=36
warm_up=4
requests=2000       # pages of a round
rate=2000           # requests a second
connections=6
limit=8             # pages that are made at once: with the 20 ms of the warehouse, at most 400 live pages a second
overload=1000       # live pages of a round's overload
overload_rate=2000  # a second: 5 times as many as that
threads=64          # of the HTTP library, one a connection: more than the gate lets in or keeps waiting
cap_mib=2560        # address space of each service: neither can take the machine
needed_mib=1500     # free memory
trace=
yes=0

# ---------------------------------------------------------------- what is said

bold='' red='' green='' plain=''
if [[ -t 1 && -n ${TERM:-} && $TERM != dumb && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi
say() { printf '%s\n' "$*"; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
give_up() {  # the demo cannot run here: nothing was proven, nothing was refuted
    printf '%sdemo.sh: %s%s\n' "$red" "$*" "$plain" >&2
    exit 2
}

failures=()
check() {  # check <what> <what to say otherwise> <command...>: the command tells whether it holds
    local what=$1 otherwise=$2
    shift 2
    if "$@"; then
        printf '  %-74s %sok%s\n' "$what" "$green" "$plain"
    else
        printf '  %-74s %sFAILED%s%s\n' "$what" "$red" "$plain" "${otherwise:+: $otherwise}"
        failures+=("$what")
    fi
}

# ---------------------------------------------------------------- what is started is stopped

groups=()  # one process group for each program that was started
start() {
    setsid "$@" &
    started=$!
    groups+=("$started")
}
run() {  # in a group of its own, and in the background: a trap does not wait for it
    local code=0
    start "$@"
    wait "$started" || code=$?
    forget "$started"
    return "$code"
}
forget() {
    local kept=() group
    for group in "${groups[@]}"; do [[ $group == "$1" ]] || kept+=("$group"); done
    groups=("${kept[@]}")
}
signal_group() { kill "-$1" -- "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null; }
stop_all() {
    local group tries
    trap '' INT TERM HUP
    for group in "${groups[@]}"; do signal_group TERM "$group" || true; done
    for group in "${groups[@]}"; do
        for ((tries = 0; tries < 40; ++tries)); do
            kill -0 -- "-$group" 2>/dev/null || break
            sleep 0.1
        done
        signal_group KILL "$group" || true
    done
    groups=()
}
trap stop_all EXIT
trap 'printf "\n"; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# ---------------------------------------------------------------- arguments

parse_arguments() {
    while (($#)); do
        case $1 in
        --quick) rounds=13 cap_mib=1792 needed_mib=1000 ;;
        --yes) yes=1 ;;
        --trace | --out)
            [[ $# -ge 2 && -n $2 ]] || give_up "$1 lacks its value"
            if [[ $1 == --out ]]; then out=$2; else trace=$2; fi
            shift
            ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && give_up "unknown argument $1" ;;
        esac
        shift
    done
    case ${PLATEAU_DEMO_BREAK:-} in
    '' | cache | gate | arena | pipeline) ;;
    *) give_up "PLATEAU_DEMO_BREAK=$PLATEAU_DEMO_BREAK: only cache, gate, arena or pipeline can be broken" ;;
    esac
}
check_trace() {
    [[ -n $trace ]] || return 0
    [[ -f $trace && -r $trace ]] || give_up "the trace $trace is missing or cannot be read"
    local bytes
    bytes=$(stat -c %s -- "$trace")
    ((bytes > 0)) || give_up "the trace $trace is empty"
    ((bytes % 4 == 0)) || give_up "the trace $trace is truncated: $bytes bytes are not a whole number of 4-byte keys"
    trace=$(realpath -- "$trace")
}
check_machine() {
    [[ $(uname -s) == Linux ]] || give_up "this demo reads memory from /proc and runs on Linux only"
    local available_mib
    available_mib=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
    ((available_mib >= needed_mib)) || give_up "$needed_mib MiB of free memory are needed for the leaky service, $available_mib are there"
    mkdir -p -- "$out" 2>/dev/null || true
    [[ -d $out && -w $out ]] || give_up "cannot write to $out (choose another place with --out DIR)"
    out=$(realpath -- "$out")
}

# ---------------------------------------------------------------- what is needed

compiler=
compiles_cxx20() {  # g++ 12 or clang 14, at least
    "$1" -x c++ -std=c++20 -fsyntax-only - >/dev/null 2>&1 <<'END'
#include <concepts>
#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 12
#error "too old"
#endif
END
}
find_compiler() {
    local candidate
    for candidate in ${CXX:+"$CXX"} g++ clang++ g++-{14,13,12} clang++-{19,18,17,16,15,14}; do
        if command -v "$candidate" >/dev/null && compiles_cxx20 "$candidate"; then
            compiler=$(command -v "$candidate")
            return 0
        fi
    done
    return 1
}
compiler_package() {  # the stock g++ where it is new enough, else g++-12
    local major
    major=$(apt-cache policy g++ 2>/dev/null | sed -nE 's/^ *Candidate: ([0-9]+:)?([0-9]+).*/\2/p')
    if [[ -n $major && $major -lt 12 ]]; then printf 'g++-12'; else printf 'g++'; fi
}
list_missing() {  # fills needed and wanted with package names
    needed=() wanted=()
    find_compiler || needed+=("$(compiler_package)")
    command -v cmake >/dev/null || needed+=(cmake)
    command -v make >/dev/null || needed+=(make)
    command -v pkg-config >/dev/null || needed+=(pkg-config)
    if ! pkg-config --exists cpp-httplib 2>/dev/null; then needed+=(libcpp-httplib-dev); fi
    if ! pkg-config --exists zlib 2>/dev/null; then needed+=(zlib1g-dev); fi
    command -v gnuplot >/dev/null || wanted+=(gnuplot-nox)
    command -v wrk >/dev/null || wanted+=(wrk)
}
may_install() {  # returns: whether to go on; sets as_root
    as_root=()
    command -v apt-get >/dev/null || return 1
    if ((EUID != 0)); then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
        [[ -t 0 ]] || as_root=(sudo -n)
        if [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; then return 1; fi
    fi
    ((yes)) && return 0
    [[ ! -t 0 ]] && { ((EUID == 0)) && return 0 || return 1; }
    local answer
    read -r -p "Install them with apt-get? [y/N] " answer
    [[ $answer == [yY]* ]]
}
install_packages() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >>"$out/install.log" 2>&1
}
provide() {
    list_missing
    if ((${#needed[@]} + ${#wanted[@]} == 0)); then return 0; fi
    title "Missing"
    ((${#needed[@]} == 0)) || say "  needed:   ${needed[*]}"
    ((${#wanted[@]} == 0)) || say "  optional: ${wanted[*]}  (gnuplot draws the charts, wrk adds pressure)"
    if may_install; then
        say "  installing with apt-get, log in $out/install.log"
        "${as_root[@]}" apt-get -qq update >"$out/install.log" 2>&1 || say "  apt-get update failed; trying with the package lists at hand"
        ((${#needed[@]} == 0)) || install_packages "${needed[@]}" || { tail -n 5 "$out/install.log" >&2; }
        local package
        for package in "${wanted[@]}"; do install_packages "$package" || say "  $package could not be installed; going on without it"; done
        list_missing
    fi
    ((${#needed[@]} == 0)) || give_up "cannot go on without: ${needed[*]}. Install them (Debian, Ubuntu: apt-get install ${needed[*]}) or run this as a user who may."
}

# ---------------------------------------------------------------- the build

bin=
build() {
    title "Building"
    say "  with $compiler into $out/cmake, log in $out/build.log"
    if ! configure_and_compile >"$out/build.log" 2>&1; then
        tail -n 20 "$out/build.log" >&2
        give_up "the build failed, see $out/build.log"
    fi
    bin=$out/cmake/examples
}
configure_and_compile() {
    run cmake -S "$root" -B "$out/cmake" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
        -DPLATEAU_BUILD_TESTS=OFF -DPLATEAU_BUILD_BENCH=OFF -DPLATEAU_BUILD_EXAMPLES=ON &&
        run cmake --build "$out/cmake" --parallel 2 --target page_service load_client service_check judge_rounds
}

# ---------------------------------------------------------------- one service, from start to drain

start_service() {  # start_service <name> [options]; sets service_pid, port and log
    local name=$1 tries
    shift
    log=$out/$name.log
    # shellcheck disable=SC2016  # expanded by the inner shell, which becomes the service
    start bash -c 'ulimit -v "$1" && shift && exec "$@"' bash $((cap_mib * 1024)) "$bin/page_service" --threads "$threads" --limit "$limit" "$@" >"$log" 2>&1
    service_pid=$started
    for ((tries = 0; tries < 100; ++tries)); do
        port=$(sed -nE 's/^listening on .*:([0-9]+)$/\1/p' "$log")
        [[ -z $port ]] || return 0
        kill -0 "$service_pid" 2>/dev/null || break
        sleep 0.05
    done
    cat -- "$log" >&2
    give_up "the $name service did not start, see $log"
}

serve_rounds() {  # serve_rounds <name> [service options]
    local name=$1 code=0
    title "The $name service"
    start_service "$@"
    sed -e '/^listening/d' -e 's/^/  /' "$log"
    say "  pid $service_pid on 127.0.0.1:$port: $rounds rounds, each of the same $requests pages, $rate a second over $connections connections, while"
    say "  3 readers take their export at 40 KB a second; 5 clients that hang up; 1 export of 105 MB; $overload live pages, $overload_rate a second"
    run "$bin/load_client" --name "$name" --out "$out" --port "$port" --pid "$service_pid" --warm-up "$warm_up" --rounds "$rounds" \
        --requests "$requests" --rate "$rate" --connections "$connections" \
        --overload "$overload" --overload-rate "$overload_rate" ${trace:+--trace "$trace"} || code=$?
    if ((code > 1)); then  # 1: some requests failed, which the summary tells
        say "${red}the $name service did not survive its load, see $log${plain}"
        exit 1
    fi
    read_values "$name" "$out/$name.txt"
    "$bin/judge_rounds" "$out/$name.csv" >"$out/$name.verdict"
    read_values "$name" "$out/$name.verdict"
    check "all ${of[$name.answers]} answers were whole and right, and ${of[$name.exports_whole]} exports" \
        "${of[$name.failures]} requests failed" [ "${of[$name.failures]}" -eq 0 ]
}
declare -A of  # of[<name>.<key>]: everything that was measured
read_values() {
    local key value
    while IFS='=' read -r key value; do of[$1.$key]=$value; done <"$2"
}

check_metrics() {
    local name=$1 text=$out/$1.metrics
    reported "$bin/service_check" metrics --port "$port" --save "$text"
    if command -v promtool >/dev/null; then
        check "promtool agrees" "$(promtool check metrics <"$text" 2>&1 | head -n 3)" promtool_agrees "$text"
    fi
}
promtool_agrees() { promtool check metrics <"$1" >/dev/null 2>&1; }
reported() { run "$@" || failures+=("${*##*/}"); }  # of a program that prints its checks itself

press() {  # as fast as it goes, over more connections
    if ! command -v wrk >/dev/null; then
        say "  wrk is not there: no pressure beyond the rounds"
        return
    fi
    run wrk --threads 2 --connections 8 --duration 3s --latency --script "$root/examples/services/pressure.lua" "http://127.0.0.1:$port" \
        >"$out/pressure.log" 2>&1 || true
    local line
    line=$(sed -n 's/^pressure: //p' "$out/pressure.log")
    check "no request failed under the pressure of wrk (${line%% *})" "${line:-$(tail -n 1 "$out/pressure.log")}" contains "$line" " failed=0 "
}
contains() { [[ $1 == *"$2"* ]]; }

check_refusals() {  # what must be refused with exit code 2 and a sentence
    check "a second service on the same port is refused" "" refuses "cannot bind" "$bin/page_service" --port "$port"
    printf 'abc' >"$out/truncated.trace"
    : >"$out/empty.trace"
    local client=("$bin/load_client" --port "$port" --pid "$service_pid" --out "$out" --name refused)
    check "a missing trace is refused" "" refuses "cannot open the trace" "${client[@]}" --trace "$out/missing.trace"
    check "a truncated trace is refused" "" refuses "is truncated" "${client[@]}" --trace "$out/truncated.trace"
    check "an empty trace is refused" "" refuses "is empty" "${client[@]}" --trace "$out/empty.trace"
    rm -f -- "$out"/{truncated,empty}.trace "$out"/refused*
}
refuses() {  # refuses <part of the message> <command...>
    local message=$1 code=0
    shift
    run timeout 10 "$@" >"$out/refusal.log" 2>&1 || code=$?
    [[ $code == 2 ]] && grep -q "$message" "$out/refusal.log"
}

drain() {
    local tries code=0
    reported "$bin/service_check" drain --port "$port" --pid "$service_pid"
    for ((tries = 0; tries < 150; ++tries)); do  # 15 s: then it hangs
        grep -q '^State:[[:space:]]*[^Z]' "/proc/$service_pid/status" 2>/dev/null || break
        sleep 0.1
    done
    ((tries < 150)) || signal_group KILL "$service_pid" || true
    wait "$service_pid" || code=$?
    forget "$service_pid"
    check "the service ended by itself, with exit code 0" "exit code $code" [ "$code" -eq 0 ]
    check "nothing was left in flight" "$(tail -n 1 "$log")" grep -qx 'drained, 0 left in flight' "$log"
}

# ---------------------------------------------------------------- the two services

run_leaky() {
    serve_rounds leaky --leaky
    check_metrics leaky
    drain
    check "leaky is judged growing" "${of[leaky.verdict]}: ${of[leaky.why]}" [ "${of[leaky.verdict]}" = growing ]
}
run_plateau() {
    serve_rounds plateau
    reported "$bin/service_check" input --port "$port"
    check_refusals
    press
    check_metrics plateau
    of[plateau.high_water_bytes]=$(($(awk '/^VmHWM:/ { print $2 }' "/proc/$service_pid/status") * 1024))
    drain
    check_gates
    check_ends
    local evictions allowed
    evictions=$(awk '/^plateau_cache_evictions_total\{/ { printf "%d", $2 }' "$out/plateau.metrics")
    check "the cache was full: it evicted ${evictions:-0} pages" "it never filled" [ "${evictions:-0}" -gt 0 ]
    check "/healthz/memory tells what the kernel tells" "$(mib "${of[plateau.reported_bytes]}") and $(mib "${of[plateau.last_bytes]}") MiB" \
        nearly "${of[plateau.reported_bytes]}" "${of[plateau.last_bytes]}"
    check "plateau is judged flat" "${of[plateau.verdict]}: ${of[plateau.why]}" contains "flat shrinking" "${of[plateau.verdict]}"
    allowed=$((${of[plateau.baseline_bytes]} + ${of[plateau.ceiling_bytes]} * 5 / 4 + 256 * 1024 * $(nproc)))
    of[plateau.allowed_bytes]=$allowed
    check "its high-water mark stays below baseline + 1.25 x ceiling + 256 KiB x cores" \
        "$(mib "${of[plateau.high_water_bytes]}") of $(mib "$allowed") MiB" [ "${of[plateau.high_water_bytes]}" -le "$allowed" ]
}
check_gates() {  # what the gates did when too much came
    local capacity=$((limit * 50))  # live pages a second, each at least 20 ms in flight
    check "the overload came at ${of[plateau.overload_per_second]} a second, where $capacity can be made" "not 4 times as many" \
        [ "${of[plateau.overload_per_second]}" -ge $((4 * capacity)) ]
    check "the gate shed ${of[plateau.pages_shed]} pages" "it let everybody in" [ "${of[plateau.pages_shed]}" -gt 0 ]
    check "at its peak ${of[plateau.pages_peak]} pages were in the making, its limit" "the limit is $limit" [ "${of[plateau.pages_peak]}" -eq "$limit" ]
    check "every 503 said when to come back" "${of[plateau.without_retry_after]} had no Retry-After" \
        [ "${of[plateau.without_retry_after]}" -eq 0 ]
    check "p99 of served pages: ${of[plateau.p99_ms]} ms beside slow readers, ${of[plateau.overload_p99_ms]} ms in the overload" \
        "more than 1 s" at_most 1000 "${of[plateau.p99_ms]}" "${of[plateau.overload_p99_ms]}"
    check "at its peak ${of[plateau.exports_peak]} exports were on their way, their limit" "the limit is ${of[plateau.exports_limit]}" \
        [ "${of[plateau.exports_peak]}" -eq "${of[plateau.exports_limit]}" ]
}
check_ends() {  # that a request ends when its client does, and leaves nothing
    check "of ${of[plateau.slow_readers]} slow readers ${of[plateau.slow_cut]} were left, and ${of[plateau.slow_shed]} not let in" \
        "${of[plateau.slow_kept]} held their export" [ "${of[plateau.slow_kept]}" -eq 0 ]
    check "what ${of[plateau.hung_up]} clients that hung up had was gone, after ${of[plateau.gone_ms]} ms at most" \
        "${of[plateau.listeners_left]} listeners were left" [ "${of[plateau.listeners_left]}" -eq 0 ]
    check "no request's memory outlived it" "${of[plateau.parked_scopes]} scopes are parked" [ "${of[plateau.parked_scopes]}" -eq 0 ]
}
at_most() { awk -v most="$1" -v first="$2" -v second="$3" 'BEGIN { exit first > most || second > most }'; }
nearly() { (($1 <= $2 + $2 / 10 && $2 <= $1 + $1 / 10)); }
mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1048576 }'; }

# ---------------------------------------------------------------- what was seen

draw() {  # draw <gnuplot assignments>
    gnuplot -e "leaky='$out/leaky.csv'; plateau='$out/plateau.csv'; ceiling_mib=$(mib "${of[plateau.ceiling_bytes]}"); $1" \
        "$root/examples/services/memory_chart.gnuplot" 2>"$out/gnuplot.log"
}
bars() {  # without gnuplot: the least memory of each round, one bar a service
    awk -F, -v width=48 '
        FNR == 1 { service = FILENAME ~ /leaky/ ? "leaky" : "plateau"; next }
        $1 > 0 { least[service, $1] = $3 / 1048576; if ($1 > rounds) rounds = $1; if ($3 / 1048576 > most) most = $3 / 1048576 }
        function bar(value, sign,   text) { while (length(text) < value / most * width) text = text sign; return text }
        END {
            for (round = 1; round <= rounds; ++round)
                printf "  %3d  leaky   %7.1f %s\n       plateau %7.1f %s\n", round, least["leaky", round], bar(least["leaky", round], "#"),
                    least["plateau", round], bar(least["plateau", round], "=")
        }' "$out/leaky_rounds.csv" "$out/plateau_rounds.csv"
}
chart() {
    title "Resident memory, as the kernel tells"
    local columns=${COLUMNS:-$(tput cols 2>/dev/null || echo 100)}
    ((columns <= 110)) || columns=110
    if command -v gnuplot >/dev/null && draw "columns=$columns; lines=26" && draw "svg='$out/memory.svg'"; then
        say "  as SVG: $out/memory.svg"
    else
        bars
        say "  no SVG: gnuplot is not there, or see $out/gnuplot.log"
    fi
}
row() { printf '  %-32s %16s %16s\n' "$@"; }
both() { row "$1" "${of[leaky.$2]}" "${of[plateau.$2]}"; }
report() {
    row "" leaky plateau
    row "verdict over $rounds rounds" "${of[leaky.verdict]}" "${of[plateau.verdict]}"
    both "bytes kept per request" bytes_per_request
    both "  99 % interval, from" lower
    both "  to" upper
    row "resident at the start, MiB" "$(mib "${of[leaky.baseline_bytes]}")" "$(mib "${of[plateau.baseline_bytes]}")"
    row "resident at the end, MiB" "$(mib "${of[leaky.last_bytes]}")" "$(mib "${of[plateau.last_bytes]}")"
    row "declared ceiling, MiB" none "$(mib "${of[plateau.ceiling_bytes]}")"
    row "high-water mark and bound, MiB" "" "$(mib "${of[plateau.high_water_bytes]}") of $(mib "${of[plateau.allowed_bytes]}")"
    both "hit ratio, %" hit_percent
    both "p50 beside slow readers, ms" p50_ms
    both "p99" p99_ms
    both "p50 of pages in overload, ms" overload_p50_ms
    both "p99" overload_p99_ms
    both "pages in the making, peak" pages_peak
    both "pages shed with Retry-After" overload_shed
    both "exports alive, peak" exports_peak
    both "slow readers that were endured" slow_kept
    both "listeners left by hang-ups" listeners_left
    both "requests failed" failures
}

main() {
    parse_arguments "$@"
    check_trace
    check_machine
    provide
    build
    SECONDS=0
    run_leaky
    run_plateau
    chart
    title "Side by side"
    report | tee "$out/report.txt"
    say
    say "  $SECONDS s since the build; results in $out"
    say
    if ((${#failures[@]} > 0)); then
        say "${red}${#failures[@]} checks failed:${plain}"
        printf '  %s\n' "${failures[@]}"
        exit 1
    fi
    say "${green}Plateau is ${of[plateau.verdict]} below its ceiling; the leaky twin grows. Every check held.${plain}"
}
main "$@"
