# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dnf 4 or a dnf5 with a system of its own below a folder. dnf5 runs in a root file system of a newer Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.managers.rpms import Forge, Repo, Rpm, collect

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/managers"
SYSTEM_PYTHON = "/usr/bin/python3"
SUITE = "forky"
# dnf5 comes with Debian from this suite on; its index may be older than its own validity says, and need not be newer.
BOOTSTRAP = (
    "mmdebstrap", "--quiet", "--variant=apt", "--format=directory", '--aptopt=Acquire::Check-Valid-Until "false"',
    "--include=dnf5,python3-libdnf5,python3,rpm",
)  # fmt: skip
# The chroot sees the tests' files under their own names. Its own mount namespace: nothing is left behind.
CHROOT = (
    "unshare", "--mount", "--propagation", "private", "sh", "-c",
    'root=$0; for each in /tmp /proc /dev "$1"; do mkdir -p "$root$each"; mount --rbind "$each" "$root$each"; done; '
    'shift; exec chroot "$root" "$@"',
)  # fmt: skip


def dnf4_missing() -> str | None:
    if not all(map(shutil.which, ("dnf", "rpmbuild", "createrepo_c"))):
        return "dnf, rpmbuild or createrepo_c is missing"
    done = subprocess.run([SYSTEM_PYTHON, "-c", "import dnf"], capture_output=True, cwd="/", check=False)
    return f"{SYSTEM_PYTHON} has no dnf" if done.returncode else None


def versionlock() -> Path:
    """The folder of dnf 4's plugin, unpacked: its package and zypper's exclude each other in Debian."""
    kept = CACHE / "versionlock"
    if not kept.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            for argv in (["apt-get", "download", "-q", "dnf-plugins-core"], ["sh", "-c", "dpkg-deb -x *.deb x"]):
                done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"dnf's versionlock plugin cannot be had: {done.stderr.strip()[:200]}")
            text = Path(folder, "x/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py").read_text()
        # What it takes from the rest of that package are a logger and translations.
        text = text.replace(
            "from dnfpluginscore import _, logger", "from dnf.i18n import _\nfrom dnf.plugin import logger"
        )
        unfinished = CACHE / "versionlock.unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        (unfinished / "versionlock.py").write_text(text)
        unfinished.rename(kept)
    return kept


def dnf5_root() -> Path:
    """The root file system with dnf5, built once. Skips with the reason where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("dnf5 runs in a chroot, and only root can make one")
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap, which builds a root file system with dnf5, is missing")
    from lab.fleet import LabError
    from lab.images import mirrors

    kept = CACHE / f"{SUITE}-dnf5"
    if not kept.exists():
        try:
            main = os.environ.get("UPKEEP_LAB_MIRROR") or mirrors()[0]
        except LabError as error:
            pytest.skip(f"no mirror to build a root file system with dnf5 from: {error}")
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = CACHE / f"{SUITE}-dnf5.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        done = subprocess.run([*BOOTSTRAP, SUITE, unfinished, f"deb {main} {SUITE} main"],
                              capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
            pytest.skip(f"a root file system with dnf5 cannot be built from {SUITE}: {last}")
        unfinished.rename(kept)
    probe = subprocess.run([*CHROOT, kept, ROOT, "dnf5", "--version"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"the root file system with dnf5 cannot be entered: {probe.stderr.strip()[:200]}")
    return kept


class System:
    """A system below `top`: its rpm database, configuration and repositories; `dnf` asks a real dnf about it."""

    def __init__(self, forge: Forge, top: Path, dnf: str, fs: Path | None = None) -> None:
        self.forge, self.top, self.kind, self.root = forge, top, dnf, top / "root"
        self.before = tuple(map(str, (*CHROOT, fs, ROOT))) if fs else ()
        self.env = {**forge.env, "UPKEEP_STATE_DIR": str(top / "state")}
        self._plugins = {"pluginpath": str(versionlock())} if dnf == "dnf4" else {}
        (self.root / "etc/yum.repos.d").mkdir(parents=True)
        (self.root / "etc/dnf/plugins").mkdir(parents=True)
        self.configure()
        locklist = self.root / "etc/dnf/plugins/versionlock"
        locklist.with_suffix(".list").touch()
        locklist.with_suffix(".conf").write_text(f"[main]\nenabled=1\nlocklist={locklist}.list\n")

    def configure(self, **options: str) -> None:
        lines = "".join(f"{name}={value}\n" for name, value in {"best": "0", **self._plugins, **options}.items())
        (self.root / "etc/dnf/dnf.conf").write_text(f"[main]\n{lines}")

    def install(self, *rpms: Rpm) -> None:
        self.forge.install(self.root, list(rpms))

    def lock(self, name: str, version: str, comparator: str = "=") -> None:
        if self.kind == "dnf4":
            mark = "!" if comparator == "!=" else ""
            with (self.root / "etc/dnf/plugins/versionlock.list").open("a") as stream:
                stream.write(f"{mark}{name}-{version}.*\n")
            return
        path = self.root / "etc/dnf/versionlock.toml"
        text = path.read_text() if path.exists() else 'version = "1.0"\n'
        path.write_text(
            f'{text}\n[[packages]]\nname = "{name}"\ncomment = "Added by \'versionlock add\'"\n\n'
            f'[[packages.conditions]]\nkey = "evr"\ncomparator = "{comparator}"\nvalue = "{version}"\n'
        )

    def enable_module(self, text: str) -> None:
        (self.root / "etc/dnf/modules.d").mkdir(exist_ok=True)
        (self.root / "etc/dnf/modules.d/app.module").write_text(text)

    def serve(self, repo: Repo, **options: str) -> None:
        folder = self.forge.repository(repo, self.top / "srv" / repo.id)
        self.point(repo.id, f"file://{folder}", **{**repo.options, **options})

    def point(self, name: str, address: str, **options: str) -> None:
        """Configure a repository at an address, whether it is there or not."""
        lines = {"name": f"The {name} repository", "baseurl": address, "gpgcheck": "0", "enabled": "1", **options}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (self.root / f"etc/yum.repos.d/{name}.repo").write_text(f"[{name}]\n{text}")

    def dnf(self, *arguments: str, rcs: tuple[int, ...] = (0,)) -> str:
        argv = [*self.before, "dnf" if self.kind == "dnf4" else "dnf5", f"--installroot={self.root}", *arguments]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode in rcs, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def makecache(self) -> None:
        self.dnf("-q", "--disableplugin=*", "makecache")

    def collect(self, fails: bool = False, **options) -> dict:
        wanted = {"manager": "dnf", "root": str(self.root), **options}
        state = collect(SYSTEM_PYTHON, self.env, self.before, ROOT / "collections", **wanted)
        assert ("error_code" in state) is fails, state
        return state
