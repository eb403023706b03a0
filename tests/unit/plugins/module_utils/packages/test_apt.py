# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real apts in private roots: every reason, by both collectors."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys

import pytest

SECURITY = {"Label": "Debian-Security", "Suite": "stable-security", "Codename": "bookworm-security", "Version": "12"}


def rows(document, name):
    return [entry for entry in document["pending"] if entry["name"] == name]


def row(document, name):
    (found,) = rows(document, name)
    return found


def test_plain_upgrade(apt_root):
    apt_root.install("tool", "1.0", Source="tools (0.9)")
    apt_root.install("current", "1.0")
    apt_root.install("local", "1.0")
    apt_root.auto("tool")
    apt_root.repository("stable", [("tool", "2.0", {"Source": "tools (1.9)"}), ("current", "1.0")])
    document = apt_root.both()
    assert row(document, "tool") == {
        "name": "tool",
        "arch": "all",
        "installed": "1.0",
        "candidate": "2.0",
        "source_name": "tools",
        "source_version": "1.9",
        "origins": ["Debian:12.5/stable"],
        "security": False,
        "security_version": None,
        "advisories": [],
        "cves": [],
        "severity": "unknown",
        "severity_source": None,
        "published_at": None,
        "blocked_by": None,
        "blocked_detail": None,
        "new_dependency": False,
        "needs_full_upgrade": False,
        "downgrade": False,
    }
    assert document["counts"] == {"installed": 3, "pending": 1, "security": 0, "blocked": 0}
    tool = next(entry for entry in document["installed"] if entry["name"] == "tool")
    assert (tool["auto"], tool["source_name"], tool["source_version"]) == (True, "tools", "0.9")
    assert document["removals"] == []


def test_security_counts_on_the_way_to_a_newer_version(apt_root):
    apt_root.install("superseded", "1.0")
    apt_root.install("direct", "1.0")
    apt_root.install("already", "1.1")
    apt_root.repository("stable", [("superseded", "1.2"), ("already", "1.2")])
    apt_root.repository(
        "stable-security", [("superseded", "1.1"), ("direct", "1.1"), ("already", "1.1")], release=SECURITY
    )
    document = apt_root.both()
    found = {entry["name"]: (entry["security"], entry["security_version"]) for entry in document["pending"]}
    assert found == {"superseded": (True, "1.1"), "direct": (True, "1.1"), "already": (False, None)}
    assert row(document, "direct")["origins"] == ["Debian-Security:12/stable-security"]
    assert document["counts"]["security"] == 2


def test_a_word_in_a_name_makes_no_security_repository(apt_root):
    apt_root.install("tool", "1.0")
    release = {"Origin": "Somebody", "Label": "Very-Security", "Suite": "all-security", "Codename": "x-security"}
    apt_root.repository("security", [("tool", "2.0")], release=release)
    document = apt_root.both()
    assert row(document, "tool")["security"] is False
    assert "No configured repository is one for security updates." in document["metadata"]["problems"]


def test_held(apt_root):
    apt_root.install("tool", "1.0", status="hold ok installed")
    apt_root.repository("stable", [("tool", "2.0")])
    document = apt_root.both()
    assert row(document, "tool")["blocked_by"] == "held"
    assert row(document, "tool")["candidate"] == "2.0"
    assert document["installed"][0]["held"] is True
    assert document["counts"]["blocked"] == 1


@pytest.mark.parametrize("priority", [-1, 50])
def test_pinned(apt_root, priority):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")])
    apt_root.preferences(f"Package: tool\nPin: version 2.*\nPin-Priority: {priority}\n")
    found = row(apt_root.both(), "tool")
    assert (found["blocked_by"], found["candidate"]) == ("pinned", "2.0")
    assert str(priority) in found["blocked_detail"]


def test_pinned_to_an_intermediate_version(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0"), ("tool", "3.0")])
    apt_root.preferences("Package: tool\nPin: version 3.*\nPin-Priority: -1\n")
    found = [(entry["candidate"], entry["blocked_by"]) for entry in rows(apt_root.both(), "tool")]
    assert found == [("2.0", None), ("3.0", "pinned")]


def test_a_downgrade_by_preference(apt_root):
    apt_root.install("tool", "2.0")
    apt_root.repository("stable", [("tool", "1.0")])
    apt_root.preferences("Package: tool\nPin: version 1.0\nPin-Priority: 1001\n")
    found = row(apt_root.both(), "tool")
    assert (found["candidate"], found["downgrade"], found["blocked_by"], found["security"]) == (
        "1.0",
        True,
        None,
        False,
    )


def test_a_default_release_outranks_its_own_security_suite(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "1.0")])
    apt_root.repository("stable-security", [("tool", "1.1")], release=SECURITY)
    (apt_root.root / "etc/apt/apt.conf.d/10release").write_text('APT::Default-Release "stable";\n')
    found = row(apt_root.both(), "tool")
    assert (found["blocked_by"], found["candidate"], found["security"]) == ("pinned", "1.1", True)
    assert found["blocked_detail"] == (
        "apt gives 1.1 the priority 500 and prefers 1.0 with 990 (APT::Default-Release is stable): "
        "see `apt-cache policy tool`."
    )
    assert "Inst" not in apt_root.apt("-s", "dist-upgrade").stdout


def test_a_subscription(apt_root):
    apt_root.install("tool", "1.0")
    release = {"Origin": "UbuntuESM", "Label": "UbuntuESM", "Suite": "jammy-infra-security"}
    apt_root.repository("esm", [("tool", "2.0")], release=release)
    apt_root.preferences("Package: *\nPin: release o=UbuntuESM\nPin-Priority: never\n")
    found = row(apt_root.both(), "tool")
    assert (found["blocked_by"], found["security"]) == ("esm", True)


def test_backports_are_no_updates(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "1.0")])
    backports = {"Suite": "stable-backports", "NotAutomatic": "yes", "ButAutomaticUpgrades": "yes"}
    apt_root.repository("stable-backports", [("tool", "2.0")], release=backports)
    assert apt_root.both()["pending"] == []


@pytest.mark.parametrize(
    "installed, offered, name, detail",
    [
        pytest.param(
            [("tool", "1.0", {})],
            [("tool", "2.0", {"Depends": "nowhere (>= 3)"})],
            "tool",
            "tool 2.0 needs nowhere (>= 3), which would not be installed.",
            id="missing",
        ),
        pytest.param(
            [("tool", "1.0", {}), ("lib", "1.0", {"status": "hold ok installed"})],
            [("tool", "2.0", {"Depends": "lib (>= 2.0)"}), ("lib", "2.0")],
            "tool",
            "tool 2.0 needs lib (>= 2.0), but lib would be at 1.0 (held).",
            id="held library",
        ),
        pytest.param(
            [("tool", "1.0", {}), ("plugin", "1.0", {"Depends": "tool (<< 2)", "status": "hold ok installed"})],
            [("tool", "2.0")],
            "tool",
            "plugin 1.0 needs tool (<< 2).",
            id="needed by another",
        ),
        pytest.param(
            [("tool", "1.0", {}), ("other", "1.0", {"Breaks": "tool (>= 2)", "Essential": "yes"})],
            [("tool", "2.0")],
            "tool",
            "other 1.0 breaks it.",
            id="broken by another",
        ),
    ],
)
def test_kept_back(apt_root, installed, offered, name, detail):
    for package, version, fields in installed:
        apt_root.install(package, version, **fields)
    apt_root.repository("stable", offered)
    found = row(apt_root.both(), name)
    assert (found["blocked_by"], found["blocked_detail"]) == ("kept_back", detail)


def test_phased(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0", {"Phased-Update-Percentage": "0"})])
    if "Inst tool" in apt_root.apt("-s", "dist-upgrade").stdout:
        pytest.skip("this apt does not phase updates here")
    found = row(apt_root.both(), "tool")
    assert found["blocked_by"] == "phased"
    assert "0 % of the machines" in found["blocked_detail"]


def test_new_dependencies_need_a_full_upgrade(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.install("simple", "1.0")
    apt_root.repository("stable", [("tool", "2.0", {"Depends": "extra"}), ("extra", "1.0"), ("simple", "2.0")])
    document = apt_root.both()
    assert row(document, "tool")["needs_full_upgrade"] is True
    assert row(document, "tool")["blocked_by"] is None
    assert row(document, "simple")["needs_full_upgrade"] is False
    extra = row(document, "extra")
    assert (extra["installed"], extra["new_dependency"], extra["security"]) == (None, True, False)


def test_removals_say_why(apt_root):
    apt_root.install("victim", "1.0")
    apt_root.install("tool", "1.0", Priority="required")
    for number in range(5):
        apt_root.install(f"user{number}", "1.0", Depends="tool", Priority="required")
    offered = [("tool", "2.0", {"Conflicts": "victim", "Replaces": "victim", "Priority": "required"})]
    offered += [(f"user{n}", "2.0", {"Depends": "tool (>= 2.0)", "Priority": "required"}) for n in range(5)]
    apt_root.repository("stable", offered)
    document = apt_root.both()
    assert document["removals"] == [
        {"name": "victim", "arch": "amd64", "version": "1.0", "because": "tool 2.0 conflicts with it."}
    ]


def test_broken_dependencies_stop_everything_and_are_named(apt_root):
    apt_root.install("broken", "1.0", Depends="nowhere")
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")])
    document = apt_root.both()
    assert row(document, "tool")["blocked_by"] == "kept_back"
    assert "broken dependencies" in row(document, "tool")["blocked_detail"]
    assert document["health"]["unmet_dependencies"] == ["broken 1.0 needs nowhere, which would not be installed"]


def test_states_and_leftovers(apt_root):
    apt_root.install("fine", "1.0")
    apt_root.install("half", "1.0", status="install ok half-configured")
    apt_root.install("gone", "1.0", status="deinstall ok config-files")
    (apt_root.root / "var/lib/dpkg/updates/0001").write_text("")
    apt_root.repository("stable", [])
    document = apt_root.both()
    assert [(entry["name"], entry["state"]) for entry in document["installed"]] == [
        ("fine", "installed"),
        ("half", "half-configured"),
    ]
    assert document["health"]["half_configured"] == ["half:all"]
    assert document["health"]["interrupted"] is True


def test_who_holds_the_lock(apt_root):
    apt_root.install("fine", "1.0")
    path = apt_root.root / "var/lib/dpkg/lock-frontend"
    with path.open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        document = apt_root.collect(python=sys.executable)["data"]  # a process does not see its own locks
    pid, name = document["health"]["locked_by"].split(" ")
    assert int(pid) == os.getpid()
    assert "py" in name
    assert apt_root.collect()["data"]["health"]["locked_by"] is None


@pytest.mark.parametrize("content", ["", "garbage\n", "Package: x\nStatus: install ok sideways\n", "Package: x\n\0\0"])
def test_a_damaged_database_is_one_clear_error(apt_root, content):
    apt_root.status.write_text(content)
    result = apt_root.collect()
    assert result["error_code"] == "package_database_damaged"
    assert str(apt_root.status) in result["msg"]


@pytest.mark.parametrize("place", ["etc/apt/sources.list", "etc/apt/apt.conf.d/99broken", "etc/apt/preferences"])
def test_a_broken_configuration_is_one_clear_error(apt_root, bindings_here, place):
    apt_root.install("tool", "1.0")
    (apt_root.root / place).write_text("this { is no sense\n")
    results = [apt_root.collect()] + ([apt_root.collect(bindings="require")] if bindings_here else [])
    for result in results:
        assert result["error_code"] == "apt_failed", result
        assert "\n" not in result["msg"]
        assert os.path.basename(place) in result["msg"]


def test_damaged_lists_are_one_clear_error(apt_root, bindings_here):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")], method="copy")
    (lists,) = (apt_root.root / "var/lib/apt/lists").glob("*Packages")
    lists.write_text("Package: tool\nVersion: 2.0\n\nPackage tool\n\n")
    for bindings in ["never", "require"] if bindings_here else ["never"]:
        # apt keeps a cache of what it could read, and complains only once.
        for cache in (apt_root.root / "var/cache/apt").glob("*.bin"):
            cache.unlink()
        result = apt_root.collect(bindings=bindings)
        assert result["error_code"] == "apt_failed", result
        assert "Unable to parse package file" in result["msg"]


def test_bindings_can_be_required(apt_root):
    apt_root.install("fine", "1.0")
    if subprocess.run([sys.executable, "-c", "import apt_pkg"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this Python has python-apt")
    result = apt_root.collect(bindings="require", python=sys.executable)
    assert result["error_code"] == "bindings_missing"
    assert "apt-get install python3-apt" in result["msg"]


@pytest.mark.once
def test_this_machine_both_ways(machine, bindings_here, same):
    """The whole document of the real machine; and its pending set is what apt-get itself says."""
    if not bindings_here:
        pytest.skip("the system's Python has no python-apt")
    for _attempt in range(3):  # someone else may be installing something meanwhile
        before = _inst_lines(machine)
        documents = [machine.collect(), machine.collect(bindings="require")]
        if _inst_lines(machine) == before:
            break
    assert same(documents[0]) == same(documents[1])
    unblocked = {e["name"]: e["candidate"] for e in documents[0]["data"]["pending"] if e["blocked_by"] is None}
    assert unblocked == before


def _inst_lines(machine):
    text = machine.apt("-s", "dist-upgrade").stdout
    return {m.group(1).split(":")[0]: m.group(2) for m in re.finditer(r"^Inst (\S+)(?: \[\S+\])? \((\S+)", text, re.M)}
