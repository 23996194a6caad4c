"""Checks JSON values against the subset of JSON Schema that tools/tenon/json.schema.json uses.

    schema = Schema.load("tools/tenon/json.schema.json")
    schema.problems(document, "command_status")   # [] or lines like "$.workers[0].pid: expected an integer"
"""

import json
import re

TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
KEYWORDS = {"$ref", "additionalProperties", "anyOf", "description", "enum", "items", "minimum", "pattern", "properties",
            "required", "type"}


class Schema:
    def __init__(self, document):
        self.definitions = document["$defs"]
        for name, rule in self.definitions.items():
            self._check_rule(rule, name)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    def problems(self, value, definition):
        """Returns the problems of `value` as `definition`, one line each."""
        return list(self._problems(value, self.definitions[definition], "$"))

    def _check_rule(self, rule, where):
        """Raises for rules that `_problems` does not check, and for references without a definition."""
        unknown = rule.keys() - KEYWORDS
        if unknown:
            raise ValueError(f"{where}: this checker does not know {sorted(unknown)}")
        if "$ref" in rule:
            self._target(rule["$ref"])
        if "type" in rule and rule["type"] not in TYPES:
            raise ValueError(f"{where}: this checker does not know the type {rule['type']}")
        if rule.get("additionalProperties", False) is not False:
            raise ValueError(f"{where}: additionalProperties can only be false")
        if not set(rule.get("required", ())) <= rule.get("properties", {}).keys():
            raise ValueError(f"{where}: a required property is not described")
        inner = list(rule.get("properties", {}).items())
        if "items" in rule:
            inner.append(("[]", rule["items"]))
        inner += [(f"anyOf {number}", one) for number, one in enumerate(rule.get("anyOf", ()))]
        for name, one in inner:
            self._check_rule(one, f"{where}.{name}")

    def _target(self, reference):
        prefix = "#/$defs/"
        if not reference.startswith(prefix):
            raise ValueError(f"this checker does not know the reference {reference}")
        return self.definitions[reference[len(prefix):]]

    def _problems(self, value, rule, where):
        if "$ref" in rule:
            yield from self._problems(value, self._target(rule["$ref"]), where)
        if "anyOf" in rule:
            tried = [list(self._problems(value, one, where)) for one in rule["anyOf"]]
            if all(tried):
                yield from min(tried, key=len)
        if "enum" in rule and value not in rule["enum"]:
            yield f"{where}: {json.dumps(value)} is not one of {json.dumps(rule['enum'])}"
        if "type" in rule and not TYPES[rule["type"]](value):
            yield f"{where}: expected {rule['type']}, found {json.dumps(value)[:80]}"
            return
        if "minimum" in rule and value < rule["minimum"]:
            yield f"{where}: {value} is less than {rule['minimum']}"
        if "pattern" in rule and not re.search(rule["pattern"], value):
            yield f"{where}: {json.dumps(value)} does not match {rule['pattern']}"
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._problems(item, rule.get("items", {}), f"{where}[{number}]")
        if isinstance(value, dict):
            known = rule.get("properties", {})
            for name in rule.get("required", ()):
                if name not in value:
                    yield f"{where}: '{name}' is missing"
            for name, item in value.items():
                if name in known:
                    yield from self._problems(item, known[name], f"{where}.{name}")
                elif "additionalProperties" in rule:
                    yield f"{where}: '{name}' is not described"
