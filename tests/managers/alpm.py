# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pacman of its own below a temporary folder: packages, repositories made by repo-add, and what is installed."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

CONF = """[options]
Architecture = x86_64
SigLevel = Never
HoldPkg = pacman glibc
"""
# PKGINFO's own names, a line each; lists are lines of the same name.
BUILT = 1_700_000_000


class Alpm:
    """`install` packages, `offer` others in a repository, `refresh` the host's databases; `root` is its root folder."""

    def __init__(self, base: Path) -> None:
        self.base, self.root = base, base / "root"
        for folder in ("etc", "var/lib/pacman/local", "var/lib/pacman/sync", "var/cache/pacman/pkg", "var/log", "tmp"):
            (self.root / folder).mkdir(parents=True)
        self.conf = self.root / "etc/pacman.conf"
        self.options, self.repositories = "", ""
        self._write()

    def configure(self, text: str) -> None:
        """More lines of the options section."""
        self.options += text + "\n"
        self._write()

    def package(self, name: str, version: str, files: dict[str, str] | None = None, **fields: object) -> Path:
        """A package file; `fields` are PKGINFO's: `depend`, `conflict`, `provides`, `replaces`, `group`, `arch`, …

        `files` are more members than the one that each has: `etc/<name>.conf`, say, or `.INSTALL`.
        """
        facts = {"pkgbase": name, "pkgdesc": name, "builddate": BUILT, "size": 1, "arch": "x86_64", **fields}
        lines = [f"pkgname = {name}", f"pkgver = {version}"]
        for field, values in facts.items():
            lines += [f"{field} = {value}" for value in (values if isinstance(values, (list, tuple)) else [values])]
        path = self.base / f"{name}-{version.replace(':', '_')}-{facts['arch']}.pkg.tar.zst"
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as tar:
            members = {".PKGINFO": "\n".join(lines) + "\n", **(files or {}), f"usr/share/{name}": version}
            for member, text in members.items():
                info = tarfile.TarInfo(member)
                info.size, info.mtime = len(text), int(time.time())
                tar.addfile(info, io.BytesIO(text.encode()))
        subprocess.run(["zstd", "-q", "-f", "-o", path], input=plain.getvalue(), check=True)
        return path

    def install(self, *packages: Path, reason: str = "--asexplicit") -> None:
        """What the host has: put there by pacman itself, whatever the dependencies say."""
        self.pacman("-Udd", reason, *packages)

    def offer(self, repository: str, *packages: Path, suffix: str = ".gz") -> Path:
        """A repository that a server would have: its database and packages. `refresh` brings it to the host."""
        folder = self.base / "served" / repository
        if not folder.exists():
            folder.mkdir(parents=True)
            self.repositories += f"[{repository}]\nServer = file://{folder}\n"
            self._write()
        for package in packages:
            os.replace(package, folder / package.name)
        database = folder / f"{repository}.db.tar{suffix}"
        names = [str(folder / package.name) for package in packages]
        # Its signature checks and colours need nothing here; a bash script, so one call for all packages.
        subprocess.run(["repo-add", "-q", database, *names], check=True, capture_output=True)
        return folder

    def refresh(self) -> None:
        """The host's own `pacman -Sy`."""
        self.pacman("-Sy")

    def pacman(self, *arguments: object) -> str:
        """Run this pacman; returns what it says."""
        done = subprocess.run(
            ["pacman", "--config", self.conf, "--root", self.root, "--noconfirm", *map(str, arguments)],
            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"pacman {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout

    def _write(self) -> None:
        self.conf.write_text(CONF + self.options + self.repositories)
