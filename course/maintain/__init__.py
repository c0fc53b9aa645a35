"""What a maintainer runs: `record` the long sweeps, `refresh` the notebooks, write the `tables` of the documents."""
