"""What can go wrong through a user's input. Each message says where, what was expected and what came."""


class TfnerError(Exception):
    """Base of every error that a user can mend; the command line prints it without a traceback and exits with 2."""


class ConfigError(TfnerError):
    """A setting is unknown, of the wrong type, out of range or contradicts another."""


class DataError(TfnerError):
    """A data file cannot be read as asked: the message opens with `file:line:` or the document's id."""


class ModelError(TfnerError):
    """A checkpoint, run folder or SavedModel is missing, damaged or of another kind."""


class StorageError(TfnerError):
    """A disk is full or read-only, or refuses a file in another way; the message opens with the path."""


class BusyError(TfnerError):
    """Another process is at work on the same folder; the message says which."""


class DivergedError(TfnerError):
    """The loss or its gradient has not been finite for several steps in a row."""


class WorkerLostError(TfnerError):
    """Another process of a training in several has ended or cannot be reached; the same commands go on. The command line exits with 75."""


class MissingExtraError(TfnerError):
    """An optional dependency is not installed; the message holds the `pip install` line that mends it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed: pip install 'tfner[{extra}]'"
        )


class ServerError(TfnerError):
    """A model server cannot be reached, refuses a request or answers with something else than was asked; the message opens with its URL.

    `transient` says whether the same request may well succeed later, `retry_after` after how many seconds at the earliest, if the server
    named any.
    """

    def __init__(self, message: str, *, transient: bool = False, retry_after: float = 0.0):
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


class Terminated(
    BaseException
):  # like KeyboardInterrupt: no error, and nothing that catches errors should stop it
    """The process has been asked to end (SIGTERM); the command line exits with 143. The text says what has been saved."""
