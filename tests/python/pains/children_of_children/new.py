"""An executor in a task of an executor."""
import tenon
import work

with tenon.Executor(1) as executor:
    print(list(executor.map(work.sum_of_squares_in_an_executor, [[1, 2, 3]])))
