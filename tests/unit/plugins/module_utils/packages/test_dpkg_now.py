# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dpkg's own files in the middle of its work, and packages put together from what is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _dpkg_now
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_view import Paths
from ansible_collections.proven.upkeep.plugins.module_utils.packages._dpkg_repack import repack

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing")


def block(name, version, status="install ok installed", arch="amd64", more=""):
    return f"Package: {name}\nStatus: {status}\nArchitecture: {arch}\nVersion: {version}\n{more}"


@pytest.fixture(name="admin")
def _admin(tmp_path):
    folder = tmp_path / "root/var/lib/dpkg"
    (folder / "updates").mkdir(parents=True)
    (folder / "info").mkdir()
    return folder


def paths(admin):
    return Paths(str(admin / "status"), "", "", "", "", "", "", "", "amd64", False)


def test_the_journal_goes_before_the_status(admin):
    (admin / "status").write_text("\n".join([block("a", "1"), block("b", "1"), block("gone", "1")]))
    (admin / "updates/0000").write_text(block("a", "2", "install reinstreq half-installed"))
    (admin / "updates/0001").write_text(block("a", "2", "install ok unpacked"))
    (admin / "updates/0002").write_text(block("gone", "1", "deinstall ok config-files"))
    (admin / "updates/0003").write_text(block("new", "1", "install ok half-configured", arch="all"))
    (admin / "updates/tmp.i").write_text("half a par")
    (admin / "updates/0004").write_text("")
    found = _dpkg_now.packages(paths(admin))
    assert {key: (each.version, each.state) for key, each in found.items()} == {
        ("a", "amd64"): ("2", "unpacked"),
        ("b", "amd64"): ("1", "installed"),
        ("new", "amd64"): ("1", "half-configured"),
    }
    assert len(_dpkg_now.journal(paths(admin))) == 5


def test_what_is_gone_but_for_its_configuration(admin):
    (admin / "status").write_text("\n".join([block("a", "1"), block("b", "1", "deinstall ok config-files")]))
    assert _dpkg_now.residues(paths(admin)) == ["b"]


@needs_dpkg
def test_a_package_comes_out_as_it_lies_there(admin, tmp_path):
    root = tmp_path / "root"
    (root / "usr/lib/py").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")  # merged: a link where the package has a folder
    (root / "usr/lib/py/code").write_text("print()\n")
    (root / "usr/lib/py/link").symlink_to("code")
    os.link(root / "usr/lib/py/code", root / "usr/lib/py/same")
    (root / "usr/lib/py/moved.distrib").write_text("diverted\n")
    (root / "usr/lib/py/moved").write_text("of another package\n")
    (root / "etc").mkdir()
    (root / "etc/kept").write_text("as it came\n")
    (root / "etc/edited").write_text("mine\n")
    came = hashlib.new("md5", b"as it came\n").hexdigest()
    conffiles = f"Conffiles:\n /etc/kept {came}\n /etc/edited {came}\n /etc/gone {came}\n"
    fields = f"Depends: lib (>= 1)\n{conffiles}Description: short\n long,\n .\n and longer\n"
    (admin / "status").write_text(
        "\n".join([block("python3.11", "2", arch="all"), block("python3", "1:1", more=fields)])
    )
    (admin / "diversions").write_text("/lib/py/moved\n/usr/lib/py/moved.distrib\nother\n")
    listed = "/. /lib /lib/py /lib/py/code /lib/py/link /lib/py/same /lib/py/moved /lib/py/excluded /etc /etc/kept"
    (admin / "info/python3.list").write_text("\n".join([*listed.split(), "/etc/edited", "/etc/gone", ""]))
    (admin / "info/python3.postinst").write_text("#!/bin/sh\n")
    (admin / "info/python3.postinst").chmod(0o755)
    (admin / "info/python3.conffiles").write_text("/etc/kept\n/etc/edited\n/etc/gone\n")
    (admin / "info/python3.11.list").write_text("/.\n")
    (admin / "info/python3.11.prerm").write_text("#!/bin/sh\n")
    deb = tmp_path / "made.deb"
    repack("python3", "amd64", str(admin / "status"), str(deb), str(root))
    out = tmp_path / "out"
    subprocess.run(["dpkg-deb", "-R", deb, out], check=True)
    assert sorted(path.name for path in (out / "DEBIAN").iterdir()) == ["conffiles", "control", "postinst"]
    assert (out / "DEBIAN/postinst").stat().st_mode & 0o777 == 0o755
    assert (out / "DEBIAN/control").read_text() == (
        "Package: python3\nArchitecture: amd64\nVersion: 1:1\nDepends: lib (>= 1)\n"
        "Description: short\n long,\n .\n and longer\n"
    )
    assert (out / "lib").is_dir() and not (out / "lib").is_symlink()
    assert (out / "lib/py/code").read_text() == "print()\n"
    assert (out / "lib/py/same").samefile(out / "lib/py/code")
    assert os.readlink(out / "lib/py/link") == "code"
    assert (out / "lib/py/moved").read_text() == "diverted\n"
    assert (out / "etc/kept").read_text() == "as it came\n"
    for name in ("edited", "gone"):
        assert (out / "etc" / name).read_text().startswith("The original of this file was not kept")
    assert not (out / "lib/py/excluded").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []


def test_what_dpkg_does_not_know(admin, tmp_path):
    (admin / "status").write_text(block("a", "1"))
    with pytest.raises(UpkeepError) as raised:
        repack("a", "amd64", str(admin / "status"), str(tmp_path / "a.deb"))
    assert raised.value.code == "repack_failed"
