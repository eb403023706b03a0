# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sources into the index: whole or not at all, each for itself."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import timedelta

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import fleet, load, registry, releases
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.fetch import Fetcher, Settings
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index

from tests.feeds import FILES, KEV, TRACKER, UBUNTU, archive

RELEASES = frozenset({"debian:12", "ubuntu:22.04", "alpine:3.22"})
NAMES = ("debian", "ubuntu", "alpine", "kev", "epss")


@pytest.fixture(name="update")
def update_fixture(tmp_path, mirror):
    """update() brings the index up to date from the mirror; `said` are the lines."""

    def update(*names, releases=RELEASES, max_age=0, **settings):
        fetcher = Fetcher(tmp_path / "cache", Settings(**{"mirror": str(mirror), **settings}), lambda pause: None)
        done = load.update(update.path, registry.named(names or NAMES), releases, fetcher, max_age, update.said.append)
        return {each.source: each for each in done}

    update.said = []
    update.path = tmp_path / "advisories.db"
    return update


@pytest.fixture(name="index")
def index_fixture(update):
    """index() opens what update() made."""
    opened = []

    def index():
        opened.append(Index.open(update.path))
        return opened[-1]

    yield index
    for each in opened:
        each.close()


def states(outcomes):
    return {name: outcome.state for name, outcome in outcomes.items()}


def test_every_source_is_loaded_and_joined(update, index):
    assert set(states(update()).values()) == {"loaded"}
    (fixed, *rest) = index().statements("debian:12", "openssl")
    assert (fixed.fixed, fixed.advisory, fixed.advisory_published) == (
        "3.0.18-1~deb12u2", "DSA-6113-1", "2026-01-27T00:00:00Z",
    )  # fmt: skip
    assert len(rest) == 6 and not any(each.advisory for each in rest)
    (netty,) = index().statements("ubuntu:22.04", "netty")
    assert (netty.advisory, netty.advisory_published) == ("USN-7284-1", "2025-02-20T17:40:04Z")
    assert index().releases() == RELEASES, "what the fleet does not run is left out"
    assert index().exploited(["CVE-2026-22795"]) and index().scores(["CVE-2026-22795"])
    assert {each.name: each.generated_at for each in index().sources() if each.name != "debian"} == {
        "ubuntu": "2026-06-01T00:00:00Z",
        "alpine": None,
        "kev": "2026-11-20T17:04:19Z",
        "epss": "2026-11-22T12:55:00Z",
    }
    assert update.said[0].startswith("debian: ") and update.said[0].endswith("10 rows loaded")


def test_without_releases_all_are_loaded(update, index):
    update("debian", releases=set())
    assert index().releases() == {"debian:12", "debian:13"}


def test_the_join_prefers_the_very_version_then_the_first(update, index, mirror):
    (mirror / "debian/DSA.list").write_text(
        "[03 Mar 2026] DSA-3-1 openssl - x\n\t{CVE-2026-22795}\n\t[bookworm] - openssl 3.0.19-1\n"
        "[02 Mar 2026] DSA-2-1 openssl - x\n\t{CVE-2026-22795}\n\t[bookworm] - openssl 3.0.18-1~deb12u2\n"
        "[01 Mar 2026] DSA-1-1 openssl - x\n\t{CVE-2026-22795}\n\t[bookworm] - openssl 3.0.17-1\n"
    )
    update("debian")
    assert index().statements("debian:12", "openssl")[0].advisory == "DSA-2-1"
    (mirror / "debian/DSA.list").write_text(
        "[03 Mar 2026] DSA-3-1 openssl - x\n\t{CVE-2026-22795}\n\t[bookworm] - openssl 3.0.19-1\n"
        "[01 Mar 2026] DSA-1-1 openssl - x\n\t{CVE-2026-22795}\n\t[bookworm] - openssl 3.0.17-1\n"
        "[05 Mar 2026] DSA-5-1 zlib - x\n\t{CVE-2026-22795}\n\t[bookworm] - zlib 1\n"
    )
    update("debian")
    assert index().statements("debian:12", "openssl")[0].advisory == "DSA-1-1"
    (mirror / "debian/DSA.list").write_text(
        "[03 Mar 2026] DSA-3-1 openssl - x\n\t{CVE-2026-1}\n\t[bookworm] - openssl 3.0.18-1~deb12u2\n"
    )
    update("debian")
    assert index().statements("debian:12", "openssl")[0].advisory == "DSA-3-1"


def test_what_was_first_published_when_is_kept(update, index, mirror):
    update("kev", "debian")
    first = {"CVE-2026-22795": "2026-01-27T00:00:00Z", "CVE-2020-5902": "2021-11-03T00:00:00Z"}
    assert index().first_published([*first, "CVE-2024-4"]) == first
    later = json.loads(json.dumps(KEV).replace("2021-11-03", "2025-01-01"))
    (mirror / "kev/known_exploited_vulnerabilities.json").write_text(json.dumps(later))
    (mirror / "debian/DSA.list").write_text("[01 Feb 2026] DSA-9-1 nothing\n")
    update("kev", "debian")
    assert index().exploited(["CVE-2020-5902"])["CVE-2020-5902"].added == "2025-01-01T00:00:00Z"
    assert index().first_published(first) == first


def test_what_did_not_change_is_not_loaded_again(update, index):
    update()
    generation = index().generation
    assert set(states(update()).values()) == {"unchanged"} and index().generation == generation
    assert update.said[-1].startswith("epss: ") and update.said[-1].endswith(" B, not modified")
    assert set(states(update(max_age=3600)).values()) == {"fresh"}
    assert "ago, not asked again" in update.said[-1]
    # Another release is wanted: what was loaded does not hold it.
    more = update(releases=RELEASES | {"debian:13"}, max_age=3600)
    assert states(more) == {**dict.fromkeys(NAMES, "fresh"), "debian": "loaded"}
    assert states(update(releases={"debian:13"}, max_age=3600))["debian"] == "fresh"


def test_over_http(update, server, mirror):
    for name, content in FILES.items():
        server.gives("/" + name, (200, {"ETag": '"1"'}, content), (304, {}, b""))
    assert set(states(update(mirror=server.url)).values()) == {"loaded"}
    assert set(states(update(mirror=server.url)).values()) == {"unchanged"}
    asked = len(server.seen)
    assert set(states(update(mirror=server.url, max_age=60)).values()) == {"fresh"} and len(server.seen) == asked


def test_a_source_that_fails_keeps_its_rows_and_the_others_go_on(update, index, mirror):
    update()
    (mirror / "debian/tracker.json").write_text('{"openssl": {"CVE-1": ')
    (mirror / "epss/epss_scores-current.csv.gz").unlink()
    (mirror / "kev/known_exploited_vulnerabilities.json").write_text(json.dumps({**KEV, "catalogVersion": "next"}))
    done = update()
    assert states(done) == {
        "debian": "failed", "ubuntu": "unchanged", "alpine": "unchanged", "kev": "loaded", "epss": "failed",
    }  # fmt: skip
    assert (done["debian"].error_code, done["epss"].error_code) == ("feed_damaged", "feed_missing")
    assert len(index().statements("debian:12", "openssl")) == 7 and index().scores(["CVE-2020-5902"])
    told = {each.name: each.error for each in index().sources()}
    assert "not what the source documents" in told["debian"] and told["kev"] is None
    # A failure is tried again however short ago it was.
    assert states(update(max_age=3600))["debian"] == "failed"
    (mirror / "debian/tracker.json").write_text(json.dumps(TRACKER))
    assert states(update(max_age=3600))["debian"] == "unchanged"
    assert {each.name: each.error for each in index().sources()}["debian"] is None


def test_an_optional_file_that_does_not_come_leaves_the_rest_current(update, index, server):
    for name, content in FILES.items():
        server.gives("/" + name, (200, {}, content))
    update("debian", mirror=server.url)
    new = json.dumps(TRACKER).replace("CVE-2024-4", "CVE-2024-5").encode()
    server.gives("/debian/tracker.json", (200, {}, new))
    server.gives("/debian/DSA.list", (404, {}, b""))
    done = update("debian", mirror=server.url)["debian"]
    assert (done.state, done.error_code) == ("partial", "feed_refused")
    statements = index().statements("debian:12", "openssl")
    assert [each.vulnerability for each in statements][-1] == "CVE-2024-5"
    assert statements[0].advisory == "DSA-6113-1", "from the list that came last"
    (state,) = index().sources()
    assert "debian/DSA.list" in state.lacking and state.error is None and not state.is_stale(times.now())
    assert states(update("debian", mirror=server.url, max_age=3600)) == {"debian": "partial"}
    server.gives("/debian/DSA.list", (200, {}, FILES["debian/DSA.list"]))
    assert states(update("debian", mirror=server.url)) == {"debian": "unchanged"}
    assert [each.lacking for each in index().sources()] == [None]


@pytest.mark.parametrize(("value", "code"), [("CVE-\ud800", "feed_damaged"), ("CVE-2024-4\x00", None)])
def test_text_that_no_database_takes_is_damage(update, mirror, value, code):
    (mirror / "debian/tracker.json").write_text(json.dumps(TRACKER).replace("CVE-2024-4", json.dumps(value)[1:-1]))
    assert update("debian")["debian"].error_code == code


@pytest.mark.parametrize("name", [["netty"], {"a": 1}, 2**70])
def test_values_of_another_kind_are_damage(update, mirror, name):
    record = json.loads(json.dumps(UBUNTU["osv/usn/USN-7284-1.json"]))
    record["affected"][0]["package"]["name"] = name
    (mirror / "ubuntu/osv-all.tar.xz").write_bytes(archive({"osv/usn/USN-7284-1.json": record}))
    assert update("ubuntu")["ubuntu"].error_code == "feed_damaged"


def test_a_damaged_file_is_fetched_whole_the_next_time(update, server):
    for name, content in FILES.items():
        server.gives("/" + name, (200, {"ETag": '"1"'}, content))
    server.gives("/kev/known_exploited_vulnerabilities.json", (200, {"ETag": '"1"'}, b"{}"))
    assert states(update("kev", mirror=server.url))["kev"] == "failed"
    update("kev", mirror=server.url)
    assert "If-None-Match" not in server.seen[-1].headers


def test_files_that_say_nothing_are_not_believed(update, index, mirror):
    """However much the lists of advisories go on to say."""
    update("debian")
    (mirror / "debian/tracker.json").write_text("{}")
    done = update("debian")["debian"]
    assert done.error_code == "feed_empty" and "nothing of debian:12" in done.msg
    assert len(index().statements("debian:12", "openssl")) == 7
    (mirror / "kev/known_exploited_vulnerabilities.json").write_text(
        json.dumps({**KEV, "count": 0, "vulnerabilities": []})
    )
    assert update("kev")["kev"].error_code == "feed_empty"


def test_a_new_list_does_not_make_an_old_tracker_fresh(update, index, mirror, monkeypatch):
    past = times.now() - timedelta(days=5)
    real = os.fstat

    def aged(handle):
        facts = real(handle)
        if os.path.samestat(facts, os.stat(mirror / "debian/tracker.json")):
            fields = list(facts)
            fields[8:10] = [past.timestamp()] * 2
            return os.stat_result(fields)
        return facts

    monkeypatch.setattr(os, "fstat", aged)
    update("debian")
    (state,) = index().sources()
    assert state.checked_at == times.iso(past) and state.is_stale(times.now())


def test_a_source_that_never_came(update, index, mirror):
    (mirror / "kev/known_exploited_vulnerabilities.json").unlink()
    update("kev")
    (state,) = index().sources()
    assert state.rows == 0 and state.is_stale(times.now()) and "cannot be read" in state.error


def test_stale_is_what_was_not_heard_of_or_what_nobody_renews(update, index, mirror):
    def loaded(days_old):
        made = times.iso(times.now() - timedelta(days=days_old))
        (mirror / "kev/known_exploited_vulnerabilities.json").write_text(json.dumps({**KEV, "dateReleased": made}))
        update("kev")
        return next(each for each in index().sources() if each.name == "kev")

    kev = loaded(days_old=20)
    assert not kev.is_stale(times.now())
    assert kev.is_stale(times.now() + timedelta(days=8)), "nobody asked for a week"
    kev = loaded(days_old=31)
    assert kev.error is None and kev.is_stale(times.now()), "a mirror that nobody renews"


def test_a_copy_of_long_ago_is_stale(update, index, mirror):
    """What lies in a folder is as old as its copy; only a file's own change time cannot be set back."""
    past = (times.now() - timedelta(days=400)).timestamp()
    os.utime(mirror / "debian/tracker.json", (past, past))
    update("debian")
    (debian,) = index().sources()
    assert debian.generated_at < debian.checked_at and debian.is_stale(times.now())


def test_an_old_file_does_not_hide_behind_a_new_one_of_its_source(update, index, mirror):
    now = times.now().timestamp()
    (mirror / "alma").mkdir()
    for release, day in (("8", 200), ("9", 1)):
        changed = int(now) - day * 86400
        erratum = {
            "id": f"ALSA-2026:{release}", "type": "security", "severity": "Important", "title": "Important: tool",
            "issued_date": changed, "updated_date": changed, "modules": [],
            "packages": [{"name": "tool", "epoch": "0", "version": "1", "release": "1", "arch": "noarch",
                          "src": "tool-1-1.src.rpm"}],
            "references": [{"id": "CVE-2026-1", "type": "cve", "href": ""}],
        }  # fmt: skip
        path = mirror / f"alma/errata-{release}.full.json"
        path.write_text(json.dumps({"schema_version": "1.0", "data": [erratum]}))
    update("alma", releases={"almalinux:9"})
    assert not index().sources()[0].is_stale(times.now())
    update("alma", releases={"almalinux:8", "almalinux:9"})
    assert index().sources()[0].is_stale(times.now())


def test_an_index_of_another_version_is_built_anew(update, index):
    update("kev")
    connection = sqlite3.connect(update.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert states(update("kev"))["kev"] == "loaded"
    assert any("built anew" in line for line in update.said)


def test_a_damaged_index_is_named(update):
    update.path.write_bytes(b"no database" * 500)
    with pytest.raises(UpkeepError) as caught:
        update("kev")
    assert caught.value.code == "index_damaged"


def test_an_index_that_is_locked(update, monkeypatch):
    update("kev")
    from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import index

    monkeypatch.setattr(index, "_WAIT", 0.05)
    other = sqlite3.connect(update.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UpkeepError) as caught:
        update("kev")
    assert caught.value.code == "index_unwritable" and "locked" in caught.value.message
    other.close()


def test_the_fleets_releases_are_those_of_each_hosts_last_patch_level(home, open_run, record, samples):
    def level(**host):
        return {"data": samples.patch_level(host=host)}

    assert fleet.releases_seen(home) == set()
    first = open_run("r1", ["patch_level"], ["web1", "db1"], started="2026-11-20T08:00:00Z")
    record(first, "web1", "patch_level", level(os_id="debian", os_version="11"))
    record(first, "db1", "patch_level", level(os_id="ubuntu", os_version="22.04"))
    second = open_run("r2", ["patch_level"], ["web1", "db1"], started="2026-11-21T08:00:00Z")
    record(second, "web1", "patch_level", level(os_id="debian", os_version="12"))
    record(second, "db1", "patch_level", {"unreachable": True})
    record(second, "odd", "patch_level", level(os_id="slackware", os_version="15"))
    assert fleet.releases_seen(home) == {"debian:12", "ubuntu:22.04"}


@pytest.mark.parametrize("text", ["debian", "debian:", "debian:twelve", "debian:12.4", "ubuntu:22", "beos:5", ""])
def test_a_release_that_is_none(text):
    with pytest.raises(UpkeepError) as caught:
        releases.validated(text)
    assert caught.value.code == "bad_release"
