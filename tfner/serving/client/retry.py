"""Decide whether a failed request is sent again, and when: one rule for all transports."""

from __future__ import annotations

import random
from collections.abc import Callable

from tfner.exceptions import ServerError
from tfner.serving.client.options import Options


def pause_after(
    error: ServerError, failures: int, options: Options, draw: Callable[[], float] = random.random
) -> float:
    """Give the seconds to wait after so many failures in a row.

    Half of it is random, so that clients do not come back all at once.

    Raises:
        ServerError: it is not worth another try, or there were enough.
    """
    if not error.transient:
        raise error
    if failures > options.retries:
        message = f"{error} (tried {failures} times)" if failures > 1 else str(error)
        raise ServerError(message, transient=True, retry_after=error.retry_after) from error
    doubled = options.first_pause * 2.0 ** (failures - 1)
    share = 0.5 + 0.5 * draw()
    pause = min(options.longest_pause, doubled) * share
    asked = min(error.retry_after, options.longest_pause)
    return max(pause, asked)
