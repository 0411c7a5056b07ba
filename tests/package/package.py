#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reaches plateau as users do, with the consumer of packaging/conan/test_package (two translation units), and runs it.

usage: package.py subdirectory | install | conan | vcpkg | readme
"""
import filecmp
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lint"))
import common  # noqa: E402

CONSUMER = ROOT / "packaging" / "conan" / "test_package"
SOURCES = " ".join(f'"{CONSUMER / name}"' for name in ("main.cpp", "other.cpp"))
GENERATOR = ["-G", "Ninja"] if shutil.which("ninja") else []
ONLY_LIBRARY = ["-DPLATEAU_BUILD_TESTS=OFF", "-DPLATEAU_BUILD_BENCH=OFF", "-DPLATEAU_BUILD_EXAMPLES=OFF"]

checks = common.Checks()


def run(*command, cwd=None, env=None, what=None, expect=True):
    """Runs a command as one check. Returns (it did as expected, its output)."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
        ok, output = (done.returncode == 0) == expect, done.stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        ok, output = False, str(error)
    checks.check(ok, what or " ".join(command), "\n".join(output.splitlines()[-12:]))
    return ok, output


def version():
    text = (ROOT / "include/plateau/version.hpp").read_text()
    return ".".join(re.search(rf"PLATEAU_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def run_consumer(program):
    ok, output = run(program, what=f"{program.name} runs")
    if ok:
        checks.check(output.strip() == f"plateau {version()}", f"{program.name} says '{output.strip()}'")


def build_consumer(folder, cmake_lists, *options):
    """Configures, builds and runs a project with this CMakeLists.txt, whose program is called consumer."""
    folder.mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text(cmake_lists)
    if run("cmake", "-S", folder, "-B", folder / "build", *GENERATOR, *options)[0]:
        if run("cmake", "--build", folder / "build")[0]:
            run_consumer(folder / "build" / "consumer")


def project(body):
    return ("cmake_minimum_required(VERSION 3.22)\nproject(consumer LANGUAGES CXX)\n" + body +
            f"\nadd_executable(consumer {SOURCES})\ntarget_link_libraries(consumer PRIVATE plateau::plateau)\n")


def subdirectory(folder):
    nothing_of_ours = "\n".join(
        f'if(TARGET {target})\n    message(FATAL_ERROR "a parent project gets {target}")\nendif()'
        for target in ("plateau_own_flags", "plateau_tests", "plateau_bench", "plateau_examples"))
    build_consumer(folder / "consumer", project(f'add_subdirectory("{ROOT}" plateau)\n{nothing_of_ours}'),
                   f"-DCMAKE_INSTALL_PREFIX={folder}/prefix")
    build = folder / "consumer" / "build"
    run("cmake", "--install", build)
    checks.check(not (folder / "prefix").exists(), "a parent project's install gets plateau's files unasked")


def install_library(folder, *options):
    """Installs into a prefix, moves the prefix and removes the build tree. Returns the new prefix, or None."""
    build, first, moved = folder / "build", folder / "first", folder / "moved"
    ok, _ = run("cmake", "-S", ROOT, "-B", build, *GENERATOR, *ONLY_LIBRARY, f"-DCMAKE_INSTALL_PREFIX={first}",
                *options)
    if not ok or not run("cmake", "--install", build)[0]:
        return None
    for file in (f for f in first.rglob("*") if f.is_file()):
        text = file.read_text(encoding="utf-8")
        for path in (ROOT, build, first):
            checks.check(str(path) not in text, f"{file.relative_to(first)} names the path {path}")
    first.rename(moved)
    shutil.rmtree(build)
    return moved


def install(folder):
    (folder / "now").mkdir()
    installed_tree(folder / "now")
    # Before CMake 3.23 there are no file sets: the same, as that version would see it.
    (folder / "old").mkdir()
    (folder / "old.cmake").write_text('set(CMAKE_VERSION "3.22.1")\n')
    installed_tree(folder / "old", f"-DCMAKE_PROJECT_plateau_INCLUDE_BEFORE={folder}/old.cmake")


def installed_tree(folder, *options):
    moved = install_library(folder, *options)
    if moved is None:
        return
    targets = (moved / "share/cmake/plateau/plateau-targets.cmake").read_text()
    checks.check(("FILE_SET" in targets) != bool(options), "the headers are not installed the way that is meant here")
    checks.check(sorted(p.name for p in moved.iterdir()) == ["include", "share"],
                 f"the prefix holds {sorted(p.name for p in moved.iterdir())}")
    mine, theirs = ROOT / "include", moved / "include"
    names = sorted(p.relative_to(mine) for p in mine.rglob("*") if p.is_file())
    checks.check(names == sorted(p.relative_to(theirs) for p in theirs.rglob("*") if p.is_file()),
                 "the installed headers are not those of the tree")
    checks.check(not filecmp.cmpfiles(mine, theirs, names, shallow=False)[1], "an installed header differs")

    prefix = f"-DCMAKE_PREFIX_PATH={moved}"
    build_consumer(folder / "find_package", (CONSUMER / "CMakeLists.txt").read_text().replace(
        "main.cpp other.cpp", SOURCES), prefix)
    major, minor, _ = version().split(".")
    for wanted, expect in {f"{major}.{minor}": True, f"{major}.{int(minor) + 1}": False,
                           f"{int(major) + 1}": False}.items():
        ask = folder / f"ask_{wanted}"
        ask.mkdir()
        (ask / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.22)\nproject(ask LANGUAGES CXX)\n"
                                            f"find_package(plateau {wanted} CONFIG REQUIRED)\n")
        run("cmake", "-S", ask, "-B", ask / "build", *GENERATOR, prefix, expect=expect,
            what=f"find_package(plateau {wanted}) {'succeeds' if expect else 'fails'}")

    if not shutil.which("pkg-config"):
        checks.skip("pkg-config", "it is not installed")
        return
    where = {"PKG_CONFIG_PATH": str(moved / "share" / "pkgconfig")}
    _, said = run("pkg-config", "--modversion", "plateau", env=where)
    checks.check(said.strip() == version(), f"pkg-config says version {said.strip()}")
    _, libs = run("pkg-config", "--libs", "plateau", env=where)
    checks.check(not libs.strip(), f"the .pc file has libraries, which a port of headers may not: {libs.strip()}")
    ok, flags = run("pkg-config", "--cflags", "plateau", env=where)
    checks.check("-pthread" in flags, f"the .pc file's flags lack -pthread: {flags}")
    if ok and run("g++", "-std=c++20", *flags.split(), CONSUMER / "main.cpp", CONSUMER / "other.cpp",
                  "-o", folder / "pkg_config_consumer")[0]:
        run_consumer(folder / "pkg_config_consumer")


def conan(folder):
    if not shutil.which("conan"):
        checks.skip("the Conan recipe", "no conan")
        return
    env = {"CONAN_HOME": str(folder / "home")}
    source = folder / "source"       # the client writes beside a test package
    source.mkdir()
    for name in ("conanfile.py", "LICENSE", "include", "packaging"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    run("conan", "profile", "detect", env=env)
    run("conan", "remote", "disable", "*", env=env)
    create = ["conan", "create", source, "--test-folder", source / "packaging/conan/test_package"]
    _, output = run(*create, "-s", "compiler.cppstd=20", env=env, what="conan create with C++20")
    checks.check(f"plateau {version()}" in output, "the test package did not run", output[-600:])
    _, output = run(*create, "-s", "compiler.cppstd=17", env=env, expect=False,
                    what="conan create with C++17 is refused")
    checks.check("C++ standard" in output, "the refusal of C++17 does not say why", output[-600:])


def vcpkg_client():
    """The command and where its ports are, or (None, None)."""
    root = next((pathlib.Path(r) for r in map(os.environ.get, ("VCPKG_ROOT", "VCPKG_INSTALLATION_ROOT")) if r), None)
    tool = shutil.which("vcpkg") or (root and (root / "vcpkg").exists() and str(root / "vcpkg"))
    return (tool, root) if tool else (None, None)


def vcpkg_places(folder, root):
    """Options that keep the client's hands off the user's own installation."""
    triplet = {"aarch64": "arm64-linux"}.get(os.uname().machine, "x64-linux")
    places = [f"--triplet={triplet}", f"--host-triplet={triplet}", "--binarysource=clear", "--enforce-port-checks",
              f"--x-install-root={folder}/installed", f"--x-buildtrees-root={folder}/buildtrees",
              f"--x-packages-root={folder}/packages"]
    return [*places, f"--vcpkg-root={root}"] if root else places


def vcpkg(folder):
    tool, root = vcpkg_client()
    if not tool:
        checks.skip("the vcpkg port", "no vcpkg")
        return
    ok, output = run(tool, "install", "plateau", "--classic", f"--overlay-ports={ROOT}/packaging/vcpkg",
                     *vcpkg_places(folder, root), what="vcpkg install from the port")
    if ok:
        checks.check("warning:" not in output, "vcpkg warns of the port", output)
        installed = next((folder / "installed").glob("*-linux"))
        checks.check((installed / "share/plateau/copyright").exists(), "the port installs no copyright")
        checks.check((installed / "share/plateau/usage").exists(), "the port installs no usage")
        build_consumer(folder / "consumer", (CONSUMER / "CMakeLists.txt").read_text().replace(
            "main.cpp other.cpp", SOURCES), f"-DCMAKE_PREFIX_PATH={installed}")


def readme(folder):
    """Each fenced block of the README's section on installing does what it says, as it is written there."""
    file = ROOT / "README.md"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    section = re.search(r"^## Install\b.*?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section[1], re.M | re.S) if section else []
    if not checks.check(blocks, "README.md: no section `## Install` with fenced blocks"):
        return
    tree = folder / "plateau"       # what a user would have cloned
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build"))
    home = folder / "home"
    home.mkdir()
    for name in ("main.cpp", "other.cpp", "other.hpp"):
        shutil.copy(CONSUMER / name, tree)
    installed = None
    for number, (language, text) in enumerate(blocks):
        what = f"README.md, block {number + 1} on installing"
        if language == "cmake":
            program = re.search(r"target_link_libraries\((\w+)", text)
            if not checks.check(program, f"{what}: no target_link_libraries"):
                continue
            body = text.replace(
                "target_link_libraries", f"add_executable({program[1]} {SOURCES})\ntarget_link_libraries", 1)
            place = folder / f"consumer{number}"
            place.mkdir()
            if path := re.search(r"add_subdirectory\(([\w./-]+)", text):
                (place / path[1]).parent.mkdir(parents=True, exist_ok=True)
                (place / path[1]).symlink_to(tree)
            (place / "CMakeLists.txt").write_text(
                f"cmake_minimum_required(VERSION 3.22)\nproject(consumer LANGUAGES CXX)\n{body}")
            options = [f"-DFETCHCONTENT_SOURCE_DIR_PLATEAU={tree}"]
            if "find_package" in text:
                checks.check(installed, f"{what}: find_package comes before an install")
                options.append(f"-DCMAKE_PREFIX_PATH={installed}")
            if run("cmake", "-S", place, "-B", place / "build", *GENERATOR, *options, what=f"{what} configures")[0]:
                if run("cmake", "--build", place / "build", what=f"{what} builds")[0]:
                    run_consumer(place / "build" / program[1])
            continue
        environment = {"HOME": str(home), "CONAN_HOME": str(home / "conan"),
                       "PKG_CONFIG_PATH": os.pathsep.join(str(p) for p in home.rglob("pkgconfig"))}
        if not shutil.which("make"):
            environment["CMAKE_GENERATOR"] = "Ninja"
        if re.search(r"^\s*conan\b", text, re.M):
            if not shutil.which("conan"):
                checks.skip(what, "no conan")
                continue
            run("conan", "profile", "detect", env=environment)
        if re.search(r"^\s*vcpkg\b", text, re.M):
            tool, root = vcpkg_client()
            if not tool:
                checks.skip(what, "no vcpkg")
                continue
            wrapper = home / "bin" / "vcpkg"
            wrapper.parent.mkdir()
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([tool])} "$@" {shlex.join(vcpkg_places(home, root))}\n')
            wrapper.chmod(0o755)
            environment["PATH"] = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
        run("bash", "-euo", "pipefail", "-c", text, cwd=tree, env=environment, what=f"{what} runs")
        installed = installed or next((p.parents[2] for p in home.rglob("share/cmake/plateau") if p.is_dir()), None)


WAYS = {way.__name__: way for way in (subdirectory, install, conan, vcpkg, readme)}

with tempfile.TemporaryDirectory() as temporary:
    WAYS[sys.argv[1]](pathlib.Path(temporary))
checks.end()
