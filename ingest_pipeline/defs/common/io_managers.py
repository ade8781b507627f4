"""What one step hands to the next: its answers."""

import dagster as dg
from pydantic import PrivateAttr

from ingest_pipeline.defs.common.config import objects_of_run
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.pipeline.result import Answers


class ResultsIOManager(dg.ConfigurableIOManager):
    """Hands a step's answers to the last step of its run.

    A re-execution that begins behind the step finds none; what the tables say takes their place.
    """

    requests: dg.ResourceDependency[RequestsResource]
    _answers: dict[dg.AssetKey, Answers] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Answers) -> None:
        """Keep the answers for as long as the run's process lives."""
        self._answers[context.asset_key] = obj

    def load_input(self, context: dg.InputContext) -> Answers:
        """The answers of this run, or what is on record of its objects."""
        if context.asset_key in self._answers:
            return self._answers[context.asset_key]
        answers = Answers(of_messages=True)
        refs = objects_of_run(context.step_context.run_config)
        answers.add(self.requests.requests.on_record(refs))
        return answers
