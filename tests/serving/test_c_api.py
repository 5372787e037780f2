"""An export over the C API answers what it answers in TensorFlow's Python, to the last bit."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bytes
import tiny_pieces
from hypothesis import given
from hypothesis import strategies as st
from impostor import edit_graph, write_impostor
from subprocesses import environment

import tfner
from tfner.exceptions import ModelError
from tfner.serving.runtime.c_api.library import CError, CLibrary, load_c_library
from tfner.serving.runtime.c_api.session import ClosedError, Session
from tfner.serving.runtime.c_api.strings import read_strings, write_views
from tfner.serving.runtime.c_api.tensors import InputTensor, Strings, read_tensor
from tfner.serving.runtime.choice import Threads
from tfner.serving.runtime.recognizer import padded_words
from tfner.serving.runtime.saved_model import load_recognizer

ALPHABET = "annaborismet lives in Berlin. ,-\n\té😀漢字ひ\u0301\u200d\0"
SENTENCE = ["anna", "met", "boris", "", "in", "Berlin"]
SECONDS = 60


def over_c_api(maker=tiny):
    return load_recognizer(maker.exported(), "c")


@pytest.fixture(scope="module")
def ner():
    return over_c_api()


def texts_of(seed):
    """Some texts of any length and characters, the empty one among them."""
    choice = random.Random(seed)
    lengths = [choice.choice([0, 1, 9, 60, 400]) for _ in range(choice.randrange(12))]
    return ["".join(choice.choices(ALPHABET, k=length)) for length in lengths]


def assert_same(answer, expected):
    assert answer.keys() == expected.keys()
    for name, array in expected.items():
        assert answer[name].dtype == array.dtype, name
        assert answer[name].shape == array.shape, name
        assert answer[name].tolist() == array.tolist(), name


OTHERS = [pytest.param(maker, marks=pytest.mark.long) for maker in (tiny_pieces, tiny_bytes)]


@pytest.mark.parametrize("maker", [tiny, *OTHERS])
def test_answers_are_those_of_tensorflow_to_the_last_bit(maker):
    ours, theirs = over_c_api(maker), load_recognizer(maker.exported(), "tensorflow")
    assert ours.card == theirs.card
    for seed in range(6):
        texts = texts_of(seed)
        assert_same(ours.outputs(texts), theirs.outputs(texts))
        rows = padded_words([text.split(" ") for text in texts])
        assert_same(ours._ask_words(rows), theirs._ask_words(rows))
    assert ours("anna met boris in Berlin") == theirs("anna met boris in Berlin")
    assert ours.tag(SENTENCE, scores=True) == theirs.tag(SENTENCE, scores=True)


@pytest.mark.long
def test_a_process_has_nothing_of_tensorflows_python_until_it_wants_it():
    code = """
        import json, sys, tfner
        ner = tfner.load(sys.argv[1])
        found = [entity.to_dict() for entity in ner(sys.argv[2])]
        tags = ner.tag(sys.argv[2].split())
        imported = [name for name in ("tensorflow", "keras", "tf_keras") if name in sys.modules]
        import hashlib, ssl, tensorflow  # which have an OpenSSL each
        again = tfner.load(sys.argv[1])
        same = [entity.to_dict() for entity in again(sys.argv[2])] == found
        print(json.dumps([found, tags, imported, same, ner.tag(["anna"]) == again.tag(["anna"])]))
    """
    text = "anna met boris in Berlin"
    command = [sys.executable, "-c", textwrap.dedent(code), str(tiny.exported()), text]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found, tags, imported, same, also = json.loads(done.stdout)
    expected = [entity.to_dict() for entity in tiny.loaded()(text)]
    assert (found, tags) == (expected, tiny.loaded().tag(text.split()))
    assert (imported, same, also) == ([], True, True)


def test_several_threads_and_several_models_at_once(ner):
    other = over_c_api()
    questions = [(model, texts_of(seed)) for seed in range(6) for model in (ner, other)]
    expected = [model.outputs(texts) for model, texts in questions]
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda question: question[0].outputs(question[1]), questions))
    for answer, wanted in zip(answers, expected, strict=True):
        assert_same(answer, wanted)


def test_threads_are_set_by_arguments(monkeypatch):
    written = []
    library = load_c_library()
    monkeypatch.setattr(
        library,
        "SetConfig",
        lambda options, config, size, status: written.append(
            tf.compat.v1.ConfigProto.FromString(config)
        ),
    )
    load_recognizer(tiny.exported(), "c", Threads(intra=1, inter=3)).close()
    over_c_api().close()
    chosen, default = written
    assert (chosen.intra_op_parallelism_threads, chosen.inter_op_parallelism_threads) == (1, 3)
    assert (chosen.use_per_session_threads, default.use_per_session_threads) == (True, False)
    assert default.device_count == {"GPU": 0}
    assert default.graph_options.optimizer_options.do_function_inlining


def test_a_closed_model_is_freed_once_and_says_so(monkeypatch):
    library = load_c_library()
    freed, delete = [], library.DeleteSession
    monkeypatch.setattr(
        library, "DeleteSession", lambda *given: freed.append(given) or delete(*given)
    )
    with over_c_api() as ner:
        assert len(ner.tag(["anna"])) == 1
    ner.close()
    with pytest.raises(ClosedError, match=r"^the model was closed$"):
        ner("anna met boris")
    assert len(freed) == 1
    tiny.live().close()  # has nothing to free, and goes on
    assert len(tiny.live().tag(["anna"])) == 1
    over_c_api().tag(["anna"])  # let go without being closed
    assert len(freed) == 2


def test_who_asks_while_it_is_closed_has_the_answer(monkeypatch):
    library = load_c_library()
    ner = over_c_api()
    expected = ner("anna met boris")
    began, closed, run = threading.Event(), threading.Event(), library.SessionRun

    def wait_and_run(*arguments):
        began.set()
        assert closed.wait(SECONDS)
        run(*arguments)

    monkeypatch.setattr(library, "SessionRun", wait_and_run)
    with ThreadPoolExecutor(1) as executor:
        answer = executor.submit(ner, "anna met boris")
        assert began.wait(SECONDS)
        ner.close()
        closed.set()
        assert answer.result() == expected


@pytest.mark.long
def test_ten_thousand_questions_leak_nothing():
    code = """
        import sys, tfner
        def memory():
            return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 10
        ner = tfner.load(sys.argv[1], inter_op_threads=1, intra_op_threads=1)
        texts = ["anna met boris, who is longer than a small string", "", "Berlin " * 9]
        for _ in range(1000):
            ner.outputs(texts)
        before = memory()
        for _ in range(10_000):
            ner.outputs(texts)
        print(memory() - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tiny.exported())]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) < 4096, "KiB more than after the first thousand"


@pytest.mark.parametrize("runtime", ["c", "tensorflow"])
def test_a_graph_that_cannot_answer_says_so_in_the_same_words(tmp_path, runtime):
    def fail(text):
        is_short = tf.less(tf.strings.length(text), 20)
        tf.debugging.Assert(tf.reduce_all(is_short), ["too long"])
        with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=["too long"])]):
            return tf.identity(text)

    write_impostor(tmp_path / "model", fail)
    ner = load_recognizer(tmp_path / "model", runtime)
    with pytest.raises(ModelError, match=r"^the model cannot answer: .*assertion failed: \[too"):
        ner("anna met boris")
    assert ner.tag(["anna"]) == ["O"]  # the next question is another matter


def test_a_graph_that_names_what_it_has_not_is_refused(tmp_path):
    graph = write_impostor(tmp_path / "model")
    edit_graph(graph, lambda each: setattr(each.saver_def, "filename_tensor_name", "nowhere:0"))
    expected = r"loaded over TensorFlow's C API: the graph has no operation 'nowhere'$"
    with pytest.raises(ModelError, match=expected):
        load_recognizer(tmp_path / "model", "c")
    edit_graph(graph, lambda each: each.meta_info_def.tags.append("gpu"))
    with pytest.raises(ModelError, match="no graph with the tag serve alone"):
        load_recognizer(tmp_path / "model", "c")


def test_where_the_c_api_fails_tensorflow_does_it_or_the_error_says_why(monkeypatch, caplog):
    expected = tiny.loaded().outputs([SENTENCE[0]])
    monkeypatch.setattr("tfner.serving.runtime.choice.why_tensorflow", lambda: None)

    def fail(self):
        raise OSError("libtensorflow_cc.so.2: cannot open shared object file")

    load_c_library.cache_clear()
    monkeypatch.setattr(CLibrary, "__init__", fail)
    assert_same(tfner.load(tiny.exported()).outputs([SENTENCE[0]]), expected)
    fault = r"libtensorflow_cc\.so\.2: cannot open shared object file$"
    said = rf"{re.escape(str(tiny.exported()))}: not run over the C API, but in TensorFlow: "
    (record,) = caplog.records
    assert re.match(said + fault, record.getMessage())
    with pytest.raises(ModelError, match=f"cannot be loaded over TensorFlow's C API: {fault}"):
        over_c_api()
    load_c_library.cache_clear()


@given(st.lists(st.binary(max_size=60)))
def test_strings_are_written_and_read_as_they_are(texts):
    views, _buffer = write_views(texts)
    assert read_strings(views.tobytes()).tolist() == texts
    library = load_c_library()
    with InputTensor(library, Strings(texts, [len(texts), 1])) as tensor:
        found = read_tensor(library, tensor.address)
    assert found.tolist() == [[text] for text in texts]


@given(st.sampled_from(["f4", "f8", "i4", "i8", "?"]), st.lists(st.integers(0, 3), max_size=3))
def test_numbers_are_written_and_read_as_they_are(dtype, shape):
    numbers = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    for array in (numbers, numbers.T):
        with InputTensor(load_c_library(), array) as tensor:
            found = read_tensor(load_c_library(), tensor.address)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert found.tolist() == array.tolist()


def test_what_a_signature_does_not_take_is_told():
    session = Session(load_c_library(), tiny.exported(), Threads())
    with pytest.raises(CError, match=r"^expected the inputs input_ids, length, got text$"):
        session.ask("features", {"text": Strings([b"a"], [1])})
    words = np.zeros([1, 1], np.complex64)
    with pytest.raises(CError, match=r"^expected numbers or strings, got complex64$"):
        session.ask("words", {"words": words})
    session.close()


def test_all_forms_of_strings_come_from_a_graph(ner):
    """Labels are short and kept in place; of the texts themselves some are not."""
    label = ner.outputs(["anna met boris"])["entity_label"]
    assert label.dtype == np.dtype(object)
    assert set(label.ravel()) <= {b"", *(name.encode() for name in ner.labels)}
