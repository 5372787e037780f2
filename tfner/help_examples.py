"""Hold two examples of each command, which its `--help` ends with."""

from __future__ import annotations

EXAMPLES = {
    "init": (
        "tfner init train.csv --encoder path/to/bert --name mine",
        "tfner init train.conll --dev dev.conll --encoder path/to/bert --to mine.yaml",
    ),
    "train": (
        "tfner train mine.yaml",
        "tfner train mine.yaml training.epochs=5 name=five --overwrite",
    ),
    "tune": (
        "tfner tune mine.yaml --trials 30",
        "tfner tune mine.yaml --trials 10 training.batch_size=16",
    ),
    "cross_validate": (
        "tfner cross-validate mine.yaml",
        "tfner cross-validate mine.yaml --folds 10 --to runs/ten",
    ),
    "prepare": (
        "tfner prepare mine.yaml --to shards",
        "tfner prepare mine.yaml --to shards --workers 8",
    ),
    "evaluate": (
        "tfner evaluate saved_models/mine test.conll",
        "tfner evaluate runs/mine test.conll --raw --predictions found.txt",
    ),
    "compare": (
        "tfner compare saved_models/old saved_models/new test.conll",
        "tfner compare old.txt new.txt --html comparison.html",
    ),
    "predict": (
        'tfner predict saved_models/mine --text "Mara left Oslo."',
        "tfner predict saved_models/mine mail.txt --format html --output mail.html",
    ),
    "beam": (
        "tfner beam saved_models/mine 'texts/*.jsonl.gz' marked",
        "tfner beam saved_models/mine texts.jsonl marked -- --runner=DirectRunner",
    ),
    "spark": (
        "tfner spark saved_models/mine 'texts/*.jsonl' marked --master 'local[2]'",
        "tfner spark saved_models/mine news.texts news.marked --input-format table --format table",
    ),
    "export": (
        "tfner export runs/mine precision=bfloat16",
        "tfner export runs/mine --precision-at-least 0.95",
    ),
    "convert": (
        "tfner convert path/to/tagger --to saved_models/people",
        "tfner convert runs/mine --to-hf mine",
    ),
    "inspect": (
        "tfner inspect train.conll dev.conll --encoder path/to/bert",
        "tfner inspect mine.yaml --list --html corpus.html",
    ),
    "suspects": (
        "tfner suspects mine.yaml --folds 5 --html suspects.html",
        "tfner suspects runs/mine-folds --n 200 -o again.jsonl --format doccano",
    ),
    "select": (
        "tfner select saved_models/mine texts.jsonl --n 200 -o to_mark.jsonl",
        "tfner select runs/mine texts.txt --format label-studio -o to_mark.json",
    ),
    "runs": (
        "tfner runs",
        "tfner runs runs --json",
    ),
    "serve": (
        "tfner serve saved_models/mine",
        "tfner serve saved_models/mine --port 8501 --name people",
    ),
}


def epilog_of(command: str) -> str | None:
    r"""Write the examples as what a help ends with; None for a command that has none.

    >>> epilog_of("runs")
    '\x08\nExamples:\n  tfner runs\n  tfner runs runs --json'
    """
    if command not in EXAMPLES:
        return None
    lines = [f"  {example}" for example in EXAMPLES[command]]
    # click leaves lines behind a backspace as they are
    return "\n".join(["\b", "Examples:", *lines])
