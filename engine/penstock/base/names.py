"""Names for runs that were given none, an adjective and a noun; and values that must not be shown."""

from __future__ import annotations

from os import urandom

from .marks import random_bytes


def _words(text: str) -> list[str]:
    return text.split()


ADJECTIVES = _words("""
    amber ancient arctic autumn azure bold brave bright brisk bronze calm candid cheerful clear clever copper
    coral cosmic crimson crisp curious daring dawn deep eager early elder emerald fabled faithful fearless fleet
    flying gentle gilded glad golden graceful grand green happy hardy honest humble indigo ivory jade jolly keen
    kind lively lone lucky lunar mellow merry mighty misty modest noble northern olive opal patient pearl plucky
    polar prime proud quick quiet radiant rapid rustic sage scarlet serene sharp silent silver sincere solar
    southern spry steady still stout sturdy sunny swift tidal tranquil true upbeat valiant velvet vivid warm
    western whole wild wise witty
""")
NOUNS = _words("""
    albatross alpaca badger basin beacon beaver bison brook canyon cascade cedar cliff comet cove crane creek
    current curlew dam delta dolphin dune eagle eddy estuary falcon fen finch fjord fountain fox gannet geyser
    glacier grebe gull harbor hare harrier heron ibis inlet island kestrel kingfisher lagoon lake lark ledge
    linnet loon lynx marsh marten meadow mesa millrace minnow moor moose newt oak osprey otter owl pelican
    petrel pike pine pipit plover pond puffin rapids raven reed reef ridge river salmon sandbar seal shoal
    sluice sparrow spring stork strait stream swan swift tarn tern thrush tide trout valley walrus waterfall
    weir whale willow wolf wren
""")


def generate_name() -> str:
    """A random name such as `brave-otter`."""
    number = int.from_bytes(random_bytes(), "big")
    return f"{ADJECTIVES[number % len(ADJECTIVES)]}-{NOUNS[(number >> 32) % len(NOUNS)]}"


def generate_slug(n_words: int) -> str:
    """A random name of that many words; the last is a noun."""
    words = [ADJECTIVES[int.from_bytes(urandom(4), "big") % len(ADJECTIVES)] for _ in range(max(0, n_words - 1))]
    return "-".join([*words, NOUNS[int.from_bytes(urandom(4), "big") % len(NOUNS)]])


def obfuscate(s: object, show_tail: bool = False) -> str:
    """Eight stars for whatever is secret; with `show_tail` the last four characters of a long one."""
    tail = str(s)[10:][-4:] if show_tail and s is not None else ""
    return "*" * (8 - len(tail)) + tail


def obfuscate_string(s: str, show_tail: bool = False) -> str:
    """`obfuscate` for texts."""
    return obfuscate(s, show_tail)
