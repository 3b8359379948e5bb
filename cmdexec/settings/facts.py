"""A setting in words, as help, documentation and `.env.example` show it."""

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.parse import bounds_of, shown


def default_of(setting: Setting, side: Side) -> str:
    """The default as people read it: never a value of the machine on which this runs."""
    if callable(setting.default):
        sentence = (setting.default.__doc__ or "").partition("\n")[0].partition(";")[0].rstrip(".")
        return sentence[:1].lower() + sentence[1:]
    if setting.default == ():
        return "empty"
    return shown(setting, setting.default_for(side))


def facts_of(setting: Setting) -> list[str]:
    """What may be written, as sentences: choices, bounds, and how it has to stand to another setting."""
    facts = []
    if setting.choices:
        facts.append(f"One of: {', '.join(f'`{choice}`' for choice in setting.choices)}.")
    elif setting.kind is not Kind.BOOLEAN and (bounds := bounds_of(setting)):
        facts.append(f"{bounds[:1].upper()}{bounds[1:]}.")
    if setting.relation is not None:
        times = f"{setting.relation.times:g} times it is " if setting.relation.times != 1 else ""
        than = "less than" if setting.relation.strict else "at most"
        said = f"{times}{than} `{setting.relation.other}`."
        facts.append(said[:1].upper() + said[1:])
    return facts
