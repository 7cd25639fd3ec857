"""Change a feature of a face: see `pipeline.commands.edit`. A command, not a stage."""

from pipeline.commands.edit import main

if __name__ == "__main__":
    main()
