# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every engine against its real server: dumped, loaded into a scratch server, counted; and what goes wrong."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore, restore_in_place
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import load, model, postgresql, restored, take
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from tests.servers.databases import SECRETS


@contextlib.contextmanager
def dumped(tmp_path, *dumps):
    """(documents, what came of loading them) of these dumps."""
    with take.taken(dumps, SECRETS, str(tmp_path / "spool")) as (documents, folder):
        yield documents, folder
    assert not (tmp_path / "spool").exists()


def both(tmp_path, *dumps):
    with dumped(tmp_path, *dumps) as (documents, folder):
        return documents, load.tested(folder, str(tmp_path), [dict(dump) for dump in dumps])


@pytest.fixture(scope="module")
def shop(postgres):
    postgres.sql('CREATE ROLE keeper LOGIN; CREATE DATABASE shop OWNER keeper; CREATE DATABASE "od d=\'b"')
    postgres.sql(
        "SET ROLE keeper; CREATE SCHEMA s; CREATE TABLE s.orders (id int primary key, what text);"
        "INSERT INTO s.orders SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i;"
        "CREATE TABLE s.empty (id int); CREATE TABLE parted (i int) PARTITION BY RANGE (i);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1), (2);"
        'CREATE TABLE "We|rd.N\'am""e" (i int); INSERT INTO "We|rd.N\'am""e" VALUES (1);'
        "CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM s.orders;",
        "shop",
    )
    return postgres


class TestPostgresql:
    def test_it_is_dumped_loaded_and_counted(self, shop, tmp_path, state):
        documents, results = both(tmp_path, shop.dump())
        by_database = {document["database"]: document for document in documents}
        assert set(by_database) >= {None, "postgres", "shop", "od d='b"}
        assert by_database["shop"]["tables"] == 4 and by_database["shop"]["rows"] == 2003
        assert by_database["shop"]["counts_exact"] and by_database["shop"]["server"].startswith("PostgreSQL 15")
        assert {result["status"] for result in results} == {"loaded"} and len(results) == len(documents), results
        assert {result["database"]: result["rows"] for result in results}["shop"] == 2003

    def test_a_local_server_is_reached_as_its_user(self, shop, tmp_path, state):
        dump = {"name": "local", "engine": "postgresql", "socket": str(shop.folder), "port": shop.port, "user": "boss",
                "run_as": "postgres", "databases": ["shop"]}  # fmt: skip
        documents, results = both(tmp_path, dump)
        assert [d["database"] for d in documents] == [None, "shop"] and results[1]["ok"]


@pytest.fixture(scope="module")
def web(maria):
    maria.sql(
        "CREATE DATABASE web CHARACTER SET utf8mb4; USE web;"
        "CREATE TABLE posts (id int primary key, body text, raw blob);"
        "INSERT INTO posts VALUES (1, 'it''s (a), (b); \\\\ \n),(', X'00ff27'), (2, '', NULL), (3, NULL, '');"
        "CREATE TABLE `emp``ty` (id int); CREATE VIEW v AS SELECT id FROM posts;"
        "CREATE TABLE many (id int auto_increment primary key, t varchar(80) default 'a,(b),(''c'')');"
        "INSERT INTO many (id) SELECT seq FROM seq_1_to_5000;"
        "CREATE DATABASE `od d``b`"
    )
    return maria


class TestMysql:
    def test_it_is_dumped_loaded_and_counted(self, web, tmp_path, state):
        documents, results = both(tmp_path, web.dump())
        by_database = {document["database"]: document for document in documents}
        assert set(by_database) >= {"web", "od d`b"}
        assert by_database["web"]["tables"] == 3 and by_database["web"]["rows"] == 5003
        assert {result["status"] for result in results} == {"loaded"} and len(results) == len(documents), results
        assert {result["database"]: result["rows"] for result in results}["web"] == 5003


class TestRedis:
    @pytest.mark.parametrize("remote", [False, True])
    def test_it_is_dumped_loaded_and_counted(self, redis, tmp_path, state, remote):
        redis.cli(given="FLUSHALL\n" + "".join(f"SET key{i} value{i}\n" for i in range(100)) + "SELECT 3\nSADD s a b\n"
                  "SET brief x PX 1\n")  # fmt: skip
        dump = redis.dump(**({"socket": None, "host": "127.0.0.2", "port": redis.port} if remote else {}))
        if remote:
            redis.cli("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
        documents, results = both(tmp_path, dump)
        assert documents[0]["rows"] in (101, 102) and documents[0]["tables"] == 2
        assert results[0]["status"] == "loaded" and results[0]["rows"] in (101, 102), results


class TestSqlite:
    def test_each_file_of_a_glob_is_dumped_and_counted(self, tmp_path, state):
        for name, rows in (("a", 3), ("b", 0)):
            with contextlib.closing(sqlite3.connect(tmp_path / f"{name}.db")) as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute('CREATE TABLE "t ""1" (i)')
                database.executemany('INSERT INTO "t ""1" VALUES (?)', [(i,) for i in range(rows)])
                database.commit()
        documents, results = both(tmp_path, {"name": "app", "engine": "sqlite", "path": str(tmp_path / "*.db")})
        assert [(d["database"], d["rows"]) for d in documents] == [
            (str(tmp_path / "a.db"), 3),
            (str(tmp_path / "b.db"), 0),
        ]
        assert [r["status"] for r in results] == ["loaded", "loaded"]


def test_what_the_server_refuses_is_a_sentence_without_the_secret(shop, web, redis, tmp_path, state):
    wrong = dict.fromkeys(SECRETS, "not-the-password")
    for dump in (shop.dump(), web.dump(), redis.dump()):
        with pytest.raises(UpkeepError) as caught, take.taken([dump], wrong, str(tmp_path / "spool")):
            pass
        assert caught.value.code == "dump_failed" and "not-the-password" not in str(caught.value.result())
        assert dump["name"] in caught.value.message and not (tmp_path / "spool").exists()
        print(caught.value.message)


def _fails(*_arguments):
    raise model.Failed("it broke", "pg_restore", 1)


class TestInAnArchive:
    """Through the backup and the drill, as the modules call them."""

    @pytest.fixture
    def files(self, tmp_path):
        (tmp_path / "live/.config").mkdir(parents=True)
        (tmp_path / "live/.zshrc").write_text("z")
        return tmp_path / "live"

    def back_up(self, tmp_path, files, *dumps, **more):
        request = backup.Request("set", ["."], str(tmp_path / "a/set.tar.gz"), str(files), dumps=dumps,
                                 secrets=SECRETS, history=True, **more)  # fmt: skip
        return backup.run(request)["data"]

    def drill(self, tmp_path, dumps, **more):
        request = restore.Request(
            str(tmp_path / "a/set.tar.gz"), mode="extract", dest=str(tmp_path / "try"), dumps=dumps, **more
        )
        return restore.run(request)

    def test_databases_travel_with_the_files_and_are_drilled(self, shop, web, redis, tmp_path, state, files):
        dumps = [shop.dump(databases=["shop"]), web.dump(databases=["web"]), redis.dump()]
        document = self.back_up(tmp_path, files, *dumps)
        assert [item["name"] for item in document["dumps"]] == ["shop", "shop", "web", "cache"]
        assert (document["complete"] and not (state / "dumps").exists()) or not any((state / "dumps").iterdir())
        result = self.drill(tmp_path, dumps)
        assert result.failure is None and result.document["status"] == "ok", result.document
        assert [item["ok"] for item in result.document["dumps"]] == [True] * 4
        assert not any((tmp_path / "try").iterdir()) if (tmp_path / "try").exists() else True
        # the same databases again are a new archive; a drill that compares with the live files has none in the way
        assert self.back_up(tmp_path, files, *dumps)["unchanged"] is False
        assert self.drill(tmp_path, [{**dump, "load_test": False} for dump in dumps], compare="live").failure is None

    def test_a_restore_in_place_leaves_dumps_alone(self, web, tmp_path, state, files):
        self.back_up(tmp_path, files, web.dump())
        (files / ".zshrc").unlink()
        result = restore_in_place.run(restore_in_place.Request(str(tmp_path / "a/set.tar.gz")))
        assert result.failure is None and (files / ".zshrc").exists() and not (files / ".upkeep-dumps").exists()
        beside = restore_in_place.Request(str(tmp_path / "a/set.tar.gz"), dest=str(tmp_path / "beside"))
        assert restore_in_place.run(beside).failure is None
        assert (tmp_path / "beside/.upkeep-dumps/dumps.json").exists()

    def test_a_failed_dump_replaces_nothing(self, web, tmp_path, state, files):
        first = self.back_up(tmp_path, files, web.dump())
        with pytest.raises(UpkeepError) as caught:
            self.back_up(tmp_path, files, web.dump(), web.dump(name="gone", databases=["no such"]))
        assert caught.value.code == "dump_failed" and "no such" in caught.value.message
        assert self.drill(tmp_path, []).document["archive_sha256"] == first["sha256"]
        assert not (tmp_path / "a/set.history").exists() or not any((tmp_path / "a/set.history").iterdir())

    def test_a_restore_loads_them_into_their_servers(self, shop, web, redis, tmp_path, files, monkeypatch):
        state = tmp_path / "state"
        monkeypatch.setenv("UPKEEP_STATE_DIR", str(state))
        lite = tmp_path / "app.db"
        with contextlib.closing(sqlite3.connect(lite)) as database:
            database.executescript("CREATE TABLE t (i); INSERT INTO t VALUES (1), (2);")
        lite.chmod(0o640)
        redis.cli(given="FLUSHALL\nSET a 1\nSET b 2 EX 1000\nSELECT 3\nSADD s a b\n")
        dumps = [shop.dump(databases=["shop"]), web.dump(databases=["web"]), redis.dump(),
                 {"name": "lite", "engine": "sqlite", "path": str(lite)}]  # fmt: skip
        self.back_up(tmp_path, files, *dumps)
        request = restored.Request(str(tmp_path / "a/set.tar.gz"), dumps=dumps, secrets=SECRETS)

        with pytest.raises(UpkeepError) as caught:
            restored.run(request)
        assert caught.value.code == "load_refused"
        assert caught.value.details["occupied"] == ["shop (shop)", "web (web)", "cache", f"lite ({lite})"]

        shop.sql("DELETE FROM s.orders; CREATE TABLE newer (i int)", "shop")
        web.sql("DROP DATABASE web")
        redis.cli("FLUSHALL")
        lite.unlink()
        dry = restored.run(request._replace(overwrite="always"), check=True)
        assert [item["action"] for item in dry.document["dumps"]] == [
            "created",
            "replaced",
            "created",
            "created",
            "created",
        ]
        assert "web" not in web.sql("SHOW DATABASES").split() and not lite.exists()

        done = restored.run(request._replace(overwrite="always"))
        assert done.failure is None, done.failure
        assert [item["rows"] for item in done.document["dumps"]] == [None, 2003, 5003, 3, 2]
        assert shop.sql("SELECT count(*) FROM s.orders; SELECT to_regclass('newer')", "shop") == "2000\n\n"
        assert shop.sql("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'orders'", "shop") == "keeper\n"
        assert web.sql("SELECT HEX(raw), body FROM web.posts WHERE id = 1").startswith("00FF27\tit's (a), (b);")
        assert redis.cli("-n", "3", "SMEMBERS", "s").split() and 0 < int(redis.cli("TTL", "b")) <= 1000
        assert lite.stat().st_mode & 0o777 == 0o640
        assert not any(state.glob("dumps/*")) and not any((state / "dumps").glob("load-*"))

        # what was there comes back when the other cannot be loaded
        shop.sql("CREATE TABLE s.mine (i int)", "shop")
        with monkeypatch.context() as broken:
            broken.setattr(postgresql.Postgresql, "_count", _fails)
            failed = restored.run(request._replace(only=["shop"], overwrite="always"))
        assert failed.failure.code == "dump_not_loaded" and failed.document["status"] == "failed"
        assert shop.sql("SELECT to_regclass('s.mine')", "shop") == "s.mine\n"
        assert "before_upkeep" not in shop.sql("SELECT string_agg(datname, ' ') FROM pg_database")

        some = restored.run(request._replace(only=["web"], databases=["web"], overwrite="always"))
        assert [item["database"] for item in some.document["dumps"]] == ["web"]
        with pytest.raises(UpkeepError) as caught:
            restored.run(request._replace(only=["wob"]))
        assert caught.value.code == "dump_missing" and "web" in caught.value.message
