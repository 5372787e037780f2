"""Invent the words that names are made of, each used once in the whole corpus.

A word is built of syllables and of an ending that leans to one kind of name without proving it:
`-ford` ends places and surnames, `-ix` companies and products. A model must weigh a word's shape
against the words around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

SYLLABLES = {
    "onset": "B Bl Br D Dr F Fr G Gr H J K Kl L M N Pl Pr R S Sk Sm St T Th Tr V W Z",
    "vowel": "a e i o u a e i o u a e i o u a e i o u ai ea ou é ö ø",
    "before vowel": "b d k l lm lv m mm n nd nn r rn rv ss v",
    "before consonant": "l lk ll m n nn nt r rn rt s st",
}
ENDINGS = {
    "first": "a ano ara as el en eth ette iel ilde in ine is o ric eus y",
    "last": "aki ard berg elli er escu ez ford man ov quist sen son strand well wick",
    "town": "ava burg by dale ford grad haven holm ia land ley mar mouth ova stad ton wick",
    "brand": "ax co corp dyne ec ix nor on ora os tec tron",
    "ware": "eez eo it ium ix ly ol on ora ovo um yx",
}
# Any kind of word may have these: then only the words around it tell which it is.
SHARED_ENDINGS = "a ard el ell en er is o on ova"
SHARED_SHARE = 0.05
# A rare letter in the second place keeps invented abbreviations from being real ones.
LETTERS, RARE_LETTERS = "BCDFGHJKLMNPRSTVWZ", "VWXZ"


class Inventor:
    """Draw words from `random`; none comes twice, none is one of `ordinary`, the templates' words.

    Only `random.random()` is used, the one method whose results Python promises to keep.
    """

    def __init__(self, random: Random, ordinary: Iterable[str] = ()):
        self.random = random
        self.taken = {word.lower() for word in ordinary}

    def pick(self, choices: Sequence[str]) -> str:
        """Draw one of `choices`, all equally likely."""
        return choices[int(self.random.random() * len(choices))]

    def chance(self, share: float) -> bool:
        """Draw True in `share` of all draws."""
        return self.random.random() < share

    def word(self, kind: str) -> str:
        """Invent a new word of a kind: `letters` or a key of ENDINGS."""
        if kind == "letters":
            return self._unused(self._abbreviation)
        endings = (SHARED_ENDINGS if self.chance(SHARED_SHARE) else ENDINGS[kind]).split()

        def build() -> str:
            ending = self.pick(endings)
            return self._syllables(ending)

        return self._unused(build)

    def _unused(self, build: Callable[[], str]) -> str:
        while (word := build()).lower() in self.taken:
            pass
        self.taken.add(word.lower())
        return word

    def _syllables(self, ending: str) -> str:
        stem = self._syllable("onset") + self._syllable("vowel")
        if self.chance(0.4):
            stem += self._syllable("before vowel") + self._syllable("vowel")
        kind = "before vowel" if ending[0] in "aeiouy" else "before consonant"
        return stem + self._syllable(kind) + ending

    def _syllable(self, kind: str) -> str:
        choices = SYLLABLES[kind].split()
        return self.pick(choices)

    def _abbreviation(self) -> str:
        last = self.pick(LETTERS) if self.chance(0.5) else ""
        first, second, third = map(self.pick, (LETTERS, RARE_LETTERS, LETTERS))
        return first + second + third + last


KINDS = (*ENDINGS, "letters")
