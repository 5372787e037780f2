"""Name what can go wrong through a user's input.

Each message says where, what was expected and what came.
"""


class TfnerError(Exception):
    """Name an error that a user can mend; commands print it without traceback and exit with 2."""


class ConfigError(TfnerError):
    """Say that a setting is unknown, of the wrong type, out of range or contradicts another."""


class DataError(TfnerError):
    """Say that data cannot be read as asked; the message opens with file and line or document."""


class ModelError(TfnerError):
    """Say that a checkpoint, run folder or SavedModel is missing, damaged or of another kind."""


class StorageError(TfnerError):
    """Say that a disk is full, read-only or refuses otherwise; the message opens with the path."""


class BusyError(TfnerError):
    """Say that another process is at work on the same folder; the message says which."""


class DivergedError(TfnerError):
    """Say that the loss or its gradient has not been finite for several steps in a row."""


class WorkerLostError(TfnerError):
    """Say that another process of a training in several has ended or cannot be reached.

    The same commands go on from the last checkpoint. The command line exits with 75.
    """


class MissingExtraError(TfnerError):
    """Say that an optional dependency is missing; the message holds the `pip install` line."""

    def __init__(self, package: str, extra: str, purpose: str):
        missing = f"{purpose} needs the package {package}, which is not installed"
        super().__init__(f"{missing}: pip install 'tfner[{extra}]'")


class ServerError(TfnerError):
    """Say that a model server cannot be reached, refuses a request or answers something else.

    The message opens with its URL.

    Args:
        transient: whether the same request may well succeed later.
        retry_after: seconds until then at the earliest, if the server named any.
    """

    def __init__(self, message: str, *, transient: bool = False, retry_after: float = 0.0):
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


# Like KeyboardInterrupt: no error, and nothing that catches errors should stop it.
class Terminated(BaseException):
    """Say that the process has been asked to end (SIGTERM); the text says what has been saved.

    The command line exits with 143.
    """
