"""Let the head begin from how often each tag is, where the data are few.

Adam moves a weight by about its learning rate an update, so a bias that begins at 0 hardly comes
to say in a few hundred updates that most units are no entity: other weights learn that first, and
what they learn about entities later. Where the data are many, the data say it.
"""

from __future__ import annotations

import logging

import numpy as np

from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.model.heads.head import Head
from tfner.setting_types import Prior

logger = logging.getLogger(__name__)
ALL, NONE = 800, 1600  # sentences up to which there is all of it, and from which there is none
UNSEEN = 0.5  # labelled pieces that each tag is taken to have beside those it has


def prior_strength(asked: Prior, sentences: int) -> float:
    """Take the strength that is set, or choose it by how many sentences are learned from.

    Text that teachers label counts as well.

    >>> [prior_strength("auto", sentences) for sentences in (100, 800, 1200, 1600, 5000)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if asked != "auto":
        return asked
    share = (NONE - sentences) / (NONE - ALL)
    return min(1.0, max(0.0, share))


def log_prior(counts_K: np.ndarray) -> np.ndarray:
    """Take the log of the share that each tag has of all labelled pieces; float64 [K].

    >>> np.exp(log_prior(np.array([96, 2, 0]))).round(3).tolist()
    [0.97, 0.025, 0.005]
    """
    shares_K = counts_K + UNSEEN
    return np.log(shares_K / shares_K.sum())


def begin_from_prior(head: Head, corpus: EncodedCorpus | ShardedCorpus, strength: float) -> None:
    """Give a head that has just been built its prior.

    Args:
        strength: from 0, which gives none, to 1.

    Raises:
        DataError: a shard of the corpus cannot be read.
    """
    if not strength:
        return
    counts_K = corpus.tag_counts(len(head.labels))
    head.begin_from(strength * log_prior(counts_K))
    logger.info("head: begins from how often each tag is, at %.0f %%", 100 * strength)
