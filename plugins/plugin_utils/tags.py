# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which phases the tags of a run leave. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .observation import PHASE_TAGS


def selected_phases(phases: Sequence[str], run_tags: Collection[str], skip_tags: Collection[str]) -> list[str]:
    """`phases` whose tag Ansible would run. A phase's play has one tag; that of a phase unknown here is its name."""
    return [phase for phase in phases if _is_run(PHASE_TAGS.get(phase, phase), run_tags, skip_tags)]


def _is_run(tag: str, run_tags: Collection[str], skip_tags: Collection[str]) -> bool:
    if not {"all", "tagged", tag} & set(run_tags):
        return False
    return not {"all", "tagged", tag} & set(skip_tags)
