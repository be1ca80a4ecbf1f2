"""Waiting for a person: a flow that pauses, asks for a decision, and goes on with it.

Run it:  python examples/approval.py

Shows `pause_flow_run` with a model for the answer, defaults that the flow proposes, `resume_flow_run` from elsewhere,
and an answer that is refused. Here a thread plays the person; in a cluster it is `spec.inputs` of the FlowRun, see
approval.yaml.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Literal
from uuid import UUID

from penstock import flow, get_run_logger, pause_flow_run, resume_flow_run, task
from penstock.exceptions import NotPausedError
from penstock.input import RunInput


class Decision(RunInput):
    verdict: Literal["publish", "reject"]
    editor: str
    headline: str = ""


@task
def draft(topic: str) -> str:
    return f"All about {topic}"


@task
def publish(headline: str, editor: str) -> str:
    return f"published {headline!r}, approved by {editor}"


@flow
def article(topic: str = "penstocks", patience: float = 30) -> str:
    """Write, ask, publish."""
    headline = draft(topic)
    question = Decision.with_initial_data(description=f"Publish {headline!r}?", headline=headline)
    get_run_logger().info("waiting for a decision about %r", headline)
    decision = pause_flow_run(wait_for_input=question, timeout=patience, key="decision", poll_interval=1)
    if decision.verdict == "reject":
        return f"rejected by {decision.editor}"
    return publish(decision.headline, decision.editor)


def play_the_person(flow: Any, flow_run: Any, state: Any) -> None:
    """Only when run as a script: somebody who answers, at first badly."""
    threading.Thread(target=person, args=(flow_run.id,), daemon=True).start()


def person(flow_run_id: UUID) -> None:
    answers = [{"verdict": "maybe", "editor": "Ann"}, {"verdict": "publish", "editor": "Ann"}]
    while answers:
        try:
            resume_flow_run(flow_run_id, run_input=answers[0])
        except RuntimeError:
            print("refused:", answers.pop(0))
        except NotPausedError:  # not yet
            time.sleep(0.05)
        else:
            answers.pop(0)


if __name__ == "__main__":
    article.on_running(play_the_person)
    print(article())
