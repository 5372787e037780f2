"""Name what can go wrong through a user's input.

Each message says where, what was expected and what came.
"""


class TfnerError(Exception):
    """Say what a user can mend; the command line prints it without traceback and exits with 2."""


class ConfigError(TfnerError):
    """Refuse a setting: unknown, of the wrong type, out of range or contradicting another."""


class DataError(TfnerError):
    """Refuse a data file as it is; the message opens with `file:line:` or the document."""


class ModelError(TfnerError):
    """Refuse a checkpoint, run folder or SavedModel: missing, damaged or of another kind."""


class StorageError(TfnerError):
    """Report a disk that is full, read-only or broken; the message opens with the path."""


class BusyError(TfnerError):
    """Refuse a folder that another process works on; the message says which."""


class DivergedError(TfnerError):
    """Report a loss or gradient that has not been finite for several steps in a row."""


class WorkerLostError(TfnerError):
    """Report that another process of a training in several has ended or cannot be reached.

    The same commands go on from the last checkpoint. The command line exits with 75.
    """


class MissingExtraError(TfnerError):
    """Name an optional dependency that is not installed, and the `pip install` line for it."""

    def __init__(self, package: str, extra: str, purpose: str):
        hint = f"pip install 'tfner[{extra}]'"
        super().__init__(f"{purpose} needs the package {package}, which is not installed: {hint}")


class ServerError(TfnerError):
    """Report a model server that cannot be reached, refuses a request or answers something else.

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
    """Report that the process was asked to end (SIGTERM); the text says what has been saved.

    The command line exits with 143.
    """
