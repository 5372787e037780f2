"""The pages of serving are true: the walk-through, flags, answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tiny
from deployment import DEPLOY, FLAGS, model
from pages import PAGES, ROOT, blocks, commands


def steps() -> Iterator[tuple[int, Any]]:
    """Give every state of models.config in the walk-through.

    Each comes after the number of versions that were published before it.
    """
    published = 0
    for language, content in blocks("deploy/README.md"):
        if language == "sh":
            published += content.count(f"--publish deploy/models/{model().name}")
            if "cp deploy/models.config deploy/models/models.config" in content:
                yield published, model()
        if language == "pbtxt":
            yield published, model(f"model_config_list {{ config {{ {content} }} }}")


def test_each_step_of_the_walk_through_keeps_the_servers_rule():
    """Check that a label that names a version already moves only to one that is loaded.

    Source: UpdateModelVersionLabelMap in server_core.cc.
    """
    loaded: set[int] = set()
    labels: dict[str, int] = {}
    seen = []
    for published, state in steps():
        served = set(state.model_version_policy.specific.versions)
        assert served <= set(range(1, published + 1))
        assert set(state.version_labels.values()) <= served
        assert all(
            version in loaded
            for label, version in state.version_labels.items()
            if labels.get(label, version) != version
        )
        loaded, labels = served, dict(state.version_labels)
        seen.append((sorted(served), labels["stable"], labels["canary"]))
    assert seen == [
        ([1], 1, 1), ([1, 2], 1, 1), ([1, 2], 1, 2), ([1, 2], 2, 2), ([1, 2], 1, 2), ([1, 2], 2, 2),
        ([2], 2, 2),
    ]  # fmt: skip


def test_the_pages_speak_of_the_model_that_is_served():
    for path in (*DEPLOY.iterdir(), ROOT / "docs" / "serving.md"):
        if path.is_file():
            assert set(re.findall(r"/v1/models/([\w-]+)", path.read_text(encoding="utf-8"))) <= {
                model().name
            }, path


def test_flags_on_the_page_exist():
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    flag = re.compile(r"--\w[\w-]+")
    shown = [command for page in PAGES for command in commands(page)]
    ours = {option for command in shown for option in flag.findall(command.arguments)}
    others = {"--profile", "--detach", "--models-config", "--publish", "--keep"}
    servers = set(flag.findall(text)) - ours - others
    assert {option.removeprefix("--") for option in servers} <= FLAGS


def test_the_encoder_can_be_called_with_fixed_shapes():
    """Rows of length 0 and padding change nothing, so that constant N and T hold any windows."""
    tagger, random = tiny.tagger(), np.random.default_rng(5)
    lengths = np.array([7, 12], np.int32)
    ids = random.integers(5, len(tiny.vocabulary()), (2, 12)).astype(np.int32)
    filled = random.integers(5, len(tiny.vocabulary()), (4, tagger.max_length)).astype(np.int32)
    filled[:2, :12] = ids
    wanted = np.arange(tagger.max_length) < [[7], [12], [0], [0]]
    answer = tagger.encode(filled, np.array([*lengths, 0, 0], np.int32), wanted).numpy()
    assert np.isfinite(answer).all()
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = tagger.encode(ids[one, :length], lengths[one], wanted[one, :length]).numpy()
        np.testing.assert_allclose(answer[row, :length], alone[0], atol=1e-4)


def test_the_answers_on_the_page_agree_with_each_other_and_with_the_text():
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    column, row, words = (
        json.loads(content) for language, content in blocks("docs/serving.md") if language == "json"
    )
    (asked,) = [
        json.loads(body)["inputs"]["text"]
        for body in re.findall(r"-d '(\{\"inputs\": \{\"text\".*?)'\n", text)
    ]
    outputs = column["outputs"]
    assert [
        {name: values[index] for name, values in outputs.items()} for index in range(len(asked))
    ] == row["predictions"]
    assert outputs["entity_count"] == [
        len(set(values) - {-1}) for values in outputs["entity_start"]
    ]
    assert outputs["entity_count"][1] == 0 < outputs["entity_count"][0]
    spans = zip(
        *(
            outputs[name][0]
            for name in ("entity_start", "entity_end", "entity_start_byte", "entity_end_byte")
        ),
        strict=True,
    )
    for start, end, start_byte, end_byte in spans:
        assert asked[0].encode()[start_byte:end_byte].decode() == asked[0][start:end]
    assert outputs["entity_start"][0] != outputs["entity_start_byte"][0]
    (sent,) = [
        json.loads(body)["inputs"]["words"]
        for body in re.findall(r"-d '(\{\"signature_name\": \"words\".*?)'\n", text)
    ]
    assert [[tag != "" for tag in tags] for tags in words["outputs"]["tag"]] == [
        [word != "" for word in row] for row in sent
    ]
