#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom in include/plateau.

Rooms (cache channel gate arena watch) never include one another; the ground floor, detail/ and support/ stand on the
ground floor and detail/ only; only plateau.hpp names the rooms. Some headers of the standard library are banned, some
are for the listed files only. Nothing depends on NDEBUG.
"""
import re

import common

ROOMS = {"cache", "channel", "gate", "arena", "watch"}
BANNED = {"iostream", "regex", "future", "ranges", "sstream", "map"}
# Costly headers: the files that cannot do without, and why.
ALLOWED = {
    "plateau/channel/worker_pool.hpp": {"thread": "its threads are std::thread"},
    "plateau/detail/condvar_parker.hpp": {"condition_variable": "it is how a thread sleeps where there is no futex"},
    "plateau/stop_std.hpp": {"stop_token": "it adapts std::stop_token, and is included by nobody else"},
}
COSTLY = {"functional", "string", "thread", "condition_variable", "stop_token"}


def floor_of(header):
    """plateau/cache/lru.hpp and plateau/cache.hpp -> cache; plateau/detail/x.hpp -> detail; else ground."""
    parts = header.split("/")[1:]
    top = parts[0].removesuffix(".hpp")
    if parts == ["plateau.hpp"]:
        return "contents"
    if top in ROOMS:
        return top
    if len(parts) > 1:
        return parts[0]
    return "ground"


def may_include(source, target):
    if source == "contents":
        return target != "contents"
    if source in ROOMS:
        return target in {source, "ground", "detail", "support"}
    return source in {"ground", "detail", "support"} and target in {"ground", "detail"} | ({source} & {"support"})


def code_of(text):
    """The text without comments and without the contents of string literals; lines keep their numbers."""
    def blank(match):
        return '""' if match[0].startswith('"') else "\n" * match[0].count("\n")
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', blank, text, flags=re.S)


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    found = common.headers(a.root)
    for header in found:
        text = (a.root / "include" / header).read_text(encoding="utf-8")
        floor = floor_of(header)
        checks.check(floor in ROOMS | {"contents", "ground", "detail", "support"}, f"{header}: a folder of no floor")
        checks.check("#pragma once" in text, f"{header}: no #pragma once")
        for form, target in re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, re.M):
            if form == '"':
                checks.check(False, f'{header}: includes "{target}" where <plateau/...> is the form')
            elif target.startswith("plateau/"):
                checks.check(target in found, f"{header}: includes {target}, which is not there")
                checks.check(may_include(floor, floor_of(target)),
                             f"{header} ({floor}) may not include {target} ({floor_of(target)})")
            else:
                allowed = target not in BANNED | COSTLY or target in ALLOWED.get(header, {})
                checks.check(allowed, f"{header}: may not include <{target}>")
        code = code_of(text)
        checks.check(not re.search(r"\bNDEBUG\b", code), f"{header}: depends on NDEBUG")
        checks.check(not re.search(r"(?<![\w:])assert\s*\(", code), f"{header}: uses assert(), which NDEBUG removes")
    for header in ALLOWED.keys() & set(found):
        text = (a.root / "include" / header).read_text(encoding="utf-8")
        for target in ALLOWED[header]:
            checks.check(re.search(rf"^[ \t]*#[ \t]*include[ \t]*<{target}>", text, re.M),
                         f"{header}: listed as a user of <{target}>, which it does not include")
    checks.end()


main()
