"""The layout of scripts with a trainer-like class: attributes for what is shared, methods for the loops."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fuzz.families.scope import loaded, names_only, statements, stored
from tests.fuzz.families.text import indent, joined

if TYPE_CHECKING:
    from tests.fuzz.families.layout import Layout

ROLE = r"\$(\w+)\b(?!=[^=])"  # but not the keyword of an argument
METHODS = ["train", "fit", "run", "__call__", "train_loop", "optimize"]


class TrainerLayout:
    """Some of the setup and the whole body inside a class, the rest around it."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.draw, self.parts = layout, layout.draw, layout.parts
        draw, parts = self.draw, self.parts
        never = names_only(joined(parts.setup, parts.body, parts.after, *parts.helpers.values())) | set(parts.helpers)
        read_after = stored(parts.body) & loaded(parts.after) if not parts.result else set[str]()
        self.attributes = stored(parts.setup) - never
        extra = {r for r in sorted(stored(parts.body) - never - self.attributes) if draw.maybe(0.15)}
        self.shared = self.attributes | (read_after - never) | extra
        # What can't be an attribute is read where it was bound.
        self.after_in_body = bool(read_after & never)
        self.after_inside = not parts.result and (self.after_in_body or draw.maybe(0.3))
        self.prefix = draw.pick(["", "", "", "_", "__"]) if self.after_inside else ""
        self.methods = draw.maybe(0.7) or "train_epoch" in parts.helpers
        layout.place_helpers(self.shared, may_lift=not self.methods, method=self.methods)

    def own(self, text: str) -> str:
        """The text inside the class: shared roles are attributes, helpers are methods."""
        text = re.sub(ROLE, lambda m: f"self.{self.prefix}${m[1]}" if m[1] in self.shared else m[0], text)
        for role in self.parts.helpers if self.methods else ():
            text = re.sub(rf"(?<!def )\${role}\b", f"self.${role}", text)
        return self.layout.outer(text, "nonlocal")

    def text(self) -> str:
        outside, inside = self.split_setup()
        helpers = self.layout.helpers
        used = roles_in(joined(self.parts.body, self.parts.after, inside, *helpers)) & stored(outside)
        given = [r for r in self.draw.shuffled(sorted(used)) if r in self.attributes]
        self.reads_globals = bool(used - self.attributes)
        method = self.draw.pick(METHODS)
        blocks = [self.init(given, inside)]
        blocks += [with_self(self.own(h)) + "\n" for h in helpers if self.methods]
        after, main_block = self.after_and_main(method)
        if self.after_inside and not self.after_in_body and self.parts.after:
            blocks.append(f"def report(self):\n{indent(self.own(self.parts.after))}\n")
            after = "$trainer.report()"
        blocks.insert(self.draw.pick([1, len(blocks)]), main_block)
        use = f"$trainer.{method}()" if method != "__call__" else "$trainer()"
        use = f"{self.parts.result} = {use}" if self.parts.result else use
        create = f"$trainer = $Trainer({', '.join(f'${r}' for r in given)})"
        return joined(self.class_text(blocks), "\n", self.around(joined(outside, create, use, after)))

    def split_setup(self) -> tuple[str, str]:
        """What is made outside the class, and what in its __init__."""
        pieces = statements(self.parts.setup)
        somewhere = self.draw.rng.randrange(len(pieces) + 1)
        plain = stored(self.parts.setup) - self.attributes
        k = len(pieces) if plain else self.draw.pick([0, 0, somewhere, len(pieces)])
        return "\n".join(pieces[:k]), "\n".join(pieces[k:])

    def init(self, given: list[str], inside: str) -> str:
        body = joined(*(f"self.{self.prefix}${r} = ${r}" for r in given), self.own(inside)) or "pass"
        return f"def __init__({', '.join(['self', *(f'${r}' for r in given)])}):\n{indent(body)}\n"

    def after_and_main(self, method: str) -> tuple[str, str]:
        """What follows the training outside the class, and the method that trains."""
        nested = [] if self.methods else [self.own(h) for h in self.layout.helpers]
        last = self.own(self.parts.after) if self.after_in_body else ""
        block = f"def {method}(self):\n{indent(joined(*nested, self.own(self.parts.body), last))}\n"
        if self.after_inside:
            return "", block
        seen = re.sub(ROLE, lambda m: f"$trainer.${m[1]}" if m[1] in self.shared else m[0], self.parts.after)
        return seen, block

    def around(self, text: str) -> str:
        where = self.draw.pick(["module", "guard"] if self.reads_globals else ["module", "guard", "main"])
        if where == "guard":
            return f"if __name__ == '__main__':\n{indent(text)}"
        return self.layout.in_main(text) if where == "main" else text

    def class_text(self, blocks: list[str]) -> str:
        if self.prefix != "__" and self.draw.maybe(0.15):  # the base has all but the last method
            base = "class Base:\n" + "\n".join(indent(b) for b in blocks[:-1])
            return f"{base}\n\nclass $Trainer(Base):\n{indent(blocks[-1])}"
        head = self.draw.pick(["class $Trainer:", "class $Trainer(object):"])
        return f"{head}\n" + "\n".join(indent(b) for b in blocks)


def with_self(text: str) -> str:
    """A function as a method."""
    return re.sub(r"def (\$\w+)\((\)?)", lambda m: f"def {m[1]}(self" + (")" if m[2] else ", "), text, count=1)


def roles_in(text: str) -> set[str]:
    return set(re.findall(r"\$(\w+)", text))
