"""tenon.Table: every FlatBuffers type from Python to bytes and back, and results that are not valid."""

from __future__ import annotations

import array
import copy
import dataclasses
import enum
import gc
import math
import threading
import unittest
from pathlib import Path

import tenon
from support import TEST_PLUGINS

try:
    import numpy
except ImportError:
    numpy = None

INTEGERS = {"i8": (-2**7, 2**7 - 1), "u8": (0, 2**8 - 1), "i16": (-2**15, 2**15 - 1), "u16": (0, 2**16 - 1),
            "i32": (-2**31, 2**31 - 1), "u32": (0, 2**32 - 1), "i64": (-2**63, 2**63 - 1), "u64": (0, 2**64 - 1)}
POINT = {"x": 1.5, "y": -2.0}
CELL = {"mark": 9, "weight": 0.1, "at": POINT, "counts": [1, -2, 3], "corners": [POINT, {"x": 0.0, "y": 4.0}]}


class TableTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=1, plugin_dirs=TEST_PLUGINS)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close()

    def echo(self, /, **fields: object) -> tenon.Table:
        return self.rt.call("types.echo", fields)

    def refused(self, kind: type[Exception], message: str, /, **fields: object) -> None:
        with self.assertRaisesRegex(kind, message) as caught:
            self.echo(**fields)
        self.assertIsInstance(caught.exception, tenon.InvalidArgument)


class Scalars(TableTest):
    def test_integers_to_their_bounds(self) -> None:
        for name, bounds in INTEGERS.items():
            for value in (*bounds, 0, 1):
                self.assertEqual(self.echo(**{name: value})[name], value)
            for value in (bounds[0] - 1, bounds[1] + 1, 2**70, -2**70):
                self.refused(ValueError, f"types.echo: {name}: -?\\d+ is out of range for u?int", **{name: value})
            for value in (1.5, "1", b"1", [], object()):
                self.refused(TypeError, f"types.echo: {name}: expected an int", **{name: value})

    def test_floats(self) -> None:
        for value in (0.0, -0.5, math.inf, -math.inf, 3, 2**20, True):
            self.assertEqual(self.echo(f32=value, f64=value).f32, value)
            self.assertEqual(self.echo(f64=value).f64, value)
        self.assertTrue(math.isnan(self.echo(f64=math.nan).f64))
        self.assertEqual(self.echo(f64=1e300).f64, 1e300)
        self.refused(ValueError, "f32: 1e\\+300 is out of range for float32", f32=1e300)
        self.refused(ValueError, "f64: 1", f64=10**400)
        for value in ("1.0", None.__class__, 1j, []):
            self.refused(TypeError, "f64: expected a number", f64=value)

    def test_bool(self) -> None:
        for value in (True, False, 0, 1):
            self.assertIs(self.echo(flag=value).flag, bool(value))
        self.refused(ValueError, "flag: 2", flag=2)
        self.refused(TypeError, "flag: expected a bool", flag="yes")

    def test_defaults_and_optional(self) -> None:
        empty = self.echo()
        self.assertEqual((empty.i32, empty.f64, empty.flag), (0, 1.5, False))
        self.assertIsNone(empty.maybe_int)
        self.assertIsNone(empty.maybe_flag)
        self.assertIsNone(empty.maybe_color)
        for name in ("text", "point", "leaf", "shape", "bytes", "texts", "shapes", "self"):
            self.assertIsNone(empty[name])
        self.assertEqual(self.echo(maybe_int=0).maybe_int, 0)
        self.assertIs(self.echo(maybe_flag=False).maybe_flag, False)
        self.assertEqual(self.echo(f64=0).f64, 0.0)
        self.assertIsNone(self.echo(maybe_int=None, text=None, f64=None).maybe_int)

    def test_enums(self) -> None:
        result = self.echo(color="Blue")
        self.assertEqual(result.color, 4)
        self.assertEqual(result.color.name, "Blue")
        self.assertIsInstance(result.color, enum.IntEnum)
        self.assertEqual(self.echo().color.name, "Green")
        self.assertEqual(self.echo(color=0).color.name, "Red")
        self.assertEqual(self.echo(color=result.color).color, result.color)
        self.assertIs(type(self.echo(color=0).color), type(result.color))
        self.assertEqual(self.echo(depth="Deep").depth, -300)

        class Mine(enum.Enum):
            Blue = "b"

        self.assertEqual(self.echo(color=Mine.Blue).color, 4)
        self.refused(ValueError, "color: 'Bleu' is not a value of types.Color; did you mean 'Blue'", color="Bleu")
        self.refused(ValueError, "color: 3 is not a value of types.Color; its values are Red, Green, Blue", color=3)
        self.refused(ValueError, "color: 256 is out of range", color=256)
        self.refused(TypeError, "color: expected a name", color=1.5)

    def test_flags(self) -> None:
        for value in ("Read Run", "Read|Run", 5):
            result = self.echo(rights=value).rights
            self.assertEqual(result, 5)
            self.assertIsInstance(result, enum.IntFlag)
            self.assertEqual(self.echo(rights=result).rights, 5)
        self.assertEqual(self.echo(rights="").rights, 0)
        self.assertEqual(self.echo(rights=256).rights, 256)
        self.refused(ValueError, "rights: 'Fly'", rights="Read Fly")


class Texts(TableTest):
    def test_strings(self) -> None:
        for value in ("", "abc", "\0", "żółw 🐢", "x" * 100_000, "\udcff\udc80"):
            self.assertEqual(self.echo(text=value).text, value)
        self.assertEqual(self.echo(text=b"\xff\x80").text, "\udcff\udc80")
        self.assertEqual(self.echo(text=Path("/tmp/x")).text, "/tmp/x")
        self.refused(ValueError, "text: .* cannot be written as UTF-8", text="\ud800")
        for value in (7, [], 1.5):
            self.refused(TypeError, "text: expected a str, or a path", text=value)
        texts = ["", "a", "\udcff", "b" * 1000]
        self.assertEqual(self.echo(texts=texts).texts, texts)
        self.assertEqual(self.echo(texts=iter(texts)).texts, texts)
        self.refused(TypeError, r"texts\[1\]: expected a str", texts=["a", 7])
        self.refused(TypeError, r"texts: expected a sequence \(\[string\]\), not str", texts="abc")

    def test_names_that_others_use(self) -> None:
        result = self.echo(values=[1, 2], **{"class": "x"})
        self.assertEqual(list(result.values), [1, 2])
        self.assertEqual(result["class"], "x")
        self.assertEqual(tenon.asdict(result)["values"], [1, 2])
        self.assertIs(type(result.items()), list)


class Structs(TableTest):
    def test_structs(self) -> None:
        for value in (POINT, (1.5, -2.0), [1.5, -2]):
            result = self.echo(point=value).point
            self.assertEqual((result.x, result.y), (1.5, -2.0))
            self.assertEqual(result, POINT)
        self.assertEqual(self.echo(point=result).point, result)
        cell = self.echo(cell=CELL).cell
        self.assertEqual(cell.asdict(), CELL)
        self.assertEqual(cell.at.y, -2.0)
        self.assertEqual(list(cell.counts), [1, -2, 3])
        self.assertEqual(cell.corners[1].y, 4.0)
        self.assertEqual(self.echo(cell=cell).cell, CELL)
        self.assertEqual([c.asdict() for c in self.echo(cells=[CELL] * 3).cells], [CELL] * 3)
        self.assertEqual(self.echo(cells=[cell, CELL]).cells[0], CELL)

    def test_wrong_structs(self) -> None:
        self.refused(ValueError, "point: field 'y' of struct types.Point is missing", point={"x": 1})
        self.refused(ValueError, "point: struct types.Point has 2 fields, not 3", point=(1, 2, 3))
        self.refused(ValueError, "point: types.Point has no field 'z'", point={"x": 1, "y": 2, "z": 3})
        self.refused(TypeError, "point.x: expected a number", point={"x": "1", "y": 2})
        self.refused(TypeError, r"cell.corners\[1\]: expected a dict", cell={**CELL, "corners": [POINT, 7]})
        self.refused(ValueError, "cell.counts: expected 3 items, not 2", cell={**CELL, "counts": [1, 2]})
        self.refused(ValueError, r"points\[2\].y: 1e\+300", points=[POINT, POINT, (0, 1e300)])


class Tables(TableTest):
    def test_nested(self) -> None:
        inner = {"label": "inner", "value": 3}
        result = self.echo(leaf=inner, leaves=[inner, {}, {"value": 0}], self={"self": {"leaf": inner}})
        self.assertEqual(result.leaf.label, "inner")
        self.assertEqual([leaf.value for leaf in result.leaves], [3, 7, 0])
        self.assertEqual(result.self.self.leaf, result.leaf)
        self.assertEqual(result["self"]["self"]["leaf"]["value"], 3)
        # Parts of a result become another argument.
        again = self.echo(leaf=result.leaf, leaves=result.leaves, self=result.self)
        self.assertEqual(again, result)
        self.assertEqual(self.rt.call("types.echo", result.self).self.leaf, inner)
        self.assertEqual(self.rt.call("types.echo", result.asdict()), result)

    def test_required_unknown_and_deprecated(self) -> None:
        self.assertEqual(self.rt.call("types.named", name="x").name, "x")
        with self.assertRaisesRegex(ValueError, "types.named: the required field 'name' of types.Named is missing"):
            self.rt.call("types.named", note="x")
        self.refused(ValueError, "types.Everything has no field 'txet'; did you mean 'text'", txet="x")
        self.refused(ValueError, r"leaves\[1\]: types.Leaf has no field 'lable'; did you mean 'label'",
                     leaves=[{}, {"lable": "x"}])
        self.refused(ValueError, "field 'old' of types.Everything is deprecated", old=1)
        self.refused(TypeError, "leaf: expected a dict or a dataclass", leaf=7)
        self.refused(TypeError, "leaf: expected a dict or a dataclass", leaf=dict)
        self.refused(ValueError, "leaf: expected types.Leaf, not types.Point", leaf=self.echo(point=POINT).point)
        with self.assertRaisesRegex(TypeError, "expected a str as the name"):
            self.rt.call("types.echo", {7: 1})
        self.assertNotIn("old", self.echo())

    def test_unions(self) -> None:
        @dataclasses.dataclass
        class Leaf:
            label: str

        for value in (("Leaf", {"label": "x"}), Leaf("x"), self.echo(leaf={"label": "x"}).leaf):
            result = self.echo(shape=value)
            self.assertEqual((result.shape.label, result.shape_type.name), ("x", "Leaf"))
        self.assertEqual(self.echo(shape={"text": "x"}, shape_type="Text").shape.text, "x")
        self.assertEqual(self.echo(shape=("Spot", POINT)).shape, POINT)
        self.assertIsNone(self.echo(shape_type="NONE").shape)
        shapes = [("Leaf", {"label": "x"}), ("Spot", POINT), ("Text", {"text": "y"})]
        result = self.echo(shapes=shapes)
        self.assertEqual([tag.name for tag in result.shapes_type], ["Leaf", "Spot", "Text"])
        self.assertEqual(result.shapes[1].x, 1.5)
        self.assertEqual(result.shapes[2].text, "y")
        self.assertEqual(self.rt.call("types.echo", result.asdict()), result)
        self.assertEqual(self.echo(shapes=result.shapes).shapes[0].label, "x")
        self.refused(ValueError, r"shape: is one of Leaf, Text, Spot; say which, as in \('Leaf', value\)",
                     shape={"label": "x"})
        self.refused(ValueError, "shape: 'Leav' is not a value of types.Shape; did you mean 'Leaf'",
                     shape=("Leav", {}))
        self.refused(ValueError, r"shapes\[1\].*say which", shapes=[("Leaf", {}), {}])
        self.refused(ValueError, "shapes: has 1 items, and 'shapes_type' has 2", shapes=[{}], shapes_type=["Leaf"] * 2)
        self.refused(ValueError, "shape_type: says what 'shape' is, but that field is missing", shape_type="Leaf")
        self.refused(ValueError, "shape: a union of type NONE has no value", shape=("NONE", {}))

    def test_cycles_and_depth(self) -> None:
        nested: dict[str, object] = {}
        nested["self"] = nested
        self.refused(ValueError, "nested deeper than 64 tables, or contains itself", **nested)
        leaves: list[object] = []
        leaves.append({"self": {"leaves": leaves}})
        self.refused(ValueError, "leaves", leaves=leaves)

    def test_attributes_and_items(self) -> None:
        result = self.echo(i32=5, text="x")
        self.assertEqual(result.get("i32"), 5)
        self.assertIsNone(result.get("nothing"))
        self.assertEqual(result.get("nothing", 7), 7)
        self.assertIn("i32", result)
        self.assertNotIn("nothing", result)
        self.assertNotIn(7, result)
        self.assertEqual(list(result), result.keys())
        self.assertEqual(len(result), len(result.keys()))
        self.assertEqual(dict(result)["text"], "x")
        self.assertEqual(dict(result.items())["i32"], 5)
        self.assertTrue(self.rt.call("types.greet"))
        self.assertIn("i32", dir(result))
        self.assertEqual(result.__tenon_type__, "types.Everything")
        with self.assertRaisesRegex(AttributeError, "types.Everything has no field 'txt'; did you mean 'text'"):
            result.txt
        with self.assertRaises(KeyError):
            result["txt"]
        with self.assertRaises((AttributeError, TypeError)):
            result.i32 = 7
        with self.assertRaises(TypeError):
            hash(result)
        with self.assertRaises(TypeError):
            tenon.Table()

    def test_equality_and_repr(self) -> None:
        fields = {"i32": 5, "text": "x", "texts": ["a"], "leaf": {"label": "l"}, "bytes": b"abc"}
        self.assertEqual(self.echo(**fields), self.echo(**fields))
        self.assertNotEqual(self.echo(**fields), self.echo(**{**fields, "i32": 6}))
        self.assertNotEqual(self.echo(**fields), self.echo(**{**fields, "texts": ["b"]}))
        self.assertNotEqual(self.echo(), 7)
        self.assertNotEqual(self.echo(leaf={}).leaf, self.echo(point=POINT).point)
        self.assertEqual(repr(self.echo(**fields)),
                         "types.Everything(i32=5, text='x', leaf=types.Leaf(label='l'), bytes=b'abc', texts=['a'])")
        self.assertLess(len(repr(self.echo(text="x" * 5000, bytes=b"y" * 5000, f64s=[0.0] * 5000,
                                           texts=["z"] * 5000))), 600)


class Vectors(TableTest):
    def test_numbers(self) -> None:
        for name, bounds in INTEGERS.items():
            values = [*bounds, 0, 1]
            result = self.echo(**{name + "s" if name != "u8" else "bytes": values})
            vector = result[name + "s" if name != "u8" else "bytes"]
            self.assertIsInstance(vector, memoryview)
            self.assertEqual(vector.tolist(), values)
            self.assertEqual(len(vector), 4)
            self.assertTrue(vector.readonly)
        self.assertEqual(self.echo(f32s=[0.5, -1], f64s=(x / 4 for x in range(3))).f64s.tolist(), [0, 0.25, 0.5])
        self.assertEqual(self.echo(flags=[True, False, 1]).flags.tolist(), [True, False, True])
        self.assertEqual(self.echo(i32s=[]).i32s.tolist(), [])
        self.assertEqual(self.echo(i32s=range(5)).i32s.tolist(), [0, 1, 2, 3, 4])
        self.refused(ValueError, r"i16s\[2\]: 40000 is out of range for int16", i16s=[1, 2, 40000])
        self.refused(TypeError, r"f64s\[0\]: expected a number", f64s=["x"])
        self.refused(TypeError, r"i32s: expected a sequence", i32s=7)
        self.refused(TypeError, r"i32s: expected a sequence", i32s={"a": 1})
        self.refused(TypeError, r"bytes: expected a sequence", bytes="text")

    def test_enums(self) -> None:
        colors = self.echo(colors=["Red", 4, "Green"]).colors
        self.assertEqual([color.name for color in colors], ["Red", "Blue", "Green"])
        self.assertEqual(colors, [0, 4, 1])
        self.assertEqual(bytes(colors), b"\0\4\1")
        self.refused(ValueError, r"colors\[1\]: 9 is not a value", colors=[0, 9])
        self.refused(ValueError, r"colors\[1\]: 9 is not a value", colors=b"\0\x09")

    def test_lazy_sequences(self) -> None:
        texts = self.echo(texts=["a", "b", "c", "d"]).texts
        self.assertEqual((texts[0], texts[-1], texts[1:3], texts[::-1]), ("a", "d", ["b", "c"], ["d", "c", "b", "a"]))
        self.assertEqual(list(texts), ["a", "b", "c", "d"])
        self.assertIn("c", texts)
        self.assertEqual(texts.tolist(), ["a", "b", "c", "d"])
        self.assertEqual(texts, ("a", "b", "c", "d"))
        self.assertNotEqual(texts, ["a"])
        for index in (4, -5, 2**80):
            with self.assertRaises(IndexError):
                texts[index]
        with self.assertRaises(TypeError):
            texts["a"]
        with self.assertRaises(BufferError):
            memoryview(texts)
        with self.assertRaises(TypeError):
            hash(texts)

    def test_buffers_of_the_standard_library(self) -> None:
        self.assertEqual(self.echo(f64s=array.array("d", [1, 2])).f64s.tolist(), [1, 2])
        self.assertEqual(self.echo(i64s=array.array("l", [1, -2])).i64s.tolist(), [1, -2])
        self.assertEqual(self.echo(i64s=array.array("q", [1, -2])).i64s.tolist(), [1, -2])
        self.assertEqual(self.echo(u16s=memoryview(b"abcd").cast("H")).u16s.tobytes(), b"abcd")
        self.assertEqual(self.echo(bytes=memoryview(b"abcdef")[::2]).bytes, b"ace")
        self.assertEqual(self.echo(i8s=memoryview(b"\xff\x01").cast("b")).i8s.tolist(), [-1, 1])
        self.assertEqual(self.echo(f64s=self.echo(f64s=[1.0]).f64s).f64s.tolist(), [1.0])
        self.refused(ValueError, r"f32s: an array with items 'd' of 8 bytes does not fit float32; convert it",
                     f32s=array.array("d", [1]))
        self.refused(ValueError, "i32s: an array with items 'I'", i32s=array.array("I", [1]))
        self.refused(ValueError, "f64s: an array with items 'B'", f64s=b"12345678")
        self.refused(ValueError, "bytes: an array with items 'd'", bytes=array.array("d", [1]))

    def test_a_list_that_shrinks_meanwhile(self) -> None:
        values: list[object] = []

        class Sly:
            def __index__(self) -> int:
                values.clear()
                return 1

        values += [Sly()] * 1000
        self.refused(ValueError, r"i32s\[1\]: the sequence became shorter", i32s=values)

    def test_exceptions_of_values_pass(self) -> None:
        class Bad:
            def __index__(self) -> int:
                raise ZeroDivisionError

        for fields in ({"i32": Bad()}, {"i32s": [Bad()]}, {"cell": {**CELL, "mark": Bad()}}):
            with self.assertRaises(ZeroDivisionError):
                self.echo(**fields)

    def test_memory_of_views(self) -> None:
        view = self.echo(bytes=b"x" * 1_000_000).bytes
        gc.collect()
        self.assertEqual(view[-1], ord("x"))
        with self.assertRaises(TypeError):
            view[0] = 1
        leaf = self.echo(leaves=[{"label": "deep" * 1000}]).leaves[0]
        gc.collect()
        self.assertEqual(leaf.label, "deep" * 1000)
        whole = memoryview(self.echo(text="x"))
        self.assertEqual(self.rt.call("types.echo", whole).text, "x")
        with self.assertRaises(BufferError):
            memoryview(leaf)

    def test_copies(self) -> None:
        value = self.echo(texts=["a"], bytes=b"b", i32s=[1], leaf={"label": "l"}, shape=("Spot", POINT)).asdict()
        self.assertEqual(copy.deepcopy(value), value)
        self.assertIs(type(value["texts"]), list)
        self.assertIs(type(value["bytes"]), bytes)
        self.assertIs(type(value["i32s"]), list)
        self.assertEqual(value["leaf"], {"label": "l", "value": 7})
        self.assertEqual(value["shape"], POINT)


@unittest.skipIf(numpy is None, "numpy is not installed")
class Arrays(TableTest):
    def test_there_and_back(self) -> None:
        kinds = {"f32s": "float32", "f64s": "float64", "i8s": "int8", "i16s": "int16", "u16s": "uint16",
                 "i32s": "int32", "u32s": "uint32", "i64s": "int64", "u64s": "uint64", "bytes": "uint8",
                 "flags": "bool"}
        for name, dtype in kinds.items():
            values = numpy.arange(1000).astype(dtype)
            result = self.echo(**{name: values})
            found = result.array(name)
            self.assertEqual(found.dtype, values.dtype)
            numpy.testing.assert_array_equal(found, values)
            self.assertFalse(found.flags.writeable)
            self.assertTrue(found.flags.aligned)
            numpy.testing.assert_array_equal(numpy.asarray(result[name]), values)
        grid = numpy.arange(12.0).reshape(3, 4)
        numpy.testing.assert_array_equal(self.echo(f64s=grid).array("f64s").reshape(3, 4), grid)
        numpy.testing.assert_array_equal(self.echo(f64s=grid.T).array("f64s").reshape(4, 3), grid.T)
        numpy.testing.assert_array_equal(self.echo(f64s=grid[:, 1]).array("f64s"), grid[:, 1])
        self.assertEqual(self.echo(f64s=numpy.array(5.0)).array("f64s").tolist(), [5.0])

    def test_dtype(self) -> None:
        result = self.echo(bytes=numpy.arange(10.0).tobytes(), i32s=[])
        numpy.testing.assert_array_equal(result.array("bytes", dtype="float64"), numpy.arange(10.0))
        self.assertEqual(len(result.array("f64s")), 0)
        self.assertEqual(result.array("i32s", "int32").dtype, numpy.dtype("int32"))
        with self.assertRaises(LookupError):
            result.array("nothing")
        with self.assertRaises(TypeError):
            self.echo(text="x").array("text")
        with self.assertRaises(ValueError):
            self.echo(bytes=b"123").array("bytes", "float64")
        self.refused(ValueError, "f32s: an array with items 'd'.*astype\\('float32'\\)", f32s=numpy.zeros(3))
        self.refused(ValueError, "f64s: an array with items '>d'", f64s=numpy.zeros(3, ">f8"))
        self.refused(ValueError, "i32s", i32s=numpy.array(["a"]))

    def test_scalars(self) -> None:
        result = self.echo(i32=numpy.int64(5), u8=numpy.uint8(7), f32=numpy.float32(0.5), f64=numpy.float64(2),
                           flag=numpy.bool_(True), i64s=[numpy.int8(3)], flags=list(numpy.array([True, False])))
        self.assertEqual((result.i32, result.u8, result.f32, result.f64, result.flag), (5, 7, 0.5, 2, True))
        self.refused(TypeError, "i32: expected an int", i32=numpy.float64(5))

    def test_structs(self) -> None:
        points = numpy.zeros(3, dtype=[("x", "f4"), ("y", "f4")])
        points["x"] = [1, 2, 3]
        result = self.echo(points=points)
        self.assertEqual([p.x for p in result.points], [1, 2, 3])
        found = result.array("points")
        numpy.testing.assert_array_equal(found["x"], points["x"])
        cells = self.echo(cells=[CELL] * 4).array("cells")
        self.assertEqual(cells.dtype.itemsize, 48)
        self.assertEqual(cells["weight"].tolist(), [0.1] * 4)
        self.assertEqual(cells["corners"]["y"].tolist(), [[-2.0, 4.0]] * 4)
        self.assertEqual([c.asdict() for c in self.echo(cells=self.echo(cells=[CELL]).cells).cells], [CELL])
        self.refused(ValueError, "points: an array with items", points=numpy.zeros(3, dtype=[("y", "f4"), ("x", "f4")]))

    def test_the_result_lives_as_long_as_an_array(self) -> None:
        array_of = self.echo(f64s=numpy.arange(100_000.0)).array("f64s")
        gc.collect()
        self.assertEqual(array_of.sum(), numpy.arange(100_000.0).sum())


class Hostile(TableTest):
    def test_results_that_lie_are_refused(self) -> None:
        for lie in ("far_offset", "deep"):
            with self.subTest(lie), self.assertRaises(tenon.Corrupt) as caught:
                self.rt.call("types.lie", lie=lie)
            self.assertIsInstance(caught.exception, ValueError)

    def test_a_result_that_explodes_when_copied(self) -> None:
        result = self.rt.call("types.lie", lie="shared")
        self.assertEqual(len(result.texts), 100_000)
        self.assertEqual(len(result.texts[99_999]), 1 << 20)
        with self.assertRaises(tenon.TooLarge):
            result.asdict()
        self.assertLess(len(repr(result)), 10_000_000)

    def test_arguments_from_many_threads(self) -> None:
        failures = []

        def work() -> None:
            for i in range(100):
                if self.echo(i32=i, texts=["x"] * i).i32 != i:
                    failures.append(i)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
