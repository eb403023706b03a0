# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception that carries a sentence for the operator."""

from __future__ import annotations

from typing import Any


class UpkeepError(Exception):
    """Something went wrong that the operator can act on.

    `code` is stable and for programs (`error_code` in results), `message` is one line for a person: what went
    wrong, where, and what to do. `details` are JSON-able facts that belong to the failure (never secrets).
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def result(self) -> dict[str, Any]:
        """The failure as keyword arguments for `fail_json`."""
        return {"msg": self.message, "error_code": self.code, **self.details}
