"""The report as one HTML page that needs nothing from outside: it shows what `report.json` holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfner.evaluation.report.examples import examples_section
from tfner.evaluation.report.markup import Child, Markup, element, join, text
from tfner.evaluation.report.style import CSS

MEANINGS = {
    "missed": "a gold entity without a prediction of its own",
    "spurious": "a prediction without a gold entity of its own",
    "wrong_type": "the right span with another label",
    "wrong_border": "the right label on an overlapping span",
    "wrong_border_and_type": "another label on an overlapping span",
    "repaired": "illegal tag sequences, read as seqeval reads them",
    "overlapping": "nested in or overlapping a longer entity",
    "discontinuous": "made of several fragments",
    "misaligned": "a border inside a unit: widened to whole units",
    "trimmed_border": "began or ended with blanks, which have no piece: trimmed",
    "vanished": "nothing left of it after BERT's text cleaning",
    "unknown_label": "a type outside the label set",
    "untagged": "lines without a tag",
    "skipped_record": "rejected or left undecided by the annotator",
    "skipped_annotation": "notes, relations, events and attributes",
    "invalid_span": "a span outside its text or of no length",
}


def render(report: Mapping[str, Any]) -> str:
    """The page for a report in its JSON form."""
    title = report.get("name") or "Evaluation"
    errors = report.get("errors")
    body = element(
        "main",
        _header(title, report),
        _headline(report["entity"]),
        _types(report["entity"]),
        _slices(report.get("slices", {})),
        _error_classes(errors["counts"]) if errors else None,
        _confusion(errors) if errors else None,
        examples_section(errors["examples"]) if errors else None,
        _dropped(report.get("data_by_split", {})),
        _timing(report.get("seconds", {})),
        _versions(report.get("versions", {})),
    )
    # The policy makes the browser refuse whatever would be fetched or run, should an escape ever be missing.
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{text(title)} – entity F1</title>
<style>{CSS}</style>
</head>
<body>{body}</body>
</html>
"""


def percent(fraction: float) -> str:
    """A fraction as it is printed in papers: 0.5671 is 56.7."""
    return f"{100 * fraction:.1f}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 59.95:  # what three digits would round to 60
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _header(title: str, report: Mapping[str, Any]) -> Markup:
    facts = [
        f"{report[key]:,} {key}" for key in ("documents", "units") if report.get(key) is not None
    ]
    facts.append(f"{report['entity']['micro']['support']:,} gold entities")
    split = report.get("split")
    return element(
        "header",
        element("p", "Evaluation", f" on {split}" if split else None, class_="eyebrow"),
        element("h1", title),
        element("p", " · ".join(facts), class_="quiet"),
    )


def _headline(entity: Mapping[str, Any]) -> Markup:
    micro = entity["micro"]
    ring = element(
        "div",
        element("div", element("strong", percent(micro["f1"])), element("span", "micro F1")),
        class_="ring",
        style=_share(micro["f1"]),
    )
    figures = (
        ("Precision", micro["precision"]),
        ("Recall", micro["recall"]),
        ("Macro F1", entity["macro"]["f1"]),
    )
    cards = [
        element(
            "div", element("dt", name), element("dd", percent(value), _bar(value)), class_="card"
        )
        for name, value in figures
    ]
    return element("section", ring, element("dl", *cards), class_="headline")


def _types(entity: Mapping[str, Any]) -> Markup:
    by_support = sorted(entity["types"].items(), key=lambda item: (-item[1]["support"], item[0]))
    body = [_score_row(name, score) for name, score in by_support]
    foot = [_score_row("micro", entity["micro"]), _score_row("macro", entity["macro"])]
    return _section(
        "By type", _table(("Type", "F1", "Precision", "Recall", "Entities"), body, foot)
    )


def _slices(slices: Mapping[str, Any]) -> Markup | None:
    if not slices:
        return None
    rows = [_score_row(name, scores["micro"]) for name, scores in slices.items()]
    return _section(
        "By slice", _table(("Slice", "Micro F1", "Precision", "Recall", "Entities"), rows)
    )


def _score_row(name: str, score: Mapping[str, Any]) -> Markup:
    f1 = element("td", element("b", percent(score["f1"])), _bar(score["f1"]), class_="barred")
    numbers = (percent(score["precision"]), percent(score["recall"]), f"{score['support']:,}")
    return element("tr", _row_name(name), f1, *(element("td", number) for number in numbers))


def _error_classes(counts: Mapping[str, int]) -> Markup:
    total = sum(counts.values())
    if not total:
        return _section(
            "Errors",
            element("p", "None: every entity was found, and nothing else.", class_="quiet"),
        )
    parts = [
        element("i", class_=kind, style=f"flex-grow:{count}")
        for kind, count in counts.items()
        if count
    ]
    legend = [_error_class(kind, count) for kind, count in counts.items()]
    return _section(
        f"{total:,} {'error' if total == 1 else 'errors'}",
        element("div", *parts, class_="stack"),
        element("ul", *legend, class_="legend"),
    )


def _error_class(kind: str, count: int) -> Markup:
    name = element("b", f"{count:,} {_words(kind)}")
    return element(
        "li", element("i", class_=kind), name, element("span", MEANINGS[kind], class_="quiet")
    )


def _confusion(errors: Mapping[str, Any]) -> Markup | None:
    table, missed, spurious = errors["confusion"], errors["missed"], errors["spurious"]
    types = sorted({*table, *missed, *spurious, *(name for row in table.values() for name in row)})
    if not types:
        return None
    head = [
        element("th", element("span", name), scope="col", class_="upright")
        for name in (*types, "missed")
    ]
    rows = [_confusion_row(gold, types, table.get(gold, {}), missed.get(gold, 0)) for gold in types]
    foot = element(
        "tr",
        _row_name("spurious"),
        *(element("td", spurious.get(name) or "", class_="quiet") for name in types),
        element("td"),
    )
    return _section(
        "Gold type against predicted type",
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", element("th", "gold ↓  predicted →"), *head)),
                element("tbody", *rows, foot),
            ),
            class_="scroll confusion",
        ),
        element(
            "p",
            "Pairs whose spans are the same or overlap, coloured by their share of the row.",
            class_="quiet",
        ),
    )


def _confusion_row(gold: str, types: Sequence[str], row: Mapping[str, int], missed: int) -> Markup:
    total = sum(row.values()) + missed
    cells = [
        element(
            "td",
            row.get(name) or "",
            class_="hit" if name == gold else "miss",
            style=_share(row.get(name, 0) / total if total else 0),
        )
        for name in types
    ]
    return element(
        "tr",
        _row_name(gold),
        *cells,
        element("td", missed or "", class_="miss", style=_share(missed / total if total else 0)),
    )


def _dropped(by_split: Mapping[str, Mapping[str, int]]) -> Markup:
    reasons = sorted({reason for counts in by_split.values() for reason in counts})
    if not reasons:
        return _section(
            "Dropped from the data",
            element("p", "Nothing was dropped, changed or repaired on the way.", class_="quiet"),
        )
    rows = [
        element(
            "tr",
            _row_name(join(_words(reason), element("small", MEANINGS.get(reason, "")))),
            *(element("td", f"{counts.get(reason, 0):,}") for counts in by_split.values()),
        )
        for reason in reasons
    ]
    return _section("Dropped from the data", _table(("Reason", *by_split), rows))


def _timing(seconds: Mapping[str, float]) -> Markup | None:
    if not seconds:
        return None
    longest = max(seconds.values()) or 1
    rows = [
        element(
            "tr",
            _row_name(_words(name)),
            element("td", element("b", duration(value)), _bar(value / longest), class_="barred"),
        )
        for name, value in seconds.items()
    ]
    return _section("Time", element("div", _table(("Step", "Duration"), rows), class_="time"))


def _versions(versions: Mapping[str, str]) -> Markup | None:
    return (
        element(
            "footer",
            " · ".join(f"{name} {version}" for name, version in versions.items()),
            class_="quiet",
        )
        if versions
        else None
    )


def _section(title: str, *content: Child) -> Markup:
    return element("section", element("h2", title), *content)


def _table(columns: Iterable[str], body: Iterable[Markup], foot: Sequence[Markup] = ()) -> Markup:
    head = element(
        "thead", element("tr", *(element("th", column, scope="col") for column in columns))
    )
    return element(
        "div",
        element("table", head, element("tbody", *body), element("tfoot", *foot) if foot else None),
        class_="scroll",
    )


def _row_name(name: Child) -> Markup:
    return element("th", element("bdi", name), scope="row")


def _bar(fraction: float) -> Markup:
    return element("i", class_="bar", style=_share(fraction))


def _share(fraction: float) -> str:
    return f"--v:{fraction:.4f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
