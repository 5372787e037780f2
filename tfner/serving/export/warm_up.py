"""Make warm-up requests: a server runs them while it loads, so that no user waits for first times.

A record that fails would keep the server from loading the model, so the export itself is asked
first. Format: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.model.inference.tagger import Tagger
from tfner.serving.export.layout import WARM_UP
from tfner.serving.export.tf_records import DamagedRecordError, read_records
from tfner.serving.schema import FEATURES, TEXTS, WORDS
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.text_ops import load_text_ops

AT_MOST = 1000  # records that the server takes
# Texts in a request: a server refuses more than its max_batch_size, warm-up included.
TEXTS_AT_MOST = 256
WORD = "."  # it is a unit of its own, of a piece or two, whatever the vocabulary
SCRIPTS = "Zoë et François, 東京都, محمد في القاهرة, Ünïcode ☃ 👩‍👩‍👧, e\u0301"
REPLAY_ERRORS = (OSError, KeyError, TypeError, ValueError, DamagedRecordError, tf.errors.OpError)
Request = tuple[str, dict[str, np.ndarray]]  # name of the signature, inputs by name


def warm_up_requests(tagger: Tagger) -> list[Request]:
    """Make requests that reach every width of every signature.

    Among them are texts that users send too: none, blank, of many scripts, long.
    """
    requests = list(requests_of_texts(tagger))
    requests += requests_of_words(tagger)
    requests += requests_of_features(tagger)
    return requests[:AT_MOST]


def requests_of_texts(tagger: Tagger) -> Iterator[Request]:
    """Make requests for serving_default."""
    widths = tagger.plan.widths
    for count in text_counts(tagger):
        for sentence in sentences_of_widths(tagger.tokenizer, widths):
            text = " ".join(sentence)
            yield TEXTS, {"text": strings([text] * count)}
    words = [WORD] * (3 * tagger.max_length)
    long = " ".join(words)
    yield TEXTS, {"text": strings(["", " \t\n", SCRIPTS, long])}
    yield TEXTS, {"text": np.array([b"\xff\xfe caf\xc3"], object)}


def requests_of_words(tagger: Tagger) -> Iterator[Request]:
    """Make requests for words."""
    sentences = sentences_of_widths(tagger.tokenizer, tagger.plan.widths)
    sentences += [[*SCRIPTS.split(), ""], [""]]
    for words in sentences:
        yield WORDS, {"words": strings(words)[np.newaxis]}


def requests_of_features(tagger: Tagger) -> Iterator[Request]:
    """Make requests for features."""
    for width in tagger.plan.widths:
        ids = np.full((1, width), tagger.tokenizer.cls_id, np.int32)
        length = np.array([width], np.int32)
        yield FEATURES, {"input_ids": ids, "length": length}


def sentences_of_widths(tokenizer: Tokenizer, widths: Sequence[int]) -> list[list[str]]:
    """Make sentences of as many pieces as fill each width, or nearly so, [CLS] and [SEP] included.

    Where a word has two pieces an odd number of pieces is missed by one.
    """
    tokens = tokenizer.tokenize_words(tf.ragged.constant([[WORD]]))
    pieces = max(int(tf.size(tokens.ids.values)), 1)
    return [[WORD] * max((width - 2) // pieces, 1) for width in widths]


def text_counts(tagger: Tagger) -> list[int]:
    """Choose how many texts a request has: as programs are compiled for, or one and a few."""
    if not tagger.compiled:
        return [1, 8]
    counts = {min(rows, TEXTS_AT_MOST) for rows, _ in tagger.compiled_shapes()}
    return sorted(counts)


def strings(texts: list[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts], object)


def write_warm_up(requests: list[Request], folder: Path, model_name: str) -> None:
    """Put the requests where the server looks for them in a version's folder."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


def read_warm_up(folder: Path) -> Iterator[Request]:
    """Read the requests that a version's folder holds."""
    from tensorflow_serving.apis import prediction_log_pb2

    for record in read_records(folder / WARM_UP):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def replay(folder: Path) -> int:
    """Load a version and answer its warm-up requests, as a server will; give their number.

    Raises:
        ModelError: the version cannot be loaded, or one of its requests fails.
    """
    load_text_ops()
    number = 0
    try:
        model = tf.saved_model.load(str(folder))
        for signature, inputs in read_warm_up(folder):
            number += 1
            tensors = {name: tf.constant(value) for name, value in inputs.items()}
            model.signatures[signature](**tensors)
    except REPLAY_ERRORS as error:
        failure = f"the export fails on its warm-up request {number}: {error}"
        raise ModelError(f"{folder}: {failure}") from None
    return number
