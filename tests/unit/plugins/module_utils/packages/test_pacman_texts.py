# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pacman says and keeps, as text and bytes. Against a real pacman: tests/managers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import unzst
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import (
    _alpm_config,
    _alpm_database,
    _alpm_pending,
    pacman,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

DESC = """%FILENAME%
{name}-{version}-any.pkg.tar.zst

%NAME%
{name}

%BASE%
{name}-src

%VERSION%
{version}

%DEPENDS%
sh
lib>=2

"""
CONF = """[options]
DBPath = /var/lib/pacman/
IgnorePkg = linux*
IgnorePkg = zlib
IgnoreGroup = gnome
SigLevel = PackageRequired
SigLevel = DatabaseOptional
[core]
Usage = All
Server = https://one.example/core
Server = https://two.example/core
[testing]
Usage = Sync
Usage = Search
SigLevel = PackageNever
"""


def database(names, form=tarfile.PAX_FORMAT):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for name in names:
            folder = tarfile.TarInfo(f"{name}-1.0-1/")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            text = DESC.format(name=name, version="1.0-1").encode()
            info = tarfile.TarInfo(f"{name}-1.0-1/desc")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return made.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESSIONS = {"none": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
if shutil.which("zstd"):
    COMPRESSIONS["zstd"] = zstd


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
def test_repository_database(tmp_path, compression, form):
    long = "a-very-" + "long-" * 20 + "name"
    path = tmp_path / "core.db"
    path.write_bytes(COMPRESSIONS[compression](database(["tool", "lib-a", long, "other"], form)))
    found = _alpm_database.read_sync(str(path), {"tool", "lib-a", long, "absent"})
    assert set(found) == {"tool", "lib-a", long}
    assert found["lib-a"]["DEPENDS"] == ["sh", "lib>=2"]
    assert _alpm_database.value(found[long], "BASE") == f"{long}-src"


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
def test_damaged_database(tmp_path, compression):
    whole = COMPRESSIONS[compression](database([f"tool{number}" for number in range(40)]))
    path = tmp_path / "core.db"
    for cut in range(6, len(whole), max(1, len(whole) // 60)):
        for damaged in (whole[:cut], whole[:cut] + b"\xff\x00\xa5" + whole[cut + 3 :]):
            path.write_bytes(damaged)
            try:
                _alpm_database.read_sync(str(path), {"tool7"})
            except UpkeepError as error:
                assert error.code == "package_lists_damaged" and str(path) in error.message


def test_local_database(tmp_path):
    for folder, text in {
        "tool-1.0-1": DESC.format(name="tool", version="1.0-1"),
        "half-1-1": "",
        "none-1-1": None,
    }.items():
        (tmp_path / "local" / folder).mkdir(parents=True)
        if text is not None:
            (tmp_path / "local" / folder / "desc").write_text(text)
    (tmp_path / "local/ALPM_DB_VERSION").write_text("9")
    local = _alpm_database.read_local(str(tmp_path))
    assert (set(local.packages), local.broken) == ({"tool"}, ["half-1-1", "none-1-1"])
    (tool,) = _alpm_database.installed_list(local, {"tool"})
    assert (tool.name, tool.version, tool.source_name, tool.held, tool.auto) == (
        "tool",
        "1.0-1",
        "tool-src",
        True,
        False,
    )


def test_included_files_decide_wherever_they_are(tmp_path):
    conf, other, folder = tmp_path / "etc/pacman.conf", tmp_path / "other.conf", tmp_path / "more"
    for path in (conf.parent, folder):
        path.mkdir()
    (folder / "one.conf").write_text(f"Include = {other}\n")
    conf.write_text(f"[options]\nInclude = {other}\n  Include={folder}/*.conf \n#Include = /no\n")
    other.write_text(f"Include = {conf}\nInclude = {tmp_path}/missing\n")
    expected = {str(path) for path in (conf, other, folder, folder / "one.conf", tmp_path / "missing")}
    assert set(_alpm_config.included(str(conf))) == expected
    assert expected <= set(pacman.inputs(Options(root=str(tmp_path))))


def test_configuration(tmp_path):
    config = _alpm_config.parse(CONF, "/", "/etc/pacman.conf")
    assert config.dbpath == "/var/lib/pacman" and list(config.repositories) == ["core", "testing"]
    assert [config.for_upgrades(name) for name in config.repositories] == [True, False]
    signed = {each.id: each.signed for each in _alpm_config.repositories(config, str(tmp_path))}
    assert signed == {"core": True, "testing": False}


@pytest.mark.parametrize(
    "name, groups, by",
    [
        ("zlib", [], "held"),
        ("linux-lts", [], "excluded"),
        ("gedit", ["gnome"], "excluded"),
        ("bash", ["base"], None),
    ],
)
def test_ignored(name, groups, by):
    found = _alpm_config.parse(CONF, "/", "/etc/pacman.conf").ignored(name, groups)
    assert (found and found[0]) == by


def test_updates():
    said = "bash 5.1-1 -> 5.2-1\nheld 1:1-1 -> 1:2-1 [ignored]\nwarning: something\n"
    assert _alpm_pending.updates(said) == {"bash": "5.2-1", "held": "1:2-1"}


def test_refusals():
    said = """:: unable to satisfy dependency 'held>=2' required by noup
 :: installing strict (2-1) breaks dependency 'strict=1' required by aur
 error: failed to prepare transaction (could not satisfy dependencies)"""
    assert _alpm_pending.refusals(said) == {
        "noup": "unable to satisfy dependency 'held>=2' required by noup",
        "strict": "installing strict (2-1) breaks dependency 'strict=1' required by aur",
    }


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is missing (Debian: zstd)")
@pytest.mark.parametrize("size", [0, 1, 131072, 131073, 1_000_000])
def test_unzst(size):
    raw = os.urandom(size // 2) + bytes(size - size // 2)
    stored = zstd(raw)
    assert b"".join(unzst.chunks(io.BytesIO(stored * 2))) == raw * 2
    for cut in (5, len(stored) - 1):
        with pytest.raises(ValueError):
            list(unzst.chunks(io.BytesIO(stored[:cut])))
