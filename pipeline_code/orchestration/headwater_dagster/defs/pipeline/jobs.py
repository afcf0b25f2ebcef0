"""The whole pipeline as one job."""

import dagster as dg

PIPELINE_TAG = "headwater/pipeline"

petco_pipeline = dg.define_asset_job(
    "petco_pipeline",
    selection=dg.AssetSelection.all(),
    description="Replicates all connected sources, then builds and tests every model.",
    # One at a time (dagster.yaml): two would merge into the same tables.
    tags={PIPELINE_TAG: "petco"},
    executor_def=dg.in_process_executor,
)


UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def is_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a run of the pipeline waits or works: one more would only stand behind it."""
    return instance.get_runs_count(dg.RunsFilter(job_name=petco_pipeline.name, statuses=UNFINISHED)) > 0
