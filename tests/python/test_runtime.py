"""tenon.Runtime: starting, calling and closing."""

import struct
import unittest

import tenon


class Calls(unittest.TestCase):
    def test_bytes_go_there_and_back(self) -> None:
        # A tenon.Bytes without fields: the offset of the root, its vtable, the table.
        empty = struct.pack("<IHHi", 8, 4, 4, 4)
        with tenon.Runtime(workers=1) as runtime:
            self.assertEqual(runtime.call("tenon.echo", empty), empty)
            with self.assertRaises(LookupError):
                runtime.call("tenon.eco", empty)
        self.assertTrue(runtime.closed)
        with self.assertRaises(tenon.Error):
            runtime.call("tenon.echo", empty)


if __name__ == "__main__":
    unittest.main()
