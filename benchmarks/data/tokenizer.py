"""Times the in-graph tokenizers beside Hugging Face's, in one process, and says how large they are.

usage: python -m benchmarks.data.tokenizer [CHECKPOINT ...] [--file TEXT] [--texts 32]
           [--characters 380] [--rounds 200] [--threads 2] [--smoke]

CHECKPOINT is a folder with a tokenizer, and each gets a table; without one a WordPiece vocabulary
of letters and syllables is made up. Without --file the texts are made up from syllables too. Prints
milliseconds a batch, in turn (median and quartiles), and for ours how many times as fast as each
other it is: median and quartiles of the rounds' ratios. Sizes are those of a SavedModel with the
tokenizer alone, and of tokenizer.json.

WordPiece stands beside BertTokenizerFast and TF.Text's FastBertTokenizer, which gives ids and
offsets but differs from BERT's own tokenizer on over 7,000 code points; ours is timed with the same
outputs, and with units. SentencePiece stands beside XLMRobertaTokenizerFast and byte-level BPE
beside RobertaTokenizerFast, given the same words; ours is timed with raw text too, in which it has
to find them.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import seconds_of

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SYLLABLES = [f"{consonant}{vowel}" for consonant in "bcdfglmnprstvw" for vowel in "aeiou"]


def main() -> None:
    """Time every tokenizer and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="*", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--file", type=Path, help="UTF-8 text to cut the batch from")
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--characters", type=int, default=380)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    about_smoke = "few rounds: does it run, not how fast"
    parser.add_argument("--smoke", action="store_true", help=about_smoke)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    texts = cut_texts(arguments.file, arguments.texts, arguments.characters)
    set_threads(arguments.threads)
    rounds = 5 if arguments.smoke else arguments.rounds
    size = f"{len(texts)} texts of {len(texts[0])} characters"
    print(f"{size}, {arguments.threads} threads, {rounds} rounds; ms a batch")
    for checkpoint in arguments.checkpoints or [None]:
        report(checkpoint, alternate(build(checkpoint, texts), rounds))


def cut_texts(file: Path | None, count: int, length: int) -> list[str]:
    """Cut `count` texts of `length` characters from a file or from made-up sentences."""
    rng = random.Random(0)
    if file:
        source = " ".join(file.read_text(encoding="utf-8").split())
    else:
        source = make_up(rng, count * length)
    if len(source) <= length:
        sys.exit(f"{file}: expected more than {length} characters, got {len(source)}")
    begins = [rng.randrange(len(source) - length) for _ in range(count)]
    return [source[begin : begin + length] for begin in begins]


def make_up(rng: random.Random, length: int) -> str:
    """Make up words about as long, as capitalized and as punctuated as English ones are."""
    words = []
    while sum(map(len, words)) + len(words) < 2 * length:
        syllables = rng.choice((1, 1, 2, 2, 3))
        word = "".join(rng.choices(SYLLABLES, k=syllables))
        word = word.capitalize() if rng.random() < 0.15 else word
        ending = rng.choices(("", ",", ".", "'s", ")"), (86, 6, 5, 2, 1))[0]
        words.append(word + ending)
    return " ".join(words)


def set_threads(threads: int) -> None:
    """Give TensorFlow as many threads as Hugging Face's tokenizers have."""
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def build(checkpoint: Path | None, texts: list[str]) -> dict[str, Callable[[], object]]:
    """Build what is timed, by name; each call tokenizes the batch once."""
    from tfner.tokenizers.registry import open_tokenizer
    from tfner.tokenizers.vocabulary import TokenizerSettings
    from tfner.tokenizers.wordpiece import WordPieceTokenizer

    if checkpoint:
        ours = open_tokenizer(checkpoint)
    else:
        ours = WordPieceTokenizer(made_up_vocabulary(), TokenizerSettings())
    if isinstance(ours, WordPieceTokenizer):
        return build_wordpiece(ours, texts)
    return build_units(checkpoint, ours, texts)


def build_wordpiece(ours, texts: list[str]) -> dict[str, Callable[[], object]]:
    """Build what is timed of WordPiece; each call tokenizes the batch once."""
    import tensorflow as tf
    import tensorflow_text as tf_text

    fast = tf_text.FastBertTokenizer(
        list(ours.vocabulary),
        token_out_type=tf.int32,
        lower_case_nfd_strip_accents=ours.settings.strips_accents,
    )
    batch = tf.constant(texts)
    oracle = hugging_face(ours)
    print_sizes(ours, oracle)
    return {
        "ours, ids and offsets": graph(lambda text: list(ours.tokenize_text(text))[:3], batch),
        "ours, with units": graph(lambda text: list(ours.tokenize_text(text)), batch),
        "FastBertTokenizer": graph(fast.tokenize_with_offsets, batch),
        "BertTokenizerFast": lambda: oracle.encode_batch(texts, add_special_tokens=False),
    }


def build_units(checkpoint, ours, texts: list[str]) -> dict[str, Callable[[], object]]:
    """Build what is timed of a tokenizer that cuts unit by unit."""
    import tensorflow as tf

    oracle = fast_tokenizer(checkpoint, ours)
    encode = oracle.backend_tokenizer.encode_batch
    units = ours.tokenize_text(tf.constant(texts))
    spans = zip(units.unit_start.to_list(), units.unit_end.to_list(), strict=True)
    words = [
        [text[start:end] for start, end in zip(*row, strict=True)]
        for text, row in zip(texts, spans, strict=True)
    ]
    rows = tf.ragged.constant(words)
    print_sizes(ours, oracle.backend_tokenizer)
    plain = {"add_special_tokens": False}
    return {
        "ours, words": graph(lambda rows: list(ours.tokenize_words(rows)), rows),
        "ours, raw text": graph(lambda text: list(ours.tokenize_text(text)), tf.constant(texts)),
        type(oracle).__name__: lambda: encode(words, is_pretokenized=True, **plain),
    }


def fast_tokenizer(checkpoint: Path, ours):
    """Open Hugging Face's tokenizer of the same checkpoint."""
    from transformers import RobertaTokenizerFast, XLMRobertaTokenizerFast

    from tfner.tokenizers.sentencepiece import SentencePieceTokenizer

    if isinstance(ours, SentencePieceTokenizer):
        return XLMRobertaTokenizerFast(vocab_file=str(checkpoint / "sentencepiece.bpe.model"))
    if (checkpoint / "tokenizer.json").is_file():
        saved = str(checkpoint / "tokenizer.json")
        return RobertaTokenizerFast(tokenizer_file=saved, add_prefix_space=True)
    vocabulary, merges = (str(checkpoint / name) for name in ("vocab.json", "merges.txt"))
    return RobertaTokenizerFast(vocabulary, merges, add_prefix_space=True)


def print_sizes(ours, oracle) -> None:
    """Print the bytes of a SavedModel with our tokenizer, and of Hugging Face's file."""
    import tensorflow as tf

    module = tf.Module()
    module.tokenizer = ours
    texts = tf.TensorSpec([None], tf.string, "text")
    tokenize = tf.function(lambda text: {"ids": ours.tokenize_text(text).ids.values})
    with tempfile.TemporaryDirectory() as folder:
        signature = tokenize.get_concrete_function(texts)
        tf.saved_model.save(module, folder, signatures=signature)
        size = (Path(folder) / "saved_model.pb").stat().st_size
    theirs = len(oracle.to_str().encode())
    print(f"{type(ours).__name__}: {size:,} bytes in a graph, tokenizer.json {theirs:,}")


def graph(tokenize: Callable, batch) -> Callable[[], object]:
    """Make a call that runs `tokenize` over a batch in one graph."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.type_spec_from_value(batch)])
    def flat(texts) -> list[tf.Tensor]:
        return tf.nest.flatten(tokenize(texts), expand_composites=True)

    return lambda: flat(batch)[0].numpy()


def hugging_face(ours):
    """Build the tokenizer inside BertTokenizerFast, with the same vocabulary and settings."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    settings = ours.settings
    ids = {piece: number for number, piece in enumerate(ours.vocabulary)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=settings.unk_token))
    tokenizer.normalizer = BertNormalizer(
        settings.clean_text,
        settings.tokenize_chinese_chars,
        settings.strip_accents,
        settings.lowercase,
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def made_up_vocabulary() -> tuple[str, ...]:
    """Make a vocabulary of characters and syllables, at the start of a word and within it."""
    pieces = [*string.ascii_lowercase, *SYLLABLES]
    within = [f"##{piece}" for piece in pieces]
    return (*SPECIAL, *string.punctuation, *string.digits, *pieces, *within)


def alternate(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each call in milliseconds.

    The contestants take turns, so that whatever else the machine does meets all of them.
    """
    for call in contestants.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            times[name].append(1000 * seconds_of(call))
    return times


def report(checkpoint: Path | None, times: dict[str, list[float]]) -> None:
    """Print median and quartiles of each, and how many times as fast as the others ours is."""
    print(checkpoint or "made-up vocabulary")
    others = [name for name in times if not name.startswith("ours")]
    for name, values in times.items():
        lower, median, upper = statistics.quantiles(values, n=4)
        against = "".join(
            f"   {ratio_text(times[other], values)} x {other}"
            for other in others
            if name not in others
        )
        print(f"{name:<24}{median:7.2f}  ({lower:.2f} to {upper:.2f}){against}")


def ratio_text(theirs: list[float], ours: list[float]) -> str:
    """Write how many times as fast ours is, over the rounds: median and quartiles.

    >>> ratio_text([2.0, 4.0, 9.0], [2.0, 2.0, 3.0])
    '2.00 (1.00 to 3.00)'
    """
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return f"{median:.2f} ({lower:.2f} to {upper:.2f})"


if __name__ == "__main__":
    main()
