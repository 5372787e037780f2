"""Render reports as one HTML page that needs nothing from outside: what the JSON file holds."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template
from markupsafe import Markup

from tfner.evaluation.report.curves import plot_curves
from tfner.evaluation.report.examples import cut_short, marked_pieces, marked_spans
from tfner.safeio.pages import make_environment
from tfner.safeio.printable import printable

MEANINGS = {
    "missed": "a gold entity without a prediction of its own",
    "spurious": "a prediction without a gold entity of its own",
    "wrong_type": "the right span with another label",
    "wrong_border": "the right label on an overlapping span",
    "wrong_border_and_type": "another label on an overlapping span",
    "repaired": "illegal tag sequences, read as conlleval reads them; with E or S, as seqeval does",
    "overlapping": "nested in or overlapping a longer entity",
    "discontinuous": "made of several fragments",
    "trimmed_border": "began or ended with blanks or unseen characters: trimmed when read",
    "misaligned": "a border inside a unit: widened to whole units",
    "vanished": "nothing left of it after BERT's text cleaning",
    "left_out": "of a type that the settings leave out",
    "unknown_label": "a type outside the label set",
    "untagged": "lines without a tag",
    "skipped_record": "rejected or left undecided by the annotator",
    "skipped_annotation": "notes, relations, events and attributes",
    "invalid_span": "a span outside its text or of no length",
}
FOLDER = Path(__file__).parent
OPTIONAL = (
    *("name", "split", "documents", "units", "errors", "f1_interval", "intervals"),
    *("partial_matches", "reliability", "calibration", "curve"),
)
MODE_MEANINGS = {
    "strict": "the same span and label",
    "exact": "the same span, whatever the label",
    "partial": "the same span; an overlapping one counts half; whatever the label",
    "ent_type": "an overlapping span of the same label",
}
DIRECTION_MEANINGS = {
    "better": "fewer errors",
    "worse": "more errors",
    "different": "other entities, as many errors",
    "same": "the same entities",
}
ABSENT: dict[str, Any] = dict.fromkeys(OPTIONAL)
ABSENT |= {key: {} for key in ("slices", "data_by_split", "taught", "seconds", "versions")}
ABSENT |= {key: {} for key in ("splits", "split_intervals")}


def render(report: Mapping[str, Any]) -> str:
    """Make the page for a report in its JSON form."""
    report = {**ABSENT, **report}
    types = sort_types(report["entity"])
    reasons = sorted(set().union(*report["data_by_split"].values()))
    values = {"report": report, "types": types, "reasons": reasons, "meanings": MEANINGS}
    values["others"] = {name: sort_types(scores) for name, scores in report["splits"].items()}
    values["diagrams"] = list(diagrams(report))
    values["curves"] = plot_curves({"b": report["curve"]}) if report["curve"] else []
    values |= filter_script()
    values["modes"] = MODE_MEANINGS
    values["examples"] = {}
    if errors := report["errors"]:
        values["confusion_types"] = confusion_types(errors)
        examples = errors["examples"].items()
        values["examples"] = {kind: items for kind, items in examples if items}
    return load_template("page.html").render(values)


def render_comparison(report: Mapping[str, Any]) -> str:
    """Make the page for a comparison in its JSON form."""
    types = sort_types(report["f1"])
    values = {"report": report, "types": types, "directions": DIRECTION_MEANINGS}
    curves = {name: report[name].get("curve") for name in ("a", "b")}
    values["curves"] = plot_curves({name: curve for name, curve in curves.items() if curve})
    listed = report["changes"]["listed"]
    directions = {change["direction"] for change in listed}
    values["directions_listed"] = [each for each in DIRECTION_MEANINGS if each in directions]
    entities = [entity for each in listed for entity in each["gold"] + each["a"] + each["b"]]
    values["types_listed"] = sorted({entity["label"] for entity in entities})
    values |= filter_script()
    return load_template("comparison.html").render(values)


def render_corpus(report: Mapping[str, Any]) -> str:
    """Make the page for what `inspect` found in a corpus."""
    return load_template("corpus.html").render({"report": report})


@cache
def filter_script() -> dict[str, str]:
    """Read the one script of pages, with the hash by which their policy lets it run."""
    text = (FOLDER / "filter.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    return {"script": Markup(text), "script_hash": f"sha256-{b64encode(digest).decode()}"}


def types_of(entities: Iterable[Mapping[str, Any] | None]) -> str:
    """List the types of entities as JSON, as the page shows them; None is no entity.

    >>> types_of([{"label": "PER"}, None, {"label": "LOC"}, {"label": "PER"}])
    '["LOC", "PER"]'
    """
    labels = {printable(entity["label"]) for entity in entities if entity}
    return json.dumps(sorted(labels), ensure_ascii=False)


def sort_types(scores: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Sort types by their number of gold entities, the most frequent first, then by name."""
    return sorted(scores["types"].items(), key=lambda item: (-item[1]["support"], item[0]))


def diagrams(report: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a title and reliabilities by class of the page, for each diagram of scores."""
    reliability, calibration = report["reliability"], report["calibration"]
    if calibration:
        both = {name: calibration[name] for name in ("before", "after")}
        yield "dev: before, and each half calibrated by a fit on the other", both
    if reliability and not (calibration and reliability == calibration["after"]):
        yield report["split"] or "scores", {"after": reliability}


def confusion_types(errors: Mapping[str, Any]) -> list[str]:
    """List the gold and predicted types of the confusion table, by name."""
    confusion = errors["confusion"]
    predicted = set().union(*confusion.values())
    types = predicted.union(confusion, errors["missed"], errors["spurious"])
    return sorted(types)


def percent(fraction: float) -> str:
    """Write a fraction as papers do: 0.5671 is 56.7."""
    return f"{100 * fraction:.1f}"


def signed(fraction: float) -> str:
    """Write a difference of fractions in points, with its sign.

    >>> [signed(fraction) for fraction in (0.0171, -0.002, 0.0, -0.00001)]
    ['+1.7', '-0.2', '0.0', '0.0']
    """
    points = f"{100 * fraction:+.1f}"
    return "0.0" if float(points) == 0 else points


def duration(seconds: float) -> str:
    """Write seconds as people say them."""
    if seconds < 59.95:  # what three digits would round to 60
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s"


FILTERS = {
    "cut_short": cut_short,
    "duration": duration,
    "marked_pieces": marked_pieces,
    "coordinate": "{:.2f}".format,
    "marked_spans": marked_spans,
    "p_value": "{:.4f}".format,
    "percent": percent,
    "signed": signed,
    "share": "--v:{:.4f}".format,  # the style sheet draws bars and shades from it
    "thousands": "{:,}".format,
    "types_of": types_of,
    "words": lambda name: name.replace("_", " "),
}


@cache
def load_template(name: str) -> Template:
    """Compile a page."""
    return page_environment(FOLDER).get_template(name)


def page_environment(*folders: Path) -> Environment:
    """Read templates from these folders, with the filters of reports."""
    environment = make_environment(*folders)
    environment.filters |= FILTERS
    return environment
