"""Parameters: models and dataclasses from plain data, checked before anything runs.

Run it:  python examples/parameters.py

Shows pydantic models, dataclasses, enums, dates and constraints as flow parameters, what a caller is told about bad
ones, and the JSON schema of a flow. The same flow as Kubernetes objects, with parameters in YAML: parameters.yaml.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from penstock import flow, task
from penstock.exceptions import ParameterTypeError


class Room(enum.Enum):
    SINGLE = "single"
    DOUBLE = "double"


class Guest(BaseModel):
    name: str
    age: int = Field(ge=0)

    @field_validator("name")
    @classmethod
    def written_well(cls, name: str) -> str:
        return name.strip().title()


@dataclass
class Options:
    breakfast: bool = True
    wishes: list[str] = field(default_factory=list)


@task
def price(room: Room, nights: int, options: Options, guests: int) -> int:
    a_night = 80 if room is Room.SINGLE else 110
    return nights * (a_night + (12 * guests if options.breakfast else 0))


@flow(flow_run_name="{guests[0].name}-{arrival:%d%b}")
def book(
    guests: list[Guest],
    arrival: date,
    nights: Annotated[int, Field(ge=1, le=30)] = 1,
    room: Room = Room.DOUBLE,
    options: Options = Options(),  # noqa: B008  (a flow's defaults are copied for each run)
) -> dict[str, object]:
    """Book a room."""
    return {
        "names": [guest.name for guest in guests],
        "departure": str(arrival + timedelta(days=nights)),
        "room": room.name,
        "wishes": options.wishes,
        "price": price(room, nights, options, len(guests)),
    }


if __name__ == "__main__":
    print(book(
        guests=[{"name": " ada lovelace", "age": "36"}, Guest(name="charles", age=45)],
        arrival="2026-12-24", nights="3", options={"wishes": ["quiet"]},
    ))  # fmt: skip
    try:
        book(guests=[{"name": "tim", "age": -1}], arrival="tomorrow", nights=99, room="suite")
    except ParameterTypeError as error:
        print(error)
    schema = book.parameters.model_dump()
    print("required:", schema["required"])
    print("room:", json.dumps(schema["definitions"]["Room"]["enum"]))
