"""Working out the home of every variable of the training."""

from __future__ import annotations

from functools import cached_property

import libcst as cst

from refactorer.analysis.scopes import Occurrence, Scope, Variable
from refactorer.analysis.targets import names_bound_by, names_in
from refactorer.analysis.walk import walk
from refactorer.outline.batches import BatchSource
from refactorer.outline.control import suspensions
from refactorer.outline.epochs import tells_count
from refactorer.outline.functions.inline import values_given
from refactorer.outline.objects.optimizers import (
    assigned_class,
    gives_back,
    is_asked_for_parameters,
    is_held_network,
    makes_module,
    spreads_again,
)
from refactorer.outline.objects.torch_names import names_module_class
from refactorer.outline.outline import (
    BATCH_END,
    EPOCHS,
    STEP,
    TEST_DATA,
    TEST_HOOKS,
    TEST_STEP,
    VALIDATION_DATA,
    VALIDATION_HOOKS,
    VALIDATION_STEP,
)
from refactorer.outline.places.counting import Counting
from refactorer.outline.places.device_uses import is_given_away, is_made_as_device, only_places
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.plain_starts import plain_start
from refactorer.outline.places.supplied import assign
from refactorer.outline.places.taken_away import refuse_lost
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import loops_around
from refactorer.outline.training.reach import bound_by_functions


class Placing(Counting):
    """Works out the homes of one outline; `homes` is the result."""

    def run(self) -> Homes:
        if EPOCHS in self.outline.hooks:
            self.homes.taken.add(EPOCHS)
        for name, function in self.outline.methods.items():
            self.homes.expression[self.program.variables[function.name]] = cst.parse_expression(f"self.{name}")
            self.homes.taken.add(name)
        scope: Scope | None = self.site.driver
        while scope is not None and scope is not self.module_scope:
            self.homes.visible |= set(scope.variables)
            scope = scope.parent
        self.supply()
        self.flows = {hook: self._flow(body) for hook, body in self._ordered()}
        self.epoch_early = self._epoch_flow().early
        self.live_out = self.read_behind_training()
        seen = dict.fromkeys(v for _, body in self._ordered() for _, v in self.outline.uses(*body))
        for variable in [*seen, *(v for _, v in self.outline.uses(*self.configuration.moved))]:
            if variable not in self.configuration.made:
                self._place(variable)
            elif variable in self.configuration.kept and variable not in self.homes.expression:
                self._attribute(variable)
        self._refuse_unbound()
        self._keep_lines_whole()
        self._rename_locals()
        bound = self.surely_bound()
        handed = dict.fromkeys((*self.homes.arguments, *self.loaders_for_some_epochs()))
        self.homes.unsure = [v for v in handed if v.owner is self.site.driver and v not in bound]
        refuse_lost(self.outline, self.homes.unsure)
        return self.homes

    # --- placing --------------------------------------------------------------------------------------------------

    def _place(self, variable: Variable) -> None:
        owner = variable.owner
        if owner is None or variable in self.homes.expression or self._is_definition(variable):
            return
        if owner.node in self.outline.methods.values():
            return
        if owner.kind == "comprehension" or (owner.kind != "module" and self._is_inner(variable)):
            return
        device = self.outline.variable(self.outline.device) if self.outline.device is not None else None
        if variable is device and self._only_moves(variable):
            self.homes.expression[variable] = cst.parse_expression("self.device")
            return
        if any(variable in flow.may for flow in self.flows.values()):
            self._place_written(variable)
        elif self._is_known_to_trainer(variable):
            self.homes.expression[variable] = cst.parse_expression("self.trainer.max_epochs")
        elif owner is not self.module_scope or self._is_object(variable) or variable.name in _PARAMETERS:
            self._argument(variable)

    def _is_known_to_trainer(self, variable: Variable) -> bool:
        """Whether a variable of the function that trains is the number of epochs, and so needs no argument."""
        own = variable.owner is self.site.driver is not self.module_scope and variable not in self._bound_by_functions
        moved = self.outline.mentions(variable, *self.configuration.moved)
        return own and not moved and tells_count(self.outline, self.epochs, variable)

    def _is_definition(self, variable: Variable) -> bool:
        kinds = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)
        parents = [self.program.parent.get(seen.node) for seen in variable.writes]
        named = all(isinstance(p, (*kinds, cst.Attribute)) for p in parents) and bool(parents)
        inside = any(self.is_inside(seen.node) for seen in variable.writes)
        return named and variable.owner is self.module_scope and not inside and not self._is_imported_model(variable)

    def _is_imported_model(self, variable: Variable) -> bool:
        """Whether a name is that of a model which another file has made: the module holds it like any other."""
        imports = [self.program.parent.get(self.program.parent[seen.node]) for seen in variable.writes]
        return variable in self.roles.models and all(isinstance(line, cst.ImportFrom) for line in imports)

    def _is_inner(self, variable: Variable) -> bool:
        assert variable.owner is not None
        node = variable.owner.node
        consumed = node in self.outline.consumed
        return not consumed and node is not self.site.driver.node and self.is_inside(node)

    def _is_object(self, variable: Variable) -> bool:
        """Models, criteria and what holds such are given to the module; plain values, and what functions bind, stay."""
        if variable in self._bound_by_functions:
            return False
        known = variable in self.roles.objects or variable in self._holders
        if known or names_module_class(assigned_class(self.program, variable)):
            return True
        return variable in self._called and is_held_network(self.outline, variable)

    @cached_property
    def _bound_by_functions(self) -> set[Variable]:
        return bound_by_functions(self.outline)

    @cached_property
    def _holders(self) -> set[Variable]:
        """Objects that hold networks and optimizers of the training."""
        held = (*self.holdings.networks, *self.holdings.optimizers, self.roles.held)
        return {found.base for found in held if found is not None}

    @cached_property
    def _called(self) -> set[Variable | None]:
        """Variables that the hooks call."""
        calls = (node for _, body in self._ordered() for node in walk(*body) if isinstance(node, cst.Call))
        return {self.outline.variable(call.func) for call in calls}

    def _argument(self, variable: Variable) -> None:
        if self.site.driver.lookup(variable.name) is not variable:
            if variable.owner is self.module_scope and variable not in self.roles.models:
                if variable.name in _PARAMETERS:
                    raise Refusal("R403", variable.occurrences[0].node, f"a global variable is called {variable.name}",
                                  "give it another name; methods have a parameter of that name")  # fmt: skip
                return
            raise Refusal("R403", variable.occurrences[0].node, f"{variable.name} cannot be reached from the loop",
                          "pass it to the function that trains")  # fmt: skip
        if variable in self._bound_by_functions:
            raise Refusal("R402", variable.occurrences[0].node, f"a function binds {variable.name} again",
                          "hand it to the function, and return the new value")  # fmt: skip
        if variable not in self.homes.arguments:
            self.homes.arguments.append(variable)
        self._attribute(variable)

    def _attribute(self, variable: Variable, instead: str = "") -> None:
        name = self.homes.attribute_for(variable, instead)
        self.homes.expression[variable] = cst.Attribute(cst.Name("self"), cst.Name(name))

    def _place_written(self, variable: Variable) -> None:
        hooks = [hook for hook, body in self._ordered() if self.outline.mentions(variable, *body)]
        if self._shared(variable):
            self._share(variable, hooks, Refusal(
                "R402", variable.writes[0].node, f"a nested function shares {variable.name} with the loop",
                "pass it to the function as an argument"))  # fmt: skip
            return
        early = variable in self._read_behind_asked or any(variable in flow.early for flow in self.flows.values())
        early = early or variable in self._bound_in_turns
        out = variable in self.live_out or self._is_lent(variable)
        captured = self._captured(variable)
        if captured and variable.owner is not None and variable.owner.node in self.outline.consumed:
            raise Refusal("R402", variable.occurrences[0].node,
                          f"a nested function may keep {variable.name}, which every call of the function makes anew",
                          "pass the value to the nested function as an argument")  # fmt: skip
        if captured and self._bound_again(variable):
            self._share(variable, hooks, Refusal(
                "R402", variable.occurrences[0].node,
                f"a nested function may keep {variable.name}, which the script binds again later",
                "pass the value to the nested function as an argument"))  # fmt: skip
            return
        if not early and not out and not captured:
            return  # every hook writes it before it reads it
        special = self._bound_in_a_special_way(variable)
        if special is not None:
            self._share(variable, hooks, Refusal(
                "R403", special, f"{variable.name} outlives a step but is bound in a special way",
                "bind it with a plain assignment"))  # fmt: skip
            return
        self._require_plain(variable)
        stage = next((word for word, stage in _STAGES.items() if all(hook in stage for hook in hooks)), "")
        self._attribute(variable, stage)
        outside = [seen for seen in variable.writes if not self.is_inside(seen.node)]
        before = [seen for seen in outside if seen.order < self.program.order[self.site.epoch_loop]]
        if out:
            self.homes.read_after.append(variable)
        if before and (variable in self.epoch_early or out):
            line = plain_start(self, variable)
            if line is not None:
                self.homes.initial[variable] = line
            else:
                self.homes.arguments.append(variable)

    def _share(self, variable: Variable, hooks: list[str], refusal: Refusal) -> None:
        """Leave a variable of the module one: the hooks declare it global. No other can be shared.

        Raises:
            Refusal: the one given, or that methods have a parameter of that name.
        """
        if variable.owner is not self.module_scope:
            raise refusal
        if variable.name in _PARAMETERS:
            raise Refusal("R403", variable.writes[0].node, f"a global variable is called {variable.name}",
                          "give it another name; methods have a parameter of that name")  # fmt: skip
        for hook in [hook for hook in hooks if self._binds(hook, variable)]:
            self.homes.global_names.setdefault(hook, set()).add(variable.name)

    @cached_property
    def _bound_in_turns(self) -> set[Variable]:
        """What the steps of an evaluation bind while a generator that has begun may look at it in between."""
        outline = self.outline
        stages = ((VALIDATION_DATA, VALIDATION_STEP, outline.evaluation), (TEST_DATA, TEST_STEP, outline.test))
        return {variable for stage in stages for variable in self._bound_in_turns_of(*stage)}

    def _bound_in_turns_of(self, data: str, step: str, source: BatchSource | None) -> set[Variable]:
        lines = self.outline.lines(data)
        if source is None or not suspensions(lines):
            return set()
        yielded = (node.value for line in lines for node in walk(line) if isinstance(node, cst.Yield))
        given = {v for value in yielded if isinstance(value, cst.Tuple) for _, v in self.outline.uses(value)}
        same = {id(name) for name in names_in(source.target) if self.outline.variable(name) in given}
        uses = self.outline.uses(*self.outline.lines(step))
        bound = {variable for node, variable in uses if self.outline.is_write(node) and id(node) not in same}
        return bound & {variable for node, variable in self.outline.uses(*lines) if not self.outline.is_write(node)}

    def _binds(self, hook: str, variable: Variable) -> bool:
        uses = self.outline.uses(*self.outline.hooks[hook])
        return any(used is variable and self.outline.is_write(node) for node, used in uses)

    def _bound_again(self, variable: Variable) -> bool:
        """Whether the variable of a later run, or of the code behind the training, is still the same one."""
        loop = self.site.epoch_loop
        around = loops_around(self.program, loop) and variable.owner is self.site.driver
        later = (seen.order for seen in variable.writes if not self.is_inside(seen.node))
        return bool(around) or any(order > self.program.order[loop] for order in later)

    def _bound_in_a_special_way(self, variable: Variable) -> cst.CSTNode | None:
        """The first binding in the training that no attribute can take: walrus, import, definition, match capture."""
        for seen in variable.writes:
            parent = self.program.parent.get(seen.node)
            if isinstance(parent, cst.AsName):
                parent = self.program.parent[parent]
                plain = not isinstance(parent, cst.ExceptHandler)
            else:
                plain = not isinstance(parent, _NOT_TARGETS)
            if self.is_inside(seen.node) and seen.order >= 0 and not plain:
                return seen.node
        return None

    def _is_given_a_model(self, seen: Occurrence) -> bool:
        """Whether a write is a parameter that every caller gives a model of the training."""
        parameter = self.program.parent.get(seen.node)
        values = values_given(self.program, parameter) if isinstance(parameter, cst.Param) else None
        models = (self.outline.variable(value) for value in values or ())
        networks = (v in self.roles.models or (v and is_asked_for_parameters(self.program, v)) for v in models)
        return bool(values) and all(networks)

    def _require_plain(self, variable: Variable) -> None:
        """A module holds its submodules and parameters in a special way: such an attribute takes nothing else later."""
        bound = [seen for seen in variable.writes if seen.order >= 0 and seen.access != "update"]
        bound = [seen for seen in bound if not gives_back(self.program, seen)]
        spread = [seen for seen in bound if spreads_again(self.program, seen)]
        if spread and all(self._is_given_a_model(seen) for seen in bound if seen not in spread):
            return
        kinds = {makes_module(self.program, seen) for seen in bound}
        if len(kinds) > 1:
            at = next((s.node for s in variable.writes if self.is_inside(s.node)), self.site.batch_loop)
            raise Refusal("R206", at, f"{variable.name} holds a module or parameter and then something else",
                          "use two variables")  # fmt: skip

    def _keep_lines_whole(self) -> None:
        """The line `a, b = 0, 1` moves into the constructor if both move; else the script goes on binding them."""
        for line in dict.fromkeys(self.homes.initial.values()):
            bound = {self.outline.variable(name) for part in line.body for name in names_bound_by(part)}
            bound -= self.homes.needless.keys()
            own = [variable for variable, start in self.homes.initial.items() if start is line]
            if len(own) < len(bound):
                for variable in own:
                    del self.homes.initial[variable]
                    self.homes.arguments.append(variable)

    def _refuse_unbound(self) -> None:
        """A name that the driver reads in front of the training, and only the training binds, would not be its own."""
        start = self.program.order[self.site.epoch_loop]
        for variable in self.site.driver.variables.values():
            inside = all(self.is_inside(seen.node) for seen in variable.writes)
            if variable.owner is not self.site.driver or not variable.writes or not inside:
                continue
            own = (seen for seen in variable.reads if seen.scope.function is self.site.driver)
            early = [seen.node for seen in own if 0 <= seen.order < start and not self.is_inside(seen.node)]
            if early and variable not in self.homes.read_after and not loops_around(self.program, self.site.epoch_loop):
                raise Refusal("R403", early[0], f"{variable.name} is read in front of the loop that binds it",
                              "bind it first; as it is, this line raises an error")  # fmt: skip

    def _only_moves(self, variable: Variable) -> bool:
        uses = [node for _, body in self._ordered() for node, used in self.outline.uses(*body) if used is variable]
        others = [node for node in uses if not only_places(self.program, node)]
        if others and not is_made_as_device(self.program, variable):
            return False
        return all(is_given_away(self.program, node) for node in others)

    # --- names ----------------------------------------------------------------------------------------------------

    def _rename_locals(self) -> None:
        """No two variables may share a name in one hook, and none may take the name of a parameter."""
        for hook, body in self._ordered():
            if hook in self.outline.methods:
                continue
            left = dict.fromkeys(
                v for _, v in self.outline.uses(*body) if v not in self.homes.expression and not self._nested(v)
            )
            taken: dict[str, Variable | None] = {"self": None}
            if hook in (STEP, BATCH_END, VALIDATION_STEP, TEST_STEP):
                taken["batch_idx"] = None
            if hook in self.outline.parameter:
                taken[self.outline.parameter[hook]] = None
            outer = [v for v in left if not self._is_local(v)]
            for variable in outer:
                taken[variable.name] = variable
            name = self.homes.batch_name.get(hook)
            if name is not None and name in taken:
                self._rename_batch(hook, taken)
            for variable in left:
                if variable in outer:
                    continue
                new = variable.name
                while new in taken and taken[new] is not variable:
                    new += "_"
                taken[new] = variable
                self.homes.local_name[hook, variable] = new

    def _rename_batch(self, hook: str, taken: dict[str, Variable | None]) -> None:
        old = self.homes.batch_name[hook]
        new = old + "_"
        while new in taken:
            new += "_"
        self.homes.batch_name[hook] = new
        for index, line in enumerate(self.outline.hooks[hook][:2]):
            small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
            if not isinstance(small, cst.Assign) or not isinstance(small.value, cst.Name):
                continue
            if small.value.value == old and small.value not in self.program.variables:
                self.outline.hooks[hook][index] = assign(small.targets[0].target, cst.Name(new))

    def _nested(self, variable: Variable) -> bool:
        owner = variable.owner
        return owner is not None and (
            owner.kind == "comprehension" or (owner.kind != "module" and self._is_inner(variable))
        )

    def _is_local(self, variable: Variable) -> bool:
        if variable.owner is None or self._is_definition(variable):
            return False
        shared = any(variable.name in names for names in self.homes.global_names.values())
        return not shared and any(variable in flow.may for flow in self.flows.values())


_STAGES = {"val_": (VALIDATION_DATA, *VALIDATION_HOOKS), "test_": TEST_HOOKS}
_PARAMETERS = ("self", "batch_idx")


_NOT_TARGETS = (
    cst.NamedExpr, cst.ImportAlias, cst.Attribute, cst.FunctionDef, cst.ClassDef, cst.MatchAs, cst.MatchStar,
    cst.MatchMapping,
)  # fmt: skip
