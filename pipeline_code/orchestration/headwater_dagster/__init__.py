"""Dagster definitions of the PetCo pipeline: Meltano in Kubernetes Jobs, dbt in the run pod."""
