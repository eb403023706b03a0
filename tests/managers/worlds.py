# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One world for every rpm manager: what is installed, what two repositories offer, and each reason once."""

from __future__ import annotations

from tests.managers.rpms import Advisory, Repo, Rpm

MODULES = """---
document: modulemd
version: 2
data:
  name: app
  stream: "{stream}"
  version: 1
  context: c0ffee
  arch: x86_64
  summary: s
  description: d
  license: {{module: [MIT]}}
  artifacts:
    rpms:
    - app-0:{version}-1.noarch
...
"""
ENABLED = "[app]\nname=app\nstream=1\nprofiles=\nstate=enabled\n"

INSTALLED = [
    Rpm("example-release", "1.0", lines=("Provides: system-release = 1", "Provides: base-module(platform:ex1)")),
    Rpm("tool", "1.0", source="tool-src"),
    Rpm("plain", "1.0"),
    Rpm("current", "1.0"),
    Rpm("epochal", "1.0", lines=("Epoch: 1",)),
    Rpm("locked", "1.0"),
    Rpm("unwanted", "1.0"),
    Rpm("unwanted-here", "1.0"),
    Rpm("needy", "1.0"),
    Rpm("old", "1.0"),
    Rpm("growing", "1.0"),
]
BASE = [
    Rpm("tool", "1.0", source="tool-src"),
    Rpm("plain", "2.0"),
    Rpm("current", "1.0"),
    Rpm("epochal", "1.1", lines=("Epoch: 1",)),
    Rpm("needy", "2.0", lines=("Requires: nowhere-to-be-found",)),
    Rpm("growing", "2.0", lines=("Requires: extra",)),
    Rpm("extra", "1.0"),
]
UPDATES = [
    Rpm("tool", "1.1", source="tool-src"),
    Rpm("tool", "1.2", source="tool-src"),
    Rpm("locked", "2.0"),
    Rpm("unwanted", "2.0"),
    Rpm("unwanted-here", "2.0"),
    Rpm("fresh", "1.0", lines=("Obsoletes: old < 2", "Provides: old = 2")),
]
ADVISORIES = [
    # The fix stands between what is installed and what would come: the update brings it all the same.
    Advisory(
        "EXSA-2026:0001", "security", (("tool", "0", "1.1", "1"),), ("CVE-2026-1111", "CVE-2026-1112"), "Important"
    ),
    Advisory("EXBA-2026:0002", "bugfix", (("tool", "0", "1.2", "1"),), issued="2026-04-02 00:00:00"),
    Advisory("EXSA-2026:0003", "security", (("locked", "0", "2.0", "1"),), ("CVE-2026-3333",), "Critical"),
    Advisory("odd-id", "security", (("unwanted", "0", "2.0", "1"),), ("CVE-2026-4444",), "Low"),
    Advisory("EXSA-2026:0005", "security", (("tool", "0", "1.0", "1"),), ("CVE-2026-5555",), "Critical"),
]
MODULAR_INSTALLED = Rpm("app", "1.0", lines=("ModularityLabel: app:1:1:c0ffee",))
MODULAR_OFFERED = Rpm("app", "2.0", lines=("ModularityLabel: app:2:1:c0ffee",))


def repositories(modules: bool) -> list[Repo]:
    base = Repo("base", list(BASE))
    updates = Repo("updates", list(UPDATES), list(ADVISORIES), options={"excludepkgs": "unwanted-here"})
    if modules:
        base.rpms += [MODULAR_INSTALLED, MODULAR_OFFERED]
        base.modules = MODULES.format(stream="1", version="1.0") + MODULES.format(stream="2", version="2.0")
    return [base, updates]


# What becomes of every update of this world, and words that the reason must have.
REASONS = {
    "app": "modular",
    "epochal": None,
    "extra": None,
    "fresh": None,
    "growing": None,
    "locked": "held",
    "needy": "kept_back",
    "plain": None,
    "tool": None,
    "unwanted": "excluded",
    "unwanted-here": "excluded",
}
DETAILS = {
    "app": "app:1",
    "locked": "versionlock delete locked",
    "needy": "nowhere-to-be-found",
    "unwanted": "excludepkgs=unwanted",
    "unwanted-here": "The repository updates",
}
