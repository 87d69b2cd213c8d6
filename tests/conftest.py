"""What must be in the environment before a test imports a simulator or torch."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
# Each test worker is one process: more threads in each would only fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
