"""What a SavedModel may do: each is an export in all else, so nothing but the guard refuses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf
import tiny
from impostor import edit_graph, function_named, write_impostor
from old_files import unpack
from tensorflow.python.framework import op_def_registry

import tfner
from tfner.exceptions import ModelError
from tfner.serving.export import allowed_ops
from tfner.serving.export.graph_guard import check_graph
from tfner.tokenizers.text_ops import load_text_ops
from tfner.training.restore import export_run

COMPUTE = "expected a graph of operations that only compute"
SAVER = "expected the saver's functions to be called by the saver alone"
RAW = tf.raw_ops
EVIL = "evil"  # a path in the working directory


@pytest.mark.long
def test_what_only_answers_is_loaded_and_asked(tmp_path):
    write_impostor(tmp_path / "model")
    ner = tfner.load(tmp_path / "model")
    assert ner("anna met boris") == []
    assert ner.tag(["anna", "met"]) == ["O", "O"]


def doing(operation):
    """An act that does something beside and gives the texts back."""

    def act(text):
        done = operation(text)
        with tf.control_dependencies(done if isinstance(done, list) else [done]):
            return tf.identity(text)

    return act


def identity_function():
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(tf.identity, input_signature=signature).get_concrete_function()


def read_records(text):
    return RAW.TFRecordDatasetV2(
        filenames=text, compression_type="", buffer_size=0, byte_offsets=tf.constant([], tf.int64)
    )


def read_fixed_length(text):
    return RAW.FixedLengthRecordDatasetV2(
        filenames=text,
        header_bytes=0,
        record_bytes=1,
        footer_bytes=0,
        buffer_size=0,
        compression_type="",
    )


def generate(text):
    function = identity_function()
    return RAW.GeneratorDataset(
        init_func_other_args=[text],
        next_func_other_args=[],
        finalize_func_other_args=[],
        init_func=function,
        next_func=function,
        finalize_func=function,
        output_types=[tf.string],
        output_shapes=[[]],
    )


def slices(text):
    return RAW.TensorSliceDataset(components=[text], output_shapes=[[]])


def read_lines_by_a_reader(text):
    reader = RAW.TextLineReaderV2()
    queue = RAW.FIFOQueueV2(component_types=[tf.string])
    return RAW.ReaderReadV2(reader_handle=reader, queue_handle=queue).value


def table_from_file(text):
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    return RAW.InitializeTableFromTextFileV2(
        table_handle=table, filename="/etc/passwd", key_index=-2, value_index=-1
    )


def table_in_memory(text):
    table = RAW.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="theirs")
    return RAW.LookupTableFindV2(
        table_handle=table, keys=text, default_value=tf.constant(0, tf.int64)
    )


def remote_call(text):
    target, function = "/job:worker/task:0", identity_function()
    return RAW.RemoteCall(target=target, args=[text], Tout=[tf.string], f=function)


def data_service(text):
    return RAW.DataServiceDatasetV4(
        dataset_id="x",
        processing_mode="parallel_epochs",
        address="there:1",
        protocol="grpc",
        job_name="",
        consumer_index=0,
        num_consumers=1,
        max_outstanding_requests=1,
        iteration_counter=RAW.DummyIterationCounter(),
        output_types=[tf.string],
        output_shapes=[[]],
        uncompress_fn=identity_function(),
    )


def queue(text):
    handle = RAW.FIFOQueueV2(component_types=[tf.string], shared_name="theirs")
    return RAW.QueueEnqueueV2(handle=handle, components=[text])


def variable_of_another_model(text):
    handle = RAW.VarHandleOp(dtype=tf.float32, shape=[], shared_name="theirs")
    return RAW.ReadVariableOp(resource=handle, dtype=tf.float32)


def save_variables(text):
    return RAW.SaveV2(
        prefix=EVIL, tensor_names=["x"], shape_and_slices=[""], tensors=[tf.shape(text)]
    )


def restore_variables(text):
    return RAW.RestoreV2(prefix=EVIL, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.int32])


def read_descriptors(text):
    return RAW.DecodeProtoV2(
        bytes=text,
        message_type="x",
        field_names=[],
        output_types=[],
        descriptor_source="/etc/passwd",
    ).sizes


ACTS = [
    ("ReadFile", lambda text: RAW.ReadFile(filename="/etc/passwd")),
    ("MatchingFiles", lambda text: RAW.MatchingFiles(pattern="/etc/*")),
    ("RestoreV2", restore_variables),
    ("DecodeProtoV2", read_descriptors),
    ("FIFOQueueV2, ReaderReadV2, TextLineReaderV2", read_lines_by_a_reader),
    ("WriteFile", lambda text: RAW.WriteFile(filename=EVIL, contents="was here")),
    ("SaveV2", save_variables),
    ("TextLineDataset",
     lambda text: RAW.TextLineDataset(filenames=text, compression_type="", buffer_size=0)),
    ("TFRecordDatasetV2", read_records),
    ("FixedLengthRecordDatasetV2", read_fixed_length),
    ("TensorSliceDataset", slices),
    ("GeneratorDataset", generate),
    ("HashTableV2, InitializeTableFromTextFileV2", table_from_file),
    ("LookupTableFindV2, MutableHashTableV2", table_in_memory),
    ("PyFunc", lambda text: tf.numpy_function(lambda x: x, [text], tf.string)),
    ("EagerPyFunc", lambda text: tf.py_function(lambda x: x, [text], tf.string)),
    ("RemoteCall", remote_call),
    ("DataServiceDatasetV4, DummyIterationCounter", data_service),
    ("PrintV2", lambda text: RAW.PrintV2(input="was here", output_stream=f"file://{EVIL}")),
    ("DebugIdentity", lambda text: RAW.DebugIdentity(input=text, debug_urls=[f"file://{EVIL}"])),
    ("CheckNumericsV2", lambda text: RAW.CheckNumericsV2(tensor=tf.zeros([]), message="x")),
    ("FIFOQueueV2, QueueEnqueueV2", queue),
    ("GetSessionHandleV2", lambda text: RAW.GetSessionHandleV2(value=text)),
    ("StackV2", lambda text: RAW.StackV2(max_size=1, elem_type=tf.string, stack_name="theirs")),
    ("VarHandleOp", variable_of_another_model),
    ("RandomUniform", lambda text: tf.random.uniform([])),
    ("Timestamp", lambda text: tf.timestamp()),
]  # fmt: skip


@pytest.mark.parametrize(("ops", "act"), ACTS, ids=[row[0] for row in ACTS])
def test_what_does_more_is_refused_by_the_name_of_the_operation(tmp_path, monkeypatch, ops, act):
    monkeypatch.chdir(tmp_path)
    graph = write_impostor(Path("model"), doing(act))
    assert re.fullmatch(
        rf"{graph}: {COMPUTE}, got {ops} in '__inference_text_\d+'", refusal_of("model")
    )
    assert not Path(EVIL).exists()


def refusal_of(folder) -> str:
    with pytest.raises(ModelError) as refused:
        tfner.load(folder)
    return str(refused.value)


def test_it_is_refused_in_a_function_that_another_calls(tmp_path):
    graph = write_impostor(tmp_path, lambda text: tf.map_fn(tf.io.read_file, text))
    assert re.fullmatch(
        rf"{graph}: {COMPUTE}, got ReadFile in '\w*while_body\w*'",
        refusal_of(tmp_path),
    )


@pytest.mark.parametrize("op", ["ReadFile", "NobodyKnowsThisOp"])
def test_it_is_refused_in_the_graph_around_the_functions(tmp_path, op):
    path = write_impostor(tmp_path)
    edit_graph(path, lambda graph: graph.graph_def.node.add(name="more", op=op))
    assert refusal_of(tmp_path) == (f"{path}: {COMPUTE}, got {op} in the graph")


def test_an_operation_that_nobody_knows_is_refused(tmp_path):
    path = write_impostor(tmp_path)

    def graft(graph):
        function = function_named(graph, "__inference_words_")
        function.node_def.add(name="more", op="NobodyKnowsThisOp")

    edit_graph(path, graft)
    message = refusal_of(tmp_path)
    assert message.startswith(f"{path}: {COMPUTE}, got Nobody")
    assert "in '__inference_words_" in message


def test_a_function_with_the_name_of_an_operation_is_not_taken_for_it(tmp_path):
    """Else a function called ReadFile that reads nothing would hide the real one."""
    path = write_impostor(tmp_path)

    def rename(graph):
        harmless = graph.graph_def.library.function.add()
        harmless.CopyFrom(function_named(graph, "__inference_words_"))
        harmless.signature.name = "ReadFile"
        function = function_named(graph, "__inference_text_")
        function.node_def.add(name="more", op="ReadFile")

    edit_graph(path, rename)
    assert "got ReadFile in '__inference_text_" in refusal_of(tmp_path)


def test_what_saves_is_called_by_the_saver_alone(tmp_path):
    path = write_impostor(tmp_path)

    def call(graph):
        save = function_named(graph, "__inference__traced_save").signature.name
        node = function_named(graph, "__inference_text_").node_def.add()
        node.name, node.op = "more", "StatefulPartitionedCall"
        node.attr["f"].func.name = save

    edit_graph(path, call)
    message = refusal_of(tmp_path)
    assert message.startswith(f"{path}: {SAVER}, got a use of '__inference__traced_save_")
    assert "in '__inference_text_" in message


def test_what_restores_is_used_by_no_other_node(tmp_path):
    path = write_impostor(tmp_path)

    def use(graph):
        restore = graph.saver_def.restore_op_name
        graph.graph_def.node.add(name="more", op="Identity", input=[f"^{restore}"])

    edit_graph(path, use)
    assert re.fullmatch(
        rf"{path}: {SAVER}, got a use of 'StatefulPartitionedCall\w*' in the graph",
        refusal_of(tmp_path),
    )


def test_a_signature_cannot_pass_for_the_saver(tmp_path):
    """Only the saver's functions may touch files, so a signature must not be one of them."""
    path = write_impostor(tmp_path, doing(save_variables))

    def pass_for_the_saver(graph):
        function = function_named(graph, "__inference_text_").signature.name
        node = graph.graph_def.node.add(name="more", op="StatefulPartitionedCall")
        node.attr["f"].func.name = function
        graph.saver_def.save_tensor_name = "more:0"
        saver = function_named(graph, "__inference__traced_save")
        del saver.node_def[:]

    edit_graph(path, pass_for_the_saver)
    message = refusal_of(tmp_path)
    assert re.fullmatch(
        rf"{path}: {SAVER}, got a use of '__inference_text_\d+' in '\w*signature_wrapper\w*'",
        message,
    )


def test_an_object_cannot_run_the_saver(tmp_path):
    path = write_impostor(tmp_path)

    def run(graph):
        save = function_named(graph, "__inference__traced_save").signature.name
        graph.object_graph_def.nodes.add().bare_concrete_function.concrete_function_name = save

    edit_graph(path, run)
    message = refusal_of(tmp_path)
    assert re.fullmatch(
        rf"{path}: {SAVER}, got a use of '__inference__traced_save_\d+' in the objects", message
    )


@pytest.mark.parametrize(("role", "op"), [("save", "ReadFile"), ("restore", "SaveV2")])
def test_the_saver_itself_does_nothing_else(tmp_path, role, op):
    path = write_impostor(tmp_path)

    def graft(graph):
        function = function_named(graph, f"__inference__traced_{role}")
        function.node_def.add(name="more", op=op)

    edit_graph(path, graft)
    message = refusal_of(tmp_path)
    assert f"got {op} in '__inference__traced_{role}" in message


def test_our_own_exports_are_allowed():
    check_graph(tiny.exported())


@pytest.mark.parametrize(
    "options",
    [
        ["precision=bfloat16", "decoder=greedy", "threshold=0.5", "max_entities=2"],
        pytest.param(
            ["xla=true", "lengths=[16]", "slice_pieces=512", "threshold={PER: 0.5}"],
            marks=pytest.mark.long,
        ),
    ],
)
def test_our_own_exports_are_allowed_whatever_their_settings(tmp_path, monkeypatch, options):
    unpack("runs", tmp_path)
    monkeypatch.chdir(tmp_path)
    check_graph(export_run(tmp_path / "runs/finished", tmp_path / "exported", options))


STATEFUL = (
    "Assert", "Case", "If", "StatefulPartitionedCall", "While",  # looked through
    "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VarIsInitializedOp", "VariableShape",
    "VarHandleOp", "AssignVariableOp", "DisableCopyOnRead",  # the model's own variables
    "SaveV2", "ShardedFilename", "MergeV2Checkpoints", "RestoreV2",  # of the saver
    "SentencepieceOp", "SentencepieceTokenizeOp", "SentencepieceTokenizeWithOffsetsOp",
    "SentencepieceDetokenizeOp", "SentencepieceIdToStringOp", "SentencepieceStringToIdOp",
    "SentencepieceVocabSizeOp",  # of a model that is an attribute
)  # fmt: skip


def test_what_is_allowed_exists_and_keeps_no_state_but_what_is_named_here():
    load_text_ops()
    allowed = allowed_ops.GRAPH_OPS | allowed_ops.SAVE_OPS | allowed_ops.RESTORE_OPS
    found = {name: op_def_registry.get(name) for name in allowed}
    assert [name for name, op in found.items() if op is None] == []
    stateful = {name for name, op in found.items() if op.is_stateful}
    assert stateful <= set(STATEFUL)


def test_no_operation_that_takes_a_path_is_allowed_but_the_savers():
    load_text_ops()
    words = re.compile("file|path|url|address|target|stream|host|token$")
    found = set()
    for name in allowed_ops.GRAPH_OPS:
        op = op_def_registry.get(name)
        names = [each.name for each in (*op.attr, *op.input_arg)]
        if any(words.search(each) for each in names):
            found.add(name)
    assert found == set()
