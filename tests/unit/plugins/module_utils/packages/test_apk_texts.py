# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apk says and keeps, as apk-tools 2.14.10 and 3.0.6 said it (recorded). Against a real one: tests/managers."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import (
    _apk_database,
    _apk_pending,
    _apk_repositories,
    apk,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _last_answer as last
from ansible_collections.proven.upkeep.plugins.module_utils.packages._run import Finished
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

INSTALLED = """C:Q1RbEKHgxS2Sc57cmttC4AJc8nCEE=
P:libcrypto3
V:3.1.4-r5
A:x86_64
S:684
I:1
T:Crypto library
U:https://example.org
L:Apache-2.0
o:openssl
t:1700000000
D:so:libc.musl-x86_64.so.1
p:so:libcrypto.so.3=3
F:lib
R:libcrypto.so.3
a:0:0:755
Z:Q1bbbbbbbbbbbbbbbbbbbbbbbbbbb=

C:Q13uZEcm2d7/SUA7SvgZmTixzgCj0=
P:tool-2
V:1.0_git20240101-r0
A:noarch
t:1700000000
D:strict=1.0-r0 !other libcrypto3>=3
f:fs
F:usr
"""
UPGRADE = """(1/5) Upgrading lib (1.0-r0 -> 1.1-r0)
(2/5) Installing fresh (1-r0)
(3/5) Purging helper (1-r0)
(4/5) Downgrading lower (2-r0 -> 1-r0)
(5/5) Upgrading tagged@edge (1-r0 -> 2-r0)
OK: 0 MiB in 4 packages
"""
LIST = """fuzzy-2.0-r0 x86_64 {fuzzy} () [upgradable from: fuzzy-1.0-r0]
py3-foo-2-1.0_rc1 noarch {py3-foo} (MIT AND BSD) [upgradable from: py3-foo-2-1.0_beta]
WARNING: opening from cache http://127.0.0.1:1/gone: No such file or directory
"""
POLICY = """edgy policy:
  1.0-r0:
    lib/apk/db/installed
  2-r0:
    @edge https://user:secret@mirror.example/edge
pinned policy:
  2.0-r0:
    lib/apk/db/installed
    https://mirror.example/v3.20/main
"""
REFUSED = """ERROR: unable to select packages:
  gone (no such package):
    required by: part-2-r0[gone]
"""
COUNTED = "6 distinct packages available\n"
FAILED = [
    # apk-tools 2.14, 3.0, and one that does not tell by its exit code
    Finished(
        2,
        f"fetch http://one.example/main/x86_64/APKINDEX.tar.gz\n2 unavailable, 0 stale; {COUNTED}",
        "WARNING: updating and opening http://u:p@one.example/gone: could not connect to server\n",
    ),
    Finished(
        2,
        f" [http://one.example/main]\n1 unavailable, 1 stale; {COUNTED}",
        "WARNING: updating and opening http://u:p@one.example/gone/x86_64/APKINDEX.tar.gz: Connection refused\n",
    ),
    Finished(0, f"1 unavailable, 0 stale; {COUNTED}", "WARNING: opening http://one.example/gone: x\n"),
]
REPOSITORIES = """# comment
https://user:pass@mirror.example/alpine/v3.20/main
@edge https://mirror.example/alpine/edge/testing
/media/local
set -default mirror=https://other.example
v3 ${mirror} main community
ndx @x https://mirror.example/x.adb
"""


def test_installed():
    found = _apk_database.parse_installed(INSTALLED)
    crypto, tool = found["libcrypto3"], found["tool-2"]
    assert (crypto.version, crypto.arch, crypto.origin, crypto.broken) == ("3.1.4-r5", "x86_64", "openssl", False)
    assert (tool.version, tool.origin, tool.broken) == ("1.0_git20240101-r0", "tool-2", True)
    assert tool.depends == ["strict=1.0-r0", "!other", "libcrypto3>=3"]
    listed = _apk_database.installed_list(found, {"tool-2": _apk_database.Constraint("tool-2", "tool-2")})
    assert [(each.name, each.auto, each.state) for each in listed] == [
        ("libcrypto3", True, "installed"), ("tool-2", False, "broken"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["P:tool\nA:x\n", "garbage", "C:x\n\nP:a\nV:1\n", "\0\0\0"])
def test_damaged_database(text):
    with pytest.raises(UpkeepError) as error:
        _apk_database.parse_installed(text)
    assert error.value.code == "package_database_damaged"


@pytest.mark.parametrize(
    "text, name, caps, tag, unwanted",
    [
        ("busybox", "busybox", False, "", False),
        ("busybox=1.6.1", "busybox", True, "", False),
        ("busybox<2", "busybox", True, "", False),
        ("busybox<=2", "busybox", True, "", False),
        ("busybox~1.6", "busybox", True, "", False),
        ("busybox><Q1abc=", "busybox", True, "", False),
        ("busybox>=1", "busybox", False, "", False),
        ("busybox>~1", "busybox", False, "", False),
        ("busybox@edge", "busybox", False, "edge", False),
        ("busybox@edge=1.6", "busybox", True, "edge", False),
        ("!busybox", "busybox", False, "", True),
        ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1", False, "", False),
    ],
)
def test_constraint(text, name, caps, tag, unwanted):
    found = _apk_database.parse_constraint(text)
    assert (found.name, found.caps, found.tag, found.unwanted) == (name, caps, tag, unwanted)


def test_plan():
    plan = _apk_pending.parse_plan(UPGRADE)
    assert plan.install == {
        "lib": ("1.0-r0", "1.1-r0"), "fresh": (None, "1-r0"), "lower": ("2-r0", "1-r0"), "tagged": ("1-r0", "2-r0"),
    }  # fmt: skip
    assert (plan.downgrade, plan.remove) == (["lower"], {"helper": "1-r0"})


def test_list():
    assert _apk_pending.parse_list(LIST) == {
        "fuzzy": _apk_pending.Offer("2.0-r0", "x86_64", "fuzzy"),
        "py3-foo-2": _apk_pending.Offer("1.0_rc1", "noarch", "py3-foo"),
    }


def test_policy():
    assert _apk_pending.parse_policy(POLICY) == {
        ("edgy", "2-r0"): ["@edge https://mirror.example/edge"],
        ("pinned", "2.0-r0"): ["https://mirror.example/v3.20/main"],
    }


def test_solver_words():
    words = "unable to select packages: gone (no such package): required by: part-2-r0[gone]"
    assert _apk_pending.solver_words(REFUSED) == words
    assert len(_apk_pending.solver_words("ERROR: " + "x " * 900)) <= 400


@pytest.mark.parametrize("result", FAILED)
def test_failures(result):
    (failure,) = _apk_repositories.parse_failures(result)
    assert failure.startswith("Refresh: ") and "one.example/gone" in failure and "u:p" not in failure


def test_no_failure():
    assert _apk_repositories.parse_failures(Finished(0, "OK: 6 distinct packages available\n", "")) == []
    assert _apk_repositories.parse_failures(Finished(1, "", "")) != []


def test_repositories(tmp_path):
    (tmp_path / "etc/apk/repositories.d").mkdir(parents=True)
    (tmp_path / "etc/apk/arch").write_text("aarch64\n")
    (tmp_path / "etc/apk/repositories").write_text(REPOSITORIES)
    (tmp_path / "etc/apk/repositories.d/more.list").write_text("https://more.example/${APK_ARCH}\n")
    (tmp_path / "etc/apk/repositories.d/more.off").write_text("https://off.example\n")
    found = _apk_repositories.sources(str(tmp_path))
    assert [(each.index, each.tag) for each in found] == [
        ("https://user:pass@mirror.example/alpine/v3.20/main/aarch64/APKINDEX.tar.gz", ""),
        ("https://mirror.example/alpine/edge/testing/aarch64/APKINDEX.tar.gz", "edge"),
        ("/media/local/aarch64/APKINDEX.tar.gz", ""),
        ("https://other.example/main/aarch64/Packages.adb", ""),
        ("https://other.example/community/aarch64/Packages.adb", ""),
        ("https://mirror.example/x.adb", "x"),
        ("https://more.example/aarch64/aarch64/APKINDEX.tar.gz", ""),
    ]
    judged = _apk_repositories.judge(str(tmp_path), found, 60, times.now(), None)
    assert judged.stale and "pass" not in str(judged)
    assert (judged.repositories[0].suite, judged.repositories[0].components) == ("v3.20", ["main"])


@pytest.mark.parametrize("url, cached", [
    ("http://127.0.0.1:46673/main", "APKINDEX.786a9f4a.tar.gz"),  # 2.14
    ("http://127.0.0.1:38155/main", "APKINDEX.8bde9c27.tar.gz"),  # 3.0
])  # fmt: skip
def test_cached_index(tmp_path, url, cached):
    source = _apk_repositories.Source(url, f"{url}/x86_64/APKINDEX.tar.gz")
    assert _apk_repositories.index_file(str(tmp_path), source) is None
    folder = tmp_path / "var/cache/apk"
    folder.mkdir(parents=True)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(".SIGN.RSA.key.rsa.pub"))
    (folder / cached).write_bytes(gzip.compress(made.getvalue()))
    path = _apk_repositories.index_file(str(tmp_path), source)
    assert path == str(folder / cached) and _apk_repositories.is_signed(path) is True
    (folder / cached).write_bytes(b"nonsense")
    assert _apk_repositories.is_signed(path) is None


def test_a_failed_refresh_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    root, program = str(tmp_path / "root"), tmp_path / "apk"
    program.write_text("#!/bin/sh\necho 'ERROR: https://u:p@one.example: gone' >&2; exit 1\n")
    program.chmod(0o755)

    def problems():
        return _apk_repositories.judge(root, [], 60, times.now(), None).problems

    before = last.fingerprint(apk.inputs(Options(root=root)))
    (failure,) = _apk_repositories.refresh(root, []).failures
    assert failure == "Refresh: https://one.example: gone" and failure in problems()
    assert last.fingerprint(apk.inputs(Options(root=root))) != before
    program.write_text("#!/bin/sh\n")
    assert not _apk_repositories.refresh(root, []).failures and failure not in problems()


def test_kernels(tmp_path):
    folder = tmp_path / "usr/share/kernel/lts"
    folder.mkdir(parents=True)
    (folder / "kernel.release").write_text("6.6.58-0-lts\n")
    packages = {"linux-lts": _apk_database.Package("linux-lts", "6.6.58-r0", "x86_64", "linux-lts")}
    (found,) = _apk_database.kernels(str(tmp_path), packages)
    assert (found.release, found.version) == ("6.6.58-0-lts", "6.6.58-r0")
