"""Signatures as flows have them, for what is made of one: its schema, its check, its YAML. Nothing of the project is imported here.

So Prefect's own environment can import it: `prefect_schemas.json` beside it holds what Prefect's `parameter_schema` gives for each. Written again by
`python tests/support/signatures.py` there (`make bench-engine` makes such an environment in .penstock/prefect).
"""

# ruff: noqa: B006, B008, BLE001, E501, RUF013, UP006, UP007, UP017, UP045
# mypy: ignore-errors
# fmt: off
# Written as users write, and evaluated at once: with postponed annotations there would be texts only.
import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import re
import sys
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Optional, TypeVar, Union

import pydantic
from typing_extensions import TypedDict

T = TypeVar("T")
FILE = pathlib.Path(__file__).with_name("prefect_schemas.json")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """How much."""

    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclasses.dataclass
class Point:
    """A place."""

    x: int
    y: float = 0.0


@dataclasses.dataclass
class Options:
    verbose: bool = False
    tags: list[str] = dataclasses.field(default_factory=list)
    where: Optional[Point] = None


class Item(pydantic.BaseModel):
    """Something to buy."""

    name: str = pydantic.Field(min_length=1, description="what it is called")
    count: int = 1
    colour: Colour = Colour.RED


class Order(pydantic.BaseModel):
    items: list[Item]
    day: datetime.date
    notes: dict[str, str] = {}


class Tree(pydantic.BaseModel):
    value: int
    children: list["Tree"] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    n: int


class Aliased(pydantic.BaseModel):
    table_name: str = pydantic.Field(alias="tableName")


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    barks: bool = True


class Box(pydantic.BaseModel, Generic[T]):
    content: T


class Movie(TypedDict):
    title: str
    year: int


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Own:
    """A class that pydantic does not know."""

    def __repr__(self) -> str:
        return "Own()"


class Checked:
    """A class that tells pydantic how it is read."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(lambda _: cls(), core_schema.str_schema(max_length=3))


class Parameters(pydantic.BaseModel):
    """Has the name of what is made of a signature."""

    a: int


def nothing(): ...
def bare(a, b): ...
def bare_default(a, b=1, c="x", d=None, e=[1, 2], f={"a": 1}): ...
def integer(a: int): ...
def integer_default(a: int = 3): ...
def text(a: str = "x"): ...
def number(a: float = 1.5): ...
def boolean(a: bool = False): ...
def octets(a: bytes = b"x"): ...
def none(a: None = None): ...
def anything(a: Any, b: Any = 1, c: object = None): ...
def optional(a: Optional[int], b: Optional[int] = None, c: int | None = 3): ...
def implicit_optional(a: int = None): ...
def union(a: Union[int, str], b: int | str | None = None, c: list[int] | dict[str, int] = []): ...
def lists(a: list, b: list[int], c: list[list[str]] = [["x"]], d: typing.List[str] = []): ...
def tuples(a: tuple, b: tuple[int, ...], c: tuple[int, str] = (1, "x"), d: tuple[()] = ()): ...
def sets(a: set, b: set[int], c: frozenset[str] = frozenset({"x"})): ...
def dicts(a: dict, b: dict[str, int], c: dict[int, list[str]] = {}, d: Mapping[str, Any] = {}): ...
def sequences(a: Sequence[int], b: Iterable[str], c: collections.deque[int] = collections.deque([1])): ...
def counters(a: collections.Counter[str], b: collections.OrderedDict[str, int], c: collections.defaultdict[str, int]): ...
def literal(a: Literal["x", "y"], b: Literal[1, 2] = 1, c: Literal["only"] = "only", d: Literal[None, True] = None): ...
def enumeration(a: Colour, b: Colour = Colour.BLUE, c: Level = Level.LOW, d: Mixed = Mixed.TWO): ...
def enumerations(a: list[Colour] = [Colour.RED], b: dict[Colour, int] = {Colour.RED: 1}): ...
def times(a: datetime.datetime, b: datetime.date, c: datetime.time, d: datetime.timedelta): ...
def time_defaults(a: datetime.datetime = datetime.datetime(2026, 11, 21, 6, 30, tzinfo=datetime.timezone.utc),
                  b: datetime.date = datetime.date(2026, 11, 21), c: datetime.time = datetime.time(6, 30),
                  d: datetime.timedelta = datetime.timedelta(hours=1, seconds=5)): ...
def naive_default(a: datetime.datetime = datetime.datetime(2026, 11, 21)): ...
def zones(a: pydantic.AwareDatetime, b: pydantic.NaiveDatetime, c: pydantic.PastDate, d: pydantic.FutureDate): ...
def paths(a: pathlib.Path, b: pathlib.Path = pathlib.Path("data/in.csv"), c: pathlib.PurePosixPath = pathlib.PurePosixPath("/x")): ...
def existing_paths(a: pydantic.FilePath, b: pydantic.DirectoryPath): ...
def decimals(a: decimal.Decimal, b: decimal.Decimal = decimal.Decimal("1.50")): ...
def bounded_decimal(a: Annotated[decimal.Decimal, pydantic.Field(max_digits=5, decimal_places=2, gt=0)]): ...
def identifiers(a: uuid.UUID, b: uuid.UUID = uuid.UUID(int=5), c: pydantic.UUID4 = uuid.UUID(int=6)): ...
def addresses(a: ipaddress.IPv4Address, b: ipaddress.IPv6Network, c: ipaddress.IPv4Address = ipaddress.IPv4Address("10.0.0.1")): ...
def urls(a: pydantic.HttpUrl, b: pydantic.AnyUrl, c: pydantic.PostgresDsn): ...
def secrets(a: pydantic.SecretStr, b: pydantic.SecretBytes, c: pydantic.SecretStr = pydantic.SecretStr("hidden")): ...
def patterns(a: re.Pattern, b: Annotated[str, pydantic.Field(pattern=r"^[a-z]+$")] = "a"): ...
def constrained(a: Annotated[int, pydantic.Field(ge=1, le=10)] = 3, b: Annotated[str, pydantic.Field(min_length=2, max_length=5)] = "ab",
                c: Annotated[list[int], pydantic.Field(min_length=1, max_length=3)] = [1], d: Annotated[float, pydantic.Field(multiple_of=0.5)] = 1.0): ...
def pydantic_types(a: pydantic.PositiveInt, b: pydantic.conint(gt=3), c: pydantic.constr(max_length=4), d: pydantic.StrictInt, e: pydantic.NonNegativeFloat = 0.0): ...
def json_types(a: pydantic.Json, b: pydantic.Json[list[int]], c: pydantic.Base64Bytes, d: pydantic.ByteSize): ...
def json_values(a: pydantic.JsonValue, b: pydantic.JsonValue = {"a": [1, None]}): ...
def model(a: Item, b: Item = Item(name="pear"), c: Optional[Item] = None): ...
def models(a: Order, b: list[Item], c: dict[str, Order] = {}): ...
def recursive(a: Tree, b: Tree = Tree(value=1, children=[Tree(value=2)])): ...
def strict_model(a: Strict): ...
def aliased(a: Aliased): ...
def generic(a: Box[int], b: Box[Item], c: Box[list[str]]): ...
def discriminated(a: Annotated[Union[Cat, Dog], pydantic.Field(discriminator="kind")]): ...
def plain_union_of_models(a: Cat | Dog): ...
def dataclass(a: Point, b: Point = Point(1), c: list[Point] = []): ...
def nested_dataclass(a: Options, b: Options = Options(where=Point(1, 2))): ...
def typed_dict(a: Movie, b: list[Movie] = []): ...
def named_tuple(a: Pair): ...
def named_like_us(a: Parameters, b: int = 1): ...
def own(a: Own, b: Own = Own(), c: list[Own] = [], d: Optional[Own] = None): ...
def own_checked(a: Checked): ...
def kinds(a: type, b: type[int], c: type[Own] = Own): ...
def callables(a: Callable, b: Callable[[int], str] = str): ...
def type_variable(a: T, b: list[T]): ...
def class_variable(a: ClassVar[int] = 1): ...
def varargs(*args): ...
def typed_varargs(a: int, *args: int, b: str = "x"): ...
def kwargs(**kwargs): ...
def typed_kwargs(a: int, **kwargs: float): ...
def both(*args: str, **kwargs: int): ...
def positional_only(a: int, b: str = "x", /): ...
def keyword_only(*, a: int, b: str = "x"): ...
def all_kinds(a: int, /, b: int, *args: int, c: int = 1, **kwargs: int): ...
def reserved(json: int, copy: str = "x", schema: int = 1, dict: int = 2, model_x: int = 3, model_config: int = 4, validate: int = 5): ...
def underscored(a_: int, _b: int = 1): ...
def not_ascii(größe: int, имя: str = "x"): ...
def with_self(self, a: int): ...
def with_cls(cls, a: int = 1): ...
def unserialisable(a: Any = print, b: Any = Own(), c: Any = object, d=lambda x: x): ...
def special_numbers(a: float = 1e300, b: int = 2**70, c: float = -0.0): ...
def described(a: int, b: str = "x", c: list[int] = []):
    """Do it.

    And more.

    Args:
        a: the first
        b (str): the second,
            which goes on
            and on
        c (list[int], optional): the third: with a colon

    Returns:
        nothing
    """
def described_otherwise(a: int, b: int = 1):
    """Do it.

    Parameters:
        a: by another heading
        b: the second

    Raises:
        ValueError: never
    """
def described_like_numpy(a: int):
    """Do it.

    Parameters
    ----------
    a : int
        the first
    """
def described_stars(a: int, *args: int, **kwargs: int):
    """Do it.

    Args:
        a: one
        *args: many
        **kwargs: named
    """
def described_strangely(a: int, b: int):
    """Do it.

    Args:
      a: two blanks
      z: nobody
      b: a blank line

        and a paragraph

    Example:
        >>> described_strangely(1, 2)
    """
def described_at_once(a: int):
    """Args:
        a: the first
    """
def annotated_description(a: Annotated[int, pydantic.Field(description="by a field")] = 1): ...
def described_twice(a: Annotated[int, pydantic.Field(description="by a field")] = 1, b: int = pydantic.Field(3, description="by a field")):
    """Do.

    Args:
        a: by the docstring
        b: by the docstring
    """
def annotated_title(a: Annotated[int, pydantic.Field(title="Another", alias="other", examples=[1], deprecated=True)] = 1): ...
def annotated_extra(a: Annotated[int, pydantic.Field(json_schema_extra={"x": 1})] = 1): ...
def annotated_other(a: Annotated[int, "a note", 3] = 1): ...
def annotated_default(a: Annotated[int, pydantic.Field(default=4)]): ...
def field_default(a: int = pydantic.Field(3), b: int = pydantic.Field(default=4, description="by a field", json_schema_extra={"x": 1})): ...
def field_required(a: int = pydantic.Field(...), b: int = pydantic.Field(description="must")): ...
def field_position(a: int = pydantic.Field(3, json_schema_extra={"position": 7})): ...
def field_constraints(a: int = pydantic.Field(3, gt=1, title="Another", alias="other")): ...
def field_factory(a: list[int] = pydantic.Field(default_factory=list)): ...
def quoted(a: "int", b: "Optional[Item]" = None, c: "list[Colour]" = []): ...
def unresolved(a: "Missing", b: "int" = 1, c: "datetime.date" = None): ...  # noqa: F821
def before(a: Annotated[list[str], pydantic.BeforeValidator(lambda v: v.split(",") if isinstance(v, str) else v)]): ...
def after(a: Annotated[int, pydantic.AfterValidator(abs)]): ...
def plain(a: Annotated[int, pydantic.PlainValidator(int)]): ...
def wrap(a: Annotated[int, pydantic.WrapValidator(lambda v, h: h(v))]): ...
def serialised(a: Annotated[datetime.date, pydantic.PlainSerializer(str)] = datetime.date(2026, 1, 1)): ...
def schema_by_hand(a: Annotated[int, pydantic.WithJsonSchema({"type": "string"})]): ...
def new_type(a: typing.NewType("Rows", int) = 1): ...
def complex_number(a: complex = 1j): ...
def ranges(a: range = range(3), b: slice = None): ...


ALL: dict[str, Callable[..., Any]] = {
    name: fn for name, fn in list(globals().items())
    if not name.startswith("__") and type(fn).__name__ == "function" and getattr(fn, "__module__", None) == __name__
}


def canonical(schema: Any) -> Any:
    """A schema in a form that can be compared: what a set of Python gave in a certain order is sorted."""
    return json.loads(json.dumps(schema, sort_keys=True))


if __name__ == "__main__":
    import warnings

    from prefect.utilities.callables import parameter_schema

    warnings.simplefilter("ignore")
    found = {}
    for name, fn in ALL.items():
        try:
            found[name] = canonical(parameter_schema(fn).model_dump())
        except Exception as exc:
            found[name] = {"raises": type(exc).__name__}
            print(name, "raises", type(exc).__name__, str(exc)[:100], file=sys.stderr)
    lines = [f"{json.dumps(name)}: {json.dumps(found[name], sort_keys=True, ensure_ascii=False)}" for name in sorted(found)]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(found))
