"""Put the pipeline together: files, blocks of documents, the same with entities, files in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from tfner.exceptions import TfnerError
from tfner.serving.beam.entries import READ_COUNTS, Reading, read_blocks
from tfner.serving.beam.marking import KnowsFormats, MarkBlocks
from tfner.serving.beam.output_files import WriteFiles, add_tallies, read_summary, write_summary
from tfner.serving.beam.sources import list_groups


@dataclass(frozen=True)
class Job:
    """Say what is to be marked with which version of a model, and where to.

    `position` adds file and line to each record of JSONL.
    """

    version: str
    source: str
    output: str
    reading: Reading
    format: str = "jsonl"
    position: bool = False


class ReadBlocks(KnowsFormats):
    """Read a group as its blocks."""

    def __init__(self, reading: Reading):
        super().__init__()
        self._reading = reading
        self._counters = {name: Metrics.counter("tfner", f"{name}_read") for name in READ_COUNTS}

    def process(self, group: Any) -> Iterator[Any]:
        for block in read_blocks(group, self._reading):
            for name, count in block.tally.items():
                self._counters[name].inc(count)
            yield block


def build(pipeline: beam.Pipeline, job: Job) -> None:
    """Add all steps of a job to a pipeline."""
    described = {"model": job.version, "input": job.source, "format": job.format}
    _ = (
        pipeline
        | "input" >> beam.Create([job.source])
        | "list files" >> beam.FlatMap(list_groups)
        | "deal out groups" >> beam.Reshuffle()
        | "read" >> beam.ParDo(ReadBlocks(job.reading))
        | "deal out blocks" >> beam.Reshuffle()
        | "mark" >> beam.ParDo(MarkBlocks(job.version, job.format, position=job.position))
        | "gather parts" >> beam.GroupByKey()
        | "write" >> beam.ParDo(WriteFiles(job.output, job.format))
        | "count" >> beam.CombineGlobally(add_tallies)
        | "write summary" >> beam.Map(write_summary, job.output, described)
    )


def run_job(job: Job, flags: Sequence[str] = ()) -> dict[str, Any]:
    """Run a job to its end, on the runner that Beam's flags name, and give its summary.

    Raises:
        TfnerError: it did not come to its end, or a document that was read is not written.
    """
    # There are no triggers here, so the permission changes one thing alone: DirectRunner does not
    # fetch another runner from GitHub.
    options = PipelineOptions(list(flags), allow_unsafe_triggers=True)
    pipeline = beam.Pipeline(options=options)
    build(pipeline, job)
    try:
        state = pipeline.run().wait_until_finish()
    except Exception as error:
        why = last_line_of(error)
        raise unfinished(job, why) from error
    if state not in (None, PipelineState.DONE):
        raise unfinished(job, f"it ended as {state}")
    summary = read_summary(job.output)
    if not summary["documents"] == summary["marked"] == summary["written"]:
        expected = "expected every document that was read to be written"
        raise TfnerError(f"{job.output}: {expected}, got {summary}")
    return summary


def last_line_of(error: Exception) -> str:
    """Say in a line what went wrong: from a worker comes a traceback as text."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    messages = [line for line in lines if not line.startswith((" ", "Traceback"))]
    last = messages[-1] if messages else type(error).__name__
    return last[:1000]


def unfinished(job: Job, why: str) -> TfnerError:
    """Say that some of the output is missing."""
    left = f"the files in {job.output} are whole, but not all"
    return TfnerError(f"the pipeline did not come to its end: {why}; {left}")
