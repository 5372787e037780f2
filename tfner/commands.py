"""Share what commands have in common: how they end, how they log, and their common options."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, cast, get_type_hints

import typer
from rich.console import Console

from tfner.corpus.context import CONTEXTS, Context
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, DataError, Terminated, TfnerError, WorkerLostError
from tfner.formats import read_documents
from tfner.formats.registry import names_of, readable
from tfner.formats.resume import Nothing
from tfner.formats.settings import ReadSettings
from tfner.help_examples import epilog_of
from tfner.monitoring.events import VARIABLE, json_asked, log_event, set_up_log
from tfner.monitoring.progress import meter
from tfner.quiet_tensorflow import load_tensorflow
from tfner.safeio.printable import one_line, show
from tfner.safeio.sources import Source, is_fine_tuned, is_run, name_source
from tfner.safeio.validation import validate
from tfner.training.state.termination import listening

if TYPE_CHECKING:
    from tfner.config import RunSettings
    from tfner.evaluation.report.corpus_report import CorpusReport
    from tfner.serving.runtime.recognizer import Recognizer
    from tfner.training.folds.cross_validation import HeldOut, Summary, TrainFold
    from tfner.training.folds.folder import FoldsFolder

BAD_INPUT = 2
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
TERMINATED = 143  # 128 + SIGTERM

FORMAT_HELP = f"{', '.join(names_of(readable()))}; auto looks at the file."
LOG_HELP = f"Write the log as JSON, one object a line, as {VARIABLE}=json does."
LINE_HELP = "Most characters of a line; a file with a longer one is refused."
FILE_HELP = "Most bytes of a file that is held in memory whole (json, brat, document)."
STRICT_HELP = "Stop at what would otherwise be repaired and counted."
SCHEME_HELP = "IO, IOB1, IOB2, BIOES, BILOU; auto finds out."
CONTEXT_HELP = (
    "document: read sentences of one document together; none: each alone. By default as the model "
    "was trained; of a model on a server nobody knows, so each alone."
)
COLUMN_HELP = "Column of {}: a number from 0, negative from the end, or a name of the header."
DATA_HELP = (
    "Marked data: files, folders, patterns, hub:NAME:SPLIT, run:FOLDER:SPLIT or embedded:FILE."
)
RAW_HELP = "Predict from the raw text, even where the data gives words."
Format = Annotated[str, typer.Option("--format", help=FORMAT_HELP)]
Encoding = Annotated[str, typer.Option(help="Character encoding of text files.")]
Scheme = Annotated[str, typer.Option(help=SCHEME_HELP)]
TOKENS_HELP = COLUMN_HELP.format("tokens or texts")
TAGS_HELP = COLUMN_HELP.format("tags or entities")
SENTENCES_HELP = COLUMN_HELP.format("what numbers the sentences of a csv file")
TokenColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help=TOKENS_HELP)]
TagColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help=TAGS_HELP)]
SentenceColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help=SENTENCES_HELP)]
TYPES_HELP = (
    "Call a type of the data by another name; TYPE= leaves it out. May stand several times."
)
TypeNames = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE=NAME", help=TYPES_HELP)
]
ContextName = Annotated[
    str | None, typer.Option("--context", metavar="none|document", help=CONTEXT_HELP)
]
LogJson = Annotated[bool, typer.Option("--log-json", help=LOG_HELP)]
MaxLine = Annotated[int, typer.Option("--max-line", help=LINE_HELP)]
MaxFile = Annotated[int, typer.Option("--max-file", help=FILE_HELP)]
FOLDS = 5
FOLDS_HELP = "Folds that the training data are divided into, a run each."
FOLDS_TO_HELP = "Folder for the runs and the predictions; by default runs/NAME-folds."
FOLDS_AGAIN_HELP = "Delete the cross-validation in this folder and begin again."
OVERRIDES_HELP = "Settings to replace: training.epochs=5."
Folds = Annotated[int, typer.Option("--folds", min=2, help=FOLDS_HELP)]
FoldsTo = Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help=FOLDS_TO_HELP)]
FoldsAgain = Annotated[bool, typer.Option("--overwrite", help=FOLDS_AGAIN_HELP)]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES_HELP)
]
Raw = Annotated[bool, typer.Option("--raw", help=RAW_HELP)]
Strict = Annotated[bool, typer.Option("--strict", help=STRICT_HELP)]


def validate_reading(**values: Any) -> ReadSettings:
    """Validate a command line's options for reading files, like those of a configuration."""
    given = {name: value for name, value in values.items() if value is not None}
    return validate(given, ReadSettings, "command line")


def check_context(name: str | None, where: str) -> Context | None:
    """Check what sentences are to be read with; None leaves it to the model.

    Raises:
        ConfigError: there is no such context.
    """
    if name is not None and name not in CONTEXTS:
        raise ConfigError(f"{where}: expected {' or '.join(CONTEXTS)}, got {show(name)}")
    return cast("Context | None", name)


def read_marked(data: Source, settings: ReadSettings, ledger: Ledger) -> list[Document]:
    """Read marked data whole.

    Raises:
        DataError: it cannot be read, or holds no document.
    """
    documents = list(read_documents(data, settings, ledger))
    if not documents:
        raise DataError(f"{name_source(data)}: expected documents, found none")
    return documents


def inspect_data(
    sources: Mapping[str, Source],
    settings: ReadSettings,
    encoder: str | None = None,
    run_settings: RunSettings | None = None,
) -> tuple[CorpusReport, dict[str, Ledger]]:
    """Read some splits, and judge them once they are read: mistakes in them are said at once.

    Args:
        encoder: whose vocabulary counts pieces; without one nothing is said of pieces.
        run_settings: whose training is worked out, on the split `train`.
    """
    from tfner.training.inspection import judge_splits, read_splits

    splits, ledgers = read_splits(sources, settings, run_settings)
    load_tensorflow()
    report = judge_splits(splits, ledgers, encoder, run_settings)
    return report, ledgers


def output() -> Console:
    """Make the console for results: standard output."""
    return plain_console(soft_wrap=not sys.stdout.isatty())


def messages() -> Console:
    """Make the console for progress and warnings: standard error, so that results can be piped.

    It is silent where the log is JSON, which has them as events.
    """
    return plain_console(stderr=True, soft_wrap=not sys.stderr.isatty(), quiet=json_asked())


def plain_console(**options: Any) -> Console:
    """Make a console that prints text as it is: a path may hold brackets."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def new_app(*, add_completion: bool = False) -> typer.Typer:
    """Make a typer application that leaves errors to `run_app`."""
    plain: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
    return typer.Typer(add_completion=add_completion, **plain)


def with_log_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--log-json`, which all commands have, to a command."""

    @functools.wraps(command)
    def logged(*args: Any, log_json: bool, **options: Any) -> Any:
        if log_json:
            os.environ[VARIABLE] = "json"
            set_up_log()
        return command(*args, **options)

    signature = inspect.signature(command)
    hints = {**get_type_hints(command, include_extras=True), "log_json": LogJson}
    own = signature.parameters.values()
    parameters = [each.replace(annotation=hints[each.name]) for each in own]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    added = inspect.Parameter("log_json", keyword_only, default=False, annotation=LogJson)
    parameters.append(added)
    logged.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportFunctionMemberAccess]
    logged.__annotations__ = hints
    return logged


def open_recognizer(path: Path) -> Recognizer:
    """Open an export or a run folder, with TensorFlow's threads set up for a large input.

    Raises:
        ModelError: `path` is neither.
    """
    from tfner.serving.runtime.saved_model import load_recognizer
    from tfner.serving.runtime.threads import count_processors, share_processors

    threads = share_processors(count_processors())
    if not (is_run(path) or is_fine_tuned(path)):
        return load_recognizer(path, threads=threads)
    load_tensorflow()
    from tfner.serving.runtime.graph_functions import set_threads
    from tfner.training.restore import open_model

    set_threads(threads)
    return open_model(path)


def read_with(recognizer: Recognizer, context: Context | None) -> None:
    """Have sentences read with the context that was asked for; None leaves it to the model."""
    if context is not None:
        recognizer.context = context


def tell_cut(recognizer: Recognizer) -> None:
    """Say how often an entity ran over the end of a sentence, if one did."""
    if recognizer.entities_cut:
        count = f"{recognizer.entities_cut:,}"
        messages().print(f"cut where an entity ran over the end of a sentence: {count}")


def find_entities(
    recognizer: Recognizer, documents: Sequence[Document], what: str = "documents"
) -> list[list[Entity]]:
    """Find the entities of all documents, and show what is done as the model answers."""
    from tfner.serving.runtime.bulk import mark_all

    found: list[list[Entity]] = []

    def save(_: Document, entities: list[Entity] | None) -> None:
        found.append(entities or [])

    with meter(messages(), what, len(documents)) as shown:
        for step in mark_all(recognizer, documents, save, Nothing()):
            shown.advance(step.documents, step.words)
    tell_cut(recognizer)
    return found


def carry_out_folds(
    settings: RunSettings,
    folder: FoldsFolder,
    folds: int,
    train_fold: TrainFold,
    *,
    overwrite: bool,
) -> Summary:
    """Cross-validate, or go on with a cross-validation; one that is stopped says how.

    Raises:
        KeyboardInterrupt, Terminated: it was stopped.
        TfnerError: see `tfner.training.folds.cross_validation.cross_validate`.
    """
    from tfner.training.folds.cross_validation import cross_validate
    from tfner.training.search.progress import said_once
    from tfner.training.state.termination import announce_ctrl_c, terminable

    goes_on = f"{folder.path}: the same command goes on"
    announced = announce_ctrl_c(lambda: f"stopping; {goes_on}", lambda: f"ended at once; {goes_on}")
    console = messages()
    try:
        with terminable(), announced, said_once():
            return cross_validate(settings, folder, folds, console, train_fold, overwrite=overwrite)
    except KeyboardInterrupt:
        console.print(f"interrupted: {goes_on}")
        raise
    except Terminated as stopped:
        reason = str(stopped)
        raise Terminated(reason or goes_on) from None


def train_with_tensorflow(settings: RunSettings, held_out: HeldOut, folder: FoldsFolder) -> None:
    """Train one fold; TensorFlow is imported here, before the first."""
    load_tensorflow()
    from tfner.training.folds.train_fold import train_fold

    console = messages()
    train_fold(settings, held_out, folder, console)


def make_callable(module: str, function: Callable[..., Any]) -> None:
    """Let a module be called: `tfner.train(…)` calls `function`; `tfner.train` is the module still.

    A function of that name in the package would work only until somebody imports the module, which
    then takes its place.
    """

    class CallableModule(ModuleType):
        __call__ = staticmethod(function)

    sys.modules[module].__class__ = CallableModule


def run(command: Callable[..., Any]) -> None:
    """Run one command as a program; a user's mistake ends it with a message and exit code 2."""
    app = new_app()
    add_command(app, command)
    run_app(app)


def add_command(app: typer.Typer, command: Callable[..., Any]) -> None:
    """Add a command with the option that all have, and with its examples."""
    epilog = epilog_of(command.__name__)
    app.command(epilog=epilog)(with_log_option(command))


def run_app(app: typer.Typer) -> None:
    """Run a typer application with this project's exit codes."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    set_up_log()
    try:
        with listening():
            app()
    except WorkerLostError as error:
        exit_with(f"error: {error}", TRY_AGAIN)
    except TfnerError as error:
        exit_with(f"error: {error}", BAD_INPUT)
    except Terminated as error:
        exit_with(f"terminated: {error}", TERMINATED)
    except KeyboardInterrupt:
        exit_with("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; nothing is left to say, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # of a path: too long, not permitted, on a disk that is full
        exit_with(f"error: {describe_os_error(error)}", BAD_INPUT)


def describe_os_error(error: OSError) -> str:
    """Format what the system says, with the path first, as in all messages."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def exit_with(message: str, exit_code: int) -> None:
    """Say why the process ends on standard error, and end it.

    The message is one line and has no effect on a terminal, whatever the input put into it.
    """
    message = one_line(message)
    log_event("error", logging.ERROR, message=message.removeprefix("error: "), exit_code=exit_code)
    if not json_asked():
        print(message, file=sys.stderr)
    sys.exit(exit_code)
