# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep_home`: the folder under which evidence lands, and the folders in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

FOLDERS = ("backups", "audits", "reports", "runs", "state")
# A folder that holds this file is evidence: the archive engine leaves it out of every backup set.
MARKER = ".upkeep-evidence"
_MARKER_TEXT = "Upkeep keeps evidence in this folder; a folder with this file in it is never part of a backup set.\n"

_LOOKUP = "proven.upkeep.home"

# plugins/plugin_utils/home.py: the collection's root is three levels up, behind the link of the in-place layout.
_COLLECTION_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """Where evidence lands, who said so (`variable`, `clone`, `environment`, `cwd`), and what the user should know."""

    path: Path
    source: str
    warning: str | None = None


def resolve(
    variable: str | None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    collection_root: Path = _COLLECTION_ROOT,
) -> Home:
    """The variable `upkeep_home`, else the clone's root, else $UPKEEP_HOME, else the current folder.

    Raises UpkeepError `home_in_collection` for a place inside an installed collection.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    home = _choose(variable, environ.get("UPKEEP_HOME"), cwd, collection_root)
    refuse_installed_collection(home.path)
    return home


def explicit(variables: Mapping[str, Any], template: Callable[[str], Any]) -> str | None:
    """The variable `upkeep_home` as `template` gives it, unless it is set to the lookup that asks for it."""
    raw = variables.get("upkeep_home")
    if raw is None or _LOOKUP in str(raw):
        return None
    return str(template("upkeep_home") or "") or None


def is_clone(root: Path) -> bool:
    """Whether `root` is a clone of this project: an installed collection has MANIFEST.json instead of galaxy.yml."""
    return (root / "galaxy.yml").is_file() and not (root / "MANIFEST.json").exists()


def _choose(variable: str | None, environment: str | None, cwd: Path, collection_root: Path) -> Home:
    if variable:
        return Home(_absolute(variable, cwd), "variable")
    if is_clone(collection_root):
        warning = None
        if environment and _absolute(environment, cwd) != collection_root:
            warning = (
                f"UPKEEP_HOME={environment} is not used: this is a clone, so evidence lands in {collection_root}. "
                "Give -e upkeep_home=<folder> to choose another place."
            )
        return Home(collection_root, "clone", warning)
    if environment:
        return Home(_absolute(environment, cwd), "environment")
    return Home(cwd, "cwd")


def _absolute(text: str, cwd: Path) -> Path:
    return Path(os.path.abspath(cwd / Path(text).expanduser()))


def refuse_installed_collection(path: Path) -> None:
    """Raises UpkeepError `home_in_collection` inside an installed collection: an upgrade would delete evidence."""
    real = path.resolve()
    for folder in (real, *real.parents):
        if folder.parent.parent.name == "ansible_collections" and (folder / "MANIFEST.json").exists():
            raise UpkeepError(
                "home_in_collection",
                f"upkeep_home {path} lies inside the installed collection {folder}, where an upgrade would delete it. "
                "Set upkeep_home or UPKEEP_HOME to a folder of your own.",
                upkeep_home=str(path),
            )


def ensure_home(path: Path) -> None:
    """Make the evidence folders (0700), each with its marker. Raises UpkeepError `home_unwritable`."""
    try:
        for name in FOLDERS:
            folder = path / name
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker = folder / MARKER
            if not marker.exists():
                marker.write_text(_MARKER_TEXT, encoding="ascii")
                marker.chmod(0o600)
    except OSError as error:
        raise UpkeepError(
            "home_unwritable",
            f"upkeep_home {path} cannot be written ({error.strerror}: {error.filename}). "
            "Make it writable for this user, or set upkeep_home to another folder.",
            upkeep_home=str(path),
        )
