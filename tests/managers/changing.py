# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Package managers that change the packages of a system of their own: one set of words for all of them.

A world is made of `package`s, `install`s some and `offer`s others; `ask` calls a method of its manager's
`Transactions`, in another process (dnf5 has a root file system of its own), and `do` runs the steps of a job.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.managers import dnfs, zyppers
from tests.managers.alpine import Alpine
from tests.managers.alpm import Alpm
from tests.managers.rpms import Forge, Repo, Rpm

COLLECTIONS = Path(__file__).resolve().parents[2] / "collections"
CALL = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.changes import transactions
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Wanted

def taken(thing):
    if isinstance(thing, list):
        return [taken(each) for each in thing]
    if isinstance(thing, dict):
        return Action.of(thing) if "action" in thing else Wanted(**thing)
    return thing

def given(thing):
    if isinstance(thing, (list, tuple)):
        return [given(each) for each in thing]
    if isinstance(thing, dict):
        return {"/".join(key): value for key, value in thing.items()}
    if isinstance(thing, Action):
        return thing.document()
    if dataclasses.is_dataclass(thing):
        return {field.name: given(getattr(thing, field.name)) for field in dataclasses.fields(thing)}
    return thing

for line in sys.stdin:
    manager, root, method, arguments = json.loads(line)
    try:
        answer = {"answer": given(getattr(transactions(manager, root), method)(*taken(arguments)))}
    except UpkeepError as error:
        answer = {"error": error.result()}
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class Package:
    """What a world is made of. `replaces` a package: it takes the other's place, and cannot stand beside it."""

    name: str
    version: str = "1"
    needs: tuple[str, ...] = ()
    replaces: str | None = None
    config: str | None = None
    broken_script: bool = False


class World:
    """What the worlds have in common. `manager` is Upkeep's name for it."""

    manager = ""
    arch = "x86_64"
    new_config = ""  # what the manager puts behind the name of a configuration file that it did not overwrite

    def __init__(self, top: Path) -> None:
        self.root = top / "root"
        self.before: tuple[str, ...] = ()
        self.python = sys.executable
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "UPKEEP_STATE_DIR": str(top / "state")}
        self.new, self.kept = top / "state/patch/runs/now/new", top / "state/patch/runs/now/kept"
        self.child: subprocess.Popen | None = None
        for folder in (self.new, self.kept):
            folder.mkdir(parents=True)

    def close(self) -> None:
        if self.child:
            self.child.communicate()

    def version(self, package: Package) -> str:
        return f"{package.version}-1"

    def install(self, *packages: Package) -> None:
        raise NotImplementedError

    def offer(self, *packages: Package) -> None:
        """The only repository has these now, and the host knows."""
        raise NotImplementedError

    def automatic(self, *names: str) -> None:
        """Mark them as there for others' sake."""
        raise NotImplementedError

    def marks(self) -> set[str]:
        """What is marked so."""
        raise NotImplementedError

    def ask(self, method: str, *arguments: Any, fails: bool = False) -> Any:
        question = json.dumps([self.manager, str(self.root), method, [_plain(each) for each in arguments]])
        if self.child is None:
            argv = [*self.before, self.python, "-c", CALL, str(COLLECTIONS)]
            pipe = subprocess.PIPE
            self.child = subprocess.Popen(argv, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.child.stdin.write(question + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, self.child.communicate()[1][-3000:]
        answer = json.loads(line)
        assert ("error" in answer) is fails, answer
        return answer["error" if fails else "answer"]

    def do(self, steps: list[dict]) -> tuple[bool, str]:
        """Run them as a job does: whether all went well, and all they said."""
        well, said = True, []
        for step in steps:
            if well or step["always"]:
                argv = [*self.before, *step["argv"]]
                env = {**self.env, **step["environment"]}
                done = subprocess.run(
                    argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
                )
                said.append(f"$ {' '.join(step['argv'])}\n{done.stdout}{done.stderr}= {done.returncode}\n")
                well = well and done.returncode in step["allow"]
        return well, "".join(said)

    def lose(self, package: Package) -> None:
        """The server has it no longer, whatever its lists say."""
        served = [*self.root.parent.glob("srv/**/*"), *self.root.parent.glob("served/**/*")]
        for path in served:
            if path.name.startswith(f"{package.name}-{self.version(package)}"):
                path.unlink()

    def versions(self) -> dict[str, str]:
        """Version by name of what is installed."""
        return {key.partition("/")[0]: version for key, version in self.ask("installed").items()}

    def wanted(self, *packages: Package) -> list[dict]:
        return [{"name": p.name, "arch": self.arch, "version": self.version(p), "why": "approved"} for p in packages]

    def plan(self, *packages: Package, removals: bool = False) -> dict:
        return self.ask("simulate", self.wanted(*packages), removals)

    def prepare(self, actions: list[dict]) -> list[dict]:
        """Fetch and keep; what was kept."""
        self.ask("fetch", actions, str(self.new))
        return self.ask("keep", actions, str(self.kept))

    def forward(self, actions: list[dict]) -> tuple[bool, str]:
        return self.do(self.ask("forward", actions, str(self.new)))

    def back(self, actions: list[dict]) -> tuple[bool, str]:
        return self.do(self.ask("back", actions, str(self.kept)))


class RpmWorld(World):
    arch = "noarch"
    new_config = ".rpmnew"

    def __init__(self, forge: Forge, top: Path, system: Any) -> None:
        super().__init__(top)
        self.forge, self.system = forge, system
        self.env = {**self.env, **system.env}

    def rpm(self, package: Package) -> Rpm:
        lines = [f"Requires: {each}" for each in package.needs]
        if package.replaces:
            lines += [f"Obsoletes: {package.replaces} < 9", f"Provides: {package.replaces} = 9"]
        # Its own word that there is a shell makes it installable; that there is none makes the script fail.
        lines += ["Provides: /bin/sh"] if package.broken_script else []
        post = "true" if package.broken_script else None
        return Rpm(package.name, package.version, lines=tuple(lines), config=package.config, post=post)

    def install(self, *packages: Package) -> None:
        (self.root / "var/lib/rpm").mkdir(parents=True, exist_ok=True)
        files = [str(self.forge.build(self.rpm(each))) for each in packages]
        argv = ["rpm", "--root", str(self.root), "-U", "--force", "--oldpackage", "--nodeps", *files]
        subprocess.run([*self.before, *argv], env=self.env, check=True, capture_output=True)


class Dnf(RpmWorld):
    manager = "dnf"

    def __init__(self, forge: Forge, top: Path, kind: str) -> None:
        if reason := dnfs.dnf4_missing():
            pytest.skip(reason)
        super().__init__(forge, top, dnfs.System(forge, top, kind, dnfs.dnf5_root() if kind == "dnf5" else None))
        self.kind, self.before, self.python = kind, self.system.before, dnfs.SYSTEM_PYTHON
        self.install(Package("example-release"))

    def offer(self, *packages: Package, **options: str) -> None:
        self.system.serve(Repo("base", [self.rpm(each) for each in packages]), **options)
        # dnf5 takes a refresh for done while what it has is young.
        self.system.dnf("-q", "makecache", "--refresh", *(["--setopt=*.metadata_expire=1"] * (self.kind == "dnf5")))

    def automatic(self, *names: str) -> None:
        self.system.dnf("-y", "-C", "mark", *(["remove"] if self.kind == "dnf4" else ["dependency"]), *names)

    def marks(self) -> set[str]:
        listed = self.system.dnf("-C", "-q", "repoquery", "--userinstalled", "--qf=%{name}\n").split()
        return set(self.versions()) - set(listed)


class Zypper(RpmWorld):
    manager = "zypper"

    def __init__(self, forge: Forge, top: Path, _kind: str) -> None:
        if not shutil.which("zypper") or os.geteuid() != 0:
            pytest.skip("zypper is missing, or this is not root, whom it lets change a root of its own")
        super().__init__(forge, top, zyppers.System(forge, top))

    def offer(self, *packages: Package, **options: str) -> None:
        self.system.serve(Repo("base", [self.rpm(each) for each in packages]), **options)
        self.system.zypper("refresh", "--force")

    def automatic(self, *names: str) -> None:
        path = self.root / "var/lib/zypp/AutoInstalled"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))

    def marks(self) -> set[str]:
        path = self.root / "var/lib/zypp/AutoInstalled"
        lines = path.read_text().split("\n") if path.exists() else []
        return {line for line in lines if line and not line.startswith("#")}


class Pacman(World):
    manager = "pacman"
    new_config = ".pacnew"

    def __init__(self, _forge: Forge, top: Path, _kind: str) -> None:
        needed = ("pacman", "pacman-conf", "repo-add", "vercmp", "bsdtar", "zstd")
        if missing := [program for program in needed if not shutil.which(program)]:
            pytest.skip(f"missing: {', '.join(missing)}")
        super().__init__(top)
        shutil.rmtree(self.root, ignore_errors=True)
        self.alpm = Alpm(top)
        self.alpm.configure(f"CacheDir = {self.root}/var/cache/pacman/pkg/")

    def build(self, package: Package) -> Path:
        files, fields = {}, {"depend": package.needs}
        if package.replaces:
            fields |= {each: [package.replaces] for each in ("replaces", "conflict", "provides")}
        if package.config is not None:
            files[f"etc/{package.name}.conf"] = package.config + "\n"
            fields["backup"] = [f"etc/{package.name}.conf"]
        if package.broken_script:
            files[".INSTALL"] = "post_install() { false; }\npost_upgrade() { false; }\n"
        return self.alpm.package(package.name, self.version(package), files, **fields)

    def install(self, *packages: Package) -> None:
        built = [self.build(each) for each in packages]
        for path in built:  # the cache of a host that installed them from a repository
            shutil.copy(path, self.root / "var/cache/pacman/pkg")
        self.alpm.install(*built)

    def offer(self, *packages: Package) -> None:
        shutil.rmtree(self.alpm.base / "served/core", ignore_errors=True)
        if self.alpm.repositories:
            (self.alpm.base / "served/core").mkdir(parents=True)
        self.alpm.offer("core", *(self.build(each) for each in packages))
        self.alpm.pacman("-Syy")

    def automatic(self, *names: str) -> None:
        self.alpm.pacman("-D", "--asdeps", *names)

    def marks(self) -> set[str]:
        texts = [path.read_text() for path in (self.root / "var/lib/pacman/local").glob("*/desc")]
        return {text.split("%NAME%\n")[1].split("\n")[0] for text in texts if "%REASON%\n1\n" in text}


class Apk(World):
    manager = "apk"
    new_config = ".apk-new"

    def __init__(self, _forge: Forge, top: Path, _kind: str) -> None:
        if missing := [program for program in ("apk", "openssl") if not shutil.which(program)]:
            pytest.skip(f"missing: {', '.join(missing)} (Debian has no apk)")
        super().__init__(top)
        shutil.rmtree(self.root, ignore_errors=True)
        self.alpine = Alpine(top)

    def version(self, package: Package) -> str:
        return f"{package.version}-r1"

    def build(self, package: Package) -> tuple[str, bytes]:
        fields: dict[str, Any] = {"depend": [*package.needs, *([f"!{package.replaces}"] if package.replaces else [])]}
        files = (
            {} if package.config is None else {"etc/": b"", f"etc/{package.name}.conf": f"{package.config}\n".encode()}
        )
        # There is no such program in a root of the tests': the script cannot run.
        scripts = {".post-upgrade": b"#!/bin/sh\nfalse\n"} if package.broken_script else {}
        return self.alpine.package(package.name, self.version(package), files, scripts, **fields)

    def install(self, *packages: Package) -> None:
        self.alpine.offer("main", *(self.build(each) for each in packages))
        self.alpine.add(*(each.name for each in packages))

    def offer(self, *packages: Package) -> None:
        self.alpine.offer("main", *(self.build(each) for each in packages))
        self.alpine.refresh()

    def automatic(self, *names: str) -> None:
        self.alpine.apk("del", *names)

    def marks(self) -> set[str]:
        return set(self.versions()) - set(self.alpine.world.read_text().split())


WORLDS = {"dnf4": Dnf, "dnf5": Dnf, "zypper": Zypper, "pacman": Pacman, "apk": Apk}


def _plain(thing: Any) -> Any:
    return str(thing) if isinstance(thing, Path) else thing
