"""Put a face onto that of another photo: see `pipeline.commands.swap`. A command, not a stage."""

from pipeline.commands.swap import main

if __name__ == "__main__":
    main()
