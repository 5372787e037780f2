"""Say how families of checkpoints write BERT's encoder under other names: one entry a family.

They are BERT in all that is computed: RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT. What differs
are names, a few rows of a table and one product. No TensorFlow here, so that a mistake in a
configuration is said before it loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

BERT_PREFIX = "bert."
# Within names of weights: DistilBERT's → BERT's. Each is looked for after all before it.
DISTILBERT_WEIGHTS = (
    ("transformer.layer.", "encoder.layer."),
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
)
DISTILBERT_SETTINGS = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "hidden_act": "activation",
}


@dataclass(frozen=True)
class BertFamily:
    """Describe the checkpoints of one `model_type`.

        >>> family = BERT_FAMILIES["distilbert"]
        >>> family.setting("hidden_size")
        'dim'
        >>> family.bert_weight("distilbert.transformer.layer.0.ffn.lin2.bias")
        'bert.encoder.layer.0.output.dense.bias'
        >>> family.own_weight("bert.encoder.layer.0.output.dense.bias")
        'distilbert.transformer.layer.0.ffn.lin2.bias'

    Args:
        model_type: in config.json.
        prefix: what names of weights begin with where heads stand beside the encoder.
        settings: BERT's name of a setting → the family's, where they differ.
        defaults: values of settings that config.json leaves out, where they are not BERT's.
        weights: pairs of the family's and BERT's words within names of weights.
        skips_positions: whether positions begin behind `pad_token_id`, at row 2 of the table.
        has_token_types: whether the kind of a text, first or second, is added to embeddings.
        has_embedding_size: whether embeddings may be narrower than hidden states; then a product
            makes them as wide.
        class_prefix: what the names of its classes in transformers begin with; empty if there is no
            class for token classification with one product as head.
        has_classifier_dropout: whether that class has a setting of its own for the dropout in front
            of the head.
    """

    model_type: str
    prefix: str
    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[tuple[str, str], ...] = ()
    skips_positions: bool = False
    has_token_types: bool = True
    has_embedding_size: bool = False
    class_prefix: str = ""
    has_classifier_dropout: bool = True

    def setting(self, name: str) -> str:
        """Give the family's name of a setting of BERT's."""
        return self.settings.get(name, name)

    def unused_positions(self, config: Mapping[str, Any]) -> int:
        """Count the rows of the position table in front of the first position's."""
        if not self.skips_positions:
            return 0
        pad_id = config.get("pad_token_id")
        if not isinstance(pad_id, int) or pad_id < 0:
            pad_id = 1
        return pad_id + 1

    def bert_weight(self, name: str) -> str:
        """Give BERT's name of a weight."""
        if name.startswith(self.prefix):
            name = BERT_PREFIX + name.removeprefix(self.prefix)
        for own, berts in self.weights:
            name = name.replace(own, berts)
        return name

    def own_weight(self, name: str) -> str:
        """Give the family's name of a weight, for a message."""
        if name.startswith(BERT_PREFIX):
            name = self.prefix + name.removeprefix(BERT_PREFIX)
        for own, berts in self.weights:
            name = name.replace(berts, own)
        return name


def roberta(model_type: str, class_prefix: str) -> BertFamily:
    """Describe a family of RoBERTa's kind; all of them call their encoder `roberta`."""
    options: Any = {"skips_positions": True, "class_prefix": class_prefix}
    return BertFamily(model_type, "roberta.", **options)


BERT_FAMILIES = {
    family.model_type: family
    for family in (
        BertFamily("bert", BERT_PREFIX, class_prefix="Bert"),
        roberta("roberta", "Roberta"),
        roberta("xlm-roberta", "XLMRoberta"),
        roberta("camembert", "Camembert"),
        BertFamily(
            "electra",
            "electra.",
            defaults={
                "embedding_size": 128,
                "hidden_size": 256,
                "num_attention_heads": 4,
                "intermediate_size": 1024,
            },
            weights=(("embeddings_project.", "embeddings.projection."),),
            has_embedding_size=True,
            class_prefix="Electra",
        ),
        BertFamily(
            "distilbert",
            "distilbert.",
            settings=DISTILBERT_SETTINGS,
            defaults={"num_hidden_layers": 6, "type_vocab_size": 1},
            weights=DISTILBERT_WEIGHTS,
            has_token_types=False,
            class_prefix="DistilBert",
            has_classifier_dropout=False,
        ),
    )
}


def find_bert_family(config: Mapping[str, Any]) -> BertFamily | None:
    """Find the family that a config.json names, BERT where it names none; None if not known."""
    name = config.get("model_type", "bert")
    return BERT_FAMILIES.get(name) if isinstance(name, str) else None


def list_names(names: Iterable[str]) -> str:
    """List names for a message.

    >>> list_names(["bert", "electra", "roberta"])
    'bert, electra or roberta'
    """
    *others, last = sorted(names)
    first = ", ".join(others)
    return f"{first} or {last}" if others else last
