"""`ingest-pipeline`: what a person types. The commands are imported when one is called.

They bring boto3, SQLAlchemy and more, for which `--help` would keep people waiting a second.
"""

from typing import Any

import click

_COMMANDS = {
    "aws": "Run the embedded AWS alone: for a plain `dagster dev`, or the tests of others.",
    "backfill": "Take in again all that arrived on these days, as a Dagster backfill; watch it.",
    "demo": "Start everything, take in the samples, print what became of each, and stop.",
    "dev": "Start everything, drop the samples (never into a real account), and run until Ctrl-C.",
    "get": "Download an object, to its own name or to TO.",
    "ls": "List what arrived, newest first.",
    "open": "Open the page of an object in a browser, or the catalogue.",
    "put": "Upload files, and the files in folders.",
    "reconcile": "Compare buckets, tables and what was made of objects; mend what disagrees.",
    "redrive": "Send objects through the ingest queue again.",
    "restore": "Bring a rejected or deleted object back, and keep it from then on.",
    "rm": "Ask for the deletion of objects, with all that was made of them.",
    "sessions": "Driving sessions of voice-annotated events.",
    "status": "Queues, dead letters, and what became of today's objects.",
    "why": "Tell the whole story of an object, or of a driving session's folder.",
    "worker": "Execute runs on warm processes, until stopped.",
}


class _Commands(click.Group):
    """Errors that a person can act on are a line, not a traceback; the exit code is 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        from ingest_pipeline.cli.commands import commands  # noqa: PLC0415

        return commands.get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        try:
            return super().invoke(ctx)
        except Exception as error:
            from ingest_pipeline.cli.commands import told  # noqa: PLC0415

            if (line := told(error)) is None:
                raise
            raise click.ClickException(line) from error


@click.group(cls=_Commands)
@click.version_option(package_name="ingest_pipeline", prog_name="ingest-pipeline")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Take in media that lands in S3: probe it, judge it, index it, explain it.

    Settings come from the environment: INGEST_HOME, INGEST_AWS (embedded or real),
    INGEST_AWS_PORT, INGEST_UI_PORT, INGEST_API_PORT and AWS_*; the README lists them all.
    """
    from ingest_pipeline.cli.commands import person_system  # noqa: PLC0415

    ctx.obj = person_system()


if __name__ == "__main__":
    main()
