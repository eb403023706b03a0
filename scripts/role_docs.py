# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write each role's table of variables into its README, from its argument_specs. `--check`: only say what is stale."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- variables: written by `make docs` from meta/argument_specs.yml -->"
END = "<!-- end of variables -->"


def text(value: object) -> str:
    """A description as one Markdown line: Ansible's C(x) becomes `x`."""
    joined = " ".join(value) if isinstance(value, list) else str(value)
    return re.sub(r"\b[COVM]\((.+?)\)", r"`\1`", " ".join(joined.split())).replace("|", "\\|")


def kind(spec: dict) -> str:
    name = f"list of {spec['elements']}" if spec.get("elements") else spec.get("type", "str")
    choices = [str(each) for each in spec.get("choices") or [] if each is not None]  # null is what a survey leaves out
    return f"{name}: {', '.join(choices)}" if choices else name


def default_of(name: str, spec: dict, defaults: dict) -> str:
    """`required`, a value as JSON, or where to look for one that is computed or long."""
    if spec.get("required"):
        return "required"
    if name not in defaults:
        return ""
    value = json.dumps(defaults[name])
    return "see defaults/main.yml" if "{{" in value or len(value) > 60 else f"`{value}`"


def rows(options: dict, defaults: dict, prefix: str = "") -> list[str]:
    lines = []
    for name, spec in options.items():
        default = default_of(name, spec, defaults)
        lines.append(f"| `{prefix}{name}` | {kind(spec)} | {default} | {text(spec['description'])} |")
        lines += rows(spec.get("options", {}), {}, prefix=f"{prefix}{name}[].")
    return lines


def section(specs: dict, defaults: dict) -> str:
    """The generated part: the entry points, then one table of what they take."""
    entries = [
        f"- `{name}`: {text(spec['short_description'])}. {text(spec['description'])}" for name, spec in specs.items()
    ]
    options: dict = {}
    for spec in specs.values():
        options = {**options, **{name: one for name, one in spec.get("options", {}).items() if name not in options}}
    table = ["| variable | type | default | what it does |", "|---|---|---|---|", *rows(options, defaults)]
    return "\n".join([BEGIN, "", "Entry points:", "", *entries, "", *table, "", END])


def main() -> int:
    stale = []
    for spec_file in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        readme = spec_file.parent.parent / "README.md"
        specs = yaml.safe_load(spec_file.read_text())["argument_specs"]
        defaults = yaml.safe_load((spec_file.parent.parent / "defaults/main.yml").read_text()) or {}
        before = readme.read_text()
        if BEGIN in before:
            above, below = before.partition(BEGIN)[0], before.partition(END)[2]
        else:
            above, below = f"{before.rstrip()}\n\n## Variables\n\n", "\n"
        after = above + section(specs, defaults) + below
        if after != before:
            stale.append(str(readme.relative_to(ROOT)))
            if "--check" not in sys.argv:
                readme.write_text(after)
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run `make docs`")
        return 1
    print(f"{'stale' if '--check' in sys.argv else 'written'}: {len(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
