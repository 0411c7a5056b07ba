#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The version stands in version.hpp; the package recipes and the newest entry of the changelog agree with it."""
import json
import re

import common


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()

    def text(path):
        file = a.root / path
        return file.read_text(encoding="utf-8") if file.exists() else ""

    header = text("include/plateau/version.hpp")
    parts = [re.search(rf"^#define PLATEAU_VERSION_{part} (\d+)$", header, re.M)
             for part in ("MAJOR", "MINOR", "PATCH")]
    if not checks.check(all(parts), "version.hpp: three numbers are not found"):
        checks.end()
    version = ".".join(part[1] for part in parts)
    string = re.search(r'^#define PLATEAU_VERSION_STRING "(.*)"$', header, re.M)
    checks.check(string and string[1] == version, f"version.hpp: the string is not {version}")
    for path in ("vcpkg.json", "packaging/vcpkg/vcpkg.json"):
        try:
            found = json.loads(text(path)).get("version-semver")
        except json.JSONDecodeError:
            found = None
        checks.check(found == version, f"{path}: version-semver is {found}, version.hpp says {version}")
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\]", text("CHANGELOG.md"), re.M)
    found = found[1] if found else None
    checks.check(found == version, f"CHANGELOG.md: the newest release is {found}, version.hpp says {version}")
    # The recipe reads the header, so that there is nothing to keep in step; a number written there would be a copy.
    recipe = text("conanfile.py")
    checks.check("version.hpp" in recipe and not re.search(r"^\s*version\s*=", recipe, re.M),
                 "conanfile.py: does not take its version from version.hpp")
    checks.end()


main()
