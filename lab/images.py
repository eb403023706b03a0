# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One image a Debian release: built once, kept as a file in the clone's cache, loaded in seconds.

Built from the release suite alone and given the security suite afterwards, a host has real security updates pending,
and the older versions stay installable. mmdebstrap builds it from the mirror that this machine itself uses. Where there
is no mmdebstrap, UPKEEP_LAB_IMAGE names a stock image to start from, such as `debian:{release}-slim`.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from lab.fleet import CACHE, LAB, LABEL, LIMITS, MORE_PACKAGES, PACKAGES, LabError
from lab.run import podman, run, succeeds

SOURCE = Path(__file__).resolve().parent / "image"


def mirrors() -> tuple[str, str]:
    """Where this machine's own apt gets a Debian release and its security updates."""
    main, security = os.environ.get("UPKEEP_LAB_MIRROR"), os.environ.get("UPKEEP_LAB_SECURITY_MIRROR")
    if not (main and security) and shutil.which("apt-get"):
        listed = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(CODENAME)", "Created-By: Packages")
        for line in listed.splitlines():
            uri, _, rest = line.partition(" ")
            if not rest.startswith("Debian "):
                continue
            if rest.endswith("-security"):
                security = security or uri
            elif "-" not in rest:
                main = main or uri
    if not main or not security:
        raise LabError(
            "this machine's apt names no Debian mirror: set UPKEEP_LAB_MIRROR and UPKEEP_LAB_SECURITY_MIRROR to the "
            "addresses of one and run again"
        )
    return main.rstrip("/"), security.rstrip("/")


def packages(release: str) -> tuple[str, ...]:
    return tuple(sorted((*PACKAGES, *MORE_PACKAGES[release])))


def fingerprint(release: str) -> str:
    """Changes when anything does that the image is made of."""
    digest = hashlib.sha256(repr((release, packages(release), mirrors(), os.environ.get("UPKEEP_LAB_IMAGE"))).encode())
    for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(SOURCE)} {path.stat().st_mode & 0o111}".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def image(release: str) -> str:
    return f"localhost/{LAB}-{release}:{fingerprint(release)}"


def is_here(release: str) -> bool:
    return succeeds("podman", "image", "exists", image(release))


def ensure(release: str) -> str:
    """Make the image be there. Returns how: "here", "loaded" or "built"."""
    if is_here(release):
        return "here"
    kept = CACHE / f"{release}-{fingerprint(release)}.tar"
    how = "loaded" if kept.exists() else "built"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.glob(f"{release}-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        # Under another name until it is whole: a killed build must not pass for an image.
        unfinished = kept.with_suffix(".unfinished")
        (_from_stock if os.environ.get("UPKEEP_LAB_IMAGE") else _from_mirror)(release, unfinished)
        unfinished.rename(kept)
    podman("import", "-q", "--change", f"LABEL {LABEL}", str(kept), image(release))
    return how


def _from_mirror(release: str, target: Path) -> None:
    main, security = mirrors()
    # Its own folder for what is unfinished: a killed build is swept by the next one.
    work = CACHE / f"{release}-build"
    work.mkdir()
    run(
        "env", f"TMPDIR={work}", "mmdebstrap", "--quiet", "--variant=apt", "--format=tar", "--skip=cleanup/apt/lists",
        f"--include={','.join(packages(release))}",
        f"--customize-hook=copy-in {shlex.quote(str(SOURCE))} /",
        "--customize-hook=mv $1/image $1/lab-image",
        f"--customize-hook=chroot $1 /lab-image/setup {release} {main} {security}",
        release, str(target), f"deb {main} {release} main", log=CACHE / f"{release}.log",
    )  # fmt: skip
    shutil.rmtree(work)


def _from_stock(release: str, target: Path) -> None:
    main, security = mirrors()
    stock = os.environ["UPKEEP_LAB_IMAGE"].format(release=release)
    work = f"{LAB}-build-{release}"
    # Its own sources may carry newer packages than the release: then fewer updates are pending.
    script = (
        "set -e; rm -f /etc/apt/sources.list.d/* /usr/sbin/policy-rc.d; "
        f"echo 'deb {main} {release} main' >/etc/apt/sources.list; apt-get -q update; "
        f"apt-get -qy install --no-install-recommends {' '.join(packages(release))}; "
        f"cp -a /lab-source /lab-image; /lab-image/setup {release} {main} {security}"
    )
    try:
        podman(
            "run", "--runtime=runc", *LIMITS, "--name", work, "-e", "DEBIAN_FRONTEND=noninteractive",
            "-v", f"{SOURCE}:/lab-source:ro", stock, "sh", "-c", script,
            log=CACHE / f"{release}.log",
        )  # fmt: skip
        with target.open("wb") as tar:
            subprocess.run(["podman", "export", work], stdout=tar, check=True)
    finally:
        succeeds("podman", "rm", "-f", work)
