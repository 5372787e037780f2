"""SavedModels that are none of ours, damaged, or made to do harm.

`predict` refuses them, and an earlier output stays as it is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf
import tiny
from command_line import refused
from impostor import edit_graph, write_impostor

CARD = "model/1/assets.extra/tfner.json"
GRAPH = "model/1/saved_model.pb"
INDEX = "model/1/variables/variables.index"
DATA = "model/1/variables/variables.data-00000-of-00001"


def cut(name, to):
    def write(shop):
        content = (shop.folder / name).read_bytes()
        shop.file(name, content[: int(len(content) * to)])

    return write


def holding(name, content):
    return lambda shop: shop.file(name, content)


def without(name):
    def remove(shop):
        path = shop.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def moved_out(name):
    """Replaced by a link to where it has been moved, out of the version's folder."""

    def move(shop):
        (shop.folder / name).rename(shop.folder / "outside")
        shop.link(name, shop.folder / "outside")

    return move


def dangling(shop):
    shop.link("model/1/assets.extra/more", "nothing")


def sparse(name, size):
    def write(shop):
        with (shop.folder / name).open("r+b") as file:
            file.truncate(size)

    return write


def claiming(shop):
    """The index of another model, a thousand times as large."""
    tf.train.Checkpoint(v=tf.Variable(tf.zeros([1000, 1000]))).write(str(shop.folder / "other"))
    shutil.copy(shop.folder / "other.index", shop.folder / INDEX)
    for path in shop.folder.glob("other.*"):
        path.unlink()


def acting(act):
    """An export in all else, whose texts are first given to `act`."""

    def export(shop):
        shutil.rmtree(shop.folder / "model/1")
        write_impostor(shop.folder / "model/1", act)

    return export


def without_signature(name):
    """The same without one of its signatures."""

    def export(shop):
        acting(tf.identity)(shop)
        edit_graph(shop.folder / GRAPH, lambda graph: remove_signature(graph, name))

    return export


def remove_signature(graph, name):
    for node in graph.object_graph_def.nodes:
        if node.user_object.identifier == "signature_map":
            (child,) = [each for each in node.children if each.local_name == name]
            node.children.remove(child)


def write_file(text):
    with tf.control_dependencies([tf.io.write_file("evil", "was here")]):
        return tf.identity(text)


def read_lines(text):
    return tf.data.TextLineDataset(text).batch(9).get_single_element()


COMPUTES = "model/1/saved_model.pb: expected a graph of operations that only compute, got"
MODELS = [
    ("no folder", without("model"), "model: no such folder"),
    ("a file", lambda shop: (without("model")(shop), shop.file("model", "x")),
     "model: no such folder"),
    ("no version", without("model/1"),
     "model: expected a SavedModel or numbered versions of one, found neither"),
    ("no card", without(CARD),
     "model/1: not an export of tfner: assets.extra/tfner.json cannot be read: No such file"),
    ("a card that is no JSON", holding(CARD, "{"),
     "model/1/assets.extra/tfner.json:1:2: not valid JSON: expecting property name enclosed in"
     " double quotes"),
    ("a card nested a million deep", holding(CARD, '{"tags":\n' + "[" * 1_000_000),
     "model/1/assets.extra/tfner.json:2:500: not valid JSON: nested more than 500 deep"),
    ("a list for a card", holding(CARD, "[]"),
     "model/1/assets.extra/tfner.json: expected a JSON object, got []"),
    ("another's card", holding(CARD, '{"name": "x"}'),
     "model/1/assets.extra/tfner.json: expected a JSON object with tag_scheme, got ['name']"),
    ("a card that is not UTF-8", holding(CARD, b'{"name":\n"\xff"}'),
     "model/1/assets.extra/tfner.json:2: expected text in utf-8, got the byte 0xff"),
    ("an empty graph", holding(GRAPH, b""),
     "model/1/saved_model.pb: expected a graph with the tag serve, found none"),
    ("a graph that is none", holding(GRAPH, b"\xff" * 100),
     "model/1/saved_model.pb: cannot be read as a SavedModel: …"),
    ("a graph cut off", cut(GRAPH, 0.5),
     "model/1/saved_model.pb: cannot be read as a SavedModel: …"),
    ("a graph of three gigabytes", sparse(GRAPH, 3 << 30),
     "model/1/saved_model.pb: cannot be read: expected at most 2,147,483,647 bytes, got"
     " 3,221,225,472"),
    ("no variables", without("model/1/variables"),
     "model/1/variables/variables.index: damaged, or no index of variables: …"),
    ("no index", without(INDEX),
     "model/1/variables/variables.index: damaged, or no index of variables: …"),
    ("an index cut off", cut(INDEX, 0.5),
     "model/1/variables/variables.index: damaged, or no index of variables: …"),
    ("an index that is none", holding(INDEX, b"x" * 100),
     "model/1/variables/variables.index: damaged, or no index of variables: …"),
    ("variables cut off", cut(DATA, 0.5),
     "model/1/variables/variables.index: expected variables of at most the SIZE bytes that"
     " are there, got sizes for 118,044"),
    ("an index that claims more than there is", claiming,
     "model/1/variables/variables.index: expected variables of at most the SIZE bytes that"
     " are there, got sizes for 4,000,000"),
    ("variables that are a link out", moved_out(DATA),
     "model/1/variables/variables.data-00000-of-00001: expected a file of this folder, got a"
     " link to HERE/outside, outside of it"),
    ("a folder of variables that is a link out", moved_out("model/1/variables"),
     "model/1/variables: expected a file of this folder, got a link to HERE/outside, outside"
     " of it"),
    ("a graph that is a link out", moved_out(GRAPH),
     "model/1/saved_model.pb: expected a file of this folder, got a link to HERE/outside,"
     " outside of it"),
    ("a card that is a link out", moved_out(CARD),
     "model/1/assets.extra/tfner.json: expected a file of this folder, got a link to"
     " HERE/outside, outside of it"),
    ("a link to nothing", dangling,
     "model/1/assets.extra/more: expected a file, got a link that leads nowhere or a device"),
    ("a graph that reads files", acting(lambda text: tf.map_fn(tf.io.read_file, text)),
     f"{COMPUTES} ReadFile in '…"),
    ("a graph that writes files", acting(write_file), f"{COMPUTES} WriteFile in '…"),
    ("a graph that reads lines", acting(read_lines),
     f"{COMPUTES} TextLineDataset in '__inference_Dataset_flat_map_read_one_file_…"),
    ("a graph that calls Python",
     acting(lambda text: tf.py_function(lambda x: x, [text], tf.string)),
     f"{COMPUTES} EagerPyFunc in '…"),
    ("another's graph", without_signature("words"),
     "model/1: expected a SavedModel of tfner, got one without the signatures words"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"), [row[1:] for row in MODELS], ids=[row[0] for row in MODELS]
)
def test_a_model(shop, line, make, message):
    shop.export()
    make(shop)
    shop.file("in.txt", "anna met boris\n")
    shop.file("out.jsonl", '{"id": "an earlier output"}\n')
    before = shop.content()
    data = shop.folder / DATA
    size = f"{data.stat().st_size:,}" if data.is_file() else ""  # the graph's objects are in it
    message = message.replace("SIZE", size)
    refused(line("predict", "model", "in.txt", "-o", "out.jsonl"), message)
    assert shop.content() == before
    assert not Path("evil").exists()


def test_a_version_may_be_a_link_and_links_inside_it_are_its_own(shop, line):
    shop.export()
    (shop.folder / "model/1").rename(shop.folder / "store")
    shop.link("model/7", shop.folder / "store")
    (shop.folder / "store/variables").rename(shop.folder / "store/real")
    shop.link("store/variables", "real")
    shop.file("in.txt", "anna met boris\n")
    assert line("predict", "model", "in.txt", "-o", "out.jsonl").code == 0


PUBLISHED = [
    ("no export", ["none", "--publish", "server"], "none: no such folder"),
    ("a link out", ["model", "--publish", "server"],
     "model/1/assets.extra/more: expected a file of this folder, got a link to HERE/secret,"
     " outside of it"),
    ("settings for an export", ["model", "threshold=1", "--publish", "server"],
     "command line: threshold=1: settings are for a run; model is an export, and published as"
     " it is"),
    ("keep without publish", ["model", "--keep", "1"],
     "command line: --keep: expected together with --publish"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"), [row[1:] for row in PUBLISHED], ids=[row[0] for row in PUBLISHED]
)
def test_publishing_leaves_what_the_server_has(shop, line, arguments, message):
    shop.export()
    shop.file("secret", "x")
    shop.link("model/1/assets.extra/more", shop.folder / "secret")
    shop.file("server/1/saved_model.pb", "served now")
    before = shop.content()
    refused(line("export", *arguments), message)
    assert shop.content() == before


RUNS = [
    ("an unknown setting", "config.yaml", "nme: run\n",
     "runs/run/config.yaml: name: required, but not given; encoder: required, but not given;"
     " nme: unknown; did you mean name?"),
    ("labels nested a million deep", "labels.json", "[" * 1_000_000,
     "runs/run/labels.json:1:501: not valid JSON: nested more than 500 deep"),
    ("labels that are none", "labels.json", "5",
     "runs/run/labels.json: expected the run's entity types, a list of names, got 5"),
    ("labels twice", "labels.json", '["LOC", "LOC"]',
     "runs/run/labels.json: entity types: each may stand once, these stand more often: LOC"),
    ("no labels", "labels.json", "[]",
     "runs/run/labels.json: entity types: expected one or more names, none of them empty,"
     " got []"),
    ("no weights", "encoder/vocab.txt", None,
     "runs/run: the run has no weights yet: no epoch is finished"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS]
)
def test_a_run_folder(shop, line, name, content, message):
    from workshop import SETTINGS

    shutil.copytree(tiny.checkpoint(), shop.folder / "runs/run/encoder")
    shop.config(**SETTINGS)
    (shop.folder / "run.yaml").rename(shop.folder / "runs/run/config.yaml")
    shop.json("runs/run/labels.json", ["LOC", "PER"])
    if content is not None:
        shop.file(f"runs/run/{name}", content)
    shop.file("saved_models/run/1/saved_model.pb", "exported before")
    before = shop.content()
    refused(line("export", "runs/run"), message)
    assert shop.content() == before
