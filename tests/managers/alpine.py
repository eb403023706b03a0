# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An apk of its own below a temporary folder: packages and signed repositories in the format of apk-tools 2, which 3
reads too (apk-v2(5)), and what is installed."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

BUILT = 1_700_000_000


def archive(members: dict[str, bytes], end: bool = True, checksums: bool = False) -> bytes:
    """A gzipped tar; without its `end` where another follows. With `checksums` of its files, as apk wants them."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT if checksums else tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            if checksums and not name.endswith("/"):
                info.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(content).hexdigest()}
            info.size, info.mtime = len(content), BUILT
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info, io.BytesIO(content))
        cut = plain.tell()
    data = plain.getvalue()
    return gzip.compress(data if end else data[:cut], mtime=0)


class Alpine:
    """`offer` packages in a repository, `add` them, `refresh`; `root` is its root folder."""

    def __init__(self, base: Path) -> None:
        self.base, self.root = base, base / "root"
        for folder in ("etc/apk/keys", "lib/apk/db", "var/cache/apk", "tmp", "proc", "dev"):
            (self.root / folder).mkdir(parents=True)
        self.world, self.repositories = self.root / "etc/apk/world", self.root / "etc/apk/repositories"
        (self.root / "etc/apk/arch").write_text("x86_64\n")
        self.world.touch()
        self.repositories.touch()
        self.key = base / "test.rsa"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        public = self.root / "etc/apk/keys/test.rsa.pub"
        subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", public], check=True, capture_output=True)
        self.apk("add", "--initdb")

    def signed(self, body: bytes) -> bytes:
        """`body` with its signature in front."""
        argv = ["openssl", "dgst", "-sha1", "-sign", str(self.key)]
        signature = subprocess.run(argv, input=body, stdout=subprocess.PIPE, check=True).stdout
        return archive({".SIGN.RSA.test.rsa.pub": signature}, end=False) + body

    def package(
        self,
        name: str,
        version: str,
        files: dict[str, bytes] | None = None,
        scripts: dict[str, bytes] | None = None,
        **fields: object,
    ) -> tuple[str, bytes]:
        """A package's file name and content; `fields` are PKGINFO's: `depend`, `provides`, `replaces`, `origin`, …

        `scripts` by apk's names: `.post-upgrade`.
        """
        data = archive({f"opt-{name}/": b"", **(files or {})}, checksums=True)
        facts = {"pkgdesc": name, "url": "x", "builddate": BUILT, "size": 1, "arch": "x86_64", "origin": name, **fields}
        lines = [f"pkgname = {name}", f"pkgver = {version}"]
        for field, values in facts.items():
            lines += [f"{field} = {each}" for each in (values if isinstance(values, (list, tuple)) else [values])]
        lines.append(f"datahash = {hashlib.sha256(data).hexdigest()}")
        control = archive({".PKGINFO": ("\n".join(lines) + "\n").encode(), **(scripts or {})}, end=False)
        return f"{name}-{version}.apk", self.signed(control) + data

    def offer(self, repository: str, *packages: tuple[str, bytes], tag: str = "") -> Path:
        """A repository as a server would have it, with these packages alone."""
        folder = self.base / "served" / repository / "x86_64"
        if not folder.exists():
            folder.mkdir(parents=True)
            with self.repositories.open("a") as stream:
                stream.write(f"{f'@{tag} ' if tag else ''}file://{folder.parent}\n")
        for old in folder.iterdir():
            old.unlink()
        for name, content in packages:
            (folder / name).write_bytes(content)
        made = self.base / "index.tar.gz"
        paths = [str(folder / name) for name, _content in packages]
        self.apk("index", "--allow-untrusted", "-o", made, *paths)
        (folder / "APKINDEX.tar.gz").write_bytes(self.signed(made.read_bytes()))
        made.unlink()
        return folder

    def add(self, *names: str) -> None:
        self.apk("add", *names)

    def refresh(self) -> None:
        self.apk("update")

    def apk(self, *arguments: object) -> str:
        done = subprocess.run(
            ["apk", "--root", self.root, "--no-interactive", *map(str, arguments)],
            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"apk {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout
