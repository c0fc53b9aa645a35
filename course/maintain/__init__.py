"""What a maintainer runs: `record` the long sweeps, `refresh` the notebooks, write the `tables` of the documents."""

from helpers import settings

if settings.INSTALLED:
    raise ValueError("this command changes the course's own files, so start it in a clone of the course")
