# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dnf 4, dnf5 and zypper over what the real ones said of one world (tests/managers/worlds.py), wherever this runs.

`recorded/` holds it, command by command: real processes answer, which say again what was recorded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _refresh_note, _rpm_state, dnf, registry
from ansible_collections.proven.upkeep.plugins.module_utils.packages import collect as room
from ansible_collections.proven.upkeep.plugins.module_utils.packages._refresh_note import Failures
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpm_view import Facts, RpmRepo
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options, plain

RECORDED = Path(__file__).resolve().parent / "recorded"
REPLAY = """#!{python} -S
import json, os, sys
said = json.load(open({path!r}))
argv = [os.path.basename(sys.argv[0]).replace("dnf5", "dnf").replace("dnf", "dnf5"), *sys.argv[1:]]
root, top = {root!r}, {top!r}
for entry in said:
    if [word.replace("{{root}}", root).replace("{{top}}", top) for word in entry["argv"]] == argv:
        sys.stdout.write(entry["stdout"].replace("{{root}}", root).replace("{{top}}", top))
        sys.stderr.write(entry["stderr"])
        sys.exit(entry["rc"])
sys.stderr.write("nothing is recorded for " + " ".join(argv))
sys.exit(99)
"""
UPDATEINFO = """<?xml version="1.0"?><updates>
<update type="security" status="final"><id>EXSA-2026:0001</id><issued date="2026-03-01 10:00:00"/>
<severity>Important</severity><references><reference type="cve" id="CVE-2026-1112"/>
<reference type="cve" id="CVE-2026-1111"/><reference type="bugzilla" id="7"/></references>
<pkglist><collection>
<package name="tool" epoch="0" version="1.1" release="1" arch="noarch"/></collection></pkglist></update>
<update type="bugfix"><id>EXBA-2026:0002</id><issued date="1775088000"/><references/>
<pkglist><collection>
<package name="tool" epoch="0" version="1.2" release="1" arch="noarch"/></collection></pkglist></update>
<update type="security"><id>EXSA-2026:0003</id><updated date="2026-03-01"/><severity>critical</severity>
<references><reference type="cve" id="CVE-2026-3333"/></references>
<pkglist><collection>
<package name="locked" epoch="0" version="2.0" release="1" arch="noarch"/></collection></pkglist></update>
<update type="security"><id>odd-id</id><issued date="2026-03-01 10:00:00"/><severity>Low</severity>
<references><reference type="cve" id="CVE-2026-4444"/></references>
<pkglist><collection>
<package name="unwanted" epoch="0" version="2.0" release="1" arch="noarch"/></collection></pkglist></update>
</updates>
"""
LOCKS = """version = "1.0"

[[packages]]
name = "locked"
comment = "Added by 'versionlock add' command"

[[packages.conditions]]
key = "evr"
comparator = "="
value = "0:1.0-1"
"""
COMMON = {
    "epochal": None,
    "extra": None,
    "fresh": None,
    "growing": None,
    "locked": "held",
    "needy": "kept_back",
    "plain": None,
    "tool": None,
}
REASONS = {
    "dnf4": {**COMMON, "app": "modular", "unwanted": "excluded", "unwanted-here": "excluded"},
    "dnf5": {**COMMON, "app": "modular", "unwanted": "excluded", "unwanted-here": "excluded"},
    "zypper": {
        **COMMON,
        "unwanted": None,
        "unwanted-here": None,
        "vendored": "kept_back",
        "waiting": "kept_back",
    },
}
CACHES = {"dnf4": "var/cache/dnf", "dnf5": "var/cache/libdnf5", "zypper": "var/cache/zypp/raw"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A function that makes the world of one manager and returns its root."""
    root, tools = tmp_path / "root", tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))

    def program(name, text):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    def make(kind):
        places = {"root": str(root), "top": str(tmp_path)}
        source = "dnf5" if kind == "dnf4" else kind
        replay = REPLAY.format(python=sys.executable, path=str(RECORDED / f"{source}.json"), **places)
        program("rpm", replay)
        if kind == "dnf4":
            answer = (RECORDED / "dnf4.json").read_text().replace("{root}", str(root))
            (tmp_path / "answer.json").write_text(answer)
            program("python-of-dnf", f'#!/bin/sh\ncase "$3" in *"def facts"*) cat {tmp_path}/answer.json ;; esac\n')
            program("dnf", f"#!{tools}/python-of-dnf -sP\n")
        else:
            program(kind, replay)
        if kind == "dnf5":
            (tools / "dnf").symlink_to("dnf5")
            (root / "etc/dnf").mkdir(parents=True)
            (root / "etc/dnf/versionlock.toml").write_text(LOCKS)
        for name in ("base", "updates", "third"):
            folder = root / CACHES[kind] / (name if kind == "zypper" else f"{name}-0123456789abcdef") / "repodata"
            folder.mkdir(parents=True)
            (folder / "repomd.xml").write_text("<repomd/>")
            if name == "updates":
                (folder / "0-updateinfo.xml").write_text(UPDATEINFO)
        return root

    return make


def state_of(kind, root, **options):
    manager = "zypper" if kind == "zypper" else "dnf"
    return plain(
        registry.MANAGERS[manager].collect(Options(manager=manager, bindings="never", root=str(root), **options))
    )


@pytest.mark.parametrize("kind", ["dnf4", "dnf5", "zypper"])
def test_every_update_says_why(world, kind):
    state = {name: plain(value) for name, value in state_of(kind, world(kind)).items()}
    pending = {entry["name"]: entry for entry in state["pending"]}
    assert {name: entry["blocked_by"] for name, entry in pending.items()} == REASONS[kind]
    assert all(entry["blocked_detail"] for entry in pending.values() if entry["blocked_by"])
    tool = pending["tool"]
    assert (tool["candidate"], tool["security_version"], tool["severity"]) == ("1.2-1", "1.1-1", "high")
    assert tool["cves"] == ["CVE-2026-1111", "CVE-2026-1112"]
    assert (tool["source_name"], tool["source_version"]) == ("tool-src", "1.2-1")
    assert pending["extra"]["origins"] == ["base"] and pending["extra"]["new_dependency"]
    assert "nowhere-to-be-found" in pending["needy"]["blocked_detail"]
    assert [(e["name"], e["because"]) for e in state["removals"]] == [("old", "fresh 1.0-1 obsoletes it.")]
    repositories = {entry["id"]: entry for entry in state["metadata"]["repositories"]}
    assert {name: entry["security"] for name, entry in repositories.items() if name != "third"} == {
        "base": False,
        "updates": True,
    }
    assert [entry["name"] for entry in state["installed"] if entry["held"]] == ["locked"]
    assert state["collector"] == "commands" and not state["not_seen"]


@pytest.mark.parametrize("kind", ["dnf4", "dnf5", "zypper"])
def test_the_document_fits_its_schema(world, kind, schema, monkeypatch):
    jsonschema = pytest.importorskip("jsonschema")
    root = world(kind)
    manager = "zypper" if kind == "zypper" else "dnf"
    document = room.collect(Options(manager=manager, bindings="never", root=str(root))).document
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["manager"] == manager and document["counts"]["blocked"] >= 3


@pytest.mark.parametrize("kind", ["dnf4", "dnf5", "zypper"])
def test_the_inputs_are_of_that_root_and_reach_every_index(world, kind):
    root = world(kind)
    manager = "zypper" if kind == "zypper" else "dnf"
    paths = registry.MANAGERS[manager].inputs(Options(root=str(root)))
    outside = [path for path in paths if not path.startswith(str(root))]
    assert outside == [_refresh_note.path(manager, str(root))] and len(set(paths)) == len(paths)
    for index in root.rglob("repomd.xml"):
        assert any(str(index) == path or str(index).startswith(path + "/") for path in paths)
    assert any(path.endswith("rpmdb.sqlite") for path in paths)


def test_a_repository_of_dnf_4_that_was_never_fetched_is_waited_for(world):
    root = world("dnf4")
    folder = root / "etc/yum.repos.d"
    folder.mkdir(parents=True)
    cache = str(root / "var/cache/dnf")
    for text, waits in [
        ("[base]\nname=b\n[updates]\n", False),
        ("[base]\n[new]\nenabled=1\n", True),
        ("[base]\n[new]\nname=n\nenabled = 0\n", False),
    ]:
        (folder / "all.repo").write_text(text)
        assert (cache in registry.MANAGERS["dnf"].inputs(Options(root=str(root)))) is waits


@pytest.mark.parametrize(
    "kind, tool, text, code, part",
    [
        ("dnf4", "dnf", "#!/bin/echo\n", "dnf_failed", "does not answer with JSON"),
        ("dnf4", "dnf", "no script\n", "dnf_failed", "does not say which Python runs it"),
        (
            "dnf4",
            "python-of-dnf",
            '#!/bin/sh\necho \'{"error": "Error: no."}\'\n',
            "dnf_failed",
            "metadata: Error: no. Try",
        ),
        ("dnf4", "rpm", "#!/bin/sh\necho 'error: db5 error(-30973)' >&2; exit 1\n", "package_database_damaged", "db5"),
        ("dnf5", "dnf5", "#!/bin/sh\necho 'Missing value' >&2; exit 1\n", "dnf_failed", "Missing value"),
        ("zypper", "zypper", "#!/bin/sh\necho broken\n", "zypper_failed", "no XML"),
        ("zypper", "zypper", "#!/bin/sh\necho 'Locked by pid 7' >&2; exit 7\n", "manager_locked", "Locked by pid 7"),
        (
            "zypper",
            "zypper",
            "#!/bin/sh\necho \"<stream><message type='error'>Bad repo.</message></stream>\"; exit 5\n",
            "zypper_failed",
            "Bad repo",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(world, tmp_path, kind, tool, text, code, part):
    root = world(kind)
    (tmp_path / "bin" / tool).write_text(text)
    with pytest.raises(UpkeepError) as caught:
        state_of(kind, root)
    assert caught.value.code == code and part in caught.value.message


def test_a_refresh_that_changes_nothing_and_one_that_fails(world, tmp_path):
    root = world("dnf4")
    answer = json.loads((tmp_path / "answer.json").read_text())
    interpreter = tmp_path / "bin/python-of-dnf"
    (tmp_path / "said").write_text(
        "Errors during downloading metadata for repository 'base':\n  - Curl error (6): https://me:secret@host/x\n"
    )
    refresh = f"makecache) touch {tmp_path}/refreshed; cat {tmp_path}/said >&2 ;; esac"
    interpreter.write_text(interpreter.read_text().replace("esac", refresh))
    state = state_of("dnf4", root, refresh="always")
    assert (tmp_path / "refreshed").exists() and not state["changed"]
    failures = [line for line in state["metadata"]["problems"] if line.startswith("Refresh: ")]
    assert [line.split(" failed: ")[0] for line in failures] == [
        "Refresh: the repository base",
        "Refresh: the repository updates",
    ]
    assert "Curl error (6): https://host/x" in failures[0]
    assert (state["metadata"]["stale"], state["metadata"]["refresh_ok"]) == (True, False)
    assert failures[0] in state_of("dnf4", root)["metadata"]["problems"]
    # A later refresh by somebody else makes that history.
    for repo in answer["repositories"]:
        repo["refreshed_at"] = 4000000000
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    assert not [p for p in state_of("dnf4", root)["metadata"]["problems"] if p.startswith("Refresh: ")]


@pytest.mark.parametrize("age, failed", [(0, False), (1, True)])
def test_metadata_that_is_young_may_have_failed_too(age, failed):
    """What was said of a repository counts unless it was renewed all the same, by another mirror."""
    now = time.time()
    facts = Facts("", [RpmRepo("base", True, fetched=True, refreshed_at=now - age)], [], [], [], [], [])
    said = Failures([], {"base": "no route"})
    asker = mock.Mock(tool="dnf")
    found = _rpm_state._failures(asker, facts, said, now, {"base": now - 1})
    assert found == (["Refresh: the repository base failed: no route."] if failed else [])


def test_nowhere_to_cache_is_no_endless_search():
    facts = Facts("", [], [], [], [], [], [], paths={"cache": ""})
    assert dnf._may_refresh(facts) is False


def test_check_mode_refreshes_nothing(world, tmp_path):
    root = world("dnf4")
    (tmp_path / "bin/python-of-dnf").write_text(
        f"#!/bin/sh\n[ $# = 2 ] && touch {tmp_path}/refreshed; cat {tmp_path}/answer.json"
    )
    assert state_of("dnf4", root, refresh="always", check_mode=True)["metadata"]["refresh_ok"] is None
    assert not (tmp_path / "refreshed").exists()


def test_zypper_tells_others_than_root_less_and_that_is_said(world, tmp_path):
    root = world("zypper")
    zypper, text = tmp_path / "bin/zypper", (tmp_path / "bin/zypper").read_text()
    refuse = (
        'if "--dry-run" in argv: print("<stream/>"); sys.exit(5)\nif argv[-1] == "list-updates": argv.append("--all")\n'
    )
    zypper.write_text(text.replace("for entry in said:", refuse + "for entry in said:"))
    state = {name: plain(value) for name, value in state_of("zypper", root).items()}
    assert any("only root can ask" in sentence for sentence in state["not_seen"])
    assert {entry["name"]: entry["security"] for entry in state["pending"]}["tool"] is True


def test_advisories_that_cannot_be_read_are_not_none_for_security(world):
    root = world("zypper")
    (root / CACHES["zypper"] / "updates/repodata/0-updateinfo.xml").write_text("<updates><update")
    metadata = state_of("zypper", root)["metadata"]
    assert metadata["stale"] and (
        "The advisories of the repository updates cannot be read: which updates are for security is unknown."
        in metadata["problems"]
    )


def remembered(kind, root):
    """Whether a second look is spared what the first one did."""
    options = Options(manager="zypper" if kind == "zypper" else "dnf", bindings="never", root=str(root))
    time.sleep(0.06)
    room.collect(options)
    return room.collect(options).document["unchanged_since"] is not None


LOGS = {
    "var/lib/rpm/rpmdb.sqlite-wal": ["dnf4", "dnf5", "zypper"],
    "var/lib/dnf/history.sqlite-wal": ["dnf4"],
    "usr/lib/sysimage/libdnf5/transaction_history.sqlite-wal": ["dnf5"],
}


@pytest.mark.parametrize("path, kind", [(path, kind) for path, kinds in LOGS.items() for kind in kinds])
def test_no_answer_serves_while_a_database_has_a_log(world, path, kind):
    root = world(kind)
    log = root / path
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    assert remembered(kind, root)
    log.write_text("a transaction")
    assert not remembered(kind, root)
    log.unlink()
    assert remembered(kind, root)


@pytest.mark.parametrize(
    "kind, path",
    [
        ("dnf4", "var/cache/dnf/metadata_lock.pid"),
        ("dnf4", "var/cache/dnf/download_lock.pid"),
        ("dnf4", "var/lib/dnf/rpmdb_lock.pid"),
        ("zypper", "run/zypp.pid"),
        ("zypper", "var/run/zypp.pid"),
    ],
)
def test_who_names_itself_in_a_file_is_looked_at_each_time(world, kind, path):
    root = world(kind)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    assert remembered(kind, root)
    process = subprocess.Popen(["sleep", "600"])
    try:
        (root / path).write_text(f"{process.pid}\n")
        options = Options(manager="zypper" if kind == "zypper" else "dnf", bindings="never", root=str(root))
        document = room.collect(options).document
        assert document["health"]["locked_by"] == f"{process.pid} sleep" and document["unchanged_since"]
    finally:
        process.kill()
        process.wait()
    assert room.collect(options).document["health"]["locked_by"] is None


def test_an_answer_out_of_other_folders_than_the_usual_is_not_kept(world, tmp_path):
    root = world("dnf4")
    assert remembered("dnf4", root)
    (root / "etc/dnf").mkdir(parents=True)
    for line, kept in (("reposdir=/srv/repos", False), ("varsdir = /srv/vars", False), ("#reposdir=/x", True)):
        (root / "etc/dnf/dnf.conf").write_text(f"[main]\n{line}\n")
        assert remembered("dnf4", root) is kept
    answer = json.loads((tmp_path / "answer.json").read_text())
    for folder in ("cache", "persist"):
        paths = {**answer["paths"], folder: f"{root}/srv"}
        (tmp_path / "answer.json").write_text(json.dumps({**answer, "paths": paths}))
        (root / "etc/dnf/dnf.conf").write_text(f"[main]\n{folder}dir=/srv\n")
        assert not remembered("dnf4", root)


def test_variables_of_yum_decide_too(world):
    root = world("dnf4")
    assert str(root / "etc/yum/vars") in registry.MANAGERS["dnf"].inputs(Options(root=str(root)))


def test_microdnf_alone(monkeypatch, tmp_path):
    from ansible_collections.proven.upkeep.plugins.module_utils.packages import dnf

    monkeypatch.setattr(dnf, "_which", lambda name: None)
    with pytest.raises(UpkeepError) as caught:
        dnf.program()
    assert caught.value.code == "manager_unsupported" and "install dnf" in caught.value.message


@pytest.mark.parametrize("kind", ["dnf4", "zypper"])
def test_bindings_that_are_not_there(world, kind):
    root = world(kind)
    options = {"manager": "zypper" if kind == "zypper" else "dnf", "bindings": "require", "root": str(root)}
    with pytest.raises(UpkeepError) as caught:
        registry.MANAGERS[options["manager"]].collect(Options(**options))
    assert caught.value.code == "bindings_missing"
