"""Train the quickstart's WordPiece vocabulary.

    python -m tfner.quickstart.vocabulary TRAIN.jsonl VOCAB.txt

Pieces are merged as in byte-pair encoding, the commonest neighbours first (Wu et al. 2016 describe
WordPiece; its usual trainers count so too). Every printable ASCII character and every other
character of the training texts is a piece, at the beginning of a word and inside it, so that names
never seen before split into known pieces.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
INSIDE = "##"
SIZE = 1200
Word = tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, read the texts and write the vocabulary."""
    if len(arguments) != 2:
        print("usage: python -m tfner.quickstart.vocabulary TRAIN.jsonl VOCAB.txt", file=sys.stderr)
        return 2
    lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    pieces = train(json.loads(line)["text"] for line in lines)
    content = "\n".join(pieces) + "\n"
    Path(arguments[1]).write_text(content, encoding="utf-8", newline="\n")
    return 0


def train(texts: Iterable[str], size: int = SIZE) -> list[str]:
    """Make the vocabulary of `texts`: special tokens, characters, then merged pieces."""
    counts = Counter(word for text in texts for word in split_words(text))
    alphabet = sorted({chr(code) for code in range(0x21, 0x7F)}.union(*counts))
    inside = [INSIDE + letter for letter in alphabet]
    known = dict.fromkeys([*SPECIAL, *alphabet, *inside])
    by_letters = {split_letters(word): count for word, count in counts.items()}
    merges = Merges(by_letters)
    while len(known) < size and (merged := merges.merge_commonest()):
        known[merged] = None
    return list(known)


def split_words(text: str) -> Iterator[str]:
    """Cut a text as BERT does: at white space, each punctuation mark a word of its own.

    >>> list(split_words("Mara's boat."))
    ['Mara', "'", 's', 'boat', '.']
    """
    spaced = "".join(f" {letter} " if is_punctuation(letter) else letter for letter in text)
    yield from spaced.split()


def is_punctuation(letter: str) -> bool:
    """Tell whether BERT cuts there: Unicode's punctuation and ASCII's symbols."""
    ascii_symbol = "!" <= letter <= "~" and not letter.isalnum()
    return ascii_symbol or unicodedata.category(letter).startswith("P")


def split_letters(word: str) -> Word:
    """Split a word into its characters' pieces.

    >>> split_letters("cat")
    ('c', '##a', '##t')
    """
    inside = [INSIDE + letter for letter in word[1:]]
    return (word[0], *inside)


class Merges:
    """Hold words as pieces with their counts, and keep the counts of neighbours up to date."""

    def __init__(self, counts: dict[Word, int]):
        self.counts = counts
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.words_with: defaultdict[tuple[str, str], set[Word]] = defaultdict(set)
        for word in counts:
            self._enter(word)

    def merge_commonest(self) -> str:
        """Join the commonest pair of neighbours everywhere; return the piece, "" if none is left.

        Of equally common pairs it is the first in code point order.
        """
        none_left = (("", ""), 0)
        pairs = self.pairs.items()
        pair, count = min(pairs, key=lambda item: (-item[1], item[0]), default=none_left)
        if count <= 0:
            return ""
        merged = pair[0] + pair[1].removeprefix(INSIDE)
        for word in sorted(self.words_with[pair]):
            joined = join(word, pair, merged)
            self._replace(word, joined)
        return merged

    def _replace(self, word: Word, joined: Word) -> None:
        count = self.counts[word]
        for pair in pairwise(word):
            self.pairs[pair] -= count
            self.words_with[pair].discard(word)
        del self.counts[word]
        self.counts[joined] = count
        self._enter(joined)

    def _enter(self, word: Word) -> None:
        count = self.counts[word]
        for pair in pairwise(word):
            self.pairs[pair] += count
            self.words_with[pair].add(word)


def join(word: Word, pair: tuple[str, str], merged: str) -> Word:
    """Replace each occurrence of `pair` in `word`, from the left.

    >>> join(("a", "##b", "##c"), ("a", "##b"), "ab")
    ('ab', '##c')
    """
    pieces: list[str] = []
    for piece in word:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] = merged
        else:
            pieces.append(piece)
    return tuple(pieces)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
