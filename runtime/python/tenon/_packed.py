"""Loads a plugin's module from the bytes of the plugin itself: in the worker that runs it, and in the process that
packs it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["failure", "import_plugin", "load"]

# How an absent field reaches the function: with the schema's default, as None, not at all (so that the Python default
# applies), or never, because it is not visible to Python.
ABSENT_SCHEMA, ABSENT_NONE, ABSENT_OMIT, HIDDEN = range(4)
# How a table is passed to the function: as a keyword for each field, as one object, or as its field `value`.
PASS_FIELDS, PASS_OBJECT, PASS_VALUE = range(3)
# How a result becomes a table: it is one, it is the field `value`, or there is none.
GIVE_OBJECT, GIVE_VALUE, GIVE_NOTHING = range(3)


class _Loader:
    """Loads the modules of one plugin. `files` maps paths such as 'hello.py' or 'hello/__init__.py' to contents."""

    def __init__(self, files: dict[str, bytes], origin: str) -> None:
        self._files = files
        self._origin = origin

    def path_of(self, name: str) -> str | None:
        stem = name.replace(".", "/")
        for path in (f"{stem}/__init__.py", f"{stem}.py"):
            if path in self._files:
                return path
        return None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        found = self.path_of(name)
        if found is None:
            return None
        is_package = found.endswith("/__init__.py")
        spec = ModuleSpec(name, self,  # type: ignore[arg-type]
                          origin=f"{self._origin}/{found}", is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [f"{self._origin}/{found[:-len('/__init__.py')]}"]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> Any:
        path = self.path_of(name)
        if path is None:
            raise ImportError(f"the plugin has no module '{name}'", name=name)
        return compile(self._files[path], f"{self._origin}/{path}", "exec", dont_inherit=True)

    def get_source(self, name: str) -> str | None:
        """Used by tracebacks, which show the line."""
        path = self.path_of(name)
        if path is None:
            return None
        try:
            return self._files[path].decode("utf-8")
        except UnicodeDecodeError:
            return None

    def get_data(self, path: str) -> bytes:
        """Used by pkgutil.get_data: returns a file that was packed with a package."""
        try:
            return self._files[path.removeprefix(f"{self._origin}/")]
        except KeyError:
            raise FileNotFoundError(f"the plugin has no file '{path}'") from None


def import_plugin(name: str, files: dict[str, bytes], origin: str) -> ModuleType:
    """Imports the module `name` from `files`, whatever sys.path contains and whatever was imported before."""
    for known in [other for other in sys.modules if other == name or other.startswith(name + ".")]:
        del sys.modules[known]
    for finder in sys.meta_path[:]:
        if isinstance(finder, _Loader) and finder.path_of(name) is not None:
            sys.meta_path.remove(finder)
    sys.meta_path.insert(0, _Loader(files, origin))
    __import__(name)
    return sys.modules[name]


def _resolve(module_name: str, qualname: str) -> Any:
    __import__(module_name)
    found: Any = sys.modules[module_name]
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


class _Handed:
    """A reduce that is a function: it runs on a thread, which takes items from this object when it needs them."""

    _END = object()
    # Passing an item switches threads, so several are passed at once.
    _BATCH = 64

    def __init__(self, function: Any, keywords: dict[str, Any]) -> None:
        import queue
        import threading

        self._items: queue.Queue[list[Any]] = queue.Queue(maxsize=2)
        self._batch: list[Any] = []
        self._ended = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(function, keywords), daemon=True,
                                        name="tenon reduce")
        self._thread.start()

    def _iterate(self) -> Any:
        while True:
            for item in self._items.get():
                if item is self._END:
                    return
                yield item

    def _run(self, function: Any, keywords: dict[str, Any]) -> None:
        try:
            self._result = function(self._iterate(), **keywords)
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    def _hand_over(self) -> None:
        import queue

        # A function that returns early takes no further items.
        while not self._ended.is_set():
            try:
                self._items.put(self._batch, timeout=0.1)
                break
            except queue.Full:
                pass
        self._batch = []

    def add(self, item: Any) -> None:
        if self._error is not None:
            raise self._error
        self._batch.append(item)
        if len(self._batch) >= self._BATCH:
            self._hand_over()

    def result(self) -> Any:
        self._batch.append(self._END)
        self._hand_over()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def close(self) -> None:
        """Ends the items for the thread of a session that is closed early."""
        import queue

        try:
            while not self._ended.is_set():
                self._items.get_nowait()
        except queue.Empty:
            # There is room now; a function that takes no further item keeps its thread until the worker exits.
            self._items.put([self._END])


def _handing(function: Any) -> Any:
    def make(**keywords: Any) -> _Handed:
        return _Handed(function, keywords)

    make.__qualname__ = function.__qualname__
    return make


def load(name: str, files: dict[str, bytes], glue: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Returns the data for the plugin's native half: its tables, enums and tasks.

    tables: class or None, and how each field is passed when it is absent, by the table's name in the schema.
    enums: members by number, and numbers by member.
    tasks: (callable, how the argument is passed, the params' keyword or None, how the result is given), by name.
    """
    description = eval(compile(glue, f"{name}.so/description", "eval"))
    module = import_plugin(name, {path: data for path, data in files.items() if path}, f"{name}.so")
    tables = {}
    for table, (where, absent) in description["tables"].items():
        tables[table] = (_resolve(*where) if where else None, absent)
    enums = {}
    for enum_name, (where, numbers) in description["enums"].items():
        members = {number: getattr(_resolve(*where), member) for member, number in numbers}
        enums[enum_name] = (members, {member: number for number, member in members.items()})
    tasks = {}
    for task, (qualname, kind, argument, params, result) in description["tasks"].items():
        function = _resolve(name, qualname)
        tasks[task] = (_handing(function) if kind == "handed" else function, argument, params, result)
    return tables, enums, tasks


# A message has at most 4096 bytes.
_MAX_MESSAGE = 3900
# The numbers of TENON_FAILED and TENON_OUT_OF_MEMORY.
_FAILED, _OUT_OF_MEMORY = 1, 8


def failure(error: BaseException) -> tuple[int, str]:
    """The status and message with which an exception ends a call: its class and text, then its location."""
    errors = sys.modules.get("tenon.errors")
    if errors is not None and isinstance(error, errors.Error):
        # The task describes the error in tenon's own terms.
        number = next((key for key, (code, _) in errors._CLASSES.items() if code == error.code), _FAILED)
        return number, error.message.replace("\0", "\\0")
    import traceback

    head = "".join(traceback.format_exception_only(type(error), error)).strip()
    where = "".join(traceback.format_exception(error)).strip()
    text = f"{head}\n{where}" if error.__traceback__ is not None else head
    data = text.replace("\0", "\\0").encode("utf-8", "backslashreplace")
    if len(data) > _MAX_MESSAGE:
        # The part nearest to the error is at the end.
        data = head.encode("utf-8", "backslashreplace")[:500] + b"\n...\n" + data[600 - _MAX_MESSAGE:]
    return (_OUT_OF_MEMORY if isinstance(error, MemoryError) else _FAILED), data.decode("utf-8", "replace")
