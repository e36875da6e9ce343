import pytest
import torch

from pipeline.cluster.failures import cause, described


def test_a_lost_worker_is_the_cause_of_the_others_errors():
    lost = RuntimeError("its health check failed")
    lost.health_check_failure = ValueError("it died\n\tactor_id: 7\nof old age")
    assert cause({0: OSError("closed by peer"), 3: lost}) == "worker 3: ValueError: it died of old age"
    assert cause({2: OSError("full"), 1: OSError("no room")}) == "worker 1: OSError: no room"


RAY_SAYS = """1 worker(s) were killed due to the node running low on memory. Memory was 22.60GB used / 23.54GB limit
OOM kill reason: Memory usage 24266073984B exceeded threshold
Object store memory usage: [- objects spillable: 1
- bytes spillable: 4603
Selected to kill: (Actor(4b4b))"""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "MemoryError: "),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "OutOfMemoryError: CUDA out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "RuntimeError: DefaultCPUAllocator"),
        (
            OSError(RAY_SAYS),
            "OSError: 1 worker(s) were killed due to the node running low on memory. Mem",
        ),
    ],
)
def test_if_memory_ran_out_the_message_says_what_reduces_it(error, text):
    said = cause({0: error})
    assert said.startswith(f"worker 0: {text}")
    assert "raise train.accumulation (the same steps in smaller parts), or lower train.batch_size" in said
    assert "spillable" not in said


def test_the_message_of_another_error_does_not_mention_memory():
    killed = RuntimeError("it died: (1) The process is killed by SIGKILL by OOM killer due to high memory usage.")
    assert "accumulation" not in cause({0: killed})


RAISED_ELSEWHERE = """One of the worker actors failed to initialize due to error:
Traceback (most recent call last):
  File "worker_group.py", line 489, in _create_workers
    actor_metadatas = ray.get([actor.get_metadata.remote() for actor in actors])

\x1b[36mray::Worker.get_metadata()\x1b[39m (pid=7, ip=10.77.0.2)
  File "worker.py", line 3, in <module>
ModuleNotFoundError: No module named 'pipeline'

"""


def test_a_traceback_from_another_node_is_one_line_without_colours():
    assert described(RuntimeError(RAISED_ELSEWHERE)) == (
        "RuntimeError: One of the worker actors failed to initialize due to error: ModuleNotFoundError: No module "
        "named 'pipeline'"
    )


def test_of_a_worker_that_does_not_answer_its_address_in_the_cluster_is_not_shown():
    error = RuntimeError("A worker has been hanging.\nWorker info: Worker(\n  actor=Actor(x),\n)\nSet the variable")
    assert described(error) == "RuntimeError: A worker has been hanging."
