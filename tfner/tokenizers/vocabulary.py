"""Read the tokenizer of a BERT checkpoint: vocabulary and settings, or an error that says why not.

Which settings hold is decided as `transformers.AutoTokenizer` decides it for the same folder; a
test compares the two over a table of folders.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.safeio.sources import VOCABULARIES, check_inside

logger = logging.getLogger(__name__)

# Classes of transformers whose bare vocab.txt means BERT's tokenization (BertJapaneseTokenizer, for
# one, cuts words with MeCab), and which overrule the normalizer of tokenizer.json.
BERT_MODELS = "Bert DistilBert Electra MobileBert ConvBert Funnel LayoutLM Lxmert SqueezeBert"
BERT_CLASSES = tuple(f"{model}Tokenizer" for model in BERT_MODELS.split())
OVERRULED = (
    "%s: says %s; transformers' %s goes by tokenizer_config.json and its own defaults, "
    "and so does tfner: %s. Say %s in tokenizer_config.json if the file is right"
)
# Classes of transformers that name no kind of tokenizer: the files tell.
ANY_KIND = ("", "PreTrainedTokenizer")
LONGEST_PIECE = 10_000  # characters; a vocabulary of one line is no vocabulary
LARGEST_VOCABULARY = 64 << 20  # bytes
SURROGATE = re.compile("[\ud800-\udfff]")
# section of tokenizer.json → its kind in BERT's
KINDS = {"model": "WordPiece", "normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
# kind of a model in tokenizer.json that is read from another file → what to say of it
OF_FILES = {"Unigram": "Unigram, which is read from sentencepiece.bpe.model"}
TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a text"}
SPECIAL_TOKENS = ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")
TOKENIZER_JSON = "tokenizer.json"
CONFIGS = ("tokenizer_config.json", "config.json")
TOKENIZER_FILES = ("vocab.txt", TOKENIZER_JSON, *CONFIGS)
# our name of a setting → its name in tokenizer_config.json, in the normalizer of tokenizer.json
NORMALIZER_SETTINGS = {
    "lowercase": ("do_lower_case", "lowercase"),
    "strip_accents": ("strip_accents", "strip_accents"),
    "tokenize_chinese_chars": ("tokenize_chinese_chars", "handle_chinese_chars"),
}


@dataclass(frozen=True)
class TokenizerSettings:
    """Say how BERT's tokenizer cleans, cuts and looks up; the defaults are bert-base-uncased's."""

    lowercase: bool = True
    strip_accents: bool | None = None  # None follows `lowercase`
    tokenize_chinese_chars: bool = True
    clean_text: bool = True
    max_chars_per_word: int = 100
    continuing_prefix: str = "##"
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    pad_token: str = "[PAD]"
    mask_token: str = "[MASK]"

    @property
    def strips_accents(self) -> bool:
        """Resolve `strip_accents`, which may be None."""
        return self.lowercase if self.strip_accents is None else self.strip_accents


def read_checkpoint_tokenizer(folder: str | Path) -> tuple[tuple[str, ...], TokenizerSettings]:
    """Read the vocabulary, in the order of ids, and the settings of a BERT checkpoint.

    Reads vocab.txt, tokenizer.json and tokenizer_config.json. For lowercasing, accents and CJK
    characters a class of BERT's kind goes by tokenizer_config.json and then by its own defaults,
    whatever tokenizer.json says; another class (PreTrainedTokenizerFast) goes by tokenizer.json.
    The class is the one that tokenizer_config.json names, else config.json, else BertTokenizer.
    A warning is logged where tokenizer.json is overruled.

    Raises:
        ModelError: no vocabulary, two that disagree, or a tokenizer that is not BERT's WordPiece.
    """
    folder = Path(folder)
    check_inside(folder, TOKENIZER_FILES)
    saved = read_json(folder, TOKENIZER_JSON)
    config = read_config(folder, "tokenizer_config.json")
    model_config = read_config(folder, "config.json")
    vocabulary = read_vocabulary(folder, saved, (config, model_config))
    class_name = config.get("tokenizer_class") or model_config.get("tokenizer_class")
    settings = read_settings(folder, saved or {}, config, str(class_name or BERT_CLASSES[0]))
    check_special_tokens(folder, vocabulary, settings)
    embeddings = model_config.get("vocab_size")
    check_vocabulary_fits(folder, vocabulary, embeddings)
    return vocabulary, settings


def refusal(where: Path | str, expected: str, got: Any) -> ModelError:
    """Say what was expected at a place and what came."""
    return ModelError(f"{where}: expected {expected}, got {got}")


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """Read the object in a JSON file; None if there is no file."""
    path = folder / name
    if not path.is_file():
        return None
    return read_json_object(path, ModelError)


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Read the object in a JSON file; an empty one if there is no file."""
    return read_json(folder, name) or {}


def class_name(folder: Path) -> str:
    """Give the class of transformers that tokenizer_config.json names, else config.json.

    Without the `Fast` at its end; empty if neither names one.
    """
    check_inside(folder, CONFIGS)
    for name in CONFIGS:
        named = read_config(folder, name).get("tokenizer_class")
        if named:
            return str(named).removesuffix("Fast")
    return ""


def read_vocabulary(
    folder: Path, saved: dict[str, Any] | None, configs: tuple[dict[str, Any], ...]
) -> tuple[str, ...]:
    """Take the pieces from tokenizer.json or vocab.txt, which must agree if both are there."""
    listed = read_vocab_txt(folder / "vocab.txt")
    if saved is None:
        if not listed:
            names = " or ".join(VOCABULARIES)
            raise ModelError(f"expected {names} in {folder}, found none")
        check_class(folder, *configs)
        return listed
    path = folder / TOKENIZER_JSON
    vocabulary = saved_vocabulary(path, saved)
    if listed and listed != vocabulary:
        expected = "expected the same pieces in the same order"
        raise ModelError(f"{folder}: vocab.txt and tokenizer.json differ, {expected}")
    return vocabulary


def read_vocab_txt(path: Path) -> tuple[str, ...]:
    """Read one piece a line, ended as Python's text mode ends lines; empty if there is no file."""
    if not path.is_file():
        return ()
    text = read_utf8(path, LARGEST_VOCABULARY, ModelError)
    line_numbers = {}
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        piece = line.rstrip("\n")
        where = f"{path}:{number}"
        check_piece(piece, where)
        first = line_numbers.setdefault(piece, number)
        if first != number:
            shown = show(piece)
            got = f"{shown} again after line {first}"
            raise refusal(where, "every piece once", got)
    return tuple(line_numbers)


def check_piece(piece: str, where: str) -> None:
    """Refuse what no vocabulary holds."""
    if len(piece) > LONGEST_PIECE:
        expected = f"a piece of at most {LONGEST_PIECE} characters"
        got = f"a longer one: {show(piece)}"
        raise refusal(where, expected, got)
    if not piece.isascii() and SURROGATE.search(piece):
        raise refusal(where, "a piece of whole characters", show(piece))


def saved_vocabulary(path: Path, saved: dict[str, Any]) -> tuple[str, ...]:
    """List the pieces in tokenizer.json by id, after a check that it is BERT's kind."""
    check_kind(path, saved)
    model = saved["model"]
    return pieces_by_id(path, "model.vocab", model.get("vocab"))


def pieces_by_id(path: Path, name: str, vocabulary: Any) -> tuple[str, ...]:
    """List the pieces of an object that gives each its id; `name` is the object's in messages."""
    if not isinstance(vocabulary, dict) or not all(type(id) is int for id in vocabulary.values()):
        expected = f"{name} to be an object, which gives each piece a whole number"
        got = show(vocabulary)
        raise refusal(path, expected, got)
    for number, id in enumerate(sorted(vocabulary.values())):
        if id != number:
            got = f"{id} for two" if id < number else f"none for {number}"
            raise refusal(path, f"{name} to give the ids from 0 up, each to one piece", got)
    for piece, id in vocabulary.items():
        where = f"{path}: {name}, id {id}"
        check_piece(piece, where)
    return tuple(sorted(vocabulary, key=vocabulary.__getitem__))


def check_kind(path: Path, saved: dict[str, Any]) -> None:
    """Refuse what is not WordPiece with BERT's normalizer and pre-tokenizer, by name."""
    for name, expected in KINDS.items():
        section = saved.get(name)
        kind = section.get("type") if isinstance(section, dict) else None
        if kind != expected:
            got = OF_FILES.get(kind, kind) if isinstance(kind, str) else show(section)
            raise refusal(path, f"a BERT tokenizer, whose {name} is {expected}", got)
    check_added_tokens(path, saved.get("added_tokens") or [])


def check_added_tokens(path: Path, tokens: Any) -> None:
    """Refuse added tokens that are not special: transformers cuts them out before WordPiece."""
    if not isinstance(tokens, list) or not all(map(is_added_token, tokens)):
        got = show(tokens)
        raise refusal(path, "added_tokens to be a list of objects with content", got)
    added = [repr(token["content"]) for token in tokens if not token.get("special")]
    if added:
        first_few = added[:5]
        listed = ", ".join(first_few)
        raise ModelError(f"{path}: added tokens that are not special are not supported: {listed}")


def is_added_token(token: Any) -> bool:
    """Tell whether a value of tokenizer.json describes a token."""
    return isinstance(token, dict) and isinstance(token.get("content"), str)


def check_class(folder: Path, *configs: dict[str, Any]) -> None:
    """Refuse a bare vocab.txt that belongs to another tokenizer."""
    for config in configs:
        kind = config.get("tokenizer_class")
        if kind is not None and not is_bert_class(str(kind)):
            listed = ", ".join(BERT_CLASSES)
            expected = f"a BERT tokenizer (one of {listed}), or sentencepiece.bpe.model"
            raise refusal(folder, expected, kind)


def is_bert_class(class_name: str) -> bool:
    """Tell whether a class of transformers cleans and cuts by BERT's settings."""
    return class_name.removesuffix("Fast") in BERT_CLASSES


def read_settings(
    folder: Path, saved: dict[str, Any], config: dict[str, Any], class_name: str
) -> TokenizerSettings:
    """Join the settings of tokenizer.json and tokenizer_config.json as the class does."""
    normalizer = saved.get("normalizer", {})
    model = saved.get("model", {})
    in_config, in_file = {}, {}
    for name, (config_name, file_name) in NORMALIZER_SETTINGS.items():
        in_config[name] = config.get(config_name)
        in_file[name] = normalizer.get(file_name)
    special = {name: token_text(config.get(name)) for name in SPECIAL_TOKENS}
    normalization = in_file
    if is_bert_class(class_name) or not saved:
        normalization = in_config
    found = {**special, **normalization}
    found["clean_text"] = normalizer.get("clean_text")
    found["max_chars_per_word"] = model.get("max_input_chars_per_word")
    found["continuing_prefix"] = model.get("continuing_subword_prefix")
    found["unk_token"] = model.get("unk_token") or special["unk_token"]
    given = {name: value for name, value in found.items() if value is not None}
    check_settings(folder, in_file)
    check_settings(folder, given)
    settings = TokenizerSettings(**given)
    if saved:
        warn_of_overruled(folder / TOKENIZER_JSON, class_name, in_file, settings)
    return settings


def warn_of_overruled(
    path: Path, class_name: str, in_file: Mapping[str, Any], settings: TokenizerSettings
) -> None:
    """Log one warning that lists what tokenizer.json says in vain."""
    default = TokenizerSettings()
    overruled = []
    for name, value in in_file.items():
        meant = getattr(default, name) if value is None else value
        if meant != getattr(settings, name):
            overruled.append(name)
    if overruled:
        says = list_values(overruled, in_file)
        in_use = asdict(settings)
        uses = list_values(overruled, in_use)
        names = ", ".join(NORMALIZER_SETTINGS[name][0] for name in overruled)
        logger.warning(OVERRULED, path, says, class_name, uses, names)


def list_values(names: list[str], values: Mapping[str, Any]) -> str:
    """Write settings as `lowercase=True, strip_accents=None`."""
    return ", ".join(f"{name}={values[name]}" for name in names)


def check_settings(folder: Path, given: Mapping[str, Any]) -> None:
    """Refuse a value of another type than the default's, and a word length beyond any graph's."""
    for field in fields(TokenizerSettings):
        name = field.name
        value = given.get(name)
        expected = bool if field.default is None else type(field.default)
        if value is not None and type(value) is not expected:
            where = f"{folder}: the tokenizer's {name}"
            raise refusal(where, TYPE_NAMES[expected], show(value))
    longest = given.get("max_chars_per_word", 1)
    if not 0 < longest <= LONGEST_PIECE:
        where = f"{folder}: the tokenizer's max_chars_per_word"
        limits = f"1 to {LONGEST_PIECE}"
        got = show(longest)
        raise refusal(where, limits, got)


def check_vocabulary_fits(folder: Path, vocabulary: tuple[str, ...], embeddings: Any) -> None:
    """Refuse a vocabulary with more pieces than the encoder beside it has embeddings."""
    pieces = len(vocabulary)
    if isinstance(embeddings, int) and embeddings < pieces:
        expected = f"at most {embeddings} pieces in the vocabulary, as config.json says"
        raise refusal(folder, expected, pieces)


def token_text(token: Any) -> str | None:
    """Read a special token, written as a string or as an object with `content`."""
    return token.get("content") if isinstance(token, dict) else token


def check_special_tokens(
    folder: Path, vocabulary: tuple[str, ...], settings: TokenizerSettings
) -> None:
    """Refuse a vocabulary without one of the special tokens."""
    tokens = [getattr(settings, name) for name in SPECIAL_TOKENS]
    missing = [token for token in tokens if token not in vocabulary]
    if missing:
        listed = ", ".join(missing)
        expected = f"expected the special tokens {listed}"
        raise ModelError(f"{folder}: {expected} in the vocabulary of {len(vocabulary)} pieces")
