"""Tests of CPython that tenon.Executor does not pass, and why. Each of them must fail."""

_NO_PICKLE = "nothing is pickled: submit refuses an object that is not data, with a TypeError that says what to do"
_ALL_START = "all workers start at once, which takes milliseconds, and none is added later"

EXPECTED: dict[str, str] = {
    "test_free_reference": "the function returns an object that is not data",
    "test_no_stale_references": "submits a method that is bound to an object, which stays in this process",
    "test_ressources_gced_in_workers": _NO_PICKLE,
    "test_saturation": "a semaphore of multiprocessing is not data",
    "test_processes_terminate": "submits a local function, which has no name that a worker could import",
    "test_idle_process_reuse_one": _ALL_START,
    "test_idle_process_reuse_multiple": _ALL_START,
    "test_killed_child": "a dead worker fails its own call only; the test wants it to break the whole pool",
    "test_max_tasks_per_child_defaults_to_spawn_context": "there are no start methods: workers are their own program",
    **dict.fromkeys((
        "test_crash_at_task_unpickle", "test_crash_during_result_pickle_on_worker", "test_error_at_task_pickle",
        "test_error_at_task_unpickle", "test_error_during_result_pickle_on_worker",
        "test_error_during_result_unpickle_in_result_handler", "test_exit_at_task_unpickle",
        "test_exit_during_result_pickle_on_worker", "test_exit_during_result_unpickle_in_result_handler",
        "test_shutdown_deadlock_pickle"), _NO_PICKLE),
}
