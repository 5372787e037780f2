"""GPT-2's rule in graph against Hugging Face's `ByteLevel`."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
from bert_oracle import CODE_POINTS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from tfner.tokenizers.byte_alphabet import byte_characters, piece_bytes
from tfner.tokenizers.byte_pair_pretokens import PretokenRule, class_table, mark_begins
from tfner.tokenizers.characters import BLOCK_MASK, BLOCK_SHIFT
from tfner.tokenizers.ragged_ops import indices_of

LETTERS = st.sampled_from(
    list("a'stmdrevl LLEé日1²Ⅷ.!_\u0301 \t\n\x0b\x85\u00a0\u2028\u3000\U0001f600")
)
RULE = PretokenRule()


def cut(texts: list[str]) -> list[list[str]]:
    """Cut texts into pre-tokens, each with a space before it if it has none."""
    codes = [ord(character) for text in texts for character in text]
    splits = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    code_M, marked = mark_begins(tf.constant(codes, tf.int32), tf.constant(splits))
    begins = indices_of(RULE(code_M, marked)).numpy().tolist()
    characters = "".join(map(chr, code_M.numpy()))
    found: list[list[str]] = [[] for _ in texts]
    rows = np.searchsorted(marked.numpy(), begins, side="right") - 1
    for row, (begin, end) in zip(rows, itertools.pairwise([*begins, len(characters)]), strict=True):
        found[row].append(characters[begin:end])
    return found


def hugging_face(text: str) -> list[str]:
    rule = ByteLevel(add_prefix_space=True)
    return [piece_bytes(piece).decode() for piece, _ in rule.pre_tokenize_str(text)]


@settings(max_examples=100)
@given(st.lists(st.text(LETTERS, max_size=12), min_size=1, max_size=6))
@example(["I'll we're 's 'sup ''s a's't x'", "'t", " 's", "\t's", "a'l", "a'r", "'", "r'"])
@example(["", " ", "  ", "\t", " \t", "a ", "a  ", "a \t b", "\u00a0a", "a\n\nb", " ' s"])
def test_pretokens_are_hugging_faces(texts):
    assert cut(texts) == list(map(hugging_face, texts))


def test_the_table_has_the_class_that_hugging_face_cuts_by():
    """A code point between a letter and a number joins one of them, or none."""
    table = class_table()
    codes = np.array([code for code in CODE_POINTS if code not in (ord(" "), ord("'"))])
    chosen = codes[::61]
    entries = table.blocks[table.index[chosen >> BLOCK_SHIFT] + (chosen & BLOCK_MASK)]
    for code, entry in zip(chosen.tolist(), entries.tolist(), strict=True):
        pretokens = hugging_face(f"a{chr(code)}1!{chr(code)}!")
        joins = [pretokens[0] != " a", f"{chr(code)}1" in pretokens, pretokens[-1] == "!"]
        assert joins == [entry == 1, entry == 2, entry != 0], hex(code)


def test_the_alphabet_is_hugging_faces():
    assert set(byte_characters()) == set(ByteLevel.alphabet())
    for byte, character in enumerate(byte_characters()[:0x80]):
        (pretoken,) = ByteLevel(add_prefix_space=False).pre_tokenize_str(chr(byte))
        assert pretoken[0] == character
    text = "é日😀"
    pretokens = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assert piece_bytes("".join(piece for piece, _ in pretokens)) == text.encode()
