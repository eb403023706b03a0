# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blocks of gzip: whatever they hold, they come back, and noise is stored rather than tried."""

from __future__ import annotations

import random
import zlib

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import gz
from hypothesis import given, settings
from hypothesis import strategies as st

CELL = 1 << 15
DICE = random.Random(1)
NOISE = DICE.getrandbits(8 * 40 * CELL).to_bytes(40 * CELL, "little")
TEXT = b"".join(b"line %d of a file that is text, %d\n" % (n, n * n) for n in range(60000))[: 40 * CELL]

parts = st.lists(st.tuples(st.sampled_from([NOISE, TEXT, bytes(len(TEXT))]), st.integers(1, 3 * CELL)), max_size=8)


def through_zlib(packed):
    """What any inflate makes of it, once the stream is ended."""
    return zlib.decompress(packed + b"\x03\0", -15)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(parts, st.integers(0, 9))
def test_every_block_comes_back(pieces, level):
    raw = b"".join(source[:size] for source, size in pieces)[: 1 << 20]
    packed = gz.compress(raw, level)
    assert gz.decompress(packed, len(raw)) == raw == through_zlib(packed)


@pytest.mark.parametrize(
    "raw, at_most",
    [
        (NOISE[: 32 * CELL], 32 * CELL + 1000),  # stored: five bytes for each 65,535
        (TEXT[: 32 * CELL], 11 * CELL),
        (TEXT[: 8 * CELL] + NOISE[: 8 * CELL] + TEXT[8 * CELL : 16 * CELL], 8 * CELL + 6 * CELL),
    ],
    ids=["noise", "text", "noise between text"],
)
def test_how_large_it_gets(raw, at_most):
    assert len(gz.compress(raw, 6)) <= at_most


def test_noise_does_not_go_through_deflate(monkeypatch):
    deflated = []
    engine = zlib.compressobj

    class Counting:
        def __init__(self, *arguments):
            self.engine = engine(*arguments)

        def compress(self, data):
            deflated.append(len(data))
            return self.engine.compress(data)

        def flush(self, mode):
            return self.engine.flush(mode)

    monkeypatch.setattr(gz.zlib, "compressobj", Counting)
    gz.compress(TEXT[: 4 * CELL] + NOISE[: 20 * CELL] + TEXT[: 2 * CELL], 6)
    assert sum(deflated) < 10 * CELL
