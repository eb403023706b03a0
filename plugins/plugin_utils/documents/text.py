# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words and figures as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def printable(value: Any) -> str:
    """`value` on one line that a terminal takes: control characters and bytes that are not UTF-8 shown as `\\xNN`."""
    return "".join(character if character.isprintable() else _escaped(character) for character in str(value))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def amount(number: Any) -> str:
    """`1,924`; `?` where there is no number."""
    return f"{number:,}" if isinstance(number, (int, float)) and not isinstance(number, bool) else "?"


def size(number: Any) -> str:
    """`4.1 MB` (powers of 1000); `?` where there is no number."""
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        return "?"
    value = float(number)
    for unit in _UNITS:
        if value < 999.95 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"


def duration(milliseconds: Any) -> str:
    """`54 ms`, `0.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`; `?` where there is no number."""
    if not isinstance(milliseconds, (int, float)) or isinstance(milliseconds, bool):
        return "?"
    if 0 < milliseconds < 100:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for unit, small_unit, length, small in (("min", "s", 3600, 60), ("h", "min", 86_400, 3600)):
        if seconds < length:
            return _two(seconds, small, unit, small // 60, small_unit)
    return _two(seconds, 86_400, "d", 3600, "h")


def _two(seconds: float, large: int, unit: str, small: int, small_unit: str) -> str:
    whole, rest = divmod(int(seconds), large)
    return f"{whole} {unit} {rest // small} {small_unit}" if rest // small else f"{whole} {unit}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 host`, `2 hosts`."""
    return f"{amount(number)} {one if number == 1 else many or one + 's'}"


def not_known(hosts: int) -> str:
    """` (not known of 2 hosts)`, to follow a figure; nothing where it is known of all."""
    return f" (not known of {plural(hosts, 'host')})" if hosts else ""


def reboot_words(report: Mapping[str, Any]) -> str:
    """Which hosts of a report should reboot, and of how many nobody knows (a container's kernel is not its own)."""
    unknown = report["summary"]["reboots_unknown"]
    due = [host["name"] for host in report["hosts"] if host["patch"]["reboot_required"]]
    if not due and unknown == len(report["hosts"]):
        return "not known"
    return (f"due on {listing(due)}" if due else "none due") + not_known(unknown)


def listing(items: Sequence[Any], shown: int = 10) -> str:
    """`a, b, c and 4 more`."""
    text = ", ".join(printable(item) for item in items[:shown])
    return f"{text} and {amount(len(items) - shown)} more" if len(items) > shown else text


def table(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Aligned columns, two spaces apart; the last one is as long as it likes."""
    rows = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return [
        (indent + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]])).rstrip()
        for row in rows
    ]


def called(dump: Mapping[str, Any]) -> str:
    """A dump by its name, and the database's where it has one."""
    return f"{dump.get('name')} ({dump['database']})" if dump.get("database") else str(dump.get("name"))


def databases(dumps: Any) -> str:
    """`2 databases with 14 tables and 4,210 rows`; empty where there are none."""
    counted = [dump for dump in dumps or [] if dump.get("rows") is not None]
    if not counted:
        return ""
    tables, rows = (sum(dump.get(key) or 0 for dump in counted) for key in ("tables", "rows"))
    return f"{plural(len(counted), 'database')} with {plural(tables, 'table')} and {plural(rows, 'row')}"
