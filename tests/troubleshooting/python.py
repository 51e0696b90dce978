"""The texts that Python code prints: what reaches a log, a finding or an error that ends the run, followed back."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.troubleshooting.syntax import assigned, called, calls, given, imported, parameters
from tests.troubleshooting.text import ANYTHING, Anything, Choice, Text, place

_SAYING: Final = ("RunError", "OpsError", "report")
_SAID_AS: Final = ("remark", "sentence")
"""The arguments by which a finding takes its sentence, for a table or a report."""
_LOGGING: Final = ("debug", "info", "warn", "error")


@dataclass(frozen=True)
class _Module:
    name: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The functions around a node, from the inside out, and the module."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                yield node


_Meant = tuple[ast.expr, _Module, int | None]
"""An expression, its module, and which item of it is meant if it is a tuple."""


class Sources:
    """The modules among which names are looked up."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._modules: list[_Module] = []
        self._functions: dict[str, list[tuple[ast.FunctionDef, _Module]]] = {}
        for path in files:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
            module = _Module(path.stem, tree, parents)
            self._modules.append(module)
            for node in parents:
                if isinstance(node, ast.FunctionDef):
                    self._functions.setdefault(node.name, []).append((node, module))

    def sentences(self) -> Iterator[tuple[str, Text]]:
        """What the modules say, with the place where they do."""
        for module in self._modules:
            for node in ast.walk(module.tree):
                for said in _said(node) if isinstance(node, ast.Call) else ():
                    for text in dict.fromkeys(self._follow(said, module, ())) or [None]:
                        yield f"{module.name}.py: {ast.unparse(said)}", text or Text((ANYTHING,))

    def _follow(
        self, node: ast.expr, module: _Module, above: tuple[ast.AST, ...], *, position: int | None = None
    ) -> Iterator[Text | None]:
        """The texts that an expression may be; None for what the source does not say.

        Args:
            node: the expression.
            module: its module.
            above: the expressions that led here, from the one that is said.
            position: which item of the expression is meant, if that is a tuple.

        """
        if node in above:
            return
        above = (*above, node)
        composed = self._composed(node, module, above)
        inner = [] if composed else [*self._inner(node, module, position)]
        if composed:
            yield from composed
        elif not inner:
            yield None
        for value, home, item in inner:
            yield from self._follow(value, home, above, position=item)

    def _composed(self, node: ast.expr, module: _Module, above: tuple[ast.AST, ...]) -> Iterator[Text | None] | None:
        """The texts of an expression that is one, or that names one; None for any other."""
        match node:
            case ast.Constant(value=value):
                # None is no text, and nothing is said then.
                return iter([Text((value,))] if isinstance(value, str) else [])
            case ast.JoinedStr(values=values):
                return iter([Text(tuple(self._place(value, module, above) for value in values))])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return iter([Text((self._place(left, module, above), self._place(right, module, above)))])
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                return map(_formatted, self._follow(value, module, above))
            case ast.Name(id=name):
                return self._named(name, node, module, above)
            case _:
                return None

    def _inner(self, node: ast.expr, module: _Module, position: int | None) -> Iterator[_Meant]:
        """The expressions of which one is what this one gives."""
        match node:
            case ast.Tuple(elts=items):
                found, position = items if position is None else items[position : position + 1], None
            case ast.IfExp(body=body, orelse=otherwise):
                found = [body, otherwise]
            case ast.BoolOp(values=values) | ast.Dict(values=values):
                found = values
            case ast.DictComp(generators=generators):
                found = [generator.iter for generator in generators]
            case ast.Call(func=ast.Attribute(value=value, attr="items" | "removeprefix")):
                found, position = [value], None
            case ast.Await(value=value):
                found = [value]
            case ast.Call(func=ast.Name(id="str"), args=[value]):
                found = [value]
            case ast.Call():
                found = []
                yield from ((value, home, position) for value, home in self._returned(node, module))
            case _:
                found = []
        yield from ((value, module, position) for value in found)

    def _place(self, value: ast.expr, module: _Module, above: tuple[ast.AST, ...]) -> str | Anything | Choice:
        """A part of a composed string."""
        if isinstance(value, ast.Constant):
            return str(value.value)
        return place(self._follow(value.value if isinstance(value, ast.FormattedValue) else value, module, above))

    def _returned(self, call: ast.Call, module: _Module) -> Iterator[tuple[ast.expr, _Module]]:
        """What a function of these modules gives; of several with its name, the one that the call can mean."""
        for named in self._functions_of(call, module):
            name, home = called(named)
            found = self._functions.get(name, [])
            home = home or imported(name, module.tree) or module.name
            for function, owner in [pair for pair in found if pair[1].name == home] or found:
                for node in ast.walk(function):
                    if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                        yield node.value, owner

    def _functions_of(self, call: ast.Call, module: _Module) -> Iterator[ast.expr]:
        """The names of the function that a call runs: its own, or one that was handed over."""
        name = called(call.func)[0]
        yield call.args[0] if name == "to_thread" else call.func
        for scope in module.around(call):
            if isinstance(scope, ast.FunctionDef) and name in parameters(scope):
                yield from (value for value, _ in given(scope, name, module.tree))

    def _named(self, name: str, node: ast.AST, module: _Module, above: tuple[ast.AST, ...]) -> Iterator[Text | None]:
        """The values of a name: in the functions around it, then in its module, then in any."""
        scopes = [(scope, module) for scope in module.around(node)]
        scopes += [(other.tree, other) for other in self._modules if other is not module]
        found: list[_Meant] = []
        for scope, home in scopes:
            found = [(value, home, position) for value, position in assigned(name, scope)]
            found += [(value, owner, None) for value, owner in self._caught(name, scope)]
            if isinstance(scope, ast.FunctionDef) and name in parameters(scope):
                found += [(value, home, item) for value, item in given(scope, name, home.tree)]
            for value, owner, position in found:
                yield from self._follow(value, owner, above, position=position)
            if found or any(isinstance(part, ast.ExceptHandler) and part.name == name for part in ast.walk(scope)):
                break
        if not found:
            yield None

    def _caught(self, name: str, scope: ast.AST) -> Iterator[tuple[ast.expr, _Module]]:
        """The message of a caught exception that composes its own."""
        for node in ast.walk(scope):
            if isinstance(node, ast.ExceptHandler) and node.name == name and isinstance(node.type, ast.Name):
                for module in self._modules:
                    for kind in ast.walk(module.tree):
                        if isinstance(kind, ast.ClassDef) and kind.name == node.type.id:
                            yield from ((call.args[0], module) for call in calls(kind, "__init__") if call.args)


def _said(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments in which a call says something."""
    name, home = called(call.func)
    if name in _SAYING or (home == "log" and name in _LOGGING):
        yield from call.args[:1]
    yield from (keyword.value for keyword in call.keywords if keyword.arg in _SAID_AS)


def _formatted(text: Text | None) -> Text | None:
    """A template of `format` with its places."""
    if text is None:
        return None
    parts: list[str | Anything | Choice] = []
    for part in text.parts:
        if isinstance(part, str):
            for number, words in enumerate(re.split(r"\{\w*\}", part)):
                parts += [ANYTHING, words] if number else [words]
        else:
            parts.append(part)
    return Text(tuple(part for part in parts if part))
