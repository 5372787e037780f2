"""What all commands share: how they end, how they log, and the options that all or several of them have."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.console import Console

from tfner.config import ReadSettings
from tfner.exceptions import Terminated, TfnerError, WorkerLostError
from tfner.monitoring.events import VARIABLE, json_asked, log_event, set_up_log
from tfner.safeio.printable import one_line
from tfner.safeio.validation import validate

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

BAD_INPUT = 2
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
TERMINATED = 143  # 128 + SIGTERM

Format = Annotated[
    str,
    typer.Option("--format", help="columns, json, jsonl, brat, datasets; auto looks at the file."),
]
Encoding = Annotated[str, typer.Option(help="Character encoding of text files.")]
Scheme = Annotated[str, typer.Option(help="IO, IOB1, IOB2, BIOES, BILOU; auto finds out.")]
TokenColumn = Annotated[
    int | None, typer.Option(help="Column of the token, from 0; negative from the end.")
]
TagColumn = Annotated[
    int | None, typer.Option(help="Column of the tag, from 0; negative from the end.")
]
LogJson = Annotated[
    bool,
    typer.Option(
        "--log-json", help=f"Write the log as JSON, one object a line, as {VARIABLE}=json does."
    ),
]
MaxLine = Annotated[
    int,
    typer.Option(
        "--max-line", help="Most characters of a line; a file with a longer one is refused."
    ),
]
MaxFile = Annotated[
    int,
    typer.Option(
        "--max-file",
        help="Most bytes of a file that is held in memory whole (json, brat, document).",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at what would otherwise be repaired and counted.")
]


def read_settings(**values: Any) -> ReadSettings:
    """Reading options of a command line, validated like those of a configuration."""
    return validate(
        {name: value for name, value in values.items() if value is not None},
        ReadSettings,
        "command line",
    )


def output() -> Console:
    """For results: standard output."""
    return Console(
        highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty()
    )  # a path may hold brackets


def messages() -> Console:
    """For progress and warnings: standard error, so that results can be piped; silent where that is JSON, which has them as events."""
    return Console(
        stderr=True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not sys.stderr.isatty(),
        quiet=json_asked(),
    )


def prepare_process() -> None:
    """Quiet libraries, and a log."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    set_up_log()


def with_log_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same command with the option `--log-json`, which all have."""

    @functools.wraps(command)
    def logged(*args: Any, log_json: bool, **options: Any) -> Any:
        if log_json:
            os.environ[VARIABLE] = "json"
            set_up_log()
        return command(*args, **options)

    signature, hints = (
        inspect.signature(command),
        {**get_type_hints(command, include_extras=True), "log_json": LogJson},
    )
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in signature.parameters.items()
    ]
    further = inspect.Parameter(
        "log_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=LogJson
    )
    logged.__signature__ = signature.replace(parameters=[*own, further])  # pyright: ignore[reportFunctionMemberAccess]
    logged.__annotations__ = hints
    return logged


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ prints before any log level holds; TF_CPP_MIN_LOG_LEVEL shows them."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import tensorflow as tf
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        with silent_stderr():
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for GPUs, at length where there are none
    tf.get_logger().setLevel(logging.ERROR)


def open_model(path: Path) -> Recognizer:
    """The recognizer of an export or a run folder, with TensorFlow loaded and its threads set up for a large input.

    Raises:
        ModelError: `path` is neither.
    """
    load_tensorflow()
    from tfner.serving.runtime.threads import count_processors, share_processors
    from tfner.training import restore

    share_processors(count_processors())
    return restore.open_model(path)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Throw away what is written to file descriptor 2, by C++ too."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def make_callable(module: str, function: Callable[..., Any]) -> None:
    """Let a module be called: `tfner.train(…)` calls `function`, and `tfner.train` stays the module.

    A function of that name in the package would work only until somebody imports the module, which
    then takes its place.
    """

    class CallableModule(ModuleType):
        __call__ = staticmethod(function)

    sys.modules[module].__class__ = CallableModule


def run(command: Callable[..., Any]) -> None:
    """Run one command as a program; a user's mistake ends it with a message and exit code 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(with_log_option(command))
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a typer application with this project's exit codes."""
    prepare_process()
    try:
        app()
    except WorkerLostError as error:
        say_error(f"error: {error}", TRY_AGAIN)
        sys.exit(TRY_AGAIN)
    except TfnerError as error:
        say_error(f"error: {error}", BAD_INPUT)
        sys.exit(BAD_INPUT)
    except Terminated as error:
        say_error(f"terminated: {error}", TERMINATED)
        sys.exit(TERMINATED)
    except KeyboardInterrupt:
        say_error("interrupted", INTERRUPTED)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; nothing is left to say, not even at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # of a path that nothing more is known of: too long, not permitted, on a disk that is full
        say_error(f"error: {describe_os_error(error)}", BAD_INPUT)
        sys.exit(BAD_INPUT)


def describe_os_error(error: OSError) -> str:
    """What the system says, with the path first, as in all messages."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def say_error(message: str, exit_code: int) -> None:
    """Why the process ends, on standard error; in one line and without effect on a terminal, whatever the input put into it."""
    message = one_line(message)
    log_event("error", logging.ERROR, message=message.removeprefix("error: "), exit_code=exit_code)
    if not json_asked():
        print(message, file=sys.stderr)
