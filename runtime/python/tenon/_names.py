"""Names of functions and classes, ``module:qualified.name``, which are sent instead of code."""

from __future__ import annotations

import importlib
import sys
import types
import weakref
from typing import Any

__all__ = ["a", "known_by_source", "name_of", "resolve", "with_frame"]

# Classes of __main__ that workers got as source (tenon.source), and the names under which workers know them.
known_by_source: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()

_BOUND_BUILTIN = (types.BuiltinMethodType, types.MethodWrapperType)


def name_of(thing: Any) -> str:
    """The name by which another process can import a function or a class.

    Raises TypeError with advice if there is none: for lambdas, local functions, methods of objects, and everything that
    is defined in ``__main__``, which workers never run.
    """
    owner = getattr(thing, "__self__", None)
    if isinstance(thing, types.MethodType):
        if not isinstance(owner, type):
            raise TypeError(
                f"{_label(thing)} is bound to an object, which stays in this process; send a function of a module, "
                f"and the data it needs as arguments, or make the object in the worker with tenon.worker_state"
            )
        return _checked(thing, owner.__module__, f"{owner.__qualname__}.{thing.__name__}")
    if isinstance(thing, _BOUND_BUILTIN) and owner is not None:
        if isinstance(owner, type):
            return _checked(thing, owner.__module__, f"{owner.__qualname__}.{thing.__name__}")
        if not isinstance(owner, types.ModuleType):
            raise TypeError(
                f"{_label(thing)} is bound to an object, which stays in this process; send the object's data, "
                f"and the name of the method's class or of a function"
            )
    qualname = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    module = getattr(thing, "__module__", None)
    if module is None:
        holder = getattr(thing, "__objclass__", None)
        module = holder.__module__ if holder is not None else _module_of(thing, qualname)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise TypeError(f"{_label(thing)} has no name by which a worker could import it; send a function of a module")
    return _checked(thing, module, qualname)


def resolve(name: str) -> Any:
    """Returns the object with a name. Imports its module.

    Raises ValueError for a malformed name, ImportError for a module that cannot be imported, and AttributeError for a
    module without that name; each says where it searched.
    """
    module_name, colon, qualname = name.partition(":")
    if not colon or not module_name or not qualname:
        raise ValueError(f"'{name}' is not a name of the form 'module:function'")
    module = sys.modules.get(module_name)
    if module is None:
        if module_name.startswith("tenon_source_"):
            from . import _source_store
            _source_store.install_finder()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name != module_name and not module_name.startswith(f"{error.name}."):
                raise
            raise ModuleNotFoundError(
                f"there is no module '{module_name}' for '{name}' in this process, which looks in {_search_path()}; "
                f"give the directory of the module as `path` to tenon.Executor, or in the settings of the plugin py, "
                f"or install it",
                name=error.name,
            ) from None
    found: Any = module
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            place = getattr(module, "__file__", None) or "no file"
            raise AttributeError(
                f"module '{module_name}' ({place}) has no '{qualname}'; check the name, and whether this process runs "
                f"another version of the module",
                name=part,
            ) from None
    return found


def with_frame(function: Any) -> Any:
    """Calls a built-in function that uses its caller's frame from a frame of its own, in which code sees only its own
    names."""
    def call(*arguments: Any, **keywords: Any) -> Any:
        if function in (eval, exec) and len(arguments) == 1 and "globals" not in keywords:
            arguments = (*arguments, {})
        if arguments or keywords:
            return function(*arguments, **keywords)
        return eval(f"{function.__name__}()", {})

    return call


def a(name: str) -> str:
    """A name with its article: 'a list', 'an object'."""
    return f"an {name}" if name.lstrip("_")[:1].lower() in "aeio" else f"a {name}"


def _search_path() -> str:
    return ", ".join(repr(entry) for entry in dict.fromkeys(sys.path)) or "no directory at all (sys.path is empty)"


def _label(thing: Any) -> str:
    qualname = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    module = getattr(thing, "__module__", None)
    if isinstance(qualname, str):
        return f"'{module}.{qualname}'" if isinstance(module, str) else f"'{qualname}'"
    return a(f"{type(thing).__module__}.{type(thing).__qualname__}")


def _module_of(thing: Any, qualname: Any) -> str | None:
    """Finds the module of functions without ``__module__``, as extension modules create them, for example numpy."""
    for module_name in ("builtins", "numpy"):
        module = sys.modules.get(module_name)
        if module is not None and isinstance(qualname, str) and getattr(module, qualname, None) is thing:
            return module_name
    return None


def _checked(thing: Any, module_name: str, qualname: str) -> str:
    if "<lambda>" in qualname:
        raise TypeError(
            f"a lambda of '{module_name}' has no name by which a worker could import it; define a function at the top "
            f"of a module, or submit tenon.source(function)"
        )
    if "<locals>" in qualname:
        raise TypeError(
            f"'{qualname}' of '{module_name}' is defined inside a function and has no name by which a worker could "
            f"import it; define it at the top of a module"
        )
    if module_name == "__main__":
        if isinstance(thing, type) and thing in known_by_source:
            return known_by_source[thing]
        raise TypeError(
            f"'{qualname}' is defined in __main__, which workers never run; put it into a module, or submit "
            f"tenon.source({qualname.partition('.')[0]})"
        )
    found: Any = sys.modules.get(module_name)
    if found is None:
        # A module may give itself a name under which it was never imported.
        try:
            found = importlib.import_module(module_name)
        except ImportError:
            raise TypeError(
                f"'{qualname}' says that it belongs to the module '{module_name}', which cannot be imported; "
                f"a worker could not find it either"
            ) from None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not thing and found != thing:
        raise TypeError(
            f"'{module_name}:{qualname}' is another object than the one to send (a decorator or an assignment replaced "
            f"it); send the one that has the name, or give this one a name of its own"
        )
    return f"{module_name}:{qualname}"
