"""The layout of scripts with a trainer-like class: attributes for what is shared, methods for the loops."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fuzz.families.helpers import free_roles
from tests.fuzz.families.scope import loaded, names_only, statements, stored

if TYPE_CHECKING:
    from tests.fuzz.families.layout import Layout

ROLE = r"\$(\w+)\b(?!=[^=])"  # but not the keyword of an argument
METHODS = ["train", "fit", "run", "__call__", "train_loop", "optimize"]


def as_class(layout: Layout) -> str:
    from tests.fuzz.families.layout import indent, joined, listed

    draw, parts = layout.draw, layout.parts
    never = names_only(joined(parts.setup, parts.body, parts.after)) | set(parts.helpers)
    never |= {r for text in parts.helpers.values() for r in names_only(text)}
    attributes = stored(parts.setup) - never
    late = (stored(parts.body) & loaded(parts.after)) - never
    extra = {r for r in sorted(stored(parts.body) - never - attributes) if draw.maybe(0.15)}
    inside_only = bool((stored(parts.body) & loaded(parts.after)) & never) and not parts.result
    shared = attributes | (late if not parts.result else set()) | extra
    methods = draw.maybe(0.7) or "train_epoch" in parts.helpers
    layout.place_helpers(shared, may_lift=not methods, method=methods)
    helpers, calls = layout.helpers, parts.body
    after_inside = not parts.result and (inside_only or draw.maybe(0.3))
    prefix = draw.pick(["", "", "", "_", "__"]) if after_inside else ""
    plain = stored(parts.setup) - attributes

    def own(text: str) -> str:
        """The text inside the class: shared roles are attributes, helpers are methods."""
        text = re.sub(ROLE, lambda m: f"self.{prefix}${m[1]}" if m[1] in shared else m[0], text)
        if methods:
            for role in parts.helpers:
                text = re.sub(rf"(?<!def )\${role}\b", f"self.${role}", text)
        return layout.outer(text, "nonlocal")

    pieces = statements(parts.setup)
    k = draw.pick([0, 0, draw.rng.randrange(len(pieces) + 1), len(pieces)]) if not plain else len(pieces)
    outside, inside = "\n".join(pieces[:k]), "\n".join(pieces[k:])
    used = free_names(joined(parts.body, parts.after, inside, *helpers)) & stored(outside)
    given = [r for r in draw.shuffled(sorted(used)) if r in attributes]
    init = joined(*(f"self.{prefix}${r} = ${r}" for r in given), own(inside)) or "pass"
    method = draw.pick(METHODS)
    body = own(calls)
    nested = [] if methods else [own(h) for h in helpers]
    blocks = [f"def __init__({', '.join(['self', *(f'${r}' for r in given)])}):\n{indent(init)}\n"]
    if methods:
        blocks += [with_self(own(h)) + "\n" for h in helpers]
    main_block = f"def {method}(self):\n{indent(joined(*nested, body))}\n"
    use = f"$trainer.{method}()" if method != "__call__" else "$trainer()"
    if parts.result:
        use = f"{parts.result} = {use}"
    after = parts.after
    if after_inside and after:
        blocks.append(f"def report(self):\n{indent(own(after))}\n")
        after = "$trainer.report()"
        if inside_only:
            main_block += "\n" + indent(own(parts.after))
            blocks.pop()
            after = ""
    elif after:
        after = re.sub(ROLE, lambda m: f"$trainer.${m[1]}" if m[1] in shared else m[0], after)
    blocks.insert(draw.pick([1, len(blocks)]), main_block)
    create = f"$trainer = $Trainer({', '.join(f'${r}' for r in given)})"
    assert listed(set()) == ""
    main = joined(outside, create, use, after)
    where = draw.pick(["module", "guard", "main"])
    if where == "guard":
        main = f"if __name__ == '__main__':\n{indent(main)}"
    elif where == "main":
        main = layout.in_main(main)
    return joined(class_text(layout, blocks, prefix), "\n", main)


def class_text(layout: Layout, blocks: list[str], prefix: str) -> str:
    from tests.fuzz.families.layout import indent

    if prefix != "__" and layout.draw.maybe(0.15):  # the base has all but the last method
        base = "class Base:\n" + "\n".join(indent(b) for b in blocks[:-1])
        return f"{base}\n\nclass $Trainer(Base):\n{indent(blocks[-1])}"
    head = layout.draw.pick(["class $Trainer:", "class $Trainer(object):"])
    return f"{head}\n" + "\n".join(indent(b) for b in blocks)


def with_self(text: str) -> str:
    """A function as a method."""
    return re.sub(r"def (\$\w+)\((\)?)", lambda m: f"def {m[1]}(self" + (")" if m[2] else ", "), text, count=1)


def free_names(text: str) -> set[str]:
    return set(re.findall(r"\$(\w+)", text))


__all__ = ["as_class", "free_roles"]
