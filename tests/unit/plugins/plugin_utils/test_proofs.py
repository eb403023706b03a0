# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import multiprocessing

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, proof_chain, proofs


@pytest.fixture(name="drill")
def drill_fixture(samples):
    def made(host="web1", **more):
        return {"project": "shop", "host": host, **samples.restore(**more)}

    return made


def test_backup_evidence_advances_on_complete_backups_only(home, open_run, record, samples):
    run = open_run("r1", ["backup"], ["web1"])
    place = home / "backups/hosts/web1/etc/last_success.json"
    record(run, "web1", "backup", {"data": samples.backup(complete=False)})
    record(run, "web1", "backup", {"failed": True, "msg": "no", "data": samples.backup()})
    assert not place.exists()
    record(run, "web1", "backup", {"data": samples.backup()})
    document = json.loads(place.read_text())
    assert list(document)[:4] == ["schema", "project", "host", "backup"]
    assert (document["project"], document["host"], document["complete"]) == ("shop", "web1", True)
    record(run, "web1", "backup", {"data": samples.backup(complete=False, created="later")})
    assert json.loads(place.read_text()) == document


def test_the_workflows_set_has_its_own_place(home, open_run, record, samples):
    run = open_run("r1", ["backup", "restore_test"], ["web1"])
    record(run, "localhost", "backup", {"data": samples.backup(backup="workflows")})
    record(run, "localhost", "restore_test", {"data": samples.restore(backup="workflows")})
    record(run, "web1", "backup", {"data": samples.backup(backup="workflows")})
    present = sorted(str(path.relative_to(home)) for path in (home / "backups").rglob("*.*") if path.is_file())
    assert [name for name in present if "proofs" not in name and "evidence" not in name] == [
        "backups/hosts/web1/workflows/last_success.json",
        "backups/last_restore.json",
        "backups/last_success.json",
        "backups/restore-proof.txt",
    ]
    assert list(evidence.sets(home)) == [("localhost", "workflows"), ("web1", "workflows")]


def test_a_drill_leaves_a_chained_proof(home, open_run, record, samples, validate):
    run = open_run("r1", ["restore_test"], ["web1"])
    item = {"name": "etc", "rto_target": 1, "rpo_target": 7200}
    record(run, "web1", "restore_test", {"results": [{"item": item, "data": samples.restore()}]})
    record(run, "web1", "restore_test", {"failed": True, "msg": "no", "error_code": "e", "data": samples.restore()})
    record(run, "web1", "restore_test", {"unreachable": True})
    files = sorted(path.name for path in (home / "backups/proofs").iterdir())
    assert files == [f"20261123T090002Z-web1-etc{end}" for end in (".2.json", ".2.txt", ".json", ".txt")]
    first, second = (json.loads((home / "backups/proofs" / name).read_text()) for name in (files[2], files[0]))
    validate(first, "proof")
    validate(second, "proof")
    assert (first["previous_proof"], first["previous_proof_sha256"]) == (None, None)
    assert second["previous_proof"] == files[2] and second["status"] == "failed" and second["reason"] == "e: no"
    assert (first["rto_target_ms"], first["rpo_target_ms"], first["rpo_ms"]) == (1000, 7_200_000, 3_600_000)
    assert json.loads((home / "backups/hosts/web1/etc/last_restore.json").read_text()) == second
    assert (home / "backups/hosts/web1/etc/restore-proof.txt").read_text() == (
        home / "backups/proofs" / files[1]
    ).read_text()
    chain = proof_chain.verify(home)
    assert (chain.proofs, chain.head, chain.problems) == (2, files[0], [])


def test_a_proof_reads_as_an_auditor_wants_it(home, drill):
    hostile = {"path": "a\n\x1b[31mb", "why": "sha256"}
    assert "RTO:             2.0 s, target 1.0 s: MISSED" in proofs.append(home, drill(rto_target_ms=1000)).text
    text = proofs.append(home, drill(corrupt_files=["etc/x", hostile], status="failed", rto_target_ms=9000)).text
    for words in (
        "RESTORE PROOF  FAILED", "Backup of:       web1, set etc", "1,924 verified of 1,924 expected",
        "RTO:             not measured, the drill did not succeed", "RPO:             not measured", "corrupt: etc/x",
        "corrupt: a\\x0a\\x1b[31mb (sha256)", "does not stop", "Previous proof:  20261123T090002Z-web1-etc.json",
    ):  # fmt: skip
        assert words in text
    assert text.splitlines()[-1].startswith("sha256 of the text above: ")


def test_an_altered_record_is_not_said_of_its_text(home, drill):
    name = proofs.append(home, drill()).path
    _edit(name)
    told = proof_chain.verify(home).problems
    assert told and all(problem.startswith(f"{name.name}: altered") for problem in told)


def test_drift_does_not_read_like_damage(home, drill):
    drift = {"error_code": "drift_found", "msg": "compare: 2 differences"}
    drifted = {"status": "failed", "reason": "drift_found: compare: 2 differences", "missing_files": ["etc/gone"]}
    text = proofs.append(home, drill(failures=[drift], **drifted)).text
    assert "FAILED: it restored as it should, but the live files" in text and "  live files, missing: etc/gone" in text
    assert text.count("drift_found: compare: 2 differences") == 1
    check = {"error_code": "check_failed", "msg": "checks: load ended with 1"}
    text = proofs.append(home, drill(failures=[drift, check], **drifted)).text
    assert "FAILED: the backup did not restore" in text and "  check_failed: checks: load ended with 1" in text
    text = proofs.append(home, drill(failures=[drift], files_verified=1923, **drifted)).text
    assert "FAILED: the backup did not restore" in text and "  missing: etc/gone" in text


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder, names: (folder / names[0]).unlink(), "00Z-web1-etc.json: lost, "),
        (lambda folder, names: (folder / names[2]).unlink(), "02Z-web1-etc.json: lost, it was the last one written"),
        (lambda folder, names: _edit(folder / names[0]), "00Z-web1-etc.json: altered, its sha256"),
        (lambda folder, names: _edit(folder / names[2]), "02Z-web1-etc.json: altered, its sha256"),
        (lambda folder, names: _edit((folder / names[1]).with_suffix(".txt")), "01Z-web1-etc.txt: altered"),
        (lambda folder, names: (folder / names[1]).with_suffix(".txt").unlink(), "01Z-web1-etc.txt: lost"),
        (lambda folder, names: (folder / names[1]).write_text("{"), "01Z-web1-etc.json: altered, it is no proof"),
        (lambda folder, names: (folder.parents[1] / "state/proofs-head.json").unlink(), "proofs-head.json: lost"),
    ],
)
def test_a_lost_or_altered_proof_shows(home, drill, damage, told):
    names = [proofs.append(home, drill(finished=f"2026-11-23T09:00:0{n}Z")).path.name for n in range(3)]
    assert proof_chain.verify(home).problems == []
    damage(home / "backups/proofs", names)
    assert any(told in problem for problem in proof_chain.verify(home).problems)


def _edit(path):
    path.write_text(path.read_text().replace("1924", "1925").replace("1,924", "1,925"))


def test_a_writer_that_was_killed_before_its_note_does_not_fork_the_chain(home, drill):
    proofs.append(home, drill())
    note = (home / "state/proofs-head.json").read_bytes()
    second = proofs.append(home, drill())
    (home / "state/proofs-head.json").write_bytes(note)
    third = proofs.append(home, drill())
    assert third.document["previous_proof"] == second.path.name
    assert proof_chain.verify(home).problems == []


def test_a_lost_proof_stays_visible_after_later_ones(home, drill):
    proofs.append(home, drill())
    lost = proofs.append(home, drill()).path
    lost.unlink()
    lost.with_suffix(".txt").unlink()
    later = [proofs.append(home, drill(finished="2026-11-23T10:00:00Z")).document for n in range(2)]
    assert later[0]["previous_proof"] == lost.name and later[1]["previous_proof"] != lost.name
    assert proof_chain.verify(home).problems == [f"{lost.name}: lost, 20261123T100000Z-web1-etc.json follows it"]


def _append(home, document):
    proofs.append(home, document)


def test_parallel_writers_make_one_chain(home, drill):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append, args=(home, drill(host=f"h{n}"))) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    chain = proof_chain.verify(home)
    assert (chain.proofs, chain.problems) == (8, [])


@pytest.mark.parametrize("broken", ["txt", "json"])
def test_a_proof_is_there_whole_or_not_at_all(home, drill, monkeypatch, broken):
    folder = home / "backups/proofs"
    first = proofs.append(home, drill()).path
    link = proofs.os.link

    def full(source, target):
        if str(target).endswith(broken):
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(proofs.os, "link", full)
    with pytest.raises(OSError, match="No space"):
        proofs.append(home, drill())
    assert sorted(path.name for path in folder.iterdir()) == [first.name, first.with_suffix(".txt").name]
    monkeypatch.setattr(proofs.os, "link", link)
    proofs.append(home, drill())
    assert proof_chain.verify(home).problems == []


def test_what_a_killed_writer_left_is_no_proof_and_is_swept(home, drill):
    proofs.append(home, drill())
    left = home / "backups/proofs" / ".upkeep-tmp-x"
    left.write_text('{"half')
    chain = proof_chain.verify(home)
    assert (chain.proofs, chain.problems) == (1, [])
    proofs.append(home, drill())
    assert not left.exists() and proof_chain.verify(home).proofs == 2


def test_each_proof_is_read_once(home, drill, monkeypatch):
    for _number in range(3):
        proofs.append(home, drill())
    read = []
    original = proofs.Path.read_bytes
    monkeypatch.setattr(proofs.Path, "read_bytes", lambda path: (read.append(path.name), original(path))[1])
    assert proof_chain.verify(home).problems == []
    assert len(read) == len(set(read)) == 7  # three proofs with their texts, and the head
