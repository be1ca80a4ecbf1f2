"""A flow that is a method: what belongs together lives in a class, with its state and its helpers.

Run it:  python examples/class_based.py

Shows flows and tasks as instance, static and class methods, subclasses that change one step, and hooks that log what
became of each run.
"""

from __future__ import annotations

from typing import Any, ClassVar

from penstock import flow, runtime, task, unmapped


class Report:
    """Count the words of texts."""

    unit: ClassVar[str] = "words"

    def __init__(self, source: str) -> None:
        self.source = source
        self.history: list[str] = []

    @task
    def read(self) -> list[str]:
        return [part.strip() for part in self.source.split("|")]

    @task
    def count(self, text: str) -> int:
        return len(text.split())

    @staticmethod
    @task
    def largest(counts: list[int]) -> int:
        return max(counts)

    @classmethod
    @task
    def label(cls, number: int) -> str:
        return f"{number} {cls.unit}"

    @flow(name="text-report")
    def run(self, skip_empty: bool = True) -> str:
        texts = [text for text in self.read() if text or not skip_empty]
        counts = self.count.map(texts).result()
        self.history.append(runtime.flow_run.flow_name)
        return f"{len(texts)} texts, the longest has {self.label(self.largest(counts))}"


class LetterReport(Report):
    """The same in letters: one step is another."""

    unit = "letters"

    @task(retries=1)
    def count(self, text: str, blanks: bool = False) -> int:
        return len(text if blanks else text.replace(" ", ""))

    @task
    def total(self, counts: list[int]) -> int:
        return sum(counts)

    @flow(name="letter-report")
    def run(self, skip_empty: bool = True) -> str:
        texts = self.read()
        counts = self.count.map(texts, blanks=unmapped(False)).result()
        return f"{super().run(skip_empty)}, {self.label(self.total(counts))} in all"


done: list[str] = []


@Report.run.on_completion
def note(flow: Any, flow_run: Any, state: Any) -> None:
    done.append(f"{flow.name} {state.name.lower()}")


if __name__ == "__main__":
    words = Report("to be or not to be | that is | | the question")
    print(words.run())
    print(words.run(skip_empty=False))
    letters = LetterReport("to be | or not")
    print(letters.run())
    print(words.history, done)
