# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Debian of its own below a folder: tiny packages, a repository of them, and an apt and a dpkg that know only these.

dpkg runs the packages' scripts on this machine (it calls that chrootless); they touch nothing outside `$DPKG_ROOT`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = """
Dir "{root}";
Dir::State::status "{root}/var/lib/dpkg/status";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; "i386"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
DPkg::Options {{ "--force-not-root"; }};
DPkg::Path "";
"""


@dataclass(frozen=True)
class Deb:
    """A package. `files` and `scripts` by path and name; files below /etc are configuration files."""

    name: str
    version: str = "1"
    arch: str = "all"
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"


class Debian:
    """`offer` packages in the repository, `install` some of them; `environment` makes apt and dpkg work here."""

    def __init__(self, base: Path) -> None:
        self.root, self.pool, self.base = base / "root", base / "srv", base
        for folder in (
            "etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial", "var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers",
            "var/cache/apt/archives/partial", "var/log/apt", "tmp",
        ):  # fmt: skip
            (self.root / folder).mkdir(parents=True)
        self.pool.mkdir()
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "var/lib/dpkg/arch").write_text("amd64\ni386\n")
        (self.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{self.pool} ./\n")
        (base / "apt.conf").write_text(CONFIGURATION.format(root=self.root))
        (base / ".dpkg.cfg").write_text("force-script-chrootless\nforce-unsafe-io\n")
        self.environment = {
            **os.environ,
            "APT_CONFIG": str(base / "apt.conf"),
            "DPKG_ROOT": str(self.root),
            "HOME": str(base),
            "UPKEEP_STATE_DIR": str(base / "state"),
            "LC_ALL": "C.UTF-8",
        }
        self._offered: dict[str, str] = {}

    def offer(self, *debs: Deb) -> None:
        """Put packages into the repository, and let apt know."""
        for deb in debs:
            self._build(deb)
        self.publish()

    def withdraw(self, *debs: Deb) -> None:
        """Take packages out of the repository, as an archive does with what is superseded, and let apt know."""
        for deb in debs:
            (self.pool / deb.file).unlink()
            del self._offered[deb.file]
        self.publish()

    def publish(self) -> None:
        (self.pool / "Packages").write_text("".join(self._offered.values()))
        self.run("apt-get", "update", "-q")

    def install(self, *names: str) -> None:
        """`name` or `name=version`."""
        self.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "--allow-downgrades", *names)

    def run(self, *argv: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in argv], env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )
        assert not check or done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
        return done

    def versions(self) -> dict[str, str]:
        """What is whole, by name."""
        said = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${binary:Package} ${Version}\n").stdout
        return {name: version for state, name, version in map(str.split, said.splitlines()) if state == "ii"}

    def states(self) -> dict[str, str]:
        said = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${binary:Package}\n").stdout
        return {name: state for state, name in map(str.split, said.splitlines())}

    def auto(self) -> set[str]:
        return set(self.run("apt-mark", "showauto").stdout.split())

    def _build(self, deb: Deb) -> None:
        tree = self.base / "build" / f"{deb.name}_{deb.version}_{deb.arch}"
        control = tree / "DEBIAN"
        control.mkdir(parents=True)
        files = deb.files or {f"/usr/share/{deb.name}/version": deb.version + "\n"}
        for path, text in files.items():
            (tree / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (tree / path.lstrip("/")).write_text(text)
        for name, text in deb.scripts.items():
            (control / name).write_text("#!/bin/sh\nset -e\n" + text + "\n")
            (control / name).chmod(0o755)
        conffiles = [path for path in files if path.startswith("/etc/")]
        if conffiles:
            (control / "conffiles").write_text("\n".join(conffiles) + "\n")
        fields = {
            "Package": deb.name, "Version": deb.version, "Architecture": deb.arch,
            "Maintainer": "Nobody <n@example.org>", "Installed-Size": "10", **deb.fields,
            "Description": "a package of a test",
        }  # fmt: skip
        (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
        subprocess.run(
            ["dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, self.pool / deb.file],
            check=True,
            capture_output=True,
        )
        said = subprocess.run(["sha256sum", self.pool / deb.file], check=True, capture_output=True, text=True).stdout
        fields["Filename"], fields["Size"] = f"./{deb.file}", str((self.pool / deb.file).stat().st_size)
        fields["SHA256"] = said.split()[0]
        self._offered[deb.file] = "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"
