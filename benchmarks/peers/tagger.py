"""Predicts in PyTorch and ONNX Runtime, to measure against, from a fine-tuned checkpoint.

usage: python -m benchmarks.peers.tagger prepare FOLDER
       python -m benchmarks.peers.tagger SIDE FOLDER INPUTS BATCH OUTPUT BEGIN

SIDE: pipeline, torch-bf16, onnx-fp32, onnx-int8. Runs in an environment of its own: torch,
transformers, onnx, onnxruntime, onnxscript. The first compares the logits of the checkpoint of
BertForTokenClassification, makes the ONNX models and prints JSON: difference, versions. The second
prints one line of JSON, as `benchmarks.prediction.run` does. All but the pipeline take sentences
sorted by length, BATCH at a time. A word has the tag of its first piece; what is beyond the
encoder's longest input is cut off.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np

from benchmarks.machine import peak_mib

PIPELINE_BATCH = 32
MAX_LENGTH = 512


def prepare(folder):
    import onnx
    import onnxruntime
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = transformers.AutoModelForTokenClassification.from_pretrained(
        folder / "checkpoint", attn_implementation="eager"
    ).eval()
    known = np.load(folder / "logits.npz")
    ids, mask = (torch.from_numpy(known[name].astype(np.int64)) for name in ("ids", "mask"))
    with torch.inference_mode():
        logits = model(ids, mask).logits.numpy()
    difference = np.abs(logits - known["logits"])[known["mask"] > 0].max()
    dynamic = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=MAX_LENGTH)}
    program = torch.onnx.export(
        model, (ids, mask), input_names=["input_ids", "attention_mask"], output_names=["logits"],
        dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic}, dynamo=True,
        verbose=False,
    )  # fmt: skip
    program.save(folder / "fp32.onnx")
    quantize_dynamic(folder / "fp32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
    found = OnnxModel(folder / "fp32.onnx")(ids.numpy(), mask.numpy())
    versions = {
        package.__name__: package.__version__
        for package in (torch, transformers, onnx, onnxruntime)
    }
    onnx_difference = np.abs(found - known["logits"])[known["mask"] > 0].max()
    differences = {"difference": float(difference), "onnx_difference": float(onnx_difference)}
    print(json.dumps({**differences, "versions": versions}))


class TorchModel:
    """Gives logits [B, T, K] of ids and mask int64 [B, T]."""

    def __init__(self, folder):
        import torch
        from transformers import AutoModelForTokenClassification

        self.torch = torch
        self.model = AutoModelForTokenClassification.from_pretrained(
            folder, dtype=torch.bfloat16
        ).eval()

    def __call__(self, ids, mask):
        with self.torch.inference_mode():
            found = self.model(self.torch.from_numpy(ids), self.torch.from_numpy(mask))
        return found.logits.float().numpy()


class OnnxModel:
    """Gives the same through ONNX Runtime."""

    def __init__(self, path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, ids, mask):
        return self.session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]


class SortedTagger:
    """Finds entities of texts or of words, in batches of like length."""

    def __init__(self, model, folder, batch):
        from transformers import AutoTokenizer

        self.model = model
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.batch = batch
        names = json.loads((folder / "config.json").read_text())["id2label"]
        self.names = [names[str(index)] for index in range(len(names))]

    def __call__(self, inputs, are_words):
        encoded = self.tokenizer(
            inputs, is_split_into_words=are_words, truncation=True, max_length=MAX_LENGTH
        )
        rows = encoded.encodings
        found = [None] * len(rows)
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row].ids))
        for start in range(0, len(order), self.batch):
            batch = order[start : start + self.batch]
            longest = len(rows[batch[0]].ids)
            ids = np.zeros((len(batch), longest), np.int64)
            mask = np.zeros_like(ids)
            for line, row in enumerate(batch):
                length = len(rows[row].ids)
                ids[line, :length] = rows[row].ids
                mask[line, :length] = 1
            best = self.model(ids, mask).argmax(-1)
            for line, row in enumerate(batch):
                spans = joined_spans(inputs[row]) if are_words else None
                found[row] = self.entities(rows[row], best[line], spans)
        return found

    def entities(self, row, best, spans):
        """Read entities off the tags of first pieces; `spans` are those of given words."""
        found, before, label = [], None, None
        for position, word in enumerate(row.word_ids):
            if word is None or word == before:
                continue
            before = word
            start, end = spans[word] if spans else row.word_to_chars(word)
            tag = self.names[best[position]]
            if tag[0] == "I" and tag[2:] == label:
                found[-1]["end"] = end
            elif tag != "O":
                found.append({"start": start, "end": end, "label": tag[2:]})
            label = tag[2:]
        return found


def joined_spans(words):
    """Give start and end of each word when one space joins them."""
    spans, start = [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return spans


class PipelineTagger:
    """Runs Hugging Face's pipeline as its documentation shows it, by first pieces."""

    def __init__(self, folder):
        from transformers import pipeline

        self.pipeline = pipeline(
            "token-classification", model=str(folder), device="cpu", aggregation_strategy="first"
        )

    def __call__(self, inputs, are_words):
        options = {"is_split_into_words": True} if are_words else {}
        rows = self.pipeline(inputs, batch_size=PIPELINE_BATCH, **options)
        return [[as_entity(found) for found in row] for row in rows]


def as_entity(found):
    """Give one of the pipeline's entities as all sides write it."""
    return {
        "start": int(found["start"]),
        "end": int(found["end"]),
        "label": found["entity_group"],
    }


def open_tagger(side, folder, batch):
    checkpoint = folder / "checkpoint"
    if side == "pipeline":
        return PipelineTagger(checkpoint)
    if side == "torch-bf16":
        model = TorchModel(checkpoint)
    else:
        model = OnnxModel(folder / f"{side.removeprefix('onnx-')}.onnx")
    return SortedTagger(model, checkpoint, batch)


def run(side, folder, inputs, batch, output, begin):
    tagger = open_tagger(side, folder, batch)
    tagger(["One short sentence."], False)
    tagger([["One", "short", "sentence"]], True)
    figures = {"start_up": time.time() - begin}
    for kind, file in (("lines", "lines.txt"), ("words", "words.conll")):
        start, processor = time.perf_counter(), time.process_time()
        text = (inputs / file).read_text(encoding="utf-8")
        given = text.removesuffix("\n").split("\n") if kind == "lines" else read_words(text)
        rows = tagger(given, kind == "words")
        with (output / f"{kind}.jsonl").open("w", encoding="utf-8") as written:
            for each, entities in zip(given, rows, strict=True):
                record = {"text": each if kind == "lines" else " ".join(each), "entities": entities}
                written.write(json.dumps(record, ensure_ascii=False) + "\n")
        figures[kind] = time.perf_counter() - start
        figures[f"{kind}_processor"] = time.process_time() - processor
    print(json.dumps({**figures, "peak_mib": peak_mib()}))


def read_words(text):
    return [
        [line.split("\t")[0] for line in block.split("\n")]
        for block in text.removesuffix("\n\n").split("\n\n")
    ]


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        side, folder, inputs, batch, output, begin = sys.argv[1:]
        run(side, Path(folder), Path(inputs), int(batch), Path(output), float(begin))
