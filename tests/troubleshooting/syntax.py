"""What the syntax of Python says of a name: where it comes from, and what it can be."""

import ast
from collections.abc import Iterator


def imported(name: str, tree: ast.Module) -> str:
    """The last part of the module that a name is imported from; empty if it is not."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return (node.module or "").rpartition(".")[2]
    return ""


def given(function: ast.FunctionDef, name: str, tree: ast.Module) -> Iterator[tuple[ast.expr, int | None]]:
    """The arguments that calls in its own module give for a parameter, and which item if that is a tuple's."""
    position = parameters(function).index(name)
    for call in calls(tree, function.name):
        for number, argument in enumerate(call.args[: position + 1]):
            if isinstance(argument, ast.Starred):
                yield argument.value, position - number
            elif number == position:
                yield argument, None
        yield from ((keyword.value, None) for keyword in call.keywords if keyword.arg == name)


def called(function: ast.expr) -> tuple[str, str]:
    """The name of a called function, and of what it is an attribute of."""
    match function:
        case ast.Name(id=name):
            return name, ""
        case ast.Attribute(value=ast.Name(id=home) | ast.Attribute(attr=home), attr=name):
            return name, home
        case ast.Attribute(attr=name):
            return name, ""
        case _:
            return "", ""


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node.func)[0] == name)


def assigned(name: str, scope: ast.AST) -> Iterator[tuple[ast.expr, int | None]]:
    """What is assigned to a name, and which item of it; of a module, only what is outside functions."""
    for node in scope.body if isinstance(scope, ast.Module) else ast.walk(scope):
        match node:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _items(name, target, value)
            case ast.For(target=target, iter=value):
                yield from _items(name, target, value)
            case _:
                pass


def _items(name: str, target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, int | None]]:
    match target:
        case ast.Name(id=own) if own == name:
            yield value, None
        case ast.Tuple(elts=parts):
            for position, part in enumerate(parts):
                if isinstance(part, ast.Name) and part.id == name:
                    yield value, position
        case _:
            pass


def parameters(function: ast.FunctionDef) -> list[str]:
    return [own.arg for own in (*function.args.args, *function.args.kwonlyargs)]
