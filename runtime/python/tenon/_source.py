"""tenon.source: sends functions of __main__, of a prompt and of notebook cells as text.

Workers never run __main__. They get the text of the function, with the texts of the functions and classes of its module
that it uses, the imports that it needs, and the values of the constants that it reads; see DESIGN.md.
"""

from __future__ import annotations

import __future__
import ast
import builtins
import functools
import inspect
import linecache
import symtable
import sys
import textwrap
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

from . import _names, _source_store
from ._source_api import source

__all__ = ["SourceFunction", "lambda_name", "make"]

P = ParamSpec("P")
R = TypeVar("R")

# A constant is data for each worker; larger data is better sent as an argument.
_MAX_CONSTANT = 64 * 1024


class SourceFunction(Generic[P, R]):
    """A function that workers get as source text. Calling it here calls the function."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.__wrapped__ = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<tenon.source of {self.__wrapped__!r}>"

    @property
    def name(self) -> str:
        """The name by which workers find it, 'tenon_source_<hash>:function'. Writes the text where they search for it.

        Raises TypeError with advice if the function uses something that cannot be sent.
        """
        return _name_of(self.__wrapped__)

    @property
    def text(self) -> str:
        """The text that workers get."""
        return _module_of(self.__wrapped__).text


def make(function: Any) -> Any:
    """Creates the result of tenon.source."""
    if isinstance(function, SourceFunction):
        return function
    if isinstance(function, type):
        _module_of(function).name()
        return function
    if not isinstance(function, types.FunctionType) and not isinstance(
            getattr(function, "__wrapped__", None), types.FunctionType):
        raise TypeError(f"tenon.source takes a function or a class, not {_names.a(type(function).__qualname__)}; for a method, "
                        f"write a function that takes the data of its object")
    return SourceFunction(function)


# -- one module -------------------------------------------------------------------------------------------------------


class _Module:
    """A text that defines some functions and classes."""

    def __init__(self, text: str, root: str, originals: dict[str, Any], used: list[tuple[dict[str, Any], str, Any]],
                 needs: list[_Module]) -> None:
        self.text = text
        self.root = root
        self.originals = originals
        self._used = used
        self._needs = needs
        self._name: str | None = None

    def current(self) -> bool:
        """Whether the names that it used still refer to the same objects."""
        return all(scope.get(name, _MISSING) is value for scope, name, value in self._used) and all(
            module.current() for module in self._needs)

    def name(self) -> str:
        """Writes the text where workers search for it, once."""
        if self._name is None:
            for module in self._needs:
                module.name()
            name = _source_store.write(self.text)
            self._make_known(name)
            self._name = name
        return self._name

    def _make_known(self, name: str) -> None:
        """Ensures that objects that come back, such as those of a class of __main__, have the existing class."""
        if name not in sys.modules:
            module = types.ModuleType(name, "Functions and classes that workers got as source.")
            sys.modules[name] = module
        vars(sys.modules[name]).update(self.originals)
        for original in self.originals.values():
            if isinstance(original, type):
                _names.known_by_source[original] = f"{name}:{self.root}"


_MISSING = object()
_modules: weakref.WeakKeyDictionary[Any, _Module] = weakref.WeakKeyDictionary()


def _module_of(thing: Any, stack: tuple[Any, ...] = ()) -> _Module:
    module = _modules.get(thing)
    if module is None or not module.current():
        module = _Builder(thing, stack).build()
        if not stack:
            _modules[thing] = module
    return module


def _name_of(function: Any) -> str:
    module = _module_of(function)
    return f"{module.name()}:{module.root}"


class _Part:
    """One function or class of a module, as text."""

    def __init__(self, thing: Any, name: str) -> None:
        self.thing = thing
        self.name = name
        node = _node_of(thing)
        node.name = name
        node.decorator_list = [d for d in node.decorator_list if not _is_source(d, _scope_of(thing))]
        self.text = ast.unparse(ast.Module([node], []))
        table = symtable.symtable(self.text, "<source>", "exec")
        # The names that the definition itself reads while the module is loaded: decorators, defaults, base classes.
        self.at_once = sorted(_read_at_once(table))
        self.later = sorted(set(_read_later(table)) - set(self.at_once))
        for written in sorted(_written_globals(table)):
            raise TypeError(f"'{name}' assigns the global '{written}', which would be another variable in each worker; "
                            f"return the value instead, or keep it in the worker with tenon.worker_state")


class _Builder:
    """Builds the text of one module."""

    def __init__(self, root: Any, stack: tuple[Any, ...]) -> None:
        self._root = root
        self._stack = (*stack, root)
        self._parts: dict[str, _Part] = {}
        self._imports: set[str] = set()
        self._constants: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._used: list[tuple[dict[str, Any], str, Any]] = []
        self._needs: list[_Module] = []
        self._seen: set[str] = set()
        self._ordered: list[str] = []

    def build(self) -> _Module:
        name = self._root.__name__ if self._root.__name__.isidentifier() else "function"
        if isinstance(self._root, types.FunctionType) and self._root.__name__ == "<lambda>":
            node, scope = _lambda_node(self._root), _scope_of(self._root)
            self._refuse_closure(self._root)
            text = f"{name} = {ast.unparse(node)}"
            for needed in sorted(_read_later(symtable.symtable(text, "<source>", "exec"))):
                self._need("the lambda", scope, needed)
        else:
            text = ""
            self._add(self._root, name)
        needs_annotations = _scope_of(self._root).get("annotations") is __future__.annotations
        lines = ["from __future__ import annotations"] if needs_annotations else []
        lines += sorted(self._imports)
        lines += [f"{key} = {value}" for key, value in sorted(self._constants.items())]
        lines += [self._parts[part].text for part in self._ordered]
        lines += [f"{key} = {value}" for key, value in sorted(self._aliases.items())]
        if text:
            lines.append(text)
        originals = {part.name: part.thing for part in self._parts.values()}
        return _Module("\n".join(lines) + "\n", name, originals, self._used, self._needs)

    def _add(self, thing: Any, name: str) -> None:
        """Adds a function or a class and what it needs; first what the definition itself reads."""
        if name in self._parts:
            return
        self._refuse_closure(inspect.unwrap(thing) if callable(thing) else thing)
        part = self._parts[name] = _Part(thing, name)
        scope = _scope_of(thing)
        for needed in part.at_once:
            self._need(f"'{name}'", scope, needed)
        self._ordered.append(name)
        for needed in part.later:
            self._need(f"'{name}'", scope, needed)

    @staticmethod
    def _refuse_closure(function: Any) -> None:
        free = getattr(getattr(function, "__code__", None), "co_freevars", ())
        names = [name for name in free if name != "__class__"]
        if names:
            raise TypeError(
                f"'{function.__qualname__}' uses {', '.join(names)} of the function around it, which stays in this "
                f"process; give {'it' if len(names) == 1 else 'them'} as an argument (functools.partial takes data)")

    def _need(self, user: str, scope: dict[str, Any], name: str) -> None:
        """Adds a global name that `user` reads to the text."""
        if name in self._seen:
            return
        if name not in scope:
            if hasattr(builtins, name) or name in ("__name__", "__file__", "__doc__"):
                return
            raise TypeError(f"{user} uses '{name}', which is not defined now; define it before the function is "
                            f"submitted")
        self._seen.add(name)
        value = scope[name]
        self._used.append((scope, name, value))
        if isinstance(value, SourceFunction):
            value = value.__wrapped__
        if isinstance(value, types.ModuleType):
            if value.__name__ == "__main__":
                raise TypeError(f"{user} uses the module __main__, which workers never run; name what it needs of it")
            self._imports.add(f"import {name}" if value.__name__ == name else _import_as(value.__name__, name))
        elif self._belongs_here(value, scope):
            self._need_own(value, name)
        elif (line := self._import_of(value, name)) is not None:
            self._imports.add(line)
        elif (text := _expression(value, self._imports)) is not None:
            if len(text) > _MAX_CONSTANT:
                raise TypeError(f"{user} uses the global '{name}', whose value is {len(text)} characters long; give it "
                                f"as an argument, or load it in the worker")
            self._constants[name] = text
        elif (line := _import_statement(scope, name)) is not None:
            self._imports.add(line)
        else:
            kind = type(value)
            raise TypeError(
                f"{user} uses the global '{name}', a {kind.__module__}.{kind.__qualname__}, which stays in this "
                f"process; make it inside the function, or keep it in the worker with an initializer of a module or "
                f"tenon.worker_state")

    def _need_own(self, value: Any, name: str) -> None:
        """Adds a function or class of the same module, which a worker could not import."""
        own_name = value.__name__ if value.__name__.isidentifier() else name
        if isinstance(value, type) and not any(value is other for other in self._stack):
            # A class is one module for all its users, so that its objects have the same class everywhere.
            module = _module_of(value, self._stack)
            self._needs.append(module)
            line = f"from {_source_store.module_name(module.text)} import {module.root}"
            self._imports.add(line if module.root == name else f"{line} as {name}")
            return
        if getattr(value, "__name__", "") == "<lambda>":
            text = f"{name} = {ast.unparse(_lambda_node(value))}"
            self._refuse_closure(value)
            self._constants[name] = text.partition(" = ")[2]
            for needed in sorted(_read_later(symtable.symtable(text, "<source>", "exec"))):
                self._need(f"'{name}'", _scope_of(value), needed)
            return
        self._add(value, own_name)
        if own_name != name:
            self._aliases[name] = own_name

    def _belongs_here(self, value: Any, scope: dict[str, Any]) -> bool:
        """Whether a value is a function or a class that was defined where the workers cannot import it."""
        function = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
        if not isinstance(function, (types.FunctionType, type)):
            return False
        module = getattr(function, "__module__", None)
        return module == "__main__" or module is None or (
            module == scope.get("__name__") and not _importable(module))

    @staticmethod
    def _import_of(value: Any, name: str) -> str | None:
        """The statement that imports a function or a class by its own name."""
        if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)) and not (
                callable(value) and hasattr(value, "__qualname__")):
            return None
        try:
            module, _, qualname = _names.name_of(value).partition(":")
        except TypeError:
            return None
        if module == "builtins":
            return f"import builtins\n{name} = builtins.{qualname}"
        if "." in qualname:
            return f"import {module} as _module_of_{name}\n{name} = _module_of_{name}.{qualname}"
        return f"from {module} import {qualname}" if qualname == name else f"from {module} import {qualname} as {name}"


def _import_as(module: str, name: str) -> str:
    package, _, last = module.rpartition(".")
    return f"from {package} import {last} as {name}" if package else f"import {module} as {name}"


def _importable(module: str) -> bool:
    loaded = sys.modules.get(module)
    return getattr(loaded, "__spec__", None) is not None


def _scope_of(thing: Any) -> dict[str, Any]:
    function = inspect.unwrap(thing) if callable(thing) and not isinstance(thing, type) else thing
    if isinstance(function, types.FunctionType):
        return function.__globals__
    module = sys.modules.get(thing.__module__)
    if module is None:
        raise TypeError(f"the module '{thing.__module__}' of '{thing.__qualname__}' is not loaded")
    return vars(module)


# -- texts ------------------------------------------------------------------------------------------------------------


def _node_of(thing: Any) -> Any:
    """The definition of a function or a class, as a syntax tree."""
    function = inspect.unwrap(thing) if not isinstance(thing, type) else thing
    lines = _lines_of(function)
    try:
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except SyntaxError as error:
        raise TypeError(f"the text of '{function.__qualname__}' cannot be read ({error}); has its file changed since "
                        f"it was loaded?") from None
    node = tree.body[0]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name != function.__name__:
        raise TypeError(f"the text of '{function.__qualname__}' is not where it was; has its file changed since it was "
                        f"loaded?")
    return node


def _lines_of(thing: Any) -> list[str]:
    _know_command(thing)
    try:
        return inspect.getsourcelines(thing)[0]
    except (OSError, TypeError):
        raise TypeError(
            f"the text of '{thing.__qualname__}' is not known: it was typed at a prompt, piped into python, or made by "
            f"exec; put it into a file or a notebook cell") from None


def _know_command(thing: Any) -> None:
    """The text of `python -c`, which Python itself keeps only from 3.13 on."""
    code = getattr(thing, "__code__", None)
    file = code.co_filename if code is not None else "<string>"
    arguments = sys.orig_argv
    if file != "<string>" or file in linecache.cache or "-c" not in arguments[:-1]:
        return
    text = textwrap.dedent(arguments[arguments.index("-c") + 1])
    if code is not None and not any(_same_code(code, other) for other in _codes_of(text)):
        return
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)


def _codes_of(text: str) -> Iterator[types.CodeType]:
    try:
        todo = [compile(text, "<string>", "exec", dont_inherit=True)]
    except SyntaxError:
        return
    while todo:
        code = todo.pop()
        yield code
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def _same_code(left: types.CodeType, right: types.CodeType) -> bool:
    def plain(code: types.CodeType) -> tuple[Any, ...]:
        constants = tuple(plain(c) if isinstance(c, types.CodeType) else (type(c), c) for c in code.co_consts)
        return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_argcount

    return plain(left) == plain(right)


def _lambda_node(function: types.FunctionType) -> ast.Lambda:
    """The lambda expression, among those of its lines, from which a lambda was created."""
    lines = _lines_of(function)
    found: dict[str, ast.Lambda] = {}
    for candidate in _lambdas_in(lines):
        expression = ast.unparse(candidate)
        for code in _codes_of(f"({expression})"):
            if code.co_name == "<lambda>" and _same_code(code, function.__code__):
                found[expression] = candidate
    if not found:
        raise TypeError("the text of the lambda is not where it was, or it uses variables of the function around it; "
                        "write a def, and give what it needs as arguments")
    # A lambda around it has its code inside, and is longer.
    return found[min(found, key=len)]


def _lambdas_in(lines: list[str]) -> Iterator[ast.Lambda]:
    """All lambda expressions in a text, which need not be a whole statement."""
    text = textwrap.dedent("".join(lines))
    for start in (index for index in range(len(text)) if text.startswith("lambda", index)):
        # The end is where the text stops being an expression.
        for end in range(len(text), start, -1):
            try:
                tree = ast.parse(f"({text[start:end]})", mode="eval")
            except (SyntaxError, ValueError):
                continue
            if isinstance(tree.body, ast.Lambda):
                yield tree.body
                break
            # lambda: 1, 2: a tuple whose first element is the lambda.
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Lambda))
            break


def _is_source(decorator: ast.expr, scope: dict[str, Any]) -> bool:
    try:
        return eval(compile(ast.Expression(decorator), "<decorator>", "eval"), scope) is source
    except Exception:
        return False


def _read_at_once(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and not symbol.is_assigned():
            yield symbol.get_name()
    for child in table.get_children():
        if child.get_type() == "class":
            for symbol in child.get_symbols():
                if symbol.is_referenced() and symbol.is_global():
                    yield symbol.get_name()


def _read_later(table: symtable.SymbolTable) -> Iterator[str]:
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()} if (
        table.get_type() == "module") else set()
    for child in table.get_children():
        for symbol in child.get_symbols():
            if symbol.is_global() and symbol.is_referenced() and symbol.get_name() not in own:
                yield symbol.get_name()
        yield from (name for name in _read_later(child) if name not in own)


def _written_globals(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        if child.get_type() == "function":
            yield from (s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned())
        yield from _written_globals(child)


def _import_statement(scope: dict[str, Any], name: str) -> str | None:
    """The import, at the top of a module, that provides a name; for objects that do not know their own name."""
    module = sys.modules.get(scope.get("__name__", ""))
    if module is None or vars(module) is not scope:
        return None
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name and getattr(
                        sys.modules.get(node.module), alias.name, _MISSING) is scope[name]:
                    return f"from {node.module} import {alias.name} as {name}"
    return None


# -- constants --------------------------------------------------------------------------------------------------------


def _expression(value: Any, imports: set[str], depth: int = 0) -> str | None:
    """An expression that creates an equal value; None if the value is not plain data."""
    kind = type(value)
    if depth > 50:
        return None
    if value is None or value is Ellipsis or kind in (bool, int, str, bytes, complex):
        return repr(value)
    if kind is float:
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if kind in (list, tuple, set, frozenset):
        parts = [_expression(item, imports, depth + 1) for item in value]
        if None in parts:
            return None
        if kind in (set, frozenset):
            parts.sort()
        inner = ", ".join(parts)  # type: ignore[arg-type]
        if kind is tuple:
            return f"({inner}{',' if len(parts) == 1 else ''})"
        return f"[{inner}]" if kind is list else f"{kind.__name__}([{inner}])"
    if kind is dict:
        pairs = [(_expression(k, imports, depth + 1), _expression(v, imports, depth + 1)) for k, v in value.items()]
        if any(k is None or v is None for k, v in pairs):
            return None
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if kind is range or kind is slice:
        return repr(value)
    return _expression_by_module(value, kind, imports)


def _expression_by_module(value: Any, kind: type, imports: set[str]) -> str | None:
    module = kind.__module__.partition(".")[0]
    if kind.__module__ == "datetime" and kind.__name__ in ("date", "datetime", "time", "timedelta") and (
            getattr(value, "tzinfo", None) is None):
        text = repr(value)
    elif kind.__module__ == "decimal" and kind.__name__ == "Decimal":
        text = f"decimal.{value!r}"
    elif kind.__module__ == "fractions" and kind.__name__ == "Fraction":
        text = f"fractions.{value!r}"
    elif module == "pathlib":
        text = f"pathlib.{kind.__name__}({str(value)!r})"
    elif kind.__module__ == "re" and kind.__name__ == "Pattern":
        text = f"re.compile({value.pattern!r}, {int(value.flags)})"
    else:
        return None
    imports.add(f"import {module}")
    return text


# -- lambdas ----------------------------------------------------------------------------------------------------------


def lambda_name(function: types.FunctionType) -> str:
    """The name of a lambda that is a plain expression: it uses its arguments, constants and builtins only.

    Raises TypeError with advice for any other lambda.
    """
    used = [name for name in _global_names(function.__code__)
            if name in function.__globals__ or not hasattr(builtins, name)]
    if function.__code__.co_freevars or used:
        names = ", ".join(f"'{name}'" for name in [*function.__code__.co_freevars, *used])
        raise TypeError(
            f"the lambda uses {names}, which {'is' if names.count(',') == 0 else 'are'} not among its arguments; give "
            f"such data as arguments, or define a function at the top of a module, or submit tenon.source(the lambda), "
            f"which takes the values of globals along")
    if any(default is not None and _expression(default, set()) is None for default in function.__defaults__ or ()):
        raise TypeError("a default of the lambda is not plain data; give it as an argument")
    return _name_of(function)


def _global_names(code: types.CodeType) -> Iterator[str]:
    import dis
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
