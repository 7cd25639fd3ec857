# The project on a CPU, as README has it: `docker build -t faces .`, then docs/scale.md, section 'In a container'.
# Python 3.11, the version that all tests run on; whoever needs the same bytes for years adds the image's digest to its tag.
FROM python:3.11.13-slim-bookworm

RUN apt-get update \
 && apt-get install --no-install-recommends --yes 'git=1:2.39.*' 'make=4.3-*' \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 researcher

USER 1000
WORKDIR /home/researcher/project
ENV PATH=/home/researcher/project/.venv/bin:$PATH \
    DVC_NO_ANALYTICS=1 \
    NO_ALBUMENTATIONS_UPDATE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PIP_NO_CACHE_DIR=1

# What is installed comes first, so that an edit of the code installs nothing anew. For a GPU: requirements-gpu.txt.
ARG REQUIREMENTS=requirements.txt
COPY --chown=1000:1000 Makefile requirements*.txt ./
RUN test "$REQUIREMENTS" = requirements.txt || cp "$REQUIREMENTS" requirements.txt; make install

COPY --chown=1000:1000 . .
# The embedded face model, which the first photo would make: a container forgets it. And what draws DVC's plots.
RUN python -c 'from pipeline.commands.bundles import embedded_bundle; embedded_bundle()' && python -m stages.offline_plots

CMD ["make", "repro"]
