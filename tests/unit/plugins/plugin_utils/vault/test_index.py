# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as being in the vault, and which of it is meant."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

DAYS = ["2026-11-20T01:02:03Z", "2026-11-21T01:02:03Z", "2026-11-22T01:02:03Z"]


def one(created: str, host: str = "web/1", **more) -> index.Vaulted:
    stem = created.replace("-", "").replace(":", "")
    made = index.Vaulted(
        host, "etc", created, created, f"{stem}.tar.zst", 3, "aa", "aa", f"{stem}.manifest.jsonl.gz", "bb"
    )
    return replace(made, **more)


@pytest.fixture
def home(tmp_path):
    folder = index.place(tmp_path, "web/1", "etc")
    folder.mkdir(parents=True)
    for created in DAYS:
        entry = one(created)
        for name in (entry.archive, entry.manifest):
            (folder / name).write_bytes(b"abc")
        index.add(folder, entry)
    return tmp_path


def test_newest_first_and_by_host(home):
    assert [each.created for each in index.entries(home, "web/1", "etc")] == DAYS[::-1]
    assert index.entries(home, "web/1", "srv") == [] == index.entries(home, "web", "etc")
    assert index.place(home, "web/1", "etc") == home / "backups/vault/web%2F1/etc"


@pytest.mark.parametrize(
    ("at", "created"),
    [(None, DAYS[2]), ("", DAYS[2]), ("latest", DAYS[2]), ("2026-11-21", DAYS[1]), (DAYS[0], DAYS[0]),
     ("20261121T010202Z", DAYS[0])],
)  # fmt: skip
def test_at(home, at, created):
    assert index.find(home, "web/1", "etc", at).created == created


@pytest.mark.parametrize(
    ("at", "code", "said"),
    [("2026-11-19", "vault_missing", "made until 2026-11-19T23:59:59Z; there are 2026-11-22"),
     ("soon", "bad_parameter", "soon")],
)  # fmt: skip
def test_at_that_is_not_there(home, at, code, said):
    with pytest.raises(UpkeepError, match=said) as raised:
        index.find(home, "web/1", "etc", at)
    assert raised.value.code == code


def test_nothing_at_all(tmp_path):
    with pytest.raises(UpkeepError, match="no archive of etc of web1; there are none at all"):
        index.find(tmp_path, "web1", "etc")


@pytest.mark.parametrize(
    "harm", ["no archive", "short archive", "no manifest", "no document", "cut document", "renamed"]
)
def test_what_is_not_whole_does_not_count(home, harm):
    folder, entry = index.place(home, "web/1", "etc"), one(DAYS[2])
    document = folder / entry.entry
    archive, manifest = folder / entry.archive, folder / entry.manifest
    {
        "no archive": archive.unlink,
        "short archive": lambda: archive.write_bytes(b"ab"),
        "no manifest": manifest.unlink,
        "no document": document.unlink,
        "cut document": lambda: document.write_bytes(document.read_bytes()[:-9]),
        "renamed": lambda: document.rename(folder / "20301121T010203Z.json"),
    }[harm]()
    assert [each.created for each in index.entries(home, "web/1", "etc")] == DAYS[1::-1]


@pytest.mark.parametrize("name", ["../x.tar", "", "..", "a/b", 7, None])
def test_a_document_that_names_no_file_of_its_folder(name):
    with pytest.raises((TypeError, ValueError)):
        index.Vaulted.from_document({**one(DAYS[0]).document(), "archive": name})


def test_later_fields_are_passed_over_and_all_come_back():
    entry = one(
        DAYS[0], sealed={"program": "age", "recipients": ["age1x"], "at": DAYS[0]}, files=4, machine={"nodename": "w"}
    )
    assert index.Vaulted.from_document(json.loads(json.dumps({**entry.document(), "later": 1}))) == entry


def test_the_newest_is_what_came_last(home):
    folder, early = index.place(home, "web/1", "etc"), one("2031-01-01T00:00:00Z", pulled_at="2026-11-20T12:00:00Z")
    for name in (early.archive, early.manifest):
        (folder / name).write_bytes(b"abc")
    index.add(folder, early)
    assert index.find(home, "web/1", "etc").created == DAYS[2]


def test_removed(home):
    folder = index.place(home, "web/1", "etc")
    index.remove(folder, one(DAYS[1]))
    assert [each.created for each in index.entries(home, "web/1", "etc")] == [DAYS[2], DAYS[0]]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("20261121")) == []
