# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Out of one index and into another: all of it, once it is found whole."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import bundle
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited, Statement


def fill(path, source="debian", checked="2026-11-20T00:00:00Z", rows=1):
    with Index.open(path, create=True) as index, index.replacing(source, source, ["debian"], 86400) as load:
        load.add(Statement(source, "p", "source", f"CVE-2026-{each:04d}", "affected") for each in range(rows))
        load.add([Exploited("CVE-2026-0000", "2026-01-01T00:00:00Z")])
        load.checked_at = load.fetched_at = checked
    return path


@pytest.fixture
def here(tmp_path):
    return fill(tmp_path / "here/state/advisories.db")


@pytest.fixture
def there(tmp_path):
    return tmp_path / "there/state/advisories.db"


def names(path):
    return sorted(each.name for each in path.iterdir())


def rows(path, source="debian"):
    with Index.open(path) as index:
        return len(index.statements(source, "p"))


def test_there_and_back(here, there, tmp_path, validate):
    exported = bundle.export(here, tmp_path)
    validate(exported["manifest"], "advisories")
    assert exported["file"].endswith(".tar.gz") and exported["bytes"] > 0
    file = tmp_path / exported["file"]
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["manifest.json", "advisories.db"]
    foreseen = bundle.import_(file, there, check=True)
    assert foreseen["changed"] and not there.exists()
    imported = bundle.import_(file, there)
    assert imported["changed"] and imported["sources"] == ["debian"]
    with Index.open(here) as ours, Index.open(there) as theirs:
        assert ours.sources() == theirs.sources()
        assert ours.statements("debian", "p") == theirs.statements("debian", "p")
        assert theirs.exploited(["CVE-2026-0000"]) and theirs.first_published(["CVE-2026-0000"])
    assert not bundle.import_(file, there)["changed"]
    assert [name for name in names(there.parent) + names(here.parent) if "port" in name] == []


def test_only_the_sources_of_the_bundle_are_replaced(here, there, tmp_path):
    fill(there, "ubuntu", rows=3)
    fill(there, "debian", "2026-11-01T00:00:00Z", rows=7)
    bundle.import_(bundle.export(here, tmp_path / "x.tar.gz") and tmp_path / "x.tar.gz", there)
    assert (rows(there), rows(there, "ubuntu")) == (1, 3)


def test_an_older_one_is_refused_unless_forced(here, there, tmp_path):
    fill(there, checked="2026-11-21T00:00:00Z", rows=5)
    bundle.export(here, tmp_path / "x.tar.gz")
    with pytest.raises(UpkeepError) as caught:
        bundle.import_(tmp_path / "x.tar.gz", there)
    assert caught.value.code == "bundle_older" and "debian of 2026-11-20" in caught.value.message
    assert rows(there) == 5
    assert bundle.import_(tmp_path / "x.tar.gz", there, force=True)["changed"] and rows(there) == 1


def repacked(file, **changes):
    """The bundle with its manifest changed."""
    with tarfile.open(file) as archive:
        members = [(entry, archive.extractfile(entry).read()) for entry in archive]
    with tarfile.open(file, "w:gz") as archive:
        for entry, content in members:
            if entry.name == "manifest.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def flipped(file):
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[len(content) // 2] ^= 1
    file.write_bytes(gzip.compress(bytes(content)))


def with_a_trigger(file):
    """A file whose hashes are right, with something in it that is no table of ours."""
    database = file.with_name("evil.db")
    with tarfile.open(file) as archive:
        database.write_bytes(archive.extractfile("advisories.db").read())
    connection = sqlite3.connect(database)
    connection.execute("CREATE VIEW more AS SELECT 1")
    connection.commit()
    connection.close()
    manifest = {"bytes": database.stat().st_size, "sha256": bundle._sha256(database)}
    with tarfile.open(file) as archive:
        told = {**json.loads(archive.extractfile("manifest.json").read()), **manifest}
    bundle._packed(database, told, file)


DAMAGED = {
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-20]), "bundle_damaged"),
    "cut in the middle": (lambda file: file.write_bytes(file.read_bytes()[:400]), "bundle_damaged"),
    "a byte of the checksum": (lambda file: file.write_bytes(file.read_bytes()[:-8] + b"\0" * 8), "bundle_damaged"),
    "a byte of the index": (flipped, "bundle_damaged"),
    "no gzip": (lambda file: file.write_bytes(b"hello"), "bundle_damaged"),
    "an empty tar": (lambda file: tarfile.open(file, "w:gz").close(), "bundle_damaged"),
    "another hash": (lambda file: repacked(file, sha256="0" * 64), "bundle_damaged"),
    "smaller than it is": (lambda file: repacked(file, bytes=10), "bundle_damaged"),
    "a newer index": (lambda file: repacked(file, index_version=99), "bundle_version"),
    "another schema": (lambda file: repacked(file, schema="upkeep.advisories/2"), "bundle_version"),
    "other tables": (with_a_trigger, "bundle_damaged"),
    "gone": (lambda file: file.unlink(), "bundle_missing"),
}


@pytest.mark.parametrize(("damage", "code"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_whole_is_not_taken(here, there, tmp_path, damage, code):
    fill(there, "ubuntu")
    before = there.read_bytes()
    file = tmp_path / "x.tar.gz"
    bundle.export(here, file)
    damage(file)
    with pytest.raises(UpkeepError) as caught:
        bundle.import_(file, there)
    assert caught.value.code == code and str(file) in caught.value.message
    assert there.read_bytes() == before and [name for name in names(there.parent) if "import" in name] == []


def test_nothing_to_export(tmp_path):
    with pytest.raises(UpkeepError) as caught:
        bundle.export(tmp_path / "advisories.db", tmp_path / "x")
    assert caught.value.code == "index_missing"
    with Index.open(tmp_path / "advisories.db", create=True) as index:
        index.failed("debian", "Debian", ["debian"], 1, "no answer")
    with pytest.raises(UpkeepError) as caught:
        bundle.export(tmp_path / "advisories.db", tmp_path / "x")
    assert caught.value.code == "index_empty"


def test_a_place_that_cannot_be_written(here, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UpkeepError) as caught:
        bundle.export(here, tmp_path / "file/x.tar.gz")
    assert caught.value.code == "bundle_unwritable"


def test_readers_go_on_while_an_import_lands(here, there, tmp_path):
    fill(there, rows=9, checked="2026-11-01T00:00:00Z")
    bundle.export(here, tmp_path / "x.tar.gz")
    with Index.open(there) as reader:
        assert len(reader.statements("debian", "p")) == 9
        bundle.import_(tmp_path / "x.tar.gz", there)
        assert len(reader.statements("debian", "p")) == 1
    shutil.rmtree(there.parent)
