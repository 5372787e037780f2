"""Name the files that an export has beside TensorFlow's own."""

from pathlib import Path

EXTRA = Path("assets.extra")
CARD = EXTRA / "tfner.json"
CARD_PAGE = EXTRA / "README.md"
WARM_UP = EXTRA / "tf_serving_warmup_requests"  # where TensorFlow Serving looks for them
