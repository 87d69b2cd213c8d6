"""Tasks: what each is called, what it asks for in words, how it is seen and acted out."""

from vlfeedback.tasks.built_in import (
    METAWORLD_TASKS,
    ML45_TEST_TASKS,
    RLVLMF_TASKS,
    VLP_TEST_TASKS,
)
from vlfeedback.tasks.maniskill import MANISKILL_TASKS
from vlfeedback.tasks.registry import (
    TASKS,
    TaskRegistry,
    get_task,
    is_installed,
    list_tasks,
    own_task,
    register_task,
    task_seed,
)
from vlfeedback.tasks.spec import CollectionDefaults, TaskSpec

__all__ = [
    "MANISKILL_TASKS",
    "METAWORLD_TASKS",
    "ML45_TEST_TASKS",
    "RLVLMF_TASKS",
    "TASKS",
    "VLP_TEST_TASKS",
    "CollectionDefaults",
    "TaskRegistry",
    "TaskSpec",
    "get_task",
    "is_installed",
    "list_tasks",
    "own_task",
    "register_task",
    "task_seed",
]
