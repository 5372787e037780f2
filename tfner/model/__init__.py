"""The encoder, the token classifier on it, its loss, metrics, optimizer and decoder."""

import os

os.environ.setdefault(
    "TF_USE_LEGACY_KERAS", "1"
)  # so that a user's tf.keras is the Keras 2 that TFBertModel needs
