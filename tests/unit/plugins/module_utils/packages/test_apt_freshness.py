# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the lists were refreshed, and what a refresh does: real `apt-get update`s in private roots."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_freshness as freshness


def age_lists(apt_root, seconds):
    when = time.time() - seconds
    for path in [apt_root.root / "var/lib/apt/lists", *(apt_root.root / "var/lib/apt/lists").iterdir()]:
        os.utime(str(path), (when, when), follow_symlinks=False)


@pytest.fixture
def one(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.folder = apt_root.repository("stable", [("tool", "2.0")])
    return apt_root


def test_fresh_lists(one):
    metadata = one.both()["metadata"]
    assert (metadata["stale"], metadata["refresh_ok"]) == (False, None)
    (repository,) = metadata["repositories"]
    assert repository["id"] == f"file:{one.root}/srv stable"
    assert (repository["fetched"], repository["signed"], repository["enabled"]) == (True, False, True)
    assert repository["date"] == "2020-11-21T02:10:46Z"


def test_old_lists_are_stale_though_the_release_file_is_new(one):
    age_lists(one, 90000)
    metadata = one.both()["metadata"]
    assert metadata["stale"] is True
    assert "last refreshed at" in metadata["problems"][0]
    assert one.both(max_age=100000)["metadata"]["stale"] is False


def test_the_stamp_of_apts_own_job_counts(one):
    age_lists(one, 90000)
    (one.root / "var/lib/apt/periodic/update-success-stamp").write_text("")
    assert one.both()["metadata"]["stale"] is False


def test_a_repository_without_lists_is_named(one):
    one.repository("later", [("tool", "3.0")], fetch=False)
    metadata = one.both()["metadata"]
    assert metadata["stale"] is True
    assert any("srv later is configured but its package lists are not there" in text for text in metadata["problems"])


def test_no_lists_at_all(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")], fetch=False)
    metadata = apt_root.both()["metadata"]
    assert (metadata["stale"], metadata["refreshed_at"]) == (True, None)


def test_no_repository_at_all(apt_root):
    apt_root.install("tool", "1.0")
    metadata = apt_root.both()["metadata"]
    assert metadata["stale"] is True
    assert any(text.startswith("No repository is configured") for text in metadata["problems"])


def test_an_expired_repository(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")])
    name = next(n for n in os.listdir(str(apt_root.root / "var/lib/apt/lists")) if n.endswith("Release"))
    path = apt_root.root / "var/lib/apt/lists" / name
    text = path.read_text()
    path.unlink()
    path.write_text("Valid-Until: Sat, 28 Nov 2020 00:53:02 UTC\n" + text)
    metadata = apt_root.collect()["data"]["metadata"]
    assert metadata["stale"] is True
    assert any("was valid until 2020-11-28T00:53:02Z only" in text for text in metadata["problems"])


def test_refresh_brings_new_lists(apt_root):
    one = apt_root
    one.install("tool", "1.0")
    shutil.rmtree(str(one.repository("stable", [("tool", "2.0")], method="copy")))  # apt reads `file:` in place
    (one.root / "etc/apt/sources.list").unlink()
    folder = one.repository("stable", [("tool", "3.0")], fetch=False, method="copy")
    later = time.time() + 10  # apt compares whole seconds
    os.utime(str(folder / "Release"), (later, later))
    assert one.both()["pending"][0]["candidate"] == "2.0"
    result = one.collect(refresh="always")
    assert result["changed"] is True
    assert result["data"]["metadata"]["refresh_ok"] is True
    assert result["data"]["pending"][0]["candidate"] == "3.0"
    assert one.collect(refresh="if_stale")["changed"] is False
    again = one.collect(refresh="always")
    assert (again["changed"], again["data"]["metadata"]["refresh_ok"]) == (False, True)


def test_our_own_refresh_is_remembered_when_nothing_new_came(one):
    one.collect(refresh="always")
    age_lists(one, 90000)
    assert one.collect()["data"]["metadata"]["stale"] is False


def test_check_mode_never_refreshes(one):
    age_lists(one, 90000)
    result = one.collect(refresh="always", check_mode=True)
    assert (result["changed"], result["data"]["metadata"]["refresh_ok"]) == (False, None)


def test_a_dead_repository_is_an_answer_and_is_remembered(one):
    with (one.root / "etc/apt/sources.list").open("a") as stream:
        stream.write("deb [trusted=yes] http://user:secret@127.0.0.1:9/dead stable main\n")
    metadata = one.collect(refresh="always")["data"]["metadata"]
    assert (metadata["refresh_ok"], metadata["stale"]) == (False, True)
    assert any("127.0.0.1:9/dead" in text and text.startswith("Refresh: ") for text in metadata["problems"])
    assert "secret" not in str(metadata)
    later = one.collect()["data"]["metadata"]
    assert (later["refresh_ok"], later["stale"]) == (None, True)
    assert any(text.startswith("Refresh: ") for text in later["problems"])


def test_a_failure_is_forgotten_when_somebody_else_refreshed(one):
    sources = one.root / "etc/apt/sources.list"
    good = sources.read_text()
    sources.write_text(good + "deb [trusted=yes] http://127.0.0.1:9/dead stable main\n")
    assert one.collect(refresh="always")["data"]["metadata"]["refresh_ok"] is False
    sources.write_text(good)
    assert one.collect()["data"]["metadata"]["stale"] is True
    age_lists(one, 5)
    assert one.collect()["data"]["metadata"]["stale"] is False


def test_stale_lists_are_refreshed_only_if_stale(one):
    assert one.collect(refresh="if_stale")["data"]["metadata"]["refresh_ok"] is None
    age_lists(one, 90000)
    assert one.collect(refresh="if_stale")["data"]["metadata"]["refresh_ok"] is True


def test_a_refresh_waits_for_the_lock(one):
    with (one.root / "var/lib/apt/lists/lock").open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        other = _in_another_process(one, 0)
        assert "is held by process" in other
        assert str(os.getpid()) in other
        timer = threading.Timer(1, lambda: fcntl.lockf(stream, fcntl.LOCK_UN))
        timer.start()
        assert _in_another_process(one, 30) == "[]"
        timer.join()


def _run(apt_root, argv):
    return subprocess.run(argv, env=apt_root.env, capture_output=True, text=True, check=False)


def _in_another_process(apt_root, wait):
    # A process never sees its own locks.
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_commands, _apt_freshness\n"
        "paths = _apt_commands.Commands().paths()\n"
        "print(_apt_freshness.refresh(paths, lock_wait=int(sys.argv[2])).failures)"
    )
    collections = next(path for path in sys.path if path.endswith("collections"))
    done = _run(apt_root, [sys.executable, "-c", script, collections, str(wait)])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_signed_repository(apt_root, tmp_path):
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not on this machine")
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--batch", "--homedir", str(home), "--pinentry-mode", "loopback", "--passphrase", ""]
    made = subprocess.run(
        [*gpg, "--quick-gen-key", "Test <t@example.org>", "ed25519", "sign"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("gpg cannot make a key here")
    key = tmp_path / "key.asc"
    key.write_bytes(subprocess.run([*gpg, "--armor", "--export"], capture_output=True, check=True).stdout)
    apt_root.install("tool", "1.0")
    option = f"[signed-by={key}]"
    folder = apt_root.repository("stable", [("tool", "2.0")], options=option, fetch=False)
    subprocess.run(
        [*gpg, "--clearsign", "-o", str(folder / "InRelease"), str(folder / "Release")], check=True, capture_output=True
    )
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)
    apt_root.update()
    document = apt_root.both()
    (repository,) = document["metadata"]["repositories"]
    assert (repository["signed"], repository["origin"], repository["fetched"]) == (True, "Debian", True)
    assert document["pending"][0]["origins"] == ["Debian:12.5/stable"]


UPDATE = """\
Err:1 http://127.0.0.1:9/dead stable InRelease
  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)
E: Failed to fetch http://me:pw@127.0.0.1:9/dead/dists/stable/InRelease  Could not connect to 127.0.0.1:9
E: The repository 'http://deb.example.org stable Release' does not have a Release file.
W: GPG error: http://x.example.org stable InRelease: the key 0123 is not there
W: Failed to fetch http://me:pw@127.0.0.1:9/dead/dists/stable/InRelease  Could not connect to 127.0.0.1:9
E: Some index files failed to download. They have been ignored, or old ones used instead.
"""


def test_parse_failures():
    assert freshness.parse_failures(UPDATE) == [
        "Refresh: Failed to fetch http://127.0.0.1:9/dead/dists/stable/InRelease Could not connect to 127.0.0.1:9",
        "Refresh: The repository 'http://deb.example.org stable Release' does not have a Release file.",
        "Refresh: GPG error: http://x.example.org stable InRelease: the key 0123 is not there",
    ]
