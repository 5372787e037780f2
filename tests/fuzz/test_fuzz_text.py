"""The tokenizer's text path.

Any bytes give the pieces of BertTokenizerFast and the units of the slow rule.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_valid import any_bytes
from targets import TEXT, Target, load
from text_targets import ALPHABET, text_of

SPELLINGS = st.lists(st.integers(0, 255), max_size=40).map(lambda places: bytes([1, *places]))
CODE_POINTS = st.text(st.characters(), max_size=20).map(
    lambda text: bytes([2]) + b"".join(ord(one).to_bytes(3, "little") for one in text)
)


@pytest.fixture(scope="module", params=TEXT)
def target(request) -> Target:
    return load(request.param)


def test_what_the_fuzzer_begins_from_holds(target):
    for seed in target.seeds:
        target.check(seed)


@settings(max_examples=60)
@given(st.data())
def test_any_bytes_are_tokenized_as_by_the_oracles(target, data):
    target.check(data.draw(any_bytes(target.seeds, target.words) | SPELLINGS | CODE_POINTS))


def test_every_way_of_spelling_text_reaches_its_characters():
    assert text_of(b"\0a\xff") == b"a\xff"
    assert text_of(bytes([1, *range(len(ALPHABET))])).decode() == ALPHABET[:256]
    assert text_of(b"\2" + (0x1F600).to_bytes(3, "little")).decode() == "😀"


@pytest.mark.parametrize("name", ["\u0f73\u0f71\u1dfa\u0323\u302e\u0301a"])
def test_what_once_differed_holds(target, name):
    target.check(b"\0" + name.encode())
