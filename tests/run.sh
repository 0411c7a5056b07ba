#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing (Debian and Ubuntu, as root), then configures, builds and runs the tests with CTest.
set -euo pipefail

kinds=(lint unit model alloc explore linear seeded race fuzz package)
rooms=(floor tools support cache channel gate arena watch examples)

usage() {
    cat <<WORDS
usage: tests/run.sh [nightly] [label...]
       tests/run.sh explore --replay SCHEDULE
A label is a kind or a room; several mean the union, none means everything.
    kinds: ${kinds[*]}
    rooms: ${rooms[*]}
nightly makes the long forms ten times as long, and the race runs five times. --replay repeats the one schedule that a
failed exploration printed. Trees are kept in build/, and the figures of the run in build/proof.md. The last line is
the sum: N passed, N failed[, N skipped].
WORDS
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

refuse() { # why
    printf 'tests/run.sh: %s\n' "$1" >&2
    usage >&2
    exit 2
}
labels=() nightly=false replay=""
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help)
        usage
        exit 0
        ;;
    nightly) nightly=true ;;
    --replay | --replay=*)
        if [ "$1" = --replay ]; then
            if [ $# -lt 2 ]; then refuse "--replay needs the schedule that a failed exploration printed"; fi
            shift
            replay=$1
        else
            replay=${1#--replay=}
        fi
        if [ -z "$replay" ]; then refuse "--replay needs the schedule that a failed exploration printed"; fi
        ;;
    *)
        case " ${kinds[*]} ${rooms[*]} " in
        *" $1 "*) labels+=("$1") ;;
        *) refuse "no such label: $1" ;;
        esac
        ;;
    esac
    shift
done
if [ -n "$replay" ]; then
    case "${labels[*]}" in
    "" | explore) labels=(explore) ;;
    *) refuse "--replay repeats an exploration, and nothing else: leave out ${labels[*]}" ;;
    esac
fi
whole=false
if [ ${#labels[@]} -eq 0 ]; then whole=true labels=("${kinds[@]}"); fi

# What is exported here is all that decides how long a run is, so that two runs compare.
unset PLATEAU_REPLAY
export PLATEAU_PROOF_SCALE=1 PLATEAU_RACE_SECONDS=4
if $nightly; then PLATEAU_PROOF_SCALE=10 PLATEAU_RACE_SECONDS=20; fi

# wants <label>...: is one of these asked for?
wants() {
    local asked one
    for asked in "${labels[@]}"; do
        for one in "$@"; do
            if [ "$asked" = "$one" ]; then return 0; fi
        done
    done
    return 1
}
wants_check=false wants_proof=false wants_race=false wants_fuzz=false wants_lint=false wants_package=false
if wants unit alloc "${rooms[@]}" || { $nightly && wants model; }; then wants_check=true; fi
if wants model explore linear seeded floor tools support cache channel gate arena watch; then wants_proof=true; fi
if wants race floor tools support cache channel gate arena watch; then wants_race=true; fi
if wants fuzz floor cache watch; then wants_fuzz=true; fi
if wants lint; then wants_lint=true; fi
if wants package; then wants_package=true; fi

# --- everything that is started runs in a process group of its own, which is gone when this script is -----------------
child=""
stop_child() {
    if [ -n "$child" ]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
        child=""
    fi
}
trap stop_child EXIT
trap 'stop_child; printf "\ntests/run.sh: interrupted\n" >&2; exit 130' INT
trap 'stop_child; printf "\ntests/run.sh: terminated\n" >&2; exit 143' TERM
run() {
    local status=0
    setsid "$@" &
    child=$!
    wait "$child" || status=$?
    child=""
    return "$status"
}

skipped=()
skip() { # what, why
    printf 'skipped: %s: %s\n' "$1" "$2"
    skipped+=("$1: $2")
}
say() { printf '\n== %s\n' "$*"; }

# --- what is missing --------------------------------------------------------------------------------------------------
have() { command -v "$1" >/dev/null 2>&1; }
have_catch2() {
    local dir
    for dir in /usr/include /usr/local/include; do
        if [ -d "$dir/catch2" ]; then return 0; fi
    done
    return 1
}
have_pinned() { have "$1-14" || { have "$1" && "$1" --version | grep -q 'version 14\.'; }; }
clang_has_runtime() { have clang++ && compgen -G "$(clang++ -print-resource-dir)/lib/*/*tsan*" >/dev/null; }
have_libcxx() { have clang++-19 && [ -d /usr/lib/llvm-19/include/c++/v1 ]; }

needed=() optional=()
have cmake || needed+=(cmake)
have g++ || needed+=(g++)
have python3 || needed+=(python3)
have ninja || have make || needed+=(ninja-build)
if $wants_check || $wants_proof || $wants_race || $wants_lint || $wants_package; then have_catch2 || needed+=(catch2); fi
if $wants_package || $wants_check; then have pkg-config || needed+=(pkg-config); fi
if $wants_race || $wants_fuzz || $wants_lint; then have clang++ || optional+=(clang); fi
if $wants_race || $wants_fuzz; then clang_has_runtime || optional+=(libclang-rt-dev); fi
if $wants_lint; then
    have_pinned clang-format || optional+=(clang-format-14)
    have_pinned clang-tidy || optional+=(clang-tidy-14)
    have_libcxx || optional+=(clang-19 libc++-19-dev libc++abi-19-dev)
    have shellcheck || optional+=(shellcheck)
    [ -e /usr/include/benchmark/benchmark.h ] || optional+=(libbenchmark-dev)
    [ -e /usr/include/boost/multi_index_container.hpp ] || optional+=(libboost-dev)
fi
if $wants_check; then
    [ -e /usr/include/httplib.h ] || optional+=(libcpp-httplib-dev)
fi

may_install=false
if have apt-get && [ "$(id -u)" = 0 ]; then may_install=true; fi
install() { DEBIAN_FRONTEND=noninteractive run apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" >build/apt.log 2>&1; }

if ! mkdir -p build 2>/dev/null || [ ! -w build ]; then
    printf 'tests/run.sh: cannot write to %s/build, where everything is built\n' "$PWD" >&2
    exit 1
fi
if have flock; then
    exec 9>build/.run.lock
    if ! flock -n 9; then
        echo "tests/run.sh: waiting for another run in this tree to end"
        flock 9
    fi
fi

if [ $((${#needed[@]} + ${#optional[@]})) -gt 0 ] && $may_install; then
    say "installing what is missing: ${needed[*]} ${optional[*]}"
    run apt-get -o DPkg::Lock::Timeout=300 update -q >build/apt.log 2>&1 ||
        echo "apt-get update failed; going on with the package lists that are there"
    if [ ${#needed[@]} -gt 0 ] && ! install "${needed[@]}"; then
        tail -n 5 build/apt.log >&2
        printf 'tests/run.sh: could not install: %s (see build/apt.log)\n' "${needed[*]}" >&2
        exit 1
    fi
    for package in "${optional[@]}"; do
        if [ -z "$(apt-cache madison "$package" 2>/dev/null)" ] || ! install "$package"; then
            skip "install of $package" "the package sources do not offer it"
        fi
    done
elif [ ${#needed[@]} -gt 0 ]; then
    cat >&2 <<WORDS
tests/run.sh: missing here: ${needed[*]}
These are the names of the packages in Debian and Ubuntu. Install them as root:
    apt-get install ${needed[*]}
or run this script as root on such a system, and it does that itself. Nothing was built.
WORDS
    if [ ${#optional[@]} -gt 0 ]; then
        printf 'Without these, parts are skipped: %s\n' "${optional[*]}" >&2
    fi
    exit 1
fi

# --- build ------------------------------------------------------------------------------------------------------------
jobs=$(nproc 2>/dev/null || echo 2)
configure_arguments=("-DPLATEAU_TEST_TIMEOUT_SCALE=$PLATEAU_PROOF_SCALE")
generator="Unix Makefiles"
if have ninja; then generator=Ninja; fi
configure_arguments+=(-G "$generator")
if have ccache; then configure_arguments+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

report_arguments=()

configure() { # tree, further arguments of cmake...
    local cache="build/$1/CMakeCache.txt"
    if [ -e "$cache" ] && ! grep -qx "CMAKE_GENERATOR:INTERNAL=$generator" "$cache"; then rm -rf "build/$1"; fi
    if ! run cmake --preset "$1" -DPLATEAU_NIGHTLY_TESTS=$nightly "${configure_arguments[@]}" "${@:2}" \
        >"build/$1.configure.log" 2>&1; then
        cat "build/$1.configure.log" >&2
        return 1
    fi
    grep -E '^-- .*: (skipped|without)' "build/$1.configure.log" || true
}

# select_tests <tree>: writes which of its tests have a wanted label, and says whether there are any.
select_tests() {
    ctest --test-dir "build/$1" -L "$label_pattern" --show-only=json-v1 >"build/$1/tests.json"
    grep -q '"LABELS"' "build/$1/tests.json"
}
label_pattern="^($(
    IFS='|'
    printf '%s' "${labels[*]}"
))\$"

# build <tree> <further arguments of cmake...>: configures it, and if it has tests that are wanted, builds as much as it
# can, so that one broken file does not hide what the others say. Says whether there is something to run.
build() {
    local begin=$SECONDS keep_going=-k tree=$1
    if [ "$generator" = Ninja ]; then keep_going=-k0; fi
    say "building $tree"
    if ! configure "$@"; then
        report_arguments+=(--broken "$tree")
        return 1
    fi
    if ! select_tests "$tree"; then
        echo "nothing of ${labels[*]} in $tree"
        return 1
    fi
    if ! run cmake --build "build/$tree" --parallel "$jobs" --target "${labels[@]/#/plateau_label_}" -- \
        "$keep_going"; then
        report_arguments+=(--broken "$tree")
    fi
    report_arguments+=(--built "$tree=$((SECONDS - begin))")
}

test_tree() { # tree, ctest's width, command before ctest...
    local tree=$1 width=$2
    shift 2
    say "running ${labels[*]} in $tree"
    rm -f "build/$tree/junit.xml"
    select_tests "$tree" || return 0
    # What failed is read from the report that CTest writes, so its exit status adds nothing.
    run "$@" ctest --test-dir "build/$tree" -L "$label_pattern" --parallel "$width" --output-on-failure \
        --output-junit junit.xml --test-output-size-passed 4194304 --test-output-size-failed 4194304 || true
    report_arguments+=(--tree "$tree")
}

# One schedule again, with all that the program says that knows its scenario.
if [ -n "$replay" ]; then
    build proof || exit 1
    case " ${report_arguments[*]} " in *" --broken "*) exit 1 ;; esac
    say "replaying in proof"
    select_tests proof
    status=0
    run python3 tests/report.py --tree proof --replay "$replay" || status=$?
    exit "$status"
fi

# The models run in the proof tree, and every night under the address sanitizer as well.
check_arguments=()
if $nightly; then check_arguments+=("-DPLATEAU_TEST_KINDS=lint;unit;model;alloc;package"); fi
if $wants_check; then
    if build check "${check_arguments[@]}"; then test_tree check "$jobs"; fi
elif $wants_lint || $wants_package; then
    say "configuring check"
    if configure check "${check_arguments[@]}"; then test_tree check "$jobs"; else report_arguments+=(--broken check); fi
fi

if $wants_proof; then
    if build proof; then test_tree proof "$jobs"; fi
fi

# TSan maps its shadow at fixed addresses; where the kernel randomises too widely for it, it runs without randomisation.
tsan_launcher() { # compiler; sets launcher
    local probe
    probe=$(mktemp -d)
    launcher=()
    echo 'int main() { return 0; }' >"$probe/probe.cpp"
    if ! "$1" -fsanitize=thread "$probe/probe.cpp" -o "$probe/probe" 2>"$probe/errors"; then
        why="it cannot link with -fsanitize=thread"
    elif "$probe/probe" 2>"$probe/errors"; then
        why=""
    elif setarch -R "$probe/probe" 2>"$probe/errors"; then
        why="" launcher=(setarch -R)
    else
        why="the thread sanitizer does not start on this kernel"
    fi
    rm -rf "$probe"
    [ -z "$why" ]
}
if $wants_race; then
    for tree in tsan-gcc tsan-clang; do
        compiler=g++
        if [ "$tree" = tsan-clang ]; then compiler=clang++; fi
        if ! have "$compiler"; then
            skip "race tests in $tree" "no $compiler"
        elif ! tsan_launcher "$compiler"; then
            skip "race tests in $tree" "$why"
        elif build "$tree"; then
            test_tree "$tree" 1 "${launcher[@]}"
        fi
    done
fi

find_fuzz_compiler() { # sets fuzz_compiler
    local probe status=1
    probe=$(mktemp -d)
    echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$probe/probe.cpp"
    for fuzz_compiler in clang++ clang++-19; do
        have "$fuzz_compiler" || continue
        "$fuzz_compiler" -fsanitize=fuzzer,address "$probe/probe.cpp" -o "$probe/probe" 2>"$probe/errors" || continue
        if "$probe/probe" -runs=1 2>"$probe/errors"; then
            status=0
            break
        fi
    done
    rm -rf "$probe"
    return "$status"
}
if $wants_fuzz; then
    if ! find_fuzz_compiler; then
        skip "fuzz" "no clang with libFuzzer"
        report_arguments+=(--without fuzz)
    elif build fuzz "-DCMAKE_CXX_COMPILER=$fuzz_compiler"; then
        test_tree fuzz "$jobs"
    fi
fi

say "result"
for reason in "${skipped[@]}"; do report_arguments+=(--skipped "$reason"); done
if $whole; then report_arguments+=(--whole); fi
if $nightly; then report_arguments+=(--nightly); fi
status=0
python3 tests/report.py "${report_arguments[@]}" "${labels[@]}" || status=$?
exit "$status"
