# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes with the real apt and dpkg, on a root of their own: forward, back, and what goes wrong on either way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import changes
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Wanted
from ansible_collections.proven.upkeep.plugins.module_utils.patching import (
    apply,
    begin,
    folder,
    job,
    launch,
    plan,
    protect,
    snapshot,
)  # fmt: skip

from tests.managers.debs import Deb, Debian

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/schemas/plan.json").read_text())
MISSING = [program for program in ("apt-get", "dpkg-deb") if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")


class Host:
    """A Debian, and a change of it: `plan` it, `protect` it, go `forward` and `back`."""

    def __init__(self, base: Path) -> None:
        self.debian = Debian(base)
        self.change = changes.transactions("apt", str(self.debian.root))
        self.new, self.kept = base / "new", base / "kept"
        self.new.mkdir()
        self.kept.mkdir()
        self.actions: list[Action] = []

    def plan(self, *wanted: str, removals: bool = False):
        """`name=version`, or `name:arch=version`."""
        found = self.change.simulate([self._wanted(each) for each in wanted], removals)
        self.actions = found.actions
        return found

    @staticmethod
    def _wanted(text: str) -> Wanted:
        name, _equals, version = text.partition("=")
        return Wanted(name.partition(":")[0], name.partition(":")[2] or "all", version, "approved")

    def protect(self):
        self.change.fetch(self.actions, str(self.new))
        return self.change.keep(self.actions, str(self.kept))

    def forward(self) -> list[int]:
        return self.follow(self.change.forward(self.actions, str(self.new)))

    def back(self) -> list[int]:
        return self.follow(self.change.back(self.actions, str(self.kept)))

    def follow(self, steps) -> list[int]:
        """Run steps as a job does; the exit codes, -1 for what was not run."""
        codes: list[int] = []
        failed = False
        for step in steps:
            if failed and not step.always:
                codes.append(-1)
                continue
            done = subprocess.run(
                step.argv, env={**self.debian.environment, **step.environment}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, cwd="/",
            )  # fmt: skip
            self.said = done.stdout + done.stderr
            print(step.name, " ".join(step.argv), done.returncode, self.said)
            failed = failed or done.returncode not in step.allow
            codes.append(0 if done.returncode in step.allow else done.returncode)
        return codes


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    for name in ("APT_CONFIG", "DPKG_ROOT", "HOME", "UPKEEP_STATE_DIR"):
        monkeypatch.setenv(name, host.debian.environment[name])
    return host


def shown(actions):
    return [(each.action, each.name, each.before, each.after) for each in actions]


APP = Deb("app", "1", fields={"Depends": "lib"}, files={"/etc/app.conf": "one\n", "/usr/share/app/v": "1\n"})
APP2 = Deb(
    "app", "2", fields={"Depends": "lib, extra (>= 1)"}, files={"/etc/app.conf": "two\n", "/usr/share/app/v": "2\n"}
)
LIB, LIB2, EXTRA = Deb("lib", "1"), Deb("lib", "2"), Deb("extra", "1", fields={"Recommends": "more"})


def test_exactly_what_is_wanted_and_what_it_needs(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(APP2, LIB2, EXTRA, Deb("more"), Deb("app", "3"))
    found = host.plan("app=2")
    assert shown(found.actions) == [("upgrade", "app", "1", "2"), ("install", "extra", None, "1")]
    assert [each.why for each in found.actions] == ["approved", "app 2 needs it"]
    assert found.impossible == []
    assert found.download_bytes == sum((debian.pool / each.file).stat().st_size for each in (APP2, EXTRA))
    assert found.disk_bytes == 10 * 1024
    assert all(each.reversible for each in host.change.reversible(found.actions))
    assert [(each.name, each.version, bool(each.file)) for each in host.protect()] == [("app", "1", True)]
    shutil.rmtree(debian.pool)  # from here on there is no repository any more
    debian.pool.mkdir()
    assert host.forward() == [0, 0]
    assert debian.versions() == {"app": "2", "lib": "1", "extra": "1"}
    assert debian.auto() == {"lib", "extra"}
    assert host.back() == [0, 0, 0]
    assert debian.versions() == {"app": "1", "lib": "1"}
    assert debian.states() == {"app": "ii", "lib": "ii"}
    assert debian.auto() == {"lib"}
    assert (debian.root / "etc/app.conf").read_text() == "one\n"
    assert host.change.unfinished() == []


def test_marks_stay_as_they_are(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(LIB2)
    host.plan("lib=2")
    host.protect()
    host.forward()
    assert debian.versions()["lib"] == "2"
    assert debian.auto() == {"lib"}
    host.back()
    assert debian.versions()["lib"] == "1"
    assert debian.auto() == {"lib"}


def test_an_edited_configuration_file_stays_and_is_told(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    (debian.root / "etc/app.conf").write_text("mine\n")
    debian.offer(APP2, EXTRA)
    host.plan("app=2")
    host.protect()
    assert host.change.leftovers() == []
    host.forward()
    assert (debian.root / "etc/app.conf").read_text() == "mine\n"
    assert host.change.leftovers() == [str(debian.root / "etc/app.conf.dpkg-dist")]
    host.back()
    assert (debian.root / "etc/app.conf").read_text() == "mine\n"


def test_a_failing_postinst_is_undone(host):
    debian = host.debian
    debian.offer(APP, LIB, Deb("other"))
    debian.install("app", "other")
    bad = Deb("lib", "2", scripts={"postinst": "exit 3"})
    debian.offer(bad, APP2, EXTRA, Deb("other", "2"))
    host.plan("lib=2", "app=2", "other=2")
    host.protect()
    assert host.forward()[0] == 100
    assert "lib 2 (all) is half-configured." in host.change.unfinished()
    assert debian.auto() >= {"lib"}
    assert set(host.back()) == {0}
    assert debian.versions() == {"app": "1", "lib": "1", "other": "1"}
    assert host.change.unfinished() == []
    assert debian.auto() == {"lib"}


def test_what_moved_between_packages_comes_back(host):
    debian = host.debian
    debian.offer(Deb("tool", "1", files={"/usr/share/a": "1", "/usr/share/b": "1"}))
    debian.install("tool")
    debian.offer(
        Deb("tool", "2", fields={"Depends": "tool-data"}, files={"/usr/share/a": "2"}),
        Deb("tool-data", "2", fields={"Breaks": "tool (<< 2)", "Replaces": "tool (<< 2)"}, files={"/usr/share/b": "2"}),
    )
    host.plan("tool=2")
    host.protect()
    assert host.forward() == [0, 0]
    assert debian.versions() == {"tool": "2", "tool-data": "2"}
    assert set(host.back()) == {0}
    assert debian.states() == {"tool": "ii"}
    assert (debian.root / "usr/share/b").read_text() == "1"


def test_removals_are_refused_or_planned_and_undone(host):
    debian = host.debian
    debian.offer(Deb("old"), Deb("app", "1"), Deb("lone", "1"))
    debian.install("old", "app", "lone")
    debian.run("apt-mark", "auto", "old")
    debian.offer(Deb("app", "2", fields={"Conflicts": "old"}), Deb("lone", "2"))
    found = host.plan("app=2", "lone=2")
    assert shown(found.actions) == [("upgrade", "lone", "1", "2")]
    assert [(each.name, why) for each, why in found.impossible] == [("app", "old 1 would have to be removed.")]
    found = host.plan("app=2", "lone=2", removals=True)
    assert shown(found.actions) == [
        ("upgrade", "app", "1", "2"), ("upgrade", "lone", "1", "2"), ("remove", "old", "1", None),
    ]  # fmt: skip
    assert found.actions[2].why == "app 2 conflicts with old 1"
    host.protect()
    assert host.forward() == [0, 0]
    assert debian.versions() == {"app": "2", "lone": "2"}
    assert set(host.back()) == {0}
    assert debian.versions() == {"app": "1", "lone": "1", "old": "1"}
    assert debian.auto() == {"old"}


def test_what_is_essential_is_never_removed(host):
    debian = host.debian
    debian.offer(Deb("vital", fields={"Essential": "yes"}), Deb("app", "1"))
    debian.install("vital", "app")
    debian.offer(Deb("app", "2", fields={"Conflicts": "vital"}))
    found = host.plan("app=2", removals=True)
    assert found.actions == []
    assert [why for _each, why in found.impossible] == [
        "app cannot be installed: Conflicts: vital but 1 is to be installed."
    ]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("app=9", "No repository has app 9 any more, by the lists of this host: collect the patch level again."),
        ("app=0", "app 1 is installed, and 0 would be a downgrade."),
        ("kept=2", "kept 1 is held on this host (`apt-mark unhold kept` lets it go)."),
        (
            "app=2",
            "app cannot be installed: Depends: kept (>= 2) but 1 is to be installed. (kept is held on this host.)",
        ),
        ("stuck=2", "stuck cannot be installed: Depends: nothing but it is not installable."),
    ],
)
def test_the_impossible_is_named_and_spoils_nothing(host, wanted, why):
    debian = host.debian
    debian.offer(*(Deb(name) for name in ("app", "kept", "stuck", "fine", "good")), Deb("app", "0"))
    debian.install("app=1", "kept", "stuck", "fine", "good")
    debian.run("apt-mark", "hold", "kept")
    debian.offer(
        Deb("app", "2", fields={"Depends": "kept (>= 2)"}), Deb("kept", "2"),
        Deb("stuck", "2", fields={"Depends": "nothing"}), Deb("fine", "2"), Deb("good", "2"),
    )  # fmt: skip
    found = host.plan("fine=2", wanted, "good=2")
    assert shown(found.actions) == [("upgrade", "fine", "1", "2"), ("upgrade", "good", "1", "2")]
    assert [text for _each, text in found.impossible] == [why]


def test_a_version_that_is_gone_moves_the_plan(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(LIB2)
    host.plan("lib=2")
    (debian.pool / LIB2.file).unlink()
    with pytest.raises(UpkeepError) as raised:
        host.protect()
    assert raised.value.code == "plan_moved"
    (debian.pool / LIB2.file).touch()
    debian.withdraw(LIB2)
    with pytest.raises(UpkeepError) as raised:
        host.protect()
    assert raised.value.code == "plan_moved"
    assert debian.versions() == {"app": "1", "lib": "1"}


def test_a_file_that_is_not_what_was_fetched_is_not_installed(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(LIB2)
    host.plan("lib=2")
    host.protect()
    path = host.new / LIB2.file
    content = bytearray(path.read_bytes())
    content[-600] ^= 1  # of the same size
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(UpkeepError) as raised:
        host.forward()
    assert raised.value.code == "file_changed"
    host.protect()  # fetches it again
    assert host.forward() == [0, 0]


def test_what_no_repository_has_any_more_is_put_together(host):
    debian = host.debian
    tool = Deb(
        "tool", "1:1", "amd64", {"Depends": "lib"},
        {
            "/etc/tool.conf": "one\n", "/etc/tool.d/edited": "one\n", "/etc/tool.d/gone": "one\n",
            "/usr/bin/tool": "1\n", "/usr/share/doc/tool/copyright": "free\n", f"/usr/share/{'long/' * 30}x": "1\n",
        },
        {"postinst": 'echo "$1 $2" >> "$DPKG_ROOT/tmp/log"', "prerm": "exit 0"},
    )  # fmt: skip
    debian.offer(LIB, tool)
    debian.install("tool")
    (debian.root / "etc/tool.d/edited").write_text("mine\n")
    (debian.root / "etc/tool.d/gone").unlink()
    (debian.root / "usr/share/doc/tool/copyright").unlink()
    (debian.root / "usr/bin/tool").chmod(0o4755)
    os.link(debian.root / "usr/bin/tool", debian.root / "usr/bin/elsewhere")
    debian.withdraw(tool)
    files = {"/etc/tool.conf": "two\n", "/etc/tool.d/edited": "two\n", "/etc/tool.d/gone": "two\n"}
    debian.offer(Deb("tool", "1:2", "amd64", files=files))
    host.plan("tool:amd64=1:2")
    assert [each.reversible for each in host.change.reversible(host.actions)] == [True]
    (kept,) = host.protect()
    assert (kept.file, kept.bytes) == (str(host.kept / tool.file), (host.kept / tool.file).stat().st_size)
    assert kept.why == "put together from what is installed: no repository has it any more"
    assert host.forward() == [0]
    assert (debian.root / "etc/tool.conf").read_text() == "two\n"
    assert not (debian.root / "usr/bin/tool").exists()
    assert set(host.back()) == {0}
    assert debian.versions() == {"lib": "1", "tool": "1:1"}
    assert (debian.root / "etc/tool.conf").read_text() == "one\n"
    assert (debian.root / "etc/tool.d/edited").read_text() == "mine\n"
    assert not (debian.root / "etc/tool.d/gone").exists()
    assert (debian.root / "usr/bin/tool").stat().st_mode & 0o7777 == 0o4755
    assert (debian.root / f"usr/share/{'long/' * 30}x").read_text() == "1\n"
    assert (debian.root / "tmp/log").read_text().splitlines() == ["configure ", "configure 1:2"]
    fields = debian.run("dpkg-query", "-W", "-f", "${Depends} ${Maintainer}", "tool").stdout
    assert fields == "lib Nobody <n@example.org>"
    # The edited file still counts as edited: an update leaves it alone.
    debian.offer(Deb("tool", "1:3", "amd64", files={name: "three\n" for name in files}))
    host.plan("tool:amd64=1:3")
    host.protect()
    host.forward()
    assert (debian.root / "etc/tool.d/edited").read_text() == "mine\n"
    assert (debian.root / "etc/tool.conf").read_text() == "three\n"


def test_what_is_not_whole_has_no_way_back(host):
    debian = host.debian
    debian.offer(Deb("lib", "1", scripts={"postinst": "exit 1"}))
    debian.run("apt-get", "install", "-y", "lib", check=False)
    debian.withdraw(Deb("lib", "1"))
    debian.offer(LIB2)
    host.plan("lib=2")
    assert [each.reversible for each in host.change.reversible(host.actions)] == [False]
    for path in (debian.root / "var/cache/apt/archives").glob("*.deb"):
        path.unlink()
    (kept,) = host.protect()
    assert kept.file is None
    assert kept.why == "no repository has it any more, and what this host has of it is not whole"
    host.forward()
    with pytest.raises(UpkeepError) as raised:
        host.back()
    assert raised.value.code == "irreversible"


def test_what_one_run_installed_the_next_one_keeps(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(LIB2)
    host.plan("lib=2")
    host.protect()
    host.forward()
    debian.withdraw(LIB, LIB2)
    debian.offer(Deb("lib", "3"))
    shutil.rmtree(host.new)
    host.new.mkdir()
    host.plan("lib=3")
    assert [each.reversible for each in host.change.reversible(host.actions)] == [True]
    (kept,) = host.protect()
    assert Path(kept.file).parent == host.kept
    assert sorted(os.listdir(debian.base / "state/patch/pool")) == ["lib_2_all.deb", "lib_3_all.deb"]


@pytest.mark.parametrize("at", ["preinst", "postinst"])
def test_a_killed_dpkg_is_gone_on_with_or_back(host, at):
    debian = host.debian
    debian.offer(APP, LIB, Deb("other"))
    debian.install("app", "other")
    # Stops in the middle of its own script the first time.
    script = 'test -e "$DPKG_ROOT/tmp/once" || { touch "$DPKG_ROOT/tmp/once"; kill -9 $PPID; sleep 1; exit 1; }'
    debian.offer(Deb("lib", "2", scripts={at: script}), APP2, EXTRA, Deb("other", "2"))
    host.plan("lib=2", "app=2", "other=2")
    host.protect()
    assert host.forward()[0] != 0
    assert host.change.unfinished()
    again = [*host.change.repair(), *host.change.forward(host.actions, str(host.new))]
    assert set(host.follow(again)) == {0}
    assert debian.versions() == {"app": "2", "lib": "2", "extra": "1", "other": "2"}
    assert debian.auto() == {"lib", "extra"}
    assert set(host.back()) == {0}
    (debian.root / "tmp/once").unlink()
    host.forward()
    assert host.change.unfinished()
    assert set(host.back()) == {0}
    assert debian.versions() == {"app": "1", "lib": "1", "other": "1"}
    assert host.change.unfinished() == []


def test_what_was_unpacked_before_what_it_needs_is_gone_on_with(host):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(LIB2, Deb("app", "2", fields={"Depends": "lib (>= 2)"}))
    host.plan("app=2", "lib=2")
    host.protect()
    debian.run("dpkg", "--unpack", host.new / "app_2_all.deb")  # and here it was killed
    again = [*host.change.repair(), *host.change.forward(host.actions, str(host.new))]
    assert set(host.follow(again)) == {0}
    assert debian.versions() == {"app": "2", "lib": "2"}


def test_architectures(host):
    debian = host.debian
    debian.offer(
        *(Deb("lib", "1", arch, {"Multi-Arch": "same"}, {f"/usr/lib/{arch}": "1"}) for arch in ("amd64", "i386"))
    )
    debian.offer(Deb("noarch", "1:1", "amd64"))
    debian.install("lib:amd64", "lib:i386", "noarch")
    debian.offer(
        *(Deb("lib", "2", arch, {"Multi-Arch": "same"}, {f"/usr/lib/{arch}": "2"}) for arch in ("amd64", "i386"))
    )
    debian.offer(Deb("noarch", "1:2", "all"))
    before = host.change.installed()
    found = host.plan("lib:amd64=2", "lib:i386=2", "noarch:all=1:2")
    assert [(each.action, each.name, each.arch, each.before, each.after) for each in found.actions] == [
        ("upgrade", "lib", "amd64", "1", "2"), ("upgrade", "lib", "i386", "1", "2"),
        ("install", "noarch", "all", None, "1:2"), ("remove", "noarch", "amd64", "1:1", None),
    ]  # fmt: skip
    host.protect()
    assert set(host.forward()) == {0}
    assert host.change.installed() == {("lib", "amd64"): "2", ("lib", "i386"): "2", ("noarch", "all"): "1:2"}
    assert set(host.back()) == {0}
    assert host.change.installed() == before


HOLD = (
    "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); "
    "time.sleep(60)"
)


def test_who_holds_the_lock(host):
    path = host.debian.root / "var/lib/dpkg/lock-frontend"
    path.touch()
    assert host.change.locked_by() is None
    holder = subprocess.Popen(["python3", "-c", HOLD, path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline()
        assert host.change.locked_by() == f"{holder.pid} python3"
    finally:
        holder.kill()
        holder.communicate()


RUN = "20261123T200102Z-4711"


@pytest.fixture(name="run")
def _run(host, monkeypatch):
    """The modules of a run on this host, in their order, with real jobs."""
    monkeypatch.setattr(launch.systemd, "present", lambda: False)
    monkeypatch.setattr(folder, "needs_root", lambda: None)
    monkeypatch.setattr(snapshot, "take", lambda: {"units": {"failed": [], "active": []}, "listening": [], "boot": {}})
    monkeypatch.setattr(changes, "transactions", lambda manager: host.change)
    own = ("APT_CONFIG", "DPKG_ROOT", "HOME")
    monkeypatch.setattr(job, "ENVIRONMENT", {**job.ENVIRONMENT, **{name: os.environ[name] for name in own}})

    class Run:
        def plan(self, *wanted, **more):
            begin.begin(begin.Request(RUN, "web1", {"user": "ann", "controller": "c", "process": "c/1"}, manager="apt"))
            named = [dict(zip(("name", "to"), each.split("=")), arch="all", why="approved") for each in wanted]
            return plan.make(plan.Request(RUN, "web1", named, [], None, manager="apt", **more))

        def apply(self, planned, direction="apply"):
            return apply.run(apply.Request(RUN, planned["plan_sha256"], direction, wait=60))

    return Run()


def change(name, before, after):
    return {"name": name, "arch": "all", "from": before, "to": after}


def test_a_run_and_its_way_back(host, run):
    debian = host.debian
    debian.offer(APP, LIB, Deb("other"))
    debian.install("app", "other")
    (debian.root / "etc/app.conf").write_text("mine\n")
    debian.offer(APP2, LIB2, EXTRA, Deb("other", "2"))
    planned = run.plan("app=2", "lib=2")
    jsonschema.validate(planned, SCHEMA)
    data = protect.protect(protect.Request(RUN, planned["plan_sha256"]))
    assert (data["fetched"], [each["name"] for each in data["kept"]]) == (3, ["app", "lib"])
    done = run.apply(planned)
    assert (done["job"], [each["name"] for each in done["steps"]]) == ("ok", ["install", "marks"])
    assert done["changed"] == [change("app", "1", "2"), change("extra", None, "1"), change("lib", "1", "2")]
    assert (done["unfinished"], done["config_leftovers"]) == ([], [str(debian.root / "etc/app.conf.dpkg-dist")])
    back = run.apply(planned, "back")
    assert (back["job"], back["unfinished"]) == ("ok", [])
    assert debian.versions() == {"app": "1", "lib": "1", "other": "1"}
    assert debian.auto() == {"lib"}


def test_an_archive_that_moves_past_the_plan(host, run):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(APP2, EXTRA)
    planned = run.plan("app=2")
    protect.protect(protect.Request(RUN, planned["plan_sha256"]))
    debian.withdraw(APP2)
    debian.offer(Deb("app", "3"))
    with pytest.raises(UpkeepError) as raised:
        run.apply(planned)
    assert raised.value.code == "plan_moved"
    assert "No repository has app 2 any more" in raised.value.message
    assert debian.versions() == {"app": "1", "lib": "1"}


def test_a_run_whose_package_fails_goes_back(host, run):
    debian = host.debian
    debian.offer(APP, LIB)
    debian.install("app")
    debian.offer(APP2, EXTRA, Deb("lib", "2", scripts={"postinst": "echo no luck >&2; exit 1"}))
    planned = run.plan("app=2", "lib=2")
    protect.protect(protect.Request(RUN, planned["plan_sha256"]))
    done = run.apply(planned)
    assert (done["job"], done["failed_step"]) == ("failed", "install")
    assert "no luck" in done["log"]
    assert done["unfinished"]
    back = run.apply(planned, "back")
    assert (back["job"], back["unfinished"]) == ("ok", [])
    assert debian.versions() == {"app": "1", "lib": "1"}
