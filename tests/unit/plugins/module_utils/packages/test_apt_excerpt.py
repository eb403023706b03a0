# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With the excerpt of its lists apt says what it says with the whole of them."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import random
import re
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_excerpt as excerpts
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_excerpt import Doubt, excerpt
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_view import Paths
from ansible_collections.proven.upkeep.plugins.module_utils.packages._dpkg import DpkgPackage

APT = "2.6.1"
LISTS = {
    "tool": "Depends: lib (>= 2), shell | editor\nRecommends: docs\nSuggests: extra",
    "lib": "Pre-Depends: loader:any",
    "loader": "",
    "docs": "Depends: viewer [linux-any] <!nodoc>",
    "viewer": "",
    "ed": "Depends: ed-data\nProvides: editor (= 1), text",
    "ed-data": "",
    "extra": "",
    "unrelated": "Depends: tool, more",
    "more": "Conflicts: tool\nProvides: nothing",
    "base": "Essential: yes",
    "apt": "",
}


def text_of(packages):
    return "".join(
        f"Package: {name}\nVersion: 1\n{fields + chr(10) if fields else ''}\n" for name, fields in packages.items()
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Lists to cut, and where apt has them."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    (lists / "host_dists_x_main_binary-amd64_Packages").write_text(text_of(LISTS))
    (lists / "host_dists_x_InRelease").write_text("Origin: Debian\n")
    (lists / "host_dists_x_main_i18n_Translation-en").write_text("")
    return Paths(
        status="", lists=f"{lists}/", state="", extended_states="", archives="", sourcelist="", sourceparts="",
        pkgcache="", native="amd64", allow_insecure=False,
    )  # fmt: skip


def dpkg(*names, **fields):
    return [DpkgPackage(name, "all", "1", "installed", False, fields) for name in names]


def cut(paths, installed=("tool",), keep=True, apt=APT, **fields):
    """What the excerpt holds: files, and the names of packages; None where the whole lists are to be used."""
    with excerpt(paths, apt, dpkg(*installed, **fields), keep) as made:
        if made is None:
            return None
        names = set()
        for name in os.listdir(made[0]):
            with open(os.path.join(made[0], name)) as stream:  # noqa: PTH123
                names |= set(re.findall(r"^Package: (\S+)$", stream.read(), re.M))
        return set(os.listdir(made[0])), names


@pytest.mark.parametrize("keep", [True, False])
def test_what_an_upgrade_could_touch(place, keep):
    files, names = cut(place, keep=keep)
    assert files == {"host_dists_x_main_binary-amd64_Packages", "host_dists_x_InRelease"}
    assert names == {"tool", "lib", "loader", "docs", "viewer", "ed", "ed-data", "base", "apt"}
    assert cut(dataclasses.replace(place, suggests=True), keep=keep) is None
    assert cut(place, ["elsewhere"], False)[1] == {"base", "apt"}
    # What is needed as it is installed, though no version on offer says so.
    assert cut(place, ["elsewhere"], False, depends="x | docs (>= 1)", recommends="text")[1] == {
        "base", "apt", "docs", "viewer", "ed", "ed-data",
    }  # fmt: skip


@pytest.mark.parametrize(
    "version, solver, classic",
    [("1.8.2", "", True), ("2.6.1", "internal", True), ("3.0.3", "", True), ("3.1.0", "", False),
     ("2.6.1", "aspcud", False), ("3.0.3", "3.0", False), ("", "", False), ("0.9.7", "", False)],
)  # fmt: skip
def test_only_for_the_classic_solver(place, version, solver, classic):
    assert (cut(dataclasses.replace(place, solver=solver), apt=version) is not None) is classic


@pytest.mark.parametrize(
    "text",
    [
        "package: tool\nVersion: 1\n",
        "Version: 1\nPackage: tool\n",
        "Package: tool\nVersion: 1\nProvides: a,\n b\n",
        "# a word\n\nPackage: tool\nVersion: 1\n",
    ],
)
def test_lists_in_another_spelling_are_left_alone(place, text):
    with open(f"{place.lists}/host_dists_y_main_binary-amd64_Packages", "w") as stream:  # noqa: PTH123
        stream.write(text)
    assert cut(place) is None


def test_a_list_that_cannot_be_unpacked_or_is_there_twice(place):
    (path,) = (entry.path for entry in os.scandir(place.lists) if entry.name.endswith("_Packages"))
    with open(f"{path}.xz", "w") as stream:  # noqa: PTH123
        stream.write("no xz")
    assert cut(place) is None
    os.unlink(path)
    assert cut(place) is None


def test_folded_dependencies_are_read(place):
    folded = text_of({"tool": "Depends: a,\n b | c,\n\td", "d": "", "b": "", "c": "", "a": "", "e": ""})
    with open(f"{place.lists}/host_dists_x_main_binary-amd64_Packages", "w") as stream:  # noqa: PTH123
        stream.write(folded)
    assert cut(place)[1] == {"tool", "a", "b", "c", "d"}


CHANGES = {
    "the lists": lambda lists, kept: (lists / "more_Packages").write_text(text_of({"lib": ""})),
    "a cut list": lambda lists, kept: next((kept / "lists").glob("*_Packages")).write_text(""),
    "what is known of it": lambda lists, kept: (kept / "known.json").write_text("{}"),
    "it is gone": lambda lists, kept: next((kept / "lists").glob("*_InRelease")).unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_serves_again_until_something_changes(place, tmp_path, monkeypatch, change):
    made = []
    write = excerpts._write
    monkeypatch.setattr(excerpts, "_write", lambda *each: made.append(1) or write(*each))
    kept = tmp_path / "state" / "patch_level" / "apt-lists"
    first = cut(place)
    assert cut(place) == first and cut(place, ["lib"]) == first and len(made) == 1
    (tmp_path / "lists" / "partial" / "x").write_text("")
    assert cut(place) == first and len(made) == 1
    assert {path.stat().st_mode & 0o077 for path in (kept, kept / "known.json")} == {0}
    CHANGES[change](tmp_path / "lists", kept)
    assert cut(place)[1] == first[1] and len(made) == 2
    assert "more" in cut(place, ["unrelated"])[1] and len(made) == 3


def test_two_at_once_do_not_share(place, tmp_path):
    cut(place)
    folder = str(tmp_path / "state" / "patch_level" / "apt-lists")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with excerpt(place, APT, dpkg("tool"), True) as made:
            assert made and not made[0].startswith(folder)
        assert not os.path.exists(made[0])
    finally:
        os.close(handle)


def test_where_nothing_can_be_written(place, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "file" / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert cut(place) is None


def test_without_room_apt_keeps_its_cache_in_memory(place, monkeypatch):
    with excerpt(place, APT, dpkg("tool"), True) as made:
        assert made[1].endswith("/pkgcache.bin")
    monkeypatch.setattr(excerpts, "has_cache_room", lambda path, room: False)
    with excerpt(place, APT, dpkg("tool"), True) as made:
        assert made[1] == ""


def test_an_error_of_the_caller_stays_itself(place):
    for error in (ValueError, OSError, Doubt):
        with pytest.raises(error), excerpt(place, APT, dpkg("tool"), True):
            raise error("mine")


VIRTUAL = ["v1", "v2", "v3"]


def universe(seed):
    """Installed packages in good order and many on offer, tied together at random; of odd seeds at peace."""
    chance = random.Random(seed)
    quarrel = 0.02 if seed % 2 else 0.3
    names = [f"p{number:02}" for number in range(70)]

    def relation(others):
        name = chance.choice([*others, *others, *VIRTUAL])
        versioned = name not in VIRTUAL and chance.random() < quarrel
        return f"{name} ({chance.choice(['>=', '>=', '<<'])} {chance.choice('123')})" if versioned else name

    def fields(name):
        some = {}
        for field, most in (("Depends", 2), ("Recommends", 1), ("Conflicts", 1), ("Breaks", 1)):
            if field != "Depends" and chance.random() > (0.3 if field == "Recommends" else quarrel):
                continue
            wanted = [relation(names) for _number in range(chance.randint(0, most))]
            wanted = [each for each in wanted if each.split()[0] != name]
            if wanted and field == "Depends" and chance.random() < 0.4:
                wanted[-1] += f" | {chance.choice(names)}"
            if wanted:
                some[field] = ", ".join(wanted)
        if chance.random() < 0.2:
            some["Provides"] = chance.choice(VIRTUAL)
        return some

    here = names[:25]
    installed = []
    for number, name in enumerate(here):
        some = {"Provides": VIRTUAL[number]} if number < 3 else {}
        if number and chance.random() < 0.5:
            some["Depends"] = chance.choice([*here[:number], *VIRTUAL])
        if chance.random() < 0.3:
            some["Recommends"] = chance.choice(names)
        installed.append((name, "1.0", some))
    offered = [(name, f"{chance.choice('1223')}.0", fields(name)) for name in names]
    offered[-1][2].update({"Essential": "yes"} if chance.random() < 0.3 else {})
    return installed, offered


@pytest.mark.once
@pytest.mark.parametrize("seed", [1, 3, 17, 42, 75, 82])  # of 42, 75, 82 the excerpt alone says something else
def test_what_is_pending_is_what_apt_would_do(apt_root, seed):
    installed, offered = universe(seed)
    for name, version, fields in installed:
        apt_root.install(name, version, **fields)
    apt_root.repository("stable", offered)
    full, plain = (
        set(re.findall(r"^Inst (\S+)", apt_root.apt("-s", "-q", verb).stdout, re.M))
        for verb in ("dist-upgrade", "upgrade")
    )
    pending = [entry for entry in apt_root.both()["pending"] if entry["blocked_by"] is None]
    assert {entry["name"] for entry in pending} == full
    assert {entry["name"] for entry in pending if not entry["needs_full_upgrade"]} == plain & full


@pytest.mark.once
def test_a_helper_that_hangs_is_stopped(tmp_path, monkeypatch):
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    helper.chmod(0o755)
    monkeypatch.setattr(excerpts, "_HELPER", str(helper))
    monkeypatch.setattr(excerpts, "_TIMEOUT", 1)
    with pytest.raises(excerpts.Doubt):
        list(excerpts._contents(["some_Packages.lz4"]))
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}")


@pytest.mark.once
def test_the_helper_unpacks_what_apt_packs(place):
    if not os.path.exists(excerpts._HELPER):
        pytest.skip("apt-helper is not on this machine")
    (path,) = (entry.path for entry in os.scandir(place.lists) if entry.name.endswith("_Packages"))
    subprocess.run(["gzip", path], check=True)
    assert cut(place)[1] >= {"tool", "lib"}
