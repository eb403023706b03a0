# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions, texts and files of the rpm world: each parser over a table of what the tools write."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import (
    _dnf4,
    _dnf5_commands,
    _dnf_common,
    _dnf_refresh,
    _rpm,
    _rpmkernel,
    _updateinfo,
    _zypper_ask,
    _zypper_texts,
    kernel,
    reboot,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages._refresh_note import without_secrets
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpm_view import Available, Gone, Step
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpmversion import evr_key, split_evr
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import CoreUpdate, Kernel, KernelPackage


# From rpm's own tests (tests/rpmvercmp.at), and what its manual says of ~ and ^.
@pytest.mark.parametrize(
    "low, high",
    [
        ("1.0", "2.0"),
        ("2.0", "2.0.1"),
        ("5.5p1", "5.5p2"),
        ("5.5p1", "5.5p10"),
        ("10xyz", "10.1xyz"),
        ("xyz.4", "8"),
        ("6.0", "6.0.rc1"),
        ("10a2", "10b2"),
        ("1.0~rc1", "1.0"),
        ("1.0~rc1~git123", "1.0~rc1"),
        ("1.0", "1.0^"),
        ("1.0^git1", "1.0^git2"),
        ("1.0^git1", "1.01"),
        ("1.0~rc1", "1.0~rc1^git1"),
        ("1.0^git1~pre", "1.0^git1"),
        ("1.0-9", "1.0-10"),
        ("9.9-9", "1:0.1-1"),
        ("2:1-1", "10:1-1"),
        ("5.14.0-427.el9", "5.14.0-427.13.1.el9_4"),
        ("1" * 5000, "2" * 5000),
    ],
)
def test_versions_in_order(low, high):
    assert evr_key(low) < evr_key(high)
    assert evr_key(high) > evr_key(low)


@pytest.mark.parametrize(
    "one, other", [("1.0", "1..0"), ("2.0.", "2.0"), ("2_0", "2.0"), ("1.05", "1.5"), ("0:1-1", "1-1")]
)
def test_versions_that_are_equal(one, other):
    assert evr_key(one) == evr_key(other)


def test_parts_of_a_version():
    assert split_evr("1:2.0-3.el9") == ("1", "2.0", "3.el9")
    assert split_evr("2.0") == ("0", "2.0", "")


QUERY = """bash\tx86_64\t0\t5.1.8\t9.el9\tbash-5.1.8-9.el9.src.rpm\t1700000000\t(none)\tRocky
gpg-pubkey\t(none)\t0\t350d275d\t6279464b\t(none)\t1700000000\t(none)\t(none)
nodejs\tx86_64\t1\t18.20.2\t1.module+el9\tnodejs-18.20.2-1.module+el9.src.rpm\t1\tnodejs:18:9040020240301:rhel9\tRocky
nosource\tnoarch\t0\t1\t1\tthing-2.0-1.nosrc.rpm\t-\t(none)\t(none)
odd\tx86_64\t0\t1\t1\t(none)\t5\tbroken\t(none)
odd\tx86_64\t0\t1\t2\t(none)\t5\t(none)\t(none)
kernel-core\tx86_64\t0\t6\t1\tkernel-6-1.src.rpm\t5\t(none)\t(none)
kernel-core\tx86_64\t0\t6\t2\tkernel-6-2.src.rpm\t5\t(none)\t(none)
a line that is none
"""


def test_what_rpm_has_installed():
    packages = _rpm.parse_query(QUERY)
    shown = {(p.name, p.evr): (p.source_name, p.source_version, p.module, p.installed_at) for p in packages}
    assert shown[("bash", "5.1.8-9.el9")] == ("bash", "5.1.8-9.el9", None, 1700000000)
    assert shown[("nodejs", "1:18.20.2-1.module+el9")] == ("nodejs", "1:18.20.2-1.module+el9", "nodejs:18", 1)
    assert shown[("nosource", "1-1")] == ("thing", "2.0-1", None, 0)
    assert shown[("odd", "1-1")] == ("odd", "1-1", None, 5)
    assert not [package for package in packages if package.name == "gpg-pubkey"]
    installed = _rpm.installed_list(packages, {("odd", "x86_64")}, {"bash"})
    assert [e.state for e in installed if e.name in ("odd", "kernel-core")] == ["installed"] * 2 + [
        "duplicate",
        "installed",
    ]
    assert {e.name for e in installed if e.held} == {"bash"} and {e.name for e in installed if e.auto} == {"odd"}


def test_kernels_by_what_they_provide():
    text = (
        "kernel-core\t5.14.0-427.el9 kernel=5.14.0-427.el9 kernel-uname-r=5.14.0-427.el9.x86_64\n"
        "kernel-uek-core\t5.15.0-200.el9uek kernel-uek-uname-r=5.15.0-200.el9uek.x86_64 kernel-uname-r=\n"
        "kernel-tools\t1 nothing=1\n"
    )
    assert _rpm.parse_kernels(text, {"kernel-core": "kernel", "kernel-uek-core": "kernel-uek"}) == [
        KernelPackage("5.14.0-427.el9.x86_64", "5.14.0-427.el9", "kernel"),
        KernelPackage("5.15.0-200.el9uek.x86_64", "5.15.0-200.el9uek", "kernel-uek"),
    ]


def test_unmet_dependencies():
    text = (
        "Unsatisfied dependencies for foo-1-1.noarch:\n\tbar >= 2 is needed by (installed) foo-1-1.noarch\n"
        "missing     /etc/x\nUnsatisfied dependencies for baz-1-1.noarch:\n\tqux is needed by baz\n"
    )
    assert _rpm.parse_unmet(text) == [
        "foo-1-1.noarch: bar >= 2 is needed by (installed) foo-1-1.noarch",
        "baz-1-1.noarch: qux is needed by baz",
    ]


@pytest.mark.parametrize(
    "release, expected",
    [
        ("5.14.0-427.13.1.el9_4.x86_64", ("5.14.0-427.13.1.el9_4", "x86_64")),
        ("5.14.0-427.13.1.el9_4.x86_64+rt", ("5.14.0-427.13.1.el9_4", "x86_64+rt")),
        ("6.8.5-301.fc40.aarch64", ("6.8.5-301.fc40", "aarch64")),
        ("5.15.0-200.131.27.el9uek.x86_64", ("5.15.0-200.131.27.el9uek", "uekx86_64")),
        ("4.18.0-193.rt13.51.el8.x86_64", ("4.18.0-193.rt13.51.el8", "rtx86_64")),
        ("6.4.0-150600.23.7-default", ("6.4.0-150600.23.7", "default")),
        ("6.1.0-35-cloud-amd64", None),
        ("6.8.0-60-generic", None),
    ],
)
def test_kernel_releases(release, expected):
    assert _rpmkernel.split(release) == expected


@pytest.mark.parametrize(
    "running, installed, expected",
    [
        ("5.14.0-427.el9.x86_64", ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.el9.x86_64"], True),
        ("5.14.0-427.13.1.el9_4.x86_64", ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.el9.x86_64"], False),
        ("5.14.0-427.el9.x86_64", ["5.14.0-500.el9.x86_64+rt"], None),
        ("6.4.0-150600.21-default", ["6.4.0-150600.23.7-default", "6.4.0-150600.23.7-azure"], True),
        ("6.4.0-150600.21.3-default", ["6.4.0-150600.23.7-default", "6.4.0-150600.23.7-azure"], True),
        ("6.1.0-35-amd64", ["6.1.0-36-amd64", "6.1.0-35-amd64"], True),
    ],
)
def test_the_running_kernel_of_an_rpm_host(running, installed, expected):
    packages = [KernelPackage(release, release) for release in installed]
    assert kernel.judge(running, "#1 SMP", packages, container=False).reboot_needed is expected


def test_core_packages_ask_for_a_reboot(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu 1 2\nbtime 1000\nprocesses 5\n")
    fine = Kernel("6", "6", False)
    core = [CoreUpdate("glibc", "2.34-100", 2000), CoreUpdate("systemd", "252-1", 500)]
    judged = reboot.judge(fine, True, False, str(tmp_path), core)
    assert judged.required and judged.reasons == ["glibc 2.34-100 was installed after the start of the system."]
    assert reboot.judge(fine, True, False, str(tmp_path), core[1:]).required is False
    assert reboot.judge(fine, True, True, str(tmp_path), core).required is None
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-needed").write_text("")
    assert reboot.judge(fine, True, False, str(tmp_path)).reasons == [
        "The distribution asks for it (/run/reboot-needed)."
    ]


INFO = b'<updates><update type="bugfix"><id>B</id></update>' + b" " * 70000 + b'<update type="security"/></updates>'
PLAIN = b'<updates><update type="bugfix"><id>B</id></update></updates>'


@pytest.mark.parametrize(
    "content, expected",
    [
        (INFO, True),
        (PLAIN, False),
        (gzip.compress(INFO), True),
        (gzip.compress(PLAIN), False),
        (bz2.compress(INFO), True),
        (lzma.compress(INFO), True),
        (gzip.compress(PLAIN)[:-20], None),
        (b"\0ZCK1...", None),
        (b"", None),
    ],
)
def test_whether_a_repository_has_security_advisories(tmp_path, content, expected):
    (tmp_path / "info").write_bytes(content)
    assert _updateinfo.has_security(str(tmp_path / "info")) is expected


def test_advisories_in_zstd(tmp_path):
    if not shutil.which("zstd"):
        pytest.skip("zstd is missing")
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(INFO)
    subprocess.run(["zstd", "-q", "--no-content-size", str(path)], check=True)
    packed = tmp_path / "updateinfo.xml.zst"
    assert _updateinfo.has_security(str(packed)) is True
    path.write_bytes(PLAIN + b" " * ((1 << 17) - len(PLAIN)))  # as large as a block
    subprocess.run(["zstd", "-qf", "--no-content-size", str(path)], check=True)
    assert _updateinfo.has_security(str(packed)) is False
    packed.write_bytes(packed.read_bytes()[:-8])
    assert _updateinfo.read(str(packed), ["x"]) is None
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + b"damaged" * 10)
    assert _updateinfo.has_security(str(packed)) is None


def test_no_file_has_no_advisories(tmp_path):
    assert _updateinfo.has_security(str(tmp_path / "none")) is None
    assert _updateinfo.read(str(tmp_path / "none"), []) is None


DNF4 = """base      746 kB/s | 1.9 kB     00:00
Errors during downloading metadata for repository 'gone':
  - Curl error (6): Couldn't resolve host name for https://user:pass@host/repodata/repomd.xml
Error: Failed to download metadata for repo 'gone': Cannot download repomd.xml: All mirrors were tried
Errors during downloading metadata for repository 'other':
  - Status code: 404 for https://host/x (IP: 10.0.0.1)
Error: Failed to download metadata for repo 'unsigned': repomd.xml GPG signature verification error: Bad GPG signature
"""
DNF5 = """Updating and loading repositories:
 The first repository                   100% | 654.4 KiB/s |   5.9 KiB |  00m00s
 The gone repository                    ???% |   0.0   B/s |  -1.0   B |  ?
>>> Curl error (37): Could not read a file:// file for file:///nowhere/repodata/repomd.xml
>>> Usable URL not found
Repositories loaded.
"""


def test_what_a_refresh_of_dnf_says():
    found = _dnf_refresh.parse_failures(DNF4)
    assert set(found) == {"gone", "other", "unsigned"}
    assert found["gone"].startswith("Curl error (6)") and "https://host/" in found["gone"]
    assert found["other"].startswith("Status code: 404") and "GPG signature" in found["unsigned"]
    found = _dnf_refresh.parse_failures(DNF5)
    assert list(found) == ["The gone repository"] and found["The gone repository"].startswith("Curl error (37)")
    assert _dnf_refresh.parse_failures("Metadata cache created.\n") == {}


TABLE = """Package              Arch   Version Repository      Size
Upgrading:
 epochal             noarch 1:1.1-1 base         0.0   B
   replacing epochal noarch 1:1.0-1 <unknown>    0.0   B
Installing:
 fresh               noarch 0:1.0-1 updates      0.0   B
   replacing old     noarch 0:1.0-1 <unknown>    0.0   B
Installing weak dependencies:
 weak                x86_64 0:3-1   base         1.0 MiB
Removing:
 kernel-core         x86_64 0:6.1-1 updates    100.0 MiB
Downgrading:
 down                noarch 0:1-1   base         0.0   B
Skipping packages with broken dependencies:
 needy               noarch 2.0-1   base         0.0   B

Transaction Summary:
 Installing:         2 packages
"""


def test_the_table_of_a_transaction_of_dnf5():
    install, remove = _dnf5_commands.parse_plan(TABLE)
    assert install == [
        Step(Available("epochal", "noarch", "1:1.1-1", "base"), "upgrade"),
        Step(Available("fresh", "noarch", "1.0-1", "updates"), "install"),
        Step(Available("weak", "x86_64", "3-1", "base"), "install"),
        Step(Available("down", "noarch", "1-1", "base"), "downgrade"),
    ]
    assert remove == [Gone("old", "noarch", "1.0-1", "fresh 1.0-1"), Gone("kernel-core", "x86_64", "6.1-1")]


def test_sentences_of_the_solver():
    text = (
        " Problem 1: cannot install the best update candidate for package a-1-1.noarch\n"
        "  - nothing provides x needed by a-2-1.noarch from base\nSomething else\n"
        "Problem 2: package b-1-1.noarch conflicts with c\n"
    )
    assert _dnf_common.parse_problems(text) == [
        [
            "cannot install the best update candidate for package a-1-1.noarch",
            "nothing provides x needed by a-2-1.noarch from base",
        ],
        ["package b-1-1.noarch conflicts with c"],
    ]


LOCKS = """version = "1.0"
[[packages]]
name = "{name}"
comment = "said \\"so\\""
[[packages.conditions]]
key = "{key}"
comparator = "{comparator}"
value = "{value}"
"""


@pytest.mark.parametrize(
    "key, comparator, value, holds, excludes",
    [
        ("evr", "=", "0:5.1.8-9.el9", True, False),
        ("evr", "=", "5.1.8", True, False),
        ("evr", "<", "6", True, False),
        ("evr", "=", "0:6-1", False, False),
        ("version", "=", "5.1.8", True, False),
        ("evr", "!=", "0:6-1", True, True),
    ],
)
def test_version_locks_of_dnf5(key, comparator, value, holds, excludes):
    text = LOCKS.format(name="bash", key=key, comparator=comparator, value=value)
    (lock,) = _dnf_common.parse_locks(text, _rpm.parse_query(QUERY))
    assert (lock.names, lock.holds, lock.excludes) == (("bash",), holds, excludes)
    assert _dnf_common.parse_locks('version = "1.0"\n', []) == []


def test_the_interpreter_of_dnf(tmp_path):
    path = tmp_path / "dnf"
    for text, expected in [
        ("#!/usr/libexec/platform-python\nimport sys\n", "/usr/libexec/platform-python"),
        ("#! /usr/bin/python3.12 -sP\n", "/usr/bin/python3.12"),
        ("#!python3\n", None),
        ("\x7fELF", None),
    ]:
        path.write_text(text)
        assert _dnf4.interpreter_of(str(path)) == expected
    assert _dnf4.interpreter_of(str(tmp_path / "none")) is None


def test_what_is_asked_of_another_interpreter_is_old_enough():
    """Python 3.6 has no `from __future__ import annotations`: without that line, nothing newer may be left."""
    import ast

    from ansible_collections.proven.upkeep.plugins.module_utils.packages import _dnf4_facts

    text = _dnf4.text_of(_dnf4_facts).replace("from __future__ import annotations\n", "")
    tree = ast.parse(text, feature_version=(3, 6))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize(
    "url, present, expected",
    [
        ("https://updates.suse.com/x?credentials=SCCcredentials", False, "its credentials SCCcredentials"),
        ("https://updates.suse.com/x?a=b&credentials=SCCcredentials", True, None),
        ("https://download.opensuse.org/x", False, None),
    ],
)
def test_credentials_of_a_registration(tmp_path, url, present, expected):
    if present:
        (tmp_path / "etc/zypp/credentials.d").mkdir(parents=True)
        (tmp_path / "etc/zypp/credentials.d/SCCcredentials").write_text("")
    found = _zypper_ask.needs(url, str(tmp_path))
    assert found is expected if expected is None else expected in found


REFRESH = """<stream><message type="info">Repository 'base' is up to date.</message>
<message type="error">Repository 'gone' is invalid.
[gone|https://me:secret@host/x] Valid metadata not found at specified URL
History:
 - Download (curl) error for 'https://me:secret@host/x/content':
Error code: Connection failed
Error message: Failed to connect to host port 443
</message><message type="error">Skipping repository 'gone' because of the above error.</message>
<message type="error">[dir|dir:/none] Failed to mount</message></stream>"""


@pytest.mark.parametrize(
    "text, expected",
    [
        ("at https://me:s3c@host/x", "at https://host/x"),
        ("[a|https://me@host/x] said", "[a|https://host/x] said"),
        ("'https://me:s3c/r@t@host/x'", "'https://host/x'"),
        ("https://host:80/x 'a@b'", "https://host:80/x 'a@b'"),
        ("https://host/a@b", "https://host/a@b"),
        ("Invalid port component 's3c'", "Invalid port component"),
    ],
)
def test_no_secret_is_said(text, expected):
    assert without_secrets(text) == expected
    assert "s3c" not in _zypper_texts.failed(text).message


def test_what_a_refresh_of_zypper_says():
    assert _zypper_texts.refresh_failures(_zypper_texts.tree(REFRESH)) == {
        "gone": "Valid metadata not found at specified URL: Failed to connect to host port 443",
        "dir": "Failed to mount (dir:/none)",
    }


def test_locks_of_zypper():
    text = (
        "<stream><locks size='3'><lock number='1'><name>kernel-*</name><type>package</type></lock>"
        "<lock number='2'><name>base</name><type>pattern</type></lock>"
        "<lock number='3'><name>none</name></lock></locks></stream>"
    )
    (lock,) = _zypper_texts.locks(_zypper_texts.tree(text), ["kernel-default", "kernel-azure", "base"])
    assert lock.names == ("kernel-azure", "kernel-default") and lock.holds
