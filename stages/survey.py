"""Stage `survey`: one of the systems that the thesis surveys, on the test photos, and its scores.

``python -m stages.survey NAME`` runs an entry of ``survey.methods``; docs/survey.md says what each system is.
"""

from pathlib import Path

import click

from pipeline.face.candide import read_wireframe
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from stages.photo.landmark_finders import file_of, open_finder
from stages.project.beginning import begin_stage
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import survey_scores_of
from stages.project.result_params import EvaluateParams
from stages.project.survey import Finder, survey
from stages.project.survey_params import ANNOTATED, FEWER_LANDMARKS, SurveyParams


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Run and score the method NAME."""
    with sentences():
        begin_stage(f"survey@{name}", survey_scores_of(name))
        methods = read("survey", SurveyParams).methods
        check(name in methods, f"{name!r} is not in survey.methods, which has {', '.join(methods) or 'none'}.")
        if methods[name].kind in FEWER_LANDMARKS:
            read_wireframe(Path(methods[name].needs))  # what is wrong with it is told once, not of each photo
        find = open_landmarks(methods[name].landmarks)
        metrics = survey(Path(), name, methods[name], find, read("data", DataParams), read("evaluate", EvaluateParams))
    errors = ", ".join(f"{key} {metrics[key]} %" for key in ("nme68_2d", "dense_3d", "surface") if key in metrics)
    click.echo(f"survey: {name}, {metrics['images']} test images scored, {metrics['failed']} failed; {errors}")


def open_landmarks(source: str) -> Finder:
    """Open what finds the landmarks that a method sees: the annotated ones, or those of one of `crop.found`."""
    if source == ANNOTATED:
        return lambda _, landmarks: landmarks
    return open_finder(source, file_of(source, ""))


if __name__ == "__main__":
    main()
