"""Tests of the pipeline. They compute by the instructions that stages do, chosen before numpy is imported."""

import stages  # noqa: F401
