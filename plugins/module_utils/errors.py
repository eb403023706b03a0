# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception that carries a sentence for the operator."""

from __future__ import annotations

from typing import Any

# Control characters, line separators, and what turns the direction of writing: a name may hold any of them, and must
# not forge a line, or hide one.
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPED.update({code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))})


def one_line(text: str) -> str:
    """`text` with its control characters shown as `\\x0a`."""
    return text.translate(_ESCAPED)


class UpkeepError(Exception):
    """Something went wrong that the operator can act on.

    `code` is stable and for programs (`error_code` in results), `message` is one line for a person: what went
    wrong, where, and what to do. `details` are JSON-able facts that belong to the failure (never secrets).
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        self.message = one_line(message)
        super().__init__(self.message)
        self.code = code
        self.details = details

    def result(self) -> dict[str, Any]:
        """The failure as keyword arguments for `fail_json`."""
        return {"msg": self.message, "error_code": self.code, **self.details}
