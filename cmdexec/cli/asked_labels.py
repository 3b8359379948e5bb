"""`KEY=VALUE` as people write labels."""

from collections.abc import Sequence

import click


def pairs(texts: Sequence[str], hint: str, *, empty: bool = False) -> dict[str, str]:
    """The labels. `empty`: a value may be empty. Raises click's BadParameter."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals or not (value or empty):
            raise click.BadParameter(f"{text!r} is no label with a value. Write KEY=VALUE.", param_hint=hint)
        found[key] = value
    return found
