"""The console script `tfner`: the same commands as `python -m tfner.…`, as subcommands."""

from __future__ import annotations

import typer

from tfner.beam import beam
from tfner.commands import run_app, with_log_option
from tfner.evaluate import evaluate
from tfner.export import export
from tfner.inspect import inspect
from tfner.predict import predict
from tfner.prepare import prepare
from tfner.runs import runs
from tfner.serve import serve
from tfner.train import train


def main() -> None:
    """Run the subcommand that the command line names."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True,
                      help="Named-entity recognition on TensorFlow and Keras.")  # fmt: skip
    for command in (train, prepare, evaluate, predict, beam, export, inspect, runs, serve):
        app.command()(with_log_option(command))
    run_app(app)


if __name__ == "__main__":
    main()
