"""What docstrings in Google's style say of parameters. Neighbours: `schema` puts it into a function's schema."""

from __future__ import annotations

import inspect
import re

# A heading may have words of its own behind it: `Args: what is collected`.
_HEADING = re.compile(r"(?i)(args|arguments|parameters|params):(\s.*)?")


def parameter_docstrings(docstring: str | None) -> dict[str, str]:
    """Descriptions of parameters in a Google-style docstring.

    Args:
        docstring: of a function, indented as it may be.

    Returns:
        Texts by name, without the stars of `*args` and `**kwargs`; their lines are kept, and what is indented within them. What stands
        between two fences of code says nothing.
    """
    found: dict[str, list[str]] = {}
    name = None
    inside, fenced, base = False, False, 0
    for line in inspect.cleandoc(docstring or "").splitlines():
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if not text:
            if name is not None:
                found[name].append("")
        elif indent == 0:
            fenced ^= text.startswith("```")
            inside, base, name = not fenced and _HEADING.fullmatch(text) is not None, 0, None
        elif inside:
            base = base or indent
            if indent <= base:
                head, colon, rest = text.partition(":")
                name = head.split("(")[0].split()[0].lstrip("*") if colon and head.split("(")[0].strip() else None
                if name is not None:
                    found[name] = [rest.strip()]
            elif name is not None:
                found[name].append(line)
    return {name: inspect.cleandoc("\n".join(lines)).strip() for name, lines in found.items()}
