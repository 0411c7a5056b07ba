# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the scripts beside it: programs and headers they stand on, installed where that is possible, else named.

can_install() { [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; }

# need PACKAGE CHECK...: runs CHECK; if it fails, installs PACKAGE (root on Debian or Ubuntu) and runs it again.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 && return
    if can_install; then
        printf 'installing %s\n' "$package"
        if ! DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null 2>&1; then
            apt-get update -qq >/dev/null 2>&1 || true
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null 2>&1 || true
        fi
    fi
    "$@" >/dev/null 2>&1
}

# must PACKAGE CHECK...: as need, but without it there is nothing to run.
must() {
    need "$@" && return
    printf '%s: missing: %s. Install it (Debian, Ubuntu: apt-get install %s) and run again.\n' \
        "${0##*/}" "$1" "$1" >&2
    exit 2
}

compiler() { command -v "${CXX:-c++}"; }

# has_library NAME: the loader finds it.
has_library() { ldconfig -p | grep -q "^[[:space:]]*$1 "; }
# has_header HEADER: the C++ compiler finds it.
has_header() { printf '#include <%s>\n' "$1" | "${CXX:-c++}" -std=c++20 -E -x c++ - ; }
