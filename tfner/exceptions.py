"""Name what can go wrong through a user's input.

Each message says where, what was expected and what came.
"""


class TfnerError(Exception):
    """An error that a user can mend; the command line prints it without traceback, exits with 2."""


class ConfigError(TfnerError):
    """A setting is unknown, of the wrong type, out of range or contradicts another."""


class DataError(TfnerError):
    """A data file cannot be read as asked; the message opens with `file:line:` or the document."""


class ModelError(TfnerError):
    """A checkpoint, run folder or SavedModel is missing, damaged or of another kind."""


class StorageError(TfnerError):
    """A disk is full or read-only, or refuses in another way; the message opens with the path."""


class BusyError(TfnerError):
    """Another process is at work on the same folder; the message says which."""


class DivergedError(TfnerError):
    """The loss or its gradient has not been finite for several steps in a row."""


class WorkerLostError(TfnerError):
    """Another process of a training in several has ended or cannot be reached.

    The same commands go on from the last checkpoint. The command line exits with 75.
    """


class MissingExtraError(TfnerError):
    """An optional dependency is not installed; the message holds the `pip install` line for it."""

    def __init__(self, package: str, extra: str, purpose: str):
        missing = f"{purpose} needs the package {package}, which is not installed"
        super().__init__(f"{missing}: pip install 'tfner[{extra}]'")


class ServerError(TfnerError):
    """A model server cannot be reached, refuses a request or answers something else.

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
    """The process has been asked to end (SIGTERM); the text says what has been saved.

    The command line exits with 143.
    """
