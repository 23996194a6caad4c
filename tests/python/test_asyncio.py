"""asyncio: awaiting calls, many at once, and cancelling both ways."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import threading
import time
import unittest

import tenon
from support import LONG


class Asyncio(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.rt = tenon.Runtime(workers=2, cancel_grace=0.1)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rt.close("cancel")

    def test_acall(self) -> None:
        async def main() -> None:
            result = await self.rt.acall("tenon.echo", data=b"x", timeout=LONG)
            self.assertEqual(result.data, b"x")
            self.assertEqual((await self.rt.task("tenon.echo").acall({"data": b"y"})).data, b"y")
            with self.assertRaises(tenon.TaskFailed):
                await self.rt.acall("tenon.fail", params={"message": "no"})
            with self.assertRaises(TimeoutError):
                await self.rt.acall("tenon.sleep", duration_ms=60_000, timeout=0.02)
            with self.assertRaises(ValueError):
                await self.rt.acall("tenon.echo", dta=b"")

        asyncio.run(main())

    def test_gather_of_many(self) -> None:
        async def main() -> None:
            results = await asyncio.gather(*(self.rt.acall("tenon.echo", data=b"%d" % i) for i in range(1000)))
            self.assertEqual([bytes(r.data) for r in results], [b"%d" % i for i in range(1000)])

        asyncio.run(main())

    def test_awaiting_a_future(self) -> None:
        async def main() -> None:
            future = self.rt.submit("tenon.sleep", duration_ms=20)
            await future
            await future  # This also holds when it is done.
            await asyncio.wrap_future(self.rt.submit("tenon.sleep", duration_ms=20))
            done, _ = await asyncio.wait([asyncio.ensure_future(_await(self.rt.submit("tenon.echo")))])
            self.assertEqual(len(done), 1)

        asyncio.run(main())

    def test_the_loop_runs_meanwhile(self) -> None:
        async def main() -> None:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.001)

            ticker = asyncio.create_task(tick())
            await self.rt.acall("tenon.sleep", duration_ms=200)
            ticker.cancel()
            self.assertGreater(ticks, 5)

        asyncio.run(main())

    def test_cancelling_the_coroutine_cancels_the_call(self) -> None:
        async def main() -> None:
            future = self.rt.submit("tenon.sleep", duration_ms=600_000)
            task = asyncio.ensure_future(_await(future))
            await asyncio.sleep(0.05)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            end = time.monotonic() + LONG
            while not future.done() and time.monotonic() < end:
                await asyncio.sleep(0.01)
            self.assertTrue(future.cancelled())
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(self.rt.acall("tenon.sleep", duration_ms=600_000), 0.05)

        asyncio.run(main())

    def test_cancelling_the_call_cancels_the_coroutine(self) -> None:
        async def main() -> None:
            future = self.rt.submit("tenon.sleep", duration_ms=600_000)
            task = asyncio.ensure_future(_await(future))
            await asyncio.sleep(0.05)
            future.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(main())

    @unittest.skipUnless(hasattr(asyncio, "TaskGroup"), "needs asyncio.TaskGroup")
    def test_task_group(self) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.rt.acall("tenon.echo", data=b"%d" % i)) for i in range(10)]
            self.assertEqual([bytes(t.result().data) for t in tasks], [b"%d" % i for i in range(10)])
            with self.assertRaises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    slow = group.create_task(self.rt.acall("tenon.sleep", duration_ms=600_000))
                    group.create_task(self.rt.acall("tenon.fail", params={"message": "no"}))
            self.assertEqual([type(e) for e in caught.exception.exceptions], [tenon.TaskFailed])
            self.assertTrue(slow.cancelled())

        asyncio.run(main())

    def test_many_loops_in_turn_and_at_once(self) -> None:
        async def main() -> None:
            await asyncio.gather(*(self.rt.acall("tenon.echo", data=b"x") for _ in range(50)))

        for _ in range(5):
            asyncio.run(main())
        threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
            self.assertFalse(thread.is_alive())

    def test_a_loop_that_closes_before_its_calls_end(self) -> None:
        async def main() -> list[tenon.Future]:
            futures = [self.rt.submit("tenon.sleep", duration_ms=50) for _ in range(3)]
            for future in futures:
                asyncio.ensure_future(asyncio.shield(_await(future)))
            await asyncio.sleep(0)
            return futures

        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        futures = loop.run_until_complete(main())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        del loop
        gc.collect()
        for future in futures:
            future.exception(LONG) if not future.cancelled() else None

    def test_a_loop_that_cannot_watch_descriptors(self) -> None:
        class Loop(asyncio.SelectorEventLoop):
            def add_reader(self, *_: object) -> None:
                raise NotImplementedError

        # The loop's own wake-up needs a reader; only the public method is missing.
        loop = Loop()
        try:
            result = loop.run_until_complete(self.rt.acall("tenon.echo", data=b"x"))
            self.assertEqual(result.data, b"x")
        finally:
            loop.close()


async def _await(future: tenon.Future) -> object:
    return await future


@unittest.skipUnless(importlib.util.find_spec("uvloop"), "uvloop is not installed (python3-uvloop)")
class Uvloop(Asyncio):
    """The same on the loop of uvloop."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        cls.addClassCleanup(asyncio.set_event_loop_policy, None)

    def test_the_loop_is_of_uvloop(self) -> None:
        async def main() -> str:
            return type(asyncio.get_running_loop()).__module__

        self.assertEqual(asyncio.run(main()), "uvloop")


if __name__ == "__main__":
    unittest.main()
