# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked for, what the dumps' formats say, and the two engines that need no server."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import (
    load,
    model,
    mysql,
    processes,
    redis,
    restored,
    take,
)
from ansible_collections.proven.upkeep.plugins.module_utils.dumps._pg_session import quoted
from ansible_collections.proven.upkeep.plugins.module_utils.dumps._resp import Connection
from ansible_collections.proven.upkeep.plugins.module_utils.dumps.model import Dump, Failed, Job
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def say(text: str, code: int = 0) -> list:
    """A program that says so and ends so."""
    return [sys.executable, "-c", f"import sys; sys.stdout.write({text!r}); sys.exit({code})"]


@pytest.fixture
def spool(tmp_path):
    return str(tmp_path / "spool")


def command(**more: object) -> dict:
    return {"name": "ldap", "engine": "command", "argv": say("dn: all\n# end\n"), **more}


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"engine": "redis"}, "needs a name"),
        ({"name": "../x", "engine": "redis"}, "needs a name"),
        ({"name": "a", "engine": "oracle"}, "needs an engine, one of command, mysql"),
        ({"name": "a", "engine": "redis", "pasword": "x"}, "a has no option pasword"),
        ({"name": "a", "engine": "mysql", "port": "many"}, "port must be a positive whole number"),
        ({"name": "a", "engine": "mysql", "timeout": 0}, "timeout must be a positive whole number"),
        ({"name": "a", "engine": "mysql", "databases": "shop"}, "databases must be a list"),
        ({"name": "a", "engine": "mysql", "min_size": "big"}, "min_size big is not a size"),
        ({"name": "a", "engine": "mysql", "path": "/x"}, "are not for mysql"),
        ({"name": "a", "engine": "postgresql", "trailer": "/x"}, "are not for postgresql"),
        ({"name": "a", "engine": "sqlite"}, "sqlite needs path"),
        ({"name": "a", "engine": "sqlite", "path": "app.db"}, "sqlite needs path, the absolute path"),
        ({"name": "a", "engine": "command"}, "command needs argv"),
        ({"name": "a", "engine": "redis", "databases": ["0"]}, "redis is dumped as a whole"),
        ({"name": "a", "engine": "redis", "run_as": "no-such-user"}, "this host has no user no-such-user"),
        ("shop", "number 1 is not a dictionary"),
    ],
)
def test_bad_input_is_a_sentence(item, told):
    with pytest.raises(UpkeepError) as caught:
        take.parsed([item], {})
    assert caught.value.code == "bad_parameter" and told in caught.value.message


def test_a_secret_that_is_not_there_is_named_before_anything_starts(spool):
    with pytest.raises(UpkeepError) as caught, take.taken([command(secret="gone")], {"other": "value"}, spool):
        pass
    assert caught.value.code == "secret_missing" and "ldap names the secret gone" in caught.value.message
    assert "value" not in caught.value.message and not os.path.exists(spool)


def test_two_dumps_of_one_name_are_refused():
    with pytest.raises(UpkeepError, match="two are named ldap"):
        take.parsed([command(), command()], {})


@pytest.mark.parametrize(
    ("text", "size"), [("10K", 10240), (5, 5), ("1.5M", 1572864), ("2GiB", 2 << 30), ("7 kb", 7168)]
)
def test_sizes(text, size):
    assert model.size_of(text, "a") == size


@pytest.mark.parametrize("name", ["shop", "../../etc/passwd", "a/b", "ü" * 60, "..", "x\n"])
def test_a_database_can_be_called_anything(name):
    file = model.file_name(Dump("d", "mysql"), name, "sql")
    assert "/" not in file and file.startswith("d.") and file.endswith(".sql") and len(file) < 255


SQL = r"""-- MariaDB dump
CREATE TABLE `posts` (
  `id` int
);
INSERT INTO `posts` VALUES (1,'a'),(2,'it''s (b),(c); \'),('),(3,NULL),(4,0xFF00);
INSERT INTO `posts` VALUES (5,'line\nbreak'),(6,'');
CREATE TABLE IF NOT EXISTS `od``d` (
CREATE TABLE `empty` (
INSERT INTO `od``d` (`a`,`b`) VALUES
(1,'x'),
(2,'y;');
/*!50001 CREATE VIEW `v` AS SELECT 'INSERT INTO `posts` VALUES (7)' */;
-- Dump completed on 2026-11-23
"""


class TestMysqlsText:
    def test_rows_are_counted(self, tmp_path):
        (tmp_path / "dump").write_text(SQL)
        assert mysql.counted(str(tmp_path / "dump")) == {"posts": 6, "od`d": 2, "empty": 0}

    @pytest.mark.parametrize("cut", [SQL[:-40], SQL[:120], "", SQL + "CREATE TABLE `x` (\n"])
    def test_one_that_was_cut_off_is_none(self, tmp_path, cut):
        (tmp_path / "dump").write_text(cut)
        with pytest.raises(Failed, match=r"does not end|in the middle"):
            mysql.counted(str(tmp_path / "dump"))

    def test_an_option_takes_any_password(self):
        assert mysql._option("a\"b\\c#d'") == '"a\\"b\\\\c#d\'"'
        with pytest.raises(UpkeepError, match="line break"):
            mysql._option("a\nb")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"REDIS0011" + b"x" * 20 + b"\xff" + b"c" * 8, None),
        (b"REDIS0011" + b"x" * 20, "does not end"),
        (b"REDIS0011\xff", "cut off"),
        (b"-ERR no", "no RDB file"),
        (b"", "no RDB file"),
    ],
)
def test_the_end_of_an_rdb_file(tmp_path, monkeypatch, content, told):
    monkeypatch.setattr(processes, "find", lambda *_programs: None)  # its checker would look deeper
    (tmp_path / "rdb").write_bytes(content)
    job = Job(Dump("a", "redis"), None, str(tmp_path), 1e12)
    with pytest.raises(Failed, match=told) if told else contextlib.nullcontext():
        redis._prove(str(tmp_path / "rdb"), job)


def test_names_are_quoted():
    assert (quoted("it's"), quoted('a"b', '"')) == ("'it''s'", '"a""b"')
    assert mysql.identifier("a`b") == "`a``b`" and mysql.literal("a\\'b") == "'a\\\\''b'"


@pytest.mark.parametrize(
    ("counts", "exact", "ok", "why"),
    [
        ({"a": 1, "b": 0}, True, True, None),
        ({"a": 2, "b": 0}, True, False, "1 tables differ: a: 2 rows, 1 rows were dumped"),
        ({"a": 1}, True, False, "1 tables differ: b: not there, 0 rows were dumped"),
        ({"a": 1, "b": 0, "c": 5}, True, False, "1 tables differ: c: 5 rows, not there were dumped"),
        ({"a": 2, "b": 0}, False, True, None),
        (None, True, True, None),
    ],
)
def test_counts_are_compared(counts, exact, ok, why):
    item = model.taken(Dump("d", "mysql"), "db", "f", "s", {"a": 1, "b": 0}, exact)
    result = model.loaded(item, counts)
    assert (result["ok"], result["why"], result["rows_expected"]) == (ok, why, 1)


class TestCommand:
    def test_it_is_dumped_and_loaded(self, spool, tmp_path):
        check = "import os; assert open(os.environ['UPKEEP_DUMP']).read().startswith('dn:'); assert not os.listdir('.')"
        dump = command(trailer="# end", load_argv=[sys.executable, "-c", check])
        with take.taken([dump], {}, spool) as (documents, folder):
            assert [(d["file"], d["bytes"], d["rows"]) for d in documents] == [("ldap.dump", 14, None)]
            assert all(os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0 for name in os.listdir(folder))
            listed = json.loads(Path(folder, "dumps.json").read_text())
            assert listed["schema"] == "upkeep.dumps/1"
            results = load.tested(folder, str(tmp_path), [dump])
            assert [r["status"] for r in results] == ["loaded"] and not load.failures(results)
            (failed,) = load.tested(folder, str(tmp_path), [command(load_argv=say("", 3))])
            assert failed["status"] == "failed" and "ended with 3" in failed["why"]
            (lacking,) = load.tested(folder, str(tmp_path), [command()])
            assert lacking["status"] == "not_checked" and "load_argv" in lacking["why"]
            (unwanted,) = load.tested(folder, str(tmp_path), [command(load_test=False)])
            assert unwanted["status"] == "not_wanted"
        assert not os.path.exists(spool) and not list(tmp_path.glob("upkeep-load-*"))

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"argv": say("half", 3)}, "python[^ ]* ended with 3: it gave no reason"),
            ({"argv": say("half"), "trailer": "# end"}, "does not end with the trailer"),
            ({"argv": say("")}, "fewer than min_size 1"),
            ({"argv": say("1234"), "min_size": "1K"}, "ldap.dump has 4 bytes, fewer than min_size 1024"),
            ({"argv": ["/no/such/program"]}, "program ended with 127: No such file"),
            ({"argv": ["sleep", "60"], "timeout": 1}, "stopped after [01] s"),
            ({"argv": [sys.executable, "-c", "import sys; sys.exit('bad password open-sesame')"], "secret": "door"},
             r"bad password \*\*\*\*\*\*\*\*; nothing was replaced"),
        ],
    )  # fmt: skip
    def test_what_goes_wrong_is_a_sentence(self, spool, more, told):
        dump, secrets = command(**more), {"door": "open-sesame"}
        with pytest.raises(UpkeepError, match=told) as caught, take.taken([dump], secrets, spool):
            pytest.fail("it was taken for good")
        assert caught.value.code == "dump_failed" and "open-sesame" not in str(caught.value.result())
        assert not os.path.exists(spool)

    def test_it_reads_its_secret_from_a_file_that_is_on_no_disk(self, spool):
        read = "import os; print(open(os.environ['UPKEEP_SECRET_FILE']).read()[::-1], 'open-sesame' in str(os.environ))"
        dump = command(argv=[sys.executable, "-c", read], secret="door")
        with take.taken([dump], {"door": "open-sesame"}, spool) as (_documents, folder):
            assert Path(folder, "ldap.dump").read_text() == "emases-nepo False\n"

    def test_leftovers_are_removed_first(self, spool):
        os.makedirs(os.path.join(spool, ".upkeep-dumps"))
        Path(spool, ".upkeep-dumps", "old.dump").touch()
        with take.taken([command()], {}, spool) as (_documents, folder):
            assert sorted(os.listdir(folder)) == ["dumps.json", "ldap.dump"]

    def test_two_runs_do_not_mix(self, spool):
        refused = pytest.raises(UpkeepError, match="another run is dumping")
        with take.taken([command()], {}, spool), refused, take.taken([command()], {}, spool):
            pass


class TestSqlite:
    @pytest.fixture
    def database(self, tmp_path):
        path = tmp_path / "app.db"
        with contextlib.closing(sqlite3.connect(str(path))) as connection:
            connection.executescript("CREATE TABLE a (i); CREATE TABLE b (i); INSERT INTO a VALUES (1), (2)")
        return path

    def test_it_is_dumped_while_it_is_written_to(self, database, spool, tmp_path):
        with contextlib.closing(sqlite3.connect(str(database))) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("INSERT INTO a VALUES (3)")
            dump = {"name": "app", "engine": "sqlite", "path": str(database)}
            with take.taken([dump], {}, spool) as (documents, folder):
                assert [(d["tables"], d["rows"], d["counts_exact"]) for d in documents] == [(2, 2, True)]
                (result,) = load.tested(folder, str(tmp_path), [dump])
                assert result["ok"] and result["rows"] == 2
                with Path(folder, documents[0]["file"]).open("r+b") as copy:
                    copy.seek(4096)
                    copy.write(b"\xff" * 4096)
                (result,) = load.tested(folder, str(tmp_path), [dump])
                assert result["status"] == "failed" and load.failures([result])

    @pytest.mark.parametrize("content", [None, b"this is no database, whatever it is called" * 30])
    def test_what_is_no_database_fails(self, tmp_path, spool, content):
        if content:
            (tmp_path / "no.db").write_bytes(content)
        dump = {"name": "app", "engine": "sqlite", "path": str(tmp_path / "no.db")}
        with pytest.raises(UpkeepError) as caught, take.taken([dump], {}, spool):
            pass
        assert caught.value.code == "dump_failed" and "no.db" in caught.value.message


def test_a_list_that_was_tampered_with_is_refused(tmp_path):
    for text in ("", "{}", '{"schema": "upkeep.dumps/1", "dumps": [{"engine": "mysql", "file": "../../etc/passwd"}]}'):
        (tmp_path / "dumps.json").write_text(text)
        with pytest.raises(UpkeepError) as caught:
            load.tested(str(tmp_path), str(tmp_path))
        assert caught.value.code == "dumps_unreadable"


def test_a_redis_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(Failed, match=r"no answer from .*/sock"):
        Connection(None, None, str(tmp_path / "sock"), 1)


def test_what_is_written_down_is_as_its_schema_says(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    base, archive = tmp_path / "app.db", str(tmp_path / "a/set.tar.gz")
    with contextlib.closing(sqlite3.connect(str(base))) as connection:
        connection.executescript("CREATE TABLE a (i); INSERT INTO a VALUES (1), (2)")
    dumps = [{"name": "app", "engine": "sqlite", "path": str(base)}, command()]
    done = backup.run(backup.Request("set", [], archive, dumps=dumps))
    conforms("backup", {"host": "h", "project": "p", **done["data"]})
    conforms("backup", {"host": "h", "project": "p", **backup.run(
        backup.Request("set", [], str(tmp_path / "other.tar"), dumps=dumps), check=True)["data"]})  # fmt: skip
    drill = restore.Request(archive, mode="extract", dest=str(tmp_path / "try"), dumps=dumps, keep=True)
    document = restore.run(drill).document
    conforms("restore", {"host": "h", "project": "p", **document})
    assert document["status"] == "incomplete", "the command has no load test"
    conforms("dumps", json.loads((tmp_path / "try/.upkeep-dumps/dumps.json").read_text()))

    request = restored.Request(archive, dumps=dumps)
    with pytest.raises(UpkeepError) as caught:
        restored.run(request)
    assert caught.value.code == "load_refused" and caught.value.details["occupied"] == [f"app ({base})"]
    with pytest.raises(UpkeepError, match="only its program knows"):
        restored.run(request._replace(only=["ldap"]))
    base.unlink()
    for check in (True, False):
        result = restored.run(request, check=check)
        conforms("loaded", result.document)
        assert result.changed and [item["action"] for item in result.document["dumps"]] == ["created", "none"]
    assert base.exists() and result.document["dumps"][0]["rows"] == 2
    assert not any((tmp_path / "state/dumps").iterdir())


def conforms(schema: str, document: dict) -> None:
    text = (Path(__file__).resolve().parents[5] / f"docs/schemas/{schema}.json").read_text()
    jsonschema.Draft202012Validator(json.loads(text)).validate(document)
