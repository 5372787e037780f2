"""What TensorFlow Serving's loader makes of an export where no Python of TensorFlow's or ours is in
the process, and on older versions.

TFNER_TENSORFLOWS may name folders with other unpacked wheels (`tensorflow_cpu` and
`tensorflow_text` of one version in each); without it only the installed TensorFlow is asked, and
what older ones lack is read from `serving_ops.json`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_bytes
import tiny_pieces
import tiny_sentences
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfner.tokenizers.text_libraries import LIBRARIES, SENTENCEPIECE, WORDPIECE

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="tests/support/c_api.py knows the libraries of TensorFlow's wheels for Linux",
    ),
]

SUPPORT = Path(__file__).parents[1] / "support"
OPS = json.loads((SUPPORT / "serving_ops.json").read_text(encoding="utf-8"))
OLDEST = "2.12.1"  # of the servers that an export is to run on
INSTALLED = Path(tf.__file__).parents[1]
OTHERS = [
    Path(folder) for folder in os.environ.get("TFNER_TENSORFLOWS", "").split(os.pathsep) if folder
]
OpTable = Mapping[str, Sequence[str]]  # name of an op -> its attributes


class Export(NamedTuple):
    """Hold an export of a tokenizer, and all that a server needs for it beside core ops."""

    maker: Any  # the module that has its `exported` and `served`
    ops: set[str]
    library: str | None


EXPORTS = {
    "WordPiece": Export(tiny, {WORDPIECE}, LIBRARIES[WORDPIECE]),
    "SentencePiece": Export(tiny_pieces, {SENTENCEPIECE}, LIBRARIES[SENTENCEPIECE]),
    "byte-level BPE": Export(tiny_bytes, set(), None),
    "WordPiece by sentence": Export(tiny_sentences, {WORDPIECE}, LIBRARIES[WORDPIECE]),
}
# tests/tokenizers/test_byte_pair_export.py has the quick ones of the last
every_export = pytest.mark.parametrize(
    "export",
    [
        pytest.param(name, marks=[pytest.mark.slow] if export.library is None else [])
        for name, export in EXPORTS.items()
    ],
)

SCRIPTS = [
    "Anna Svensson met Boris in New Oslo near the ACME Corp. house.",
    "東京都の大阪市でアンナがボリスに会った。",
    "Борис и Анна в Киеве, у реки",
    "אנה פגשה את בוריס (oslo) ב־תל אביב",
    "Zoe\u0308 Lund 👩🏽‍🚀🇳🇴 saw e\u0301\u0323 in I\u0307stanbul ﬁrm\u200d",
    "[CLS] anna [SEP] \x00 boris [PAD]",
]
INVALID = [
    b"Anna \xff\xfe met \xc3",
    b"\x80",
    b"\xed\xa0\x80 oslo",
    b"boris\xf0\x9f\x98 acme \xe4 lund",
    b"a\x00b \xc0\x80",
]
LONG = " ".join(tiny.WORDS * 6).encode()


def strings(*values: bytes | Sequence[bytes]) -> np.ndarray:
    return np.array(values, object)


def mixed(count: int) -> np.ndarray:
    """Texts of 0 to 40 words."""
    random = np.random.default_rng(5)
    return strings(
        *(
            " ".join(random.choice(tiny.WORDS, random.integers(0, 41))).encode()
            for _ in range(count)
        )
    )


def rows(*sentences: str) -> np.ndarray:
    """Words of sentences, padded with empty ones."""
    words = [sentence.encode().split(b"|") for sentence in sentences]
    width = max(map(len, words))
    return strings(*(row + [b""] * (width - len(row)) for row in words))


def features(*lengths: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(6).integers(
        5, len(tiny.vocabulary()), (len(lengths), max(lengths)), np.int32
    )
    return {"input_ids": ids, "length": np.array(lengths, np.int32)}


REQUESTS: dict[str, tuple[str, dict[str, np.ndarray]]] = {
    "no text": ("serving_default", {"text": strings()}),
    "an empty text": ("serving_default", {"text": strings(b"")}),
    "blank texts": (
        "serving_default",
        {"text": strings(b" \n\t", b"", b"\x00", "\u3000\u200b".encode())},
    ),
    "invalid UTF-8": ("serving_default", {"text": strings(*INVALID)}),
    "many windows": ("serving_default", {"text": strings(LONG)}),
    "many scripts": ("serving_default", {"text": strings(*map(str.encode, SCRIPTS))}),
    "mixed lengths": (
        "serving_default",
        {"text": strings(b"", LONG, b"anna", *map(str.encode, SCRIPTS), *INVALID, b" ")},
    ),
    "512 texts": ("serving_default", {"text": mixed(512)}),
    "no words": ("words", {"words": np.empty((2, 0), object)}),
    "empty words": ("words", {"words": rows("||", "")}),
    "words": (
        "words",
        {
            "words": rows(
                "Anna|met|\x00||New York|東京|!", "oslo", "", "|" * 9 + "lund", "|".join(tiny.WORDS)
            )
        },
    ),
    "many words": ("words", {"words": rows(LONG.decode().replace(" ", "|"), "anna|\u0301|boris")}),
    "invalid UTF-8 in words": ("words", {"words": strings([*INVALID])}),
    "one row of features": ("features", features(12)),
    "rows of features": ("features", features(9, 0, 1, 32)),
}


def encode(array: np.ndarray) -> list[Any]:
    """A tensor as tests/support/c_api.py takes and gives it."""
    values = array.ravel().tolist()
    return [
        list(array.shape),
        [value.decode("latin-1") if isinstance(value, bytes) else value for value in values],
    ]


def c_api(packages: Path = INSTALLED, export: str = "WordPiece") -> dict[str, Any]:
    """What tests/support/c_api.py answers to REQUESTS, with site-packages out of Python's reach."""
    result = run_c_api(packages, export)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


@functools.cache
def run_c_api(packages: Path, export: str) -> subprocess.CompletedProcess[str]:
    """Once, also where it fails."""
    requests = [
        (name, {key: encode(value) for key, value in inputs.items()})
        for name, inputs in REQUESTS.values()
    ]
    maker, _, library = EXPORTS[export]
    model = str(maker.exported())
    question = json.dumps({"model": model, "requests": requests, "library": library})
    command = [sys.executable, "-I", "-S", str(SUPPORT / "c_api.py"), str(packages)]
    return subprocess.run(command, input=question, capture_output=True, text=True, check=False)


def loaded(
    signature: str, inputs: dict[str, np.ndarray], export: str = "WordPiece"
) -> dict[str, np.ndarray]:
    """What `tfner.load` answers."""
    function = EXPORTS[export].maker.served().signatures[signature]
    types = {key: tf.string if value.dtype == object else tf.int32 for key, value in inputs.items()}
    answer = function(
        **{
            key: tf.constant(value.tolist(), types[key], value.shape)
            for key, value in inputs.items()
        }
    )
    return {key: value.numpy() for key, value in answer.items()}


def assert_same(answer: dict[str, list[Any]], expected: dict[str, np.ndarray]) -> None:
    """Numbers of units, labels and places are equal, scores to 1e-5."""
    assert answer.keys() == expected.keys()
    for name, array in expected.items():
        (shape, values), (wanted_shape, wanted) = answer[name], encode(array)
        assert (name, shape) == (name, wanted_shape)
        if array.dtype == np.float32:
            np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-5, err_msg=name)
        else:
            assert (name, values) == (name, wanted)


# --- answers --------------------------------------------------------------------------------------


@every_export
@pytest.mark.parametrize("name", REQUESTS)
def test_the_servers_loader_gives_what_load_gives(name, export):
    answer = c_api(export=export)["answers"][list(REQUESTS).index(name)]
    assert_same(answer, loaded(*REQUESTS[name], export))


def test_the_requests_have_something_to_find():
    answers = dict(zip(REQUESTS, c_api()["answers"], strict=True))
    counts = {
        name: sum(answer["entity_count"][1])
        for name, answer in answers.items()
        if "entity_count" in answer
    }
    assert {name for name, count in counts.items() if count == 0} == {
        "no text",
        "an empty text",
        "blank texts",
    }
    assert counts["512 texts"] > 512
    assert len(set(answers["words"]["tag"][1])) > 4


def test_no_python_but_its_own_is_in_the_process():
    assert c_api()["imported"] == []
    assert c_api()["version"] == tf.__version__


@every_export
@pytest.mark.parametrize("packages", OTHERS or [None], ids=lambda folder: folder and folder.name)
def test_other_tensorflows_give_the_same(packages, export):
    if packages is None:
        pytest.skip(
            "TFNER_TENSORFLOWS is not set: it names folders with unpacked wheels of other "
            "TensorFlows, parted by colons"
        )
    found = c_api(packages, export)
    for answer, request in zip(found["answers"], REQUESTS.values(), strict=True):
        assert_same(answer, loaded(*request, export))
    core = found["core_ops"]
    recorded = OPS["core"].get(found["version"], {})
    assert {name: core.get(name) for name in recorded} == recorded


# --- operations -----------------------------------------------------------------------------------


@functools.cache
def meta_graph(export: str = "WordPiece") -> MetaGraphDef:
    file = EXPORTS[export].maker.exported() / "saved_model.pb"
    (found,) = SavedModel.FromString(file.read_bytes()).meta_graphs
    return found


def nodes_of(graph: GraphDef) -> Iterator[NodeDef]:
    """The nodes of a graph and of its functions."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def beyond(graph: GraphDef, known: OpTable) -> set[str]:
    """What the nodes of a graph use that is not in a table: `Op` or `Op.attribute`. Calls of the
    graph's own functions are no ops."""
    own = {function.signature.name for function in graph.library.function}
    found = set()
    for node in nodes_of(graph):
        if node.op not in own:
            attributes = {
                name for name in node.attr if not name.startswith("_")
            }  # the others are hints that any op may have
            unknown = attributes - set(known.get(node.op, ()))
            found |= {f"{node.op}.{name}" for name in unknown} if node.op in known else {node.op}
    return found


@every_export
def test_beside_core_ops_only_the_tokenizers_ops_of_tf_text(export):
    found = beyond(meta_graph(export).graph_def, c_api(export=export)["core_ops"])
    assert found == EXPORTS[export].ops


@every_export
@pytest.mark.parametrize("release", OPS["tf_text"])
def test_servers_link_what_is_needed_beside_core_ops(release, export):
    found = beyond(meta_graph(export).graph_def, c_api()["core_ops"])
    assert found - set(OPS["tf_text"][release]) == set()


IGNORED = {"VarHandleOp.debug_name"}  # a name to show; an older TensorFlow does not read it


@every_export
def test_ops_and_attributes_are_known_to_the_oldest_server(export):
    """Where this names an op: `tests/support/c_api.py` on a wheel of that version tells whether it
    has it; then enter it into the table."""
    graph = meta_graph(export).graph_def
    unknown = beyond(graph, OPS["core"][OLDEST]) - set(OPS["tf_text"][OLDEST])
    assert unknown - IGNORED == set()


def test_an_op_or_attribute_that_is_not_in_the_table_is_named():
    graph = GraphDef()
    graph.node.add(op="AddV2").attr["T"].type = 1
    graph.node.add(op="called")
    function = graph.library.function.add()
    function.signature.name = "called"
    function.node_def.add(op="Where").attr["_XlaMustCompile"].b = True
    assert beyond(graph, {"AddV2": ["T"], "Where": ["T"]}) == set()
    function.node_def.add(op="TFText>RoundRobinTrim").attr["T"].type = 1
    graph.node.add(op="AddV2").attr["grad_x"].b = True
    assert beyond(graph, {"AddV2": ["T"], "Where": ["T"]}) == {
        "TFText>RoundRobinTrim",
        "AddV2.grad_x",
    }
    assert beyond(graph, {}) == {"AddV2", "Where", "TFText>RoundRobinTrim"}


# --- signatures -----------------------------------------------------------------------------------

SERVED = {tf.int32.as_datatype_enum, tf.float32.as_datatype_enum, tf.string.as_datatype_enum}


def served_signatures() -> dict[str, SignatureDef]:
    return {
        name: signature
        for name, signature in meta_graph().signature_def.items()
        if not name.startswith("__")
    }


def refused(tensor: TensorInfo) -> str | None:
    """Why a server would refuse a tensor, or batch it wrongly; None if it would not."""
    shape = tensor.tensor_shape
    if tensor.WhichOneof("encoding") != "name":
        return "not dense"
    if tensor.dtype not in SERVED:
        return tf.dtypes.as_dtype(tensor.dtype).name
    if shape.unknown_rank:
        return "unknown rank"
    if not shape.dim:
        return "scalar"
    return None if shape.dim[0].size == -1 else f"first dimension {shape.dim[0].size}"


def test_every_tensor_of_every_signature_is_one_that_a_server_takes():
    assert set(served_signatures()) == {"serving_default", "words", "features"}
    reasons = {
        (signature, name): reason
        for signature, definition in served_signatures().items()
        for name, tensor in [*definition.inputs.items(), *definition.outputs.items()]
        if (reason := refused(tensor))
    }
    assert reasons == {}


def tensor_info(shape: Any, dtype: tf.DType = tf.int32) -> TensorInfo:
    return TensorInfo(
        name="a:0", dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(shape).as_proto()
    )


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (tensor_info([None]), None),
        (tensor_info([None, 7], tf.float32), None),
        (tensor_info(None), "unknown rank"),
        (tensor_info([]), "scalar"),
        (tensor_info([1, None]), "first dimension 1"),
        (tensor_info([None], tf.float16), "float16"),
        (tensor_info([None], tf.bfloat16), "bfloat16"),
        (tensor_info([None], tf.int64), "int64"),
        (TensorInfo(composite_tensor=TensorInfo.CompositeTensor()), "not dense"),
    ],
)
def test_what_a_server_refuses_is_told_with_the_reason(tensor, reason):
    assert refused(tensor) == reason


def test_the_c_api_sees_the_same_signatures():
    def listed(tensors: Mapping[str, TensorInfo]) -> dict[str, list[Any]]:
        return {
            name: [info.name, info.dtype, [size.size for size in info.tensor_shape.dim]]
            for name, info in tensors.items()
        }

    expected = {
        name: {"inputs": listed(one.inputs), "outputs": listed(one.outputs)}
        for name, one in served_signatures().items()
    }
    assert c_api()["signatures"] == expected
