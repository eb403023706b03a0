# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which phases the tags of a run leave. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .observation import OFF_HOST_TAGS, PHASE_TAGS


def selected_phases(phases: Sequence[str], run_tags: Collection[str], skip_tags: Collection[str]) -> list[str]:
    """`phases` whose play Ansible would run, by its tags; that of a phase unknown here is tagged by its name."""
    return [phase for phase in phases if _is_run(_tags_of(phase), run_tags, skip_tags)]


def _tags_of(phase: str) -> set[str]:
    return set(OFF_HOST_TAGS.get(phase) or [PHASE_TAGS.get(phase, phase)])


def _is_run(tags: set[str], run_tags: Collection[str], skip_tags: Collection[str]) -> bool:
    selecting = {"all", "tagged", *tags}
    return bool(selecting & set(run_tags)) and not selecting & set(skip_tags)
