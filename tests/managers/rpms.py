# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small rpms, repositories with advisories, and systems that have the old ones installed: for the real dnf and zypper.

Everything lies below one folder: the machine's own rpm database and configuration are never touched.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

RPM_DB = "/var/lib/rpm"


@dataclass(frozen=True)
class Rpm:
    """A package without files. `lines` are further lines of its spec, such as `Requires: extra`.

    `config` is the content of a configuration file `/etc/<name>.conf`, `post` a shell script that runs after it came.
    """

    name: str
    version: str = "1.0"
    release: str = "1"
    lines: tuple[str, ...] = ()
    source: str | None = None  # the name of the source package, where it is another
    arch: str = "noarch"
    config: str | None = None
    post: str | None = None

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"


@dataclass(frozen=True)
class Advisory:
    """An `update` of updateinfo.xml. `packages` are (name, epoch, version, release) and noarch."""

    id: str
    type: str
    packages: tuple[tuple[str, str, str, str], ...]
    cves: tuple[str, ...] = ()
    severity: str | None = None
    issued: str = "2026-03-01 10:00:00"
    extra: str = ""

    def xml(self) -> str:
        references = "".join(
            f'<reference href="https://example.org/{cve}" id="{cve}" type="cve" title="{cve}"/>' for cve in self.cves
        )
        packages = "".join(
            f'<package name="{name}" epoch="{epoch}" version="{version}" release="{release}" arch="noarch" '
            f'src="{name}-{version}-{release}.src.rpm"><filename>{name}-{version}-{release}.noarch.rpm</filename>'
            f"{self.extra}</package>"
            for name, epoch, version, release in self.packages
        )
        severity = f"<severity>{self.severity}</severity>" if self.severity else ""
        return (
            f'<update from="security@example.org" status="final" type="{self.type}" version="1"><id>{self.id}</id>'
            f'<title>{self.id}</title><issued date="{self.issued}"/><updated date="{self.issued}"/>{severity}'
            f"<summary>s</summary><description>d</description><references>{references}</references>"
            f'<pkglist><collection short="c"><name>c</name>{packages}</collection></pkglist></update>'
        )


@dataclass
class Repo:
    """A repository to make: its rpms, its advisories (None: no updateinfo at all), its modules.yaml."""

    id: str
    rpms: list[Rpm]
    advisories: list[Advisory] | None = None
    modules: str | None = None
    options: dict[str, str] = field(default_factory=dict)


class Forge:
    """Builds rpms into `folder`, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1700000000"}
        # Debian's rpm keeps its database in the user's home; every other distribution's, where the tests want it.
        (folder / ".rpmmacros").write_text(f"%_dbpath {RPM_DB}\n%_build_id_links none\n")

    def build(self, rpm: Rpm) -> Path:
        done = self.folder / f"{abs(hash(rpm)):x}" / rpm.file
        if done.exists():
            return done
        spec = self.folder / f"{done.parent.name}.spec"
        source = rpm.source or rpm.name
        lines = [f"Name: {source}", f"Version: {rpm.version}", f"Release: {rpm.release}", "Summary: s", "License: l"]
        if rpm.arch == "noarch":
            lines.append("BuildArch: noarch")
        if rpm.source:
            lines += ["%description", "d", f"%package -n {rpm.name}", "Summary: s"]
        lines += [*rpm.lines, f"%description{f' -n {rpm.name}' if rpm.source else ''}", "d", f"%files -n {rpm.name}"]
        if rpm.config is not None:
            path = f"etc/{rpm.name}.conf"
            lines.append(f"%config(noreplace) /{path}")
            lines += ["%install", "mkdir -p %{buildroot}/etc", f"echo '{rpm.config}' > %{{buildroot}}/{path}"]
        if rpm.post is not None:
            lines += [f"%post -n {rpm.name}", rpm.post]
        spec.write_text("\n".join(lines) + "\n")
        define = ["--define", f"_topdir {self.folder}/top", "--define", f"_rpmdir {done.parent}"]
        self._run(
            "rpmbuild",
            "-bb",
            "--quiet",
            *define,
            "--define",
            "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            spec,
        )
        return done

    def repository(self, repo: Repo, folder: Path) -> Path:
        """Make or make anew the repository `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.rpm"):
            old.unlink()
        for rpm in repo.rpms:
            os.link(self.build(rpm), folder / rpm.file)
        self._run("createrepo_c", "--quiet", "--general-compress-type=gz", folder)
        if repo.advisories is not None:
            body = "".join(advisory.xml() for advisory in repo.advisories)
            (folder / "updateinfo.xml").write_text(f'<?xml version="1.0" encoding="UTF-8"?><updates>{body}</updates>')
            self._run("modifyrepo_c", "--mdtype=updateinfo", folder / "updateinfo.xml", folder / "repodata")
        if repo.modules:
            (folder / "modules.yaml").write_text(repo.modules)
            self._run("modifyrepo_c", "--mdtype=modules", folder / "modules.yaml", folder / "repodata")
        return folder

    def install(self, root: Path, rpms: list[Rpm]) -> None:
        """Put rpms into the rpm database of `root`."""
        (root / RPM_DB[1:]).mkdir(parents=True, exist_ok=True)
        files = [self.build(rpm) for rpm in rpms]
        self._run(
            "rpm", "--root", root, "--dbpath", RPM_DB, "-i", "--nodeps", "--noscripts", "--justdb", "--force", *files
        )

    def _run(self, *argv: object) -> None:
        done = subprocess.run(list(map(str, argv)), env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr}")


COLLECT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options, plain
from ansible_collections.proven.upkeep.plugins.module_utils.packages.registry import MANAGERS
try:
    options = Options(**json.loads(sys.argv[2]))
    print(json.dumps(plain(MANAGERS[options.manager].collect(options))))
except UpkeepError as error:
    print(json.dumps(error.result()))
"""


def collect(
    python: str, env: dict[str, str], before: tuple[str, ...] = (), tree: Path | None = None, **options
) -> dict:
    """A manager's state as plain data, or the failure. `before` goes before the interpreter (a chroot, say)."""
    collections = str(tree or Path(__file__).resolve().parents[2] / "collections")
    argv = [*before, python, "-c", COLLECT, collections, json.dumps(options)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise AssertionError(f"{done.returncode}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
