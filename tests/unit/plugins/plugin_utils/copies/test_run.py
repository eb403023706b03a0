# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of the vault: in a folder, and on real SFTP servers with a shell, without one, and that only take."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import far, places, run, take, upload
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies.store import FAR_HASH, READ_BACK
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from tests.unit.plugins.plugin_utils.copies.conftest import copy_on

pytestmark = pytest.mark.once
DAYS = [f"2026-11-{day:02d}T08:00:00Z" for day in range(1, 10)]


def wanted(last=0, **more):
    return run.Wanted("web1", "data", "far", {"last": last}, pause_s=0, **more)


def copied(vault, store, want, check=False):
    return run.run(places.vault(vault.home), vault.folder, store, want, check)


def names(folder):
    return sorted(path.name for path in (folder / "web1/data").iterdir())


def test_brings_what_the_vault_has_and_nothing_twice(vault, place, opened):
    copy, folder = place
    for day in DAYS[:2]:
        vault.add(day, content=day.encode() * 20000)
    with opened(copy) as store:
        planned = copied(vault, store, wanted(), check=True)
        assert planned["predicted"] and [one["created"] for one in planned["brought"]] == DAYS[1::-1]
        assert not folder.exists() or not list(folder.iterdir())
        first = copied(vault, store, wanted())
        again = copied(vault, store, wanted(seen={one["created"]: one["verified_at"] for one in first["entries"]}))
    assert [one["created"] for one in first["brought"]] == DAYS[1::-1]
    assert first["status"] == "ok" and not first["unchanged"] and first["kept"]["archives"] == 2
    ours = sorted(path.name for path in (vault.folder / "web1/data").iterdir())
    assert names(folder) == ours
    for name in ours:
        assert (folder / "web1/data" / name).read_bytes() == (vault.folder / "web1/data" / name).read_bytes() or (
            name.endswith(".json")
        )
        assert (folder / "web1/data" / name).stat().st_mode & 0o077 == 0
    assert again["unchanged"] and again["brought"] == [] and again["reverified"]["ok"] is True
    assert again["reverified"]["created"] in DAYS
    assert (first["verified_by"], again["verified_by"]) == (READ_BACK, READ_BACK)


@pytest.mark.parametrize(("kind", "by"), [("plain", FAR_HASH), ("sftp_only", READ_BACK)])
def test_the_far_side_hashes_where_a_shell_is_allowed(vault, servers, tmp_path, monkeypatch, kind, by):
    monkeypatch.setattr(far, "WORTH_ASKING", 0)
    folder = tmp_path / 'a copy\'s "$(folder)"'
    vault.add(DAYS[0])
    with places.opened(copy_on(servers(kind), folder), {}, vault.home, to_write=True) as store:
        document = copied(vault, store, wanted())
        assert (document["verified_by"], document["brought"][0]["verified_by"]) == (by, by)
        path = folder / "web1/data/20261101T080000Z.tar.gz"
        path.write_bytes(b"ARCHIVE")
        with pytest.raises(UpkeepError) as failed:
            copied(vault, store, wanted())
    assert failed.value.code == "copy_damaged"


def test_its_own_retention_never_the_newest_nor_the_verified(vault, place, opened):
    copy, folder = place
    entries = [vault.add(day, content=day.encode()) for day in DAYS[:4]]
    with opened(copy) as store:
        copied(vault, store, wanted())
        done = copied(vault, store, wanted(1, verified=[entries[0].archive_sha256]))
        left = [one["created"] for one in done["entries"]]
    if copy.get("append_only"):
        assert left == DAYS[3::-1] and done["removed"] == []
        return
    assert left == [DAYS[3], DAYS[0]]
    assert [one["created"] for one in done["removed"]] == [DAYS[2], DAYS[1]]
    assert all(name.startswith(("20261101", "20261104")) for name in names(folder)) and len(names(folder)) == 6


def test_a_clock_that_was_ahead_once_outranks_no_later_archive(vault, place, opened, tmp_path):
    copy, _folder = place
    ahead = "2038-01-19T03:14:07Z"
    vault.add(ahead, content=b"ahead", pulled_at=DAYS[0])
    with opened(copy) as store:
        copied(vault, store, wanted(1))
        for day in DAYS[1:4]:
            vault.add(day, content=day.encode())
            document = copied(vault, store, wanted(1))
            assert document["created"] == day and [one["created"] for one in document["brought"]] == [day]
        there = run.files.there(store, "web1", "data")
        assert take.find(store, "web1", "data", None, "far").created == DAYS[3]
        assert take.find(store, "web1", "data", ahead[:10], "far").created == DAYS[3]
    if not copy.get("append_only"):
        assert [one.created for one in there.entries] == [DAYS[3], ahead]


def test_a_cut_upload_goes_on_where_it_stopped(vault, place, opened):
    copy, folder = place
    one = vault.add(DAYS[0], content=os.urandom(3 << 20))
    (folder / "web1/data").mkdir(parents=True)
    begun = folder / "web1/data" / (one.archive + ("" if copy.get("append_only") else ".part"))
    begun.write_bytes((vault.folder / "web1/data" / one.archive).read_bytes()[: 1 << 20])
    with opened(copy) as store:
        done = copied(vault, store, wanted())
        there = run.files.there(store, "web1", "data")
    (brought,) = done["brought"]
    if copy.get("append_only"):  # what is there cannot be continued: a second file, under a name of its own
        assert (brought["resumed_from"], brought["archive"]) == (0, "20261101T080000Z.2.tar.gz")
        assert there.entries[0].archive == brought["archive"] and done["swept"] == []
    else:
        assert (brought["resumed_from"], brought["sent"]) == (1 << 20, 2 << 20)
    assert (folder / "web1/data" / brought["archive"]).stat().st_size == 3 << 20


def test_a_begun_upload_of_something_else_is_sent_anew(vault, tmp_path, opened):
    folder = tmp_path / "copy"
    one = vault.add(DAYS[0], content=b"x" * 5000)
    (folder / "web1/data").mkdir(parents=True)
    (folder / "web1/data" / (one.archive + ".part")).write_bytes(b"y" * 900)
    with opened({"name": "disk", "path": str(folder), "require_mount": False}) as store:
        (brought,) = copied(vault, store, wanted())["brought"]
    assert (brought["resumed_from"], brought["sent"]) == (0, 4100 + 5000)


def test_damage_is_found_named_and_stops_removal(vault, place, opened):
    copy, folder = place
    for day in DAYS[:3]:
        vault.add(day, content=day.encode())
    with opened(copy) as store:
        copied(vault, store, wanted())
        broken = folder / "web1/data/20261101T080000Z.tar.gz"
        broken.write_bytes(b"0000-11-01T08:00:00Z")
        seen = {DAYS[1]: DAYS[5], DAYS[2]: DAYS[5]}
        with pytest.raises(UpkeepError) as failed:
            copied(vault, store, wanted(1 if copy.get("append_only") else 3, seen=seen))
    error = failed.value
    assert error.code == "copy_damaged" and "20261101T080000Z.tar.gz" in error.message and "vault" in error.message
    document = error.details["data"]
    assert document["status"] == "failed" and document["removed"] == [] and document["reverified"]["ok"] is False
    assert {one["created"]: one["verified_at"] for one in document["entries"]}[DAYS[0]] is None


def test_the_least_recently_verified_is_looked_at(vault, place, opened):
    copy, _folder = place
    for day in DAYS[:3]:
        vault.add(day)
    seen = {DAYS[0]: DAYS[7], DAYS[1]: DAYS[5], DAYS[2]: DAYS[6]}
    with opened(copy) as store:
        copied(vault, store, wanted())
        looked = []
        for _number in range(3):
            document = copied(vault, store, wanted(seen=seen))
            looked.append(document["reverified"]["created"])
            seen = {one["created"]: one["verified_at"] for one in document["entries"]}
        too_large = copied(vault, store, wanted(reverify_bytes=3))["reverified"]
    assert looked == [DAYS[1], DAYS[2], DAYS[0]]
    assert too_large["ok"] is None and "reverify_bytes" in too_large["why"]


def test_a_cut_index_entry_and_leftovers(vault, place, opened):
    copy, folder = place
    one = vault.add(DAYS[0])
    there = folder / "web1/data"
    there.mkdir(parents=True)
    (there / one.entry).write_text('{"schema": "upkeep.vau')
    (there / "20261009T000000Z.tar.zst.part").write_text("begun once")
    os.utime(there / "20261009T000000Z.tar.zst.part", (0, 0))
    (there / "20261010T000000Z.tar.zst.part").write_text("being brought by another controller")
    (there / "notes.txt").write_text("somebody's own")
    with opened(copy) as store:
        document = copied(vault, store, wanted())
        again = copied(vault, store, wanted())
    assert document["brought"] and document["kept"]["archives"] == 1 and document["unreadable"] == []
    assert again["status"] == "ok" and again["brought"] == []
    assert ("20261101T080000Z.2.json" in names(folder)) == bool(copy.get("append_only"))
    if not copy.get("append_only"):
        assert document["swept"] == ["20261009T000000Z.tar.zst.part"]
    assert "notes.txt" in names(folder)


def test_an_archive_that_was_cut_is_not_there(vault, place, opened):
    copy, folder = place
    one = vault.add(DAYS[0], content=b"whole")
    with opened(copy) as store:
        copied(vault, store, wanted())
        (folder / "web1/data" / one.archive).write_bytes(b"")
        with pytest.raises(UpkeepError) as failed:
            take.find(store, "web1", "data", None, "far")
        assert f"{one.entry} does not count" in failed.value.message and "0 bytes of 5" in failed.value.message
        document = copied(vault, store, wanted())
        entry = take.find(store, "web1", "data", None, "far")
    assert document["status"] == "ok" and [each["created"] for each in document["brought"]] == [DAYS[0]]
    assert (folder / "web1/data" / entry.archive).read_bytes() == b"whole"


def test_an_archive_whose_entry_is_lost_is_left_and_named(vault, tmp_path, opened):
    """It may be the last one that there is: the vault no longer has it."""
    folder = tmp_path / "copy/web1/data"
    old = vault.add(DAYS[0])
    with opened({"name": "disk", "path": str(tmp_path / "copy"), "require_mount": False}) as store:
        copied(vault, store, wanted())
        index.remove(vault.folder / "web1/data", old)
        vault.add(DAYS[1])
        (folder / old.entry).unlink()
        for name in (old.archive, old.manifest):
            os.utime(folder / name, (0, 0))
        for check in (True, False):
            document = copied(vault, store, wanted(1), check)
            assert (document["swept"], document["unclaimed"]) == ([], [old.archive, old.manifest])
    assert (folder / old.archive).read_bytes() == b"archive"


def test_what_went_from_the_vault_meanwhile_is_skipped(vault, place, opened, monkeypatch):
    copy, _folder = place
    entries = [vault.add(day, content=day.encode()) for day in DAYS[:2]]
    planned, here = run.planned, vault.folder / "web1/data"

    def pruned(*given):
        index.remove(here, entries[0])
        return planned(*given)

    monkeypatch.setattr(run, "planned", pruned)
    with opened(copy) as store:
        document = copied(vault, store, wanted())
        assert [one["created"] for one in document["brought"]] == [DAYS[1]] and document["status"] == "ok"
        assert [one["created"] for one in document["skipped"]] == [DAYS[0]]
        vault.add(DAYS[2])
        monkeypatch.setattr(run, "planned", lambda *given: (loop(here), planned(*given))[1])
        with pytest.raises(UpkeepError) as failed:
            copied(vault, store, wanted())
    assert failed.value.code == "vault_damaged" and failed.value.details["data"]["status"] == "failed"


def loop(folder):
    """The archive of the third day can no longer be opened."""
    path = folder / "20261103T080000Z.tar.gz"
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("more", [{"host": "web2"}, {"backup": "etc"}, {"created": DAYS[1]}])
def test_an_entry_that_belongs_elsewhere_does_not_count(vault, tmp_path, opened, more):
    one = vault.add(DAYS[0])
    folder = tmp_path / "copy"
    with opened({"name": "disk", "path": str(folder), "require_mount": False}) as store:
        copied(vault, store, wanted())
        path = folder / "web1/data" / one.entry
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
        with pytest.raises(UpkeepError) as failed:
            take.find(store, "web1", "data", None, "far")
        assert failed.value.code == "vault_missing" and "does not belong there" in failed.value.message
        assert [each["created"] for each in copied(vault, store, wanted())["brought"]] == [DAYS[0]]


def test_sealed_anew_takes_the_place_of_what_was_there(vault, place, opened):
    copy, folder = place
    vault.add(DAYS[0], content=b"to one key")
    with opened(copy) as store:
        copied(vault, store, wanted())
        os.utime(folder / "web1/data/20261101T080000Z.tar.gz", (0, 0))
        new = vault.add(DAYS[0], content=b"to two keys")
        document = copied(vault, store, wanted())
        (entry,) = run.files.there(store, "web1", "data").entries
    assert entry.sha256 == new.sha256 and len(document["brought"]) == 1
    assert (folder / "web1/data" / entry.archive).read_bytes() == b"to two keys"
    assert ("20261101T080000Z.tar.gz" in names(folder)) == bool(copy.get("append_only"))


SEALED = {"program": "age", "recipients": ["age1aaa"], "at": DAYS[0]}


def test_with_encryption_on_nothing_plain_leaves_the_vault(vault, place, opened):
    copy, folder = place
    vault.add(DAYS[0], content=b"plain, and there already")
    with opened(copy) as store:
        copied(vault, store, wanted())
        vault.add(DAYS[1], content=b"plain text")
        vault.add(DAYS[2], content=b"sealed", sealed=SEALED)
        vault.add(DAYS[3], content=b"plain and newest")
        planned = copied(vault, store, wanted(2, sealed_only=True), check=True)
        done = copied(vault, store, wanted(2, sealed_only=True))
        sealed = {one["created"]: one["sealed"] for one in done["entries"]}
    assert [one["created"] for one in done["brought"]] == [DAYS[2]] == [one["created"] for one in planned["brought"]]
    assert (planned["left_plain"], done["left_plain"]) == (2, 2) and not done["removed"]
    assert sealed == {DAYS[2]: True, DAYS[0]: False}
    assert not [path for path in folder.rglob("*") if path.is_file() and b"plain text" in path.read_bytes()]


def test_with_nothing_sealed_yet_a_copy_gets_nothing(vault, place, opened):
    copy, _folder = place
    vault.add(DAYS[0])
    with opened(copy) as store:
        done = copied(vault, store, wanted(sealed_only=True))
    assert (done["status"], done["created"], done["left_plain"], done["brought"]) == ("ok", None, 1, [])


def test_what_is_damaged_in_the_vault_is_not_the_copys_fault(vault, place, opened):
    copy, folder = place
    one = vault.add(DAYS[0])
    (vault.folder / "web1/data" / one.archive).write_bytes(b"ARCHIVE")
    with opened(copy) as store, pytest.raises(UpkeepError) as failed:
        copied(vault, store, wanted())
    assert failed.value.code == "vault_damaged" and one.archive in failed.value.message
    assert one.entry not in names(folder)


def test_an_empty_vault(vault, place, opened):
    copy, _folder = place
    with opened(copy) as store, pytest.raises(UpkeepError) as failed:
        copied(vault, store, wanted())
    assert failed.value.code == "vault_empty" and "backup_vault" in failed.value.message


def test_taken_back_equal_or_not_at_all(vault, place, opened, tmp_path):
    copy, folder = place
    content = os.urandom((5 << 20) + 17)
    one = vault.add(DAYS[0], content=content)
    with opened(copy) as store:
        copied(vault, store, wanted())
        entry = take.find(store, "web1", "data", None, "far")
        taken = take.take(store, entry, tmp_path / "taken", None)
        assert taken.archive.read_bytes() == content and taken.manifest.read_bytes() == b"manifest"
        for host, backup, there in (("web1", "etc", "of that host: data"), ("web2", "data", "archives of web1")):
            with pytest.raises(UpkeepError) as failed:
                take.find(store, host, backup, None, "far")
            assert failed.value.code == "vault_missing" and there in failed.value.message
        with pytest.raises(UpkeepError) as failed:
            take.find(store, "web1", "data", "2026-10-01", "far")
        assert DAYS[0] in failed.value.message
        path = folder / "web1/data" / one.archive
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(UpkeepError) as failed:
            take.take(store, entry, tmp_path / "other", None)
        assert failed.value.code == "copy_damaged" and not list((tmp_path / "other").iterdir())
        path.write_bytes(content[: 1 << 20])
        with pytest.raises(UpkeepError):
            take.take(store, entry, tmp_path / "short", None)


def test_a_line_that_breaks_is_tried_again(vault, servers, tmp_path, monkeypatch):
    sshd = servers("sftp_only")
    vault.add(DAYS[0], content=os.urandom(6 << 20))
    cuts = []

    def cutting(stream, source):
        if len(cuts) < 2 and stream.tell() >= (3 + len(cuts)) << 20:  # what came through of a piece may be any part
            cuts.append(sshd.cut())
        return stream.read(1 << 20)

    monkeypatch.setattr(upload, "_piece", cutting)
    said = []
    with places.opened(copy_on(sshd, tmp_path / "copy"), {}, vault.home, to_write=True) as store:
        document = run.run(places.vault(vault.home), vault.folder, store, wanted(), say=said.append)
    assert len(cuts) == 2 and sum("Trying again" in line for line in said) >= 1
    (brought,) = document["brought"]
    assert brought["resumed_from"] > 0 and document["status"] == "ok"


@pytest.mark.parametrize("kind", ["mounted", "sftp_only"])
def test_a_full_disk_and_a_closed_one(vault, servers, tmp_path, kind, monkeypatch):
    """A real tmpfs of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root and CAP_SYS_ADMIN")
    try:
        vault.add(DAYS[0], content=b"small")
        copy = {"name": "disk", "path": str(disk)} if kind == "mounted" else copy_on(servers(kind), disk)
        with places.opened(copy, {}, vault.home, to_write=True) as store:
            copied(vault, store, wanted())
            vault.add(DAYS[1], content=os.urandom(4 << 20))
            with pytest.raises(UpkeepError) as failed:
                copied(vault, store, wanted(1))
            assert failed.value.code == "copy_full" and "make room" in failed.value.message
            assert failed.value.details["data"]["kept"]["archives"] == 1
            assert "20261101T080000Z.tar.gz" in names(disk) and not any("part" in name for name in names(disk))
            # What goes anyway makes room for what comes; the newest, verified, stays until that is there.
            index.remove(vault.folder / "web1/data", vault.add(DAYS[1]))
            for day in DAYS[2:5]:
                vault.add(day, content=os.urandom(900_000))
                healed = copied(vault, store, wanted(2))
            assert [one["created"] for one in healed["entries"]] == [DAYS[4], DAYS[3]]
            monkeypatch.setattr(type(store), "free", lambda *given: None)
            vault.add(DAYS[5], content=os.urandom(900_000))
            with pytest.raises(UpkeepError) as failed:
                copied(vault, store, wanted(2))
        assert failed.value.code == "copy_full" and not any("part" in name for name in names(disk))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    if kind == "mounted":
        with pytest.raises(UpkeepError) as failed, places.opened(copy, {}, vault.home, to_write=True):
            pass
        assert failed.value.code == "copy_not_mounted" and "require_mount" in failed.value.message


def test_a_refused_folder_and_a_server_that_is_not_there(vault, servers, tmp_path):
    vault.add(DAYS[0])
    sshd = servers("sftp_only")
    (tmp_path / "file").write_text("in the way")
    cases = [
        (copy_on(sshd, "/proc/upkeep"), ("copy_failed", "copy_unwritable", "copy_full")),
        (copy_on(sshd, tmp_path / "file/copy"), ("copy_failed", "copy_full")),
        ({**copy_on(sshd, tmp_path), "port": 1}, ("host_unreachable",)),
    ]
    for copy, codes in cases:
        with places.opened(copy, {}, vault.home, to_write=True) as store, pytest.raises(UpkeepError) as failed:
            copied(vault, store, wanted())
        assert failed.value.code in codes, failed.value.message
        assert failed.value.details["data"]["status"] == "failed"


def test_secrets_are_named_never_shown(vault):
    copy = {"name": "far", "sftp": "nowhere", "path": "x", "secret": "far_login"}
    with pytest.raises(UpkeepError) as failed, places.opened(copy, {"other": "s3cr3t"}, vault.home):
        pass
    assert failed.value.code == "secret_missing" and "far_login" in failed.value.message
    with places.opened(copy, {"far_login": "s3cr3t"}, vault.home) as store:
        assert "s3cr3t" not in repr(store.target) + store.place
    for wrong, code in (({"name": "a"}, "bad_parameter"), ({"name": "a", "path": "b"}, "bad_parameter")):
        with pytest.raises(UpkeepError) as failed, places.opened(wrong, {}, vault.home):
            pass
        assert failed.value.code == code
    with pytest.raises(UpkeepError) as failed:
        places.named([copy], "off")
    assert failed.value.code == "copy_unknown" and "far" in failed.value.message


@pytest.mark.parametrize("port", ["abc", 0, 70000, -1, [22]])
def test_a_port_that_is_none(vault, port):
    copy = {"name": "far", "sftp": "nowhere", "path": "x", "port": port}
    with pytest.raises(UpkeepError) as failed, places.opened(copy, {}, vault.home):
        pass
    assert failed.value.code == "bad_parameter" and "the port of the copy far" in failed.value.message


def test_the_document_fits_its_schema(vault, place, opened, validate):
    copy, _folder = place
    vault.add(DAYS[0])
    with opened(copy) as store:
        for check in (True, False, False):
            document = copied(vault, store, wanted(), check)
            validate(document, "copy")
