"""The command `dbt`, imported once for a run: `server` has it in memory, `client` is the command, `resource` both."""
