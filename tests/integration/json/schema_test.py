#!/usr/bin/env python3
"""The checker finds each kind of difference between a value and its schema."""

import unittest

from schema import Schema


def problems(value, rule, **definitions):
    return Schema({"$defs": {"root": rule, **definitions}}).problems(value, "root")


class Checker(unittest.TestCase):
    def test_types(self):
        for good, bad, kind in (({}, [], "object"), ([], {}, "array"), ("", 1, "string"), (True, 1, "boolean"),
                                (1, 1.5, "integer"), (1.5, "1", "number"), (1, True, "integer"), (1, None, "number")):
            self.assertEqual(problems(good, {"type": kind}), [])
            self.assertEqual(len(problems(bad, {"type": kind})), 1, kind)

    def test_objects(self):
        rule = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
                "additionalProperties": False}
        self.assertEqual(problems({"a": 1}, rule), [])
        self.assertEqual(problems({"a": 1, "b": "x"}, rule), [])
        self.assertEqual(problems({"b": "x"}, rule), ["$: 'a' is missing"])
        self.assertEqual(problems({"a": 1, "c": 2}, rule), ["$: 'c' is not described"])
        self.assertEqual(problems({"a": "x"}, rule), ['$.a: expected integer, found "x"'])

    def test_arrays_name_the_element(self):
        rule = {"type": "array", "items": {"enum": ["x", "y"]}}
        self.assertEqual(problems(["x", "y"], rule), [])
        self.assertEqual(problems(["x", "z"], rule), ['$[1]: "z" is not one of ["x", "y"]'])

    def test_limits_patterns_references_and_alternatives(self):
        self.assertEqual(len(problems(-1, {"type": "integer", "minimum": 0})), 1)
        self.assertEqual(len(problems("b", {"type": "string", "pattern": "^a"})), 1)
        self.assertEqual(len(problems(1, {"$ref": "#/$defs/text"}, text={"type": "string"})), 1)
        either = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
        self.assertEqual(problems(1, either) + problems("x", either), [])
        self.assertEqual(len(problems(None, either)), 1)

    def test_a_schema_that_it_would_only_half_check_is_refused(self):
        for rule in ({"maxItems": 3}, {"type": "null"}, {"additionalProperties": {}}, {"required": ["a"]}):
            with self.assertRaises(ValueError):
                problems(1, rule)
        with self.assertRaises(KeyError):
            problems(1, {"$ref": "#/$defs/nowhere"})


if __name__ == "__main__":
    unittest.main()
