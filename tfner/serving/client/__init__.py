"""Ask a model that a server has: the names to import are here, whichever module they stand in."""

from tfner.serving.client.asynchronous import AsyncRecognizer, connect_async
from tfner.serving.client.options import Options
from tfner.serving.client.synchronous import connect

__all__ = ["AsyncRecognizer", "Options", "connect", "connect_async"]
