"""The faces of a video: see `pipeline.commands.track`. A command, not a stage."""

from pipeline.commands.track import main

if __name__ == "__main__":
    main()
