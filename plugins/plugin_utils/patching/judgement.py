# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a judge says: problems, each with a stable code and a sentence, and notes that stop nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 10


@dataclass
class Judgement:
    """`bad` is the status that a problem makes: refused before a change, failed after one."""

    bad: str
    problems: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`ok`, or `bad` where there is a problem."""
        return self.bad if self.problems else "ok"

    def add(self, code: str, message: str) -> None:
        """A problem. What was said already is not said again."""
        problem = {"code": code, "message": message}
        if problem not in self.problems:
            self.problems.append(problem)

    def add_each(self, code: str, messages: Iterable[str]) -> None:
        """A problem for each of them; of many of a kind, how many more there are."""
        every = list(messages)
        for message in every[:_SHOWN]:
            self.add(code, message)
        if len(every) > _SHOWN:
            self.add(code, f"and {len(every) - _SHOWN} more of this kind")

    def take(self, data: Mapping[str, Any]) -> None:
        """The problems that a module found itself."""
        for each in data.get("problems") or []:
            self.add(str(each.get("code")), str(each.get("message")))

    def has(self, code: str) -> bool:
        """Whether there is a problem of that code."""
        return any(problem["code"] == code for problem in self.problems)
