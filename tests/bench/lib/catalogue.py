"""Lists the figures, the programs that measure them, and what each is compared with."""

from dataclasses import dataclass

LIMITS, TENON = "limits", "tenon"
SIZES = ("4KiB", "64KiB", "1MiB", "64MiB", "256MiB")
WORKERS = (1, 2, 8, 64, 256)


@dataclass(frozen=True)
class Target:
    """What one of our figures is compared with. `divisor`: how many times one item passes through
    the limit."""
    limit: str = ""
    divisor: int = 1
    peer: str = ""  # The name of the peers' figure, after `peer.<name>.`


def _targets():
    spin, ring = "limit.spin_ping_pong", "limit.ring.64B"
    ours = {
        "tenon.call.64B.sleeping": Target("limit.futex_ping_pong.paused", peer="call.64B.sleeping"),
        "tenon.call.64B.awake": Target(spin, peer="call.64B.awake"),
        "tenon.call.64B.cold": Target("limit.futex_ping_pong.paused"),
        "tenon.call.4KiB.sleeping": Target("limit.futex_ping_pong.paused"),
        "tenon.call.4KiB.awake": Target(spin),
        "tenon.futures.1": Target(ring, peer="futures.1"),
        "tenon.futures.2": Target(ring),
        "tenon.futures.4": Target(ring),
        "tenon.map.tiny": Target(ring, peer="map.tiny"),
    }
    for size in SIZES:
        peer = "echo.256MiB" if size == "256MiB" else ""
        ours[f"tenon.echo.{size}.in_place"] = Target("tenon.call.64B.awake", peer=peer)
        ours[f"tenon.echo.{size}.in_place.new"] = Target("tenon.call.64B.cold")
        ours[f"tenon.echo.{size}.copied"] = Target(f"limit.memcpy.{size}", peer=peer)
    for count in (1, 2, 8):
        ours[f"tenon.start.{count}"] = Target(f"limit.spawn.{count}", peer="start.2" if count == 2 else "")
        ours[f"tenon.start.{count}.all_ready"] = Target(f"limit.spawn.{count}")
    ours["tenon.queue.1k"] = Target()
    ours["tenon.queue.100k"] = Target("tenon.queue.1k")
    ours["tenon.queue.10M"] = Target("tenon.queue.1k")
    ours["tenon.queue.10M.bytes"] = Target()
    for count in WORKERS:
        ours[f"tenon.workers.{count}"] = Target(ring)
        for what in ("start", "stop", "failures"):
            ours[f"tenon.workers.{count}.{what}"] = Target()
    for of in ("tenon.workers.256", "tenon.idle"):
        for what in ("wakeups", "private"):
            ours[f"{of}.{what}"] = Target()
    ours["tenon.mixed"] = Target()
    ours["tenon.mixed.held"] = Target()
    ours["tenon.nested"] = Target(spin)
    ours["tenon.nested.level"] = Target(spin)
    for stages in (1, 5, 20):
        # An item makes one trip to a worker in the source, in each stage and in the sink.
        ours[f"tenon.pipeline.{stages}"] = Target(ring, divisor=stages + 2)
    ours["tenon.pipeline.stage.2_to_5"] = Target()
    ours["tenon.pipeline.stage.6_to_20"] = Target("tenon.pipeline.stage.2_to_5")
    for share in ("p50", "p99", "p999"):
        ours[f"tenon.swap.{share}"] = Target(f"tenon.swap.still.{share}")
        ours[f"tenon.swap.still.{share}"] = Target()
    ours["tenon.swap.visible"] = Target()
    return ours


TARGETS = _targets()

LIMIT_NAMES = (
    *(f"limit.futex_ping_pong{paused}{cores}" for paused in ("", ".paused") for cores in ("", ".one_core", ".two_cores")),
    "limit.spin_ping_pong", "limit.eventfd_ping_pong", "limit.pipe_ping_pong", "limit.unix_socket_ping_pong",
    "limit.ring.64B", *(f"limit.memcpy.{size}" for size in (*SIZES, "bandwidth")),
    "limit.memcpy_fresh.64MiB", "limit.memcpy_fresh.bandwidth", *(f"limit.spawn.{count}" for count in (1, 2, 8)),
    "limit.thread_pool.call", "limit.thread_pool.futures",
)
PEER_FIGURES = ("call.64B.sleeping", "call.64B.awake", "futures.1", "map.tiny", "echo.256MiB", "start.2")

# Units in which more is better. All others are costs.
RATES = ("calls/s", "items/s", "GB/s")


@dataclass(frozen=True)
class Step:
    """One run of a measuring program. `prefixes`: how the names of its figures start."""
    program: str
    name: str
    prefixes: tuple
    every: int = 1  # Runs in the first round and in each `every`-th round after it.
    timeout_s: int = 120

    def gives(self, names):
        """Returns whether it measures one of these figures."""
        return any(name.startswith(self.prefixes) for name in names)


# In the order of a round: a limit runs next to the figures that are compared with it, so that noise
# affects both.
STEPS = (
    Step(LIMITS, "futex", ("limit.futex_ping_pong",)),
    Step(TENON, "sleeping_calls", ("tenon.call.64B.sleeping", "tenon.call.4KiB.sleeping")),
    Step(LIMITS, "descriptors", ("limit.eventfd_ping_pong", "limit.pipe_ping_pong", "limit.unix_socket_ping_pong")),
    Step(LIMITS, "spin", ("limit.spin_ping_pong",)),
    Step(TENON, "awake_calls", ("tenon.call.64B.awake", "tenon.call.4KiB.awake")),
    Step(TENON, "nested", ("tenon.nested",)),
    Step(LIMITS, "ring", ("limit.ring.64B",)),
    Step(TENON, "futures", ("tenon.futures.",)),
    Step(TENON, "map", ("tenon.map.tiny",), every=2),
    Step(TENON, "pipeline", ("tenon.pipeline.",)),
    Step(LIMITS, "thread_pool", ("limit.thread_pool.",)),
    Step(LIMITS, "memory", ("limit.memcpy",)),
    Step(TENON, "echo", ("tenon.echo.", "tenon.call.64B.cold")),
    Step(LIMITS, "spawn", ("limit.spawn.",)),
    Step(TENON, "start", ("tenon.start.",)),
    Step(TENON, "mixed", ("tenon.mixed",)),
    Step(TENON, "swap", ("tenon.swap.",)),
    Step(TENON, "idle", ("tenon.idle.",), every=100),
    Step(TENON, "queue", ("tenon.queue.",), every=2, timeout_s=400),
    Step(TENON, "workers", ("tenon.workers.",), every=2, timeout_s=400),
)


@dataclass(frozen=True)
class Peer:
    """Another system. `program`: a file of peers/ for Python, or the name of a built program.
    `needs`: the packages to install for it."""
    name: str
    title: str
    program: str
    needs: str
    every: int = 2
    timeout_s: int = 90

    def names(self):
        """Returns the possible names of its figures."""
        return tuple(f"peer.{self.name}.{figure}" for figure in PEER_FIGURES)


PEERS = (
    Peer("process_pool_fork", "Python ProcessPoolExecutor (fork)", "process_pool.py", "python3"),
    Peer("process_pool_spawn", "Python ProcessPoolExecutor (spawn)", "process_pool.py", "python3"),
    Peer("mp_pool", "Python multiprocessing.Pool", "mp_pool.py", "python3"),
    Peer("mp_pool_chunks", "Python multiprocessing.Pool, chunks of 1000", "mp_pool.py", "python3"),
    Peer("loky", "loky (joblib)", "loky_pool.py", "python3-joblib"),
    Peer("dask", "Dask distributed", "dask_cluster.py", "python3-distributed"),
    Peer("gearman", "gearmand with libgearman", "bench_peer_gearman", "gearman-job-server libgearman-dev"),
    Peer("nats", "NATS request/reply with libnats", "bench_peer_nats", "nats-server libnats-dev"),
)


_LIMIT_TITLES = {
    "limit.futex_ping_pong": "futex ping-pong", "limit.futex_ping_pong.paused": "futex ping-pong with pauses",
    "limit.spin_ping_pong": "spin ping-pong", "limit.eventfd_ping_pong": "eventfd ping-pong",
    "limit.pipe_ping_pong": "pipe ping-pong", "limit.unix_socket_ping_pong": "Unix socket ping-pong",
    "limit.thread_pool.call": "boost::asio::thread_pool, one process",
    "limit.thread_pool.futures": "boost::asio::thread_pool, one process",
    "limit.ring.64B": "ring of 64 bytes, there and back", "limit.spawn.2": "two bare spawns, to the first byte",
}


def title_of(name):
    """Returns the system of a figure, as a label beside a bar."""
    for peer in PEERS:
        if name in peer.names():
            return peer.title
    if name.startswith("tenon.pipeline."):
        stages = name.rsplit(".", 1)[1]
        return f"tenon, {stages} stage{'' if stages == '1' else 's'}"
    return "tenon" if name.startswith("tenon.") else _LIMIT_TITLES.get(name, name)
