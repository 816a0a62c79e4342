"""Where the pieces of a script go: module level, a main guard, functions, closures, methods of a class."""

from __future__ import annotations

import re

from tests.fuzz.families import names as naming
from tests.fuzz.families.draw import Draw
from tests.fuzz.families.helpers import declared_roles, free_roles, handed, split, with_arguments
from tests.fuzz.families.parts import Parts
from tests.fuzz.families.scope import loaded, names_only, stored
from tests.fuzz.families.text import indent, joined, listed
from tests.fuzz.families.trainer_layout import TrainerLayout
from tests.fuzz.formatting import styled


class Layout:
    """Lays out one script; the methods `as_...` return templates."""

    def __init__(self, draw: Draw, parts: Parts) -> None:
        self.draw, self.parts = draw, parts
        self.kind = draw.pick(parts.layouts)
        if parts.splits and draw.maybe(0.35):
            shared = stored(parts.setup) if self.kind == "class" else set[str]()
            parts.body, more = split(parts.body, parts.setup, parts.after, shared)
            parts.helpers |= more
        self.helpers: list[str] = []
        self.lifted: list[str] = []

    def text(self) -> str:
        laid = getattr(self, f"as_{self.kind}")()
        text = joined(self.parts.head, *self.lifted, laid)
        return self.named(text)

    def named(self, text: str) -> str:
        names = naming.choose(self.draw, text, self.parts.nasty)
        return re.sub(r"\$(\w+)", lambda m: names[m[1]], text)

    # --- helpers ------------------------------------------------------------------------------------------------------

    def place_helpers(self, visible: set[str], may_lift: bool, method: bool = False) -> None:
        """Fills `helpers` with those that stay near the loop, and `lifted` with those at module level."""
        for role in self.parts.helpers:
            text = self.parts.helpers[role]  # with the calls of the helpers before it
            free = free_roles(text) - {role}
            around = free & (stored(self.parts.setup) | stored(self.parts.body) | set(self.parts.helpers))
            fixed = declared_roles(text)
            lifts = may_lift and not fixed and not method and self.draw.maybe(0.6)
            optional = around - fixed - names_only(self.parts.body)
            some = {r for r in sorted(optional - visible) if self.draw.maybe(self.share)} if not method else set()
            passed = around if lifts else (around - visible - fixed - set(self.parts.helpers) if method else some)
            text, arguments = handed(self.draw, role, text, self.draw.shuffled(sorted(passed)), not method, not visible)
            self.fill_calls(role, arguments)
            (self.lifted if lifts else self.helpers).append(text)

    def fill_calls(self, role: str, arguments: str) -> None:
        marker = f"FREE_{role}"
        self.parts.body = with_arguments(self.parts.body, marker, arguments)
        self.parts.after = with_arguments(self.parts.after, marker, arguments)
        self.parts.helpers = {k: with_arguments(v, marker, arguments) for k, v in self.parts.helpers.items()}

    @property
    def share(self) -> float:
        """How much of what a function could read from around it is handed to it."""
        return self.draw.pick([0.0, 0.0, 0.5, 1.0])

    def outer(self, text: str, word: str) -> str:
        return re.sub(r"\bOUTER\b", word, text)

    # --- layouts ------------------------------------------------------------------------------------------------------

    def as_module(self) -> str:
        self.place_helpers(set(), may_lift=True)
        pieces = [*self.helpers, self.parts.setup]
        if self.draw.maybe():
            pieces = [self.parts.setup, *self.helpers]
        return self.outer(joined(*pieces, self.parts.body, self.parts.after), "global")

    def as_guard(self) -> str:
        self.place_helpers(set(), may_lift=True)
        helpers, self.helpers = self.helpers, []
        guarded = indent(joined(self.parts.setup, self.parts.body, self.parts.after))
        return self.outer(joined(*helpers, "if __name__ == '__main__':", guarded), "global")

    def as_main(self) -> str:
        self.place_helpers(set(), may_lift=True)
        setup, after = self.parts.setup, self.parts.after
        if self.parts.result:  # the body returns, so what comes afterwards can't follow it
            changed = listed(stored(self.parts.body) & stored(setup))
            body = joined(f"nonlocal {changed}" if changed else "", *self.helpers, self.parts.body)
            inner = joined("def $fit():", indent(body), f"{self.parts.result} = $fit()")
            return self.outer(self.in_main(joined(setup, inner, after)), "nonlocal")
        return self.outer(self.in_main(joined(setup, *self.helpers, self.parts.body, after)), "nonlocal")

    def in_main(self, text: str) -> str:
        call = self.draw.pick(["$main()", "if __name__ == '__main__':\n    $main()"])
        returned = "    return 1\n" if self.draw.maybe(0.1) else ""
        return f"def $main():\n{indent(text)}\n{returned}\n{call}"

    def as_function(self) -> str:
        """`fit(...)` at module level, called from the module or from main."""
        in_main = self.draw.maybe(0.4)
        self.place_helpers(set(), may_lift=True)
        body = joined(*self.helpers, self.parts.body)
        around = loaded(body) & stored(self.parts.setup)
        needed = around if in_main else {r for r in sorted(around) if self.draw.maybe(self.share)}
        needed |= stored(self.parts.body) & stored(self.parts.setup)
        passed = self.draw.shuffled(sorted(needed))
        result, receives = self.results(body)
        function = joined("def $fit(FREE_fit):", indent(joined(body, result)))
        function, arguments = handed(self.draw, "fit", function, passed, True, True)
        function = self.outer(function, "nonlocal")
        use = joined(f"{receives}$fit({arguments})", self.parts.after)
        if in_main:
            return joined(function, "\n", self.in_main(joined(self.parts.setup, use)))
        if self.draw.maybe(0.3):
            return joined(function, "\n", "if __name__ == '__main__':", indent(joined(self.parts.setup, use)))
        pieces = (self.parts.setup, function) if self.draw.maybe(0.4) else (function, self.parts.setup)
        return joined(*pieces, use)

    def results(self, body: str) -> tuple[str, str]:
        """The statement that returns what is read afterwards, and the start of the call that receives it."""
        if self.parts.result:
            return "", f"{self.parts.result} = "
        found = listed(stored(self.parts.body) & loaded(self.parts.after))
        return (f"return {found}", f"{found} = ") if found else ("", "")

    def as_closure(self) -> str:
        """`fit()` inside main."""
        self.place_helpers(set(), may_lift=True)
        result, receives = self.results(self.parts.body)
        changed = listed(stored(self.parts.body) & stored(self.parts.setup))
        body = joined(*self.helpers, self.parts.body, result)
        shared = stored(self.parts.body) & stored(self.parts.setup) & set(re.findall(r"\$(\w+)", receives))
        if shared:  # `nonlocal` and a result at once
            receives = (
                f"{listed(shared)} = " if not stored(self.parts.body) & loaded(self.parts.after) - shared else receives
            )
        function = joined("def $fit():", indent(joined(f"nonlocal {changed}" if changed else "", body)))
        function = self.outer(function, "nonlocal")
        call = f"{receives}$fit()"
        return self.in_main(joined(self.parts.setup, function, call, self.parts.after))

    def as_class(self) -> str:
        return TrainerLayout(self).text()


def lay_out(draw: Draw, parts: Parts) -> str:
    """The script, with names, comments and indentation."""
    text = Layout(draw, parts).text()
    return styled(draw.rng, text.splitlines())
