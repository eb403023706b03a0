# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What documents in CSAF 2.0 have in common: products made of others, ratings by product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# Red Hat's words, and SUSE's.
SEVERITIES = {"critical": "critical", "important": "high", "moderate": "medium", "low": "low"}
_DEEPEST = 8


class Component(NamedTuple):
    """A product that is part of another: its id in the document, and its package URL (empty where it has none)."""

    id: str
    purl: str


class Products:
    """The product tree of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        tree = document.get("product_tree") or {}
        self._helpers: dict[str, Mapping[str, str]] = {}
        waiting = list(tree.get("branches") or ())
        while waiting:
            branch = waiting.pop()
            waiting += branch.get("branches") or ()
            if "product" in branch:
                product = branch["product"]
                self._helpers[product["product_id"]] = product.get("product_identification_helper") or {}
        self._parts: dict[str, tuple[str, str]] = {}
        for each in tree.get("relationships") or ():
            whole = each["full_product_name"]["product_id"]
            self._parts[whole] = (each["product_reference"], each["relates_to_product_reference"])

    def resolve(self, product: str) -> tuple[str, list[Component]]:
        """(the CPE of the platform, the components) of a product: a package, the module that it is in."""
        platform, components = self.platform(product)
        return self._helpers.get(platform, {}).get("cpe", ""), components

    def platform(self, product: str) -> tuple[str, list[Component]]:
        """`resolve`, with the platform's own id."""
        components: list[Component] = []
        for _level in range(_DEEPEST):
            if product not in self._parts:
                return product, components
            part, product = self._parts[product]
            components.append(Component(part, self._helpers.get(part, {}).get("purl", "")))
        raise ValueError(f"{product} is a part of itself")


def severity_of(vulnerability: Mapping[str, Any], document: Mapping[str, Any], product: str) -> str | None:
    """The vendor's rating of a product, or of all of them."""
    said = [
        threat.get("details")
        for threat in vulnerability.get("threats") or ()
        if threat.get("category") == "impact" and _speaks_of(threat.get("product_ids"), product)
    ]
    said.append((document["document"].get("aggregate_severity") or {}).get("text"))
    return next((SEVERITIES[word.lower()] for word in said if word and word.lower() in SEVERITIES), None)


def cvss_of(vulnerability: Mapping[str, Any], product: str) -> float | None:
    """The CVSS v3 base score that the vendor gives a product."""
    for score in vulnerability.get("scores") or ():
        if "cvss_v3" in score and _speaks_of(score.get("products"), product):
            base = float(score["cvss_v3"]["baseScore"])
            return base if 0 <= base <= 10 else None
    return None


def _speaks_of(products: Iterable[str] | None, product: str) -> bool:
    return not products or product in products
