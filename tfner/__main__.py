"""Run `python -m tfner COMMAND …`, which is also the console script `tfner`.

Its subcommands are those of `python -m tfner.COMMAND`. `tfner --install-completion` lets a shell
complete them and their options.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tfner import __version__
from tfner.beam import beam
from tfner.commands import add_command, new_app, run_app
from tfner.compare import compare
from tfner.convert import convert
from tfner.cross_validate import cross_validate
from tfner.evaluate import evaluate
from tfner.export import export
from tfner.init import init
from tfner.inspect import inspect
from tfner.predict import predict
from tfner.prepare import prepare
from tfner.runs import runs
from tfner.select import select
from tfner.serve import serve
from tfner.spark import spark
from tfner.suspects import suspects
from tfner.train import train
from tfner.tune import tune

COMMANDS = (
    init,
    train,
    tune,
    cross_validate,
    prepare,
    evaluate,
    compare,
    predict,
    beam,
    spark,
    export,
    convert,
    inspect,
    suspects,
    select,
    runs,
    serve,
)


def main() -> None:
    """Run the subcommand that the command line names."""
    app = new_app(add_completion=True)
    app.callback(invoke_without_command=True)(greet)
    for command in COMMANDS:
        add_command(app, command)
    run_app(app)


def print_version(asked: bool) -> None:
    if asked:
        print(f"tfner {__version__}")
        raise typer.Exit


VERSION_HELP = "Print the version and exit."
VERSION = typer.Option("--version", callback=print_version, is_eager=True, help=VERSION_HELP)


def greet(context: typer.Context, version: Annotated[bool, VERSION] = False) -> None:
    """Named-entity recognition on TensorFlow and Keras."""
    if context.invoked_subcommand is None:
        print(context.get_help())


if __name__ == "__main__":
    main()
