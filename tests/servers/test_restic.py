# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The real restic with a repository of each kind: made, backed up into, drilled, restored from; and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.restic import backup, drill, restore

from tests.servers import restics

ROOT = Path(__file__).resolve().parents[2]
UNREADABLE = Path("/sys/bus/platform/drivers_probe")  # may be written to, and read by nobody


def valid(document: dict, schema: str) -> dict:
    jsonschema.validate(document, json.loads((ROOT / f"docs/schemas/{schema}.json").read_text()))
    return document


class Set:
    """A set and where it goes."""

    def __init__(self, program: str, place: restics.Place, name: str, top: Path) -> None:
        self.where = {"name": name, "program": program, **place.at(name)}
        self.top, self.scratch = top, str(top.parent / "scratch")

    def backup(self, *, check: bool = False, diff: bool = False, **more) -> dict:
        asked = {"paths": [str(self.top)], "host": "alpha", **self.where, **more}
        result = backup.run(backup.Request(**asked), check=check, diff=diff)
        valid(result["data"], "backup")
        return result

    def drill(self, *, check: bool = False, **more):
        asked = {"dest": self.scratch, "host": "alpha", "check_of": 1, **self.where, **more}
        result = drill.run(drill.Request(**asked), check=check)
        valid(result.document, "restore")
        return result

    def restore(self, dest: Path, **more) -> dict:
        flags = {key: more.pop(key) for key in ("check", "diff") if key in more}
        asked = {"mode": "restore", "dest": str(dest), "host": "alpha", **self.where, **more}
        return restore.run(drill.Request(**asked), **flags)

    def restic(self, *words: str, code: int = 0) -> str:
        """The program by hand, for a repository in a folder."""
        env = {**os.environ, "RESTIC_PASSWORD": restics.SECRETS["repo"], "RESTIC_REPOSITORY": self.where["repository"],
               "RESTIC_CACHE_DIR": str(self.top.parent / "cache")}  # fmt: skip
        done = subprocess.run([self.where["program"], *words], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "top"
    (top / "deep/er").mkdir(parents=True)
    (top / "deep/file").write_bytes(os.urandom(200_000))
    (top / "deep/er/with space").write_text("hello")
    (top / "link").symlink_to("deep/file")
    os.link(top / "deep/file", top / "second name")
    os.mkfifo(top / "fifo")
    (top / os.fsdecode(b"not utf-8 \xff\xfe")).write_text("x")
    (top / "star*[a]?\\").write_text("odd")
    (top / "set").write_text("s")
    (top / "set").chmod(0o6750)
    os.utime(top / "set", ns=(0, 1_234_567_890_123_456_789))
    return top


@pytest.fixture
def local(restic, tree, state, tmp_path):
    with restics.place("folder") as place:
        yield Set(restic, place, "etc", tree)


def failure(code: str, call, *args, **more) -> UpkeepError:
    with pytest.raises(UpkeepError) as caught:
        call(*args, **more)
    assert caught.value.code == code, caught.value
    assert not any(secret in str(caught.value) for secret in restics.SECRETS.values())
    return caught.value


@pytest.mark.parametrize("kind", restics.PLACES)
def test_the_life_of_a_repository(kind, restic, tree, state, tmp_path):
    with restics.place(kind) as place, restics.Watch() as watch:
        one = Set(restic, place, "shop, and more", tree)
        assert failure("repository_missing", one.backup, init=False).details["rc"] == 10
        first = one.backup()
        assert first["changed"] and first["data"]["complete"] and len(first["data"]["sha256"]) == 64
        again = one.backup()
        assert not again["changed"] and again["data"]["unchanged"]
        assert again["data"]["sha256"] == first["data"]["sha256"]
        assert again["data"]["created"] == first["data"]["created"] and again["data"]["bytes"] == first["data"]["bytes"]
        (tree / "new").write_text("news")
        second = one.backup(keep_last=1, verified=[first["data"]["sha256"]])["data"]
        assert [each["why"] for each in second["pruned"]["kept"]] == [
            "the current one, last snapshot", "the last verified one",
        ]  # fmt: skip
        assert failure("wrong_password", one.backup, password="wrong").details["rc"] == 12
        result = one.drill()
        assert result.failure is None and result.document["status"] == "ok", result.document
        assert result.document["archive_sha256"] == second["sha256"]
        assert result.document["entries_verified"] == result.document["entries_expected"] > 10
        assert not os.path.exists(one.scratch)
        done = one.restore(tmp_path / "back", at=first["data"]["snapshot_id"][:12])["data"]
        assert done["snapshot_id"] == first["data"]["snapshot_id"] and not (tmp_path / f"back{tree}/new").exists()
        assert (tmp_path / f"back{tree}/deep/file").read_bytes() == (tree / "deep/file").read_bytes()
    arguments = b"\n".join(watch.seen)
    assert b"skip-if-unchanged" in arguments, "nothing was watched"
    told = json.dumps([first, again, second, result.document, done])
    for secret in restics.SECRETS.values():
        assert secret.encode() not in arguments
        assert secret not in told
        assert not [path for path in state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


class TestBackup:
    def test_check_mode_leaves_nothing(self, local, state):
        assert local.backup(check=True)["changed"] and not os.path.exists(local.where["repository"])
        assert not state.exists()
        local.backup()
        before = sorted(Path(local.where["repository"]).rglob("*"))
        (local.top / "new").write_text("news")
        result = local.backup(check=True, diff=True)
        assert result["changed"] and f"+ {local.top}/new\n" in result["diff"]["after"]
        assert result["data"]["predicted"] and result["data"]["sha256"] is None
        assert sorted(Path(local.where["repository"]).rglob("*")) == before

    def test_what_is_gone_is_a_change_and_a_path_that_never_was_an_error(self, local):
        local.backup()
        (local.top / "link").unlink()
        assert local.backup()["changed"]
        failure("path_missing", local.backup, paths=[str(local.top), "/no/such/path"])

    def test_an_incomplete_one_is_kept_and_is_no_last_good_one(self, local):
        if not UNREADABLE.exists() or os.geteuid() != 0:
            pytest.skip(f"{UNREADABLE} is missing")
        good = local.backup()["data"]
        (local.top / "new").write_text("news")
        paths = [str(local.top), str(UNREADABLE)]
        partial = local.backup(paths=paths)["data"]
        assert partial["complete"] is False and partial["unreadable"] == [str(UNREADABLE)]
        assert "pruned" not in local.backup(paths=paths, keep_last=1)["data"]
        assert local.drill(check_of=0).document["archive_sha256"] == good["sha256"]
        of_it = local.drill(check_of=0, at=partial["snapshot_id"]).document
        assert of_it["status"] == "incomplete" and of_it["archive_sha256"] == partial["sha256"]
        later = local.backup(keep_last=1)["data"]
        assert later["complete"] and partial["sha256"] in later["pruned"]["swept"]

    def test_a_locked_repository(self, local):
        local.backup()
        for number in range(4):
            (local.top / f"big{number}").write_bytes(os.urandom(20_000_000))
        env = {**os.environ, "RESTIC_PASSWORD": restics.SECRETS["repo"], "RESTIC_CACHE_DIR": f"{local.top}.c",
               "RESTIC_REPOSITORY": local.where["repository"]}  # fmt: skip
        other = subprocess.Popen([local.where["program"], "backup", str(local.top)], env=env, stdout=subprocess.DEVNULL)
        try:
            locks = Path(local.where["repository"], "locks")
            while not [path for path in locks.iterdir() if len(path.name) == 64]:  # till then it has a passing name
                assert other.poll() is None
                time.sleep(0.01)
            other.send_signal(signal.SIGSTOP)
            found = local.drill(retry_lock="1s").failure
            assert found.code == "repository_locked" and f"PID {other.pid}" in found.message
        finally:
            other.kill()
            other.wait()
        assert list(locks.iterdir()), "it left its lock behind"
        assert local.drill().failure is None  # restic knows it for one of a dead process
        assert not list(locks.iterdir())

    def test_killed_in_the_middle(self, local, state):
        for number in range(4):
            (local.top / f"big{number}").write_bytes(os.urandom(20_000_000))
        asked = {"paths": [str(local.top)], "host": "alpha", **local.where}
        code = ("import json, sys; from ansible_collections.proven.upkeep.plugins.module_utils.restic import backup; "
                "backup.run(backup.Request(**json.load(sys.stdin)))")  # fmt: skip
        env = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=env, text=True)
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        data = Path(local.where["repository"], "data")
        while not [path for path in data.rglob("*") if path.is_file()]:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert local.backup()["data"]["complete"]
        assert local.drill().failure is None

    def test_dumps_are_in_the_snapshot_and_loaded_by_the_drill(self, local, tmp_path):
        import sqlite3

        with sqlite3.connect(tmp_path / "shop.db") as database:
            database.execute("CREATE TABLE orders (id int)")
            database.executemany("INSERT INTO orders VALUES (?)", [(number,) for number in range(7)])
        dumps = [{"name": "shop", "engine": "sqlite", "path": str(tmp_path / "shop.db")}]
        data = local.backup(dumps=dumps)["data"]
        assert [each["rows"] for each in data["dumps"]] == [7]
        document = local.drill(dumps=dumps).document
        assert document["status"] == "ok" and document["dumps"][0]["rows"] == 7
        done = local.restore(tmp_path / "back")["data"]
        assert Path(done["dumps_folder"], "dumps.json").is_file()
        without = local.restore(tmp_path / "other", load_dumps=False)["data"]
        assert "dumps_folder" not in without and not list((tmp_path / "other").rglob("dumps.json"))

    def test_an_old_restic_is_refused(self, local):
        assert "0.17.0" in failure("restic_too_old", local.backup, program=restics.old_program()).message
        failure("restic_missing", local.backup, program="no-such-restic")

    def test_a_secret_that_is_not_there(self, local):
        failure("secret_missing", local.backup, password="nowhere")
        failure("secret_missing", local.backup, environment={"AWS_ACCESS_KEY_ID": "nowhere"})
        failure("bad_parameter", local.backup, environment={"LD_PRELOAD": "repo"})


class TestDrill:
    def test_a_flipped_byte_is_found(self, local):
        local.backup()
        packs = sorted(Path(local.where["repository"], "data").rglob("*"), key=lambda path: path.stat().st_size)
        content = bytearray(packs[-1].read_bytes())
        content[len(content) // 3] ^= 1
        packs[-1].chmod(0o600)
        packs[-1].write_bytes(content)
        result = local.drill(check_of=0)  # by the restore alone
        assert result.failure.code == "archive_damaged" and result.document["corrupt_files"]
        result = local.drill()
        assert result.document["failures"][0]["error_code"] == "archive_damaged"
        assert result.document["level_reached"] is None and result.document["status"] == "failed"
        assert "restic check" in result.failure.message
        failure("archive_damaged", local.restore, local.top.parent / "back")

    def test_part_of_it_checks_and_a_check_that_fails(self, local):
        local.backup()
        paths = [str(local.top / "deep"), str(local.top / "star*[a]?\\")]
        document = local.drill(paths=paths, checks=[["test", "-d", str(local.top)[1:]]], check_of=0).document
        assert document["status"] == "ok" and document["entries_verified"] == 5
        assert 0 < document["scope"]["coverage_pct"] < 100
        result = local.drill(checks=[["false"]], check_of=0, keep=True)
        assert result.failure.code == "check_failed" and os.path.isdir(result.document["dest"])

    def test_what_a_restore_would_leave_wrong(self, local, monkeypatch, tmp_path):
        """The comparison alone: what restic restored is changed before it is looked at."""
        local.backup()
        top = local.scratch + str(local.top)
        (compare, wrong) = drill.compare.compare, []

        def spoilt(*args):
            os.unlink(f"{top}/link")
            os.symlink("elsewhere", f"{top}/link")
            os.chmod(f"{top}/set", 0o750)
            os.unlink(f"{top}/deep/er/with space")
            Path(f"{top}/extra").touch()
            wrong.append(compare(*args))
            return wrong[0]

        monkeypatch.setattr(drill.compare, "compare", spoilt)
        result = local.drill(check_of=0)
        document = result.document
        assert result.failure.code == "restore_differs"
        assert document["missing_files"] == [f"{local.top}/deep/er/with space"]
        assert document["extra_files"] == [f"{local.top}/extra"]
        fields = {(Path(each["path"]).name, each["field"]) for each in document["metadata_mismatches"]}
        assert {("set", "mode"), ("link", "target")} <= fields

    def test_check_mode_and_a_time_before_all(self, local):
        local.backup()
        assert local.drill(check=True).document["status"] == "incomplete" and not os.path.exists(local.scratch)
        assert local.drill(at="2001-01-01").failure.code == "archive_missing"


class TestRestore:
    def test_in_place_brings_back_what_was_lost(self, local):
        local.backup()
        content = (local.top / "deep/file").read_bytes()
        (local.top / "deep/file").write_text("spoilt")
        shutil.rmtree(local.top / "deep/er")
        (local.top / "kept").write_text("not in the snapshot")
        asked = {"paths": [str(local.top / "deep")]}
        predicted = local.restore(Path("/"), check=True, diff=True, **asked)
        assert predicted["changed"] and f"~ {local.top}/deep/file\n" in predicted["diff"]["after"]
        assert (local.top / "deep/file").read_text(errors="replace") == "spoilt"
        assert local.restore(Path("/"), **asked)["changed"]
        assert (local.top / "deep/file").read_bytes() == content and (local.top / "deep/er/with space").exists()
        assert (local.top / "kept").exists()
        assert not local.restore(Path("/"), **asked)["changed"]
        failure("path_missing", local.restore, Path("/"), paths=["/no/such"])
