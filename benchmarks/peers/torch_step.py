"""Runs PyTorch's side of the steps that `benchmarks.gpu.compare` times, in plain PyTorch.

usage: python -m benchmarks.peers.torch_step FOLDER STEPS [compile]

FOLDER is that of `benchmarks.gpu.compare lower`; compile: by torch.compile. It is a BERT with
scaled-dot-product attention, bf16 autocast and fused AdamW. The shapes, batches, loss, clipping,
weight decay and dropout are those of the lowered steps; inference is in bf16 throughout. Prints one
line of JSON: milliseconds of steps that are each waited for, and of as many that are started one
after the other.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NO_LABEL = -100


class Layer(nn.Module):
    def __init__(self, hidden, heads, inner):
        super().__init__()
        self.heads = heads
        self.qkv, self.attended = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=1e-12) for _ in range(2))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, mask):
        rows, length, hidden = x.shape
        query, key, value = (
            self.qkv(x)
            .view(rows, length, 3, self.heads, hidden // self.heads)
            .permute(2, 0, 3, 1, 4)
            .unbind()
        )
        attended = functional.scaled_dot_product_attention(
            query, key, value, mask, dropout_p=0.1 if self.training else 0.0
        )
        attended = self.attended(attended.transpose(1, 2).reshape(rows, length, hidden))
        x = self.norms[0](x + self.dropout(attended))
        return self.norms[1](x + self.dropout(self.down(functional.gelu(self.up(x)))))


class Tagger(nn.Module):
    """Puts a tag layer on BERT without pooler."""

    def __init__(self, spec):
        super().__init__()
        hidden = spec["hidden"]
        self.words, self.positions, self.types = (
            nn.Embedding(size, hidden) for size in (spec["vocabulary"], 512, 2)
        )
        self.norm, self.dropout = nn.LayerNorm(hidden, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(
            Layer(hidden, spec["heads"], spec["inner"]) for _ in range(spec["layers"])
        )
        self.head = nn.Linear(hidden, spec["tags"])

    def forward(self, ids, positions, mask):
        x = self.words(ids) + self.positions(positions) + self.types(torch.zeros_like(ids))
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, mask)
        return self.head(self.dropout(x))


def read_batch(folder, name, step):
    """Read ids, positions, attention mask (True where a query may look) and labels, if any."""
    with np.load(folder / f"{name.replace(', ', '-')}.npz") as stored:
        batch = {
            key: torch.from_numpy(stored[f"argument_{number}"]).to(DEVICE)
            for number, key in enumerate(step["batch"])
        }
    ids = batch["input_ids"].long()
    if step["packed"]:
        segments, positions = batch["segment_ids"], batch["position_ids"].long()
        is_same = segments[:, :, None] == segments[:, None, :]
        is_piece = (segments > 0)[:, None, :]
        mask = (is_same & is_piece)[:, None]
    else:
        positions = torch.arange(ids.shape[1], device=DEVICE).expand_as(ids)
        mask = (batch["attention_mask"] > 0)[:, None, None, :]
    labels = None
    if step["training"]:
        labels = torch.where(batch["label_mask"] > 0, batch["labels"].long(), NO_LABEL)
    return ids, positions, mask, labels


def make_step(spec, folder, name, compiled):
    """Build a function that runs one step and gives its loss or logits."""
    model = Tagger(spec).to(DEVICE)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters != spec["parameters"]:
        sys.exit(
            f"expected the {spec['parameters']} parameters of the lowered model, got {parameters}"
        )
    step = spec["steps"][name]
    *inputs, labels = read_batch(folder, name, step)
    if step["training"]:
        return training(model, inputs, labels, compiled)
    return inference(model, inputs, compiled)


def training(model, inputs, labels, compiled):
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-4, fused=True)
    model.train()
    forward = torch.compile(model) if compiled else model

    def run():
        with torch.autocast(DEVICE.type, torch.bfloat16):
            logits = forward(*inputs)
        loss = functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=NO_LABEL
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return run


def inference(model, inputs, compiled):
    model.eval().to(torch.bfloat16)
    forward = torch.compile(model) if compiled else model

    def run():
        with torch.inference_mode():
            return forward(*inputs)

    return run


def wait():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def measure(run, steps):
    begin = time.perf_counter()
    run()
    wait()
    first, waited = time.perf_counter() - begin, []
    for number in range(steps + 3):
        begin = time.perf_counter()
        run()
        wait()
        if number >= 3:
            waited.append(1000 * (time.perf_counter() - begin))
    begin = time.perf_counter()
    for _ in range(steps):
        run()
    wait()
    return {
        "waited": waited,
        "in_a_row": 1000 * (time.perf_counter() - begin) / steps,
        "compile_seconds": first,
    }


def main(folder, steps, compiled):
    torch.manual_seed(0)
    spec = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    results = {
        name: measure(make_step(spec, folder, name, compiled), steps) for name in spec["steps"]
    }
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
    print(json.dumps({"device": device, "version": f"torch {torch.__version__}", "steps": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "compile" in sys.argv[3:])
